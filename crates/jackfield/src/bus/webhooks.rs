//! What takes webhooks in, made from the settings.

use std::sync::Arc;

use async_trait::async_trait;
use events::Plugins;
use events::webhook::scheme::{Proof, builtin};
use events::webhook::{self, BearerError, VerifyBearer, Wake, Webhooks};
use identity::IssuedTokens;
use model::Ambient;
use secrecy::{ExposeSecret as _, SecretString};
use storage::{Database, Sealer};
use url::Url;

use crate::parts::extra_roots;
use crate::settings::Settings;

/// Tokens of the issuers that schemes name.
struct SchemeTokens(Vec<(String, IssuedTokens)>);

#[async_trait]
impl VerifyBearer for SchemeTokens {
    async fn claims(&self, token: &SecretString, issuer: &str) -> Result<serde_json::Value, BearerError> {
        let tokens = self.0.iter().find(|(name, _)| name == issuer);
        let (_, tokens) = tokens.ok_or(BearerError::Unavailable)?;
        tokens.claims(token.expose_secret()).await.map_err(|error| match error {
            identity::Error::IssuerUnavailable => BearerError::Unavailable,
            _ => BearerError::Signature,
        })
    }
}

impl SchemeTokens {
    fn new(settings: &Settings, ambient: &Ambient) -> anyhow::Result<Self> {
        let roots = extra_roots(settings)?;
        let issuers = builtin::BUILTIN.iter().filter_map(|scheme| match &scheme.proof {
            Proof::Bearer(bearer) => Some(bearer.issuer.to_string()),
            _ => None,
        });
        let tokens = issuers.map(|issuer| {
            let tokens = IssuedTokens::new(issuer.parse()?, &roots, ambient.clone())?;
            Ok((issuer, tokens))
        });
        tokens.collect::<anyhow::Result<_>>().map(Self)
    }
}

/// What takes webhooks in, for `plugins`. `wake` is told of what is to be delivered. Must be called within a tokio runtime.
pub(super) fn webhooks(
    settings: &Settings,
    (database, sealer): (&Database, &Sealer),
    (plugins, wake): (Arc<dyn Plugins>, Wake),
    public_url: &Url,
    ambient: &Ambient,
) -> anyhow::Result<Webhooks> {
    Ok(Webhooks::new(webhook::Parts {
        database: database.clone(),
        sealer: sealer.clone(),
        plugins,
        tokens: Arc::new(SchemeTokens::new(settings, ambient)?),
        wake,
        public_url: public_url.clone(),
        settings: webhook::Settings {
            most_unfinished: settings.webhook_max_waiting.get(),
            retention: settings.webhook_retention.0,
        },
        ambient: ambient.clone(),
    }))
}
