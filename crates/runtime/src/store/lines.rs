//! The log of plugins. Lines are written once and never changed.

use model::Timestamp;
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Error, Tx, on};

use super::Place;
use crate::log::{Line, MAX_KEPT, rank};

/// Writes all of `lines` in one statement.
pub(crate) async fn insert(tx: &mut Tx, lines: &[(&Place, &Line)]) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    Ok(on!(tx, |c| {
        let mut query = QueryBuilder::new(
            "INSERT INTO plugin_log (tenant, plugin_key, at, level, message, request_id, handler) ",
        );
        query.push_values(lines, |mut row, (place, line)| {
            row.push_bind(place.tenant.as_str())
                .push_bind(place.plugin.as_str())
                .push_bind(line.at.as_millisecond())
                .push_bind(i64::from(rank(line.level)))
                .push_bind(line.message.as_str())
                .push_bind(line.request_id.as_deref())
                .push_bind(line.handler.as_deref());
        });
        // Each number of rows makes another statement: none is worth keeping.
        query.build().persistent(false).execute(c).await.map(drop)
    })?)
}

/// Deletes the oldest lines beyond those that are kept.
pub(crate) async fn trim(tx: &mut Tx, place: &Place) -> Result<u64, Error> {
    Ok(on!(tx, |c| {
        sqlx::query(
        "DELETE FROM plugin_log WHERE tenant = $1 AND plugin_key = $2 AND seq <= COALESCE((SELECT seq FROM plugin_log \
         WHERE tenant = $1 AND plugin_key = $2 ORDER BY seq DESC LIMIT 1 OFFSET $3), 0)"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(MAX_KEPT)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?)
}

/// Deletes at most `limit` lines of an installation.
pub(crate) async fn delete_some(tx: &mut Tx, place: &Place, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM plugin_log WHERE seq IN \
         (SELECT seq FROM plugin_log WHERE tenant = $1 AND plugin_key = $2 ORDER BY seq LIMIT $3)"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}

/// A line as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) level: i64,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    pub(crate) handler: Option<String>,
}

impl Row {
    pub(crate) const fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.at)
    }
}

/// The newest lines of at least this level, the newest first.
pub(crate) async fn newest(
    conn: &mut Conn,
    place: &Place,
    (level, limit): (u8, i64),
) -> Result<Vec<Row>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT seq, at, level, message, request_id, handler FROM (SELECT * FROM plugin_log \
         WHERE tenant = $1 AND plugin_key = $2 ORDER BY seq DESC LIMIT $5) AS kept WHERE level >= $3 \
         ORDER BY seq DESC LIMIT $4"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(i64::from(level))
    .bind(limit)
    .bind(MAX_KEPT)
    .fetch_all(c)
    .await)?)
}

/// The first lines after place `after`, the oldest first.
pub(crate) async fn after(
    conn: &mut Conn,
    place: &Place,
    after: i64,
    (level, limit): (u8, i64),
) -> Result<Vec<Row>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT seq, at, level, message, request_id, handler FROM plugin_log \
         WHERE tenant = $1 AND plugin_key = $2 AND seq > $3 AND level >= $4 ORDER BY seq LIMIT $5"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(after)
    .bind(i64::from(level))
    .bind(limit)
    .fetch_all(c)
    .await)?)
}
