//! Connect sessions. Of a token there is only its hash here.

use model::{TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Database, Tx, on};

use crate::Error;

/// A session as it is kept.
#[derive(Debug, FromRow)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) user_email: String,
    /// A JSON array of providers' names.
    pub(crate) providers: String,
    pub(crate) return_to: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
}

/// The session whose token has this hash, ended or not.
pub(crate) async fn find(conn: &mut Conn, token_hash: &[u8]) -> Result<Option<SessionRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT id, tenant, user_email, providers, return_to, created_by, created_at, expires_at \
         FROM connect_session WHERE token_hash = $1"
    )
    .bind(token_hash)
    .fetch_optional(c)
    .await)?)
}

/// How many sessions of `tenant` last beyond `now`.
pub(crate) async fn count(conn: &mut Conn, tenant: &TenantId, now: Timestamp) -> Result<i64, Error> {
    let (count,): (i64,) = on!(conn, |c| sqlx::query_as(
        "SELECT COUNT(*) FROM connect_session WHERE tenant = $1 AND expires_at > $2"
    )
    .bind(tenant.as_str())
    .bind(now.as_millisecond())
    .fetch_one(c)
    .await)?;
    Ok(count)
}

/// Writes a new session.
pub(crate) async fn insert(tx: &mut Tx, token_hash: &[u8], session: &SessionRow) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "INSERT INTO connect_session (token_hash, id, tenant, user_email, providers, return_to, created_by, \
         created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    )
    .bind(token_hash)
    .bind(&session.id)
    .bind(&session.tenant)
    .bind(&session.user_email)
    .bind(&session.providers)
    .bind(&session.return_to)
    .bind(&session.created_by)
    .bind(session.created_at)
    .bind(session.expires_at)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Forgets sessions that ended before `now`.
pub(crate) async fn sweep(database: &Database, now: Timestamp) -> Result<u64, Error> {
    let mut tx = database.begin().await?;
    let deleted = on!(tx, |c| sqlx::query("DELETE FROM connect_session WHERE expires_at <= $1")
        .bind(now.as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    tx.commit().await?;
    Ok(deleted)
}
