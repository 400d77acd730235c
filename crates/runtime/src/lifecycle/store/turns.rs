//! Having runs done: whose turn it is, taking it, and writing down what came of it. A run's `fence` counts the attempts to
//! change it, so that who has lost its lease changes nothing.

use model::Timestamp;
use sqlx::FromRow;
use storage::{Conn, Error, Tx, on};

use super::Of;
use crate::lifecycle::State;

/// A run whose turn it may be.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Candidate {
    pub(crate) seq: i64,
    pub(crate) fence: i64,
    pub(crate) tenant: String,
    pub(crate) plugin_id: String,
    pub(crate) plugin_key: String,
    pub(crate) version: String,
    pub(crate) event_id: String,
    pub(crate) event_kind: String,
    pub(crate) hook: String,
    pub(crate) outcome: Option<String>,
    pub(crate) last_error: Option<String>,
    pub(crate) attempts: i64,
    pub(crate) put_off: i64,
    pub(crate) created_at: i64,
    pub(crate) uninstalled_at: Option<i64>,
}

/// The runs whose turn it is: tenant by tenant, and within each the longest due first. Of one plugin it is the oldest that is
/// not finished, unless one is at work; of one tenant at most `per_tenant`, those at work included. A run whose lease has
/// ended is due. What only a later version of this program can have made is left to it.
pub(crate) async fn due(
    conn: &mut Conn,
    now: Timestamp,
    per_tenant: i64,
    limit: i64,
) -> Result<Vec<Candidate>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
        "SELECT seq, fence, tenant, plugin_id, plugin_key, version, event_id, event_kind, hook, outcome, last_error, \
                attempts, put_off, created_at, uninstalled_at \
         FROM (SELECT r.*, ROW_NUMBER() OVER (PARTITION BY r.tenant ORDER BY r.next_attempt_at, r.seq) \
                  + (SELECT COUNT(*) FROM lifecycle_run w WHERE w.tenant = r.tenant AND w.finished_at IS NULL \
                     AND w.state = 'running' AND w.lease_until > $1) AS turn \
               FROM lifecycle_run r WHERE r.finished_at IS NULL \
                  AND r.hook IN ('onInstall', 'onUninstall', 'onEnable', 'onDisable') \
                  AND (r.outcome IS NULL OR r.outcome IN ('done', 'failed', 'skipped')) AND ( \
                  (r.state = 'running' AND r.lease_until <= $1) \
                  OR (r.state = 'pending' AND r.next_attempt_at <= $1 AND NOT EXISTS \
                      (SELECT 1 FROM lifecycle_run e WHERE e.tenant = r.tenant AND e.plugin_key = r.plugin_key \
                       AND e.finished_at IS NULL AND (e.seq < r.seq OR e.state = 'running')))) \
              ) AS ready \
         WHERE turn <= $2 ORDER BY turn, next_attempt_at, seq LIMIT $3"
    )
    .bind(now.as_millisecond())
    .bind(per_tenant)
    .bind(limit)
    .fetch_all(c)
    .await
    })?)
}

/// Takes a run that is as it was seen: it is at work from now until `until`, and the attempt counts unless its hook has ended
/// already. Its fence is then one higher. `false` if another was first, [`Error::Duplicate`] if another of the plugin is at
/// work.
pub(crate) async fn claim(
    tx: &mut Tx,
    seen: &Candidate,
    owner: &str,
    until: Timestamp,
) -> Result<bool, Error> {
    let claimed = on!(tx, |c| {
        sqlx::query(
        "UPDATE lifecycle_run SET state = 'running', fence = fence + 1, lease_owner = $3, lease_until = $4, \
         attempts = attempts + CASE WHEN outcome IS NULL THEN 1 ELSE 0 END \
         WHERE seq = $1 AND fence = $2 AND finished_at IS NULL"
    )
    .bind(seen.seq)
    .bind(seen.fence)
    .bind(owner)
    .bind(until.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(claimed == 1)
}

/// Whose run it is to write to: the one that was taken with this fence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) seq: i64,
    pub(crate) fence: i64,
}

/// Whether the plugin was uninstalled after the event of this run.
pub(crate) async fn is_overtaken(conn: &mut Conn, of: Of<'_>, seq: i64) -> Result<bool, Error> {
    let row: Option<(i64,)> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT seq FROM lifecycle_run WHERE tenant = $1 AND plugin_key = $2 AND seq > $3 AND hook = 'onUninstall' LIMIT 1"
    )
    .bind(of.tenant.as_str())
    .bind(of.plugin_key)
    .bind(seq)
    .fetch_optional(c)
    .await
    })?;
    Ok(row.is_some())
}

/// Notes how the hook has ended, ahead of what must be done before the run is finished.
pub(crate) async fn note_outcome(
    tx: &mut Tx,
    hold: Hold,
    outcome: State,
    error: Option<&str>,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "UPDATE lifecycle_run SET outcome = $3, last_error = $4 WHERE seq = $1 AND fence = $2 AND state = 'running'"
    )
    .bind(hold.seq)
    .bind(hold.fence)
    .bind(outcome.as_str())
    .bind(error)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Finishes a run. `false` if it is no longer who holds it.
pub(crate) async fn finish(
    tx: &mut Tx,
    hold: Hold,
    (state, error): (State, Option<&str>),
    now: Timestamp,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "UPDATE lifecycle_run SET state = $3, last_error = $4, finished_at = $5, lease_owner = NULL, lease_until = NULL, \
         fence = fence + 1 WHERE seq = $1 AND fence = $2 AND state = 'running'"
    )
    .bind(hold.seq)
    .bind(hold.fence)
    .bind(state.as_str())
    .bind(error)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// How a run waits for its next attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait<'a> {
    pub(crate) until: Timestamp,
    pub(crate) error: Option<&'a str>,
    /// How many attempts were made.
    pub(crate) attempts: i64,
    /// How often none could be made since the last one.
    pub(crate) put_off: i64,
}

/// Has a run wait. `false` if it is no longer who holds it.
pub(crate) async fn postpone(tx: &mut Tx, hold: Hold, wait: Wait<'_>) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "UPDATE lifecycle_run SET state = 'pending', next_attempt_at = $3, last_error = $4, attempts = $5, put_off = $6, \
         lease_owner = NULL, lease_until = NULL, fence = fence + 1 WHERE seq = $1 AND fence = $2 AND state = 'running'"
    )
    .bind(hold.seq)
    .bind(hold.fence)
    .bind(wait.until.as_millisecond())
    .bind(wait.error)
    .bind(wait.attempts)
    .bind(wait.put_off)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Has the lease of a run that is at work begin anew. `false` if it is no longer who holds it.
pub(crate) async fn renew(tx: &mut Tx, hold: Hold, until: Timestamp) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE lifecycle_run SET lease_until = $3 WHERE seq = $1 AND fence = $2 AND state = 'running'"
    )
    .bind(hold.seq)
    .bind(hold.fence)
    .bind(until.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Ends the leases of a process that ends, so that others go on at once. What it has cut off counts as not attempted.
pub(crate) async fn release(tx: &mut Tx, owner: &str, now: Timestamp) -> Result<u64, Error> {
    Ok(on!(tx, |c| {
        sqlx::query(
            "UPDATE lifecycle_run SET lease_until = $2, \
         attempts = attempts - CASE WHEN outcome IS NULL THEN 1 ELSE 0 END \
         WHERE finished_at IS NULL AND state = 'running' AND lease_owner = $1",
        )
        .bind(owner)
        .bind(now.as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?)
}
