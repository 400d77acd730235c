//! Webhooks as they came.

use std::collections::HashMap;
use std::sync::Arc;

use model::{TenantId, Timestamp};
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Error, Tx, batches, on};

use crate::delivery::Queue;
use crate::webhook::address::Owner;

/// How many rows one statement writes, of 11 places each.
const ROWS: usize = 200;

/// How many of the oldest a sweep looks at.
const SWEPT_AT_ONCE: i64 = 1000;

/// A webhook to be written.
pub(crate) struct NewWebhook {
    pub(crate) owner: Arc<Owner>,
    pub(crate) dedupe_key: String,
    pub(crate) sender_id: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: String,
    pub(crate) body: bytes::Bytes,
    pub(crate) received_at: Timestamp,
}

/// A webhook as its plugin is given it.
#[derive(Debug, FromRow)]
pub(crate) struct RequestRow {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// What tells a webhook from all others.
type Key<'a> = (&'a str, &'a str, &'a str);

impl NewWebhook {
    /// What tells it from all others.
    pub(crate) fn key(&self) -> Key<'_> {
        (self.owner.tenant.as_str(), &self.owner.plugin_key, &self.dedupe_key)
    }
}

/// Writes webhooks, but those that were there. Gives the numbers of the new ones, each in the place of its webhook: of several
/// that are the same, the first is the new one.
pub(crate) async fn insert(tx: &mut Tx, webhooks: &[&NewWebhook]) -> Result<Vec<Option<i64>>, Error> {
    let mut written: HashMap<(String, String, String), i64> = HashMap::new();
    for rows in batches(webhooks, ROWS) {
        let new: Vec<(i64, String, String, String)> = on!(tx, |c| {
            let mut query = QueryBuilder::new(
                "INSERT INTO webhook (tenant, plugin_key, plugin_id, dedupe_key, sender_id, method, path, query, headers, \
                 body, received_at) ",
            );
            query.push_values(rows, |mut row, webhook| {
                let Owner { tenant, plugin, plugin_key } = &*webhook.owner;
                row.push_bind(tenant.as_str()).push_bind(plugin_key);
                row.push_bind(plugin.as_str()).push_bind(&webhook.dedupe_key);
                row.push_bind(&webhook.sender_id).push_bind(&webhook.method).push_bind(&webhook.path);
                row.push_bind(&webhook.query).push_bind(&webhook.headers).push_bind(webhook.body.as_ref());
                row.push_bind(webhook.received_at.as_millisecond());
            });
            query.push(
                " ON CONFLICT (tenant, plugin_key, dedupe_key) DO NOTHING RETURNING seq, tenant, plugin_key, dedupe_key",
            );
            query.build_query_as().fetch_all(c).await
        })?;
        written.extend(new.into_iter().map(|(seq, tenant, plugin, key)| ((tenant, plugin, key), seq)));
    }
    let key = |webhook: &NewWebhook| {
        let (tenant, plugin_key, key) = webhook.key();
        (tenant.to_owned(), plugin_key.to_owned(), key.to_owned())
    };
    Ok(webhooks.iter().map(|webhook| written.remove(&key(webhook))).collect())
}

/// A webhook of a tenant.
pub(crate) async fn request(
    conn: &mut Conn,
    tenant: &TenantId,
    seq: i64,
) -> Result<Option<RequestRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT method, path, query, headers, body FROM webhook WHERE seq = $1 AND tenant = $2"
    )
    .bind(seq)
    .bind(tenant.as_str())
    .fetch_optional(c)
    .await)?)
}

/// How many deliveries of a queue are unfinished, counted up to `most`.
pub(crate) async fn unfinished(conn: &mut Conn, queue: &Queue, most: i64) -> Result<i64, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT 1 FROM delivery WHERE queue = $1 AND finished_at IS NULL LIMIT $2) unfinished"
    )
    .bind(queue.name())
    .bind(most)
    .fetch_one(c)
    .await
    })?)
}

/// Deletes webhooks that came before `oldest` and are to be delivered no more, among the next ones behind the place `after`. Tells how
/// many, and the place to go on from, where there are more of that age. Numbers grow with time, but for the clocks of replicas.
pub(crate) async fn sweep(tx: &mut Tx, oldest: Timestamp, after: i64) -> Result<(u64, Option<i64>), Error> {
    let (count, last): (i64, Option<i64>) = on!(tx, |c| {
        sqlx::query_as(
            "SELECT COUNT(*), MAX(seq) FROM (SELECT seq, received_at FROM webhook WHERE seq > $1 ORDER BY seq LIMIT $2) first \
             WHERE received_at < $3",
        )
        .bind(after)
        .bind(SWEPT_AT_ONCE)
        .bind(oldest.as_millisecond())
        .fetch_one(c)
        .await
    })?;
    let Some(last) = last else { return Ok((0, None)) };
    let swept = on!(tx, |c| {
        sqlx::query(
            "DELETE FROM webhook WHERE seq > $1 AND seq <= $2 AND received_at < $3 AND NOT EXISTS \
             (SELECT 1 FROM delivery d WHERE d.webhook_seq = webhook.seq AND d.finished_at IS NULL)",
        )
        .bind(after)
        .bind(last)
        .bind(oldest.as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?;
    Ok((swept, Some(last).filter(|_| count == SWEPT_AT_ONCE)))
}
