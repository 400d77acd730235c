//! Reading the log: in pages, and as it grows.

mod follower;
mod hubs;
mod relay;
mod retention;
mod rights;
mod tail;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use model::{Ambient, EventPattern, TenantId};
use storage::{Database, LogPage, Migration, TenantData, Wanted, last_event, log_page};
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

pub use follower::{Follower, Following, Step};
pub use hubs::{Audience, Shape, Told, Topic};
pub use relay::Relay;
pub use retention::{Retention, Swept};

use crate::Error;
use hubs::{Hubs, Key};
use rights::{KnownRights, Rights};

pub(crate) use relay::TABLE as RELAY;

/// The tables of retention and of what pages may do.
pub(crate) const TABLES: Migration = Migration {
    version: 2026_11_21_49,
    name: "what pages may emit and follow, and how far the log was removed",
    // `expired_through`: everything before or at this place may be gone. `counted_through`: the sizes of all events through here
    // are in `bytes`.
    sql: "
        CREATE TABLE event_policy (
            tenant TEXT PRIMARY KEY,
            policy TEXT NOT NULL,
            changed_at BIGINT NOT NULL
        );
        CREATE TABLE event_retention (
            singleton BIGINT PRIMARY KEY,
            expired_through BIGINT NOT NULL,
            counted_through BIGINT NOT NULL,
            bytes BIGINT NOT NULL,
            counted_at BIGINT NOT NULL
        );
        INSERT INTO event_retention (singleton, expired_through, counted_through, bytes, counted_at)
            VALUES (1, 0, 0, 0, 0);
    ",
};

/// What pages may emit and follow in a tenant.
pub(crate) const POLICY_ROWS: TenantData = TenantData {
    name: "event policies",
    delete: |tx, tenant, _| Box::pin(crate::publish::delete_policy(tx, tenant)),
};

/// How many may follow the log at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// In this process. Strangers have at most a quarter of them, and those of one address a quarter of that.
    pub streams: usize,
    /// Of one tenant in this process, of each topic: as many with a credential, and as many strangers.
    pub streams_per_tenant: usize,
}

/// What of a tenant's events somebody may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// All of them.
    All,
    /// What the tenant's plugins listen to, as far as its policy lets users follow that: of this server's own events, only what
    /// they name.
    OfPlugins,
}

/// Tells what a tenant's plugins listen to.
#[async_trait]
pub trait Listens: Send + Sync {
    /// The types that plugins which are installed and switched on in `tenant` have in `listens`.
    async fn listens(&self, tenant: &TenantId) -> Result<Vec<EventPattern>, Error>;
}

/// The log, for those who follow it. Cheap to clone.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    database: Database,
    listens: Arc<dyn Listens>,
    relay: Option<Relay>,
    bounds: Bounds,
    hubs: Mutex<Hubs>,
    rights: KnownRights,
    /// The place that has been told to whoever listens; `None` while nobody does.
    position: watch::Sender<Option<i64>>,
    entered: Notify,
    relayed: AtomicU64,
    closed: CancellationToken,
    ambient: Ambient,
}

impl Feed {
    /// The log of `database`, which `relay` carries to all processes where there is one. Nothing is told until [`Feed::run`] is running.
    pub fn new(
        database: Database,
        listens: Arc<dyn Listens>,
        relay: Option<Relay>,
        bounds: Bounds,
        ambient: Ambient,
    ) -> Self {
        Self(Arc::new(Inner {
            database,
            listens,
            relay,
            bounds,
            hubs: Mutex::default(),
            rights: KnownRights::new(),
            position: watch::Sender::new(None),
            entered: Notify::new(),
            relayed: AtomicU64::new(0),
            closed: CancellationToken::new(),
            ambient,
        }))
    }

    /// The events after place `after` that are of one of these `types` (of any where there are none) and may be read; at most `limit`
    /// (1 to 1,000), about 4 MiB, and after looking at 10,000 at most: a page may be empty and yet not the last.
    ///
    /// # Errors
    /// [`Error::Gone`] where the log no longer has what follows.
    pub async fn page(
        &self,
        (tenant, readable): (Option<&TenantId>, Readable),
        types: &[EventPattern],
        after: Option<i64>,
        limit: i64,
    ) -> Result<LogPage, Error> {
        let rights = match tenant {
            Some(tenant) if readable == Readable::OfPlugins => Some(self.read_rights(tenant).await?),
            _ => None,
        };
        let wanted = wanted(tenant, types, rights.as_ref());
        if let Some(after) = after {
            return self.read(&wanted, after, limit).await;
        }
        let mut conn = self.0.database.read().await?;
        let after = retention::expired_through(&mut conn).await?;
        Ok(log_page(&mut conn, &wanted, after, limit).await?)
    }

    /// Begins to follow the log.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`], and those of the database.
    pub async fn follow(&self, following: Following) -> Result<Follower, Error> {
        Follower::begin(self.clone(), following).await
    }

    /// Ends all that follow the log: to be called when the server ends.
    pub fn close(&self) {
        self.0.closed.cancel();
    }

    /// How many follow the log in this process.
    pub fn streams(&self) -> usize {
        self.hubs().len()
    }

    /// How many events the relay has brought to those who follow the log in this process, so that the database was not read for them.
    pub fn relayed(&self) -> u64 {
        self.0.relayed.load(Ordering::Relaxed)
    }

    async fn read(&self, wanted: &Wanted, after: i64, limit: i64) -> Result<LogPage, Error> {
        let mut conn = self.0.database.read().await?;
        let page = log_page(&mut conn, wanted, after, limit).await?;
        // Asked afterwards, so that what was removed meanwhile is noticed.
        let oldest = retention::expired_through(&mut conn).await?;
        let is_ahead = retention::is_ahead(&mut conn, after, oldest).await?;
        if after < oldest || is_ahead { Err(Error::Gone { oldest }) } else { Ok(page) }
    }

    /// What users may read in `tenant`, with the changes through `place` counted in.
    async fn rights(&self, tenant: &TenantId, place: i64) -> Result<Arc<Rights>, Error> {
        self.0.rights.counting(tenant, place, self.read_rights(tenant)).await
    }

    async fn read_rights(&self, tenant: &TenantId) -> Result<Rights, Error> {
        // First: all that was changed before it is seen from here on.
        let mut conn = self.0.database.read().await?;
        let through = last_event(&mut conn).await?;
        drop(conn);
        let mut lists = vec![self.0.listens.listens(tenant).await?];
        lists.extend(crate::publish::read_policy(&self.0.database, tenant).await?.follow);
        Ok(Rights { through, lists })
    }

    fn enter(&self, key: &Key, audience: Audience) -> Result<broadcast::Receiver<Arc<Told>>, Error> {
        let receiver = self.hubs().enter(key, audience, self.0.bounds)?;
        self.0.entered.notify_one();
        Ok(receiver)
    }

    /// Comes once the log is followed for those who listen.
    async fn is_followed(&self) {
        // The sender is this feed's own.
        let _ = self.0.position.subscribe().wait_for(Option::is_some).await;
    }

    fn position(&self) -> Option<i64> {
        *self.0.position.borrow()
    }

    fn hubs(&self) -> MutexGuard<'_, Hubs> {
        // Nothing in there can be left half done.
        self.0.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("streams", &self.streams()).finish_non_exhaustive()
    }
}

/// Events of these types (of all where there are none), as far as `rights` let somebody read them; without `rights`, all.
fn wanted(tenant: Option<&TenantId>, types: &[EventPattern], rights: Option<&Rights>) -> Wanted {
    let own_by_name = rights.is_some();
    let mut lists = rights.map(|rights| rights.lists.clone()).unwrap_or_default();
    if !types.is_empty() {
        lists.push(types.to_vec());
    }
    Wanted { tenant: tenant.cloned(), types: lists, own_by_name }
}

/// What becomes of installations.
fn installations() -> Vec<EventPattern> {
    "jackfield.installation.*".parse().into_iter().collect()
}
