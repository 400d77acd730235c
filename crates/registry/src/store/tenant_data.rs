//! Deleting all that a tenant has here.

use std::collections::BTreeSet;

use model::TenantId;
use sqlx::FromRow;
use storage::{BlobKey, Error, TenantData, Tx, on};

use super::installations::add_to_install_count;
use super::ratings::{add_up, lock_plugin};
use crate::Encoding;

/// The registry's rows of a tenant, in an order in which no row is deleted that another names.
pub const TENANT_DATA: &[TenantData] = &[
    TenantData {
        name: "installations",
        delete: |tx, tenant, limit| Box::pin(installations(tx, tenant, limit)),
    },
    TenantData {
        name: "uninstalled plugins",
        delete: |tx, tenant, limit| Box::pin(uninstalled(tx, tenant, limit)),
    },
    TenantData { name: "ratings", delete: |tx, tenant, limit| Box::pin(ratings(tx, tenant, limit)) },
    TenantData {
        name: "bundle files",
        delete: |tx, tenant, limit| Box::pin(bundle_files(tx, tenant, limit)),
    },
    TenantData { name: "plugin versions", delete: |tx, tenant, limit| Box::pin(versions(tx, tenant, limit)) },
    TenantData { name: "plugins", delete: |tx, tenant, limit| Box::pin(plugins(tx, tenant, limit)) },
];

/// Installations, with their configuration and secrets.
async fn installations(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    let rows: Vec<(String,)> = on!(tx, |c| {
        sqlx::query_as(
        "DELETE FROM installation WHERE tenant = $1 AND plugin_key IN \
         (SELECT plugin_key FROM installation WHERE tenant = $1 ORDER BY plugin_key LIMIT $2) RETURNING plugin_key"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    let plugins: BTreeSet<String> = rows.into_iter().map(|(key,)| key).collect();
    for key in &plugins {
        add_to_install_count(tx, key, -1).await?;
    }
    Ok(count(plugins.len()))
}

/// What is left of installations for their last hook.
async fn uninstalled(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM uninstalled WHERE tenant = $1 AND plugin_key IN \
         (SELECT plugin_key FROM uninstalled WHERE tenant = $1 ORDER BY plugin_key LIMIT $2)"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}

/// Ratings by the tenant's users, of whichever plugin; means follow.
async fn ratings(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    let rows: Vec<(String, String)> = on!(tx, |c| sqlx::query_as(
        "SELECT plugin_key, subject FROM rating WHERE tenant = $1 ORDER BY plugin_key, subject LIMIT $2"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .fetch_all(c)
    .await)?;
    let plugins: BTreeSet<&String> = rows.iter().map(|(key, _)| key).collect();
    // As one who rates does: the plugin's row first.
    for key in &plugins {
        lock_plugin(tx, key).await?;
    }
    for (key, subject) in &rows {
        on!(tx, |c| sqlx::query(
            "DELETE FROM rating WHERE plugin_key = $1 AND tenant = $2 AND subject = $3"
        )
        .bind(key)
        .bind(tenant.as_str())
        .bind(subject)
        .execute(c)
        .await
        .map(drop))?;
    }
    for key in &plugins {
        add_up(tx, key).await?;
    }
    Ok(count(rows.len()))
}

#[derive(FromRow)]
struct FileRow {
    blob_key: String,
    encodings: String,
}

/// The files of the tenant's own plugins, and those that it uploaded for a version that never came. Their blobs are left
/// to the next sweep.
async fn bundle_files(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    let rows: Vec<FileRow> = on!(tx, |c| sqlx::query_as(
        "DELETE FROM bundle_file WHERE blob_key IN \
         (SELECT blob_key FROM bundle_file WHERE owner = $1 ORDER BY blob_key LIMIT $2) \
         RETURNING blob_key, encodings"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .fetch_all(c)
    .await)?;
    for row in &rows {
        let kept = |encoding: &Encoding| row.encodings.split(',').any(|name| name == encoding.as_str());
        let codings = Encoding::COMPRESSED.into_iter().filter(kept).chain([Encoding::Identity]);
        let keys = codings.map(|encoding| format!("{}{}", row.blob_key, encoding.suffix()).parse());
        storage::discard(tx, &keys.collect::<Result<Vec<BlobKey>, _>>()?).await?;
    }
    Ok(count(rows.len()))
}

/// The versions of the tenant's own plugins. The blobs of their backends are left to the next sweep.
async fn versions(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    for sql in [
        "DELETE FROM extension_point WHERE version_key IN (SELECT v.key FROM plugin_version v \
         JOIN plugin p ON p.key = v.plugin_key WHERE p.owner = $1 ORDER BY v.key LIMIT $2)",
        // Others cannot have installed them; if any had, the row would keep the version from going.
        "DELETE FROM installation WHERE version_key IN (SELECT v.key FROM plugin_version v \
         JOIN plugin p ON p.key = v.plugin_key WHERE p.owner = $1 ORDER BY v.key LIMIT $2)",
        "DELETE FROM uninstalled WHERE version_key IN (SELECT v.key FROM plugin_version v \
         JOIN plugin p ON p.key = v.plugin_key WHERE p.owner = $1 ORDER BY v.key LIMIT $2)",
    ] {
        on!(tx, |c| sqlx::query(sql).bind(tenant.as_str()).bind(limit).execute(c).await.map(drop))?;
    }
    let rows: Vec<(Option<String>, Option<String>)> = on!(tx, |c| sqlx::query_as(
        "DELETE FROM plugin_version WHERE key IN (SELECT v.key FROM plugin_version v \
         JOIN plugin p ON p.key = v.plugin_key WHERE p.owner = $1 ORDER BY v.key LIMIT $2) \
         RETURNING backend_blob, backend_map_blob"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .fetch_all(c)
    .await)?;
    for (program, map) in &rows {
        let keys = [program, map].into_iter().flatten().map(|key| key.parse());
        storage::discard(tx, &keys.collect::<Result<Vec<BlobKey>, _>>()?).await?;
    }
    Ok(count(rows.len()))
}

/// The tenant's own plugins.
async fn plugins(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    on!(tx, |c| {
        sqlx::query(
        "DELETE FROM rating WHERE plugin_key IN (SELECT key FROM plugin WHERE owner = $1 ORDER BY key LIMIT $2)"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM plugin WHERE key IN (SELECT key FROM plugin WHERE owner = $1 ORDER BY key LIMIT $2)"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
