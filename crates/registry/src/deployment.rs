//! Installations as their backends need them: looked up for each request, so from memory for a moment.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use equivalent::Equivalent;
use model::{PluginId, TenantId};
use moka::future::Cache as Memory;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use storage::BlobKey;
use url::Url;

use crate::backend::{BackendDefinition, BackendKind, Deployment, Program, Route};
use crate::store::CONFIGURATION;
use crate::store::deployments::{self, DeploymentRow};
use crate::{Error, Grants, HostRule, Manifest, Registry, configuration};

/// How long a deployment is kept in memory: so long may it be after another process changed it.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// The most deployments kept in memory.
const MAX_KEPT: u64 = 100_000;
/// How long a program is kept in memory, for those who start it at the same time.
const PROGRAM_KEPT_FOR: Duration = Duration::from_secs(5);
/// The most bytes of programs kept in memory.
const MAX_PROGRAM_BYTES: u64 = 64 * 1024 * 1024;

/// The handler that is told of an uninstall.
const ON_UNINSTALL: &str = "onUninstall";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key(TenantId, PluginId);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.as_str(), self.1.as_str()).hash(state);
    }
}

/// A [`Key`] that borrows, so that looking up copies nothing.
#[derive(Hash)]
struct Asked<'a>(&'a str, &'a str);

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0.as_str() && self.1 == key.1.as_str()
    }
}

/// Deployments and programs that were asked for lately.
pub(crate) struct Cache {
    deployments: Memory<Key, Arc<Deployment>>,
    programs: Memory<String, Program>,
    /// How often something was forgotten: what was read before the last time is not to be kept.
    forgotten: AtomicU64,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            deployments: Memory::builder().max_capacity(MAX_KEPT).time_to_live(KEPT_FOR).build(),
            programs: Memory::builder()
                .max_capacity(MAX_PROGRAM_BYTES)
                .time_to_live(PROGRAM_KEPT_FOR)
                .weigher(|_: &String, program: &Program| {
                    let map = program.source_map.as_ref().map_or(0, bytes::Bytes::len);
                    u32::try_from(program.bytes.len() + map).unwrap_or(u32::MAX)
                })
                .build(),
            forgotten: AtomicU64::new(0),
        }
    }

    async fn forget(&self, tenant: &TenantId, id: &PluginId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.deployments.invalidate(&Asked(tenant.as_str(), id.as_str())).await;
    }

    pub(crate) fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.deployments.invalidate_all();
        self.programs.invalidate_all();
    }
}

impl Registry {
    /// The installation of `id` in `tenant` as its backend needs it: at most a second old, and never older than what this
    /// process has changed itself.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn deployment(&self, tenant: &TenantId, id: &PluginId) -> Result<Arc<Deployment>, Error> {
        let kept = &self.deployed.deployments;
        if let Some(found) = kept.get(&Asked(tenant.as_str(), id.as_str())).await {
            return Ok(found);
        }
        let seen = self.deployed.forgotten.load(Ordering::SeqCst);
        let load = async {
            let mut conn = self.database.read().await?;
            let row = deployments::find(&mut conn, tenant, id).await?;
            let row = row.ok_or_else(|| Error::NotInstalled(id.to_string()))?;
            deployment(tenant, row, false).map(Arc::new)
        };
        // Boxed, as it is seldom needed and would make every request's future larger.
        let load = Box::pin(kept.try_get_with(Key(tenant.clone(), id.clone()), load));
        let found = load.await.map_err(shared)?;
        if self.deployed.forgotten.load(Ordering::SeqCst) != seen {
            kept.invalidate(&Asked(tenant.as_str(), id.as_str())).await;
        }
        Ok(found)
    }

    /// What `deployment` runs: a script or a component. Callers that ask at the same time share one read.
    ///
    /// # Errors
    /// [`Error::BundleNotFound`] if it runs nothing here, or its tenant was deleted.
    pub async fn program(&self, deployment: &Deployment) -> Result<Program, Error> {
        let load = async {
            let mut conn = self.database.read().await?;
            let row = deployments::program(&mut conn, &deployment.version_key).await?;
            drop(conn);
            let row = row.ok_or(Error::BundleNotFound)?;
            let bytes = self.private_blob(row.backend_blob.as_deref()).await?.ok_or(Error::BundleNotFound)?;
            Ok(Program { bytes, source_map: self.private_blob(row.backend_map_blob.as_deref()).await? })
        };
        let programs = &self.deployed.programs;
        programs.try_get_with_by_ref(&deployment.version_key, load).await.map_err(shared)
    }

    async fn private_blob(&self, key: Option<&str>) -> Result<Option<bytes::Bytes>, Error> {
        let Some(key) = key else { return Ok(None) };
        Ok(self.blobs.get(&key.parse::<BlobKey>()?).await?)
    }

    /// The secrets of these names that are set in the configuration: texts as they are, other values as JSON. They are opened
    /// anew each time. Whether the program may have them is not judged here.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], [`Error::Storage`] where they cannot be opened.
    pub async fn secrets(
        &self,
        deployment: &Deployment,
        names: &[&str],
    ) -> Result<BTreeMap<String, SecretString>, Error> {
        let Deployment { tenant, plugin, plugin_key, departed, .. } = deployment;
        let mut conn = self.database.read().await?;
        let row = deployments::configuration(&mut conn, tenant, plugin_key, *departed).await?;
        let mut row = row.ok_or_else(|| Error::NotInstalled(plugin.to_string()))?;
        let mut values: Map<String, Value> =
            serde_json::from_str(&row.configuration).map_err(Error::Corrupt)?;
        let sensitive = sensitive_fields(&Manifest::from_stored(&row.manifest).map_err(Error::Corrupt)?);
        // Values that were stored before this version of the plugin made secrets of them.
        values.retain(|name, _| sensitive.contains(name));
        if let Some(sealed) = row.sealed() {
            let purpose = CONFIGURATION.purpose(&[plugin_key]);
            let opened = self.sealer.unseal(&mut conn, tenant, &purpose, &sealed).await?;
            let opened: Map<String, Value> =
                serde_json::from_slice(opened.expose_secret()).map_err(Error::Corrupt)?;
            values.extend(opened);
        }
        let wanted = values.into_iter().filter(|(name, _)| names.contains(&name.as_str()));
        Ok(wanted
            .map(|(name, value)| {
                let text = if let Value::String(text) = value { text } else { value.to_string() };
                (name, SecretString::from(text))
            })
            .collect())
    }

    /// What is left of the installation of a plugin that `tenant` has uninstalled, for its last hook.
    pub async fn departed(&self, tenant: &TenantId, plugin_key: &str) -> Result<Option<Deployment>, Error> {
        let mut conn = self.database.read().await?;
        let row = deployments::find_departed(&mut conn, tenant, plugin_key).await?;
        row.map(|row| deployment(tenant, row, true)).transpose()
    }

    /// Deletes what is left of an installation whose last hook has run, or will not run any more.
    pub async fn forget_departed(&self, departed: &Deployment) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        let Deployment { tenant, plugin_key, version_key, .. } = departed;
        deployments::forget_departed(&mut tx, tenant, plugin_key, version_key).await?;
        Ok(tx.commit().await?)
    }

    /// Has the next look-ups read a version that this process has just changed, whoever has it installed.
    pub(crate) fn forget_deployments(&self) {
        self.deployed.forgotten.fetch_add(1, Ordering::SeqCst);
        self.deployed.deployments.invalidate_all();
    }

    /// Has the next look-up read what this process has just changed.
    pub(crate) async fn forget_deployment(&self, tenant: &TenantId, id: &PluginId) {
        self.deployed.forget(tenant, id).await;
    }
}

/// Whether the program is to be told of an uninstall.
pub(crate) fn wants_last_hook(definition: Option<&str>) -> Result<bool, Error> {
    let definition: Option<BackendDefinition> =
        definition.map(serde_json::from_str).transpose().map_err(Error::Corrupt)?;
    Ok(definition.is_some_and(|definition| definition.handlers.contains(ON_UNINSTALL)))
}

fn deployment(tenant: &TenantId, row: DeploymentRow, departed: bool) -> Result<Deployment, Error> {
    let manifest = Manifest::from_stored(&row.manifest).map_err(Error::Corrupt)?;
    let definition: BackendDefinition = match &row.backend_definition {
        Some(text) => serde_json::from_str(text).map_err(Error::Corrupt)?,
        None => BackendDefinition::default(),
    };
    let consented: Grants = match &row.consent {
        Some(text) => serde_json::from_str(text).map_err(Error::Corrupt)?,
        None => Grants::default(),
    };
    let mut configuration: Map<String, Value> =
        serde_json::from_str(&row.configuration).map_err(Error::Corrupt)?;
    let sensitive = sensitive_fields(&manifest);
    configuration.retain(|name, _| !sensitive.contains(name));
    let grants = Grants::asked(&manifest).within(&consented);
    let kind = kind(&manifest);
    let backend = manifest.backend.unwrap_or_default();
    let mut hooks = backend.hooks;
    for hook in definition.hooks {
        if !hooks.contains(&hook) {
            hooks.push(hook);
        }
    }
    Ok(Deployment {
        tenant: tenant.clone(),
        plugin: row.plugin_id.parse().map_err(|_| Error::PluginNotFound(row.plugin_id))?,
        plugin_key: row.plugin_key,
        version_key: row.version_key,
        version: row.version,
        enabled: row.enabled,
        departed,
        kind,
        routes: merged(backend.routes, definition.routes),
        hooks,
        handlers: definition.handlers,
        hosts: manifest.hosts.into_iter().filter(|rule| is_granted(rule, &grants)).collect(),
        emits: manifest.emits.into_iter().collect(),
        grants,
        configuration,
    })
}

fn sensitive_fields(manifest: &Manifest) -> std::collections::BTreeSet<String> {
    manifest.config_schema.as_ref().map(configuration::sensitive_fields).unwrap_or_default()
}

fn kind(manifest: &Manifest) -> Option<BackendKind> {
    let backend = manifest.backend.as_ref()?;
    if backend.component.is_some() {
        return Some(BackendKind::Component);
    }
    match &backend.upstream {
        Some(upstream) => Url::parse(upstream).ok().map(BackendKind::Upstream),
        None => backend.entry_point.as_ref().map(|_| BackendKind::Script),
    }
}

/// The manifest's routes, and those of the program that it does not have.
fn merged(mut routes: Vec<Route>, program: Vec<Route>) -> Vec<Route> {
    for route in program {
        if !routes.iter().any(|known| known.method == route.method && known.path == route.path) {
            routes.push(route);
        }
    }
    routes
}

/// Whether the host may be called with all that the rule adds.
fn is_granted(rule: &HostRule, grants: &Grants) -> bool {
    grants.hosts.contains(&rule.host)
        && rule.secret_uses().iter().all(|each| grants.secret_uses.contains(each))
}

/// A failure that several waited for, for each of them.
fn shared(error: Arc<Error>) -> Error {
    match Arc::try_unwrap(error) {
        Ok(error) => error,
        Err(error) => match error.as_ref() {
            Error::NotInstalled(id) => Error::NotInstalled(id.clone()),
            Error::BundleNotFound => Error::BundleNotFound,
            error => Error::Storage(storage::Error::Blobs(error.to_string().into())),
        },
    }
}
