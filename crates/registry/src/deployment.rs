//! Installations as their backends need them: looked up for each request, so from memory for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{PluginId, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use storage::{BlobKey, Tx};
use url::Url;

use crate::backend::{BackendDefinition, BackendKind, Departure, Deployment, Program, Route};
use crate::store::CONFIGURATION;
use crate::store::deployments::{self, DeploymentRow};
use crate::{Error, Grants, HostRule, Manifest, Registry, configuration};

/// The handler that is told of an uninstall.
const ON_UNINSTALL: &str = "onUninstall";

impl Registry {
    /// The installation of `id` in `tenant` as its backend needs it: at most a second old, and never older than what this
    /// process has changed itself.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn deployment(&self, tenant: &TenantId, id: &PluginId) -> Result<Arc<Deployment>, Error> {
        let load = || async {
            let mut conn = self.database.read().await?;
            let row = deployments::find(&mut conn, tenant, id).await?;
            let row = row.ok_or_else(|| Error::NotInstalled(id.to_string()))?;
            deployment(tenant, row, false).map(Arc::new)
        };
        self.deployed.deployment(tenant, id, load).await
    }

    /// The same as the database has it now.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn deployment_now(&self, tenant: &TenantId, id: &PluginId) -> Result<Arc<Deployment>, Error> {
        self.forget_deployment(tenant, id).await;
        self.deployment(tenant, id).await
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
        self.deployed.program(&deployment.version_key, load).await
    }

    async fn private_blob(&self, key: Option<&str>) -> Result<Option<bytes::Bytes>, Error> {
        let Some(key) = key else { return Ok(None) };
        Ok(self.blobs.get(&key.parse::<BlobKey>()?).await?)
    }

    /// The secrets of these names that are set in the configuration: texts as they are, other values as JSON. They are opened
    /// anew each time. Whether the program may have them is not judged here.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], also where it was installed anew since, [`Error::Storage`] where they cannot be opened.
    pub async fn secrets(
        &self,
        deployment: &Deployment,
        names: &[&str],
    ) -> Result<BTreeMap<String, SecretString>, Error> {
        let Deployment { tenant, plugin, plugin_key, sensitive, incarnation, .. } = deployment;
        let mut conn = self.database.read().await?;
        let row = deployments::configuration(&mut conn, tenant, plugin_key, *incarnation).await?;
        let mut row = row.ok_or_else(|| Error::NotInstalled(plugin.to_string()))?;
        let mut values: Map<String, Value> =
            serde_json::from_str(&row.configuration).map_err(Error::Corrupt)?;
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

    /// Deletes what is left of an installation whose last hook has run, or will not run any more. What a later one has left
    /// stays.
    pub async fn forget_departed(&self, departure: &Departure) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        deployments::forget_departed(&mut tx, departure).await?;
        Ok(tx.commit().await?)
    }

    /// Whether what a plugin had kept is needed after this departure: it is installed again, or was, and the last hook of that
    /// installation is yet to run. Asked within the transaction that would delete it.
    pub async fn has_successor(&self, tx: &mut Tx, departure: &Departure) -> Result<bool, storage::Error> {
        deployments::has_successor(tx, departure).await
    }

    /// Has the next look-ups read a version that this process has just changed, whoever has it installed.
    pub(crate) fn forget_deployments(&self) {
        self.deployed.forget_deployments();
    }

    /// Has the next look-up read what this process has just changed.
    pub(crate) async fn forget_deployment(&self, tenant: &TenantId, id: &PluginId) {
        self.deployed.forget(tenant, id).await;
    }
}

/// Whether the program is to be told of an uninstall. What cannot be read never blocks one.
pub(crate) fn wants_last_hook(definition: Option<&str>) -> bool {
    let definition = definition.map(serde_json::from_str::<BackendDefinition>).transpose();
    let definition = definition.unwrap_or_else(|error| {
        tracing::warn!(%error, "what a backend offers cannot be read: it is not told that it is uninstalled");
        None
    });
    definition.is_some_and(|definition| definition.handlers.contains(ON_UNINSTALL))
}

/// The installation that the row tells of.
pub(crate) fn deployment(tenant: &TenantId, row: DeploymentRow, departed: bool) -> Result<Deployment, Error> {
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
        incarnation: row.incarnation,
        kind,
        routes: merged(backend.routes, definition.routes),
        listeners: hooks.iter().map(|hook| hook.handler.clone()).collect(),
        hooks: hooks.into_iter().filter(|hook| grants.covers_events(&hook.event)).collect(),
        handlers: definition.handlers,
        hosts: manifest.hosts.into_iter().filter(|rule| is_granted(rule, &grants)).collect(),
        emits: manifest.emits.into_iter().collect(),
        webhook: manifest.webhook,
        grants,
        configuration,
        sensitive,
    })
}

/// The names of the fields of the configuration that are secrets.
pub(crate) fn sensitive_fields(manifest: &Manifest) -> BTreeSet<String> {
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
