//! Whether a subscription's receiver is well, and giving up on it when it has not been for days.

use std::time::Duration;

use model::{Event, EventKind, TenantId, Timestamp};
use serde_json::json;
use sqlx::QueryBuilder;
use storage::{Database, Engine, Error, Tx, on};

use super::{State, Subscription, store};
use crate::delivery::queues;

/// For how long a receiver may fail, without one success, before it is given nothing more.
pub(crate) const FAILING_FOR: Duration = Duration::from_hours(5 * 24);

/// Why what one was yet to be given is skipped.
const ABANDONED: &str = "the subscription was disabled for longer than events are kept";

/// How many subscriptions are looked for at once.
const AT_ONCE: i64 = 100;

/// Why one whose receiver has failed for days is disabled.
const FAILING: &str = "nothing could be delivered for 5 days";

/// Locks subscriptions, each by its tenant and its id, in the order in which all lock many. Nothing on SQLite, where only one writes.
pub(crate) async fn lock(tx: &mut Tx, subscriptions: &[(&str, &str)]) -> Result<(), Error> {
    let Engine::Postgres(_) = tx.engine() else { return Ok(()) };
    on!(tx, |c| {
        let mut query = QueryBuilder::new("SELECT id FROM subscription WHERE (tenant, id) IN (");
        query.push_values(subscriptions, |mut row, (tenant, id)| {
            row.push_bind(*tenant).push_bind(*id);
        });
        query.push(") ORDER BY tenant, id FOR UPDATE");
        query.build().execute(c).await.map(drop)
    })?;
    Ok(())
}

/// Notes that the receivers of these, each by its tenant and its id, have taken something.
pub(crate) async fn note_success(tx: &mut Tx, subscriptions: &[(&str, &str)]) -> Result<(), Error> {
    on!(tx, |c| {
        let mut query = QueryBuilder::new(
            "UPDATE subscription SET failing_since = NULL WHERE failing_since IS NOT NULL AND (tenant, id) IN (",
        );
        query.push_values(subscriptions, |mut row, (tenant, id)| {
            row.push_bind(*tenant).push_bind(*id);
        });
        query.push(")");
        query.build().execute(c).await.map(drop)
    })?;
    Ok(())
}

/// Notes that this receiver has failed, and disables it if it has for days. Tells whether it did.
pub(crate) async fn note_failure(
    tx: &mut Tx,
    (tenant, id): (&TenantId, &str),
    now: Timestamp,
) -> Result<bool, Error> {
    let since: Option<(i64,)> = on!(tx, |c| {
        sqlx::query_as(
        "UPDATE subscription SET failing_since = COALESCE(failing_since, $3) WHERE tenant = $1 AND id = $2 \
         RETURNING failing_since"
    )
    .bind(tenant.as_str())
    .bind(id)
    .bind(now.as_millisecond())
    .fetch_optional(c)
    .await
    })?;
    let failing_for = since.map(|(since,)| Timestamp::from_millisecond(since).until(now));
    if failing_for.is_some_and(|failing_for| failing_for >= FAILING_FOR) {
        return disable(tx, (tenant, id), FAILING, now).await;
    }
    Ok(false)
}

/// Disables a subscription that is active, and tells its tenant. Tells whether it was. Its queue is for the caller to halt.
pub(crate) async fn disable(
    tx: &mut Tx,
    (tenant, id): (&TenantId, &str),
    reason: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE subscription SET state = 'disabled', reason = $3, updated_at = $4 \
         WHERE tenant = $1 AND id = $2 AND state = 'active'",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(reason)
        .bind(now.as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?;
    if changed == 1 {
        tracing::warn!(%tenant, subscription.id = id, reason, "a subscription was disabled");
        let (kind, data) = (EventKind::SubscriptionDisabled, json!({"reason": reason}));
        tx.record(Event { tenant: Some(tenant.clone()), kind, subject: id.to_owned(), data });
    }
    Ok(changed == 1)
}

/// Skips what subscriptions that were disabled before `before` are yet to be given, and tells their tenants from which event to which:
/// so that nobody keeps the log from forgetting for ever. Tells how many did.
pub(crate) async fn abandon(
    database: &Database,
    (before, now): (Timestamp, Timestamp),
) -> Result<usize, Error> {
    let mut conn = database.read().await?;
    let found: Vec<(String, String)> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT tenant, id FROM subscription WHERE state = 'disabled' AND updated_at < $1 AND EXISTS \
         (SELECT 1 FROM delivery WHERE queue = 'subscription/' || subscription.id AND finished_at IS NULL) LIMIT $2"
    )
    .bind(before.as_millisecond())
    .bind(AT_ONCE)
    .fetch_all(c)
    .await
    })?;
    drop(conn);
    let mut count = 0;
    for (tenant, id) in &found {
        // What a later version has written is left to it.
        let Ok(tenant) = tenant.parse::<TenantId>() else { continue };
        count += usize::from(abandon_one(database, (&tenant, id), (before, now)).await?);
    }
    Ok(count)
}

async fn abandon_one(
    database: &Database,
    (tenant, id): (&TenantId, &str),
    (before, now): (Timestamp, Timestamp),
) -> Result<bool, Error> {
    let mut tx = database.begin().await?;
    let held = store::hold(&mut tx, tenant, id).await?;
    let is_disabled = |held: &Subscription| held.state == State::Disabled && held.updated_at < before;
    let Some(held) = held.filter(is_disabled) else { return Ok(false) };
    let name = held.queue().name();
    let (from, to): (Option<i64>, Option<i64>) = on!(tx, |c| sqlx::query_as(
        "SELECT MIN(event_seq), MAX(event_seq) FROM delivery WHERE queue = $1 AND finished_at IS NULL"
    )
    .bind(&name)
    .fetch_one(c)
    .await)?;
    queues::skip(&mut tx, &name, ABANDONED, now).await?;
    tracing::warn!(%tenant, subscription.id = id, from, to, reason = ABANDONED, "deliveries are skipped");
    let text = |seq: Option<i64>| seq.map(|seq| seq.to_string());
    let data = json!({"from": text(from), "to": text(to), "reason": ABANDONED});
    let kind = EventKind::SubscriptionEventsExpired;
    tx.record(Event { tenant: Some(tenant.clone()), kind, subject: id.to_owned(), data });
    tx.commit().await?;
    Ok(true)
}
