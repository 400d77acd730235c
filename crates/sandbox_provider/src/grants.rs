//! What people have granted: codes that wait to be redeemed, and families of tokens that came of one consent.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::{Ambient, Timestamp, new_id};

use crate::error::{Code, OAuthError};
use crate::people::Person;
use crate::scope::Scopes;
use crate::secret::{Digest, Kind, Token, issue};

/// How long a code can be redeemed.
const CODE_LIFETIME: Duration = Duration::from_mins(1);
/// How long an access token is good for.
pub(crate) const ACCESS_LIFETIME: Duration = Duration::from_mins(10);
/// How many codes are kept; the oldest give way.
const MAX_CODES: usize = 1000;
/// How many consents are kept; the oldest give way, so that their tokens end.
const MAX_FAMILIES: usize = 1000;
/// How many access tokens of one consent are good at the same time; the oldest give way.
const MAX_ACCESS_TOKENS: usize = 50;

/// What a person allowed the client, by a consent.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    pub(crate) person: &'static Person,
    pub(crate) scopes: Scopes,
    pub(crate) redirect_uri: String,
    /// The PKCE challenge, by S256.
    pub(crate) challenge: String,
}

/// A token answer (RFC 6749, section 5.1).
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) scopes: Scopes,
}

/// Whom an access token speaks for, and for what.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) person: &'static Person,
    pub(crate) scopes: Scopes,
}

#[derive(Debug)]
struct PendingCode {
    consent: Consent,
    secret: Digest,
    expires_at: Timestamp,
    /// The family it was redeemed for: it is kept so that a second redemption is noticed.
    family: Option<String>,
}

/// The tokens that came of one consent.
#[derive(Debug)]
struct Family {
    person: &'static Person,
    scopes: Scopes,
    /// The refresh token that is good now; every other one of the family was redeemed before.
    refresh: Digest,
    access: VecDeque<AccessToken>,
}

#[derive(Debug)]
struct AccessToken {
    secret: Digest,
    scopes: Scopes,
    expires_at: Timestamp,
}

/// All codes and tokens. The ids sort by time of creation, so that the first is the oldest.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    codes: BTreeMap<String, PendingCode>,
    families: BTreeMap<String, Family>,
}

impl Grants {
    /// A code for a consent.
    pub(crate) fn grant(&mut self, consent: Consent, ambient: &Ambient) -> String {
        let now = ambient.now();
        self.codes.retain(|_, code| code.expires_at > now);
        make_room(&mut self.codes, MAX_CODES);
        let id = new_id(ambient);
        let (code, secret) = issue(Kind::Code, &id, ambient);
        let expires_at = now.plus(CODE_LIFETIME);
        self.codes.insert(id, PendingCode { consent, secret, expires_at, family: None });
        code
    }

    /// Redeems a code (RFC 6749, section 4.1.3; RFC 7636, section 4.6). A code that comes a second time ends what came of
    /// it (RFC 6749, section 10.5).
    pub(crate) fn redeem(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        ambient: &Ambient,
    ) -> Result<Tokens, OAuthError> {
        let refusal = |detail: &'static str| OAuthError::new(Code::InvalidGrant, detail);
        let unknown = || refusal("the code is not known, or has expired");
        let token = Token::parse(code).filter(|token| token.kind == Kind::Code).ok_or_else(unknown)?;
        let pending = self.codes.get_mut(token.id).filter(|pending| pending.secret.is_of(token.secret));
        let pending = pending.filter(|pending| pending.expires_at > ambient.now()).ok_or_else(unknown)?;
        if let Some(family) = &pending.family {
            self.families.remove(family);
            return Err(refusal("the code was redeemed before; what came of it is revoked"));
        }
        if pending.consent.redirect_uri != redirect_uri {
            return Err(refusal("the redirect_uri is not that of the authorization request"));
        }
        if !is_verifier(verifier) {
            let detail = "the code_verifier must have 43 to 128 letters, digits, or -._~";
            return Err(OAuthError::new(Code::InvalidRequest, detail));
        }
        if !Digest::of(verifier).is_written(&pending.consent.challenge) {
            return Err(refusal("the code_verifier does not meet the code_challenge"));
        }
        let id = new_id(ambient);
        pending.family = Some(id.clone());
        let Consent { person, scopes, .. } = pending.consent.clone();
        let (refresh, secret) = issue(Kind::Refresh, &id, ambient);
        let mut family = Family { person, scopes: scopes.clone(), refresh: secret, access: VecDeque::new() };
        let access = family.issue_access(&id, scopes.clone(), ambient);
        make_room(&mut self.families, MAX_FAMILIES);
        self.families.insert(id, family);
        Ok(Tokens { access, refresh, scopes })
    }

    /// Redeems a refresh token for new tokens, all its scopes or some; it is good for one time. One that comes a second
    /// time was stolen, or its thief's is yet to come, so the whole family ends (RFC 9700, section 4.14.2).
    pub(crate) fn refresh(
        &mut self,
        refresh_token: &str,
        narrowed: Option<Scopes>,
        ambient: &Ambient,
    ) -> Result<Tokens, OAuthError> {
        let unknown =
            || OAuthError::new(Code::InvalidGrant, "the refresh token is not known, or was revoked");
        let token = Token::parse(refresh_token).filter(|token| token.kind == Kind::Refresh);
        let token = token.ok_or_else(unknown)?;
        let family = self.families.get_mut(token.id).ok_or_else(unknown)?;
        if !family.refresh.is_of(token.secret) {
            self.families.remove(token.id);
            let detail = "the refresh token was redeemed before; every token of this consent is revoked";
            return Err(OAuthError::new(Code::InvalidGrant, detail));
        }
        let scopes = narrowed.unwrap_or_else(|| family.scopes.clone());
        if scopes.is_empty() || !scopes.is_within(&family.scopes) {
            let detail = "the scope must be within what was granted";
            return Err(OAuthError::new(Code::InvalidScope, detail));
        }
        let (refresh, secret) = issue(Kind::Refresh, token.id, ambient);
        family.refresh = secret;
        let access = family.issue_access(token.id, scopes.clone(), ambient);
        Ok(Tokens { access, refresh, scopes })
    }

    /// Ends an access token, or with a refresh token the whole family (RFC 7009, section 2.1). Unknown tokens are no error.
    pub(crate) fn revoke(&mut self, token: &str) {
        let Some(token) = Token::parse(token) else { return };
        match token.kind {
            // One that was redeemed before is still a client's way to say that all is over.
            Kind::Refresh => drop(self.families.remove(token.id)),
            Kind::Access => {
                if let Some(family) = self.families.get_mut(token.id) {
                    family.access.retain(|access| !access.secret.is_of(token.secret));
                }
            }
            Kind::Code => {}
        }
    }

    /// Whom an access token speaks for; `None` if it is not known, was revoked, or has expired.
    pub(crate) fn access(&self, access_token: &str, now: Timestamp) -> Option<Access> {
        let token = Token::parse(access_token).filter(|token| token.kind == Kind::Access)?;
        let family = self.families.get(token.id)?;
        let access = family.access.iter().find(|access| access.secret.is_of(token.secret))?;
        let scopes = access.scopes.clone();
        (access.expires_at > now).then_some(Access { person: family.person, scopes })
    }
}

impl Family {
    fn issue_access(&mut self, id: &str, scopes: Scopes, ambient: &Ambient) -> String {
        let now = ambient.now();
        self.access.retain(|access| access.expires_at > now);
        while self.access.len() >= MAX_ACCESS_TOKENS {
            self.access.pop_front();
        }
        let (token, secret) = issue(Kind::Access, id, ambient);
        self.access.push_back(AccessToken { secret, scopes, expires_at: now.plus(ACCESS_LIFETIME) });
        token
    }
}

/// RFC 7636, section 4.1.
fn is_verifier(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

/// Takes out the oldest until one more fits.
fn make_room<V>(things: &mut BTreeMap<String, V>, max: usize) {
    while things.len() >= max {
        things.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use testkit::ManualClock;

    use super::*;
    use crate::people::PEOPLE;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn consent() -> Consent {
        Consent {
            person: &PEOPLE[0],
            scopes: Scopes::parse("notes.read").unwrap(),
            redirect_uri: "http://a.example/".to_owned(),
            challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
        }
    }

    #[test]
    fn nothing_grows_without_bound_and_the_oldest_give_way() {
        let (clock, ambient) = ManualClock::ambient();
        let mut grants = Grants::default();
        let mut first = None;
        for _ in 0..=MAX_FAMILIES {
            let code = grants.grant(consent(), &ambient);
            let tokens = grants.redeem(&code, "http://a.example/", VERIFIER, &ambient).unwrap();
            first.get_or_insert(tokens);
            clock.advance(Duration::from_millis(1));
        }
        assert_eq!((grants.codes.len(), grants.families.len()), (MAX_CODES, MAX_FAMILIES));
        let mut refresh = first.unwrap().refresh;
        assert!(grants.refresh(&refresh, None, &ambient).is_err());

        let code = grants.grant(consent(), &ambient);
        let tokens = grants.redeem(&code, "http://a.example/", VERIFIER, &ambient).unwrap();
        refresh = tokens.refresh;
        for _ in 0..MAX_ACCESS_TOKENS {
            refresh = grants.refresh(&refresh, None, &ambient).unwrap().refresh;
        }
        assert!(grants.access(&tokens.access, ambient.now()).is_none());
        let (_, family) = grants.families.last_key_value().unwrap();
        assert_eq!(family.access.len(), MAX_ACCESS_TOKENS);
        clock.advance(CODE_LIFETIME);
        grants.grant(consent(), &ambient);
        assert_eq!(grants.codes.len(), 1);
    }
}
