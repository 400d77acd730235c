//! The log of plugins. Lines are written once and never changed.

use futures::{Stream, TryStreamExt as _};
use model::Timestamp;
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Engine, Error, Tx, on};

use super::Place;
use crate::log::{Line, MAX_KEPT, rank};

/// Any number, as long as it is this program's own: names the lock on the order of lines.
const LINES_LOCK: i64 = 0x6a61_636b_6c6f_6702;

/// The most bytes of messages that one page has, unless a single one is longer.
const PAGE_BYTES: usize = 1 << 20;

/// Writes all of `lines` in one statement. The transaction must commit right after: on PostgreSQL no other writes meanwhile, so
/// that places grow in the order of committing, and who reads on from a place misses none.
pub(crate) async fn insert(tx: &mut Tx, lines: &[(&Place, &Line)]) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    if let Engine::Postgres(pg) = tx.engine() {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LINES_LOCK).execute(pg).await?;
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

/// The place of the last line of an installation; 0 where there is none.
pub(crate) async fn last(tx: &mut Tx, place: &Place) -> Result<i64, Error> {
    let (last,): (Option<i64>,) =
        on!(tx, |c| sqlx::query_as("SELECT MAX(seq) FROM plugin_log WHERE tenant = $1 AND plugin_key = $2")
            .bind(place.tenant.as_str())
            .bind(&place.plugin)
            .fetch_one(c)
            .await)?;
    Ok(last.unwrap_or(0))
}

/// Deletes at most `limit` lines of an installation, through place `last`.
pub(crate) async fn delete_some(tx: &mut Tx, place: &Place, (last, limit): (i64, i64)) -> Result<u64, Error> {
    Ok(on!(tx, |c| {
        sqlx::query(
        "DELETE FROM plugin_log WHERE seq IN \
         (SELECT seq FROM plugin_log WHERE tenant = $1 AND plugin_key = $2 AND seq <= $3 ORDER BY seq LIMIT $4)"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(last)
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?)
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

/// As many rows as fit into a page, at least one if there is any. The rest is not read.
async fn page(
    mut rows: impl Stream<Item = Result<Row, sqlx::Error>> + Unpin,
) -> Result<Vec<Row>, sqlx::Error> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        bytes += row.message.len();
        if bytes > PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(row);
    }
    Ok(page)
}

/// The newest lines of at least this level, the newest first, up to a page.
pub(crate) async fn newest(
    conn: &mut Conn,
    place: &Place,
    (level, limit): (u8, i64),
) -> Result<Vec<Row>, Error> {
    Ok(on!(conn, |c| {
        page(
            sqlx::query_as(
                "SELECT seq, at, level, message, request_id, handler FROM (SELECT * FROM plugin_log \
                 WHERE tenant = $1 AND plugin_key = $2 ORDER BY seq DESC LIMIT $5) AS kept WHERE level >= $3 \
                 ORDER BY seq DESC LIMIT $4",
            )
            .bind(place.tenant.as_str())
            .bind(&place.plugin)
            .bind(i64::from(level))
            .bind(limit)
            .bind(MAX_KEPT)
            .fetch(c),
        )
        .await
    })?)
}

/// The first lines after place `after`, the oldest first, up to a page.
pub(crate) async fn after(
    conn: &mut Conn,
    place: &Place,
    after: i64,
    (level, limit): (u8, i64),
) -> Result<Vec<Row>, Error> {
    Ok(on!(conn, |c| {
        page(
            sqlx::query_as(
                "SELECT seq, at, level, message, request_id, handler FROM plugin_log \
                 WHERE tenant = $1 AND plugin_key = $2 AND seq > $3 AND level >= $4 ORDER BY seq LIMIT $5",
            )
            .bind(place.tenant.as_str())
            .bind(&place.plugin)
            .bind(after)
            .bind(i64::from(level))
            .bind(limit)
            .fetch(c),
        )
        .await
    })?)
}
