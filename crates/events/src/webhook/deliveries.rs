//! What became of webhooks: listed, looked into, and delivered again.

use bytes::Bytes;
use model::{PluginId, TenantId, Timestamp};
use storage::Tx;

use super::store::listing::{self, DeliveryRow, Order, Wanted};
use super::store::webhooks;
use super::{Webhooks, stored};
use crate::Error;
pub use crate::delivery::State;
use crate::delivery::{Queue, Touch, touch};

/// How many deliveries of all kinds one look goes through, and how many looks one request has.
const EXAMINED: i64 = 2000;
const LOOKS: usize = 5;

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
        for _ in 0..LOOKS {
            let left = limit.saturating_sub(i64::try_from(found.len()).unwrap_or(limit));
            let listed = listing::list(&mut conn, wanted, order, (left, EXAMINED)).await?;
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

    /// Has a webhook delivered once more; or, where the delivery waits, at once. Gives the delivery that is to come.
    ///
    /// # Errors
    /// [`Error::NoSuchWebhookDelivery`].
    pub async fn replay(&self, tenant: &TenantId, id: i64) -> Result<WebhookDelivery, Error> {
        let now = self.0.ambient.now();
        let mut tx = self.0.database.begin().await?;
        let row = listing::find(&mut tx, tenant, id).await?.ok_or(Error::NoSuchWebhookDelivery)?;
        let id = if listing::make_due(&mut tx, &row, now).await? {
            row.seq
        } else {
            let made = listing::again(&mut tx, &[row.seq], now).await?;
            made.first().copied().ok_or(Error::NoSuchWebhookDelivery)?
        };
        let queues = wake(&mut tx, tenant, &[row], now).await?;
        let made = listing::find(&mut tx, tenant, id).await?;
        tx.commit().await?;
        (self.0.wake)(&queues.into_iter().collect());
        made.as_ref().and_then(delivery).ok_or(Error::NoSuchWebhookDelivery)
    }

    /// Has many delivered once more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn replay_range(&self, tenant: &TenantId, range: &Range) -> Result<Replayed, Error> {
        let limit = i64::from(range.limit.unwrap_or(100).clamp(1, MAX_RANGE));
        let wanted = Wanted {
            plugin: range.plugin.as_ref().map(PluginId::as_str),
            state: Some(range.state.unwrap_or(State::Failed).as_str()),
            received: (range.from, range.before),
            only_unreplayed: true,
            ..Wanted::default()
        };
        let order = Order::OldestFirst(range.after.unwrap_or(0));
        let (rows, next) = self.look((tenant, &wanted), order, limit).await?;
        if rows.is_empty() {
            return Ok(Replayed { count: 0, next });
        }
        let now = self.0.ambient.now();
        let mut tx = self.0.database.begin().await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.seq).collect();
        let made = listing::again(&mut tx, &ids, now).await?;
        let queues = wake(&mut tx, tenant, &rows, now).await?;
        tx.commit().await?;
        (self.0.wake)(&queues.into_iter().collect());
        Ok(Replayed { count: made.len(), next })
    }
}

/// Says of the queues of `rows` that there is something to do.
async fn wake(
    tx: &mut Tx,
    tenant: &TenantId,
    rows: &[DeliveryRow],
    now: Timestamp,
) -> Result<Vec<Queue>, Error> {
    let queues = rows.iter().filter_map(|row| {
        let plugin = row.plugin_id.parse().ok()?;
        Some(Queue::Webhooks { tenant: tenant.clone(), plugin, plugin_key: row.plugin_key.clone() })
    });
    let queues: std::collections::BTreeSet<Queue> = queues.collect();
    touch(tx, queues.iter().map(|queue| Touch { queue, due_at: now })).await?;
    Ok(queues.into_iter().collect())
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
