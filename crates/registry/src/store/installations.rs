//! What each tenant has installed.

use std::collections::BTreeSet;

use model::{PluginId, TenantId, Timestamp};
use serde_json::{Map, Value};
use sqlx::FromRow;
use storage::{Conn, Sealed, Tx, on};

use super::plugins::{PluginRow, plugin_columns};
use crate::Error;
use crate::compatibility::InstalledVersion;
use crate::installation::Installation;
use crate::plugin::Plugin;

macro_rules! installed_plugins {
    () => {
        concat!(
            "SELECT ",
            plugin_columns!(),
            ", i.enabled, i.configuration, i.secret_names, i.installed_at, i.updated_at AS changed_at \
             FROM installation i JOIN plugin p ON p.key = i.plugin_key JOIN plugin_version v ON v.key = i.version_key \
             WHERE i.tenant = $1 "
        )
    };
}

#[derive(FromRow)]
struct InstallationRow {
    #[sqlx(flatten)]
    plugin: PluginRow,
    enabled: bool,
    configuration: String,
    secret_names: String,
    installed_at: i64,
    changed_at: i64,
}

impl InstallationRow {
    fn into_installation(self, tenant: &TenantId) -> Result<Installation, Error> {
        Ok(Installation {
            tenant: tenant.clone(),
            plugin: Plugin::try_from(self.plugin)?,
            enabled: self.enabled,
            configuration: serde_json::from_str(&self.configuration).map_err(Error::Corrupt)?,
            secret_names: serde_json::from_str(&self.secret_names).map_err(Error::Corrupt)?,
            installed_at: Timestamp::from_millisecond(self.installed_at),
            updated_at: Timestamp::from_millisecond(self.changed_at),
        })
    }
}

/// All that `tenant` has installed, by name; at most `limit`.
pub(crate) async fn list(conn: &mut Conn, tenant: &TenantId, limit: i64) -> Result<Vec<Installation>, Error> {
    let rows: Vec<InstallationRow> =
        on!(conn, |c| sqlx::query_as(concat!(installed_plugins!(), "ORDER BY p.name, p.key LIMIT $2"))
            .bind(tenant.as_str())
            .bind(limit)
            .fetch_all(c)
            .await)?;
    rows.into_iter().map(|row| row.into_installation(tenant)).collect()
}

/// What `tenant` has installed and switched on, narrowed by extension point and category where they are not empty.
pub(crate) async fn enabled(
    conn: &mut Conn,
    tenant: &TenantId,
    point: &str,
    category: &str,
    limit: i64,
) -> Result<Vec<Installation>, Error> {
    let rows: Vec<InstallationRow> = on!(conn, |c| sqlx::query_as(concat!(
        installed_plugins!(),
        "AND i.enabled AND ($2 = '' OR EXISTS \
         (SELECT 1 FROM extension_point e WHERE e.point = $2 AND e.version_key = v.key)) \
         AND ($3 = '' OR p.category = $3) ORDER BY p.name, p.key LIMIT $4"
    ))
    .bind(tenant.as_str())
    .bind(point)
    .bind(category)
    .bind(limit)
    .fetch_all(c)
    .await)?;
    rows.into_iter().map(|row| row.into_installation(tenant)).collect()
}

/// The installation of `id` in `tenant`.
pub(crate) async fn find(
    conn: &mut Conn,
    tenant: &TenantId,
    id: &PluginId,
) -> Result<Option<Installation>, Error> {
    let row: Option<InstallationRow> = on!(conn, |c| sqlx::query_as(concat!(
        installed_plugins!(),
        "AND p.id = $2 ORDER BY p.owner DESC LIMIT 1"
    ))
    .bind(tenant.as_str())
    .bind(id.as_str())
    .fetch_optional(c)
    .await)?;
    row.map(|row| row.into_installation(tenant)).transpose()
}

/// The sealed secrets of an installation.
pub(crate) async fn secrets(
    conn: &mut Conn,
    tenant: &TenantId,
    plugin_key: &str,
) -> Result<Option<Sealed>, Error> {
    let row: Option<(Option<Vec<u8>>,)> = on!(conn, |c| sqlx::query_as(
        "SELECT secrets FROM installation WHERE tenant = $1 AND plugin_key = $2"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .fetch_optional(c)
    .await)?;
    Ok(row.and_then(|(secrets,)| secrets).map(Sealed::from_bytes))
}

/// Versions and states of all that `tenant` has installed, by plugin id.
pub(crate) async fn versions(
    conn: &mut Conn,
    tenant: &TenantId,
) -> Result<std::collections::BTreeMap<String, InstalledVersion>, Error> {
    let rows: Vec<(String, String, bool)> = on!(conn, |c| sqlx::query_as(
        "SELECT p.id, v.version, i.enabled FROM installation i JOIN plugin p ON p.key = i.plugin_key \
         JOIN plugin_version v ON v.key = i.version_key WHERE i.tenant = $1"
    )
    .bind(tenant.as_str())
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(|(id, version, enabled)| (id, InstalledVersion { version, enabled })).collect())
}

/// How many plugins `tenant` has installed.
pub(crate) async fn count(conn: &mut Conn, tenant: &TenantId) -> Result<i64, Error> {
    let (count,): (i64,) =
        on!(conn, |c| sqlx::query_as("SELECT COUNT(*) FROM installation WHERE tenant = $1")
            .bind(tenant.as_str())
            .fetch_one(c)
            .await)?;
    Ok(count)
}

/// Adds an installation without configuration. [`storage::Error::Duplicate`] if there is one.
pub(crate) async fn insert(
    tx: &mut Tx,
    tenant: &TenantId,
    plugin: &Plugin,
    by: &str,
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "INSERT INTO installation (tenant, plugin_key, version_key, enabled, configuration, secret_names, \
         installed_by, installed_at, updated_at) VALUES ($1, $2, $3, TRUE, '{}', '[]', $4, $5, $5)"
    )
    .bind(tenant.as_str())
    .bind(&plugin.key)
    .bind(&plugin.version_key)
    .bind(by)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(add_to_install_count(tx, &plugin.key, 1).await?)
}

/// Takes an installation away, its secrets with it.
pub(crate) async fn delete(tx: &mut Tx, tenant: &TenantId, plugin_key: &str) -> Result<bool, Error> {
    let deleted = on!(tx, |c| sqlx::query("DELETE FROM installation WHERE tenant = $1 AND plugin_key = $2")
        .bind(tenant.as_str())
        .bind(plugin_key)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    if deleted == 1 {
        add_to_install_count(tx, plugin_key, -1).await?;
    }
    Ok(deleted == 1)
}

pub(super) async fn add_to_install_count(
    tx: &mut Tx,
    plugin_key: &str,
    change: i64,
) -> Result<(), storage::Error> {
    on!(tx, |c| sqlx::query("UPDATE plugin SET install_count = install_count + $2 WHERE key = $1")
        .bind(plugin_key)
        .bind(change)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Switches an installation on or off. `false` if it was so already, or is not there.
pub(crate) async fn set_enabled(
    tx: &mut Tx,
    tenant: &TenantId,
    plugin_key: &str,
    enabled: bool,
    now: Timestamp,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE installation SET enabled = $3, updated_at = $4 \
         WHERE tenant = $1 AND plugin_key = $2 AND enabled <> $3"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .bind(enabled)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Replaces the configuration of an installation.
pub(crate) async fn set_configuration(
    tx: &mut Tx,
    tenant: &TenantId,
    plugin_key: &str,
    open: &Map<String, Value>,
    secret_names: &BTreeSet<String>,
    secrets: Option<&Sealed>,
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE installation SET configuration = $3, secret_names = $4, secrets = $5, updated_at = $6 \
         WHERE tenant = $1 AND plugin_key = $2"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .bind(serde_json::to_string(open).map_err(Error::Corrupt)?)
    .bind(serde_json::to_string(secret_names).map_err(Error::Corrupt)?)
    .bind(secrets.map(Sealed::as_bytes))
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Moves an installation to another version of its plugin.
pub(crate) async fn set_version(
    tx: &mut Tx,
    tenant: &TenantId,
    plugin: &Plugin,
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE installation SET version_key = $3, updated_at = $4 WHERE tenant = $1 AND plugin_key = $2"
    )
    .bind(tenant.as_str())
    .bind(&plugin.key)
    .bind(&plugin.version_key)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Locks an installation for this transaction and tells whether it is there.
pub(crate) async fn lock(tx: &mut Tx, tenant: &TenantId, plugin_key: &str) -> Result<bool, Error> {
    let locked = on!(tx, |c| sqlx::query(
        "UPDATE installation SET tenant = tenant WHERE tenant = $1 AND plugin_key = $2"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(locked == 1)
}
