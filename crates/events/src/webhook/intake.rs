//! Keeping webhooks: many in one transaction, each once, with its delivery.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::{Ambient, Timestamp};
use moka::future::Cache;
use storage::{Database, Error as StorageError, Tx, WriteTogether};

use super::request::Room;
use super::store::replies::{self, Reply};
use super::store::webhooks::{self, NewWebhook};
use crate::Error;
use crate::delivery::{NewDelivery, Payload, Queue, Touch, put, touch};

/// For how long it is remembered how many of a queue are unfinished.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// Of how many queues.
const REMEMBERED: u64 = 10_000;

/// Tells whoever delivers that there is more in these queues.
pub type Wake = Arc<dyn Fn(&BTreeSet<Queue>) + Send + Sync>;

/// A webhook that was found to be its sender's.
pub(crate) struct Kept {
    pub(crate) webhook: NewWebhook,
    pub(crate) queue: Queue,
    /// When whoever holds the queue is to deliver it.
    pub(crate) due_at: Timestamp,
    /// The memory that it takes up.
    pub(crate) _room: Room,
}

/// Writes webhooks and the ends of their calls.
pub(crate) struct Intake {
    pub(crate) ambient: Ambient,
}

/// Something to be written.
pub(crate) enum Entry {
    Kept(Box<Kept>),
    Reply(Reply),
}

#[async_trait]
impl WriteTogether for Intake {
    type Item = Entry;
    /// The number of a webhook that is new.
    type Outcome = Option<i64>;

    /// Rows are locked in one order by all who lock many: webhooks by what tells them apart, then queues, then deliveries.
    async fn write(&self, tx: &mut Tx, entries: &[Entry]) -> Result<Vec<Option<i64>>, StorageError> {
        let now = self.ambient.now();
        let (mut kept, mut replied) = (Vec::new(), Vec::new());
        for (place, entry) in entries.iter().enumerate() {
            match entry {
                Entry::Kept(new) => kept.push((place, &**new)),
                Entry::Reply(reply) => replied.push(reply),
            }
        }
        // Of several that are the same, the first stays the first.
        kept.sort_by_key(|(_, kept)| kept.webhook.key());
        let new: Vec<_> = kept.iter().map(|(_, kept)| &kept.webhook).collect();
        let numbers = webhooks::insert(tx, &new).await?;
        let mut outcomes = vec![None; entries.len()];
        for ((place, _), number) in kept.iter().zip(numbers) {
            if let Some(outcome) = outcomes.get_mut(*place) {
                *outcome = number;
            }
        }
        let deliveries: Vec<_> = entries.iter().zip(&outcomes).filter_map(delivery).collect();
        let replied = replies::unfinished(tx, replied).await?;
        let new = deliveries.iter().map(Touch::of);
        let concluded = replied.iter().map(|reply| Touch {
            queue: &reply.queue,
            due_at: reply.due_at().unwrap_or(now),
            has_changed: true,
        });
        touch(tx, new.chain(concluded)).await?;
        put(tx, &deliveries, now).await?;
        replies::conclude(tx, replied, now).await?;
        Ok(outcomes)
    }

    fn weight(entry: &Entry) -> usize {
        match entry {
            Entry::Kept(kept) => kept.webhook.body.len() + kept.webhook.headers.len(),
            Entry::Reply(_) => 1,
        }
    }
}

/// What is to be delivered of an entry that is new, in the order in which they came.
fn delivery((entry, number): (&Entry, &Option<i64>)) -> Option<NewDelivery> {
    let (Entry::Kept(kept), Some(seq)) = (entry, *number) else { return None };
    let (queue, payload) = (kept.queue.clone(), Payload::Webhook { seq });
    Some(NewDelivery { queue, key: String::new(), payload, due_at: kept.due_at })
}

/// How many webhooks of each installation are unfinished, as far as this process knows: those that it has counted within the
/// last second, and those that it has taken since.
pub(crate) struct Unfinished {
    database: Database,
    most: i64,
    counted: Cache<Queue, Arc<AtomicI64>>,
}

impl Unfinished {
    pub(crate) fn new(database: Database, most: i64) -> Self {
        let counted = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { database, most, counted }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// [`Error::TooManyWebhooks`] where there is no room for it.
    pub(crate) async fn add(&self, queue: &Queue) -> Result<(), Error> {
        let count = self.counted.try_get_with_by_ref(queue, async {
            let mut conn = self.database.read().await?;
            let count = webhooks::unfinished(&mut conn, queue, self.most).await?;
            Ok::<_, StorageError>(Arc::new(AtomicI64::new(count)))
        });
        let count = count.await.map_err(StorageError::Together)?;
        if count.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(Error::TooManyWebhooks);
        }
        Ok(())
    }
}
