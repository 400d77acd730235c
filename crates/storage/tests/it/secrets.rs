//! A table of secrets, and the short forms in which the tests of keys speak.

use std::time::Duration;

use model::TenantId;
use secrecy::ExposeSecret as _;
use storage::{
    Database, Error, MasterKey, MasterKeys, Migration, Rotation, RotationReport, Sealed, SealedColumn,
    Sealer, TenantData, Tx, on,
};

pub(crate) const TABLE: &[Migration] = &[Migration {
    version: 2026_11_21_92,
    name: "secrets",
    sql: "CREATE TABLE secret (tenant TEXT NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL, value {bytes},
          spare {bytes}, PRIMARY KEY (tenant, place, name))",
}];

pub(crate) const SEALED: &[SealedColumn] = &[
    SealedColumn {
        table: "secret",
        keys: &["place", "name"],
        column: "value",
        purpose: "secret {place} {name}",
    },
    SealedColumn {
        table: "secret",
        keys: &["place", "name"],
        column: "spare",
        purpose: "spare {place} {name}",
    },
];

pub(crate) const TENANT_DATA: &[TenantData] =
    &[TenantData { name: "secrets", delete: |tx, tenant, limit| Box::pin(delete(tx, tenant, limit)) }];

/// 32 bytes in base64.
pub(crate) const KEYS: [&str; 3] = [
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=",
    "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=",
];

async fn delete(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| {
        sqlx::query(
            "DELETE FROM secret WHERE tenant = $1 AND (place, name) IN \
         (SELECT place, name FROM secret WHERE tenant = $1 ORDER BY place, name LIMIT $2)",
        )
        .bind(tenant.as_str())
        .bind(limit)
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// A ring of [`KEYS`], by their places.
pub(crate) fn masters(places: &[usize]) -> MasterKeys {
    let mut keys = places.iter().map(|place| MasterKey::from_base64(&KEYS[*place].into()).unwrap());
    MasterKeys::given(keys.next().unwrap(), keys.collect()).unwrap()
}

/// Stores bytes as they are.
pub(crate) async fn put(tx: &mut Tx, tenant: &str, place: &str, name: &str, bytes: &[u8]) {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO secret (tenant, place, name, value) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant, place, name) DO UPDATE SET value = excluded.value",
        )
        .bind(tenant)
        .bind(place)
        .bind(name)
        .bind(bytes)
        .execute(c)
        .await
        .map(drop)
    })
    .unwrap();
}

/// Seals and stores, within a transaction.
pub(crate) async fn write_in(
    tx: &mut Tx,
    sealer: &Sealer,
    name_of_tenant: &str,
    place: &str,
    name: &str,
    text: &str,
) -> Result<(), Error> {
    let purpose = SEALED[0].purpose(&[place, name]);
    let secret = sealer.seal(tx, &tenant(name_of_tenant), &purpose, text.as_bytes()).await?;
    put(tx, name_of_tenant, place, name, secret.as_bytes()).await;
    Ok(())
}

/// Seals and stores.
pub(crate) async fn write(
    database: &Database,
    sealer: &Sealer,
    tenant: &str,
    place: &str,
    name: &str,
    text: &str,
) -> Result<(), Error> {
    let mut tx = database.begin().await?;
    write_in(&mut tx, sealer, tenant, place, name, text).await?;
    tx.commit().await
}

/// Reads and opens. An error if it does not open; a panic if it is not there.
pub(crate) async fn get(
    database: &Database,
    sealer: &Sealer,
    name_of_tenant: &str,
    place: &str,
    name: &str,
) -> Result<String, Error> {
    let mut conn = database.read().await?;
    let (bytes,): (Vec<u8>,) = on!(conn, |c| sqlx::query_as(
        "SELECT value FROM secret WHERE tenant = $1 AND place = $2 AND name = $3"
    )
    .bind(name_of_tenant)
    .bind(place)
    .bind(name)
    .fetch_one(c)
    .await)?;
    let purpose = SEALED[0].purpose(&[place, name]);
    let secret = Sealed::from_bytes(bytes);
    let opened = sealer.unseal(&mut conn, &tenant(name_of_tenant), &purpose, &secret).await?;
    Ok(String::from_utf8(opened.expose_secret().to_vec()).unwrap())
}

/// A rotation that has begun.
pub(crate) async fn begin(
    database: &Database,
    sealer: &Sealer,
    tenant: Option<&str>,
) -> Result<Rotation, Error> {
    let tenant = tenant.map(self::tenant);
    Ok(Rotation::begin(database, sealer, &[SEALED], tenant).await?.with_grace(Duration::ZERO))
}

/// A whole rotation.
pub(crate) async fn rotate(database: &Database, sealer: &Sealer, tenant: Option<&str>) -> RotationReport {
    let mut rotation = begin(database, sealer, tenant).await.unwrap();
    while rotation.step().await.unwrap() {}
    rotation.report().clone()
}
