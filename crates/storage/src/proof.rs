//! The proof of the master key: a row that only the key opens that data keys are wrapped under at present.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::{Conn, Database, Error, MasterKey, Sealer, Tx, data_key, on};

const CONTEXT: &[u8] = b"jackfield master key proof";
/// How many data keys are tried at start of those whose master key is not known.
const SAMPLE: i64 = 16;

/// Refuses master keys that are not those of this database, and changes nothing then. A database that has no proof gets
/// one.
pub(crate) async fn check(database: &Database, sealer: &Sealer) -> Result<(), Error> {
    let mut conn = database.read().await?;
    let proof = find(&mut conn).await?;
    if let Some(proof) = &proof {
        opener(sealer, proof).await?;
    }
    check_data_keys(&mut conn, sealer).await?;
    drop(conn);
    if proof.is_some() { Ok(()) } else { create(database, sealer).await }
}

/// Whether every data key is wrapped under a master key that is there.
async fn check_data_keys(conn: &mut Conn, sealer: &Sealer) -> Result<(), Error> {
    for master in data_key::masters(conn).await? {
        match master {
            Some(id) => {
                let known = sealer.masters().find(|key| (key.id() == id).then_some(())).await;
                known.ok_or(Error::MasterKeyMissing)?;
            }
            None => check_sample(conn, sealer).await?,
        }
    }
    Ok(())
}

/// One that opens is enough: another may be damaged.
async fn check_sample(conn: &mut Conn, sealer: &Sealer) -> Result<(), Error> {
    let rows = data_key::not_under(conn, "", ("", 0), SAMPLE).await?;
    for row in rows.iter().filter(|row| row.master.is_none()) {
        let Ok(tenant) = row.tenant.parse() else { continue };
        if sealer.unwrap(&tenant, row).await.is_ok() {
            return Ok(());
        }
    }
    if rows.iter().any(|row| row.master.is_none()) { Err(Error::MasterKeyMissing) } else { Ok(()) }
}

async fn create(database: &Database, sealer: &Sealer) -> Result<(), Error> {
    let fresh = sealer.masters().primary()?.seal(CONTEXT, b"", sealer.ambient())?;
    let mut tx = database.begin().await?;
    let (proof,): (Vec<u8>,) = on!(tx, |c| sqlx::query_as(
        // Where another replica was first, its proof is the one to hold against.
        "INSERT INTO master_key (singleton, proof) VALUES (1, $1)
         ON CONFLICT (singleton) DO UPDATE SET singleton = 1 RETURNING proof"
    )
    .bind(&fresh)
    .fetch_one(c)
    .await)?;
    opener(sealer, &proof).await?;
    tx.commit().await
}

/// The master key that data keys are wrapped under at present. It stays so until this transaction ends.
pub(crate) async fn hold_current(tx: &mut Tx, sealer: &Sealer) -> Result<Arc<MasterKey>, Error> {
    let sql = "SELECT proof FROM master_key";
    let sql = if tx.is_postgres() { format!("{sql} FOR SHARE") } else { sql.to_owned() };
    let row: Option<(Vec<u8>,)> = on!(tx, |c| sqlx::query_as(AssertSqlSafe(sql)).fetch_optional(c).await)?;
    let (proof,) = row.ok_or(Error::WrongMasterKey)?;
    opener(sealer, &proof).await
}

/// Makes `master` the key that data keys are wrapped under from now on. `false` if it is already.
pub(crate) async fn replace(tx: &mut Tx, sealer: &Sealer, master: &MasterKey) -> Result<bool, Error> {
    let proof = find(tx).await?.ok_or(Error::WrongMasterKey)?;
    if opener(sealer, &proof).await?.id() == master.id() {
        return Ok(false);
    }
    let fresh = master.seal(CONTEXT, b"", sealer.ambient())?;
    let changed = on!(tx, |c| sqlx::query("UPDATE master_key SET proof = $1 WHERE proof = $2")
        .bind(&fresh)
        .bind(&proof)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    // Another key was made the current one meanwhile: then two operators want different keys.
    if changed == 1 { Ok(true) } else { Err(Error::RotationTaken) }
}

async fn find(conn: &mut Conn) -> Result<Option<Vec<u8>>, Error> {
    let row: Option<(Vec<u8>,)> =
        on!(conn, |c| sqlx::query_as("SELECT proof FROM master_key").fetch_optional(c).await)?;
    Ok(row.map(|(proof,)| proof))
}

async fn opener(sealer: &Sealer, proof: &[u8]) -> Result<Arc<MasterKey>, Error> {
    let key = sealer.masters().find(|key| key.open(CONTEXT, proof).is_ok().then(|| Arc::clone(key))).await;
    key.ok_or(Error::WrongMasterKey)
}
