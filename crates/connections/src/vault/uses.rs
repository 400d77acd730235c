//! Which connections were used: collected in memory, written in batches, at most once an hour for each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::Timestamp;

use super::Inner;
use crate::connection::CredentialKey;
use crate::store::due_credentials;

/// The most uses that wait to be written; what comes beyond is noted at a later use.
const CAPACITY: usize = 100_000;
/// How many are written in one transaction.
const BATCH: usize = 500;

/// Uses that are not written down yet: by tenant and connection.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<(String, String), Timestamp>>);

impl Uses {
    /// Notes that `key` was used.
    pub(super) fn note(&self, key: &CredentialKey, now: Timestamp) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < CAPACITY {
            uses.insert((key.tenant.to_string(), key.connection.clone()), now);
        }
    }

    fn take(&self) -> Vec<((String, String), Timestamp)> {
        let mut uses: Vec<_> =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
        // Replicas that write the same rows at once must take them in one order.
        uses.sort_unstable();
        uses
    }
}

/// Writes down which connections were used. What cannot be written is lost: a later use is noted again.
pub(super) async fn write_down(vault: &Inner) -> Result<(), storage::Error> {
    for batch in vault.uses.take().chunks(BATCH) {
        let mut tx = vault.database.begin().await?;
        for ((tenant, connection), at) in batch {
            due_credentials::note_use(&mut tx, tenant, connection, *at).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}
