//! The files that browsers load.

use model::PluginId;
use sqlx::FromRow;
use storage::{Conn, Tx, on};

use crate::Error;
use crate::plugin::Owner;

/// A file as it is stored.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct FileRow {
    pub(crate) filename: String,
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) integrity: String,
    /// Codings that were made at publish, separated by commas.
    pub(crate) encodings: String,
    /// Where the file itself is; each coding stands beside it, with its suffix.
    pub(crate) blob_key: String,
}

macro_rules! select_file {
    () => {
        "SELECT filename, media_type, digest, integrity, encodings, blob_key FROM bundle_file "
    };
}

/// The file of that name in that version. Owners with the same id share a name for the same content alone: see
/// [`is_taken`].
pub(crate) async fn find(
    conn: &mut Conn,
    plugin_id: &str,
    version: &str,
    filename: &str,
) -> Result<Option<FileRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(concat!(
        select_file!(),
        "WHERE plugin_id = $1 AND version = $2 AND filename = $3 ORDER BY owner LIMIT 1"
    ))
    .bind(plugin_id)
    .bind(version)
    .bind(filename)
    .fetch_optional(c)
    .await)?)
}

/// The file at that key of the blob store.
pub(crate) async fn find_by_key(conn: &mut Conn, blob_key: &str) -> Result<Option<FileRow>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(concat!(select_file!(), "WHERE blob_key = $1")).bind(blob_key).fetch_optional(c).await
    })?)
}

/// The file that a version of the shared catalog begins with.
pub(crate) async fn entry(conn: &mut Conn, plugin_id: &str, version: &str) -> Result<Option<String>, Error> {
    let row: Option<(Option<String>,)> = on!(conn, |c| sqlx::query_as(
        "SELECT v.entry_file FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key \
         WHERE p.id = $1 AND p.owner = '' AND v.version = $2"
    )
    .bind(plugin_id)
    .bind(version)
    .fetch_optional(c)
    .await)?;
    Ok(row.and_then(|(entry,)| entry))
}

/// The file of that name that `owner` uploaded for that version.
pub(crate) async fn find_of_owner(
    conn: &mut Conn,
    owner: &Owner,
    plugin_id: &PluginId,
    version: &str,
    filename: &str,
) -> Result<Option<FileRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(concat!(
        select_file!(),
        "WHERE plugin_id = $1 AND version = $2 AND filename = $3 AND owner = $4"
    ))
    .bind(plugin_id.as_str())
    .bind(version)
    .bind(filename)
    .bind(owner.as_column())
    .fetch_optional(c)
    .await)?)
}

/// Whether the script's address serves other content already, whoever it belongs to.
///
/// The hash in a built script's name is short and not a cryptographic one: without this an author could make a script
/// that is served in place of another tenant's. Source maps are named by their script, and differ by comments alone.
pub(crate) async fn is_taken(
    tx: &mut Tx,
    plugin_id: &PluginId,
    version: &str,
    file: &FileRow,
) -> Result<bool, Error> {
    let other: Option<(String,)> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT owner FROM bundle_file WHERE plugin_id = $1 AND version = $2 AND filename = $3 AND digest <> $4 \
         AND media_type LIKE 'text/javascript%' LIMIT 1"
    )
    .bind(plugin_id.as_str())
    .bind(version)
    .bind(&file.filename)
    .bind(&file.digest)
    .fetch_optional(c)
    .await
    })?;
    Ok(other.is_some())
}

/// Adds a file of a version. `false` if it is there already: a name carries the hash of its content, so the file
/// that is there is the same.
pub(crate) async fn insert(
    tx: &mut Tx,
    owner: &Owner,
    plugin_id: &PluginId,
    version: &str,
    file: &FileRow,
    size_bytes: i64,
) -> Result<bool, Error> {
    let inserted = on!(tx, |c| {
        sqlx::query(
        "INSERT INTO bundle_file (plugin_id, version, filename, owner, media_type, size_bytes, digest, integrity, \
         encodings, blob_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (plugin_id, version, filename, owner) DO NOTHING"
    )
    .bind(plugin_id.as_str())
    .bind(version)
    .bind(&file.filename)
    .bind(owner.as_column())
    .bind(&file.media_type)
    .bind(size_bytes)
    .bind(&file.digest)
    .bind(&file.integrity)
    .bind(&file.encodings)
    .bind(&file.blob_key)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(inserted == 1)
}
