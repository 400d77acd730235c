//! What became of webhooks: listed, looked into, and delivered again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::{PluginId, TenantId, Timestamp};
use storage::Tx;

use super::store::listing::{self, DeliveryRow, Once, Order, Wanted};
use super::store::webhooks;
use super::{Webhooks, stored};
use crate::Error;
pub use crate::delivery::State;
use crate::delivery::{Queue, Touch, touch};

/// How many deliveries of all kinds one look goes through, and how many looks one request has.
const EXAMINED: i64 = 2000;
const LOOKS: usize = 5;

/// How many one look goes through where bodies are searched, each of which may have a MiB.
const SEARCHED: i64 = 100;

/// The most deliveries of one page.
pub const MAX_PAGE: u32 = 200;
/// The most deliveries that one range makes again.
pub const MAX_RANGE: u32 = 1000;

/// Which deliveries are meant.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this plugin.
    pub plugin: Option<PluginId>,
    /// In this state.
    pub state: Option<State>,
    /// With this text in the body, or with this id of the sender's.
    pub search: Option<String>,
    /// Behind this place: the `next` of a page.
    pub after: Option<i64>,
    /// At most so many, up to [`MAX_PAGE`]; 50 where it is `None`.
    pub limit: Option<u32>,
}

/// A delivery of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// Its number.
    pub id: i64,
    /// The number of the webhook, which several deliveries may be of.
    pub webhook: i64,
    /// Which plugin's.
    pub plugin: String,
    /// What has become of it.
    pub state: State,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, while it waits.
    pub due_at: Option<Timestamp>,
    /// The status of the last answer.
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// The delivery that this one repeats.
    pub replay_of: Option<i64>,
    /// When the webhook came in.
    pub received_at: Timestamp,
    /// When the delivery came to its end.
    pub finished_at: Option<Timestamp>,
    /// The sender's own id of the webhook.
    pub sender_id: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// What followed the address.
    pub path: String,
    /// The size of the body in bytes.
    pub size: u64,
}

/// Some deliveries, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The deliveries. There may be fewer than asked for, or none, and still more behind them.
    pub deliveries: Vec<WebhookDelivery>,
    /// What to give as `after` for the next page; `None` at the end.
    pub next: Option<i64>,
}

/// A delivery with its webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The delivery.
    pub delivery: WebhookDelivery,
    /// The query of the webhook.
    pub query: String,
    /// Its headers, without credentials.
    pub headers: Vec<(String, String)>,
    /// Its body, byte for byte.
    pub body: Bytes,
}

/// Which finished deliveries are to be made again, the oldest first. Those that were replayed already are passed over.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// Of this plugin.
    pub plugin: Option<PluginId>,
    /// In this state; [`State::Failed`] where it is `None`. What waits is not replayed.
    pub state: Option<State>,
    /// Received at this moment or later.
    pub from: Option<Timestamp>,
    /// Received before this moment.
    pub before: Option<Timestamp>,
    /// Behind this place: the `next` of an answer.
    pub after: Option<i64>,
    /// At most so many, up to [`MAX_RANGE`]; 100 where it is `None`.
    pub limit: Option<u32>,
}

/// What became of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// How many are delivered again.
    pub count: usize,
    /// What to give as `after` to go on; `None` where there are no more.
    pub next: Option<i64>,
}

impl Webhooks {
    /// The deliveries of a tenant's webhooks.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self, tenant: &TenantId, filter: &Filter) -> Result<Page, Error> {
        let limit = i64::from(filter.limit.unwrap_or(50).clamp(1, MAX_PAGE));
        let wanted = Wanted {
            plugin: filter.plugin.as_ref().map(PluginId::as_str),
            state: filter.state.map(State::as_str),
            search: filter.search.as_deref().filter(|text| !text.is_empty()),
            ..Wanted::default()
        };
        let order = Order::NewestFirst(filter.after.unwrap_or(i64::MAX));
        let (rows, next) = self.look((tenant, &wanted), order, limit).await?;
        Ok(Page { deliveries: rows.iter().filter_map(delivery).collect(), next })
    }

    /// Goes through deliveries until enough are found, or enough was looked at.
    async fn look(
        &self,
        wanted: (&TenantId, &Wanted<'_>),
        mut order: Order,
        limit: i64,
    ) -> Result<(Vec<DeliveryRow>, Option<i64>), Error> {
        let mut conn = self.0.database.read().await?;
        let (mut found, mut next) = (Vec::new(), None);
        let examined = if wanted.1.search.is_some() { SEARCHED } else { EXAMINED };
        for _ in 0..LOOKS {
            let left = limit.saturating_sub(i64::try_from(found.len()).unwrap_or(limit));
            let listed = listing::list(&mut conn, wanted, order, (left, examined)).await?;
            let has_all = i64::try_from(listed.rows.len()).is_ok_and(|count| count >= left);
            found.extend(listed.rows);
            next = listed.next;
            let Some(place) = next.filter(|_| !has_all) else { break };
            order = match order {
                Order::NewestFirst(_) => Order::NewestFirst(place),
                Order::OldestFirst(_) => Order::OldestFirst(place),
            };
        }
        Ok((found, next))
    }

    /// A delivery with what was delivered.
    ///
    /// # Errors
    /// [`Error::NoSuchWebhookDelivery`].
    pub async fn inspect(&self, tenant: &TenantId, id: i64) -> Result<Inspected, Error> {
        let mut conn = self.0.database.read().await?;
        let row = listing::find(&mut conn, tenant, id).await?.ok_or(Error::NoSuchWebhookDelivery)?;
        let request = webhooks::request(&mut conn, tenant, row.webhook_seq).await?;
        let request = request.ok_or(Error::NoSuchWebhookDelivery)?;
        Ok(Inspected {
            delivery: delivery(&row).ok_or(Error::NoSuchWebhookDelivery)?,
            query: request.query,
            headers: stored::pairs(&request.headers),
            body: request.body.into(),
        })
    }

    /// Has a webhook delivered once more; or, where the delivery waits, at once. One that its plugin is at work on stays as it is.
    /// Gives the delivery that is to come.
    ///
    /// # Errors
    /// [`Error::NoSuchWebhookDelivery`], [`Error::NoReceiver`], [`Error::WebhooksDisabled`], [`Error::QueueFull`].
    pub async fn replay(&self, tenant: &TenantId, id: i64) -> Result<WebhookDelivery, Error> {
        let now = self.0.ambient.now();
        let mut conn = self.0.database.read().await?;
        let row = listing::find(&mut conn, tenant, id).await?.ok_or(Error::NoSuchWebhookDelivery)?;
        drop(conn);
        let queue = queue(tenant, &row).ok_or(Error::NoReceiver)?;
        if self.receiver(tenant, plugin_of(&row).ok_or(Error::NoReceiver)?).await? != row.plugin_key {
            return Err(Error::NoReceiver);
        }
        let mut tx = self.0.database.begin().await?;
        // Whoever replays into this queue at the same time waits here.
        touch(&mut tx, [Touch { queue: &queue, due_at: now, has_changed: true }]).await?;
        listing::make_due(&mut tx, (tenant, id), now).await?;
        let row = listing::find(&mut tx, tenant, id).await?.ok_or(Error::NoSuchWebhookDelivery)?;
        let id = if row.finished_at.is_none() {
            id
        } else {
            if self.left(&mut tx, &queue).await? == 0 {
                return Err(Error::QueueFull);
            }
            let made = listing::again(&mut tx, (tenant, &[id]), Once::OrAgain, now).await?;
            made.first().copied().ok_or(Error::NoSuchWebhookDelivery)?
        };
        let made = listing::find(&mut tx, tenant, id).await?;
        tx.commit().await?;
        (self.0.wake)(&[queue].into());
        made.as_ref().and_then(delivery).ok_or(Error::NoSuchWebhookDelivery)
    }

    /// Has many delivered once more, each once. Those of installations that are gone or switched off are passed over.
    ///
    /// # Errors
    /// [`Error::QueueFull`]; where one plugin is meant, [`Error::NoReceiver`], [`Error::WebhooksDisabled`].
    pub async fn replay_range(&self, tenant: &TenantId, range: &Range) -> Result<Replayed, Error> {
        let limit = i64::from(range.limit.unwrap_or(100).clamp(1, MAX_RANGE));
        let plugin_key = match &range.plugin {
            Some(plugin) => Some(self.receiver(tenant, plugin.clone()).await?),
            None => None,
        };
        let wanted = Wanted {
            plugin: range.plugin.as_ref().map(PluginId::as_str),
            plugin_key: plugin_key.as_deref(),
            state: Some(range.state.unwrap_or(State::Failed).as_str()),
            received: (range.from, range.before),
            only_unreplayed: true,
            ..Wanted::default()
        };
        let order = Order::OldestFirst(range.after.unwrap_or(0));
        let (rows, next) = self.look((tenant, &wanted), order, limit).await?;
        let rows = self.with_receivers(tenant, rows).await?;
        if rows.is_empty() {
            return Ok(Replayed { count: 0, next });
        }
        let now = self.0.ambient.now();
        let queues: BTreeSet<Queue> = rows.iter().map(|(queue, _)| queue.clone()).collect();
        let mut tx = self.0.database.begin().await?;
        // Whoever replays into these queues at the same time waits here.
        touch(&mut tx, queues.iter().map(|queue| Touch { queue, due_at: now, has_changed: false })).await?;
        let mut left = BTreeMap::new();
        for queue in &queues {
            left.insert(queue, self.left(&mut tx, queue).await?);
        }
        let has_room = |(queue, _): &&(Queue, i64)| {
            left.get_mut(queue).and_then(|left| left.checked_sub(1).map(|less| *left = less)).is_some()
        };
        let ids: Vec<i64> = rows.iter().take_while(has_room).map(|(_, id)| *id).collect();
        if ids.is_empty() {
            return Err(Error::QueueFull);
        }
        let made = listing::again(&mut tx, (tenant, &ids), Once::Only, now).await?;
        tx.commit().await?;
        (self.0.wake)(&queues);
        // What there was no room for comes with the next request.
        let next = if ids.len() < rows.len() { ids.last().copied() } else { next };
        Ok(Replayed { count: made.len(), next })
    }

    /// The key of the installation of `plugin` that takes webhooks now.
    async fn receiver(&self, tenant: &TenantId, plugin: PluginId) -> Result<String, Error> {
        let door = self.installed(tenant, &plugin).await?.ok_or(Error::NoReceiver)?;
        if !door.enabled {
            return Err(Error::WebhooksDisabled(plugin.to_string()));
        }
        Ok(door.plugin_key.clone())
    }

    /// The queues of those of `rows` whose installations take webhooks now, with their numbers.
    async fn with_receivers(
        &self,
        tenant: &TenantId,
        rows: Vec<DeliveryRow>,
    ) -> Result<Vec<(Queue, i64)>, Error> {
        let mut receivers: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut found = Vec::new();
        for row in rows {
            let Some((plugin, queue)) = plugin_of(&row).zip(queue(tenant, &row)) else { continue };
            if !receivers.contains_key(&row.plugin_id) {
                let key = match self.receiver(tenant, plugin).await {
                    Err(Error::NoReceiver | Error::WebhooksDisabled(_)) => None,
                    key => Some(key?),
                };
                receivers.insert(row.plugin_id.clone(), key);
            }
            if receivers.get(&row.plugin_id).is_some_and(|key| key.as_ref() == Some(&row.plugin_key)) {
                found.push((queue, row.seq));
            }
        }
        Ok(found)
    }

    /// How many more may be put into a queue.
    async fn left(&self, tx: &mut Tx, queue: &Queue) -> Result<usize, Error> {
        let most = i64::from(self.0.settings.most_unfinished);
        let unfinished = webhooks::unfinished(tx, queue, most).await?;
        Ok(usize::try_from(most - unfinished).unwrap_or(0))
    }
}

fn plugin_of(row: &DeliveryRow) -> Option<PluginId> {
    row.plugin_id.parse().ok()
}

/// The queue that a delivery is in; `None` for one of a later version.
fn queue(tenant: &TenantId, row: &DeliveryRow) -> Option<Queue> {
    let (tenant, plugin_key) = (tenant.clone(), row.plugin_key.clone());
    Some(Queue::Webhooks { tenant, plugin: plugin_of(row)?, plugin_key })
}

/// A delivery as it is told; `None` for a state of a later version.
fn delivery(row: &DeliveryRow) -> Option<WebhookDelivery> {
    let state = State::read(&row.state)?;
    Some(WebhookDelivery {
        id: row.seq,
        webhook: row.webhook_seq,
        plugin: row.plugin_id.clone(),
        state,
        attempts: row.attempts,
        due_at: (state == State::Pending).then(|| Timestamp::from_millisecond(row.due_at)),
        last_status: row.last_status.and_then(|status| u16::try_from(status).ok()),
        last_error: row.last_error.clone(),
        replay_of: row.replay_of,
        received_at: Timestamp::from_millisecond(row.received_at),
        finished_at: row.finished_at.map(Timestamp::from_millisecond),
        sender_id: row.sender_id.clone(),
        method: row.method.clone(),
        path: row.path.clone(),
        size: u64::try_from(row.size).unwrap_or(0),
    })
}
