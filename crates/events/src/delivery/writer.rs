//! Writing down what came of attempts: of many at once, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::{Event, EventKind, TenantId, Timestamp};
use serde_json::{Value, json};
use storage::{Tx, events_at};
use tokio::sync::oneshot;

use super::retry::Conclusion;
use super::store::{queues, rows};
use super::window::Row;
use super::{Inner, Queue};
use crate::Error;
use crate::subscription::health;

/// The pauses before what came of attempts is written again; shorter together than a lease.
const WRITING: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// The most that one transaction writes.
const AT_ONCE: usize = 500;

/// What became of an attempt, and whether its queue is let go of.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) queue: Queue,
    pub(crate) done: Option<(Row, Conclusion)>,
    /// The stamp that was seen, and when somebody is to look at the queue again.
    pub(crate) release: Option<(i64, Option<i64>)>,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The queue was let go of.
    pub(crate) is_released: bool,
    /// Nothing more is to be taken out of the queue.
    pub(crate) is_halted: bool,
}

/// Gathers what is to be written while something else is being written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    waiting: Mutex<Vec<(Entry, oneshot::Sender<Written>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl Inner {
    /// Writes `entry`, with whatever else is there to be written. `None` where it could not be: then nothing of it is.
    pub(crate) async fn write(&self, entry: Entry) -> Option<Written> {
        let (told, mut written) = oneshot::channel();
        self.writer.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((entry, told));
        loop {
            tokio::select! {
                biased;
                written = &mut written => return written.ok(),
                turn = self.writer.turn.lock() => {
                    let batch = {
                        let mut waiting = self.writer.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                        let count = waiting.len().min(AT_ONCE);
                        waiting.drain(..count).collect::<Vec<_>>()
                    };
                    self.write_batch(batch).await;
                    drop(turn);
                }
            }
        }
    }

    async fn write_batch(&self, batch: Vec<(Entry, oneshot::Sender<Written>)>) {
        let (entries, told): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        if entries.is_empty() {
            return;
        }
        for pause in WRITING {
            tokio::time::sleep(pause).await;
            match self.apply(&entries).await {
                Ok(written) => {
                    for (told, written) in told.into_iter().zip(written) {
                        // Who does not wait any more was cut off.
                        let _ = told.send(written);
                    }
                    return;
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    deliveries = entries.len(),
                    "what came of deliveries cannot be written down yet"
                ),
            }
        }
        // The leases end, and what is not written is done once more.
    }

    async fn apply(&self, entries: &[Entry]) -> Result<Vec<Written>, Error> {
        let now = self.ambient.now();
        let mut tx = self.database.begin().await?;
        write_delivered(&mut tx, entries, now).await?;
        let mut halted = BTreeSet::new();
        for entry in in_order_of_receivers(entries) {
            if write_other(&mut tx, entry, now).await? {
                halted.insert(entry.queue.name());
            }
        }
        let mut written = vec![Written::default(); entries.len()];
        let mut by_queue: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            by_queue.entry(entry.queue.name()).or_default().push(index);
        }
        for (name, indices) in by_queue {
            let is_halted = halted.contains(&name);
            let queue = indices.first().and_then(|index| entries.get(*index)).map(|entry| &entry.queue);
            if let Some(queue) = queue.filter(|_| is_halted) {
                queues::halt(&mut tx, queue).await?;
            }
            for index in indices {
                let Some((entry, written)) = entries.get(index).zip(written.get_mut(index)) else { continue };
                written.is_halted = is_halted;
                if let Some(release) = entry.release {
                    written.is_released = queues::release(&mut tx, &name, &self.owner, release).await?;
                }
            }
        }
        tx.commit().await?;
        for (entry, (_, conclusion)) in entries.iter().filter_map(|entry| Some((entry, entry.done.as_ref()?)))
        {
            count(&entry.queue, conclusion);
        }
        Ok(written)
    }
}

/// Of one subscription after the other, so that two who write never wait for each other in a circle.
fn in_order_of_receivers(entries: &[Entry]) -> Vec<&Entry> {
    let mut ordered: Vec<_> = entries.iter().collect();
    ordered.sort_by(|one, other| one.queue.receiver().cmp(other.queue.receiver()));
    ordered
}

async fn write_delivered(tx: &mut Tx, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
    let mut delivered: BTreeMap<Option<u16>, Vec<i64>> = BTreeMap::new();
    let mut well = BTreeSet::new();
    for entry in entries {
        let Some((row, Conclusion::Delivered { status })) = &entry.done else { continue };
        delivered.entry(*status).or_default().push(row.seq);
        if let Queue::Subscription { tenant, id } = &entry.queue {
            well.insert((tenant.as_str(), id.as_str()));
        }
    }
    for (status, mut places) in delivered {
        places.sort_unstable();
        rows::finish_delivered(tx, &places, status, now).await?;
    }
    if !well.is_empty() {
        health::note_success(tx, &well.into_iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Writes what was not delivered. Tells whether its queue is to be halted.
async fn write_other(tx: &mut Tx, entry: &Entry, now: Timestamp) -> Result<bool, Error> {
    let Some((row, conclusion)) = &entry.done else { return Ok(false) };
    if matches!(conclusion, Conclusion::Delivered { .. })
        || !rows::conclude(tx, (row.seq, row.attempts), conclusion, now).await?
    {
        return Ok(false);
    }
    if let Conclusion::Failed { attempts, status, error, .. } = conclusion {
        record_failure(tx, entry, row, (*attempts, *status, error)).await?;
    }
    let Queue::Subscription { id, tenant } = &entry.queue else { return Ok(false) };
    match conclusion {
        Conclusion::Failed { is_gone: true, error, .. } => {
            Ok(health::disable(tx, (tenant, id), error, now).await?)
        }
        Conclusion::Again { is_failure: true, .. } | Conclusion::Failed { .. } => {
            Ok(health::note_failure(tx, (tenant, id), now).await?)
        }
        Conclusion::Again { .. } | Conclusion::Delivered { .. } | Conclusion::Skipped { .. } => Ok(false),
    }
}

/// Tells the tenant that something is given up. That a telling of this could not be delivered is not told: it would go in a circle.
async fn record_failure(
    tx: &mut Tx,
    entry: &Entry,
    row: &Row,
    (attempts, status, error): (i64, Option<u16>, &str),
) -> Result<(), Error> {
    let places: Vec<i64> = row.event_seq.into_iter().collect();
    let event = events_at(tx, &places).await?.pop();
    if event.as_ref().is_some_and(|event| event.kind == EventKind::DeliveryFailed.as_str()) {
        return Ok(());
    }
    let about = event.map(|event| json!({"id": event.id, "source": event.source, "type": event.kind}));
    let receiver = match &entry.queue {
        Queue::Subscription { id, .. } => json!({"subscriptionId": id}),
        Queue::Hooks { plugin, .. } => json!({"pluginId": plugin, "handler": row.handler}),
        Queue::Webhooks { plugin, .. } => json!({"pluginId": plugin, "webhook": row.webhook_seq}),
    };
    let mut data = json!({"deliveryId": row.seq.to_string(), "attempts": attempts, "error": error});
    if let (Some(members), Value::Object(receiver)) = (data.as_object_mut(), receiver) {
        members.extend(receiver);
        members.extend(status.map(|status| ("status".to_owned(), json!(status))));
        members.extend(about.map(|about| ("event".to_owned(), about)));
    }
    let tenant: TenantId = entry.queue.tenant().clone();
    tracing::warn!(%tenant, queue = entry.queue.name(), delivery.id = row.seq, "a delivery has failed for good");
    let (kind, subject) = (EventKind::DeliveryFailed, row.seq.to_string());
    tx.record(Event { tenant: Some(tenant), kind, subject, data });
    Ok(())
}

fn count(queue: &Queue, conclusion: &Conclusion) {
    let outcome = match conclusion {
        Conclusion::Delivered { .. } => "delivered",
        Conclusion::Again { is_failure: true, .. } => "retried",
        Conclusion::Again { .. } => "put_off",
        Conclusion::Failed { .. } => "failed",
        Conclusion::Skipped { .. } => "skipped",
    };
    metrics::counter!("jackfield_delivery_attempts_total", "kind" => queue.kind(), "outcome" => outcome)
        .increment(1);
}
