//! Addresses of installations.

use model::Timestamp;
use sqlx::FromRow;
use storage::{Conn, Error, Tx, on};

use crate::webhook::address::Owner;

/// An address as it is stored.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct AddressRow {
    pub(crate) tenant: String,
    pub(crate) plugin_key: String,
    pub(crate) plugin_id: String,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) sealed_token: Vec<u8>,
    pub(crate) former_hash: Option<Vec<u8>>,
    pub(crate) former_until: Option<i64>,
    pub(crate) created_at: i64,
}

const COLUMNS: &str =
    "tenant, plugin_key, plugin_id, token_hash, sealed_token, former_hash, former_until, created_at";

impl AddressRow {
    /// Whose it is; `None` where the row was made by a later version.
    pub(crate) fn owner(&self) -> Option<Owner> {
        Some(Owner {
            tenant: self.tenant.parse().ok()?,
            plugin: self.plugin_id.parse().ok()?,
            plugin_key: self.plugin_key.clone(),
        })
    }
}

/// The address whose token has this hash, or had until lately.
pub(crate) async fn by_hash(
    conn: &mut Conn,
    hash: &[u8],
    now: Timestamp,
) -> Result<Option<AddressRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_address WHERE token_hash = $1 OR (former_hash = $1 AND former_until > $2)"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(hash)
        .bind(now.as_millisecond())
        .fetch_optional(c)
        .await)?)
}

/// The address of an installation.
pub(crate) async fn find(conn: &mut Conn, owner: &Owner) -> Result<Option<AddressRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM webhook_address WHERE tenant = $1 AND plugin_key = $2");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(owner.tenant.as_str())
        .bind(&owner.plugin_key)
        .fetch_optional(c)
        .await)?)
}

/// The address of an installation, which nobody else changes until the transaction ends.
pub(crate) async fn hold(tx: &mut Tx, owner: &Owner) -> Result<Option<AddressRow>, Error> {
    let sql = format!(
        "UPDATE webhook_address SET created_at = created_at WHERE tenant = $1 AND plugin_key = $2 RETURNING {COLUMNS}"
    );
    Ok(on!(tx, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(owner.tenant.as_str())
        .bind(&owner.plugin_key)
        .fetch_optional(c)
        .await)?)
}

/// Writes an address, unless the installation has one.
pub(crate) async fn insert(tx: &mut Tx, row: &AddressRow) -> Result<(), Error> {
    write(tx, row, "ON CONFLICT (tenant, plugin_key) DO NOTHING").await
}

/// Writes an address in the place of the one that the installation has.
pub(crate) async fn replace(tx: &mut Tx, row: &AddressRow) -> Result<(), Error> {
    let replacing = "ON CONFLICT (tenant, plugin_key) DO UPDATE SET plugin_id = excluded.plugin_id, \
         token_hash = excluded.token_hash, sealed_token = excluded.sealed_token, \
         former_hash = excluded.former_hash, former_until = excluded.former_until, created_at = excluded.created_at";
    write(tx, row, replacing).await
}

async fn write(tx: &mut Tx, row: &AddressRow, conflict: &str) -> Result<(), Error> {
    let sql =
        format!("INSERT INTO webhook_address ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) {conflict}");
    on!(tx, |c| sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&row.tenant)
        .bind(&row.plugin_key)
        .bind(&row.plugin_id)
        .bind(&row.token_hash)
        .bind(&row.sealed_token)
        .bind(&row.former_hash)
        .bind(row.former_until)
        .bind(row.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
