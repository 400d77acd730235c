//! Which flows have been completed: each may be once.

use model::Timestamp;
use storage::{Database, Tx, on};

use crate::Error;

/// Notes that the flow `id` is being completed; `false` if it was before.
pub(crate) async fn redeem(tx: &mut Tx, id: &str, expires_at: Timestamp) -> Result<bool, Error> {
    let inserted = on!(tx, |c| sqlx::query(
        "INSERT INTO redeemed_flow (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"
    )
    .bind(id)
    .bind(expires_at.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(inserted == 1)
}

/// Forgets flows that ended before `now`: their states are refused by age.
pub(crate) async fn sweep(database: &Database, now: Timestamp) -> Result<u64, Error> {
    let mut tx = database.begin().await?;
    let deleted = on!(tx, |c| sqlx::query("DELETE FROM redeemed_flow WHERE expires_at < $1")
        .bind(now.as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    tx.commit().await?;
    Ok(deleted)
}
