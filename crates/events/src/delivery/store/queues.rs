//! Leases of queues. A queue's `stamp` counts what was put into it, its `nudge` what its holder is to know at once.

use model::Timestamp;
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Engine, Error, Tx, on};

use crate::delivery::Queue;

/// How many names one statement has.
const NAMES: usize = 1000;

/// A queue that somebody should look at.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct DueQueue {
    pub(crate) queue: String,
    tenant: String,
    kind: String,
    receiver: String,
    plugin_key: Option<String>,
}

impl DueQueue {
    /// The queue; `None` for one of a later version of this program.
    pub(crate) fn read(&self) -> Option<Queue> {
        Queue::read(&self.kind, &self.tenant, &self.receiver, self.plugin_key.as_deref())
    }
}

/// What a queue is like at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(crate) struct Look {
    pub(crate) stamp: i64,
    pub(crate) nudge: i64,
    pub(crate) halted: i64,
}

/// The queues that are due and that nobody holds: tenant by tenant, and within each the longest due first. Of one tenant at most
/// `per_tenant`, those that are held included.
pub(crate) async fn due(
    conn: &mut Conn,
    now: Timestamp,
    (per_tenant, limit): (i64, i64),
) -> Result<Vec<DueQueue>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
            "SELECT queue, tenant, kind, receiver, plugin_key \
             FROM (SELECT q.*, ROW_NUMBER() OVER (PARTITION BY q.tenant ORDER BY q.due_at, q.queue) \
                      + (SELECT COUNT(*) FROM delivery_queue h \
                         WHERE h.tenant = q.tenant AND h.owner IS NOT NULL AND h.lease_until > $1) AS turn \
                   FROM delivery_queue q \
                   WHERE q.due_at IS NOT NULL AND q.due_at <= $1 AND q.halted = 0 AND q.lease_until <= $1) AS ready \
             WHERE turn <= $2 ORDER BY turn, due_at, queue LIMIT $3",
        )
        .bind(now.as_millisecond())
        .bind(per_tenant)
        .bind(limit)
        .fetch_all(c)
        .await
    })?)
}

/// Takes those of these queues that nobody holds, until `until`. Tells which.
pub(crate) async fn claim(
    tx: &mut Tx,
    names: &[&str],
    owner: &str,
    (now, until): (Timestamp, Timestamp),
) -> Result<Vec<String>, Error> {
    let locks_rows = matches!(tx.engine(), Engine::Postgres(_));
    let mut claimed = Vec::new();
    for names in names.chunks(NAMES) {
        let rows: Vec<(String,)> = on!(tx, |c| {
            let mut query = QueryBuilder::new("UPDATE delivery_queue SET owner = ");
            query.push_bind(owner).push(", lease_until = ").push_bind(until.as_millisecond());
            query.push(
                " WHERE queue IN (SELECT queue FROM delivery_queue WHERE halted = 0 AND lease_until <= ",
            );
            query.push_bind(now.as_millisecond()).push(" AND queue IN (");
            let mut list = query.separated(", ");
            for name in names {
                list.push_bind(*name);
            }
            // Whoever is at it already has it.
            query.push(if locks_rows { ") FOR UPDATE SKIP LOCKED" } else { ")" }).push(") RETURNING queue");
            query.build_query_as().fetch_all(c).await
        })?;
        claimed.extend(rows.into_iter().map(|(name,)| name));
    }
    Ok(claimed)
}

/// Has the leases of these queues of `owner` begin anew. Tells those that it still has, and what they are like.
pub(crate) async fn renew(
    tx: &mut Tx,
    names: &[String],
    owner: &str,
    until: Timestamp,
) -> Result<Vec<(String, Look)>, Error> {
    let locks_rows = matches!(tx.engine(), Engine::Postgres(_));
    let mut held = Vec::new();
    for names in names.chunks(NAMES) {
        let rows: Vec<(String, i64, i64, i64)> = on!(tx, |c| {
            let mut query = QueryBuilder::new("UPDATE delivery_queue SET lease_until = ");
            query.push_bind(until.as_millisecond());
            query.push(" WHERE queue IN (SELECT queue FROM delivery_queue WHERE owner = ");
            query.push_bind(owner).push(" AND queue IN (");
            let mut list = query.separated(", ");
            for name in names {
                list.push_bind(name);
            }
            // Rows are locked in one order by all who lock many.
            query.push(if locks_rows { ") ORDER BY queue FOR UPDATE" } else { ")" });
            query.push(") RETURNING queue, stamp, nudge, halted");
            query.build_query_as().fetch_all(c).await
        })?;
        let look = |(name, stamp, nudge, halted)| (name, Look { stamp, nudge, halted });
        held.extend(rows.into_iter().map(look));
    }
    Ok(held)
}

/// What a queue is like; `None` where there is none, or `owner` does not hold it.
pub(crate) async fn look(conn: &mut Conn, name: &str, owner: &str) -> Result<Option<Look>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT stamp, nudge, halted FROM delivery_queue WHERE queue = $1 AND owner = $2"
    )
    .bind(name)
    .bind(owner)
    .fetch_optional(c)
    .await)?)
}

/// Lets go of a queue that nothing was put into since `stamp`: somebody is to look at it at `due_at`. `false` if something was,
/// or `owner` does not hold it.
pub(crate) async fn release(
    tx: &mut Tx,
    name: &str,
    owner: &str,
    (stamp, due_at): (i64, Option<i64>),
) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE delivery_queue SET owner = NULL, lease_until = 0, due_at = $4 \
         WHERE queue = $1 AND owner = $2 AND stamp = $3"
    )
    .bind(name)
    .bind(owner)
    .bind(stamp)
    .bind(due_at)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Lets go of all queues of a process that ends.
pub(crate) async fn release_all(tx: &mut Tx, owner: &str) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query("UPDATE delivery_queue SET owner = NULL, lease_until = 0 WHERE owner = $1")
        .bind(owner)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// Has nobody take a queue from now on; its holder begins nothing more. Makes the queue where there is none.
pub(crate) async fn halt(tx: &mut Tx, queue: &Queue) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO delivery_queue (queue, tenant, kind, receiver, plugin_key, stamp, nudge, halted, lease_until) \
             VALUES ($1, $2, $3, $4, $5, 0, 0, 1, 0) \
             ON CONFLICT (queue) DO UPDATE SET halted = 1, nudge = delivery_queue.nudge + 1",
        )
        .bind(queue.name())
        .bind(queue.tenant().as_str())
        .bind(queue.kind())
        .bind(queue.receiver())
        .bind(queue.plugin_key())
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// Has a queue that was halted taken again, and all that waits in it tried at once.
pub(crate) async fn resume(tx: &mut Tx, name: &str, now: Timestamp) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE delivery SET due_at = $2 WHERE queue = $1 AND finished_at IS NULL AND due_at > $2"
    )
    .bind(name)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    on!(tx, |c| {
        sqlx::query(
        "UPDATE delivery_queue SET halted = 0, nudge = nudge + 1, stamp = stamp + 1, due_at = $2 WHERE queue = $1"
    )
    .bind(name)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Has somebody look at a queue anew, at once. `false` if there is none.
pub(crate) async fn rouse(tx: &mut Tx, name: &str, now: Timestamp) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE delivery_queue SET nudge = nudge + 1, stamp = stamp + 1, due_at = $2 WHERE queue = $1"
    )
    .bind(name)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Has the holder of a queue, if there is one, look at its receiver anew.
pub(crate) async fn nudge(tx: &mut Tx, name: &str) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("UPDATE delivery_queue SET nudge = nudge + 1 WHERE queue = $1")
        .bind(name)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Forgets a queue, and skips all that was yet to come out of it.
pub(crate) async fn remove(tx: &mut Tx, name: &str, reason: &str, now: Timestamp) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("DELETE FROM delivery_queue WHERE queue = $1")
        .bind(name)
        .execute(c)
        .await
        .map(drop))?;
    skip(tx, name, reason, now).await
}

/// Skips all that is yet to come out of a queue.
pub(crate) async fn skip(tx: &mut Tx, name: &str, reason: &str, now: Timestamp) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE delivery SET state = 'skipped', last_error = $2, finished_at = $3 \
         WHERE queue = $1 AND finished_at IS NULL"
    )
    .bind(name)
    .bind(reason)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}
