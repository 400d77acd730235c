//! Where queues stand in the log.

use std::collections::BTreeSet;

use model::TenantId;
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Engine, Error, Tx, on};

use crate::delivery::Queue;

/// How many names one statement has.
const NAMES: usize = 1000;

/// A queue that lacks events.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Behind {
    pub(crate) queue: String,
    tenant: String,
    kind: String,
    receiver: String,
    plugin_key: Option<String>,
    /// The place after which it lacks some.
    #[sqlx(rename = "behind_from")]
    pub(crate) from: i64,
}

impl Behind {
    /// Whose plugins lack events, all of them, where it is not known what they want.
    pub(crate) fn all_hooks_of(&self) -> Option<TenantId> {
        let tenant = self.tenant.parse().ok()?;
        (self.queue == hooks_of(&tenant)).then_some(tenant)
    }

    /// The queue; `None` for one of a later version of this program.
    pub(crate) fn read(&self) -> Option<Queue> {
        Queue::read(&self.kind, &self.tenant, &self.receiver, self.plugin_key.as_deref())
    }
}

/// The first queues after `after` that lack events and are not halted, in the order of their names.
pub(crate) async fn behind(conn: &mut Conn, after: &str, limit: i64) -> Result<Vec<Behind>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT queue, tenant, kind, receiver, plugin_key, behind_from FROM delivery_queue \
         WHERE behind_from IS NOT NULL AND halted = 0 AND queue > $1 ORDER BY queue LIMIT $2"
    )
    .bind(after)
    .bind(limit)
    .fetch_all(c)
    .await)?)
}

/// Which of these queues lack events.
pub(crate) async fn behind_of(conn: &mut Conn, names: &[&str]) -> Result<BTreeSet<String>, Error> {
    let mut places = BTreeSet::new();
    for names in names.chunks(NAMES) {
        let rows: Vec<String> = on!(conn, |c| {
            let mut query = QueryBuilder::new(
                "SELECT queue FROM delivery_queue WHERE behind_from IS NOT NULL AND queue IN (",
            );
            let mut list = query.separated(", ");
            for name in names {
                list.push_bind(*name);
            }
            query.push(")");
            query.build_query_scalar().fetch_all(c).await
        })?;
        places.extend(rows);
    }
    Ok(places)
}

/// What a tenant's plugins lack as long as it cannot be told what they want.
pub(crate) fn hooks_of(tenant: &TenantId) -> String {
    format!("hooks/{tenant}")
}

/// Notes that all plugins of a tenant lack what comes after `place`.
pub(crate) async fn all_fall_behind(tx: &mut Tx, tenant: &TenantId, place: i64) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO delivery_queue (queue, tenant, kind, receiver, stamp, nudge, halted, lease_until, behind_from) \
             VALUES ($1, $2, 'hooks', '', 0, 0, 0, 0, $3) ON CONFLICT (queue) DO NOTHING",
        )
        .bind(hooks_of(tenant))
        .bind(tenant.as_str())
        .bind(place)
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// Forgets what [`all_fall_behind`] noted: each of them is noted on its own.
pub(crate) async fn each_falls_behind(tx: &mut Tx, name: &str) -> Result<(), Error> {
    Ok(on!(tx, |c| sqlx::query("DELETE FROM delivery_queue WHERE queue = $1")
        .bind(name)
        .execute(c)
        .await
        .map(drop))?)
}

/// Through which place the log may no longer have events. Until the transaction ends, none is removed.
pub(crate) async fn expired_through(tx: &mut Tx) -> Result<i64, Error> {
    let sql = match tx.engine() {
        Engine::Sqlite(_) => "SELECT expired_through FROM event_retention",
        Engine::Postgres(_) => "SELECT expired_through FROM event_retention FOR SHARE",
    };
    Ok(on!(tx, |c| sqlx::query_scalar(sql).fetch_one(c).await)?)
}

/// Notes that a queue lacks what comes after `place`; makes the queue where there is none.
pub(crate) async fn fall_behind(
    tx: &mut Tx,
    queue: &Queue,
    place: i64,
    is_halted: bool,
) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO delivery_queue (queue, tenant, kind, receiver, plugin_key, stamp, nudge, halted, lease_until, \
             behind_from) VALUES ($1, $2, $3, $4, $5, 0, 0, $7, 0, $6) \
             ON CONFLICT (queue) DO UPDATE SET behind_from = COALESCE(delivery_queue.behind_from, excluded.behind_from)",
        )
        .bind(queue.name())
        .bind(queue.tenant().as_str())
        .bind(queue.kind())
        .bind(queue.receiver())
        .bind(queue.plugin_key())
        .bind(place)
        .bind(i64::from(is_halted))
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// Notes how far a queue has caught up; `None` where it lacks nothing any more. `false` if it was elsewhere, or is halted.
pub(crate) async fn catch_up(
    tx: &mut Tx,
    name: &str,
    (seen, place): (i64, Option<i64>),
) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE delivery_queue SET behind_from = $3 WHERE queue = $1 AND behind_from = $2 AND halted = 0"
    )
    .bind(name)
    .bind(seen)
    .bind(place)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// A tenant's events, or all where there is none, after one place and through another, oldest first.
pub(crate) async fn kinds_between(
    conn: &mut Conn,
    tenant: Option<&TenantId>,
    (after, through, limit): (i64, i64, i64),
) -> Result<Vec<(i64, String, String)>, Error> {
    Ok(on!(conn, |c| {
        let mut query =
            QueryBuilder::new("SELECT seq, kind, COALESCE(ordering_key, subject) FROM event WHERE seq > ");
        query.push_bind(after).push(" AND seq <= ").push_bind(through);
        if let Some(tenant) = tenant {
            query.push(" AND tenant = ").push_bind(tenant.as_str());
        }
        query.push(" ORDER BY seq LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?)
}
