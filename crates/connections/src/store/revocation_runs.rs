//! Runs that revoke many connections: how far each has come, and what came of it. These cross tenants, on behalf of
//! who runs the platform.

use model::{TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Error, Tx, on};

use crate::revocation_run::{Outcome, RunFilter};

/// A run as it stands in the database.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct RunRow {
    pub(crate) id: String,
    pub(crate) cursor_tenant: String,
    pub(crate) cursor_id: String,
    pub(crate) started_at: i64,
}

/// A connection that a run is to revoke.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct TargetRow {
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) provider: String,
}

/// How many connections of a provider ended in one way.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct OutcomeRow {
    pub(crate) provider: String,
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) connections: i64,
}

/// The filter as columns have it: what narrows nothing is empty.
struct Columns<'a> {
    tenant: &'a str,
    provider: &'a str,
    user_email: &'a str,
    before: i64,
}

impl<'a> From<&'a RunFilter> for Columns<'a> {
    fn from(filter: &'a RunFilter) -> Self {
        Self {
            tenant: filter.tenant.as_ref().map(TenantId::as_str).unwrap_or_default(),
            provider: filter.provider.as_deref().unwrap_or_default(),
            user_email: filter.user_email.as_deref().unwrap_or_default(),
            before: filter.before.map_or(0, Timestamp::as_millisecond),
        }
    }
}

/// The youngest unfinished run with this filter that was still at work after `since`.
pub(crate) async fn find_unfinished(
    conn: &mut Conn,
    filter: &RunFilter,
    since: Timestamp,
) -> Result<Option<RunRow>, Error> {
    let columns = Columns::from(filter);
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT id, cursor_tenant, cursor_id, started_at FROM revocation_run
         WHERE tenant = $1 AND provider = $2 AND user_email = $3 AND before_at = $4
           AND finished_at IS NULL AND updated_at > $5 ORDER BY started_at DESC, id DESC LIMIT 1"
    )
    .bind(columns.tenant)
    .bind(columns.provider)
    .bind(columns.user_email)
    .bind(columns.before)
    .bind(since.as_millisecond())
    .fetch_optional(c)
    .await)?)
}

/// Begins a run.
pub(crate) async fn insert(tx: &mut Tx, id: &str, filter: &RunFilter, now: Timestamp) -> Result<(), Error> {
    let columns = Columns::from(filter);
    on!(tx, |c| sqlx::query(
        "INSERT INTO revocation_run (id, tenant, provider, user_email, before_at, cursor_tenant, cursor_id,
            started_at, updated_at) VALUES ($1, $2, $3, $4, $5, '', '', $6, $6)"
    )
    .bind(id)
    .bind(columns.tenant)
    .bind(columns.provider)
    .bind(columns.user_email)
    .bind(columns.before)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// The next connections after the cursor that `filter` means and whose user consented before `bound`.
pub(crate) async fn targets(
    conn: &mut Conn,
    filter: &RunFilter,
    bound: Timestamp,
    (after_tenant, after_id): (&str, &str),
    limit: i64,
) -> Result<Vec<TargetRow>, Error> {
    let columns = Columns::from(filter);
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT tenant, id, provider FROM connection
         WHERE ($1 = '' OR tenant = $1) AND ($2 = '' OR provider = $2) AND ($3 = '' OR user_email = $3)
           AND authorized_at < $4 AND (tenant, id) > ($5, $6) ORDER BY tenant, id LIMIT $7"
    )
    .bind(columns.tenant)
    .bind(columns.provider)
    .bind(columns.user_email)
    .bind(bound.as_millisecond())
    .bind(after_tenant)
    .bind(after_id)
    .bind(limit)
    .fetch_all(c)
    .await)?)
}

/// How many connections `filter` means whose user consented before `bound`, by provider.
pub(crate) async fn count_targets(
    conn: &mut Conn,
    filter: &RunFilter,
    bound: Timestamp,
) -> Result<Vec<(String, i64)>, Error> {
    let columns = Columns::from(filter);
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT provider, COUNT(*) FROM connection
         WHERE ($1 = '' OR tenant = $1) AND ($2 = '' OR provider = $2) AND ($3 = '' OR user_email = $3)
           AND authorized_at < $4 GROUP BY provider ORDER BY provider"
    )
    .bind(columns.tenant)
    .bind(columns.provider)
    .bind(columns.user_email)
    .bind(bound.as_millisecond())
    .fetch_all(c)
    .await)?)
}

/// Moves the cursor of a run forward, never back: another process may be at the same run.
pub(crate) async fn advance(
    tx: &mut Tx,
    id: &str,
    (tenant, connection): (&str, &str),
    now: Timestamp,
) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE revocation_run SET cursor_tenant = $2, cursor_id = $3, updated_at = $4
         WHERE id = $1 AND (cursor_tenant, cursor_id) < ($2, $3)"
    )
    .bind(id)
    .bind(tenant)
    .bind(connection)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Ends a run.
pub(crate) async fn finish(tx: &mut Tx, id: &str, now: Timestamp) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE revocation_run SET finished_at = $2, updated_at = $2 WHERE id = $1 AND finished_at IS NULL"
    )
    .bind(id)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Counts one connection, in the transaction that deletes it.
pub(crate) async fn note(
    tx: &mut Tx,
    run: &str,
    provider: &str,
    outcome: Outcome,
    reason: &str,
) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
        "INSERT INTO revocation_outcome (run_id, provider, outcome, reason, connections) VALUES ($1, $2, $3, $4, 1)
         ON CONFLICT (run_id, provider, outcome, reason)
         DO UPDATE SET connections = revocation_outcome.connections + 1"
    )
    .bind(run)
    .bind(provider)
    .bind(outcome.as_str())
    .bind(reason)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// What came of a run so far.
pub(crate) async fn outcomes(conn: &mut Conn, run: &str) -> Result<Vec<OutcomeRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT provider, outcome, reason, connections FROM revocation_outcome WHERE run_id = $1
         ORDER BY provider, outcome, reason"
    )
    .bind(run)
    .fetch_all(c)
    .await)?)
}
