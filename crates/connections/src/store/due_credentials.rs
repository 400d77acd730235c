//! What the background work on credentials finds to do, over all tenants, and puts off. Whatever it changes is named
//! by its tenant.

use model::Timestamp;
use sqlx::FromRow;
use storage::{Conn, Error, Tx, on};

use crate::connection::CredentialKey;

/// A credential whose time to be renewed has come.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct DueRow {
    pub(crate) tenant: String,
    pub(crate) connection_id: String,
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) variables: String,
    pub(crate) client_id: String,
    pub(crate) authorized_at: i64,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) version: i64,
    pub(crate) refresh_at: i64,
    pub(crate) is_redeemable: bool,
}

/// A credential whose grant ends soon.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct DyingRow {
    pub(crate) tenant: String,
    pub(crate) connection_id: String,
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) user_email: String,
    pub(crate) forewarn_at: i64,
}

/// Up to `limit` credentials that are due and that nobody is renewing, longest due first.
pub(crate) async fn due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<DueRow>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
        "SELECT k.tenant, k.connection_id, k.name, c.provider, c.variables, c.client_id, c.authorized_at, c.last_used_at,
                k.issued_at, k.expires_at, k.version, k.refresh_at,
                (k.own_grant OR k.sealed_refresh IS NOT NULL) AS is_redeemable
         FROM credential k JOIN connection c ON c.tenant = k.tenant AND c.id = k.connection_id
         WHERE k.refresh_at <= $1 AND (k.lease_until IS NULL OR k.lease_until <= $1)
         ORDER BY k.refresh_at LIMIT $2"
    )
    .bind(now.as_millisecond())
    .bind(limit)
    .fetch_all(c)
    .await
    })?)
}

/// Puts a renewal off to `to`, unless something else did meanwhile.
pub(crate) async fn postpone(
    tx: &mut Tx,
    key: &CredentialKey,
    seen: i64,
    to: Option<Timestamp>,
) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE credential SET refresh_at = $5
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND refresh_at = $4"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(seen)
    .bind(to.map(Timestamp::as_millisecond))
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Up to `limit` credentials of whose end nobody was told yet.
pub(crate) async fn dying(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<DyingRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT k.tenant, k.connection_id, k.name, c.provider, c.user_email, k.forewarn_at
         FROM credential k JOIN connection c ON c.tenant = k.tenant AND c.id = k.connection_id
         WHERE k.forewarn_at <= $1 ORDER BY k.forewarn_at LIMIT $2"
    )
    .bind(now.as_millisecond())
    .bind(limit)
    .fetch_all(c)
    .await)?)
}

/// Notes that the end of a credential's grant is told. False if it was already.
pub(crate) async fn forewarned(tx: &mut Tx, key: &CredentialKey, seen: i64) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE credential SET forewarn_at = NULL
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND forewarn_at = $4"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(seen)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Notes when a connection was last used.
pub(crate) async fn note_use(tx: &mut Tx, tenant: &str, id: &str, at: Timestamp) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE connection SET last_used_at = $3
         WHERE tenant = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)"
    )
    .bind(tenant)
    .bind(id)
    .bind(at.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}
