//! Which OAuth app speaks for a tenant at a provider: its own, or the platform's.

use std::sync::Arc;
use std::time::Duration;

use model::{Event, EventKind, TenantId, Timestamp, Violation};
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use storage::{Database, Sealer};

use crate::catalog::{Catalog, Provider, ProviderId};
use crate::protocol::App;
use crate::store::apps;
use crate::store::sealed::APP_SECRET;
use crate::{Connections, Error};

/// The longest client id and client secret.
const MAX_TEXT: usize = 2048;

/// How long it may take until another replica's change of an app is seen.
const CACHED_FOR: Duration = Duration::from_secs(30);
const CACHED_APPS: u64 = 10_000;

/// The apps of the platform and, opened and kept for a while, the tenants' own. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Apps {
    database: Database,
    sealer: Sealer,
    catalog: Arc<Catalog>,
    own: Cache<(TenantId, ProviderId), Option<Arc<App>>>,
}

impl Apps {
    pub(crate) fn new(database: Database, sealer: Sealer, catalog: Arc<Catalog>) -> Self {
        let own = Cache::builder()
            .max_capacity(CACHED_APPS)
            .time_to_live(CACHED_FOR)
            .support_invalidation_closures()
            .build();
        Self { database, sealer, catalog, own }
    }

    /// The app that speaks for `tenant`: its own before the platform's.
    ///
    /// # Errors
    /// [`Error::NotConfigured`].
    pub(crate) async fn of_tenant(&self, tenant: &TenantId, provider: &ProviderId) -> Result<App, Error> {
        if let Some(own) = self.own(tenant, provider).await? {
            return Ok(App::clone(&own));
        }
        self.of_platform(provider).ok_or_else(|| Error::NotConfigured(provider.to_string()))
    }

    /// The app of this client id, whichever of the two it is; `None` if neither is any more.
    pub(crate) async fn of_client(
        &self,
        tenant: &TenantId,
        provider: &ProviderId,
        client_id: &str,
    ) -> Result<Option<App>, Error> {
        if let Some(own) = self.own(tenant, provider).await?
            && own.client_id == client_id
        {
            return Ok(Some(App::clone(&own)));
        }
        Ok(self.of_platform(provider).filter(|app| app.client_id == client_id))
    }

    /// The tenant's own app of this client id, if it is stored with another secret than `known` has.
    pub(crate) async fn newer(
        &self,
        tenant: &TenantId,
        provider: &ProviderId,
        known: &App,
    ) -> Result<Option<App>, Error> {
        self.changed(tenant, provider).await;
        let stored = self.own(tenant, provider).await?.filter(|app| app.client_id == known.client_id);
        Ok(stored.map(|app| App::clone(&app)).filter(|app| !app.has_secret_of(known)))
    }

    fn of_platform(&self, provider: &ProviderId) -> Option<App> {
        self.catalog.app(provider).map(App::from)
    }

    async fn own(&self, tenant: &TenantId, provider: &ProviderId) -> Result<Option<Arc<App>>, Error> {
        let key = (tenant.clone(), provider.clone());
        if let Some(known) = self.own.get(&key).await {
            return Ok(known);
        }
        let found = self.read(tenant, provider).await?.map(Arc::new);
        self.own.insert(key, found.clone()).await;
        Ok(found)
    }

    async fn read(&self, tenant: &TenantId, provider: &ProviderId) -> Result<Option<App>, Error> {
        let mut conn = self.database.read().await?;
        let Some((app, sealed)) = apps::find(&mut conn, tenant, provider).await? else { return Ok(None) };
        let client_secret = match sealed {
            Some(sealed) => {
                let bytes = self
                    .sealer
                    .unseal(&mut conn, tenant, &APP_SECRET.purpose(&[provider.as_str()]), &sealed)
                    .await?;
                let text =
                    std::str::from_utf8(bytes.expose_secret()).map_err(|_| storage::Error::Unsealable)?;
                Some(SecretString::from(text))
            }
            None => None,
        };
        Ok(Some(App { client_id: app.client_id, client_secret }))
    }

    /// Drops what is in memory of a tenant.
    pub(crate) fn forget_tenant(&self, tenant: &TenantId) {
        let tenant = tenant.clone();
        // It refuses only where the cache was made without this ability.
        let _ = self.own.invalidate_entries_if(move |(owner, _), _| *owner == tenant);
    }

    async fn changed(&self, tenant: &TenantId, provider: &ProviderId) {
        self.own.invalidate(&(tenant.clone(), provider.clone())).await;
    }
}

/// A tenant's own OAuth app, without its secret.
#[derive(Debug, Clone)]
pub struct OauthApp {
    /// The provider where it is registered.
    pub provider: ProviderId,
    /// Its public name there.
    pub client_id: String,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a tenant's own OAuth app is to be.
#[derive(Debug, Clone)]
pub struct NewOauthApp {
    /// Its public name at the provider.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<SecretString>,
}

impl Connections {
    /// The tenant's own apps, by provider.
    pub async fn oauth_apps(&self, tenant: &TenantId) -> Result<Vec<OauthApp>, Error> {
        let mut conn = self.database.read().await?;
        apps::list(&mut conn, tenant).await
    }

    /// Sets the tenant's own app at a provider. Connections made with another app go on with that one for as long as
    /// it is known here.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`], [`Error::Invalid`].
    pub async fn set_oauth_app(
        &self,
        tenant: &TenantId,
        provider: &str,
        new: NewOauthApp,
        by: &str,
    ) -> Result<OauthApp, Error> {
        let provider = self.provider(provider)?;
        check(&new, &provider)?;
        let now = self.ambient.now();
        let mut tx = self.database.begin().await?;
        let sealed = match &new.client_secret {
            Some(secret) => {
                let secret = secret.expose_secret().as_bytes();
                Some(
                    self.sealer
                        .seal(&mut tx, tenant, &APP_SECRET.purpose(&[provider.id.as_str()]), secret)
                        .await?,
                )
            }
            None => None,
        };
        let app = apps::put(&mut tx, tenant, &provider.id, &new.client_id, sealed.as_ref(), now).await?;
        tx.record(event(tenant, EventKind::OauthAppConfigured, &provider.id, &new.client_id, by));
        self.vault.trust_app(&mut tx, Some(tenant), &provider.id, &new.client_id).await?;
        tx.commit().await?;
        self.apps.changed(tenant, &provider.id).await;
        Ok(app)
    }

    /// Removes the tenant's own app: new connections are made with the platform's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn remove_oauth_app(&self, tenant: &TenantId, provider: &str, by: &str) -> Result<(), Error> {
        let provider = ProviderId::from_stored(provider.to_owned());
        let mut tx = self.database.begin().await?;
        let removed = apps::delete(&mut tx, tenant, &provider).await?;
        let client_id = removed.ok_or(Error::NotFound("OAuth app of this tenant's own at this provider"))?;
        tx.record(event(tenant, EventKind::OauthAppRemoved, &provider, &client_id, by));
        tx.commit().await?;
        self.apps.changed(tenant, &provider).await;
        Ok(())
    }
}

fn check(new: &NewOauthApp, provider: &Provider) -> Result<(), Error> {
    let is_text =
        |text: &str| !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    let mut wrong = Vec::new();
    if !is_text(&new.client_id) {
        wrong.push(Violation::new("/client_id", "client_id must be the app's id as the provider shows it"));
    }
    match &new.client_secret {
        Some(secret) if !is_text(secret.expose_secret()) => {
            wrong.push(Violation::new(
                "/client_secret",
                "client_secret must be the app's secret as the provider shows it",
            ));
        }
        Some(_) if provider.sends_secrets_anywhere() => {
            let detail = "would be sent to whatever host a user names: this provider is for public clients (token_auth = \"none\")";
            wrong.push(Violation::new("/client_secret", detail));
        }
        None if provider.needs_client_secret() => {
            wrong.push(Violation::new("/client_secret", "this provider's apps have a secret: give it"));
        }
        _ => {}
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

fn event(tenant: &TenantId, kind: EventKind, provider: &ProviderId, client_id: &str, by: &str) -> Event {
    let data = json!({"client_id": client_id, "by": by});
    Event { tenant: Some(tenant.clone()), kind, subject: provider.to_string(), data }
}
