//! How the vault's grants are redeemed: the catalog says where, the apps say as whom, the protocol says it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::activity::{ACTOR, Action, Activity, Entry, Outcome};
use crate::apps::Apps;
use crate::catalog::{Catalog, Discovery, Flow, ProviderId, Rotation};
use crate::connection::Tokens;
use crate::error::call_code;
use crate::protocol::{App, CallError, Client, Http, Sent};
use crate::vault::{Grant, Redeem};

/// Redeems over HTTP.
pub(crate) struct Redeemer {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) discovery: Discovery,
    pub(crate) http: Http,
    pub(crate) apps: Apps,
    pub(crate) activity: Activity,
}

#[async_trait]
impl Redeem for Redeemer {
    async fn redeem(&self, grant: &Grant) -> Result<Tokens, CallError> {
        let began = Instant::now();
        let redeemed = self.ask(grant).await;
        let entry = Entry::new(&grant.tenant, ACTOR, Action::Refresh)
            .connection(&grant.connection)
            .provider(&grant.provider)
            .took(began.elapsed());
        self.activity.record(match &redeemed {
            Ok(_) => entry,
            Err(error) => entry.outcome(Outcome::of_error(call_code(error))).detail(&error.to_string()),
        });
        redeemed
    }

    fn rotation(&self, provider: &ProviderId) -> Rotation {
        self.catalog.get(provider.as_str()).map(|provider| provider.rotation).unwrap_or_default()
    }
}

impl Redeemer {
    async fn ask(&self, grant: &Grant) -> Result<Tokens, CallError> {
        let provider = self.catalog.get(grant.provider.as_str()).ok_or(CallError::InvalidClient)?;
        // What fails before the provider is called is no word of the provider's.
        let unsent = CallError::Unreachable(Sent::No);
        let resolved = provider.resolve(&grant.variables, &grant.client_id, &self.discovery).await;
        let resolved = resolved.map_err(|_| unsent.clone())?;
        let secret = grant.refresh.as_ref().ok_or(CallError::InvalidGrant)?;
        if provider.flow == Flow::ClientCredentials {
            let app = App { client_id: grant.client_id.clone(), client_secret: Some(secret.clone()) };
            let client = Client { http: &self.http, provider, resolved: &resolved, app: &app };
            let mut answer = client.client_credentials(&[]).await?;
            return answer.tokens.remove(&grant.credential).ok_or(CallError::Malformed("no access_token"));
        }
        let app = self.apps.of_client(&grant.tenant, &grant.provider, &grant.client_id).await;
        let app = app.map_err(|_| unsent)?.ok_or(CallError::InvalidClient)?;
        let client = Client { http: &self.http, provider, resolved: &resolved, app: &app };
        match client.refresh(&grant.credential, secret).await {
            Err(CallError::InvalidClient) => {}
            redeemed => return redeemed,
        }
        // Another replica may have been given another secret a moment ago. Who was not accepted has redeemed nothing.
        let newer = self.apps.newer(&grant.tenant, &grant.provider, &app).await;
        let newer = newer.ok().flatten().ok_or(CallError::InvalidClient)?;
        Client { app: &newer, ..client }.refresh(&grant.credential, secret).await
    }
}
