//! Tokens: sealed in the database, opened in memory for as long as they are used, refreshed ahead of their end.

mod cache;
mod conclusion;
mod decision;
mod error;
mod flight;
mod grant;
mod redeem;
pub mod refresher;
mod renewal;
mod schedule;
mod stored;
mod token;
mod troubles;
mod unsaved;
mod uses;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Ambient, TenantId, Timestamp};
use storage::{Database, Sealer};
use tokio_util::task::TaskTracker;

pub use error::Error;
pub use grant::Granted;
pub use redeem::{Grant, Redeem};
pub use token::AccessToken;

use cache::{Entry, Tokens};
use conclusion::Renewal;
use decision::{Demand, Step};
use flight::Flights;
use stored::Stored;

use crate::connection::CredentialKey;

/// How long before a renewal that could not be made is thought of again, where nothing says when.
const AHEAD_PAUSE: Duration = Duration::from_secs(5);
/// How often a caller takes part in others' work that turns out not to be what it wants.
const MAX_FLIGHTS: u32 = 4;

type Outcome = Result<Arc<AccessToken>, Error>;

/// How much the vault may hold and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The most opened tokens that are kept in memory.
    pub cached_tokens: u64,
    /// The most renewals that the background begins in a second, up to 10,000.
    pub background_per_second: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cached_tokens: 10_000, background_per_second: 100 }
    }
}

/// Keeps, opens and renews the tokens of all tenants. Cheap to clone.
///
/// The machines of several replicas must agree on the time within a few seconds, as leases go by it.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    database: Database,
    sealer: Sealer,
    redeem: Arc<dyn Redeem>,
    ambient: Ambient,
    settings: Settings,
    /// Names this process as the owner of a lease.
    replica: String,
    tokens: Tokens,
    looks: Flights<Option<Arc<AccessToken>>, ()>,
    renewals: Flights<Arc<AccessToken>, Demand>,
    unsaved: unsaved::Unsaved,
    uses: uses::Uses,
    troubles: troubles::Troubles,
    tasks: TaskTracker,
}

impl Vault {
    /// A vault on `database`, whose tokens `sealer` seals and `redeem` has redeemed.
    pub fn new(
        database: Database,
        sealer: Sealer,
        redeem: Arc<dyn Redeem>,
        ambient: Ambient,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Inner {
            database,
            sealer,
            redeem,
            settings,
            replica: model::new_id(&ambient),
            ambient,
            tokens: Tokens::new(settings.cached_tokens),
            looks: Flights::new(),
            renewals: Flights::new(),
            unsaved: unsaved::Unsaved::default(),
            uses: uses::Uses::default(),
            troubles: troubles::Troubles::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// The access token of `key`, renewed if it has ended or is about to within the tolerance of clocks (30 seconds).
    /// One that ends soon is given out at once while it is renewed. Answers within a minute.
    ///
    /// A caller may be dropped at any time: the renewal that it waits for goes on.
    pub async fn access_token(&self, key: &CredentialKey) -> Outcome {
        let vault = &self.0;
        let now = vault.ambient.now();
        if let Some(entry) = vault.tokens.get(key)
            && entry.is_good(now)
        {
            vault.use_entry(key, &entry, now);
            return Ok(Arc::clone(&entry.token));
        }
        vault.find(key).await
    }

    /// A token other than `version`, to which the provider's API answered 401: the current one if that is another, else
    /// a renewed one. Where it cannot be renewed, the grant is taken to be dead.
    pub async fn rejected(&self, key: &CredentialKey, version: i64) -> Outcome {
        self.0.renew(key, Demand::Rejected(version)).await
    }

    /// A token newer than the present one, however long that still holds. A credential that cannot be renewed is given
    /// as it is. While the provider is in trouble this fails and says when to try again.
    pub async fn refresh(&self, key: &CredentialKey) -> Outcome {
        let now = self.0.ambient.now();
        let known = self.0.tokens.get(key).filter(|entry| entry.is_good(now));
        self.0.renew(key, Demand::Forced(known.map(|entry| entry.token.version))).await
    }

    /// Drops what is in memory of a connection. To be called after committing what deletes it or gives it new tokens;
    /// other processes look at the row again within 30 seconds.
    pub fn forget(&self, tenant: &TenantId, connection: &str) {
        self.0.unsaved.forget(tenant, Some(connection));
        self.0.tokens.forget_connection(tenant, connection);
    }

    /// Drops what is in memory of a tenant.
    pub fn forget_tenant(&self, tenant: &TenantId) {
        self.0.unsaved.forget(tenant, None);
        self.0.tokens.forget_tenant(tenant);
    }

    /// Waits, up to `patience`, until what is being renewed is written down: to be called before the program ends.
    /// False if something was not.
    pub async fn settle(&self, patience: Duration) -> bool {
        self.0.tasks.close();
        tokio::time::timeout(patience, self.0.tasks.wait()).await.is_ok()
    }
}

impl Inner {
    /// A token that is not in memory, or may no longer be given out from there.
    async fn find(self: &Arc<Self>, key: &CredentialKey) -> Outcome {
        if let Some(token) = self.unsaved.get(key, self.ambient.now()) {
            return Ok(token);
        }
        let look = self.looks.join(key, (), &self.tasks, || look(Arc::clone(self), key.clone()));
        let token = match look.outcome.await? {
            Some(token) => token,
            None => self.renew(key, Demand::Need).await?,
        };
        if let Some(entry) = self.tokens.get(key) {
            self.use_entry(key, &entry, self.ambient.now());
        }
        Ok(token)
    }

    fn use_entry(self: &Arc<Self>, key: &CredentialKey, entry: &Entry, now: Timestamp) {
        if entry.notes_use(now) {
            self.uses.note(key, now);
        }
        if entry.begins_renewal(now) {
            drop(self.join(key, Demand::Ahead));
        }
    }

    async fn renew(self: &Arc<Self>, key: &CredentialKey, demand: Demand) -> Outcome {
        for _ in 0..MAX_FLIGHTS {
            let flight = self.join(key, demand);
            let outcome = flight.outcome.await;
            if flight.is_own || is_accepted(demand, flight.demand, &outcome, self.ambient.now()) {
                return outcome;
            }
        }
        Err(Error::Interrupted)
    }

    fn join(
        self: &Arc<Self>,
        key: &CredentialKey,
        demand: Demand,
    ) -> flight::Flight<Arc<AccessToken>, Demand> {
        self.renewals
            .join(key, demand, &self.tasks, || renewal::obtain(Arc::clone(self), key.clone(), demand))
    }

    /// Keeps a token that was read and is to be served. What the background reads for itself displaces nothing.
    fn keep(&self, key: &CredentialKey, stored: &Stored, demand: Option<Demand>, epoch: u64) {
        if demand == Some(Demand::Background) && !self.tokens.contains(key) {
            return;
        }
        let now = self.ambient.now();
        if !stored.state.is_sure(now) {
            return;
        }
        let quiet = stored.state.quiet_until().filter(|until| *until > now);
        // Where a renewal was just tried in vain, the next is not begun at the next use.
        let quiet = quiet.or_else(|| demand.map(|_| now.plus(AHEAD_PAUSE)));
        let term = &stored.state.term;
        let entry = Entry::new(Arc::clone(&stored.token), term, now, quiet, stored.last_used_at);
        self.tokens.insert(key, entry, epoch);
    }

    /// Keeps a token that was just got.
    fn keep_renewed(&self, key: &CredentialKey, stored: &Stored, demand: Demand, new: &Renewal, epoch: u64) {
        if demand == Demand::Background && !self.tokens.contains(key) {
            return;
        }
        let now = self.ambient.now();
        let entry = Entry::new(Arc::clone(&new.token), &new.term, now, None, stored.last_used_at);
        self.tokens.insert(key, entry, epoch);
    }

    fn random(&self) -> u64 {
        u64::from_be_bytes(self.ambient.bytes())
    }
}

/// Reads a token for all who want it at the moment. `None` if there is something to be done first.
async fn look(vault: Arc<Inner>, key: CredentialKey) -> Result<Option<Arc<AccessToken>>, Error> {
    let epoch = vault.tokens.epoch();
    let Some(stored) = Stored::load(&vault, &key).await? else {
        vault.tokens.forget(&key);
        return Err(Error::ConnectionRequired);
    };
    match stored.state.decide(Demand::Need, None, vault.ambient.now()) {
        Step::Serve => {
            vault.keep(&key, &stored, None, epoch);
            Ok(Some(stored.token))
        }
        Step::Fail(error) => Err(error),
        Step::Wait | Step::Redeem | Step::GiveUp(_) => Ok(None),
    }
}

/// Whether what came of others' work is what `demand` asks for.
fn is_accepted(demand: Demand, flown: Demand, outcome: &Outcome, now: Timestamp) -> bool {
    match outcome {
        Ok(token) => {
            let is_alive = token.expires_at.is_none_or(|end| now < end);
            let is_new = match demand {
                Demand::Need | Demand::Ahead | Demand::Background => true,
                Demand::Forced(_) if matches!(flown, Demand::Forced(_)) => true,
                Demand::Rejected(version) | Demand::Forced(Some(version)) => token.version != version,
                Demand::Forced(None) => false,
            };
            is_alive && is_new
        }
        Err(Error::ConnectionRequired | Error::ReauthorizationRequired(_)) => true,
        Err(_) => std::mem::discriminant(&demand) == std::mem::discriminant(&flown),
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("replica", &self.0.replica).finish_non_exhaustive()
    }
}
