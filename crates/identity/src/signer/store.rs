//! The table of signing keys and its SQL.

use model::{TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Database, Error, Sealed, SealedColumn, TenantData, Tx, on};

/// The seeds of signing keys, each bound to the id of its key.
pub const SEALED: &[SealedColumn] = &[SEED];

const SEED: SealedColumn = SealedColumn {
    table: "signing_key",
    keys: &["kid"],
    column: "sealed_seed",
    purpose: "signing key {kid}",
};

/// The rows that the owner of signing keys has.
pub(crate) const TENANT_DATA: TenantData =
    TenantData { name: "signing keys", delete: |tx, tenant, limit| Box::pin(delete(tx, tenant, limit)) };

/// A key as it is kept. Its public part is not: it follows from the seed, so that nobody who can write to the database
/// alone has a key published here.
#[derive(FromRow)]
pub(super) struct Row {
    pub(super) kid: String,
    /// Counts the keys: of several who make the next one at once, one does.
    pub(super) number: i64,
    sealed_seed: Vec<u8>,
    signs_from: i64,
}

impl Row {
    pub(super) fn new(kid: String, number: i64, sealed: &Sealed, signs_from: Timestamp) -> Self {
        Self { kid, number, sealed_seed: sealed.as_bytes().to_vec(), signs_from: signs_from.as_millisecond() }
    }

    pub(super) fn sealed(&self) -> Sealed {
        Sealed::from_bytes(self.sealed_seed.clone())
    }

    pub(super) fn signs_from(&self) -> Timestamp {
        Timestamp::from_millisecond(self.signs_from)
    }
}

/// What the seed of this key is sealed for.
pub(super) fn purpose(kid: &str) -> String {
    SEED.purpose(&[kid])
}

/// The most keys that are looked at: there are two or three.
const MAX_KEYS: i64 = 64;

/// The newest keys, oldest first.
pub(super) async fn list(database: &Database, owner: &TenantId) -> Result<(Conn, Vec<Row>), Error> {
    let mut conn = database.read().await?;
    let mut rows: Vec<Row> = on!(conn, |c| sqlx::query_as(
        "SELECT kid, number, sealed_seed, signs_from FROM signing_key WHERE tenant = $1 \
         ORDER BY number DESC LIMIT $2"
    )
    .bind(owner.as_str())
    .bind(MAX_KEYS)
    .fetch_all(c)
    .await)?;
    rows.reverse();
    Ok((conn, rows))
}

/// Adds a key, unless another replica has added the one of this number.
pub(super) async fn insert(tx: &mut Tx, owner: &TenantId, row: &Row) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO signing_key (tenant, kid, number, sealed_seed, signs_from) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, number) DO NOTHING",
        )
        .bind(owner.as_str())
        .bind(&row.kid)
        .bind(row.number)
        .bind(&row.sealed_seed)
        .bind(row.signs_from)
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// Deletes the keys that began to sign before `moment`.
pub(super) async fn delete_older(tx: &mut Tx, owner: &TenantId, moment: Timestamp) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("DELETE FROM signing_key WHERE tenant = $1 AND signs_from < $2")
        .bind(owner.as_str())
        .bind(moment.as_millisecond())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

async fn delete(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| {
        sqlx::query(
            "DELETE FROM signing_key WHERE tenant = $1 AND kid IN \
             (SELECT kid FROM signing_key WHERE tenant = $1 LIMIT $2)",
        )
        .bind(tenant.as_str())
        .bind(limit)
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?)
}
