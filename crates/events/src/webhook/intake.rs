//! Keeping webhooks: many in one transaction, each once, with its delivery.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::{Ambient, Timestamp};
use moka::future::Cache;
use storage::{Database, Error as StorageError, Tx, WriteTogether};

use super::store::replies::{self, Reply};
use super::store::webhooks::{self, NewWebhook};
use crate::Error;
use crate::delivery::{NewDelivery, Payload, Queue, enqueue};

/// For how long it is remembered how many of a queue are unfinished.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// Of how many queues.
const REMEMBERED: u64 = 10_000;

/// Tells whoever delivers that there is more in these queues.
pub type Wake = Arc<dyn Fn(&BTreeSet<Queue>) + Send + Sync>;

/// A webhook that was found to be its sender's.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) webhook: NewWebhook,
    pub(crate) queue: Queue,
    /// When whoever holds the queue is to deliver it.
    pub(crate) due_at: Timestamp,
}

/// Writes webhooks and the ends of their calls.
pub(crate) struct Intake {
    pub(crate) ambient: Ambient,
}

/// Something to be written.
#[derive(Debug)]
pub(crate) enum Entry {
    Kept(Box<Kept>),
    Reply(Reply),
}

#[async_trait]
impl WriteTogether for Intake {
    type Item = Entry;
    /// The number of a webhook that is new.
    type Outcome = Option<i64>;

    async fn write(&self, tx: &mut Tx, entries: Vec<Entry>) -> Result<Vec<Option<i64>>, StorageError> {
        let now = self.ambient.now();
        let (mut new, mut queued, mut places, mut replied) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut outcomes = vec![None; entries.len()];
        for (place, entry) in entries.into_iter().enumerate() {
            match entry {
                Entry::Kept(kept) => {
                    let Kept { webhook, queue, due_at } = *kept;
                    new.push(webhook);
                    queued.push((queue, due_at));
                    places.push(place);
                }
                Entry::Reply(reply) => replied.push(reply),
            }
        }
        let numbers = webhooks::insert(tx, &new).await?;
        let mut deliveries = Vec::with_capacity(numbers.len());
        for ((number, (queue, due_at)), place) in numbers.into_iter().zip(queued).zip(places) {
            let Some(seq) = number else { continue };
            deliveries.push(NewDelivery {
                queue,
                key: String::new(),
                payload: Payload::Webhook { seq },
                due_at,
            });
            if let Some(outcome) = outcomes.get_mut(place) {
                *outcome = Some(seq);
            }
        }
        enqueue(tx, &deliveries, now).await?;
        replies::conclude(tx, &replied, now).await?;
        Ok(outcomes)
    }
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
