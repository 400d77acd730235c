//! OAuth apps that tenants have of their own.

use model::{TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Sealed, Tx, on};

use crate::Error;
use crate::apps::OauthApp;
use crate::catalog::ProviderId;

#[derive(FromRow)]
struct AppRow {
    provider: String,
    client_id: String,
    sealed_secret: Option<Vec<u8>>,
    created_at: i64,
    updated_at: i64,
}

impl From<AppRow> for (OauthApp, Option<Sealed>) {
    fn from(row: AppRow) -> Self {
        let app = OauthApp {
            provider: ProviderId::from_stored(row.provider),
            client_id: row.client_id,
            created_at: Timestamp::from_millisecond(row.created_at),
            updated_at: Timestamp::from_millisecond(row.updated_at),
        };
        (app, row.sealed_secret.map(Sealed::from_bytes))
    }
}

/// The app of `tenant` at `provider`, with its sealed secret.
pub(crate) async fn find(
    conn: &mut Conn,
    tenant: &TenantId,
    provider: &ProviderId,
) -> Result<Option<(OauthApp, Option<Sealed>)>, Error> {
    let row: Option<AppRow> = on!(conn, |c| sqlx::query_as(
        "SELECT provider, client_id, sealed_secret, created_at, updated_at FROM oauth_app \
         WHERE tenant = $1 AND provider = $2"
    )
    .bind(tenant.as_str())
    .bind(provider.as_str())
    .fetch_optional(c)
    .await)?;
    Ok(row.map(Into::into))
}

/// The apps of `tenant`; there are no more than there are providers.
pub(crate) async fn list(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<OauthApp>, Error> {
    let rows: Vec<AppRow> = on!(conn, |c| sqlx::query_as(
        "SELECT provider, client_id, sealed_secret, created_at, updated_at FROM oauth_app \
         WHERE tenant = $1 ORDER BY provider"
    )
    .bind(tenant.as_str())
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(|row| <(OauthApp, Option<Sealed>)>::from(row).0).collect())
}

/// Writes the app of `tenant` at `provider`.
pub(crate) async fn put(
    tx: &mut Tx,
    tenant: &TenantId,
    provider: &ProviderId,
    client_id: &str,
    secret: Option<&Sealed>,
    now: Timestamp,
) -> Result<OauthApp, Error> {
    let row: AppRow = on!(tx, |c| {
        sqlx::query_as(
        "INSERT INTO oauth_app (tenant, provider, client_id, sealed_secret, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (tenant, provider) DO UPDATE SET \
         client_id = excluded.client_id, sealed_secret = excluded.sealed_secret, updated_at = excluded.updated_at \
         RETURNING provider, client_id, sealed_secret, created_at, updated_at"
    )
    .bind(tenant.as_str())
    .bind(provider.as_str())
    .bind(client_id)
    .bind(secret.map(Sealed::as_bytes))
    .bind(now.as_millisecond())
    .fetch_one(c)
    .await
    })?;
    Ok(<(OauthApp, Option<Sealed>)>::from(row).0)
}

/// Deletes the app of `tenant` at `provider`; its client id, if there was one.
pub(crate) async fn delete(
    tx: &mut Tx,
    tenant: &TenantId,
    provider: &ProviderId,
) -> Result<Option<String>, Error> {
    let row: Option<(String,)> = on!(tx, |c| sqlx::query_as(
        "DELETE FROM oauth_app WHERE tenant = $1 AND provider = $2 RETURNING client_id"
    )
    .bind(tenant.as_str())
    .bind(provider.as_str())
    .fetch_optional(c)
    .await)?;
    Ok(row.map(|(client_id,)| client_id))
}
