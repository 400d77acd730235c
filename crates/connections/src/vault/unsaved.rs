//! What came of a redemption while the database could not take it: kept in memory, served, and written down as soon as
//! that can be done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{TenantId, Timestamp};

use super::conclusion::{Conclusion, Written};
use super::schedule::{self, LEASE};
use super::stored::Stored;
use super::token::AccessToken;
use super::{Error, Inner};
use crate::connection::CredentialKey;
use crate::store::credentials::{self, Hold};

/// For how long writing is tried.
const BOUND: Duration = Duration::from_mins(15);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often a failure to write is told.
const TELL_INTERVAL: Duration = Duration::from_mins(1);

/// Tokens that are newer than their rows. There are no more than redemptions were in flight when the database went
/// away: without it, no further lease is to be had.
#[derive(Default)]
pub(super) struct Unsaved(Mutex<HashMap<CredentialKey, Arc<AccessToken>>>);

impl Unsaved {
    /// The token of `key` that is not written down yet and still holds.
    pub(super) fn get(&self, key: &CredentialKey, now: Timestamp) -> Option<Arc<AccessToken>> {
        let token = self.entries().get(key).cloned()?;
        token.expires_at.is_none_or(|end| now < end).then_some(token)
    }

    /// Serves `token` no longer; whoever tries to write it down goes on.
    pub(super) fn forget(&self, tenant: &TenantId, connection: Option<&str>) {
        self.entries().retain(|key, _| {
            key.tenant != *tenant || connection.is_some_and(|connection| connection != key.connection)
        });
    }

    fn insert(&self, key: &CredentialKey, token: &Arc<AccessToken>) {
        self.entries().insert(key.clone(), Arc::clone(token));
    }

    fn remove(&self, key: &CredentialKey, version: i64) {
        let mut entries = self.entries();
        if entries.get(key).is_some_and(|token| token.version == version) {
            entries.remove(key);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<CredentialKey, Arc<AccessToken>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renewed tokens whose lease was lost: they are written down after all if the row is still of the version that they
/// were got with; otherwise there are newer ones, and the row is to be looked at again.
pub(super) async fn rescue(
    vault: &Arc<Inner>,
    key: &CredentialKey,
    stored: &Stored,
    hold: Hold,
    conclusion: Conclusion,
) -> Result<Option<Arc<AccessToken>>, Error> {
    let Conclusion::Renewed(renewal) = &conclusion else { return Ok(None) };
    let mut conn = vault.database.read().await?;
    let row = credentials::find(&mut conn, key).await?;
    drop(conn);
    if row.is_none_or(|row| row.version != hold.version) {
        return Ok(None);
    }
    tracing::warn!(connection.id = key.connection, "a renewal took longer than its lease");
    let token = Arc::clone(&renewal.token);
    insist(vault, key, stored, hold, conclusion);
    Ok(Some(token))
}

/// Goes on trying to write `conclusion` down, as a task of its own; tokens are served from memory meanwhile.
pub(super) fn insist(
    vault: &Arc<Inner>,
    key: &CredentialKey,
    stored: &Stored,
    hold: Hold,
    conclusion: Conclusion,
) {
    if let Conclusion::Renewed(renewal) = &conclusion {
        vault.unsaved.insert(key, &renewal.token);
        vault.tokens.forget(key);
    }
    let (vault, key, stored) = (Arc::clone(vault), key.clone(), stored.clone());
    vault.tasks.clone().spawn(async move {
        let is_written = keep_trying(&vault, &key, &stored, hold, &conclusion).await;
        if !is_written {
            tracing::error!(
                connection.id = key.connection,
                "what came of a renewal could not be written down"
            );
        }
        vault.unsaved.remove(&key, hold.version + 1);
    });
}

async fn keep_trying(
    vault: &Inner,
    key: &CredentialKey,
    stored: &Stored,
    mut hold: Hold,
    conclusion: &Conclusion,
) -> bool {
    let began = Instant::now();
    let mut told = Instant::now();
    for attempt in 0u32.. {
        let ceiling = PAUSE_MIN.saturating_mul(1 << attempt.min(8)).min(PAUSE_MAX);
        tokio::time::sleep(PAUSE_MIN / 2 + schedule::part(ceiling, vault.random())).await;
        match try_once(vault, key, stored, &mut hold, conclusion).await {
            Ok(true) => return true,
            Err(error) if told.elapsed() > TELL_INTERVAL => {
                told = Instant::now();
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    connection.id = key.connection,
                    "what came of a renewal still cannot be written down"
                );
            }
            Ok(false) | Err(_) => {}
        }
        if began.elapsed() > BOUND {
            break;
        }
    }
    false
}

/// True if nothing remains to be done.
async fn try_once(
    vault: &Inner,
    key: &CredentialKey,
    stored: &Stored,
    hold: &mut Hold,
    conclusion: &Conclusion,
) -> Result<bool, storage::Error> {
    if conclusion.write(vault, key, stored, *hold, true).await? == Written::Done {
        return Ok(true);
    }
    if !matches!(conclusion, Conclusion::Renewed(_)) {
        return Ok(true);
    }
    let mut conn = vault.database.read().await?;
    let row = credentials::find(&mut conn, key).await?;
    drop(conn);
    // Gone, or newer: the write before may have been made though its answer was lost.
    let Some(row) = row.filter(|row| row.version == hold.version) else { return Ok(true) };
    let seen = Hold { version: row.version, fence: row.fence };
    let now = vault.ambient.now();
    let mut tx = vault.database.begin().await?;
    let taken = credentials::lease(&mut tx, key, seen, &vault.replica, now, now.plus(LEASE)).await?;
    tx.commit().await?;
    if let Some(taken) = taken {
        *hold = taken;
    }
    Ok(false)
}
