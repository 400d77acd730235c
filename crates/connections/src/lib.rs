//! Accounts of tenants' users at other providers: the catalog of providers, the OAuth flows, and the vault that keeps
//! tokens sealed and fresh. Tokens never leave through an answer, a log or an error.

pub mod activity;
mod apps;
pub mod catalog;
pub mod connection;
mod direct;
mod error;
mod flow;
mod granted;
mod manage;
pub mod protocol;
mod redeemer;
mod revocation_run;
mod revoke;
mod sessions;
mod store;
mod token_read;
mod validate;
pub mod vault;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use model::{Ambient, TenantId};
use storage::{Database, Sealer, Tickets};
use tracing::Instrument as _;
use url::Url;

pub use apps::{NewOauthApp, OauthApp};
pub use direct::{Direct, DirectGrant};
pub use error::Error;
pub use flow::{Begin, Begun, Browser, Callback, Completion, Link};
pub use granted::Connected;
pub use manage::{Changes, Listing, Page, ProviderInfo, Whose};
pub use revocation_run::{
    Outcome as RevocationOutcome, ProviderReport, RevocationRun, RunFilter, RunOptions, RunReport,
};
pub use revoke::{Revocation, RevokedCredential};
pub use sessions::{Consent, NewSession, Session, SessionProvider, SessionView};
pub use store::{MIGRATIONS, SEALED, TENANT_DATA};
pub use validate::Validity;

use activity::Activity;
use apps::Apps;
use catalog::{Catalog, Discovery, Provider, ProviderId, Resolved};
use connection::{Connection, CredentialKey};
use protocol::{App, Client, Http};
use redeemer::Redeemer;
use vault::Vault;

/// The broker. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Connections {
    database: Database,
    sealer: Sealer,
    tickets: Arc<Tickets>,
    catalog: Arc<Catalog>,
    discovery: Discovery,
    http: Http,
    vault: Vault,
    apps: Apps,
    activity: Activity,
    public_url: Url,
    token_reads: bool,
    ambient: Ambient,
}

/// What the broker is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where connections are kept.
    pub database: Database,
    /// Seals tokens.
    pub sealer: Sealer,
    /// The providers.
    pub catalog: Catalog,
    /// Asks issuers for their endpoints.
    pub discovery: Discovery,
    /// Speaks to them.
    pub http: Http,
    /// Where browsers reach this server.
    pub public_url: Url,
    /// Whether access tokens may be handed out.
    pub token_reads: bool,
    /// Bounds of the vault.
    pub vault: vault::Settings,
    /// Time and randomness.
    pub ambient: Ambient,
}

impl Connections {
    /// The broker on its parts. The record of activity is written by a task of the runtime that this is called in.
    pub fn new(parts: Parts) -> Self {
        let catalog = Arc::new(parts.catalog);
        let apps = Apps::new(parts.database.clone(), parts.sealer.clone(), Arc::clone(&catalog));
        let activity = Activity::start(parts.database.clone(), parts.ambient.clone());
        let redeemer = Redeemer {
            catalog: Arc::clone(&catalog),
            discovery: parts.discovery.clone(),
            http: parts.http.clone(),
            apps: apps.clone(),
            activity: activity.clone(),
        };
        let vault = Vault::new(
            parts.database.clone(),
            parts.sealer.clone(),
            Arc::new(redeemer),
            parts.ambient.clone(),
            parts.vault,
        );
        Self {
            database: parts.database,
            tickets: Arc::new(parts.sealer.tickets()),
            sealer: parts.sealer,
            catalog,
            discovery: parts.discovery,
            http: parts.http,
            vault,
            apps,
            activity,
            public_url: parts.public_url,
            token_reads: parts.token_reads,
            ambient: parts.ambient,
        }
    }

    /// The record of what is done with connections.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Drops what this process remembers of a tenant.
    pub fn forget(&self, tenant: &TenantId) {
        self.vault.forget_tenant(tenant);
        self.apps.forget_tenant(tenant);
    }

    /// Forgets the flows that were completed so long ago that their states are refused by age. Tells how many.
    pub async fn sweep_flows(&self) -> Result<u64, Error> {
        store::flows::sweep(&self.database, self.ambient.now()).await
    }

    /// The credential of a connection that calls of the provider's API are made with: the first one of the provider's
    /// entry that the connection has. Where it has none it is `main`, which the vault will not find.
    pub fn credential(&self, tenant: &TenantId, connection: &Connection) -> CredentialKey {
        let provider = self.catalog.get(connection.provider.as_str());
        let shapes = provider.map(|provider| provider.credentials.as_slice()).unwrap_or_default();
        key(tenant, &connection.id, connection::leading(shapes, &connection.credentials))
    }

    /// The vault, for callers of providers' APIs. They record each use, of which they alone know by whom it was, what
    /// for and how it ended, in [`activity`](Self::activity).
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The provider of this name.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`].
    pub fn provider(&self, name: &str) -> Result<Arc<Provider>, Error> {
        self.catalog.get(name).cloned().ok_or_else(|| Error::UnknownProvider(name.chars().take(64).collect()))
    }

    /// The provider's URLs for one connection.
    pub(crate) async fn resolve(
        &self,
        provider: &Provider,
        variables: &BTreeMap<String, String>,
        client_id: &str,
    ) -> Result<Resolved, Error> {
        Ok(provider.resolve(variables, client_id, &self.discovery).await?)
    }

    /// `app` at `provider`.
    pub(crate) fn client<'a>(
        &'a self,
        provider: &'a Provider,
        resolved: &'a Resolved,
        app: &'a App,
    ) -> Client<'a> {
        Client { http: &self.http, provider, resolved, app }
    }

    /// Where the provider sends browsers back to: what the operator registered there, or this server's own route.
    ///
    /// # Errors
    /// None in the course of things: [`Error::NotFound`] if the server's own address cannot be extended.
    pub fn redirect_uri(&self, provider: &ProviderId) -> Result<Url, Error> {
        let registered = self.catalog.app(provider).and_then(|app| app.redirect_uri.clone());
        registered.map_or_else(|| self.address(&format!("api/v1/unified/auth/{provider}/callback")), Ok)
    }

    /// An address of this server.
    pub(crate) fn address(&self, path: &str) -> Result<Url, Error> {
        let base = self.public_url.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{path}")).map_err(|_| Error::NotFound("address of this server"))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// Does `work` to its end, even if whoever waits for it goes away: what a provider has done cannot be rolled back.
pub(crate) async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let task = tokio::spawn(work.in_current_span());
    match task.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The program is ending: nobody is told any more.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The e-mail address of a user, as connections are kept under: in lower case.
///
/// # Errors
/// What is wrong with it.
pub fn user_email(text: &str) -> Result<String, model::Violation> {
    let is_address = text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !text.chars().any(|char| char.is_control() || char.is_whitespace());
    if is_address {
        Ok(text.to_lowercase())
    } else {
        Err(model::Violation::new("/user_email", "user_email must be an e-mail address"))
    }
}

/// A call to a provider that failed, with the provider's name.
pub(crate) fn call_error(provider: &Provider, error: protocol::CallError) -> Error {
    Error::Call { provider: provider.name.clone(), error }
}

/// Names one credential of a connection.
pub(crate) fn key(tenant: &TenantId, connection: &str, name: &str) -> connection::CredentialKey {
    connection::CredentialKey {
        tenant: tenant.clone(),
        connection: connection.to_owned(),
        name: name.to_owned(),
    }
}
