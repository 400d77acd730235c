//! A credential as its row has it, its access token opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use storage::{Conn, Sealed, Sealer};
use zeroize::Zeroizing;

use super::decision::State;
use super::schedule::{Repeat, Term};
use super::token::AccessToken;
use super::{Error, Inner};
use crate::catalog::{ProviderId, Rotation};
use crate::connection::CredentialKey;
use crate::store::broken_apps::AppRef;
use crate::store::credentials::{self, CredentialRow, Hold};
use crate::store::sealed::{ACCESS_TOKEN, REFRESH_TOKEN};

/// A credential, read and opened.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) token: Arc<AccessToken>,
    pub(super) state: State,
    pub(super) hold: Hold,
    pub(super) provider: ProviderId,
    pub(super) variables: BTreeMap<String, String>,
    /// The same as the row has them.
    pub(super) variables_text: String,
    pub(super) app: AppRef,
    pub(super) rotation: Rotation,
    pub(super) own_grant: bool,
    pub(super) failures: i64,
    pub(super) sent_at: Option<Timestamp>,
    pub(super) authorized_at: Timestamp,
    pub(super) last_used_at: Option<Timestamp>,
    sealed_refresh: Option<Sealed>,
}

/// Names the sealed access token of a credential to the sealer.
pub(super) fn access_purpose(key: &CredentialKey) -> String {
    ACCESS_TOKEN.purpose(&[&key.connection, &key.name])
}

/// Names the sealed refresh token of a credential to the sealer.
pub(super) fn refresh_purpose(key: &CredentialKey) -> String {
    REFRESH_TOKEN.purpose(&[&key.connection, &key.name])
}

impl Stored {
    /// Reads and opens what `key` names; `None` if there is none.
    pub(super) async fn load(vault: &Inner, key: &CredentialKey) -> Result<Option<Self>, Error> {
        let mut conn = vault.database.read().await?;
        match Self::read(vault, &mut conn, key).await {
            // The key that it was sealed with may have been replaced between the two reads: the row is then another.
            Err(Error::Storage(error)) if matches!(*error, storage::Error::Unsealable) => {
                Self::read(vault, &mut conn, key).await
            }
            read => read,
        }
    }

    async fn read(vault: &Inner, conn: &mut Conn, key: &CredentialKey) -> Result<Option<Self>, Error> {
        let Some(mut row) = credentials::find(conn, key).await? else { return Ok(None) };
        let sealed = Sealed::from_bytes(std::mem::take(&mut row.sealed_access));
        let secret = open(&vault.sealer, conn, key, &access_purpose(key), &sealed).await?;
        metrics::counter!("jackfield_credentials_opened_total").increment(1);
        Self::new(vault, row, secret).map(Some)
    }

    fn new(vault: &Inner, row: CredentialRow, secret: SecretString) -> Result<Self, Error> {
        let provider: ProviderId = row.provider.parse().map_err(|_| Error::Corrupt)?;
        let rotation = vault.redeem.rotation(&provider);
        let moment = |at: Option<i64>| at.map(Timestamp::from_millisecond);
        let issued_at = Timestamp::from_millisecond(row.issued_at);
        let sent_at = moment(row.sent_at);
        let state = State {
            version: row.version,
            term: Term { issued_at, expires_at: moment(row.expires_at) },
            is_redeemable: row.own_grant || row.sealed_refresh.is_some(),
            failure: row.failure,
            reason: row.status_reason,
            lease_until: moment(row.lease_until),
            retry_at: moment(row.retry_at),
            probe_at: moment(row.app_probe_at),
            repeat: sent_at.map(|sent_at| Repeat::new(rotation, row.own_grant, sent_at)),
            refresh_at: moment(row.refresh_at),
        };
        let token = AccessToken {
            secret,
            expires_at: state.term.expires_at,
            scopes: serde_json::from_str(&row.scopes).map_err(|_| Error::Corrupt)?,
            version: row.version,
        };
        Ok(Self {
            token: Arc::new(token),
            state,
            hold: Hold { version: row.version, fence: row.fence },
            variables: serde_json::from_str(&row.variables).map_err(|_| Error::Corrupt)?,
            variables_text: row.variables,
            app: AppRef { owner: row.app_owner, provider: row.provider, client_id: row.client_id },
            provider,
            rotation,
            own_grant: row.own_grant,
            failures: row.failures,
            sent_at,
            authorized_at: Timestamp::from_millisecond(row.authorized_at),
            last_used_at: moment(row.last_used_at),
            sealed_refresh: row.sealed_refresh.map(Sealed::from_bytes),
        })
    }

    /// Opens the refresh token, where there is one.
    pub(super) async fn refresh_token(
        &self,
        vault: &Inner,
        key: &CredentialKey,
    ) -> Result<Option<SecretString>, Error> {
        let Some(sealed) = &self.sealed_refresh else { return Ok(None) };
        let purpose = refresh_purpose(key);
        let mut conn = vault.database.read().await?;
        match open(&vault.sealer, &mut conn, key, &purpose, sealed).await {
            // As above: it may have been sealed anew under the same version.
            Err(Error::Storage(error)) if matches!(*error, storage::Error::Unsealable) => {}
            opened => return opened.map(Some),
        }
        let row = credentials::find(&mut conn, key).await?.filter(|row| row.version == self.hold.version);
        let Some(bytes) = row.and_then(|row| row.sealed_refresh) else { return Err(Error::Interrupted) };
        open(&vault.sealer, &mut conn, key, &purpose, &Sealed::from_bytes(bytes)).await.map(Some)
    }
}

async fn open(
    sealer: &Sealer,
    conn: &mut Conn,
    key: &CredentialKey,
    purpose: &str,
    bytes: &Sealed,
) -> Result<SecretString, Error> {
    let opened = sealer.unseal(conn, &key.tenant, purpose, bytes).await?;
    let text = Zeroizing::new(opened.expose_secret().to_vec());
    let text = std::str::from_utf8(&text).map_err(|_| Error::Corrupt)?;
    Ok(SecretString::from(text))
}
