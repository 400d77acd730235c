//! Installations as their backends need them, and what is left of them after an uninstall.

use model::{PluginId, TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Sealed, Tx, on};

use crate::{Departure, Error, Grants};

/// An installation with the version that it runs.
#[derive(FromRow)]
pub(crate) struct DeploymentRow {
    pub(crate) plugin_id: String,
    pub(crate) plugin_key: String,
    pub(crate) version_key: String,
    pub(crate) version: String,
    pub(crate) manifest: String,
    pub(crate) backend_definition: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) configuration: String,
    pub(crate) consent: Option<String>,
    pub(crate) incarnation: i64,
}

macro_rules! deployed_columns {
    () => {
        "p.id AS plugin_id, p.key AS plugin_key, v.key AS version_key, v.version, v.manifest, v.backend_definition, \
         i.configuration, i.consent"
    };
}

/// The installation of `id` in `tenant`.
pub(crate) async fn find(
    conn: &mut Conn,
    tenant: &TenantId,
    id: &PluginId,
) -> Result<Option<DeploymentRow>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(concat!(
        "SELECT ",
        deployed_columns!(),
        ", i.enabled, i.installed_at AS incarnation FROM installation i JOIN plugin p ON p.key = i.plugin_key \
         JOIN plugin_version v ON v.key = i.version_key WHERE i.tenant = $1 AND p.id = $2 \
         ORDER BY p.owner DESC LIMIT 1"
    ))
    .bind(tenant.as_str())
    .bind(id.as_str())
    .fetch_optional(c)
    .await
    })?)
}

/// All that `tenant` has installed and switched on.
pub(crate) async fn enabled(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<DeploymentRow>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(concat!(
        "SELECT ",
        deployed_columns!(),
        ", i.enabled, i.installed_at AS incarnation FROM installation i JOIN plugin p ON p.key = i.plugin_key \
         JOIN plugin_version v ON v.key = i.version_key WHERE i.tenant = $1 AND i.enabled ORDER BY i.installed_at, p.key"
    ))
    .bind(tenant.as_str())
    .fetch_all(c)
    .await
    })?)
}

/// What is left of the installation of a plugin that `tenant` uninstalled.
pub(crate) async fn find_departed(
    conn: &mut Conn,
    tenant: &TenantId,
    plugin_key: &str,
) -> Result<Option<DeploymentRow>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(concat!(
        "SELECT ",
        deployed_columns!(),
        ", FALSE AS enabled, -i.uninstalled_at AS incarnation FROM uninstalled i JOIN plugin p ON p.key = i.plugin_key \
         JOIN plugin_version v ON v.key = i.version_key WHERE i.tenant = $1 AND i.plugin_key = $2"
    ))
    .bind(tenant.as_str())
    .bind(plugin_key)
    .fetch_optional(c)
    .await
    })?)
}

/// Keeps what the last hook of an installation needs, ahead of its deletion, in place of what an earlier one has left.
pub(crate) async fn keep_departed(
    tx: &mut Tx,
    tenant: &TenantId,
    plugin_key: &str,
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
        "INSERT INTO uninstalled (tenant, plugin_key, version_key, configuration, secrets, consent, uninstalled_at) \
         SELECT tenant, plugin_key, version_key, configuration, secrets, consent, CAST($3 AS BIGINT) FROM installation \
         WHERE tenant = $1 AND plugin_key = $2 \
         ON CONFLICT (tenant, plugin_key) DO UPDATE SET version_key = excluded.version_key, \
         configuration = excluded.configuration, secrets = excluded.secrets, consent = excluded.consent, \
         uninstalled_at = excluded.uninstalled_at"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Deletes what is left of the installation that ended so, and of no later one.
pub(crate) async fn forget_departed(tx: &mut Tx, departure: &Departure) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "DELETE FROM uninstalled WHERE tenant = $1 AND plugin_key = $2 AND uninstalled_at = $3"
    )
    .bind(departure.tenant.as_str())
    .bind(&departure.plugin_key)
    .bind(departure.at.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Deletes what any installation of a plugin has left.
pub(crate) async fn forget_all_departed(
    tx: &mut Tx,
    tenant: &TenantId,
    plugin_key: &str,
) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("DELETE FROM uninstalled WHERE tenant = $1 AND plugin_key = $2")
        .bind(tenant.as_str())
        .bind(plugin_key)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Whether there is an installation again, or what a later one has left for its own last hook.
pub(crate) async fn has_successor(tx: &mut Tx, departure: &Departure) -> Result<bool, storage::Error> {
    let row: Option<(i64,)> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT CAST(1 AS BIGINT) FROM installation WHERE tenant = $1 AND plugin_key = $2 \
             UNION ALL SELECT CAST(1 AS BIGINT) FROM uninstalled \
             WHERE tenant = $1 AND plugin_key = $2 AND uninstalled_at <> $3",
        )
        .bind(departure.tenant.as_str())
        .bind(&departure.plugin_key)
        .bind(departure.at.as_millisecond())
        .fetch_optional(c)
        .await
    })?;
    Ok(row.is_some())
}

/// A configuration with its sealed half.
#[derive(FromRow)]
pub(crate) struct ConfigurationRow {
    pub(crate) configuration: String,
    secrets: Option<Vec<u8>>,
}

impl ConfigurationRow {
    /// The sealed half, if there is one.
    pub(crate) fn sealed(&mut self) -> Option<Sealed> {
        self.secrets.take().map(Sealed::from_bytes)
    }
}

/// The configuration of this very installation (see [`crate::Deployment::incarnation`]).
pub(crate) async fn configuration(
    conn: &mut Conn,
    tenant: &TenantId,
    plugin_key: &str,
    incarnation: i64,
) -> Result<Option<ConfigurationRow>, Error> {
    let sql = if incarnation < 0 {
        "SELECT configuration, secrets FROM uninstalled \
         WHERE tenant = $1 AND plugin_key = $2 AND uninstalled_at = $3"
    } else {
        "SELECT configuration, secrets FROM installation \
         WHERE tenant = $1 AND plugin_key = $2 AND installed_at = $3"
    };
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(tenant.as_str())
        .bind(plugin_key)
        .bind(incarnation.abs())
        .fetch_optional(c)
        .await)?)
}

/// Where a version's program and its source map are.
#[derive(FromRow)]
pub(crate) struct ProgramRow {
    pub(crate) backend_blob: Option<String>,
    pub(crate) backend_map_blob: Option<String>,
}

/// The program of a version.
pub(crate) async fn program(conn: &mut Conn, version_key: &str) -> Result<Option<ProgramRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT backend_blob, backend_map_blob FROM plugin_version WHERE key = $1"
    )
    .bind(version_key)
    .fetch_optional(c)
    .await)?)
}

/// What an admin of `tenant` has consented to; `None` where nobody was asked.
pub(crate) async fn consent(
    conn: &mut Conn,
    tenant: &TenantId,
    plugin_key: &str,
) -> Result<Option<Grants>, Error> {
    let row: Option<(Option<String>,)> = on!(conn, |c| sqlx::query_as(
        "SELECT consent FROM installation WHERE tenant = $1 AND plugin_key = $2"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .fetch_optional(c)
    .await)?;
    let text = row.and_then(|(consent,)| consent);
    text.map(|text| serde_json::from_str(&text).map_err(Error::Corrupt)).transpose()
}

/// Records what an admin has consented to. `false` if it is not installed.
pub(crate) async fn set_consent(
    tx: &mut Tx,
    tenant: &TenantId,
    plugin_key: &str,
    consent: &Grants,
    by: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let text = serde_json::to_string(consent).map_err(Error::Corrupt)?;
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE installation SET consent = $3, consented_by = $4, consented_at = $5, updated_at = $5 \
         WHERE tenant = $1 AND plugin_key = $2"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .bind(&text)
    .bind(by)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}
