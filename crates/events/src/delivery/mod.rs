//! Deliveries: what receivers are yet to be given, and giving it to them.
//!
//! A *queue* is what one receiver is given, in order: of each subscription, of each plugin's handlers in a tenant, of each
//! plugin's webhooks in a tenant. What is put into one ([`enqueue`]) is a row, committed with what it comes of.
//!
//! One process at a time reads the log and puts events into the queues of those who want them (`fan_out`). A queue that is halted, or has
//! 10,000 unfinished ones, is put nothing into: it notes where it is behind, and is given the rest later (`catch_up`). So what waits in
//! the log for a receiver that is paused costs nothing.
//!
//! Each process takes whole queues by a lease and works on them (`worker`, `runner`): of each key one after the other, of a queue eight
//! at once. A receiver that fails or hangs is tried alone and ever more seldom, and all such together have half of the places, so
//! that others wait for none of them. What came of attempts is written many at a time (`writer`). At least once: where a process ends between an attempt's end and its being written down, it is made again.

mod catch_up;
mod fan_out;
mod list;
mod payloads;
mod queue;
mod receive;
mod retry;
mod room;
mod runner;
mod schema;
mod store;
mod window;
mod worker;
mod writer;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::{Ambient, TenantId};
use storage::{Database, LogReader};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use fan_out::Target;
pub use list::{Delivery, Filter, Page, REPLAYED_AT_ONCE, Range, Replayed, State};
pub use queue::{NewDelivery, Payload, Queue, enqueue};
pub(crate) use queue::{Touch, put, touch};
pub(crate) use receive::{Outcome, Parcel, PluginReceiver, Receiver, Refused, told, took_too_long};
pub(crate) use retry::{Conclusion, conclude_first};
pub(crate) use schema::{DELIVERIES, DELIVERY_ROWS, EVENTS_BY_ID, PAUSES, QUEUE_ROWS, delete, rows};
pub(crate) use store::queues;

use crate::subscription::Endpoints;
use crate::{Error, Plugins, Request};

/// How much one process does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many queues it holds; at least 1.
    pub queues: u32,
    /// How many attempts it makes.
    pub attempts: usize,
    /// How many of them for one tenant.
    pub attempts_per_tenant: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { queues: 512, attempts: 256, attempts_per_tenant: 32 }
    }
}

/// How many unfinished ones a queue may have before no more events are put into it.
pub(crate) const MAX_UNFINISHED: i64 = 10_000;

/// Where the webhooks are that were put into queues.
#[async_trait]
pub trait StoredWebhooks: Send + Sync {
    /// The webhook of this number, as its plugin is to be given it; `None` where it is no longer kept.
    ///
    /// # Errors
    /// Those of the database.
    async fn request(&self, tenant: &TenantId, seq: i64) -> Result<Option<Request>, Error>;
}

/// What deliveries are made with.
pub struct Parts {
    /// Where the log, the queues and the subscriptions are.
    pub database: Database,
    /// What gives events to endpoints.
    pub endpoints: Endpoints,
    /// Installed plugins; `None` where nothing runs them: what is in their queues waits.
    pub plugins: Option<Arc<dyn Plugins>>,
    /// Webhooks that came in; `None` where none do.
    pub webhooks: Option<Arc<dyn StoredWebhooks>>,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// Has deliveries made. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Deliveries(Arc<Inner>);

/// What all deliveries share.
pub(crate) struct Inner {
    database: Database,
    endpoints: Endpoints,
    plugins: Option<Arc<dyn Plugins>>,
    webhooks: Option<Arc<dyn StoredWebhooks>>,
    reader: LogReader,
    memory: tokio::sync::Mutex<fan_out::Memory>,
    /// How far catching up has come.
    round: tokio::sync::Mutex<catch_up::Round>,
    payloads: payloads::Payloads,
    writer: writer::Writer,
    room: room::Room,
    /// Names this process in leases.
    owner: String,
    /// The queues that this process holds, and how their holders are told of what changes.
    held: std::sync::Mutex<HashMap<String, watch::Sender<runner::Signal>>>,
    /// Told when there may be something to do.
    due: Notify,
    slots: Arc<Semaphore>,
    /// How many of the slots may be taken for queues whose receivers fail.
    failing_slots: Arc<Semaphore>,
    bounds: Bounds,
    /// Nothing more is begun.
    stop: CancellationToken,
    /// What is at work is given up.
    cut_off: CancellationToken,
    ambient: Ambient,
}

impl Deliveries {
    /// Deliveries with `parts`. None is made before [`Deliveries::run`].
    pub fn new(parts: Parts) -> Self {
        Self::with_bounds(parts, Bounds::default())
    }

    /// The same, doing no more at once than `bounds`.
    pub fn with_bounds(parts: Parts, bounds: Bounds) -> Self {
        let Parts { database, endpoints, plugins, webhooks, ambient } = parts;
        Self(Arc::new(Inner {
            reader: LogReader::new(schema::READER, &[], database.clone(), ambient.clone()),
            memory: tokio::sync::Mutex::default(),
            round: tokio::sync::Mutex::default(),
            payloads: payloads::Payloads::new(),
            writer: writer::Writer::default(),
            room: room::Room::new(bounds.attempts, bounds.attempts_per_tenant),
            owner: model::new_id(&ambient),
            held: std::sync::Mutex::default(),
            due: Notify::new(),
            slots: Arc::new(Semaphore::new(bounds.queues as usize)),
            failing_slots: Arc::new(Semaphore::new(bounds.queues.div_ceil(2) as usize)),
            bounds,
            stop: CancellationToken::new(),
            cut_off: CancellationToken::new(),
            database,
            endpoints,
            plugins,
            webhooks,
            ambient,
        }))
    }

    /// Drops what this process remembers of what tenants have.
    pub fn forget(&self) {
        self.0.payloads.forget();
    }
}

impl Inner {
    /// Who is given what is in a queue; `None` where there is nobody any more.
    pub(crate) async fn receiver(&self, queue: &Queue) -> Result<Option<Arc<dyn Receiver>>, Error> {
        match queue {
            Queue::Subscription { tenant, id } => {
                self.endpoints.receiver(&self.database, self.plugins.as_ref(), (tenant, id)).await
            }
            Queue::Hooks { tenant, plugin, plugin_key } | Queue::Webhooks { tenant, plugin, plugin_key } => {
                let receiver = self.plugins.as_ref().map(|plugins| PluginReceiver {
                    plugins: Arc::clone(plugins),
                    tenant: tenant.clone(),
                    plugin: plugin.clone(),
                    plugin_key: plugin_key.clone(),
                    handler: None,
                });
                let receiver = receiver.ok_or(Error::NoPlugins)?;
                Ok(Some(Arc::new(receiver)))
            }
        }
    }

    /// Forgets a queue whose receiver is gone.
    pub(crate) async fn remove_queue(&self, name: &str) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        queues::remove(&mut tx, name, "there is nobody to be given it any more", self.ambient.now()).await?;
        Ok(tx.commit().await?)
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").field("owner", &self.0.owner).finish_non_exhaustive()
    }
}
