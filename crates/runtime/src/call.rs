//! Calling handlers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Ambient, TenantId};
use outbound::Guard;
use registry::Deployment;
use reqwest::Certificate;
use sandbox::Host;
use storage::Database;
use tokio::time::Instant;
use url::Url;

use crate::ctx::{PlatformApi, platform_client};
use crate::invocation::{Door, Invocation};
use crate::log::Log;
use crate::redact::Redactor;
use crate::store::Place;
use crate::values::{Quota, Values};
use crate::{Error, Installations, Matched, Sign, Unified, Who, route};

/// How long reaching another server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Of how many installations the values of opened secrets are remembered, so that no log line tells them: more than there
/// are warm instances that could.
const MAX_REDACTORS: u64 = 20_000;

/// How backends are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much one installation may keep.
    pub quota: Quota,
    /// How long a handler may take.
    pub deadline: Duration,
    /// Where the host product's API begins.
    pub platform: Option<Url>,
    /// Authorities that are trusted there besides the system's.
    pub platform_roots: Vec<Certificate>,
}

impl Default for Settings {
    fn default() -> Self {
        let deadline = Duration::from_secs(5);
        Self { quota: Quota::default(), deadline, platform: None, platform_roots: Vec::new() }
    }
}

/// What the runtime is made of.
pub struct Parts {
    /// Where values and logs are kept.
    pub database: Database,
    /// Where programs and secrets are had.
    pub installations: Arc<dyn Installations>,
    /// Judges what handlers call.
    pub guard: Guard,
    /// What users have connected elsewhere.
    pub unified: Arc<dyn Unified>,
    /// Signs the tokens with which the host product is called.
    pub signer: Arc<dyn Sign>,
    /// Takes what handlers log.
    pub log: Log,
    /// How backends are run.
    pub settings: Settings,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) installations: Arc<dyn Installations>,
    pub(crate) outbound: outbound::Client,
    pub(crate) unified: Arc<dyn Unified>,
    pub(crate) signer: Arc<dyn Sign>,
    pub(crate) log: Log,
    pub(crate) values: Values,
    pub(crate) platform: Option<PlatformApi>,
    pub(crate) redactors: moka::sync::Cache<Place, Arc<Redactor>>,
    pub(crate) ambient: Ambient,
}

impl Shared {
    /// Remembers what the values of an installation's secrets are, besides those that were known before: the program may
    /// have kept them.
    pub(crate) fn remember(&self, place: &Place, redactor: Redactor) -> Arc<Redactor> {
        let redactor = match self.redactors.get(place) {
            Some(former) => redactor.with(&former),
            None => redactor,
        };
        let redactor = Arc::new(redactor);
        self.redactors.insert(place.clone(), Arc::clone(&redactor));
        redactor
    }
}

/// Runs the backends of plugins. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
    deadline: Duration,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Runtime {
    /// A runtime over `parts`.
    ///
    /// # Errors
    /// [`Error::Outbound`], [`Error::Platform`] where this system's authorities cannot be read.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { database, installations, guard, unified, signer, log, settings, ambient } = parts;
        let deadline = settings.deadline;
        let outbound = guard.client(&outbound::Settings {
            connect_timeout: CONNECT_TIMEOUT,
            deadline,
            ..outbound::Settings::default()
        })?;
        let client = platform_client(settings.platform_roots, deadline).map_err(Error::Platform)?;
        let platform = settings.platform.map(|base| PlatformApi { base, client });
        let shared = Shared {
            values: Values::new(database.clone(), settings.quota, ambient.clone()),
            redactors: moka::sync::Cache::new(MAX_REDACTORS),
            database,
            installations,
            outbound,
            unified,
            signer,
            log,
            platform,
            ambient,
        };
        Ok(Self { shared: Arc::new(shared), deadline })
    }

    /// The handler that answers `method` at `path` below the plugin, percent-encoded.
    ///
    /// # Errors
    /// [`Error::Route`].
    pub fn route(&self, deployment: &Deployment, method: &str, path: &str) -> Result<Matched, Error> {
        Ok(route::find(&deployment.routes, method, path)?)
    }

    /// The door through which a program that runs for `who` asks for everything but computing: from now on for as long as a
    /// handler may take.
    pub fn host(&self, deployment: &Arc<Deployment>, who: Who, handler: &str) -> Arc<dyn Host> {
        let (shared, deployment) = (Arc::clone(&self.shared), Arc::clone(deployment));
        let deadline = Instant::now() + self.deadline;
        Arc::new(Door(Arc::new(Invocation::new(shared, deployment, (who, handler.to_owned()), deadline))))
    }

    /// What plugins have logged.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Deletes values that have expired, and tells how many. To be called now and then.
    pub async fn sweep(&self) -> Result<u64, storage::Error> {
        self.shared.values.sweep().await
    }

    /// Deletes all that a plugin has kept and logged in a tenant: for who has uninstalled it.
    pub async fn erase(&self, tenant: &TenantId, plugin_key: &str) -> Result<(), storage::Error> {
        let place = Place { tenant: tenant.clone(), plugin: plugin_key.to_owned() };
        self.shared.redactors.invalidate(&place);
        self.shared.values.erase(&place).await?;
        self.shared.log.erase(&place).await
    }
}
