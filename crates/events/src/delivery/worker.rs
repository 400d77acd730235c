//! Making deliveries of what was logged and having those done that are due, again and again, until the process ends.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::fan_out::Progress;
use super::runner::{Runner, Signal};
use super::store::queues;
use super::{Deliveries, Inner, Queue};
use crate::Error;

/// How often the log is read and queues are looked for, without being told of any.
const POLL: Duration = Duration::from_secs(1);

/// How long a queue stays taken where its process has ended.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// How often the leases of this process begin anew.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// How long that may take.
const RENEWAL_DEADLINE: Duration = Duration::from_secs(5);

/// How many queues of one tenant are held at once, as far as is known when one is taken: processes that take some at the same
/// time may go beyond it together.
const PER_TENANT: i64 = 128;

/// How many queues are taken in one transaction.
const TAKEN_AT_ONCE: usize = 256;

/// The longest that leases may take to be released when the process ends, and that what is cut off may take to be gone.
const RELEASE_DEADLINE: Duration = Duration::from_secs(2);

impl Deliveries {
    /// Makes deliveries of events and has them done, until [`Deliveries::close`].
    pub async fn run(self) {
        let done = async {
            self.work().await;
            // What is at work ends while its lease holds.
            self.idle().await;
        };
        tokio::select! {
            () = done => {}
            // It ends with the work.
            never = self.keep() => match never {},
        }
    }

    async fn work(&self) {
        let mut recorded = self.0.database.recorded();
        let mut interval = tokio::time::interval(POLL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut was_failing, mut has_more) = (false, false);
        loop {
            let step = tokio::select! {
                biased;
                () = self.0.stop.cancelled() => return,
                _ = interval.tick() => self.0.step(true).await,
                () = std::future::ready(()), if has_more && !was_failing => self.0.step(false).await,
                Ok(()) = recorded.changed(), if !was_failing => self.0.step(false).await,
                () = self.0.due.notified(), if !was_failing => self.0.begin().await.map(|()| false),
            };
            if let Err(error) = &step
                && !was_failing
            {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "nothing can be delivered at the moment; it goes on being tried"
                );
            }
            was_failing = step.is_err();
            has_more = step.is_ok_and(|has_more| has_more);
        }
    }

    /// Has leases begin anew for ever.
    async fn keep(&self) -> std::convert::Infallible {
        let mut interval = tokio::time::interval(HEARTBEAT);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let renewal = tokio::time::timeout(RENEWAL_DEADLINE, self.renew()).await;
            let error = match renewal {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            tracing::warn!(
                error = error.as_ref().map(|error| error as &dyn std::error::Error),
                "leases of queues could not be renewed"
            );
        }
    }

    /// Makes deliveries of all that there is in the log, and begins with the queues that are due, as far as there is room. It does
    /// not wait for their ends.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn round(&self) -> Result<(), Error> {
        while self.0.step(true).await? {}
        Ok(())
    }

    /// Waits until this process holds no queue.
    pub async fn idle(&self) {
        // Nobody closes the semaphore.
        drop(self.0.slots.acquire_many(self.0.bounds.queues).await);
    }

    /// Has the leases of this process begin anew, and holders told of what has changed meanwhile. Done by [`Deliveries::run`], too.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn renew(&self) -> Result<(), Error> {
        let names: Vec<String> = self.0.held().keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let until = self.0.ambient.now().plus(LEASE);
        let mut tx = self.0.database.begin().await?;
        let renewed = queues::renew(&mut tx, &names, &self.0.owner, until).await?;
        tx.commit().await?;
        let held = self.0.held();
        let mut lost: std::collections::BTreeSet<&String> = names.iter().collect();
        for (name, look) in &renewed {
            lost.remove(name);
            if let Some(signal) = held.get(name) {
                signal.send_modify(|signal| (signal.until, signal.look) = (until, Some(*look)));
            }
        }
        for name in lost {
            if let Some(signal) = held.get(name) {
                signal.send_modify(|signal| signal.is_lost = true);
            }
        }
        Ok(())
    }

    /// Says that there may be more in these queues; to be called when a transaction has committed that has put something in. Who
    /// does not is heard a second later.
    pub fn wake<'a>(&self, queues: impl IntoIterator<Item = &'a Queue>) {
        self.0.wake_names(queues.into_iter().map(Queue::name));
    }

    /// Has this process begin nothing more of a queue that was halted.
    pub(crate) fn halted(&self, queue: &Queue) {
        if let Some(signal) = self.0.held().get(&queue.name()) {
            signal.send_modify(|signal| {
                let look = signal.look.unwrap_or(queues::Look { stamp: 0, nudge: 0, halted: 0 });
                signal.look = Some(queues::Look { halted: 1, ..look });
            });
        }
    }

    /// Begins nothing more, and gives what is at work until `deadline` to end. What is cut off is done again by another process,
    /// or at the next start of this one. Tells whether all has ended.
    pub async fn close(&self, deadline: Duration) -> bool {
        self.0.stop.cancel();
        self.0.wake_all();
        let has_ended = tokio::time::timeout(deadline, self.idle()).await.is_ok();
        if !has_ended {
            self.0.cut_off.cancel();
            if tokio::time::timeout(RELEASE_DEADLINE, self.idle()).await.is_err() {
                tracing::warn!("deliveries that were cut off have not ended in time");
            }
        }
        match tokio::time::timeout(RELEASE_DEADLINE, self.0.release_all()).await {
            Ok(Ok(())) => {}
            // They end by themselves.
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "leases of queues could not be released");
            }
            Err(_) => tracing::warn!("leases of queues could not be released in time"),
        }
        has_ended
    }
}

/// A slot that is taken until this is dropped.
struct Slot {
    _of_failing: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Inner {
    /// Reads the log on, gives queues that are behind what they lack, a new round of them where `is_tick`, and begins with what is due. Tells whether
    /// there is more to be read.
    async fn step(self: &Arc<Self>, is_tick: bool) -> Result<bool, Error> {
        let read = self.read_log().await;
        let reads = matches!(read, Ok(Progress::Some | Progress::All));
        // In turns: neither what is new nor what is lacking waits for the other's end.
        let caught_up = if reads { self.catch_up(is_tick).await } else { Ok(false) };
        // What is due goes on also where the log cannot be read.
        let begun = self.begin().await;
        let has_more = (read? == Progress::Some) | caught_up?;
        begun?;
        Ok(has_more)
    }

    async fn begin(self: &Arc<Self>) -> Result<(), Error> {
        loop {
            let free = self.slots.available_permits().min(TAKEN_AT_ONCE);
            if free == 0 || self.stop.is_cancelled() {
                return Ok(());
            }
            let now = self.ambient.now();
            let mut conn = self.database.read().await?;
            // Those whose receivers fail have half of the slots at most.
            let for_failing = self.failing_slots.available_permits().min(free.div_ceil(2));
            let mut due = queues::due(&mut conn, now, true, (PER_TENANT, limit(for_failing))).await?;
            let for_others = limit(free.saturating_sub(due.len()));
            due.extend(queues::due(&mut conn, now, false, (PER_TENANT, for_others)).await?);
            drop(conn);
            // Of a later version's queues this one knows nothing; those that it holds itself are not asked for again.
            let wanted: Vec<(String, Queue, i64)> = {
                let held = self.held();
                let known = due.iter().filter(|due| !held.contains_key(&due.queue));
                known.filter_map(|due| Some((due.queue.clone(), due.read()?, due.failures))).collect()
            };
            let mut taken = Vec::with_capacity(wanted.len());
            for (name, queue, failures) in wanted {
                let Some(slot) = self.slot(failures > 0) else { break };
                taken.push((name, (queue, failures), slot));
            }
            if taken.is_empty() {
                return Ok(());
            }
            // With the slots in hand: whoever ends this process says stop first, and then waits for all slots.
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let names: Vec<&str> = taken.iter().map(|(name, _, _)| name.as_str()).collect();
            let until = now.plus(LEASE);
            let mut tx = self.database.begin().await?;
            let claimed = queues::claim(&mut tx, &names, &self.owner, (now, until)).await?;
            tx.commit().await?;
            let is_over = claimed.is_empty() || due.len() < free;
            for (name, queue, slot) in taken.into_iter().filter(|(name, _, _)| claimed.contains(name)) {
                let signal = Signal { until, look: None, is_lost: false, more: 0 };
                self.start(name, queue, signal, slot);
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// A slot for a queue; `None` where there is none left.
    fn slot(&self, is_failing: bool) -> Option<Slot> {
        let of = |slots: &Arc<Semaphore>| Arc::clone(slots).try_acquire_owned().ok();
        let of_failing = if is_failing { Some(of(&self.failing_slots)?) } else { None };
        Some(Slot { _of_failing: of_failing, _of_all: of(&self.slots)? })
    }

    fn start(self: &Arc<Self>, name: String, queue: (Queue, i64), signal: Signal, slot: Slot) {
        let (told, signal) = watch::channel(signal);
        self.held().insert(name.clone(), told);
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let runner = Runner::new(Arc::clone(&inner), queue, signal);
            tokio::select! {
                biased;
                () = inner.cut_off.cancelled() => {}
                () = runner.run() => {}
            }
            inner.held().remove(&name);
            drop(slot);
            inner.due.notify_one();
        });
    }

    /// Tells those who hold these queues that there is more, and who looks for queues where nobody does. Who holds one and is
    /// about to let go of it has queues looked for after that.
    pub(crate) fn wake_names(&self, names: impl IntoIterator<Item = String>) {
        let held = self.held();
        let mut is_any_free = false;
        for name in names {
            match held.get(&name) {
                Some(signal) => signal.send_modify(|signal| signal.more += 1),
                None => is_any_free = true,
            }
        }
        drop(held);
        if is_any_free {
            self.due.notify_one();
        }
    }

    fn wake_all(&self) {
        for signal in self.held().values() {
            signal.send_modify(|signal| signal.more += 1);
        }
    }

    pub(crate) fn held(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::HashMap<String, watch::Sender<Signal>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn release_all(&self) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        let released = queues::release_all(&mut tx, &self.owner).await?;
        tx.commit().await?;
        if released > 0 {
            tracing::info!(queues = released, "deliveries were cut off; they are made again");
        }
        Ok(self.reader.release().await?)
    }
}
