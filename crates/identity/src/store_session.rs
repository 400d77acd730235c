//! The session tokens with which the Lexmodo platform shows a store's admin the plugin's page: JWS (RFC 7515) under the
//! app's secret, with the store and its admin in them.

use jsonwebtoken::{Algorithm, DecodingKey};
use model::{Ambient, CredentialKind, Principal, Role, Scope, TenantId, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use crate::claims::{check_times, object, subject, text};
use crate::compact::{Token, decode};
use crate::error::AlgorithmName;
use crate::key_set::verifies;
use crate::{Error, Lexmodo};

/// The most bytes of an e-mail address (RFC 5321, section 4.5.3.1.3, less the brackets).
const MAX_EMAIL_BYTES: usize = 254;

/// The most characters of a claim in the log.
const MAX_SHOWN: usize = 200;

/// A store's admin, as the platform vouches for them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSession {
    /// The store, from 1 to 2^63 - 1.
    pub store_id: u64,
    /// The admin's e-mail address, where the token has one that looks like one: 254 bytes at most.
    pub admin_email: Option<String>,
    /// The admin's name, where the token has one: 320 bytes at most, no control characters. Others chose it, so it must be
    /// escaped wherever it is shown.
    pub admin_name: Option<String>,
    /// When the token ends.
    pub expires_at: Timestamp,
    tenant: TenantId,
    subject: String,
}

impl StoreSession {
    /// The tenant that the store is: `lexmodo:<store_id>`.
    pub fn tenant(&self) -> TenantId {
        self.tenant.clone()
    }

    /// The admin as a user of that tenant. The subject is the token's `sub` if there is one, else the e-mail address, else
    /// `store:<store_id>`.
    pub fn principal(&self) -> Principal {
        Principal {
            scope: Scope::Tenant(self.tenant()),
            subject: self.subject.clone(),
            email: self.admin_email.clone(),
            name: self.admin_name.clone(),
            role: Role::User,
            credential: CredentialKind::StoreSession,
        }
    }
}

/// The claims of such a token. One that is given twice is an error, which serde sees to.
#[derive(Deserialize)]
struct StoreClaims {
    iss: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    sub: Option<Value>,
    store_id: Option<Value>,
    extra: Option<Value>,
}

impl StoreClaims {
    /// The session that the claims describe at the moment `now`, if `issuer` made them.
    fn session(&self, issuer: &str, now: Timestamp) -> Result<StoreSession, Error> {
        if self.iss.as_ref().and_then(Value::as_str) != Some(issuer) {
            return Err(Error::StoreSessionIssuer);
        }
        let expires_at =
            check_times(self.exp.as_ref(), self.nbf.as_ref(), now).map_err(|error| match error {
                Error::Expired => Error::StoreSessionExpired,
                other => other,
            })?;
        let store_id = self.store_id()?;
        let admin_email = self.extra("admin_email").filter(|text| is_email(text)).map(str::to_owned);
        let subject = match &self.sub {
            Some(sub) => subject(Some(sub))?.to_owned(),
            None => admin_email.clone().unwrap_or_else(|| format!("store:{store_id}")),
        };
        Ok(StoreSession {
            store_id,
            admin_name: self.extra("admin_name").map(str::to_owned),
            admin_email,
            expires_at,
            tenant: format!("lexmodo:{store_id}").parse().map_err(|_| WRONG_STORE)?,
            subject,
        })
    }

    /// The store. A text with digits in it is refused: what is not the number that the platform writes is not the
    /// platform's.
    fn store_id(&self) -> Result<u64, Error> {
        let id = self.store_id.as_ref().and_then(Value::as_i64).and_then(|id| u64::try_from(id).ok());
        id.filter(|id| *id > 0).ok_or(WRONG_STORE)
    }

    /// A text about the admin; one that is not fit to be kept and shown counts as absent.
    fn extra(&self, name: &str) -> Option<&str> {
        text(self.extra.as_ref()?.get(name))
    }
}

const WRONG_STORE: Error = Error::Claim {
    claim: "store_id",
    expected: "an integer from 1 to 9223372036854775807 (a text with digits is none)",
};

fn is_email(text: &str) -> bool {
    let has_both =
        text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_both && text.len() <= MAX_EMAIL_BYTES && !text.chars().any(char::is_whitespace)
}

/// Verifies session tokens of one platform.
pub(crate) struct StoreSessions {
    key: DecodingKey,
    issuer: String,
    ambient: Ambient,
}

impl StoreSessions {
    pub(crate) fn new(lexmodo: &Lexmodo, ambient: Ambient) -> Self {
        let key = DecodingKey::from_secret(lexmodo.secret.expose_secret().as_bytes());
        Self { key, issuer: lexmodo.issuer.clone(), ambient }
    }

    /// What `token` says, once it has proven to be the platform's and good at this moment.
    pub(crate) fn verify(&self, token: &str) -> Result<StoreSession, Error> {
        let token = match Token::parse(token)? {
            Token::Signed(token) => token,
            Token::Encrypted(token) => return Err(Error::Algorithm(AlgorithmName::new(&token.header.alg))),
        };
        if token.header.alg != "HS256" {
            return Err(token.header.refused());
        }
        if !verifies(&token, &self.key, Algorithm::HS256) {
            return Err(Error::StoreSessionSignature);
        }
        let claims: StoreClaims =
            object(&decode(token.payload)?, "its payload is no JSON object with claims, each given once")?;
        let session = claims.session(&self.issuer, self.ambient.now());
        if matches!(session, Err(Error::StoreSessionIssuer)) {
            // Signed with the app's secret, so it is a wrong setting rather than a stranger.
            let named = claims.iss.as_ref().map(Value::to_string).unwrap_or_default();
            let named: String = named.chars().take(MAX_SHOWN).collect();
            tracing::warn!(
                issuer.named = named,
                issuer.expected = self.issuer,
                "a session token of the platform names another issuer than ISSUER, which must be the same letter by \
                 letter, also in a slash at the end"
            );
        }
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millisecond(1_700_000_000_000);
    const ISSUER: &str = "https://admin.example";

    /// The session of claims in which `with` stands beside those that are always needed.
    fn session(with: &str) -> Result<StoreSession, String> {
        claims(&format!(r#"{{"iss":"{ISSUER}","exp":1700000001{with}}}"#))
    }

    fn claims(json: &str) -> Result<StoreSession, String> {
        object::<StoreClaims>(json.as_bytes(), "not once each")
            .and_then(|claims| claims.session(ISSUER, NOW))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_claims_make_a_user_of_the_store() {
        let session = session(
            r#","store_id":7,"extra":{"admin_email":"ann@shop.example","admin_name":"Ann","x":[1]},"iat":1"#,
        )
        .unwrap();
        assert_eq!((session.store_id, session.expires_at.as_second()), (7, 1_700_000_001));
        assert_eq!(session.tenant().as_str(), "lexmodo:7");
        let Principal { scope, subject, email, name, role, credential } = session.principal();
        assert_eq!(scope, Scope::Tenant("lexmodo:7".parse().unwrap()));
        assert_eq!((subject.as_str(), email.as_deref()), ("ann@shop.example", Some("ann@shop.example")));
        assert_eq!(name.as_deref(), Some("Ann"));
        assert_eq!((role, credential), (Role::User, CredentialKind::StoreSession));
    }

    #[test]
    fn the_subject_is_the_best_name_that_there_is() {
        let subject = |with: &str| session(&format!(r#","store_id":7{with}"#)).unwrap().principal().subject;
        assert_eq!(subject(r#","sub":"42","extra":{"admin_email":"a@b.c"}"#), "42");
        assert_eq!(subject(r#","sub":null,"extra":{"admin_email":"a@b.c"}"#), "a@b.c");
        assert_eq!(subject(r#","extra":{"admin_email":"no address"}"#), "store:7");
        assert_eq!(subject(""), "store:7");
    }

    #[test]
    fn a_store_is_an_integer_from_1() {
        for (id, expected) in [("1", 1), ("9223372036854775807", i64::MAX as u64)] {
            assert_eq!(session(&format!(r#","store_id":{id}"#)).unwrap().store_id, expected);
        }
        let wrong = [
            r#""7""#,
            r#""""#,
            "0",
            "-7",
            "7.0",
            "7.5",
            "1e3",
            "9223372036854775808",
            "null",
            "true",
            "[7]",
            "18446744073709551616",
        ];
        for id in wrong {
            let error = session(&format!(r#","store_id":{id}"#)).unwrap_err();
            assert!(
                error.contains("`store_id` must be an integer from 1 to 9223372036854775807"),
                "{id}: {error}"
            );
        }
        assert!(session("").unwrap_err().contains("`store_id`"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let cases = [
            (r#"{"iss":"https://admin.example/","exp":1700000001,"store_id":7}"#, "`iss`"),
            (r#"{"iss":["https://admin.example"],"exp":1700000001,"store_id":7}"#, "`iss`"),
            (r#"{"exp":1700000001,"store_id":7}"#, "`iss`"),
            (r#"{"iss":"https://admin.example","store_id":7}"#, "`exp`"),
            (r#"{"iss":"https://admin.example","exp":"1700000001","store_id":7}"#, "`exp`"),
            (r#"{"iss":"https://admin.example","exp":1700000000,"store_id":7}"#, "from the store's admin"),
            (
                r#"{"iss":"https://admin.example","exp":1700000001,"nbf":1700000031,"store_id":7}"#,
                "not valid yet",
            ),
            (r#"{"iss":"https://admin.example","exp":1700000001,"store_id":7,"sub":7}"#, "`sub`"),
            (r#"{"iss":"https://admin.example","exp":1700000001,"store_id":7,"sub":""}"#, "`sub`"),
            (r#"{"iss":"https://admin.example","exp":1700000001,"store_id":7,"sub":"a\nb"}"#, "`sub`"),
            (
                r#"{"iss":"https://admin.example","exp":1700000001,"store_id":7,"store_id":8}"#,
                "not once each",
            ),
            (r#"["https://admin.example",1700000001,null,null,7,null]"#, "not once each"),
        ];
        for (json, expected) in cases {
            let error = claims(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn what_is_not_fit_to_be_shown_counts_as_absent() {
        let extra = |extra: &str| {
            let session = session(&format!(r#","store_id":7,"extra":{extra}"#)).unwrap();
            (session.admin_email, session.admin_name)
        };
        for wrong in ["null", "[]", r#""a@b.c""#, "7", "{}", r#"{"admin_email":7,"admin_name":["Ann"]}"#] {
            assert_eq!(extra(wrong), (None, None), "{wrong}");
        }
        assert_eq!(extra(r#"{"admin_email":"a@b.c\n","admin_name":"An\u0000n"}"#), (None, None));
        for no_address in ["ann", "@b.c", "a@", "a b@c.d"] {
            assert_eq!(extra(&format!(r#"{{"admin_email":"{no_address}"}}"#)).0, None, "{no_address}");
        }
        let long = "x".repeat(321);
        assert_eq!(extra(&format!(r#"{{"admin_email":"{long}@b.c","admin_name":"{long}"}}"#)), (None, None));
        let script = "<script>alert(1)</script>";
        assert_eq!(extra(&format!(r#"{{"admin_name":"{script}"}}"#)).1.as_deref(), Some(script));
    }
}
