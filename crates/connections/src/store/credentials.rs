//! Credentials of connections: their sealed tokens, and who is renewing them.
//!
//! A row's `version` counts its grants and renewals. Its `fence` counts every attempt to change it, so that what was
//! read is still so exactly if the fence is. Sealed bytes may be replaced under the same version (a key rotated), so
//! no condition is ever made on them.

use model::{TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Error, Sealed, Tx, on};

use crate::connection::CredentialKey;

/// A credential and what of its connection bears on renewing it.
#[derive(FromRow)]
pub(crate) struct CredentialRow {
    pub(crate) provider: String,
    pub(crate) client_id: String,
    pub(crate) variables: String,
    pub(crate) status_reason: Option<String>,
    pub(crate) authorized_at: i64,
    pub(crate) last_used_at: Option<i64>,
    /// The tenant, where the OAuth app is its own; empty where it is the platform's.
    pub(crate) app_owner: String,
    /// From when a broken OAuth app may be tried again; absent where it is not broken.
    pub(crate) app_probe_at: Option<i64>,
    pub(crate) sealed_access: Vec<u8>,
    pub(crate) sealed_refresh: Option<Vec<u8>>,
    pub(crate) scopes: String,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) version: i64,
    pub(crate) fence: i64,
    pub(crate) lease_until: Option<i64>,
    pub(crate) sent_at: Option<i64>,
    pub(crate) failures: i64,
    pub(crate) failure: Option<String>,
    pub(crate) retry_at: Option<i64>,
    pub(crate) refresh_at: Option<i64>,
    pub(crate) own_grant: bool,
}

/// The right to change a row: it holds as long as both numbers are still the row's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) version: i64,
    pub(crate) fence: i64,
}

/// What a grant or a renewal writes.
pub(crate) struct NewTokens {
    pub(crate) sealed_access: Sealed,
    /// Absent where the one that there is stays.
    pub(crate) sealed_refresh: Option<Sealed>,
    pub(crate) scopes: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) dies_at: Option<Timestamp>,
    pub(crate) refresh_at: Option<Timestamp>,
}

/// What a failed renewal writes.
#[derive(Debug, Clone)]
pub(crate) struct Setback {
    /// Why, as `failure` has it.
    pub(crate) failure: &'static str,
    pub(crate) failures: i64,
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) refresh_at: Option<Timestamp>,
    /// When the attempt whose outcome is unknown was sent.
    pub(crate) sent_at: Option<Timestamp>,
}

fn moment(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millisecond)
}

/// The credential that `key` names.
pub(crate) async fn find(conn: &mut Conn, key: &CredentialKey) -> Result<Option<CredentialRow>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT c.provider, c.client_id, c.variables, c.status_reason, c.authorized_at, c.last_used_at,
                COALESCE(a.tenant, '') AS app_owner, b.probe_at AS app_probe_at,
                k.sealed_access, k.sealed_refresh, k.scopes, k.issued_at, k.expires_at, k.version, k.fence,
                k.lease_until, k.sent_at, k.failures, k.failure, k.retry_at, k.refresh_at, k.own_grant
         FROM credential k
         JOIN connection c ON c.tenant = k.tenant AND c.id = k.connection_id
         LEFT JOIN oauth_app a
                ON a.tenant = k.tenant AND a.provider = c.provider AND a.client_id = c.client_id
         LEFT JOIN broken_app b
                ON b.tenant = COALESCE(a.tenant, '') AND b.provider = c.provider AND b.client_id = c.client_id
         WHERE k.tenant = $1 AND k.connection_id = $2 AND k.name = $3"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .fetch_optional(c)
    .await)?)
}

/// Takes the lease of a row that nobody holds and that is as it was seen. The row's fence is then one higher.
pub(crate) async fn lease(
    tx: &mut Tx,
    key: &CredentialKey,
    seen: Hold,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Hold>, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE credential SET fence = fence + 1, lease_owner = $6, lease_until = $8
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND version = $4 AND fence = $5
           AND (lease_until IS NULL OR lease_until <= $7)"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(seen.version)
    .bind(seen.fence)
    .bind(owner)
    .bind(now.as_millisecond())
    .bind(until.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok((changed == 1).then_some(Hold { version: seen.version, fence: seen.fence + 1 }))
}

/// Says that from now on the provider may have acted, and begins the lease anew. The first such moment of a version
/// stays: a provider's leeway counts from there.
pub(crate) async fn mark_sent(
    tx: &mut Tx,
    key: &CredentialKey,
    hold: Hold,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE credential SET sent_at = COALESCE(sent_at, $6), lease_until = $7
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND version = $4 AND fence = $5"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(hold.version)
    .bind(hold.fence)
    .bind(now.as_millisecond())
    .bind(until.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Writes what a renewal brought and ends the lease. False if the row is no longer `hold`'s.
pub(crate) async fn renew(
    tx: &mut Tx,
    key: &CredentialKey,
    hold: Hold,
    tokens: &NewTokens,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "UPDATE credential SET sealed_access = $6, sealed_refresh = COALESCE($7, sealed_refresh), scopes = $8,
            issued_at = $9, refreshed_at = $9, expires_at = $10, dies_at = $11, refresh_at = $12,
            version = version + 1, lease_owner = NULL, lease_until = NULL, sent_at = NULL,
            failures = 0, failure = NULL, retry_at = NULL
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND version = $4 AND fence = $5"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(hold.version)
    .bind(hold.fence)
    .bind(tokens.sealed_access.as_bytes())
    .bind(tokens.sealed_refresh.as_ref().map(Sealed::as_bytes))
    .bind(&tokens.scopes)
    .bind(tokens.issued_at.as_millisecond())
    .bind(moment(tokens.expires_at))
    .bind(moment(tokens.dies_at))
    .bind(moment(tokens.refresh_at))
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Writes what a failed attempt leaves behind and ends the lease. False if the row is no longer `hold`'s.
pub(crate) async fn set_back(
    tx: &mut Tx,
    key: &CredentialKey,
    hold: Hold,
    setback: &Setback,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
        "UPDATE credential SET failure = $6, failures = $7, retry_at = $8, refresh_at = $9, sent_at = $10,
            lease_owner = NULL, lease_until = NULL
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND version = $4 AND fence = $5"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(hold.version)
    .bind(hold.fence)
    .bind(setback.failure)
    .bind(setback.failures)
    .bind(moment(setback.retry_at))
    .bind(moment(setback.refresh_at))
    .bind(moment(setback.sent_at))
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Ends the lease of an attempt that was given up before anything left, and leaves the rest as it was.
pub(crate) async fn release(
    tx: &mut Tx,
    key: &CredentialKey,
    hold: Hold,
    sent_at: Option<Timestamp>,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE credential SET sent_at = $6, lease_owner = NULL, lease_until = NULL
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND version = $4 AND fence = $5"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(hold.version)
    .bind(hold.fence)
    .bind(moment(sent_at))
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Marks a credential as dead until its user consents again; it is never due from then on. False if the row is no
/// longer `hold`'s.
pub(crate) async fn bury(
    tx: &mut Tx,
    key: &CredentialKey,
    hold: Hold,
    failure: &'static str,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE credential SET failure = $6, fence = fence + 1, lease_owner = NULL, lease_until = NULL,
            retry_at = NULL, refresh_at = NULL, forewarn_at = NULL
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND version = $4 AND fence = $5"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(hold.version)
    .bind(hold.fence)
    .bind(failure)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Keeps others from changing a connection until this transaction ends. Whoever changes a connection and its
/// credentials in one transaction begins with the connection, or two such could wait for each other.
pub(crate) async fn lock_connection(tx: &mut Tx, tenant: &TenantId, id: &str) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("UPDATE connection SET updated_at = updated_at WHERE tenant = $1 AND id = $2")
        .bind(tenant.as_str())
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Marks a connection as needing consent. Its provider and user if it was not so marked before.
pub(crate) async fn mark_connection(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Option<(String, String)>, Error> {
    Ok(on!(tx, |c| sqlx::query_as(
        "UPDATE connection SET status = 'needs_reauth', status_reason = $3, updated_at = $4
         WHERE tenant = $1 AND id = $2 AND status <> 'needs_reauth' RETURNING provider, user_email"
    )
    .bind(tenant.as_str())
    .bind(id)
    .bind(reason)
    .bind(now.as_millisecond())
    .fetch_optional(c)
    .await)?)
}

/// Takes that mark off again. Its provider and user if it bore it and no credential of it is dead.
pub(crate) async fn unmark_connection(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &str,
    now: Timestamp,
) -> Result<Option<(String, String)>, Error> {
    Ok(on!(tx, |c| sqlx::query_as(
        "UPDATE connection SET status_reason = NULL, updated_at = $3,
            status = CASE WHEN site IS NULL AND sites <> '[]' THEN 'needs_site' ELSE 'active' END
         WHERE tenant = $1 AND id = $2 AND status = 'needs_reauth' AND NOT EXISTS
            (SELECT 1 FROM credential WHERE tenant = $1 AND connection_id = $2 AND failure = 'reauthorize')
         RETURNING provider, user_email"
    )
    .bind(tenant.as_str())
    .bind(id)
    .bind(now.as_millisecond())
    .fetch_optional(c)
    .await)?)
}

/// What of a credential outlives a new consent that brings no refresh token. Until the transaction ends nobody renews it
/// or seals it anew, which would be undone by writing this back.
pub(crate) async fn hold_refresh_token(tx: &mut Tx, key: &CredentialKey) -> Result<Option<Sealed>, Error> {
    let row: Option<(Option<Vec<u8>>,)> = on!(tx, |c| sqlx::query_as(
        "UPDATE credential SET fence = fence + 1
         WHERE tenant = $1 AND connection_id = $2 AND name = $3 AND failure IS DISTINCT FROM 'reauthorize'
         RETURNING sealed_refresh"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .fetch_optional(c)
    .await)?;
    Ok(row.and_then(|(sealed,)| sealed).map(Sealed::from_bytes))
}

/// Puts the tokens of a new consent in the place of whatever there is. Whoever is renewing the old ones finds the row
/// changed.
pub(crate) async fn replace(
    tx: &mut Tx,
    key: &CredentialKey,
    tokens: &NewTokens,
    own_grant: bool,
    forewarn_at: Option<Timestamp>,
) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
        "INSERT INTO credential (tenant, connection_id, name, sealed_access, sealed_refresh, scopes, issued_at,
            expires_at, dies_at, refresh_at, own_grant, forewarn_at, version, fence, failures)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, 0, 0)
         ON CONFLICT (tenant, connection_id, name) DO UPDATE SET
            sealed_access = excluded.sealed_access, sealed_refresh = excluded.sealed_refresh,
            scopes = excluded.scopes, issued_at = excluded.issued_at, expires_at = excluded.expires_at,
            dies_at = excluded.dies_at, refresh_at = excluded.refresh_at, own_grant = excluded.own_grant,
            forewarn_at = excluded.forewarn_at, version = credential.version + 1, fence = credential.fence + 1,
            lease_owner = NULL, lease_until = NULL, sent_at = NULL, failures = 0, failure = NULL, retry_at = NULL"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .bind(tokens.sealed_access.as_bytes())
    .bind(tokens.sealed_refresh.as_ref().map(Sealed::as_bytes))
    .bind(&tokens.scopes)
    .bind(tokens.issued_at.as_millisecond())
    .bind(moment(tokens.expires_at))
    .bind(moment(tokens.dies_at))
    .bind(moment(tokens.refresh_at))
    .bind(own_grant)
    .bind(moment(forewarn_at))
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Removes the credentials of a connection that are dead, and that a new consent has not brought to life.
pub(crate) async fn delete_dead(tx: &mut Tx, tenant: &TenantId, connection: &str) -> Result<(), Error> {
    on!(tx, |c| sqlx::query(
        "DELETE FROM credential WHERE tenant = $1 AND connection_id = $2 AND failure = 'reauthorize'"
    )
    .bind(tenant.as_str())
    .bind(connection)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Removes a credential. False if there was none.
pub(crate) async fn delete(tx: &mut Tx, key: &CredentialKey) -> Result<bool, Error> {
    let changed = on!(tx, |c| sqlx::query(
        "DELETE FROM credential WHERE tenant = $1 AND connection_id = $2 AND name = $3"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(&key.name)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}
