//! What is put into queues: one for each receiver, with what it is yet to be given, in order.

use std::collections::BTreeMap;

use model::{PluginId, TenantId, Timestamp};
use sqlx::QueryBuilder;
use storage::{Tx, batches, on};

/// How many rows one statement writes: SQLite and PostgreSQL allow 32,766 places in one, and more.
const ROWS: usize = 500;

/// Which receiver: all that is in one queue goes to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// A subscription, by its id.
    Subscription {
        /// Whose subscription it is.
        tenant: TenantId,
        /// Its id.
        id: String,
    },
    /// The handlers of a plugin that want events.
    Hooks {
        /// Where the plugin is installed.
        tenant: TenantId,
        /// The plugin's id.
        plugin: PluginId,
        /// What tells the plugin from all others, for ever.
        plugin_key: String,
    },
    /// The handler of a plugin that takes webhooks.
    Webhooks {
        /// Where the plugin is installed.
        tenant: TenantId,
        /// The plugin's id.
        plugin: PluginId,
        /// What tells the plugin from all others, for ever.
        plugin_key: String,
    },
}

impl Queue {
    /// Its name in the database.
    pub fn name(&self) -> String {
        match self {
            Self::Subscription { id, .. } => format!("subscription/{id}"),
            Self::Hooks { tenant, plugin_key, .. } => format!("hooks/{tenant}/{plugin_key}"),
            Self::Webhooks { tenant, plugin_key, .. } => format!("webhooks/{tenant}/{plugin_key}"),
        }
    }

    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Subscription { tenant, .. }
            | Self::Hooks { tenant, .. }
            | Self::Webhooks { tenant, .. } => tenant,
        }
    }

    /// The word for what kind it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Subscription { .. } => "subscription",
            Self::Hooks { .. } => "hooks",
            Self::Webhooks { .. } => "webhooks",
        }
    }

    /// The id of the subscription or of the plugin.
    pub(crate) fn receiver(&self) -> &str {
        match self {
            Self::Subscription { id, .. } => id,
            Self::Hooks { plugin, .. } | Self::Webhooks { plugin, .. } => plugin.as_str(),
        }
    }

    /// The plugin's key, where it is a plugin's.
    pub(crate) fn plugin_key(&self) -> Option<&str> {
        match self {
            Self::Subscription { .. } => None,
            Self::Hooks { plugin_key, .. } | Self::Webhooks { plugin_key, .. } => Some(plugin_key),
        }
    }

    /// The queue of a row; `None` for a kind of a later version of this program.
    pub(crate) fn read(kind: &str, tenant: &str, receiver: &str, plugin_key: Option<&str>) -> Option<Self> {
        let tenant = tenant.parse().ok()?;
        match kind {
            "subscription" => Some(Self::Subscription { tenant, id: receiver.to_owned() }),
            "hooks" => Some(Self::Hooks {
                tenant,
                plugin: receiver.parse().ok()?,
                plugin_key: plugin_key?.to_owned(),
            }),
            "webhooks" => Some(Self::Webhooks {
                tenant,
                plugin: receiver.parse().ok()?,
                plugin_key: plugin_key?.to_owned(),
            }),
            _ => None,
        }
    }
}

/// What is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// An event of the log.
    Event {
        /// Its place.
        seq: i64,
        /// The handler of the plugin; empty where an endpoint gets it.
        handler: String,
    },
    /// A webhook that was stored, by its number. [`super::StoredWebhooks`] finds it.
    Webhook {
        /// Its number.
        seq: i64,
    },
}

/// Something that a receiver is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// To whom.
    pub queue: Queue,
    /// Of one key in one queue, the next is delivered once the one before has been, or has failed for good. What has an empty
    /// key waits for nothing.
    pub key: String,
    /// What.
    pub payload: Payload,
    /// Not before this moment.
    pub due_at: Timestamp,
}

/// Puts deliveries into their queues, in their order, within the caller's transaction. An event is put once into a queue for a
/// handler, however often it is tried.
///
/// # Errors
/// Those of the database.
pub async fn enqueue(tx: &mut Tx, deliveries: &[NewDelivery], now: Timestamp) -> Result<(), storage::Error> {
    // First the queues' rows, which others then wait for: so places grow in the order of committing, as who reads on needs it.
    touch(tx, deliveries.iter().map(Touch::of)).await?;
    put(tx, deliveries, now).await
}

/// Puts deliveries into their queues, which have been [touched](touch) before.
pub(crate) async fn put(
    tx: &mut Tx,
    deliveries: &[NewDelivery],
    now: Timestamp,
) -> Result<(), storage::Error> {
    for rows in batches(deliveries, ROWS) {
        insert(tx, rows, now).await?;
    }
    Ok(())
}

async fn insert(tx: &mut Tx, rows: &[NewDelivery], now: Timestamp) -> Result<(), storage::Error> {
    Ok(on!(tx, |c| {
        let mut query = QueryBuilder::new(
            "INSERT INTO delivery (tenant, queue, ordering_key, event_seq, webhook_seq, handler, state, attempts, \
             due_at, created_at) ",
        );
        query.push_values(rows, |mut row, delivery| {
            let (event, webhook, handler) = match &delivery.payload {
                Payload::Event { seq, handler } => (Some(*seq), None, handler.as_str()),
                Payload::Webhook { seq } => (None, Some(*seq), ""),
            };
            row.push_bind(delivery.queue.tenant().as_str()).push_bind(delivery.queue.name());
            row.push_bind(&delivery.key).push_bind(event).push_bind(webhook).push_bind(handler);
            row.push("'pending'").push("0");
            row.push_bind(delivery.due_at.as_millisecond()).push_bind(now.as_millisecond());
        });
        query.push(
            " ON CONFLICT (event_seq, queue, handler) WHERE event_seq IS NOT NULL AND replay_of IS NULL DO NOTHING",
        );
        query.build().execute(c).await.map(drop)
    })?)
}

/// That there is something to do for a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touch<'a> {
    pub(crate) queue: &'a Queue,
    /// From when on.
    pub(crate) due_at: Timestamp,
    /// Rows have changed that its holder may have read already.
    pub(crate) has_changed: bool,
}

impl<'a> Touch<'a> {
    /// There is one more.
    pub(crate) fn of(delivery: &'a NewDelivery) -> Self {
        Self { queue: &delivery.queue, due_at: delivery.due_at, has_changed: false }
    }
}

/// Says of queues that there is something to do. In the order of their names, so that two who do so never wait for each other
/// in a circle; whoever locks deliveries, too, locks them after.
pub(crate) async fn touch<'a>(
    tx: &mut Tx,
    touches: impl IntoIterator<Item = Touch<'a>>,
) -> Result<(), storage::Error> {
    let mut due: BTreeMap<String, (&Queue, i64, i64)> = BTreeMap::new();
    for Touch { queue, due_at, has_changed } in touches {
        let (at, nudge) = (due_at.as_millisecond(), i64::from(has_changed));
        let entry = due.entry(queue.name()).or_insert((queue, at, nudge));
        (entry.1, entry.2) = (entry.1.min(at), entry.2.max(nudge));
    }
    let due: Vec<_> = due.into_iter().collect();
    for queues in batches(&due, ROWS) {
        on!(tx, |c| {
            let mut query = QueryBuilder::new(
                "INSERT INTO delivery_queue (queue, tenant, kind, receiver, plugin_key, due_at, stamp, nudge, halted, \
                 lease_until) ",
            );
            query.push_values(queues, |mut row, (name, (queue, due_at, nudge))| {
                row.push_bind(name).push_bind(queue.tenant().as_str()).push_bind(queue.kind());
                row.push_bind(queue.receiver()).push_bind(queue.plugin_key()).push_bind(*due_at);
                row.push("1").push_bind(*nudge).push("0").push("0");
            });
            query.push(
                " ON CONFLICT (queue) DO UPDATE SET stamp = delivery_queue.stamp + 1, \
                 nudge = delivery_queue.nudge + excluded.nudge, receiver = excluded.receiver, \
                 due_at = CASE WHEN delivery_queue.due_at < excluded.due_at THEN delivery_queue.due_at \
                 WHEN delivery_queue.not_before <= excluded.due_at OR excluded.nudge > 0 THEN excluded.due_at \
                 WHEN delivery_queue.due_at < delivery_queue.not_before THEN delivery_queue.due_at \
                 ELSE delivery_queue.not_before END",
            );
            query.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_read_as_it_was_written() {
        let (tenant, plugin): (TenantId, PluginId) = ("acme".parse().unwrap(), "crm".parse().unwrap());
        let plugin_key = "01J".to_owned();
        for queue in [
            Queue::Subscription { tenant: tenant.clone(), id: "s1".into() },
            Queue::Hooks { tenant: tenant.clone(), plugin: plugin.clone(), plugin_key: plugin_key.clone() },
            Queue::Webhooks { tenant: tenant.clone(), plugin, plugin_key },
        ] {
            let read = Queue::read(queue.kind(), "acme", queue.receiver(), queue.plugin_key());
            assert_eq!(read, Some(queue));
        }
        assert_eq!(Queue::read("later", "acme", "x", None), None);
        assert_eq!(Queue::read("hooks", "acme", "crm", None), None);
    }
}
