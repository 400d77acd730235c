//! Putting the tokens of a consent into the vault, and taking them out for good.

use std::time::{Duration, Instant};

use model::{TenantId, Timestamp};
use serde_json::json;
use storage::Tx;

use super::conclusion::seal;
use super::renewal::pause;
use super::schedule::{self, HTTP_DEADLINE, Term};
use super::stored::{Stored, access_purpose, refresh_purpose};
use super::{Error, Vault};
use crate::catalog::{Flow, ProviderId, Rotation};
use crate::connection::{CredentialKey, Tokens};
use crate::store::broken_apps::{self, AppRef};
use crate::store::credentials::{self, Hold, NewTokens};

/// How long nobody renews what is being revoked: longer than that takes.
const SUSPENSION: Duration = Duration::from_mins(1);
/// Within how long a renewal whose process lives has written down what came of it.
const RENEWAL_ENDS_WITHIN: Duration = HTTP_DEADLINE.saturating_add(Duration::from_secs(2));

/// What one consent gave for one credential.
#[derive(Debug, Clone, Copy)]
pub struct Granted<'a> {
    /// The tokens. Where they have no refresh token, the one of an earlier consent stays, unless it is dead.
    pub tokens: &'a Tokens,
    /// The scopes that are in force: those of the answer, else those that were asked for.
    pub scopes: &'a [String],
    /// What becomes of the provider's refresh tokens.
    pub rotation: Rotation,
    /// How the connection came about.
    pub flow: Flow,
    /// When the user consented.
    pub authorized_at: Timestamp,
}

impl Vault {
    /// Seals and writes the tokens of a consent, in the place of whatever `key` had. The row of the connection must
    /// exist. After the commit, [`Vault::forget`] drops what is in memory.
    pub async fn store_tokens(
        &self,
        tx: &mut Tx,
        key: &CredentialKey,
        granted: &Granted<'_>,
    ) -> Result<(), Error> {
        let vault = &self.0;
        let Granted { tokens, scopes, rotation, flow, authorized_at } = *granted;
        let sealed_refresh = match &tokens.refresh {
            Some(refresh) => Some(seal(vault, tx, key, &refresh_purpose(key), refresh).await?),
            None if flow == Flow::AuthorizationCode => credentials::hold_refresh_token(tx, key).await?,
            None => None,
        };
        let own_grant = flow == Flow::ClientCredentials;
        let is_redeemable = own_grant || sealed_refresh.is_some();
        let term = Term::new(vault.ambient.now(), tokens.expires_in);
        let new = NewTokens {
            sealed_access: seal(vault, tx, key, &access_purpose(key), &tokens.access).await?,
            sealed_refresh,
            scopes: json!(scopes).to_string(),
            issued_at: term.issued_at,
            expires_at: term.expires_at,
            dies_at: schedule::dies_at(&term, is_redeemable, authorized_at, rotation),
            refresh_at: schedule::refresh_at(&term, is_redeemable, true, rotation.idle_ttl, vault.random()),
        };
        let forewarn_at = schedule::forewarn_at(&term, is_redeemable, authorized_at, rotation);
        credentials::replace(tx, key, &new, own_grant, forewarn_at).await?;
        Ok(())
    }

    /// Deletes one credential. False if there was none. After the commit, [`Vault::forget`] drops what is in memory.
    pub async fn delete_tokens(&self, tx: &mut Tx, key: &CredentialKey) -> Result<bool, Error> {
        Ok(credentials::delete(tx, key).await?)
    }

    /// Keeps everybody from renewing `key` for a minute, once whoever is at it has come to an end: what is then revoked has
    /// no successor that nobody knows of. A renewal that does not end in time is waited for no longer.
    pub async fn suspend_renewals(&self, key: &CredentialKey) -> Result<(), Error> {
        let vault = &self.0;
        let began = Instant::now();
        for polls in 0.. {
            let mut conn = vault.database.read().await?;
            let row = credentials::find(&mut conn, key).await?;
            drop(conn);
            let Some(row) = row else { break };
            let seen = Hold { version: row.version, fence: row.fence };
            let now = vault.ambient.now();
            let mut tx = vault.database.begin().await?;
            let hold = credentials::lease(&mut tx, key, seen, &vault.replica, now, now.plus(SUSPENSION));
            let hold = hold.await?;
            tx.commit().await?;
            if hold.is_some() || began.elapsed() > RENEWAL_ENDS_WITHIN {
                break;
            }
            tokio::time::sleep(pause(polls, vault.random())).await;
        }
        Ok(())
    }

    /// The tokens as they are, ended or not: for revoking them. `None` if there are none.
    pub async fn open_tokens(&self, key: &CredentialKey) -> Result<Option<Tokens>, Error> {
        let Some(stored) = Stored::load(&self.0, key).await? else { return Ok(None) };
        Ok(Some(Tokens {
            access: stored.token.secret.clone(),
            refresh: stored.refresh_token(&self.0, key).await?,
            expires_in: None,
            scopes: Some(stored.token.scopes.clone()),
        }))
    }

    /// Takes the mark of a broken OAuth app off: to be called when its id or secret was set anew. `owner` is the tenant
    /// whose own app it is, or none for the platform's.
    pub async fn trust_app(
        &self,
        tx: &mut Tx,
        owner: Option<&TenantId>,
        provider: &ProviderId,
        client_id: &str,
    ) -> Result<(), Error> {
        let app = AppRef {
            owner: owner.map(TenantId::to_string).unwrap_or_default(),
            provider: provider.to_string(),
            client_id: client_id.to_owned(),
        };
        Ok(broken_apps::unmark(tx, &app).await?)
    }
}
