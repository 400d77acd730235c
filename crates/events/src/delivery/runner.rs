//! A queue in the hands of this process: what is due is given to its receiver, of each key one after the other, until nothing is.
//!
//! After a failure the next is tried alone. Where that fails as well, or the receiver asks for time, the queue is let go of with a
//! pause, before whose end nobody tries anything of it. It is let go of after a while in any case, so that others have their turn.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::{Ambient, Timestamp};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::receive::{Outcome, Parcel, Receiver};
use super::retry::{Conclusion, MAX_ASKED, conclude, pause_of_queue};
use super::store::queues::{Look, Release};
use super::store::{queues, rows};
use super::window::{Row, Window};
use super::writer::{Entry, Written};
use super::{Inner, Queue};
use crate::{Error, Refusal};

/// How many of a queue are at work at once.
const WIDTH: usize = 8;

/// How many rows are read at once.
const PAGE: i64 = 1000;

/// How many rows are looked at before some of them are finished: those behind them wait until then.
const MAX_WINDOW: usize = 20_000;

/// For how long a queue is held until others have their turn.
const TURN: Duration = Duration::from_secs(30);

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
    /// What the queue was like before the first row was read.
    look: Look,
    receiver: Option<(Arc<dyn Receiver>, tokio::time::Instant)>,
    health: Health,
    is_halted: bool,
    /// The queue is being let go of.
    is_leaving: bool,
    since: tokio::time::Instant,
    at_work: FuturesUnordered<BoxFuture<'static, Ended>>,
    attempts: usize,
}

/// How a queue's receiver is doing.
#[derive(Debug, Default)]
struct Health {
    /// How often one after the other the queue was let go of because its receiver fails.
    failures: i64,
    /// How many attempts have failed since one was well, while this process holds the queue.
    failed: u32,
    /// Nothing is tried before this moment: because it fails, and because it asks for it.
    pause: Option<i64>,
    asked: Option<i64>,
}

impl Health {
    fn is_failing(&self) -> bool {
        self.failures > 0 || self.failed > 0
    }

    fn not_before(&self) -> Option<i64> {
        self.pause.max(self.asked)
    }

    /// Takes note of what came of an attempt.
    fn note(&mut self, outcome: &Outcome, ambient: &Ambient) {
        match outcome {
            Outcome::Delivered { .. } => (self.failures, self.failed, self.pause) = (0, 0, None),
            Outcome::Refused(refused) if refused.refusal != Refusal::Gone => {
                let now = ambient.now();
                let asked = refused.retry_after.map(|asked| now.plus(asked.min(MAX_ASKED)).as_millisecond());
                self.asked = self.asked.max(asked);
                self.failed = self.failed.saturating_add(1);
                // One event that is never taken holds up no other.
                if self.failures > 0 || self.failed > 1 {
                    let pause = pause_of_queue(self.failures.saturating_add(1), ambient);
                    self.pause = self.pause.max(Some(now.plus(pause).as_millisecond()));
                }
            }
            Outcome::Refused(_) | Outcome::Pointless(_) => {}
        }
    }
}

impl Runner {
    /// Holds `queue`, which was let go of `failures` times because its receiver fails.
    pub(crate) fn new(
        inner: Arc<Inner>,
        (queue, failures): (Queue, i64),
        signal: watch::Receiver<Signal>,
    ) -> Self {
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
            look: Look { stamp: 0, nudge: 0, halted: 0 },
            receiver: None,
            health: Health { failures, ..Health::default() },
            is_halted: false,
            is_leaving: false,
            since: tokio::time::Instant::now(),
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
        while self.goes_on() && self.attempts < if self.health.is_failing() { 1 } else { WIDTH } {
            let Some(row) = self.window.take(self.inner.ambient.now().as_millisecond()) else {
                if self.knows_all() {
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
            let whose = (self.queue.clone(), self.health.is_failing());
            let attempt = attempt(Arc::clone(&self.inner), whose, row, receiver, self.signal.clone());
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

    /// Whether the next may be begun, if there is one.
    fn goes_on(&self) -> bool {
        self.may_begin()
            && !self.is_leaving
            && self.health.not_before().is_none()
            && self.since.elapsed() < TURN
    }

    /// Whether all was read, or as much as is looked at.
    fn knows_all(&self) -> bool {
        self.is_whole || self.window.len() >= MAX_WINDOW
    }

    async fn read(&mut self) -> Result<(), Error> {
        let mut conn = self.inner.database.read().await?;
        if self.last == 0 {
            let Some(look) = queues::look(&mut conn, &self.name, &self.inner.owner).await? else {
                (self.is_whole, self.is_halted) = (true, true);
                return Ok(());
            };
            self.look = look;
            if look.halted != 0 {
                (self.is_whole, self.is_halted) = (true, true);
                return Ok(());
            }
        }
        let rows = rows::unfinished(&mut conn, &self.name, (self.last, PAGE)).await?;
        drop(conn);
        self.is_whole = i64::try_from(rows.len()).is_ok_and(|count| count < PAGE);
        for mut row in rows {
            self.last = self.last.max(row.seq);
            if row.attempts == 0 && row.due_at <= row.created_at {
                // At once, whatever clock it was written by.
                row.due_at = 0;
            }
            self.window.add(row);
        }
        Ok(())
    }

    /// Forgets what was read, so that it is read again.
    fn read_anew(&mut self) {
        self.window.clear();
        (self.last, self.is_whole) = (0, false);
        (self.health.pause, self.health.asked) = (None, None);
        self.since = tokio::time::Instant::now();
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
            if look.nudge > self.look.nudge {
                self.receiver = None;
                self.read_anew();
            }
            self.is_halted |= look.halted != 0;
            self.is_whole &= look.stamp == self.look.stamp;
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
                self.health.note(&outcome, &self.inner.ambient);
                let is_subscription = matches!(self.queue, Queue::Subscription { .. });
                let conclusion = conclude(&row, outcome.fitting(), is_subscription, &self.inner.ambient);
                self.write(row, conclusion);
            }
            Ended::Writing(_, None) => {
                // It is done once more, by whoever holds the queue once this lease has ended.
                (self.is_halted, self.is_leaving) = (true, false);
            }
            Ended::Writing(done, Some(written)) => {
                self.is_leaving = false;
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
        let is_done = self.health.not_before().is_some() || (self.knows_all() && is_idle);
        // Nothing is begun until it is written: else it could be cut off by its own holder's leaving.
        self.is_leaving = self.at_work.is_empty() && is_done && self.may_begin();
        let release = self.is_leaving.then(|| self.leave_with(earliest));
        let done = Some((row.clone(), conclusion.clone()));
        let written = self.inner.write(Entry { queue: self.queue.clone(), done, release });
        self.at_work.push(Box::pin(async move { Ended::Writing(Some((row, conclusion)), written.await) }));
    }

    /// How the queue is let go of, where `earliest` is when the next that was read is due.
    fn leave_with(&self, earliest: Option<i64>) -> Release {
        // Who stops before all was read does not know when the next is due.
        let may_know = self.knows_all() && !self.is_halted && self.may_begin();
        let now = self.inner.ambient.now().as_millisecond();
        // It has waited from now on, also where it was due before: others have their turn.
        let due_at = if may_know { earliest.map(|due_at| due_at.max(now)) } else { Some(now) };
        // Whose turn is over goes, whatever was put in meanwhile.
        let is_over = self.since.elapsed() >= TURN;
        let not_before = self.health.not_before().or(is_over.then_some(now)).filter(|_| !self.is_halted);
        let failures = self.health.failures.saturating_add(i64::from(self.health.pause.is_some()));
        Release { look: self.look, due_at, not_before, failures }
    }

    /// Lets go of the queue. Tells whether it did; `None` where it could not, and the lease ends by itself.
    async fn release(&mut self) -> Option<bool> {
        if self.seen.is_lost {
            return None;
        }
        let release = Some(self.leave_with(self.window.earliest()));
        let entry = Entry { queue: self.queue.clone(), done: None, release };
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
    (queue, is_failing): (Queue, bool),
    row: Row,
    receiver: Arc<dyn Receiver>,
    signal: watch::Receiver<Signal>,
) -> Ended {
    let room = tokio::select! {
        biased;
        () = inner.stop.cancelled() => None,
        room = inner.room.of(queue.tenant(), is_failing) => Some(room),
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
