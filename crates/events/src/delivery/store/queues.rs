//! Leases of queues. A queue's `stamp` counts what was put into it, its `nudge` what its holder is to know at once.
//!
//! Rows are locked in one order by all who lock many: subscriptions by tenant and id, queues by name, then deliveries.

use model::Timestamp;
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Engine, Error, Tx, on};

use crate::delivery::Queue;
use crate::delivery::worker::LEASE;

/// How many names one statement has.
const NAMES: usize = 1000;

/// How many queues that are due are put in order: those that are due the longest.
const RANKED: i64 = 2000;

/// When a lease ends that holds at the moment `now`, at the latest: one that goes further was given by a clock that went wrong.
fn latest(now: Timestamp) -> Timestamp {
    now.plus(2 * LEASE)
}

/// A queue that somebody should look at.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct DueQueue {
    pub(crate) queue: String,
    tenant: String,
    kind: String,
    receiver: String,
    plugin_key: Option<String>,
    /// How often one after the other it was let go of because its receiver fails.
    pub(crate) failures: i64,
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

/// The queues that are due and that nobody holds, of those whose receivers fail or of the others: tenant by tenant, and within each
/// the longest due first. Of one tenant at most `per_tenant`, those that are held included.
pub(crate) async fn due(
    conn: &mut Conn,
    now: Timestamp,
    is_failing: bool,
    (per_tenant, limit): (i64, i64),
) -> Result<Vec<DueQueue>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
            "WITH held AS (SELECT tenant, COUNT(*) AS queues FROM delivery_queue \
                           WHERE owner IS NOT NULL AND lease_until > $1 GROUP BY tenant) \
             SELECT queue, tenant, kind, receiver, plugin_key, failures \
             FROM (SELECT q.*, ROW_NUMBER() OVER (PARTITION BY q.tenant ORDER BY q.due_at, q.queue) \
                      + COALESCE(held.queues, 0) AS turn \
                   FROM (SELECT * FROM delivery_queue \
                         WHERE due_at IS NOT NULL AND due_at <= $1 AND halted = 0 \
                         AND (lease_until <= $1 OR lease_until > $4) \
                         AND CASE WHEN failures > 0 THEN 1 ELSE 0 END = $5 \
                         AND tenant NOT IN (SELECT tenant FROM held WHERE queues >= $2) \
                         ORDER BY due_at LIMIT $6) q LEFT JOIN held ON held.tenant = q.tenant) AS ready \
             WHERE turn <= $2 ORDER BY turn, due_at, queue LIMIT $3",
        )
        .bind(now.as_millisecond())
        .bind(per_tenant)
        .bind(limit)
        .bind(latest(now).as_millisecond())
        .bind(i32::from(is_failing))
        .bind(RANKED)
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
                " WHERE queue IN (SELECT queue FROM delivery_queue WHERE halted = 0 AND (lease_until <= ",
            );
            query.push_bind(now.as_millisecond()).push(" OR lease_until > ");
            query.push_bind(latest(now).as_millisecond()).push(") AND queue IN (");
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

/// How a queue is let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Release {
    /// What it was like when it was read.
    pub(crate) look: Look,
    /// When somebody is to look at it.
    pub(crate) due_at: Option<i64>,
    /// Before when nothing in it is to be tried, whatever is put in: its receiver fails.
    pub(crate) not_before: Option<i64>,
    /// How often one after the other it was let go of because its receiver fails.
    pub(crate) failures: i64,
}

/// Lets go of a queue, unless something was put into it that is to be tried before the moment that was found. Tells whether it did.
pub(crate) async fn release(tx: &mut Tx, name: &str, owner: &str, release: &Release) -> Result<bool, Error> {
    let Release { look, due_at, not_before, failures } = *release;
    let changed = on!(tx, |c| {
        let mut query =
            QueryBuilder::new("UPDATE delivery_queue SET owner = NULL, lease_until = 0, failures = ");
        query.push_bind(failures).push(", not_before = ").push_bind(not_before.unwrap_or(0));
        match not_before {
            None => query.push(", due_at = ").push_bind(due_at),
            Some(not_before) => {
                // What was put in meanwhile may be tried from then on.
                query.push(", due_at = CASE WHEN stamp = ").push_bind(look.stamp);
                query.push(" THEN ").push_bind(due_at.unwrap_or(not_before).max(not_before));
                query.push(" ELSE ").push_bind(not_before).push(" END")
            }
        };
        query.push(" WHERE queue = ").push_bind(name).push(" AND owner = ").push_bind(owner);
        match not_before {
            None => query.push(" AND stamp = ").push_bind(look.stamp),
            // Somebody has asked for it to be tried at once.
            Some(_) => query.push(" AND nudge = ").push_bind(look.nudge),
        };
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Locks queues, in the order in which all lock many; those that are not there are passed over. Nothing on SQLite, where only one
/// writes.
pub(crate) async fn lock(tx: &mut Tx, names: &[&str]) -> Result<(), Error> {
    let Engine::Postgres(_) = tx.engine() else { return Ok(()) };
    for names in names.chunks(NAMES) {
        on!(tx, |c| {
            let mut query = QueryBuilder::new("SELECT queue FROM delivery_queue WHERE queue IN (");
            let mut list = query.separated(", ");
            for name in names {
                list.push_bind(*name);
            }
            query.push(") ORDER BY queue FOR UPDATE");
            query.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
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
    on!(tx, |c| sqlx::query("UPDATE delivery_queue SET halted = 0 WHERE queue = $1")
        .bind(name)
        .execute(c)
        .await
        .map(drop))?;
    rouse(tx, name, now).await?;
    on!(tx, |c| sqlx::query(
        "UPDATE delivery SET due_at = $2 WHERE queue = $1 AND finished_at IS NULL AND due_at > $2"
    )
    .bind(name)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Has somebody look at a queue anew, at once, whatever pause it has. `false` if there is none.
pub(crate) async fn rouse(tx: &mut Tx, name: &str, now: Timestamp) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "UPDATE delivery_queue SET nudge = nudge + 1, stamp = stamp + 1, due_at = $2, not_before = 0 WHERE queue = $1"
    )
    .bind(name)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Has the holder of a queue, if there is one, look at its receiver anew. The receiver before had asked for the pause that there may be.
pub(crate) async fn nudge(tx: &mut Tx, name: &str) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE delivery_queue SET nudge = nudge + 1, not_before = 0, \
         due_at = CASE WHEN due_at = not_before THEN 0 ELSE due_at END WHERE queue = $1"
    )
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
