//! Blobs and rows that agree, whatever happens in between.
//!
//! A blob cannot be written in the transaction of the row that names it. So the intent to write is committed first,
//! then the blobs are written, and the intent is struck out in the transaction that names them. What a crash leaves
//! is an intent that grows old: its blob is named by no row, and [`sweep`] deletes it. Keys are never used twice.

use std::time::Duration;

use model::Ambient;

use crate::{BlobKey, Blobs, Database, Error, Tx, on};

/// The most intents that one pass of [`sweep`] clears.
const BATCH: i64 = 500;

/// Blobs that are being written and that no row names yet.
#[must_use = "staged blobs are deleted unless the transaction that names them settles the staging"]
#[derive(Debug)]
pub struct Staging(());

impl Staging {
    /// Commits the intent to write `keys`.
    pub async fn begin(database: &Database, keys: &[BlobKey], ambient: &Ambient) -> Result<Self, Error> {
        let mut tx = database.begin().await?;
        for key in keys {
            on!(tx, |c| sqlx::query("INSERT INTO staged_blob (key, staged_at) VALUES ($1, $2)")
                .bind(key.as_str())
                .bind(ambient.now().as_millisecond())
                .execute(c)
                .await
                .map(drop))?;
        }
        tx.commit().await?;
        Ok(Self(()))
    }

    /// Strikes the intent for `keys` out, in the transaction whose rows name those blobs. The others are swept.
    ///
    /// # Errors
    /// [`Error::Blobs`] if an intent had grown so old that its blob may have been swept: the transaction must not
    /// commit.
    pub async fn settle(&self, tx: &mut Tx, keys: &[BlobKey]) -> Result<(), Error> {
        for key in keys {
            let struck =
                on!(tx, |c| sqlx::query("DELETE FROM staged_blob WHERE key = $1 AND staged_at > 0")
                    .bind(key.as_str())
                    .execute(c)
                    .await
                    .map(|done| done.rows_affected()))?;
            if struck == 0 {
                return Err(Error::Blobs("a staged blob was swept before its transaction".into()));
            }
        }
        Ok(())
    }
}

/// Has the next [`sweep`] delete blobs that a row names which this transaction deletes.
pub async fn discard(tx: &mut Tx, keys: &[BlobKey]) -> Result<(), Error> {
    for key in keys {
        // As a sweep claims them: no transaction settles such a key.
        on!(tx, |c| {
            sqlx::query(
            "INSERT INTO staged_blob (key, staged_at) VALUES ($1, 0) ON CONFLICT (key) DO UPDATE SET staged_at = 0"
        )
        .bind(key.as_str())
        .execute(c)
        .await
        .map(drop)
        })?;
    }
    Ok(())
}

/// Deletes the blobs whose staging is older than `age` and never settled. Returns how many.
///
/// # Errors
/// The last one, after all that could be deleted was.
///
/// `age` must exceed the longest time between staging and commit. Safe on several replicas at once.
pub async fn sweep(
    database: &Database,
    blobs: &dyn Blobs,
    age: Duration,
    ambient: &Ambient,
) -> Result<usize, Error> {
    let before = ambient.now().minus(age).as_millisecond();
    let mut conn = database.read().await?;
    let stale: Vec<(String,)> = on!(conn, |c| sqlx::query_as(
        "SELECT key FROM staged_blob WHERE staged_at < $1 ORDER BY staged_at LIMIT $2"
    )
    .bind(before)
    .bind(BATCH)
    .fetch_all(c)
    .await)?;
    drop(conn);
    let mut swept = 0;
    let mut failure = None;
    for (text,) in stale {
        // One blob that cannot be deleted must not keep the others.
        match sweep_one(database, blobs, &text.parse()?).await {
            Ok(is_swept) => swept += usize::from(is_swept),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(swept), Err)
}

/// Deletes one blob; `false` if its intent was settled meanwhile, or another sweep was first.
async fn sweep_one(database: &Database, blobs: &dyn Blobs, key: &BlobKey) -> Result<bool, Error> {
    // Claimed in a transaction of its own, so that none is open while the blob is deleted. From here on no transaction
    // can settle this key; if this process ends now, the claim is found by a later sweep.
    if !claim(database, key).await? {
        return Ok(false);
    }
    blobs.delete(key).await?;
    forget(database, key).await
}

/// Takes an intent for the sweep; `false` if it was settled meanwhile.
async fn claim(database: &Database, key: &BlobKey) -> Result<bool, Error> {
    let mut tx = database.begin().await?;
    let claimed = on!(tx, |c| sqlx::query("UPDATE staged_blob SET staged_at = 0 WHERE key = $1")
        .bind(key.as_str())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    tx.commit().await?;
    Ok(claimed == 1)
}

/// Ends a claim; `false` if another sweep with the same claim was first.
async fn forget(database: &Database, key: &BlobKey) -> Result<bool, Error> {
    let mut tx = database.begin().await?;
    let forgotten = on!(tx, |c| sqlx::query("DELETE FROM staged_blob WHERE key = $1")
        .bind(key.as_str())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    tx.commit().await?;
    Ok(forgotten == 1)
}
