//! Making, listing, repeating and forgetting runs.

use model::{TenantId, Timestamp};
use storage::{Conn, Error, Tx, on};

use super::{Of, RunRow, run_columns};
use crate::lifecycle::{Hook, State};

/// A run to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRun<'a> {
    pub(crate) of: Of<'a>,
    pub(crate) plugin_id: &'a str,
    pub(crate) version_key: &'a str,
    pub(crate) version: &'a str,
    pub(crate) event_id: &'a str,
    pub(crate) event_kind: &'a str,
    pub(crate) hook: Hook,
    pub(crate) created_at: Timestamp,
    /// Which departure it is about, for an uninstall.
    pub(crate) uninstalled_at: Option<i64>,
    /// Why it is skipped from the first, if it is.
    pub(crate) skipped: Option<&'a str>,
}

/// Makes a run, due at once; nothing if there is one of this event and hook. Tells whether it did.
pub(crate) async fn insert(tx: &mut Tx, run: &NewRun<'_>, now: Timestamp) -> Result<bool, Error> {
    let state = if run.skipped.is_some() { State::Skipped } else { State::Pending };
    let made = on!(tx, |c| {
        sqlx::query(
        "INSERT INTO lifecycle_run (tenant, plugin_id, plugin_key, version_key, version, event_id, event_kind, hook, \
         state, attempts, next_attempt_at, last_error, fence, created_at, finished_at, uninstalled_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, 0, $12, $13, $14) \
         ON CONFLICT (event_id, hook) DO NOTHING"
    )
    .bind(run.of.tenant.as_str())
    .bind(run.plugin_id)
    .bind(run.of.plugin_key)
    .bind(run.version_key)
    .bind(run.version)
    .bind(run.event_id)
    .bind(run.event_kind)
    .bind(run.hook.as_str())
    .bind(state.as_str())
    .bind(now.as_millisecond())
    .bind(run.skipped)
    .bind(run.created_at.as_millisecond())
    .bind(run.skipped.map(|_| now.as_millisecond()))
    .bind(run.uninstalled_at)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(made == 1)
}

/// How many runs of a plugin are not finished.
pub(crate) async fn count_unfinished(conn: &mut Conn, of: Of<'_>) -> Result<i64, Error> {
    let (count,): (i64,) = on!(conn, |c| sqlx::query_as(
        "SELECT COUNT(*) FROM lifecycle_run WHERE tenant = $1 AND plugin_key = $2 AND finished_at IS NULL"
    )
    .bind(of.tenant.as_str())
    .bind(of.plugin_key)
    .fetch_one(c)
    .await)?;
    Ok(count)
}

/// Skips all runs of a plugin that wait, but for `last`.
pub(crate) async fn skip_waiting(
    tx: &mut Tx,
    last: &NewRun<'_>,
    reason: &str,
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
        "UPDATE lifecycle_run SET state = 'skipped', last_error = $3, finished_at = $4, fence = fence + 1 \
         WHERE tenant = $1 AND plugin_key = $2 AND finished_at IS NULL AND state = 'pending' AND event_id <> $5"
    )
    .bind(last.of.tenant.as_str())
    .bind(last.of.plugin_key)
    .bind(reason)
    .bind(now.as_millisecond())
    .bind(last.event_id)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// The runs of the plugins that `tenant` had or has under this id, newest first: those before `before`.
pub(crate) async fn list(
    conn: &mut Conn,
    tenant: &TenantId,
    plugin_id: &str,
    (before, limit): (i64, i64),
) -> Result<Vec<RunRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        run_columns!(),
        " FROM lifecycle_run WHERE tenant = $1 AND plugin_id = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4"
    ))
    .bind(tenant.as_str())
    .bind(plugin_id)
    .bind(before)
    .bind(limit)
    .fetch_all(c)
    .await)?)
}

/// One run.
pub(crate) async fn find(
    conn: &mut Conn,
    tenant: &TenantId,
    plugin_id: &str,
    seq: i64,
) -> Result<Option<RunRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        run_columns!(),
        " FROM lifecycle_run WHERE tenant = $1 AND plugin_id = $2 AND seq = $3"
    ))
    .bind(tenant.as_str())
    .bind(plugin_id)
    .bind(seq)
    .fetch_optional(c)
    .await)?)
}

/// Has a run made at once, with all of its attempts before it if it was finished. `false` if its state is no longer `seen`.
pub(crate) async fn make_due(
    tx: &mut Tx,
    tenant: &TenantId,
    seq: i64,
    seen: State,
    now: Timestamp,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "UPDATE lifecycle_run SET state = 'pending', next_attempt_at = $4, finished_at = NULL, fence = fence + 1, \
         put_off = 0, attempts = CASE WHEN state = 'pending' THEN attempts ELSE 0 END \
         WHERE tenant = $1 AND seq = $2 AND state = $3"
    )
    .bind(tenant.as_str())
    .bind(seq)
    .bind(seen.as_str())
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Deletes runs that were finished before `oldest`, at most so many. Tells how many.
pub(crate) async fn sweep(tx: &mut Tx, oldest: Timestamp, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM lifecycle_run WHERE finished_at IS NOT NULL AND seq IN \
         (SELECT seq FROM lifecycle_run WHERE finished_at < $1 ORDER BY finished_at LIMIT $2)"
    )
    .bind(oldest.as_millisecond())
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}

/// Deletes all but the newest `kept` finished runs of the plugins that `tenant` had or has under this id.
pub(crate) async fn trim(tx: &mut Tx, tenant: &TenantId, plugin_id: &str, kept: i64) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
        "DELETE FROM lifecycle_run WHERE tenant = $1 AND plugin_id = $2 AND finished_at IS NOT NULL AND seq <= \
         (SELECT seq FROM lifecycle_run WHERE tenant = $1 AND plugin_id = $2 AND finished_at IS NOT NULL \
          ORDER BY seq DESC LIMIT 1 OFFSET $3)"
    )
    .bind(tenant.as_str())
    .bind(plugin_id)
    .bind(kept)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}
