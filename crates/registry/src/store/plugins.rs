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

/// Plugins with their current version, as far as anybody may find them.
macro_rules! listed_plugins {
    () => {
        concat!(
            "SELECT ",
            plugin_columns!(),
            " FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key AND v.version = p.current_version \
             WHERE p.removed_at IS NULL AND p.status = 'approved' "
        )
    };
}

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
            manifest: serde_json::from_str::<Manifest>(&row.manifest).map_err(Error::Corrupt)?,
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

fn plugins(rows: Vec<PluginRow>) -> Result<Vec<Plugin>, Error> {
    rows.into_iter().map(Plugin::try_from).collect()
}

/// The owner column to look under besides the shared catalog; the shared catalog again where there is no tenant.
fn private(tenant: Option<&TenantId>) -> &str {
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
        "SELECT ",
        plugin_columns!(),
        " FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key AND v.version = $3 \
         WHERE p.removed_at IS NULL AND p.status = 'approved' AND p.id = $1 AND p.owner IN ('', $2) \
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
        "SELECT ",
        plugin_columns!(),
        " FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key AND v.version = p.current_version \
         WHERE p.id = $1 AND p.owner = $2 AND p.removed_at IS NULL"
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
    let row: Option<PluginRow> = on!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        plugin_columns!(),
        " FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key AND v.version = $3 \
         WHERE p.id = $1 AND p.owner = $2"
    ))
    .bind(id.as_str())
    .bind(owner.as_column())
    .bind(version)
    .fetch_optional(c)
    .await)?;
    row.map(Plugin::try_from).transpose()
}

/// One page of what `tenant` may install, its own included, by name.
pub(crate) async fn available(
    conn: &mut Conn,
    tenant: Option<&TenantId>,
    after: (&str, &str),
    limit: i64,
) -> Result<Vec<Plugin>, Error> {
    plugins(on!(conn, |c| {
        sqlx::query_as(concat!(
        listed_plugins!(),
        "AND p.owner IN ('', $1) AND (p.name > $2 OR (p.name = $2 AND p.key > $3)) ORDER BY p.name, p.key LIMIT $4"
    ))
    .bind(private(tenant))
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(c)
    .await
    })?)
}

/// Plugins of the shared catalog whose current version supports `point`, by name.
pub(crate) async fn by_extension_point(
    conn: &mut Conn,
    point: &str,
    limit: i64,
) -> Result<Vec<Plugin>, Error> {
    plugins(on!(conn, |c| {
        sqlx::query_as(concat!(
        listed_plugins!(),
        "AND p.owner = '' AND EXISTS \
         (SELECT 1 FROM extension_point e WHERE e.point = $1 AND e.version_key = v.key) ORDER BY p.name, p.key LIMIT $2"
    ))
    .bind(point)
    .bind(limit)
    .fetch_all(c)
    .await
    })?)
}

/// What a marketplace search asks for; empty texts match all.
pub(crate) struct Search<'a> {
    pub(crate) category: &'a str,
    /// A LIKE pattern in lower case.
    pub(crate) pattern: &'a str,
    /// The sort key and plugin key that the page begins after.
    pub(crate) after: Option<(&'a str, &'a str)>,
    pub(crate) limit: i64,
}

/// The shared catalog by name, ascending.
pub(crate) async fn search_by_name(conn: &mut Conn, search: &Search<'_>) -> Result<Vec<Plugin>, Error> {
    let (name, key) = search.after.unwrap_or_default();
    plugins(on!(conn, |c| sqlx::query_as(concat!(
        listed_plugins!(),
        "AND p.owner = '' AND ($1 = '' OR p.category = $1) \
         AND ($2 = '' OR LOWER(p.name) LIKE $2 ESCAPE '!' OR LOWER(p.description) LIKE $2 ESCAPE '!' \
              OR LOWER(p.id) LIKE $2 ESCAPE '!') \
         AND (p.name > $3 OR (p.name = $3 AND p.key > $4)) ORDER BY p.name, p.key LIMIT $5"
    ))
    .bind(search.category)
    .bind(search.pattern)
    .bind(name)
    .bind(key)
    .bind(search.limit)
    .fetch_all(c)
    .await)?)
}

/// The shared catalog by a number, descending. `measure` is the SQL of the number.
macro_rules! search_by_number {
    ($name:ident, $measure:literal) => {
        pub(crate) async fn $name(conn: &mut Conn, search: &Search<'_>) -> Result<Vec<Plugin>, Error> {
            let (number, key) = match search.after {
                Some((number, key)) => (number.parse().map_err(|_| Error::Cursor)?, key),
                None => (i64::MAX, ""),
            };
            plugins(on!(conn, |c| sqlx::query_as(concat!(
                listed_plugins!(),
                "AND p.owner = '' AND ($1 = '' OR p.category = $1) \
                 AND ($2 = '' OR LOWER(p.name) LIKE $2 ESCAPE '!' OR LOWER(p.description) LIKE $2 ESCAPE '!' \
                      OR LOWER(p.id) LIKE $2 ESCAPE '!') AND (",
                $measure,
                " < $3 OR (",
                $measure,
                " = $3 AND p.key > $4)) ORDER BY ",
                $measure,
                " DESC, p.key LIMIT $5"
            ))
            .bind(search.category)
            .bind(search.pattern)
            .bind(number)
            .bind(key)
            .bind(search.limit)
            .fetch_all(c)
            .await)?)
        }
    };
}

search_by_number!(search_by_installs, "p.install_count");
search_by_number!(search_by_newest, "p.submitted_at");
// A mean of hundredths; a plugin without ratings counts as 0.
search_by_number!(
    search_by_rating,
    "(CASE WHEN p.rating_count = 0 THEN 0 ELSE p.rating_sum * 100 / p.rating_count END)"
);

/// The categories of the shared catalog.
pub(crate) async fn categories(conn: &mut Conn, limit: i64) -> Result<Vec<String>, Error> {
    let rows: Vec<(String,)> = on!(conn, |c| sqlx::query_as(
        "SELECT DISTINCT category FROM plugin \
         WHERE owner = '' AND removed_at IS NULL AND status = 'approved' ORDER BY category LIMIT $1"
    )
    .bind(limit)
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(|(category,)| category).collect())
}

/// What a publish needs to know of a plugin that exists already, removed ones included.
#[derive(FromRow)]
pub(crate) struct Existing {
    pub(crate) key: String,
    pub(crate) current_version: String,
}

/// The plugin `id` of `owner`, locked for this transaction.
pub(crate) async fn existing(tx: &mut Tx, owner: &Owner, id: &PluginId) -> Result<Option<Existing>, Error> {
    // The update takes the row's lock on PostgreSQL; on SQLite the transaction has the only one there is.
    Ok(on!(tx, |c| sqlx::query_as(
        "UPDATE plugin SET id = id WHERE id = $1 AND owner = $2 RETURNING key, current_version"
    )
    .bind(id.as_str())
    .bind(owner.as_column())
    .fetch_optional(c)
    .await)?)
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

/// The columns of a plugin that follow its current version.
pub(crate) struct Summary<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) current_version: &'a str,
    pub(crate) status: Status,
    pub(crate) now: Timestamp,
}

/// Adds a plugin. [`storage::Error::Duplicate`] if its owner has one of that id.
pub(crate) async fn insert(
    tx: &mut Tx,
    key: &str,
    owner: &Owner,
    id: &PluginId,
    summary: &Summary<'_>,
) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
        "INSERT INTO plugin (key, owner, id, name, description, category, status, current_version, install_count, \
         rating_sum, rating_count, submitted_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, $9, $9)"
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
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Brings a plugin up to its current version; a removed one comes back.
pub(crate) async fn update(tx: &mut Tx, key: &str, summary: &Summary<'_>) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE plugin SET name = $2, description = $3, category = $4, status = $5, current_version = $6, \
         updated_at = $7, removed_at = NULL WHERE key = $1"
    )
    .bind(key)
    .bind(&summary.manifest.name)
    .bind(summary.manifest.description.as_deref().unwrap_or_default())
    .bind(&summary.manifest.category)
    .bind(summary.status.as_str())
    .bind(summary.current_version)
    .bind(summary.now.as_millisecond())
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

/// A version as it is stored.
pub(crate) struct NewVersion<'a> {
    pub(crate) key: &'a str,
    pub(crate) plugin_key: &'a str,
    pub(crate) manifest: &'a Manifest,
    pub(crate) bundle: &'a BundleRef,
    pub(crate) published_by: &'a str,
    pub(crate) now: Timestamp,
}

/// Adds a version and its extension points.
pub(crate) async fn insert_version(tx: &mut Tx, version: &NewVersion<'_>) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "INSERT INTO plugin_version (key, plugin_key, version, manifest, entry_file, bare_file, integrity, \
         bare_integrity, external_url, published_by, published_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
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
    .execute(c)
    .await
    .map(drop))?;
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
