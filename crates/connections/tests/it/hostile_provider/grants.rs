//! The grants of a provider: codes, access tokens, refresh tokens that rotate, and who used them twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// One access token and one refresh token.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

struct Refresh {
    family: u64,
    /// How often it was redeemed.
    redeemed: usize,
}

struct Code {
    challenge: String,
    redirect_uri: String,
    family: Option<u64>,
}

/// What was granted, and how a refresh is handled.
pub(crate) struct Grants {
    /// Whether a refresh ends the refresh token that it was made with. Without, answers bring no refresh token.
    pub(crate) rotates: bool,
    /// Whether a redeemed refresh token may be redeemed again, as within a leeway.
    pub(crate) forgives_reuse: bool,
    /// The `expires_in` of answers; null for none.
    pub(crate) expires_in: Value,
    /// How many refreshes succeeded.
    pub(crate) redemptions: usize,
    /// How often a rotated refresh token was used again.
    pub(crate) reuses: usize,
    next: u64,
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Refresh>,
    access: HashMap<String, u64>,
    ended: HashSet<u64>,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            rotates: true,
            forgives_reuse: false,
            expires_in: json!(3600),
            redemptions: 0,
            reuses: 0,
            next: 0,
            codes: HashMap::new(),
            refresh: HashMap::new(),
            access: HashMap::new(),
            ended: HashSet::new(),
        }
    }
}

impl Grants {
    /// A new grant.
    pub(crate) fn issue(&mut self) -> Issued {
        let family = self.number();
        self.issue_in(family)
    }

    /// A code, as if a user had consented to a request with this challenge.
    pub(crate) fn code(&mut self, challenge: &str, redirect_uri: &str) -> String {
        let code = format!("CoB6mN{}uZf", self.number());
        let kept =
            Code { challenge: challenge.to_owned(), redirect_uri: redirect_uri.to_owned(), family: None };
        self.codes.insert(code.clone(), kept);
        code
    }

    /// Whether an access token is accepted.
    pub(crate) fn is_live(&self, access: &str) -> bool {
        self.access.get(access).is_some_and(|family| !self.ended.contains(family))
    }

    /// Ends the grant that a token belongs to, of either kind; whether there was one.
    pub(crate) fn revoke(&mut self, token: &str) -> bool {
        let family = self.access.get(token).or(self.refresh.get(token).map(|known| &known.family)).copied();
        family.is_some_and(|family| self.ended.insert(family))
    }

    /// What the token endpoint does for a client that proved itself.
    pub(super) fn redeem(&mut self, params: &BTreeMap<String, String>) -> Result<Value, &'static str> {
        let given = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
        match given("grant_type") {
            "authorization_code" => {
                let family = self.number();
                let code = self.codes.get_mut(given("code")).ok_or("invalid_grant")?;
                if let Some(replayed) = code.family.replace(family) {
                    self.ended.insert(replayed);
                    return Err("invalid_grant");
                }
                let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, given("code_verifier").as_bytes()));
                if code.challenge != challenge || code.redirect_uri != given("redirect_uri") {
                    return Err("invalid_grant");
                }
                let issued = self.issue_in(family);
                Ok(self.answer(&issued, true))
            }
            "refresh_token" => self.refresh(given("refresh_token")),
            "client_credentials" => {
                let issued = self.issue();
                Ok(self.answer(&issued, false))
            }
            _ => Err("unsupported_grant_type"),
        }
    }

    fn refresh(&mut self, token: &str) -> Result<Value, &'static str> {
        let known = self.refresh.get_mut(token).ok_or("invalid_grant")?;
        let family = known.family;
        if self.ended.contains(&family) {
            return Err("invalid_grant");
        }
        if self.rotates && known.redeemed > 0 {
            self.reuses += 1;
            if !self.forgives_reuse {
                self.ended.insert(family);
                return Err("invalid_grant");
            }
        }
        known.redeemed += 1;
        self.redemptions += 1;
        let issued = self.issue_in(family);
        Ok(self.answer(&issued, self.rotates))
    }

    fn answer(&self, issued: &Issued, with_refresh: bool) -> Value {
        let mut answer = json!({"access_token": issued.access, "token_type": "Bearer"});
        if with_refresh {
            answer["refresh_token"] = json!(issued.refresh);
        }
        if !self.expires_in.is_null() {
            answer["expires_in"] = self.expires_in.clone();
        }
        answer
    }

    fn issue_in(&mut self, family: u64) -> Issued {
        let number = self.number();
        let issued = Issued { access: format!("AcQ9xT{number}hVd"), refresh: format!("ReJ4kW{number}pYs") };
        self.access.insert(issued.access.clone(), family);
        self.refresh.insert(issued.refresh.clone(), Refresh { family, redeemed: 0 });
        issued
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
