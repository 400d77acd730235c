//! The table of API keys and its SQL.

use model::{Scope, TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Database, Migration, TenantData, Tx, on};

use super::{ApiKey, tenant_of};
use crate::Error;

/// The most keys that one list returns.
const LIST: i64 = 1000;

/// The table of API keys. An empty tenant stands for the platform.
pub(crate) const MIGRATION: Migration = Migration {
    version: 2026_11_21_10,
    name: "api keys",
    sql: "
        CREATE TABLE api_key (
            id TEXT PRIMARY KEY,
            tenant TEXT NOT NULL,
            role TEXT NOT NULL,
            name TEXT NOT NULL,
            secret_hash {bytes} NOT NULL,
            created_by TEXT,
            created_at BIGINT NOT NULL,
            last_used_at BIGINT,
            expires_at BIGINT,
            revoked_at BIGINT
        );
        CREATE INDEX api_key_by_tenant ON api_key (tenant, created_at);
    ",
};

/// The API keys that a tenant has.
pub(crate) const TENANT_DATA: TenantData =
    TenantData { name: "API keys", delete: |tx, tenant, limit| Box::pin(delete(tx, tenant, limit)) };

/// A key with the hash of its secret.
pub(super) struct Stored {
    pub(super) key: ApiKey,
    pub(super) hash: Vec<u8>,
}

#[derive(FromRow)]
struct Row {
    id: String,
    tenant: String,
    role: String,
    name: String,
    secret_hash: Vec<u8>,
    created_by: Option<String>,
    created_at: i64,
    last_used_at: Option<i64>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl Row {
    /// A row whose tenant or role cannot be read was not written by this program; it is treated as a database failure.
    fn read(self) -> Result<Stored, Error> {
        let unreadable = |column: &'static str| {
            let source = format!("column {column} of api_key holds no such thing").into();
            storage::Error::from(sqlx::Error::ColumnDecode { index: column.to_owned(), source })
        };
        let scope = if self.tenant.is_empty() {
            Scope::Platform
        } else {
            Scope::Tenant(self.tenant.parse().map_err(|_| unreadable("tenant"))?)
        };
        let key = ApiKey {
            id: self.id,
            scope,
            role: self.role.parse().map_err(|_| unreadable("role"))?,
            name: self.name,
            created_by: self.created_by,
            created_at: Timestamp::from_millisecond(self.created_at),
            last_used_at: self.last_used_at.map(Timestamp::from_millisecond),
            expires_at: self.expires_at.map(Timestamp::from_millisecond),
            revoked_at: self.revoked_at.map(Timestamp::from_millisecond),
        };
        Ok(Stored { key, hash: self.secret_hash })
    }
}

fn column(scope: &Scope) -> &str {
    tenant_of(scope).map_or("", TenantId::as_str)
}

pub(super) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Stored>, Error> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(
        "SELECT id, tenant, role, name, secret_hash, created_by, created_at, last_used_at, expires_at, revoked_at
         FROM api_key WHERE id = $1"
    )
    .bind(id)
    .fetch_optional(c)
    .await)
    .map_err(storage::Error::from)?;
    row.map(Row::read).transpose()
}

pub(super) async fn list(conn: &mut Conn, scope: &Scope) -> Result<Vec<ApiKey>, Error> {
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(
        "SELECT id, tenant, role, name, secret_hash, created_by, created_at, last_used_at, expires_at, revoked_at
         FROM api_key WHERE tenant = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
    )
    .bind(column(scope))
    .bind(LIST)
    .fetch_all(c)
    .await)
    .map_err(storage::Error::from)?;
    rows.into_iter().map(|row| row.read().map(|stored| stored.key)).collect()
}

pub(super) async fn count_live(tx: &mut Tx, scope: &Scope, now: Timestamp) -> Result<i64, Error> {
    let (count,): (i64,) = on!(tx, |c| sqlx::query_as(
        "SELECT COUNT(*) FROM api_key
         WHERE tenant = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)"
    )
    .bind(column(scope))
    .bind(now.as_millisecond())
    .fetch_one(c)
    .await)
    .map_err(storage::Error::from)?;
    Ok(count)
}

pub(super) async fn insert(tx: &mut Tx, key: &ApiKey, hash: &[u8]) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "INSERT INTO api_key (id, tenant, role, name, secret_hash, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    )
    .bind(&key.id)
    .bind(column(&key.scope))
    .bind(key.role.as_str())
    .bind(&key.name)
    .bind(hash)
    .bind(&key.created_by)
    .bind(key.created_at.as_millisecond())
    .bind(key.expires_at.map(Timestamp::as_millisecond))
    .execute(c)
    .await
    .map(drop))
    .map_err(storage::Error::from)?;
    Ok(())
}

/// Whether this call was the one that revoked the key.
pub(super) async fn revoke(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool, Error> {
    let changed =
        on!(tx, |c| sqlx::query("UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now.as_millisecond())
            .execute(c)
            .await
            .map(|done| done.rows_affected()))
        .map_err(storage::Error::from)?;
    Ok(changed > 0)
}

/// Deletes the keys of `scope` that were revoked or expired before `limit`.
pub(super) async fn forget_dead(tx: &mut Tx, scope: &Scope, limit: Timestamp) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "DELETE FROM api_key WHERE tenant = $1 AND COALESCE(revoked_at, expires_at) < $2"
    )
    .bind(column(scope))
    .bind(limit.as_millisecond())
    .execute(c)
    .await
    .map(drop))
    .map_err(storage::Error::from)?;
    Ok(())
}

/// Writes `last_used_at`, unless another replica did so after `limit`.
pub(super) async fn touch(
    database: &Database,
    id: &str,
    now: Timestamp,
    limit: Timestamp,
) -> Result<(), Error> {
    let mut tx = database.begin().await?;
    on!(tx, |c| sqlx::query(
        "UPDATE api_key SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)"
    )
    .bind(id)
    .bind(now.as_millisecond())
    .bind(limit.as_millisecond())
    .execute(c)
    .await
    .map(drop))
    .map_err(storage::Error::from)?;
    tx.commit().await?;
    Ok(())
}

async fn delete(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, storage::Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM api_key WHERE id IN (SELECT id FROM api_key WHERE tenant = $1 ORDER BY id LIMIT $2)"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}
