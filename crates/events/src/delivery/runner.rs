//! A queue in the hands of this process: what is due is given to its receiver, of each key one after the other, until nothing is.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::Timestamp;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::receive::{Outcome, Parcel, Receiver};
use super::retry::{Conclusion, conclude};
use super::store::queues::Look;
use super::store::{queues, rows};
use super::window::{Row, Window};
use super::writer::{Entry, Written};
use super::{Inner, Queue};
use crate::Error;

/// How many of a queue are at work at once.
const WIDTH: usize = 8;

/// How many rows are read at once.
const PAGE: i64 = 1000;

/// For how long a receiver's address and secrets are remembered.
const REMEMBERED: Duration = Duration::from_secs(5);

/// What the holder of a queue is told while it holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    /// Until when it holds it.
    pub(crate) until: Timestamp,
    /// What the queue was like when last looked at; `None` before.
    pub(crate) look: Option<Look>,
    /// Another process holds it.
    pub(crate) is_lost: bool,
    /// Grows when there may be more in it.
    pub(crate) more: u64,
}

/// Something that was at work.
enum Ended {
    /// An attempt, with what came of it; `None` if it was not begun.
    Attempt(Row, Option<Outcome>),
    /// What became of it was written, or could not be.
    Writing(Option<(Row, Conclusion)>, Option<Written>),
}

/// Holds a queue.
pub(crate) struct Runner {
    inner: Arc<Inner>,
    queue: Queue,
    name: String,
    signal: watch::Receiver<Signal>,
    seen: Signal,
    window: Window,
    /// The last row that was read, and whether there was none after it.
    last: i64,
    is_whole: bool,
    /// The queue's stamp before the first row was read.
    stamp: i64,
    receiver: Option<(Arc<dyn Receiver>, tokio::time::Instant)>,
    /// The last attempt failed: the next are made one by one.
    is_failing: bool,
    is_halted: bool,
    at_work: FuturesUnordered<BoxFuture<'static, Ended>>,
    attempts: usize,
}

impl Runner {
    pub(crate) fn new(inner: Arc<Inner>, queue: Queue, signal: watch::Receiver<Signal>) -> Self {
        let (name, seen) = (queue.name(), *signal.borrow());
        Self {
            inner,
            queue,
            name,
            signal,
            seen,
            window: Window::default(),
            last: 0,
            is_whole: false,
            stamp: 0,
            receiver: None,
            is_failing: false,
            is_halted: false,
            at_work: FuturesUnordered::new(),
            attempts: 0,
        }
    }

    /// Works until nothing is due, or the queue is no longer this process's. Where the database fails, the lease ends by itself.
    pub(crate) async fn run(mut self) {
        loop {
            if let Err(error) = self.begin().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    queue = self.name,
                    "deliveries of a queue cannot be made at the moment"
                );
                return self.drain().await;
            }
            if self.at_work.is_empty() {
                match self.release().await {
                    Some(true) | None => return,
                    Some(false) => self.read_anew(),
                }
                continue;
            }
            tokio::select! {
                biased;
                Some(ended) = self.at_work.next() => {
                    if self.ended(ended) {
                        return;
                    }
                }
                Ok(()) = self.signal.changed() => self.heed(),
            }
        }
    }

    /// Begins what is due, as far as there is room.
    async fn begin(&mut self) -> Result<(), Error> {
        while self.may_begin() && self.attempts < if self.is_failing { 1 } else { WIDTH } {
            let Some(row) = self.window.take(self.inner.ambient.now().as_millisecond()) else {
                if self.is_whole {
                    return Ok(());
                }
                self.read().await?;
                continue;
            };
            let Some(receiver) = self.receiver().await? else {
                // Nobody is there to be given anything.
                self.window.again(row.seq, row.due_at, row.attempts);
                self.is_halted = true;
                return self.inner.remove_queue(&self.name).await;
            };
            self.attempts += 1;
            let cut_short = row.clone();
            let attempt =
                attempt(Arc::clone(&self.inner), self.queue.clone(), row, receiver, self.signal.clone());
            let ended = by_itself(attempt);
            self.at_work.push(Box::pin(async move {
                let outcome = || Outcome::not_now("the server could not make the attempt");
                ended.await.unwrap_or_else(|| Ended::Attempt(cut_short, Some(outcome())))
            }));
        }
        Ok(())
    }

    fn may_begin(&self) -> bool {
        !self.is_halted && self.inner.may_begin(&self.seen)
    }

    async fn read(&mut self) -> Result<(), Error> {
        let mut conn = self.inner.database.read().await?;
        if self.last == 0 {
            let Some(look) = queues::look(&mut conn, &self.name, &self.inner.owner).await? else {
                (self.is_whole, self.is_halted) = (true, true);
                return Ok(());
            };
            self.stamp = look.stamp;
            if look.halted != 0 {
                (self.is_whole, self.is_halted) = (true, true);
                return Ok(());
            }
        }
        let rows = rows::unfinished(&mut conn, &self.name, (self.last, PAGE)).await?;
        drop(conn);
        self.is_whole = i64::try_from(rows.len()).is_ok_and(|count| count < PAGE);
        for row in rows {
            self.last = self.last.max(row.seq);
            self.window.add(row);
        }
        Ok(())
    }

    /// Forgets what was read, so that it is read again.
    fn read_anew(&mut self) {
        self.window.clear();
        (self.last, self.is_whole) = (0, false);
    }

    async fn receiver(&mut self) -> Result<Option<Arc<dyn Receiver>>, Error> {
        if let Some((receiver, since)) = &self.receiver
            && since.elapsed() < REMEMBERED
        {
            return Ok(Some(Arc::clone(receiver)));
        }
        let receiver = self.inner.receiver(&self.queue).await?;
        self.receiver = receiver.clone().map(|receiver| (receiver, tokio::time::Instant::now()));
        Ok(receiver)
    }

    /// Takes note of what the holder is told.
    fn heed(&mut self) {
        let (before, now) = (self.seen, *self.signal.borrow_and_update());
        self.seen = now;
        if let Some(look) = now.look {
            if before.look.is_some_and(|before| before.nudge != look.nudge) {
                self.receiver = None;
                self.read_anew();
            }
            self.is_halted |= look.halted != 0;
            self.is_whole &= look.stamp == self.stamp;
        }
        if now.more != before.more {
            self.is_whole = false;
        }
    }

    /// Goes on after something has ended. Tells whether the queue was let go of.
    fn ended(&mut self, ended: Ended) -> bool {
        match ended {
            Ended::Attempt(row, None) => {
                self.attempts -= 1;
                self.window.again(row.seq, row.due_at, row.attempts);
            }
            Ended::Attempt(row, Some(outcome)) => {
                self.attempts -= 1;
                let is_subscription = matches!(self.queue, Queue::Subscription { .. });
                let conclusion = conclude(&row, outcome.fitting(), is_subscription, &self.inner.ambient);
                self.is_failing = !matches!(conclusion, Conclusion::Delivered { .. });
                self.write(row, conclusion);
            }
            Ended::Writing(_, None) => {
                // It is done once more, by whoever holds the queue once this lease has ended.
                self.is_halted = true;
            }
            Ended::Writing(done, Some(written)) => {
                self.is_halted |= written.is_halted;
                match done {
                    Some((row, Conclusion::Again { due_at, attempts, .. })) => {
                        self.window.again(row.seq, due_at, attempts);
                    }
                    Some((row, _)) => self.window.finish(row.seq),
                    None => {}
                }
                return written.is_released;
            }
        }
        false
    }

    /// Has written what became of a row, and the queue let go of where nothing else is to be done for now.
    fn write(&mut self, row: Row, conclusion: Conclusion) {
        let again = match &conclusion {
            Conclusion::Again { due_at, .. } => Some(*due_at),
            _ => None,
        };
        let earliest = self.window.earliest_after(row.seq, again);
        let is_idle = earliest.is_none_or(|due_at| due_at > self.inner.ambient.now().as_millisecond());
        let is_last = self.at_work.is_empty() && self.is_whole && is_idle && self.may_begin();
        let release = is_last.then_some((self.stamp, earliest));
        let entry = Entry { queue: self.queue.clone(), done: Some((row, conclusion)), release };
        let (inner, done) = (Arc::clone(&self.inner), entry.done.clone());
        let written = by_itself(async move { inner.write(entry).await });
        self.at_work.push(Box::pin(async move { Ended::Writing(done, written.await.flatten()) }));
    }

    /// Lets go of the queue. Tells whether it did; `None` where it could not, and the lease ends by itself.
    async fn release(&mut self) -> Option<bool> {
        if self.seen.is_lost {
            return None;
        }
        // Who stops before all was read does not know when the next is due: it stays as it was.
        let may_know = self.is_whole && !self.is_halted && self.may_begin();
        let due_at =
            if may_know { self.window.earliest() } else { Some(self.inner.ambient.now().as_millisecond()) };
        let entry = Entry { queue: self.queue.clone(), done: None, release: Some((self.stamp, due_at)) };
        let is_released = self.inner.write(entry).await?.is_released;
        // What was put in meanwhile is seen by whoever holds it next; nobody does while it is halted.
        if !is_released && !self.may_begin() { None } else { Some(is_released) }
    }

    /// Waits for what is at work.
    async fn drain(mut self) {
        self.is_halted = true;
        while let Some(ended) = self.at_work.next().await {
            if self.ended(ended) {
                return;
            }
        }
    }
}

/// Has `work` go on whatever its holder waits for: what holds a connection of the database must not wait for one who waits for
/// another. It ends when what is returned is dropped; `None` where it panics.
fn by_itself<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = Option<T>> + Send {
    let handle = AbortOnDropHandle::new(tokio::spawn(work));
    async move { handle.await.ok() }
}

/// One attempt, once there is room for it.
async fn attempt(
    inner: Arc<Inner>,
    queue: Queue,
    row: Row,
    receiver: Arc<dyn Receiver>,
    signal: watch::Receiver<Signal>,
) -> Ended {
    let room = tokio::select! {
        biased;
        () = inner.stop.cancelled() => None,
        room = inner.room.of(queue.tenant()) => room,
    };
    let may_begin = inner.may_begin(&signal.borrow());
    let Some(_room) = room.filter(|_| may_begin) else { return Ended::Attempt(row, None) };
    let outcome = match inner.parcel(&queue, &row).await {
        Ok(Some(parcel)) => receiver.receive(parcel).await,
        Ok(None) => Outcome::Pointless("what was to be delivered is no longer kept".into()),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                delivery.id = row.seq,
                "what is to be delivered cannot be read at the moment"
            );
            Outcome::not_now("the server could not read what is to be delivered")
        }
    };
    Ended::Attempt(row, Some(outcome))
}

impl Inner {
    /// Whether the holder of a queue may begin something: it still holds it, and this process goes on.
    fn may_begin(&self, signal: &Signal) -> bool {
        let is_halted = signal.look.is_some_and(|look| look.halted != 0);
        !signal.is_lost && !is_halted && !self.stop.is_cancelled() && self.ambient.now() < signal.until
    }

    /// What is to be handed over; `None` where it is no longer kept.
    async fn parcel(&self, queue: &Queue, row: &Row) -> Result<Option<Parcel>, Error> {
        if let Some(seq) = row.event_seq {
            let event = self.payloads.event(&self.database, seq).await?;
            return Ok(event.map(|event| Parcel::Event(event, row.handler.clone())));
        }
        let (Some(webhooks), Some(seq)) = (&self.webhooks, row.webhook_seq) else { return Ok(None) };
        Ok(webhooks.request(queue.tenant(), seq).await?.map(Parcel::Webhook))
    }
}
