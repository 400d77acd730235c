//! The `state` of a flow: everything that the callback must know, sealed, so that beginning writes nothing.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Ambient, TenantId, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use storage::Tickets;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Error;
use crate::catalog::Provider;
use crate::protocol::Verifier;

/// What a state is sealed for.
const STATE: &str = "authorization state";
/// What a link is sealed for that begins a flow in the browser that opens it.
const LINK: &str = "authorization link";

/// A flow that was begun. The names on the wire are short, because the whole travels in URLs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// 128 random bits: each flow is completed once.
    #[serde(rename = "i")]
    pub(crate) id: String,
    #[serde(rename = "t")]
    pub(crate) tenant: String,
    #[serde(rename = "p")]
    pub(crate) provider: String,
    #[serde(rename = "x")]
    pub(crate) expires_at: i64,
    /// The hash of the browser's nonce; absent for a flow that a program began for itself.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(crate) browser: Option<String>,
    /// Whether who opens the link is asked first.
    #[serde(rename = "y", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) confirm: bool,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_email: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(crate) return_to: Option<String>,
    /// The caller's own opaque value.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(crate) app_state: Option<String>,
    /// Of the OAuth app that the flow was begun with.
    #[serde(rename = "c")]
    pub(crate) client_id: String,
    /// What the caller asked for; empty for the provider's defaults.
    #[serde(rename = "q", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<String>,
    #[serde(rename = "f", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) further_scopes: BTreeMap<String, Vec<String>>,
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) variables: BTreeMap<String, String>,
    /// The connect session that it belongs to, by the session's token.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// Who began it.
    #[serde(rename = "a")]
    pub(crate) actor: String,
    /// The PKCE verifier (RFC 7636): 43 characters of 256 random bits. Nobody but this server can open the state.
    #[serde(rename = "v")]
    pub(crate) verifier: String,
}

/// Without the verifier and the session's token.
impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, tenant, provider, .. } = self;
        f.debug_struct("Flow")
            .field("id", id)
            .field("tenant", tenant)
            .field("provider", provider)
            .finish_non_exhaustive()
    }
}

impl Flow {
    /// A fresh id or verifier of `N` random bytes.
    pub(crate) fn random<const N: usize>(ambient: &Ambient) -> String {
        URL_SAFE_NO_PAD.encode(Zeroizing::new(ambient.bytes::<N>()).as_slice())
    }

    /// The text that travels as `state`.
    pub(crate) fn seal(&self, tickets: &Tickets) -> Result<String, Error> {
        self.seal_for(tickets, STATE)
    }

    /// The text that travels in a link which begins this flow.
    pub(crate) fn seal_link(&self, tickets: &Tickets) -> Result<String, Error> {
        self.seal_for(tickets, LINK)
    }

    /// The flow behind a `state`.
    pub(crate) fn open(tickets: &Tickets, state: &str) -> Result<Self, Error> {
        Self::open_for(tickets, STATE, state)
    }

    /// The flow behind a link.
    pub(crate) fn open_link(tickets: &Tickets, link: &str) -> Result<Self, Error> {
        Self::open_for(tickets, LINK, link)
    }

    fn seal_for(&self, tickets: &Tickets, purpose: &str) -> Result<String, Error> {
        let json = Zeroizing::new(serde_json::to_vec(self).map_err(Error::Corrupt)?);
        Ok(tickets.seal(purpose, &json)?)
    }

    fn open_for(tickets: &Tickets, purpose: &str, text: &str) -> Result<Self, Error> {
        let json = tickets.open(purpose, text).ok_or(Error::State)?;
        serde_json::from_slice(&json).map_err(|_| Error::State)
    }

    /// The secret that proves who began.
    pub(crate) fn verifier(&self) -> Verifier {
        SecretString::from(self.verifier.as_str()).into()
    }

    /// What the caller asked for, by credential.
    pub(crate) fn asked(&self, provider: &Provider) -> BTreeMap<String, Vec<String>> {
        let first = provider.credentials.first().filter(|_| !self.scopes.is_empty());
        let first = first.map(|shape| (shape.name.clone(), self.scopes.clone()));
        first.into_iter().chain(self.further_scopes.clone()).collect()
    }

    /// Whose flow it is.
    pub(crate) fn tenant(&self) -> Result<TenantId, Error> {
        self.tenant.parse().map_err(|_| Error::State)
    }

    /// Refuses a flow whose time is over.
    pub(crate) fn check_age(&self, now: Timestamp) -> Result<(), Error> {
        if now.as_millisecond() < self.expires_at { Ok(()) } else { Err(Error::FlowExpired) }
    }

    /// Refuses a browser that is not the one that began, told by the hash of its nonce.
    pub(crate) fn check_browser(&self, browser: Option<&str>) -> Result<(), Error> {
        let Some(expected) = &self.browser else { return Ok(()) };
        let given = browser.unwrap_or_default();
        if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
            Ok(())
        } else {
            Err(Error::OtherBrowser)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proves_something_is_not_shown() {
        let flow = Flow {
            id: "flow-1".into(),
            tenant: "acme".into(),
            provider: "notes".into(),
            expires_at: 0,
            browser: Some("hash-of-nonce".into()),
            confirm: false,
            user_email: None,
            return_to: None,
            app_state: Some("state-of-app".into()),
            client_id: "client".into(),
            scopes: Vec::new(),
            further_scopes: BTreeMap::new(),
            variables: BTreeMap::new(),
            session: Some("token-of-session".into()),
            actor: "ann".into(),
            verifier: "verifier-of-flow".into(),
        };
        let shown = format!("{flow:?}");
        assert!(shown.contains("flow-1"), "{shown}");
        for secret in ["hash-of-nonce", "state-of-app", "token-of-session", "verifier-of-flow"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
