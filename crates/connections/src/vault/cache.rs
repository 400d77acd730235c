//! Opened tokens in memory: bounded, looked at again in the database every 30 seconds, wiped when they go.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::{TenantId, Timestamp};
use moka::sync::Cache;

use super::schedule::Term;
use super::token::AccessToken;
use crate::connection::CredentialKey;

/// How long an opened token is used without looking at its row: what is revoked on another replica is used no longer
/// than this.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How often a use of a connection is written down.
const USE_INTERVAL: Duration = Duration::from_hours(1);

/// A token and when something is to be done about it.
pub(super) struct Entry {
    pub(super) token: Arc<AccessToken>,
    looked_at: Timestamp,
    sure_until: Timestamp,
    renew_at: Timestamp,
    is_renewing: AtomicBool,
    use_to_note_at: Timestamp,
    is_use_noted: AtomicBool,
}

impl Entry {
    /// `retry_at` is before when the provider is left alone.
    pub(super) fn new(
        token: Arc<AccessToken>,
        term: &Term,
        now: Timestamp,
        retry_at: Option<Timestamp>,
        last_used_at: Option<Timestamp>,
    ) -> Self {
        const NEVER: Timestamp = Timestamp::from_millisecond(i64::MAX);
        let due_at = term.due_at().unwrap_or(NEVER);
        Self {
            token,
            looked_at: now,
            sure_until: term.sure_until().unwrap_or(NEVER),
            renew_at: retry_at.map_or(due_at, |retry_at| retry_at.max(due_at)),
            is_renewing: AtomicBool::new(false),
            use_to_note_at: last_used_at.map_or(now, |used| used.plus(USE_INTERVAL)),
            is_use_noted: AtomicBool::new(false),
        }
    }

    /// Whether it may be given out without a look at the row.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        now < self.sure_until && now < self.looked_at.plus(LOOK_AGAIN) && now >= self.looked_at
    }

    /// True once, when it is time to have it renewed.
    pub(super) fn begins_renewal(&self, now: Timestamp) -> bool {
        self.renew_at <= now && !self.is_renewing.swap(true, Ordering::Relaxed)
    }

    /// True once, when the use is to be written down.
    pub(super) fn notes_use(&self, now: Timestamp) -> bool {
        self.use_to_note_at <= now
            && !self.is_use_noted.load(Ordering::Relaxed)
            && !self.is_use_noted.swap(true, Ordering::Relaxed)
    }
}

/// The entries by credential.
pub(super) struct Tokens {
    entries: Cache<CredentialKey, Arc<Entry>>,
    /// Every name that a credential had: the catalog gives few.
    names: RwLock<BTreeSet<String>>,
    /// Counts what was forgotten, so that a read that began before puts nothing back.
    forgotten: AtomicU64,
}

impl Tokens {
    pub(super) fn new(capacity: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .time_to_live(LOOK_AGAIN)
            .support_invalidation_closures()
            .build();
        Self { entries, names: RwLock::default(), forgotten: AtomicU64::new(0) }
    }

    pub(super) fn get(&self, key: &CredentialKey) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    pub(super) fn contains(&self, key: &CredentialKey) -> bool {
        self.entries.contains_key(key)
    }

    /// What [`Tokens::insert`] is to be given: taken before the row is read.
    pub(super) fn epoch(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Keeps `entry`, unless something was forgotten since `epoch`.
    pub(super) fn insert(&self, key: &CredentialKey, entry: Entry, epoch: u64) {
        let is_known = self.names.read().unwrap_or_else(PoisonError::into_inner).contains(&key.name);
        if !is_known {
            self.names.write().unwrap_or_else(PoisonError::into_inner).insert(key.name.clone());
        }
        self.entries.insert(key.clone(), Arc::new(entry));
        if self.epoch() != epoch {
            self.entries.invalidate(key);
        }
    }

    pub(super) fn forget(&self, key: &CredentialKey) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(key);
    }

    pub(super) fn forget_connection(&self, tenant: &TenantId, connection: &str) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        let mut key =
            CredentialKey { tenant: tenant.clone(), connection: connection.to_owned(), name: String::new() };
        for name in self.names.read().unwrap_or_else(PoisonError::into_inner).iter() {
            key.name.clone_from(name);
            self.entries.invalidate(&key);
        }
    }

    pub(super) fn forget_tenant(&self, tenant: &TenantId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        let tenant = tenant.clone();
        if self.entries.invalidate_entries_if(move |key, _| key.tenant == tenant).is_err() {
            self.entries.invalidate_all();
        }
    }

    /// Lets go of what has ended: a cache that nobody asks would keep it.
    pub(super) fn tidy(&self) {
        self.entries.run_pending_tasks();
    }
}
