//! What a tenant has installed, and how it is configured.

use std::collections::BTreeSet;

use model::{Event, EventKind, PluginId, TenantId, Timestamp};
use serde_json::{Map, Value, json};
use storage::Tx;

use crate::consent::Said;
use crate::deployment::wants_last_hook;
use crate::plugin::Plugin;
use crate::store::{CONFIGURATION, deployments, installations, plugins};
use crate::{Error, Grants, Registry, Version, compatibility, configuration};

/// The most plugins that one tenant may have installed.
const MAX_INSTALLED: i64 = 500;

/// A plugin in a tenant, at the version that the tenant runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Installation {
    /// The tenant.
    pub tenant: TenantId,
    /// The plugin.
    pub plugin: Plugin,
    /// Whether the tenant's pages show it.
    pub enabled: bool,
    pub(crate) configuration: Map<String, Value>,
    pub(crate) secret_names: BTreeSet<String>,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// When it, its state or its configuration last changed.
    pub updated_at: Timestamp,
}

impl Installation {
    /// The configuration as an admin sees it: secrets that are set show as [`crate::MASK`].
    pub fn masked_configuration(&self) -> Map<String, Value> {
        let mut secret_names = self.secret_names.clone();
        // Values that were stored before this version of the plugin made secrets of them.
        secret_names
            .extend(self.sensitive_fields().into_iter().filter(|name| self.configuration.contains_key(name)));
        configuration::masked(&self.configuration, &secret_names)
    }

    /// The configuration as anybody may see it: without secrets, and without the names of those that are set.
    pub fn public_configuration(&self) -> Map<String, Value> {
        let sensitive = self.sensitive_fields();
        let open = self.configuration.iter().filter(|(name, _)| !sensitive.contains(*name));
        open.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn sensitive_fields(&self) -> BTreeSet<String> {
        self.plugin.manifest.config_schema.as_ref().map(configuration::sensitive_fields).unwrap_or_default()
    }
}

impl Registry {
    /// All that `tenant` has installed, by name.
    pub async fn installed(&self, tenant: &TenantId) -> Result<Vec<Installation>, Error> {
        let mut conn = self.database.read().await?;
        installations::list(&mut conn, tenant, MAX_INSTALLED).await
    }

    /// What `tenant` has installed and switched on, narrowed where a point or a category is given.
    pub async fn enabled(
        &self,
        tenant: &TenantId,
        point: Option<&str>,
        category: Option<&str>,
    ) -> Result<Vec<Installation>, Error> {
        let mut conn = self.database.read().await?;
        let (point, category) = (point.unwrap_or_default(), category.unwrap_or_default());
        installations::enabled(&mut conn, tenant, point, category, MAX_INSTALLED).await
    }

    /// One installation.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn installation(&self, tenant: &TenantId, id: &PluginId) -> Result<Installation, Error> {
        let mut conn = self.database.read().await?;
        let found = installations::find(&mut conn, tenant, id).await?;
        found.ok_or_else(|| Error::NotInstalled(id.to_string()))
    }

    /// Installs a plugin for `tenant`, switched on: the current version, or the one asked for. Who installs consents to what
    /// it asks for, which `consent` must be where it is given.
    ///
    /// # Errors
    /// [`Error::PluginNotFound`], [`Error::VersionNotFound`], [`Error::AlreadyInstalled`], [`Error::Incompatible`] with
    /// every reason, [`Error::ConsentMismatch`].
    pub async fn install(
        &self,
        tenant: &TenantId,
        id: &PluginId,
        version: Option<&str>,
        consent: Option<&Grants>,
        by: &str,
    ) -> Result<Installation, Error> {
        let mut tx = self.database.begin().await?;
        let plugin = wanted(&mut tx, tenant, id, version).await?;
        if installations::find(&mut tx, tenant, id).await?.is_some() {
            return Err(Error::AlreadyInstalled(id.to_string()));
        }
        if installations::count(&mut tx, tenant).await? >= MAX_INSTALLED {
            let detail = format!("a tenant may have at most {MAX_INSTALLED} plugins");
            return Err(Error::Incompatible(vec![model::Violation::new("/pluginId", detail)]));
        }
        self.refuse_incompatible(&mut tx, tenant, &plugin).await?;
        installations::insert(&mut tx, tenant, &plugin, by, self.ambient.now()).await.map_err(|error| {
            match error {
                Error::Storage(storage::Error::Duplicate(_)) => Error::AlreadyInstalled(id.to_string()),
                other => other,
            }
        })?;
        tx.record(event(tenant, EventKind::InstallationCreated, id, particulars(&plugin, by)));
        let said = consent.map_or(Said::Installs, Said::Agrees);
        self.take_consent(&mut tx, tenant, &plugin, said, by).await?;
        tx.commit().await?;
        self.forget_deployment(tenant, id).await;
        self.installation(tenant, id).await
    }

    /// Moves an installation to the current version of its plugin, or to the one asked for. Its configuration stays. A
    /// version that asks for more than was consented to waits for `consent`.
    ///
    /// # Errors
    /// As [`Registry::install`], [`Error::NotInstalled`], and [`Error::ConsentRequired`] with each thing that is new.
    pub async fn upgrade(
        &self,
        tenant: &TenantId,
        id: &PluginId,
        version: Option<&str>,
        consent: Option<&Grants>,
        by: &str,
    ) -> Result<Installation, Error> {
        let mut tx = self.database.begin().await?;
        let current = lock(&mut tx, tenant, id).await?;
        let plugin = wanted(&mut tx, tenant, id, version).await?;
        if plugin.key != current.plugin.key {
            // A plugin of the tenant's own took the id after the shared one was installed.
            return Err(Error::AlreadyInstalled(id.to_string()));
        }
        if plugin.version_key != current.plugin.version_key {
            self.refuse_incompatible(&mut tx, tenant, &plugin).await?;
            let said = consent.map_or(Said::Nothing, Said::Agrees);
            self.take_consent(&mut tx, tenant, &plugin, said, by).await?;
            installations::set_version(&mut tx, tenant, &plugin, self.ambient.now()).await?;
            let former = current.plugin;
            let data = json!({
                "version": plugin.manifest.version, "pluginKey": plugin.key, "versionKey": plugin.version_key, "by": by,
                "formerVersion": former.manifest.version, "formerVersionKey": former.version_key,
            });
            tx.record(event(tenant, EventKind::InstallationUpgraded, id, data));
        } else if let Some(consent) = consent {
            self.take_consent(&mut tx, tenant, &plugin, Said::Agrees(consent), by).await?;
        }
        tx.commit().await?;
        self.forget_deployment(tenant, id).await;
        self.installation(tenant, id).await
    }

    /// Uninstalls a plugin; its configuration and secrets go with it, but for a plugin whose backend is to be told of it: then
    /// they stay until it was (see [`Registry::departed`]).
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn uninstall(&self, tenant: &TenantId, id: &PluginId, by: &str) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        let current = lock(&mut tx, tenant, id).await?;
        let row = deployments::find(&mut tx, tenant, id).await?;
        let (key, now) = (&current.plugin.key, self.ambient.now());
        if wants_last_hook(row.and_then(|row| row.backend_definition).as_deref()) {
            deployments::keep_departed(&mut tx, tenant, key, now).await?;
        } else {
            deployments::forget_all_departed(&mut tx, tenant, key).await?;
        }
        if !installations::delete(&mut tx, tenant, key).await? {
            return Err(Error::NotInstalled(id.to_string()));
        }
        let Plugin { key, version_key, manifest, .. } = &current.plugin;
        // The time tells which departure the event is about (see [`crate::Departure`]).
        let data = json!({
            "version": manifest.version, "pluginKey": key, "versionKey": version_key, "by": by,
            "uninstalledAt": now.as_millisecond(),
        });
        tx.record(event(tenant, EventKind::InstallationRemoved, id, data));
        tx.commit().await?;
        self.forget_deployment(tenant, id).await;
        Ok(())
    }

    /// Switches an installation on or off.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn set_enabled(
        &self,
        tenant: &TenantId,
        id: &PluginId,
        enabled: bool,
        by: &str,
    ) -> Result<Installation, Error> {
        let mut tx = self.database.begin().await?;
        let current = lock(&mut tx, tenant, id).await?;
        if installations::set_enabled(&mut tx, tenant, &current.plugin.key, enabled, self.ambient.now())
            .await?
        {
            let kind = if enabled { EventKind::InstallationEnabled } else { EventKind::InstallationDisabled };
            tx.record(event(tenant, kind, id, particulars(&current.plugin, by)));
        }
        tx.commit().await?;
        self.forget_deployment(tenant, id).await;
        self.installation(tenant, id).await
    }

    /// Replaces the configuration. Secrets are sealed for the tenant; one that is [`crate::MASK`] stays as it is.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], [`Error::Configuration`] with every violation of the plugin's schema.
    pub async fn configure(
        &self,
        tenant: &TenantId,
        id: &PluginId,
        wanted: Map<String, Value>,
        by: &str,
    ) -> Result<Installation, Error> {
        let mut tx = self.database.begin().await?;
        let current = lock(&mut tx, tenant, id).await?;
        let key = &current.plugin.key;
        let purpose = CONFIGURATION.purpose(&[key]);
        let former = match installations::secrets(&mut tx, tenant, key).await? {
            Some(sealed) => Some(self.sealer.unseal(&mut tx, tenant, &purpose, &sealed).await?),
            None => None,
        };
        let schema = current.plugin.manifest.config_schema.as_ref();
        let split = configuration::accept(schema, wanted, (&current.configuration, former.as_ref()))?;
        self.keep_former_webhook_secret(
            &mut tx,
            (tenant, &current.plugin),
            (former.as_ref(), split.secret.as_ref()),
        )
        .await?;
        let sealed = match &split.secret {
            Some(secret) => {
                let secret = secrecy::ExposeSecret::expose_secret(secret);
                Some(self.sealer.seal(&mut tx, tenant, &purpose, secret).await?)
            }
            None => None,
        };
        let now = self.ambient.now();
        installations::set_configuration(
            &mut tx,
            tenant,
            key,
            &split.open,
            &split.secret_names,
            sealed.as_ref(),
            now,
        )
        .await?;
        let fields: Vec<&String> = split.open.keys().chain(&split.secret_names).collect();
        tx.record(event(tenant, EventKind::InstallationConfigured, id, json!({"fields": fields, "by": by})));
        tx.commit().await?;
        self.forget_deployment(tenant, id).await;
        self.installation(tenant, id).await
    }

    async fn refuse_incompatible(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        plugin: &Plugin,
    ) -> Result<(), Error> {
        let installed = installations::versions(tx, tenant).await?;
        let issues = compatibility::issues(&plugin.manifest, &self.platform.version, &installed);
        if issues.is_empty() { Ok(()) } else { Err(Error::Incompatible(issues)) }
    }
}

async fn wanted(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &PluginId,
    version: Option<&str>,
) -> Result<Plugin, Error> {
    let current = plugins::find(tx, Some(tenant), id).await?;
    let current = current.ok_or_else(|| Error::PluginNotFound(id.to_string()))?;
    let Some(version) = version else { return Ok(current) };
    let not_found = || Error::VersionNotFound { plugin: id.to_string(), version: version.to_owned() };
    if version.parse::<Version>().is_err() {
        return Err(not_found());
    }
    plugins::find_version(tx, Some(tenant), id, version).await?.ok_or_else(not_found)
}

/// The installation, which no other transaction changes until this one ends.
pub(crate) async fn lock(tx: &mut Tx, tenant: &TenantId, id: &PluginId) -> Result<Installation, Error> {
    let not_installed = || Error::NotInstalled(id.to_string());
    let found = installations::find(tx, tenant, id).await?.ok_or_else(not_installed)?;
    if !installations::lock(tx, tenant, &found.plugin.key).await? {
        return Err(not_installed());
    }
    // What was read before the lock may have changed meanwhile.
    installations::find(tx, tenant, id).await?.ok_or_else(not_installed)
}

/// What the log tells of a change to an installation: by the keys its plugin and version are found for ever.
fn particulars(plugin: &Plugin, by: &str) -> Value {
    json!({
        "version": plugin.manifest.version, "pluginKey": plugin.key, "versionKey": plugin.version_key, "by": by,
    })
}

pub(crate) fn event(tenant: &TenantId, kind: EventKind, id: &PluginId, data: Value) -> Event {
    Event { tenant: Some(tenant.clone()), kind, subject: id.to_string(), data }
}
