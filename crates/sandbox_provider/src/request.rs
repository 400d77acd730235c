//! An authorization request (RFC 6749, section 4.1.1; RFC 7636, section 4.3).

use url::Url;

use crate::Sandbox;
use crate::error::{Code, OAuthError};
use crate::parameters::Parameters;
use crate::scope::{Scope, Scopes};

/// The parameters that may be there once.
const ONCE: [&str; 7] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];

/// How long a challenge by S256 is: 32 bytes in base64url.
const CHALLENGE_LENGTH: usize = 43;

/// Where the answer goes: found out before everything else, because without it nothing can be told to the client.
#[derive(Debug, Clone)]
pub(crate) struct ReturnAddress {
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
}

/// A request that a person can decide on.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizationRequest {
    pub(crate) scopes: Scopes,
    pub(crate) challenge: String,
}

impl ReturnAddress {
    /// Finds the client and where it wants the answer. An error here is told to the person, never by a redirect: the
    /// address is not to be trusted (RFC 6749, section 4.1.2.1).
    pub(crate) fn of(sandbox: &Sandbox, parameters: &Parameters) -> Result<Self, OAuthError> {
        let refusal = |detail: &'static str| Err(OAuthError::new(Code::InvalidRequest, detail));
        parameters.refuse_repeated(&["client_id", "redirect_uri"])?;
        if parameters.require("client_id")? != sandbox.config.client_id {
            return refusal("the client_id is not known here");
        }
        let redirect_uri = parameters.require("redirect_uri")?;
        if !sandbox.config.redirect_uris.iter().any(|known| known == redirect_uri) {
            return refusal("the redirect_uri is not one that was registered, character by character");
        }
        let state = parameters.get("state").map(str::to_owned);
        Ok(Self { redirect_uri: redirect_uri.to_owned(), state })
    }

    /// The address with an answer in its query, `state` and `iss` (RFC 9207) with it.
    pub(crate) fn with(&self, issuer: &str, answer: &[(&str, &str)]) -> Result<Url, OAuthError> {
        let mut url = Url::parse(&self.redirect_uri)
            .map_err(|_| OAuthError::new(Code::InvalidRequest, "the registered redirect_uri is not a URL"))?;
        url.query_pairs_mut()
            .extend_pairs(answer)
            .extend_pairs(self.state.as_ref().map(|state| ("state", state)))
            .append_pair("iss", issuer);
        Ok(url)
    }
}

impl AuthorizationRequest {
    /// Reads the rest of the request. An error here is told to the client.
    pub(crate) fn of(parameters: &Parameters) -> Result<Self, OAuthError> {
        parameters.refuse_repeated(&ONCE)?;
        if parameters.require("response_type")? != "code" {
            let detail = "the response_type must be code";
            return Err(OAuthError::new(Code::UnsupportedResponseType, detail));
        }
        let challenge = parameters.require("code_challenge")?;
        if parameters.get("code_challenge_method") != Some("S256") || !is_challenge(challenge) {
            let detail = "PKCE is required: a code_challenge of 43 characters by the method S256";
            return Err(OAuthError::new(Code::InvalidRequest, detail));
        }
        let scopes = match parameters.get("scope") {
            None => Some(Scopes::from_iter([Scope::Read])),
            Some(text) => Scopes::parse(text).filter(|scopes| !scopes.is_empty()),
        };
        let unknown =
            || OAuthError::new(Code::InvalidScope, "the scope must be of notes.read and notes.write");
        Ok(Self { scopes: scopes.ok_or_else(unknown)?, challenge: challenge.to_owned() })
    }
}

fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE_LENGTH
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
