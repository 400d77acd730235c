//! What webhooks were signed with before.

use model::{TenantId, Timestamp};
use storage::{Conn, Error, Sealed, Tx, on};

/// Keeps a former secret until a time, in place of an earlier one.
pub(crate) async fn keep_former(
    tx: &mut Tx,
    (tenant, plugin_key): (&TenantId, &str),
    former: &Sealed,
    until: Timestamp,
) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE installation SET former_webhook_secret = $3, former_webhook_secret_until = $4 \
         WHERE tenant = $1 AND plugin_key = $2"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .bind(former.as_bytes())
    .bind(until.as_millisecond())
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Ends a former secret.
pub(crate) async fn forget_former(tx: &mut Tx, (tenant, plugin_key): (&TenantId, &str)) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "UPDATE installation SET former_webhook_secret = NULL, former_webhook_secret_until = 0 \
         WHERE tenant = $1 AND plugin_key = $2 AND former_webhook_secret IS NOT NULL"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// The former secret of this very installation, where it is good at `now`.
pub(crate) async fn former(
    conn: &mut Conn,
    (tenant, plugin_key, incarnation): (&TenantId, &str, i64),
    now: Timestamp,
) -> Result<Option<Sealed>, Error> {
    let row: Option<(Option<Vec<u8>>,)> = on!(conn, |c| sqlx::query_as(
        "SELECT former_webhook_secret FROM installation \
         WHERE tenant = $1 AND plugin_key = $2 AND installed_at = $3 AND former_webhook_secret_until > $4"
    )
    .bind(tenant.as_str())
    .bind(plugin_key)
    .bind(incarnation)
    .bind(now.as_millisecond())
    .fetch_optional(c)
    .await)?;
    Ok(row.and_then(|(sealed,)| sealed).map(Sealed::from_bytes))
}
