//! The token that tells a plugin's server who is calling: `X-Jackfield-Context`.
//!
//! A JWS (RFC 7515) of the type `jackfield-context+jwt`, signed with one of the keys at `/.well-known/jwks.json`. It dies after
//! a minute and is for one plugin (`aud`), so that a plugin's server can do nothing with it at another.

use std::time::Duration;

use http::HeaderValue;
use identity::Signer;
use model::{Ambient, Caller, PluginId, Role, TenantId, Timestamp};
use moka::sync::Cache;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::Error;

/// `typ` of the token's header.
pub const CONTEXT_TOKEN: &str = "jackfield-context+jwt";

/// How long a token lives.
const LIFETIME: Duration = Duration::from_mins(1);

/// For how many callers tokens are kept: about 10 MB.
const MAX_TOKENS: u64 = 10_000;

/// The token's claims, besides `iss`, `iat`, `exp` and `jti`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    aud: String,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    role: Role,
    tenant_id: &'a TenantId,
    plugin_id: &'a PluginId,
}

/// Whom a token is about, and whom it is for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    plugin: PluginId,
    subject: String,
    email: Option<String>,
    name: Option<String>,
    role: Role,
}

/// The same, of what is at hand.
#[derive(Hash)]
struct KeyRef<'a> {
    tenant: &'a TenantId,
    plugin: &'a PluginId,
    subject: &'a str,
    email: Option<&'a str>,
    name: Option<&'a str>,
    role: Role,
}

impl moka::Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.tenant == key.tenant
            && *self.plugin == key.plugin
            && self.subject == key.subject
            && self.email == key.email.as_deref()
            && self.name == key.name.as_deref()
            && self.role == key.role
    }
}

/// Makes such tokens, and hands each out for half its life.
#[derive(Debug)]
pub(super) struct Contexts {
    signer: Signer,
    ambient: Ambient,
    tokens: Cache<Key, (HeaderValue, Timestamp)>,
}

impl Contexts {
    pub(super) fn new(signer: Signer, ambient: Ambient) -> Self {
        let tokens = Cache::builder().max_capacity(MAX_TOKENS).time_to_live(LIFETIME).build();
        Self { signer, ambient, tokens }
    }

    /// The header's value for `caller` at `plugin`.
    pub(super) async fn header(&self, caller: &Caller, plugin: &PluginId) -> Result<HeaderValue, Error> {
        let (tenant, principal) = (caller.tenant(), caller.principal());
        let (email, name) = (principal.email.as_deref(), principal.name.as_deref());
        let (subject, role) = (principal.subject.as_str(), principal.role);
        let key = KeyRef { tenant, plugin, subject, email, name, role };
        let now = self.ambient.now();
        if let Some((value, until)) = self.tokens.get(&key)
            && now < until
        {
            return Ok(value);
        }
        let claims = Claims {
            aud: format!("plugin:{plugin}"),
            sub: subject,
            email,
            name,
            role,
            tenant_id: tenant,
            plugin_id: plugin,
        };
        // Boxed, as it is seldom needed and would make every request's future larger.
        let signed = Box::pin(self.signer.sign(CONTEXT_TOKEN, LIFETIME, &claims)).await?;
        let value = HeaderValue::try_from(signed.token.expose_secret());
        let mut value = value.map_err(|_| identity::Error::Signing)?;
        value.set_sensitive(true);
        let key = Key {
            tenant: tenant.clone(),
            plugin: plugin.clone(),
            subject: subject.to_owned(),
            email: email.map(str::to_owned),
            name: name.map(str::to_owned),
            role,
        };
        self.tokens.insert(key, (value.clone(), signed.expires_at.minus(LIFETIME / 2)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use moka::Equivalent as _;

    use super::*;

    #[test]
    fn what_is_at_hand_finds_what_is_kept() {
        let key = Key {
            tenant: "acme".parse().unwrap(),
            plugin: "notes".parse().unwrap(),
            subject: "u1".into(),
            email: Some("ann@acme.example".into()),
            name: None,
            role: Role::Admin,
        };
        let found = KeyRef {
            tenant: &key.tenant,
            plugin: &key.plugin,
            subject: "u1",
            email: Some("ann@acme.example"),
            name: None,
            role: Role::Admin,
        };
        let hasher = RandomState::new();
        assert_eq!(hasher.hash_one(&key), hasher.hash_one(&found));
        assert!(found.equivalent(&key));
        assert!(!KeyRef { role: Role::User, ..found }.equivalent(&key));
    }
}
