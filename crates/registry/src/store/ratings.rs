//! What users think of plugins.

use model::{TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Tx, on};

use crate::Error;

/// A rating as it is shown.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct RatingRow {
    pub(crate) author: String,
    pub(crate) rating: i64,
    pub(crate) review: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// Who rates, and what.
pub(crate) struct NewRating<'a> {
    pub(crate) plugin_key: &'a str,
    pub(crate) tenant: &'a TenantId,
    pub(crate) subject: &'a str,
    pub(crate) author: &'a str,
    pub(crate) rating: i64,
    pub(crate) review: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// Adds the user's rating, or replaces the earlier one, and brings the plugin's mean up to date.
pub(crate) async fn put(tx: &mut Tx, new: &NewRating<'_>) -> Result<RatingRow, Error> {
    lock_plugin(tx, new.plugin_key).await?;
    let row = on!(tx, |c| {
        sqlx::query_as(
        "INSERT INTO rating (plugin_key, tenant, subject, author, rating, review, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (plugin_key, tenant, subject) DO UPDATE SET \
         author = excluded.author, rating = excluded.rating, review = excluded.review, \
         updated_at = excluded.updated_at RETURNING author, rating, review, created_at, updated_at"
    )
    .bind(new.plugin_key)
    .bind(new.tenant.as_str())
    .bind(new.subject)
    .bind(new.author)
    .bind(new.rating)
    .bind(new.review)
    .bind(new.now.as_millisecond())
    .fetch_one(c)
    .await
    })?;
    add_up(tx, new.plugin_key).await?;
    Ok(row)
}

/// Locks the plugin's row, before its ratings change: two at once would otherwise add up from what the other does not see
/// yet.
pub(super) async fn lock_plugin(tx: &mut Tx, plugin_key: &str) -> Result<(), storage::Error> {
    on!(tx, |c| sqlx::query("UPDATE plugin SET id = id WHERE key = $1")
        .bind(plugin_key)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Brings the plugin's mean up to date.
pub(super) async fn add_up(tx: &mut Tx, plugin_key: &str) -> Result<(), storage::Error> {
    on!(tx, |c| {
        sqlx::query(
        "UPDATE plugin SET rating_sum = CAST(COALESCE((SELECT SUM(rating) FROM rating WHERE plugin_key = $1), 0) \
         AS BIGINT), rating_count = (SELECT COUNT(*) FROM rating WHERE plugin_key = $1) WHERE key = $1"
    )
    .bind(plugin_key)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// The ratings of a plugin, newest first.
pub(crate) async fn list(conn: &mut Conn, plugin_key: &str, limit: i64) -> Result<Vec<RatingRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT author, rating, review, created_at, updated_at FROM rating WHERE plugin_key = $1 \
         ORDER BY updated_at DESC, subject LIMIT $2"
    )
    .bind(plugin_key)
    .bind(limit)
    .fetch_all(c)
    .await)?)
}
