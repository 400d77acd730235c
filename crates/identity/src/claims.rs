//! The claims of a token that was verified, and the principal that they describe (RFC 7519, section 4).

use model::{CredentialKind, Principal, Role, Scope, TenantId, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

use crate::Error;

/// How far `nbf` may lie ahead, for issuers whose clock runs fast. `exp` has no such grace: expired is expired.
const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(30);

/// The most bytes of a `sub`, as OpenID Connect Core, section 2, has it.
const MAX_SUBJECT_BYTES: usize = 255;

/// The most bytes of an e-mail address (RFC 5321, section 4.5.3.1) or a name that is kept.
const MAX_TEXT_BYTES: usize = 320;

/// The claims that are looked at. A claim given twice is an error, which serde sees to.
#[derive(Deserialize)]
pub(crate) struct Claims {
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iss: Option<Value>,
    aud: Option<Value>,
    email: Option<Value>,
    email_verified: Option<Value>,
    name: Option<Value>,
    role: Option<Value>,
    #[serde(rename = "tenantId")]
    tenant_id: Option<Value>,
    #[serde(rename = "organizationId")]
    organization_id: Option<Value>,
}

/// A principal, and until when its token vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vouched {
    pub(crate) principal: Principal,
    pub(crate) expires: Timestamp,
}

impl Claims {
    /// Reads a payload, which must be a JSON object.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Error> {
        object(payload, "its payload is no JSON object with claims, each given once")
    }

    /// The `iss` claim, empty where there is none.
    pub(crate) fn issuer(&self) -> &str {
        text(self.iss.as_ref()).unwrap_or_default()
    }

    /// Whether `aud`, a text or a list of them, names `audience` (RFC 7519, section 4.1.3).
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            Some(Value::String(single)) => single == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        }
    }

    /// The principal that the claims describe at the moment `now`.
    ///
    /// - `exp` is required: a token that never expires could not be taken back. NextAuth, Auth.js and OpenID Connect
    ///   always give one.
    /// - A `role` that is absent or unknown means [`Role::User`], the least.
    /// - A `platform_admin` acts everywhere, whatever tenant the token names. Any other role needs a tenant:
    ///   `tenantId`, or else `organizationId`.
    /// - An e-mail address that the issuer says it has not verified is left out, since connections are looked up by it.
    pub(crate) fn vouch(&self, now: Timestamp) -> Result<Vouched, Error> {
        let expires = check_times(self.exp.as_ref(), self.nbf.as_ref(), now)?;
        let role = text(self.role.as_ref()).and_then(|word| word.parse().ok()).unwrap_or(Role::User);
        let scope = if role == Role::PlatformAdmin { Scope::Platform } else { Scope::Tenant(self.tenant()?) };
        let principal = Principal {
            scope,
            subject: subject(self.sub.as_ref())?.to_owned(),
            email: self.email().map(str::to_owned),
            name: text(self.name.as_ref()).map(str::to_owned),
            role,
            credential: CredentialKind::User,
        };
        Ok(Vouched { principal, expires })
    }

    fn tenant(&self) -> Result<TenantId, Error> {
        let given = |claim: &'static str, value: Option<&Value>| match value {
            None | Some(Value::Null) => None,
            Some(Value::String(empty)) if empty.is_empty() => None,
            Some(value) => Some(value.as_str().and_then(|id| id.parse().ok()).ok_or(Error::Claim {
                claim,
                expected: "a tenant id: up to 128 letters, digits and . _ : @ -",
            })),
        };
        given("tenantId", self.tenant_id.as_ref())
            .or_else(|| given("organizationId", self.organization_id.as_ref()))
            .unwrap_or(Err(Error::NoTenant))
    }

    fn email(&self) -> Option<&str> {
        let disowned = match &self.email_verified {
            Some(Value::Bool(verified)) => !verified,
            Some(Value::String(word)) => word != "true",
            _ => false,
        };
        if disowned { None } else { text(self.email.as_ref()) }
    }
}

/// The moment at which a token ends by its `exp`, if it is good at the moment `now` by this and by `nbf`.
pub(crate) fn check_times(
    exp: Option<&Value>,
    nbf: Option<&Value>,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    let expires = moment("exp", exp)?
        .ok_or(Error::Claim { claim: "exp", expected: "present, as seconds since 1970" })?;
    if expires <= now {
        return Err(Error::Expired);
    }
    if moment("nbf", nbf)?.is_some_and(|begin| begin > now.plus(NOT_BEFORE_LEEWAY)) {
        return Err(Error::NotYetValid);
    }
    Ok(expires)
}

/// Whom a token is about, fit to be stored and shown.
pub(crate) fn subject(sub: Option<&Value>) -> Result<&str, Error> {
    let sub = sub.and_then(Value::as_str).unwrap_or_default();
    let fit = !sub.is_empty() && sub.len() <= MAX_SUBJECT_BYTES && !sub.chars().any(char::is_control);
    if fit { Ok(sub) } else { Err(Error::Claim { claim: "sub", expected: "a text of 1 to 255 characters" }) }
}

/// Deserializes a JSON object. Serde would also take an array for a struct, which no header or payload may be.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a [u8], complaint: &'static str) -> Result<T, Error> {
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::Malformed(complaint));
    }
    serde_json::from_slice(json).map_err(|_| Error::Malformed(complaint))
}

/// A text claim that is fit to be stored and shown; anything else counts as absent.
pub(crate) fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| {
        !text.is_empty() && text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control)
    })
}

/// A `NumericDate`: seconds since 1970, possibly with a fraction.
fn moment(claim: &'static str, value: Option<&Value>) -> Result<Option<Timestamp>, Error> {
    let wrong = Error::Claim { claim, expected: "a number of seconds since 1970" };
    let Some(value) = value else { return Ok(None) };
    if let Some(seconds) = value.as_i64() {
        return Ok(Some(Timestamp::from_millisecond(seconds.saturating_mul(1000))));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float cast saturates, and a millisecond more is no matter"
    )]
    match value.as_f64() {
        Some(seconds) if seconds.is_finite() => {
            Ok(Some(Timestamp::from_millisecond((seconds * 1000.0) as i64)))
        }
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millisecond(1_700_000_000_000);

    fn vouch(json: &str) -> Result<Vouched, String> {
        Claims::parse(json.as_bytes()).and_then(|claims| claims.vouch(NOW)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_claims_make_a_principal() {
        let vouched = vouch(
            r#"{"sub":"u1","email":"a@b.c","name":"Ann","tenantId":"acme","role":"admin","exp":1700000001,"x":[{}]}"#,
        )
        .unwrap();
        let Principal { scope, subject, email, name, role, credential } = vouched.principal;
        assert_eq!(scope, Scope::Tenant("acme".parse().unwrap()));
        assert_eq!((subject.as_str(), email.as_deref(), name.as_deref()), ("u1", Some("a@b.c"), Some("Ann")));
        assert_eq!((role, credential), (Role::Admin, CredentialKind::User));
        assert_eq!(vouched.expires, Timestamp::from_millisecond(1_700_000_001_000));
    }

    #[test]
    fn least_privilege_where_the_role_is_absent_or_unknown() {
        for role in
            ["", r#""role":"superuser","#, r#""role":["admin"],"#, r#""role":null,"#, r#""role":"ADMIN","#]
        {
            let json = format!(r#"{{{role}"sub":"u1","organizationId":"acme","exp":1700000001}}"#);
            assert_eq!(vouch(&json).unwrap().principal.role, Role::User, "{role}");
        }
    }

    #[test]
    fn a_platform_admin_acts_everywhere() {
        for tenant in ["", r#""tenantId":"acme","#] {
            let json = format!(r#"{{{tenant}"sub":"u1","role":"platform_admin","exp":1700000001}}"#);
            assert_eq!(vouch(&json).unwrap().principal.scope, Scope::Platform);
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let cases = [
            (r#"{"exp":1700000001,"tenantId":"a"}"#, "`sub`"),
            (r#"{"sub":"","exp":1700000001,"tenantId":"a"}"#, "`sub`"),
            (r#"{"sub":7,"exp":1700000001,"tenantId":"a"}"#, "`sub`"),
            (r#"{"sub":"a\u0000b","exp":1700000001,"tenantId":"a"}"#, "`sub`"),
            (r#"{"sub":"u","tenantId":"a"}"#, "`exp`"),
            (r#"{"sub":"u","tenantId":"a","exp":"1700000001"}"#, "`exp`"),
            (r#"{"sub":"u","tenantId":"a","exp":1700000000}"#, "expired"),
            (r#"{"sub":"u","tenantId":"a","exp":1699999999.5}"#, "expired"),
            (r#"{"sub":"u","tenantId":"a","exp":-1e300}"#, "expired"),
            (r#"{"sub":"u","tenantId":"a","exp":1700000001,"nbf":1700000031}"#, "not valid yet"),
            (r#"{"sub":"u","exp":1700000001}"#, "no tenant"),
            (r#"{"sub":"u","exp":1700000001,"tenantId":"a/b"}"#, "`tenantId`"),
            (r#"{"sub":"u","exp":1700000001,"tenantId":7,"organizationId":"a"}"#, "`tenantId`"),
            (r#"{"sub":"u","sub":"v","exp":1700000001,"tenantId":"a"}"#, "malformed"),
            (r#"["u",1700000001]"#, "malformed"),
            (r#""u""#, "malformed"),
        ];
        for (json, expected) in cases {
            let error = vouch(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn an_unverified_email_is_not_vouched_for() {
        let email = |verified: &str| {
            let json = format!(r#"{{"sub":"u","exp":1700000001,"tenantId":"a","email":"a@b.c"{verified}}}"#);
            vouch(&json).unwrap().principal.email
        };
        assert_eq!(email(""), Some("a@b.c".into()));
        assert_eq!(email(r#","email_verified":true"#), Some("a@b.c".into()));
        assert_eq!(email(r#","email_verified":false"#), None);
        assert_eq!(email(r#","email_verified":"false""#), None);
    }

    #[test]
    fn an_audience_may_be_one_or_several() {
        let is_for =
            |aud: &str| Claims::parse(format!(r#"{{"aud":{aud}}}"#).as_bytes()).unwrap().is_for("here");
        assert!(is_for(r#""here""#) && is_for(r#"["there","here"]"#));
        assert!(!is_for(r#""there""#) && !is_for("[]") && !is_for("null") && !is_for(r#"[["here"]]"#));
    }
}
