//! Looking at deliveries, and having them made again.

use std::time::Duration;

use model::{PluginId, TenantId, Timestamp};

use super::store::{list, queues, rows};
use super::{Deliveries, MAX_UNFINISHED};
use crate::Error;
use crate::subscription::Scope;

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// How many deliveries one request makes again.
pub const REPLAYED_AT_ONCE: u32 = 1000;

/// How many unfinished ones a queue may have, those that were asked for again among them.
const MAX_WITH_REPLAYS: i64 = 2 * MAX_UNFINISHED;

/// How long finished deliveries are kept.
const RETENTION: Duration = Duration::from_hours(30 * 24);

/// How many deliveries one transaction deletes, and how many transactions one sweep has.
const SWEPT_AT_ONCE: i64 = 1000;
const SWEEPS: usize = 50;

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for an attempt, or is being made.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It is tried no more: a dead letter.
    Failed,
    /// There was no point in it any more.
    Skipped,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Failed, Self::Skipped];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The state of this word.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// The delivery of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number. Later ones have larger ones.
    pub id: i64,
    /// The subscription that it is of.
    pub subscription: Option<String>,
    /// The plugin whose hook it is of.
    pub plugin: Option<String>,
    /// The handler that it goes to.
    pub handler: Option<String>,
    /// The event's id, source and type; `None` where the log no longer has it.
    pub event: Option<((String, String), String)>,
    /// The delivery that this one repeats.
    pub replay_of: Option<i64>,
    /// How far it has come.
    pub state: State,
    /// How many attempts were made.
    pub attempts: i64,
    /// When the next attempt is made at the earliest, for one that waits.
    pub due_at: Option<Timestamp>,
    /// The HTTP status of the last attempt.
    pub status: Option<u16>,
    /// What the last attempt failed with, or why it was skipped.
    pub error: Option<String>,
    /// When it was put into its queue.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
}

/// Which deliveries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this subscription.
    pub subscription: Option<String>,
    /// Those of this plugin's hooks.
    pub plugin: Option<PluginId>,
    /// Those in this state.
    pub state: Option<State>,
    /// Those of the event with this id.
    pub event: Option<String>,
}

/// A page of deliveries.
#[derive(Debug)]
pub struct Page {
    /// The deliveries, newest first.
    pub deliveries: Vec<Delivery>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Deliveries that are to be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Those of this subscription.
    pub subscription: Option<String>,
    /// Those of this plugin's hooks.
    pub plugin: Option<PluginId>,
    /// Those that have ended so.
    pub state: State,
    /// Those that were put into their queue at this moment or later.
    pub from: Option<Timestamp>,
    /// Those that were before this moment.
    pub to: Option<Timestamp>,
    /// Those after this number; 0 for all.
    pub after: i64,
    /// Those through this number: what an earlier answer says, so that what is made again meanwhile is not made again itself. Without
    /// it, all that there are now.
    pub through: Option<i64>,
}

/// What was asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// How many deliveries are made again.
    pub count: u64,
    /// After which number the rest is, and through which, where there is more.
    pub next: Option<(i64, i64)>,
}

impl Deliveries {
    /// Deliveries of events to subscriptions and plugins' hooks of a tenant, newest first: 50 where `limit` is left out, 200 at
    /// most. Those of the platform's subscriptions are for who may see them.
    ///
    /// # Errors
    /// [`Error::Cursor`] for a cursor that no page gave.
    pub async fn list(
        &self,
        of: (&TenantId, Scope),
        filter: &Filter,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page, Error> {
        let limit = limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
        let before = cursor.map_or(Ok(i64::MAX), place)?;
        let mut conn = self.0.database.read().await?;
        let mut deliveries = list::list(&mut conn, of, filter, (before, i64::from(limit) + 1)).await?;
        let has_more = deliveries.len() > limit as usize;
        deliveries.truncate(limit as usize);
        let next_cursor = deliveries.last().filter(|_| has_more).map(|delivery| delivery.id.to_string());
        Ok(Page { deliveries, next_cursor })
    }

    /// One delivery.
    ///
    /// # Errors
    /// [`Error::NoSuchDelivery`].
    pub async fn find(&self, of: (&TenantId, Scope), id: i64) -> Result<Delivery, Error> {
        let mut conn = self.0.database.read().await?;
        let found = list::find(&mut conn, of, id).await?;
        found.map(|(_, delivery)| delivery).ok_or(Error::NoSuchDelivery)
    }

    /// Has a delivery that waits made at once; of one that is finished, another that repeats it. Gives the one that will be made.
    ///
    /// # Errors
    /// [`Error::NoSuchDelivery`], [`Error::NoReceiver`], [`Error::QueueFull`].
    pub async fn retry(&self, of: (&TenantId, Scope), id: i64) -> Result<Delivery, Error> {
        let now = self.0.ambient.now();
        let mut tx = self.0.database.begin().await?;
        let (queue, delivery) = list::find(&mut tx, of, id).await?.ok_or(Error::NoSuchDelivery)?;
        // The queue's row is locked before deliveries, and before a new one has its place.
        if !queues::rouse(&mut tx, &queue, now).await? {
            return Err(Error::NoReceiver);
        }
        let id = if delivery.state == State::Pending && list::make_due(&mut tx, id, now).await? {
            id
        } else {
            let unfinished = rows::count_unfinished(&mut tx, &[&queue]).await?;
            if unfinished.first().is_some_and(|(_, count)| *count >= MAX_WITH_REPLAYS) {
                return Err(Error::QueueFull);
            }
            let repeated = list::repeat(&mut tx, &[id], now).await?;
            repeated.first().copied().ok_or(Error::NoSuchDelivery)?
        };
        let (_, delivery) = list::find(&mut tx, of, id).await?.ok_or(Error::NoSuchDelivery)?;
        tx.commit().await?;
        self.0.wake_names([queue]);
        Ok(delivery)
    }

    /// Has finished deliveries of one receiver made again, in their order, behind all that is in its queue: those that were not made again
    /// since they ended so. At most
    /// [`REPLAYED_AT_ONCE`], and as many as its queue has room for.
    ///
    /// # Errors
    /// [`Error::NoReceiver`] where it is gone, [`Error::QueueFull`].
    pub async fn replay(&self, of: (&TenantId, Scope), range: &Range) -> Result<Replayed, Error> {
        let now = self.0.ambient.now();
        let mut tx = self.0.database.begin().await?;
        let through = match range.through {
            Some(through) => through,
            None => list::last(&mut tx).await?,
        };
        let found = list::in_range(&mut tx, of, (range, through), i64::from(REPLAYED_AT_ONCE) + 1).await?;
        let Some((_, queue)) = found.first().cloned() else { return Ok(Replayed { count: 0, next: None }) };
        let counted = rows::count_unfinished(&mut tx, &[&queue]).await?;
        let room = MAX_WITH_REPLAYS - counted.first().map_or(0, |(_, count)| *count);
        let room = usize::try_from(room).unwrap_or(0).min(REPLAYED_AT_ONCE as usize);
        if room == 0 {
            return Err(Error::QueueFull);
        }
        // A plugin that was installed anew has another queue: the rest comes with the next request.
        let of_queue = found.iter().take_while(|(_, name)| *name == queue).take(room);
        let places: Vec<i64> = of_queue.map(|(seq, _)| *seq).collect();
        if !queues::rouse(&mut tx, &queue, now).await? {
            return Err(Error::NoReceiver);
        }
        let repeated = list::repeat(&mut tx, &places, now).await?;
        tx.commit().await?;
        self.0.wake_names([queue]);
        let next = places.last().filter(|_| places.len() < found.len()).map(|last| (*last, through));
        Ok(Replayed { count: repeated.len() as u64, next })
    }

    /// Deletes deliveries that were finished 30 days ago. To be called now and then. Tells how many.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let oldest = self.0.ambient.now().minus(RETENTION);
        let mut swept = 0;
        for _ in 0..SWEEPS {
            let mut tx = self.0.database.begin().await?;
            let count = list::sweep(&mut tx, oldest, SWEPT_AT_ONCE).await?;
            tx.commit().await?;
            swept += count;
            if count < SWEPT_AT_ONCE.unsigned_abs() {
                break;
            }
        }
        Ok(swept)
    }
}

/// The place that a cursor names.
fn place(cursor: &str) -> Result<i64, Error> {
    let is_plain = !cursor.is_empty() && cursor.bytes().all(|byte| byte.is_ascii_digit());
    cursor.parse().ok().filter(|_| is_plain).ok_or(Error::Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_page_gave_is_no_cursor() {
        assert_eq!(place("42").unwrap(), 42);
        for text in ["", "-1", "+1", " 1", "1 ", "٣", "x", &"9".repeat(40)] {
            assert!(matches!(place(text), Err(Error::Cursor)), "{text:?}");
        }
    }
}
