//! The secrets of endpoints: what is sent is signed with them, as Standard Webhooks has it.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Ambient, TenantId, Timestamp, new_id};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use storage::{Conn, Error, Sealed, Sealer, Tx, on};

use super::schema::SECRET;

/// How a secret begins as text.
const PREFIX: &str = "whsec_";

/// How many bytes a secret has.
const LENGTH: usize = 32;

/// How long a secret that was replaced is still signed with.
pub(crate) const OVERLAP: Duration = Duration::from_hours(24);

/// The most secrets of one subscription that are signed with: one that is rotated again and again has no more.
const MAX_LIVE: i64 = 5;

/// Makes a secret, seals it, and gives it as its receiver is to be told of it, this once.
pub(crate) async fn create(
    tx: &mut Tx,
    (sealer, ambient): (&Sealer, &Ambient),
    (tenant, subscription): (&TenantId, &str),
) -> Result<SecretString, Error> {
    let (id, bytes) = (new_id(ambient), zeroize::Zeroizing::new(ambient.bytes::<LENGTH>()));
    let purpose = SECRET.purpose(&[subscription, &id]);
    let closed = sealer.seal(tx, tenant, &purpose, bytes.as_slice()).await?;
    on!(tx, |c| {
        sqlx::query(
        "INSERT INTO subscription_secret (tenant, subscription, id, secret, created_at) VALUES ($1, $2, $3, $4, $5)"
    )
    .bind(tenant.as_str())
    .bind(subscription)
    .bind(&id)
    .bind(closed.as_bytes())
    .bind(ambient.now().as_millisecond())
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(SecretString::from(format!("{PREFIX}{}", STANDARD.encode(bytes.as_slice()))))
}

/// Has the secrets that a subscription has end after [`OVERLAP`], at the latest; forgets those that have ended, and the oldest where
/// there are many.
pub(crate) async fn retire(
    tx: &mut Tx,
    (tenant, subscription): (&TenantId, &str),
    now: Timestamp,
) -> Result<Timestamp, Error> {
    let expires_at = now.plus(OVERLAP);
    on!(tx, |c| {
        sqlx::query(
        "UPDATE subscription_secret SET expires_at = $3 WHERE tenant = $1 AND subscription = $2 AND expires_at IS NULL"
    )
    .bind(tenant.as_str())
    .bind(subscription)
    .bind(expires_at.as_millisecond())
    .execute(c)
    .await
    .map(drop)
    })?;
    on!(tx, |c| {
        sqlx::query(
        "DELETE FROM subscription_secret WHERE tenant = $1 AND subscription = $2 AND (expires_at <= $3 OR id NOT IN \
         (SELECT id FROM subscription_secret WHERE tenant = $1 AND subscription = $2 \
          ORDER BY created_at DESC, id DESC LIMIT $4))"
    )
    .bind(tenant.as_str())
    .bind(subscription)
    .bind(now.as_millisecond())
    .bind(MAX_LIVE - 1)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(expires_at)
}

/// Forgets all secrets of a subscription.
pub(crate) async fn delete(tx: &mut Tx, tenant: &TenantId, subscription: &str) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("DELETE FROM subscription_secret WHERE tenant = $1 AND subscription = $2")
        .bind(tenant.as_str())
        .bind(subscription)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The secrets to sign with, the newest first.
pub(crate) async fn live(
    conn: &mut Conn,
    sealer: &Sealer,
    (tenant, subscription): (&TenantId, &str),
    now: Timestamp,
) -> Result<Vec<SecretSlice<u8>>, Error> {
    let rows: Vec<(String, Vec<u8>)> = on!(conn, |c| sqlx::query_as(
        "SELECT id, secret FROM subscription_secret \
         WHERE tenant = $1 AND subscription = $2 AND (expires_at IS NULL OR expires_at > $3) \
         ORDER BY created_at DESC, id DESC"
    )
    .bind(tenant.as_str())
    .bind(subscription)
    .bind(now.as_millisecond())
    .fetch_all(c)
    .await)?;
    let mut secrets = Vec::with_capacity(rows.len());
    for (id, sealed) in rows {
        let purpose = SECRET.purpose(&[subscription, &id]);
        secrets.push(sealer.unseal(conn, tenant, &purpose, &Sealed::from_bytes(sealed)).await?);
    }
    Ok(secrets)
}

/// The value of `webhook-signature`: a signature by each secret.
pub(crate) fn signatures(secrets: &[SecretSlice<u8>], id: &str, timestamp: i64, body: &[u8]) -> String {
    let sign = |secret: &SecretSlice<u8>| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret());
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_that_of_the_reference() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed =
            signatures(&[SecretSlice::from(secret)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_live_secret_signs() {
        let secrets = [SecretSlice::from(vec![1; 32]), SecretSlice::from(vec![2; 32])];
        let signed = signatures(&secrets, "m", 1, b"{}");
        let each: Vec<_> = signed.split(' ').collect();
        assert!(each.len() == 2 && each.iter().all(|one| one.starts_with("v1,")) && each[0] != each[1]);
    }
}
