//! Plugins and their versions.

use model::{PluginId, TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Tx, on};

use super::SHARED;
use crate::plugin::{BundleRef, Owner, Plugin, Status};
use crate::{Error, Manifest};

/// The columns of [`PluginRow`], from `plugin p` and `plugin_version v`.
macro_rules! plugin_columns {
    () => {
        "p.key, p.owner, p.status, p.install_count, p.rating_sum, p.rating_count, p.submitted_at, p.updated_at, \
         v.key AS version_key, v.manifest, v.entry_file, v.bare_file, v.integrity, v.bare_integrity, v.external_url"
    };
}
pub(crate) use plugin_columns;

/// Plugins `p`, each with the version `v` that the condition picks.
macro_rules! select_plugins {
    ($version:literal) => {
        concat!(
            "SELECT ",
            plugin_columns!(),
            " FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key AND v.version = ",
            $version,
            " "
        )
    };
}

/// Plugins at their current version, as far as anybody may find them.
macro_rules! listed_plugins {
    () => {
        concat!(select_plugins!("p.current_version"), "WHERE p.removed_at IS NULL AND p.status = 'approved' ")
    };
}
pub(super) use listed_plugins;
pub(super) use select_plugins;

#[derive(FromRow)]
pub(crate) struct PluginRow {
    key: String,
    owner: String,
    status: String,
    install_count: i64,
    rating_sum: i64,
    rating_count: i64,
    submitted_at: i64,
    updated_at: i64,
    version_key: String,
    manifest: String,
    entry_file: Option<String>,
    bare_file: Option<String>,
    integrity: Option<String>,
    bare_integrity: Option<String>,
    external_url: Option<String>,
}

impl TryFrom<PluginRow> for Plugin {
    type Error = Error;

    fn try_from(row: PluginRow) -> Result<Self, Error> {
        let owner = match row.owner.parse::<TenantId>() {
            Ok(tenant) => Owner::Tenant(tenant),
            Err(_) => Owner::Shared,
        };
        Ok(Self {
            key: row.key,
            version_key: row.version_key,
            owner,
            manifest: Manifest::from_stored(&row.manifest).map_err(Error::Corrupt)?,
            bundle: BundleRef {
                entry: row.entry_file,
                bare_entry: row.bare_file,
                integrity: row.integrity,
                bare_integrity: row.bare_integrity,
                external_url: row.external_url,
            },
            status: row.status.parse().unwrap_or(Status::Pending),
            install_count: row.install_count,
            rating_sum: row.rating_sum,
            rating_count: row.rating_count,
            submitted_at: Timestamp::from_millisecond(row.submitted_at),
            updated_at: Timestamp::from_millisecond(row.updated_at),
        })
    }
}

/// Rows as plugins.
pub(super) fn plugins(rows: Vec<PluginRow>) -> Result<Vec<Plugin>, Error> {
    rows.into_iter().map(Plugin::try_from).collect()
}

/// The owner column to look under besides the shared catalog; the shared catalog again where there is no tenant.
pub(super) fn private(tenant: Option<&TenantId>) -> &str {
    tenant.map_or(SHARED, TenantId::as_str)
}

/// The plugin that `tenant` means by `id`: its own before the shared one.
pub(crate) async fn find(
    conn: &mut Conn,
    tenant: Option<&TenantId>,
    id: &PluginId,
) -> Result<Option<Plugin>, Error> {
    let row: Option<PluginRow> = on!(conn, |c| sqlx::query_as(concat!(
        listed_plugins!(),
        "AND p.id = $1 AND p.owner IN ('', $2) ORDER BY p.owner DESC LIMIT 1"
    ))
    .bind(id.as_str())
    .bind(private(tenant))
    .fetch_optional(c)
    .await)?;
    row.map(Plugin::try_from).transpose()
}

/// One given version of the plugin that `tenant` means by `id`.
pub(crate) async fn find_version(
    conn: &mut Conn,
    tenant: Option<&TenantId>,
    id: &PluginId,
    version: &str,
) -> Result<Option<Plugin>, Error> {
    let row: Option<PluginRow> = on!(conn, |c| sqlx::query_as(concat!(
        select_plugins!("$3"),
        "WHERE p.removed_at IS NULL AND p.status = 'approved' AND p.id = $1 AND p.owner IN ('', $2) \
         ORDER BY p.owner DESC LIMIT 1"
    ))
    .bind(id.as_str())
    .bind(private(tenant))
    .bind(version)
    .fetch_optional(c)
    .await)?;
    row.map(Plugin::try_from).transpose()
}

/// The current version of the plugin `id` of `owner`, whatever its status.
pub(crate) async fn find_own(conn: &mut Conn, owner: &Owner, id: &PluginId) -> Result<Option<Plugin>, Error> {
    let row: Option<PluginRow> = on!(conn, |c| sqlx::query_as(concat!(
        select_plugins!("p.current_version"),
        "WHERE p.id = $1 AND p.owner = $2 AND p.removed_at IS NULL"
    ))
    .bind(id.as_str())
    .bind(owner.as_column())
    .fetch_optional(c)
    .await)?;
    row.map(Plugin::try_from).transpose()
}

/// One given version of the plugin `id` of `owner`, whatever its status.
pub(crate) async fn find_own_version(
    conn: &mut Conn,
    owner: &Owner,
    id: &PluginId,
    version: &str,
) -> Result<Option<Plugin>, Error> {
    let row: Option<PluginRow> =
        on!(conn, |c| sqlx::query_as(concat!(select_plugins!("$3"), "WHERE p.id = $1 AND p.owner = $2"))
            .bind(id.as_str())
            .bind(owner.as_column())
            .bind(version)
            .fetch_optional(c)
            .await)?;
    row.map(Plugin::try_from).transpose()
}

/// What a publish needs to know of a plugin that exists already, removed ones included.
#[derive(FromRow)]
pub(crate) struct Existing {
    pub(crate) key: String,
    pub(crate) current_version: String,
    pub(crate) updated_at: i64,
    pub(crate) removed_at: Option<i64>,
}

/// The plugin `id` of `owner`, locked for this transaction.
pub(crate) async fn existing(tx: &mut Tx, owner: &Owner, id: &PluginId) -> Result<Option<Existing>, Error> {
    // The update takes the row's lock on PostgreSQL; on SQLite the transaction has the only one there is.
    Ok(on!(tx, |c| {
        sqlx::query_as(
        "UPDATE plugin SET id = id WHERE id = $1 AND owner = $2 RETURNING key, current_version, updated_at, removed_at"
    )
    .bind(id.as_str())
    .bind(owner.as_column())
    .fetch_optional(c)
    .await
    })?)
}

/// Whether `owner` has published `version` of `id`.
pub(crate) async fn version_exists(
    conn: &mut Conn,
    owner: &Owner,
    id: &PluginId,
    version: &str,
) -> Result<bool, Error> {
    let row: Option<(i64,)> = on!(conn, |c| sqlx::query_as(
        "SELECT CAST(1 AS BIGINT) FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key \
         WHERE p.id = $1 AND p.owner = $2 AND v.version = $3"
    )
    .bind(id.as_str())
    .bind(owner.as_column())
    .bind(version)
    .fetch_optional(c)
    .await)?;
    Ok(row.is_some())
}

/// How many versions `owner` has published of `id`.
pub(crate) async fn count_versions(conn: &mut Conn, owner: &Owner, id: &PluginId) -> Result<i64, Error> {
    let (count,): (i64,) = on!(conn, |c| {
        sqlx::query_as(
        "SELECT COUNT(*) FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key WHERE p.id = $1 AND p.owner = $2"
    )
    .bind(id.as_str())
    .bind(owner.as_column())
    .fetch_one(c)
    .await
    })?;
    Ok(count)
}

/// How many plugins `tenant` has of its own, removed ones included.
pub(crate) async fn count_of_owner(conn: &mut Conn, tenant: &TenantId) -> Result<i64, Error> {
    let (count,): (i64,) = on!(conn, |c| sqlx::query_as("SELECT COUNT(*) FROM plugin WHERE owner = $1")
        .bind(tenant.as_str())
        .fetch_one(c)
        .await)?;
    Ok(count)
}

/// The columns of a plugin that follow its current version.
pub(crate) struct Summary<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) current_version: &'a str,
    pub(crate) status: Status,
    pub(crate) now: Timestamp,
}

impl Summary<'_> {
    /// What a search looks into, in lower case.
    fn search_text(&self) -> String {
        let description = self.manifest.description.as_deref().unwrap_or_default();
        format!("{} {} {description}", self.manifest.id, self.manifest.name).to_lowercase()
    }
}

/// Adds a plugin. `false` if its owner has one of that id.
pub(crate) async fn insert(
    tx: &mut Tx,
    key: &str,
    owner: &Owner,
    id: &PluginId,
    summary: &Summary<'_>,
) -> Result<bool, Error> {
    let inserted = on!(tx, |c| {
        sqlx::query(
        "INSERT INTO plugin (key, owner, id, name, description, category, status, current_version, install_count, \
         rating_sum, rating_count, submitted_at, updated_at, search_text) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, $9, $9, $10) \
         ON CONFLICT (id, owner) DO NOTHING"
    )
    .bind(key)
    .bind(owner.as_column())
    .bind(id.as_str())
    .bind(&summary.manifest.name)
    .bind(summary.manifest.description.as_deref().unwrap_or_default())
    .bind(&summary.manifest.category)
    .bind(summary.status.as_str())
    .bind(summary.current_version)
    .bind(summary.now.as_millisecond())
    .bind(summary.search_text())
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(inserted == 1)
}

/// Brings a plugin up to its current version; a removed one comes back.
pub(crate) async fn update(tx: &mut Tx, key: &str, summary: &Summary<'_>) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE plugin SET name = $2, description = $3, category = $4, status = $5, current_version = $6, \
         updated_at = $7, search_text = $8, removed_at = NULL WHERE key = $1"
    )
    .bind(key)
    .bind(&summary.manifest.name)
    .bind(summary.manifest.description.as_deref().unwrap_or_default())
    .bind(&summary.manifest.category)
    .bind(summary.status.as_str())
    .bind(summary.current_version)
    .bind(summary.now.as_millisecond())
    .bind(summary.search_text())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Takes a plugin of the shared catalog out of it. `false` if it was not there.
pub(crate) async fn remove(tx: &mut Tx, id: &PluginId, now: Timestamp) -> Result<bool, Error> {
    let removed = on!(tx, |c| sqlx::query(
        "UPDATE plugin SET removed_at = $2 WHERE id = $1 AND owner = '' AND removed_at IS NULL"
    )
    .bind(id.as_str())
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(removed == 1)
}

/// A version's backend as it is stored.
pub(crate) struct BackendRow {
    /// What the program offers, as JSON.
    pub(crate) definition: String,
    /// Where the program is.
    pub(crate) blob: String,
    /// Where its source map is.
    pub(crate) map_blob: Option<String>,
}

/// A version as it is stored.
pub(crate) struct NewVersion<'a> {
    pub(crate) key: &'a str,
    pub(crate) plugin_key: &'a str,
    pub(crate) manifest: &'a Manifest,
    pub(crate) bundle: &'a BundleRef,
    pub(crate) backend: Option<&'a BackendRow>,
    pub(crate) published_by: &'a str,
    pub(crate) now: Timestamp,
}

/// Adds a version and its extension points.
pub(crate) async fn insert_version(tx: &mut Tx, version: &NewVersion<'_>) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
        "INSERT INTO plugin_version (key, plugin_key, version, manifest, entry_file, bare_file, integrity, \
         bare_integrity, external_url, published_by, published_at, backend_definition, backend_blob, backend_map_blob) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    )
    .bind(version.key)
    .bind(version.plugin_key)
    .bind(&version.manifest.version)
    .bind(serde_json::to_string(version.manifest).map_err(Error::Corrupt)?)
    .bind(&version.bundle.entry)
    .bind(&version.bundle.bare_entry)
    .bind(&version.bundle.integrity)
    .bind(&version.bundle.bare_integrity)
    .bind(&version.bundle.external_url)
    .bind(version.published_by)
    .bind(version.now.as_millisecond())
    .bind(version.backend.map(|backend| &backend.definition))
    .bind(version.backend.map(|backend| &backend.blob))
    .bind(version.backend.and_then(|backend| backend.map_blob.as_ref()))
    .execute(c)
    .await
    .map(drop)
    })?;
    insert_points(tx, version.key, &version.manifest.extension_points).await
}

/// Replaces the manifest of a version; its bundle stays.
pub(crate) async fn update_manifest(
    tx: &mut Tx,
    version_key: &str,
    manifest: &Manifest,
) -> Result<(), Error> {
    let text = serde_json::to_string(manifest).map_err(Error::Corrupt)?;
    on!(tx, |c| sqlx::query("UPDATE plugin_version SET manifest = $2 WHERE key = $1")
        .bind(version_key)
        .bind(&text)
        .execute(c)
        .await
        .map(drop))?;
    on!(tx, |c| sqlx::query("DELETE FROM extension_point WHERE version_key = $1")
        .bind(version_key)
        .execute(c)
        .await
        .map(drop))?;
    insert_points(tx, version_key, &manifest.extension_points).await
}

async fn insert_points(tx: &mut Tx, version_key: &str, points: &[String]) -> Result<(), Error> {
    for point in points {
        on!(tx, |c| sqlx::query(
            "INSERT INTO extension_point (version_key, point) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        )
        .bind(version_key)
        .bind(point)
        .execute(c)
        .await
        .map(drop))?;
    }
    Ok(())
}
