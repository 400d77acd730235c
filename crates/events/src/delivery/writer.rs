//! Writing down what came of attempts: of many at once, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Coded as _, ErrorCode, Event, EventKind, TenantId, Timestamp};
use serde_json::{Value, json};
use storage::{Tx, events_at};
use tokio::sync::oneshot;

use super::retry::Conclusion;
use super::store::queues::{self, Release};
use super::store::rows::{self, Undelivered};
use super::window::Row;
use super::{Inner, Queue};
use crate::Error;
use crate::subscription::health;

/// The pauses before what came of attempts is written again, where the database is away.
const WRITING: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// The most that one transaction writes.
const AT_ONCE: usize = 500;

/// What became of an attempt, and whether its queue is let go of.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) queue: Queue,
    pub(crate) done: Option<(Row, Conclusion)>,
    /// How its queue is let go of.
    pub(crate) release: Option<Release>,
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
pub(crate) struct Writer(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    entries: Vec<(Entry, oneshot::Sender<Written>)>,
    /// Somebody writes what there is.
    is_taken: bool,
}

impl Writer {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some of what waits; `None` where nothing does: then whoever comes next writes.
    fn take(&self) -> Option<Vec<(Entry, oneshot::Sender<Written>)>> {
        let mut waiting = self.waiting();
        let count = waiting.entries.len().min(AT_ONCE);
        waiting.is_taken = count > 0;
        (count > 0).then(|| waiting.entries.drain(..count).collect())
    }
}

/// Lets another write, however the writing ends.
struct Turn(Option<Arc<Inner>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(inner) = &self.0 {
            inner.writer.waiting().is_taken = false;
        }
    }
}

impl Inner {
    /// Writes `entry`, with whatever else there is to be written; also where nobody waits for it any more. `None` where it could not
    /// be: then nothing of it is.
    pub(crate) fn write(self: &Arc<Self>, entry: Entry) -> impl Future<Output = Option<Written>> + use<> {
        let (told, written) = oneshot::channel();
        let mut waiting = self.writer.waiting();
        waiting.entries.push((entry, told));
        if !std::mem::replace(&mut waiting.is_taken, true) {
            tokio::spawn(Arc::clone(self).write_all());
        }
        drop(waiting);
        async { written.await.ok() }
    }

    /// Writes until nothing waits. Of nobody's task: who is cut off must not take others' entries with it.
    async fn write_all(self: Arc<Self>) {
        let mut turn = Turn(Some(Arc::clone(&self)));
        while let Some(batch) = self.writer.take() {
            self.write_batch(batch).await;
        }
        // Whoever came since has begun on its own.
        turn.0 = None;
    }

    async fn write_batch(&self, batch: Vec<(Entry, oneshot::Sender<Written>)>) {
        let (entries, told): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let tell = |told: oneshot::Sender<Written>, written| {
            // Who does not wait any more was cut off.
            let _ = told.send(written);
        };
        match self.insist(&entries).await {
            Ok(written) => told.into_iter().zip(written).for_each(|(told, written)| tell(told, written)),
            // One of them may be what cannot be written: it must not take the others with it.
            Err(error) if error.code() != ErrorCode::Unavailable && entries.len() > 1 => {
                for (entry, told) in entries.iter().zip(told) {
                    if let Ok(Some(written)) =
                        self.insist(slice::from_ref(entry)).await.map(|all| all.first().copied())
                    {
                        tell(told, written);
                    }
                }
            }
            // The leases end, and what is not written is done once more.
            Err(_) => {}
        }
    }

    /// Writes all of `entries` or none, and tries again for as long as the database may be back before the lease has ended.
    async fn insist(&self, entries: &[Entry]) -> Result<Vec<Written>, Error> {
        let mut pauses = WRITING.into_iter();
        loop {
            let error = match self.apply(entries).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                deliveries = entries.len(),
                "what came of deliveries cannot be written down"
            );
            match pauses.next().filter(|_| error.code() == ErrorCode::Unavailable) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn apply(&self, entries: &[Entry]) -> Result<Vec<Written>, Error> {
        let now = self.ambient.now();
        let mut tx = self.database.begin().await?;
        lock(&mut tx, entries).await?;
        let mut written = vec![Written::default(); entries.len()];
        let mut by_name: Vec<_> = entries.iter().zip(&mut written).collect();
        by_name.sort_by_cached_key(|(entry, _)| entry.queue.name());
        for (entry, written) in &mut by_name {
            if let Some(release) = &entry.release {
                let name = entry.queue.name();
                written.is_released = queues::release(&mut tx, &name, &self.owner, release).await?;
            }
        }
        rows_delivered(&mut tx, entries, now).await?;
        let mut halted = BTreeSet::new();
        for (entry, _) in &by_name {
            if write_other(&mut tx, entry, now).await? && halted.insert(&entry.queue) {
                queues::halt(&mut tx, &entry.queue).await?;
            }
        }
        for (entry, written) in by_name {
            written.is_halted = halted.contains(&entry.queue);
        }
        tx.commit().await?;
        for (entry, (_, conclusion)) in entries.iter().filter_map(|entry| Some((entry, entry.done.as_ref()?)))
        {
            count(&entry.queue, conclusion);
        }
        Ok(written)
    }
}

/// Locks what is going to be written, subscriptions first and then queues, as all do; and notes that receivers are well.
async fn lock(tx: &mut Tx, entries: &[Entry]) -> Result<(), Error> {
    let (mut failing, mut well, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        let is_well = matches!(&entry.done, None | Some((_, Conclusion::Delivered { .. })));
        match &entry.queue {
            Queue::Subscription { tenant, id } if !is_well => {
                failing.insert((tenant.as_str(), id.as_str()));
            }
            Queue::Subscription { tenant, id } if entry.done.is_some() => {
                well.insert((tenant.as_str(), id.as_str()));
            }
            _ => {}
        }
        if !is_well {
            names.insert(entry.queue.name());
        }
    }
    if !failing.is_empty() {
        // Those that are well may be among the same: all of them in one order.
        health::lock(tx, &failing.union(&well).copied().collect::<Vec<_>>()).await?;
    }
    if !well.is_empty() {
        health::note_success(tx, &well.into_iter().collect::<Vec<_>>()).await?;
    }
    if !names.is_empty() {
        // Whoever fails may be halted. Those that are let go of come in the same order.
        names.extend(entries.iter().filter(|entry| entry.release.is_some()).map(|entry| entry.queue.name()));
        queues::lock(tx, &names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Writes what receivers have.
async fn rows_delivered(tx: &mut Tx, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
    let mut delivered: BTreeMap<Option<u16>, Vec<i64>> = BTreeMap::new();
    for entry in entries {
        let Some((row, Conclusion::Delivered { status })) = &entry.done else { continue };
        delivered.entry(*status).or_default().push(row.seq);
    }
    for (status, mut places) in delivered {
        places.sort_unstable();
        rows::finish_delivered(tx, &places, status, now).await?;
    }
    Ok(())
}

/// Writes what was not delivered. Tells whether its queue is to be halted.
async fn write_other(tx: &mut Tx, entry: &Entry, now: Timestamp) -> Result<bool, Error> {
    let Some((row, conclusion)) = &entry.done else { return Ok(false) };
    let Some(undelivered) = Undelivered::of(row, conclusion) else { return Ok(false) };
    if !rows::conclude(tx, (row.seq, row.attempts), &undelivered, now).await? {
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
