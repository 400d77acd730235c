//! The rows of tenants' data keys. Each is wrapped under a master key; a tenant has one, and two while they rotate.

use model::{Ambient, TenantId, Timestamp};
use sqlx::{AssertSqlSafe, FromRow};

use crate::sealed::FIRST_VERSION;
use crate::{Conn, Error, Tx, on};

/// A data key as it is stored.
#[derive(FromRow)]
pub(crate) struct DataKeyRow {
    pub(crate) tenant: String,
    pub(crate) version: i64,
    pub(crate) wrapped: Vec<u8>,
    /// The id of the master key that it is wrapped under; not known of keys that are older than such ids.
    pub(crate) master: Option<String>,
}

/// The version of a tenant's first data key. A random one: a tenant that was deleted and comes back must not meet values
/// that name a key of its former life as its own.
pub(crate) fn first_version(ambient: &Ambient) -> i64 {
    let random = u64::from_be_bytes(ambient.bytes()) >> 16;
    i64::try_from(random).unwrap_or(0) + FIRST_VERSION + 1
}

/// What a data key is wrapped for. The first versions were wrapped before there were others.
pub(crate) fn purpose(version: i64) -> String {
    if version == FIRST_VERSION { "data key".to_owned() } else { format!("data key {version}") }
}

/// The tenant's newest key. Nobody deletes it until this transaction ends.
pub(crate) async fn hold_newest(tx: &mut Tx, tenant: &TenantId) -> Result<Option<DataKeyRow>, Error> {
    // Where the key was deleted between the look and the lock, PostgreSQL finds none; the next look sees its successor.
    for _ in 0..2 {
        let sql = "SELECT tenant, version, wrapped, master FROM tenant_key WHERE tenant = $1 \
                   ORDER BY version DESC LIMIT 1";
        // On SQLite the transaction is the only one that writes.
        let sql = if tx.is_postgres() { format!("{sql} FOR KEY SHARE") } else { sql.to_owned() };
        let row =
            on!(tx, |c| sqlx::query_as(AssertSqlSafe(sql)).bind(tenant.as_str()).fetch_optional(c).await)?;
        if row.is_some() {
            return Ok(row);
        }
    }
    Ok(None)
}

/// One version of the tenant's key.
pub(crate) async fn find(
    conn: &mut Conn,
    tenant: &TenantId,
    version: i64,
) -> Result<Option<DataKeyRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT tenant, version, wrapped, master FROM tenant_key WHERE tenant = $1 AND version = $2"
    )
    .bind(tenant.as_str())
    .bind(version)
    .fetch_optional(c)
    .await)?)
}

/// Adds the key that takes over from the version `former` (0 for a tenant's first), or returns the one that another
/// transaction has added.
pub(crate) async fn insert(
    tx: &mut Tx,
    row: &DataKeyRow,
    former: i64,
    now: Timestamp,
) -> Result<DataKeyRow, Error> {
    Ok(on!(tx, |c| {
        sqlx::query_as(
            "INSERT INTO tenant_key (tenant, version, former, wrapped, master, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (tenant, former) DO UPDATE SET tenant = excluded.tenant \
         RETURNING tenant, version, wrapped, master",
        )
        .bind(&row.tenant)
        .bind(row.version)
        .bind(former)
        .bind(&row.wrapped)
        .bind(&row.master)
        .bind(now.as_millisecond())
        .fetch_one(c)
        .await
    })?)
}

/// How many keys the tenant has.
pub(crate) async fn count(conn: &mut Conn, tenant: &str) -> Result<i64, Error> {
    let (count,): (i64,) =
        on!(conn, |c| sqlx::query_as("SELECT COUNT(*) FROM tenant_key WHERE tenant = $1")
            .bind(tenant)
            .fetch_one(c)
            .await)?;
    Ok(count)
}

/// Deletes the versions before `version`, once every transaction that sealed under one has ended.
pub(crate) async fn delete_before(tx: &mut Tx, tenant: &TenantId, version: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query("DELETE FROM tenant_key WHERE tenant = $1 AND version < $2")
        .bind(tenant.as_str())
        .bind(version)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// Deletes every version, once every transaction that sealed under one has ended.
pub(crate) async fn delete_all(tx: &mut Tx, tenant: &TenantId) -> Result<u64, Error> {
    delete_before(tx, tenant, i64::MAX).await
}

/// The ids of the master keys that data keys are wrapped under; `None` where that is not known.
pub(crate) async fn masters(conn: &mut Conn) -> Result<Vec<Option<String>>, Error> {
    let rows: Vec<(Option<String>,)> =
        on!(conn, |c| sqlx::query_as("SELECT DISTINCT master FROM tenant_key").fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(master,)| master).collect())
}

/// Keys after the given place that are not known to be wrapped under the master key `id`, at most `limit`.
pub(crate) async fn not_under(
    conn: &mut Conn,
    id: &str,
    (tenant, version): (&str, i64),
    limit: i64,
) -> Result<Vec<DataKeyRow>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
        "SELECT tenant, version, wrapped, master FROM tenant_key \
         WHERE (master IS NULL OR master <> $1) AND (tenant, version) > ($2, $3) ORDER BY tenant, version LIMIT $4"
    )
    .bind(id)
    .bind(tenant)
    .bind(version)
    .bind(limit)
    .fetch_all(c)
    .await
    })?)
}

/// Puts another wrapping of the same key in place of the one that `row` has. `false` if that has changed meanwhile.
pub(crate) async fn rewrap(
    tx: &mut Tx,
    row: &DataKeyRow,
    wrapped: &[u8],
    master: &str,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "UPDATE tenant_key SET wrapped = $4, master = $5 WHERE tenant = $1 AND version = $2 AND wrapped = $3"
    )
    .bind(&row.tenant)
    .bind(row.version)
    .bind(&row.wrapped)
    .bind(wrapped)
    .bind(master)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// The next tenant after `after` that has a key, in the order of names; with two keys or more where `rotating`.
pub(crate) async fn next_tenant(conn: &mut Conn, after: &str, which: Which) -> Result<Option<String>, Error> {
    let sql = match which {
        Which::All => "SELECT tenant FROM tenant_key WHERE tenant > $1 ORDER BY tenant LIMIT 1",
        Which::Rotating => {
            "SELECT tenant FROM tenant_key WHERE tenant > $1 GROUP BY tenant HAVING COUNT(*) > 1 \
             ORDER BY tenant LIMIT 1"
        }
    };
    let row: Option<(String,)> = on!(conn, |c| sqlx::query_as(sql).bind(after).fetch_optional(c).await)?;
    Ok(row.map(|(tenant,)| tenant))
}

/// Which tenants are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All that have a key.
    All,
    /// Those with more keys than one.
    Rotating,
}

/// How many tenants have a key.
pub(crate) async fn count_tenants(conn: &mut Conn, after: &str) -> Result<i64, Error> {
    let (count,): (i64,) =
        on!(conn, |c| sqlx::query_as("SELECT COUNT(DISTINCT tenant) FROM tenant_key WHERE tenant > $1")
            .bind(after)
            .fetch_one(c)
            .await)?;
    Ok(count)
}
