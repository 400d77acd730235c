//! OAuth apps whose id and secret a provider no longer accepts. One of a tenant's own is kept under that tenant, the
//! platform's under no tenant: a tenant that configures the platform's client id with a wrong secret breaks only its own.

use model::Timestamp;
use storage::{Error, Tx, on};

/// Which OAuth app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppRef {
    /// The tenant whose own it is; empty for the platform's.
    pub(crate) owner: String,
    /// Where it is registered.
    pub(crate) provider: String,
    /// Its public name there.
    pub(crate) client_id: String,
}

/// Marks `app` as broken; it may be tried again from `probe_at` on. Tells whether it was not so marked before.
pub(crate) async fn mark(
    tx: &mut Tx,
    app: &AppRef,
    now: Timestamp,
    probe_at: Timestamp,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "INSERT INTO broken_app (tenant, provider, client_id, broken_at, probe_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, provider, client_id) DO NOTHING"
    )
    .bind(&app.owner)
    .bind(&app.provider)
    .bind(&app.client_id)
    .bind(now.as_millisecond())
    .bind(probe_at.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Takes the one trial that is due, and puts the next off to `next`. False if another took it.
pub(crate) async fn claim_probe(
    tx: &mut Tx,
    app: &AppRef,
    now: Timestamp,
    next: Timestamp,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE broken_app SET probe_at = $5
         WHERE tenant = $1 AND provider = $2 AND client_id = $3 AND probe_at <= $4"
    )
    .bind(&app.owner)
    .bind(&app.provider)
    .bind(&app.client_id)
    .bind(now.as_millisecond())
    .bind(next.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Takes the mark off `app`.
pub(crate) async fn unmark(tx: &mut Tx, app: &AppRef) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "DELETE FROM broken_app WHERE tenant = $1 AND provider = $2 AND client_id = $3"
    )
    .bind(&app.owner)
    .bind(&app.provider)
    .bind(&app.client_id)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}
