//! Following the log for everybody who listens in this process: one task, which reads nothing while nobody does.

use std::sync::atomic::Ordering;
use std::time::Duration;

use storage::{LoggedEvent, events_between, last_event};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Feed;
use super::relay::Message;
use crate::Error;

/// How long after its commit an event is noticed at the latest, where nothing tells of it.
const POLL: Duration = Duration::from_secs(1);
/// The pause after some events, so that many commits are one read.
const PAUSE: Duration = Duration::from_millis(2);
/// How many events one read takes: at most half of what a channel holds.
pub(super) const BATCH: i64 = 250;
/// The longest wait after a failure.
const RETRY: Duration = Duration::from_secs(2);
/// How many messages of the relay wait to be told.
const HEARD: usize = 64;
/// For how long after a message the relay is taken to work.
const ALIVE: Duration = Duration::from_secs(2);

/// What there is to notice new events by.
struct Ears {
    recorded: watch::Receiver<()>,
    relayed: mpsc::Receiver<Message>,
    last_relayed: Option<Instant>,
}

/// What was noticed.
enum Heard {
    /// There may be something in the log.
    Something,
    /// What there is.
    Message(Message),
}

impl Ears {
    async fn hear(&mut self) -> Heard {
        // While the relay works, the database is not read for each event.
        let is_relayed = self.last_relayed.is_some_and(|last| last.elapsed() < ALIVE);
        tokio::select! {
            Some(message) = self.relayed.recv() => {
                self.last_relayed = Some(Instant::now());
                Heard::Message(message)
            }
            // The sender lives as long as the database, which the feed holds.
            _ = self.recorded.changed(), if !is_relayed => Heard::Something,
            () = tokio::time::sleep(POLL) => Heard::Something,
        }
    }
}

impl Feed {
    /// Tells whoever listens of what is put into the log, for as long as this is polled.
    pub async fn run(self) {
        let (heard, relayed) = mpsc::channel(HEARD);
        let relaying = async {
            let Some(relay) = &self.0.relay else {
                let _kept_open = heard;
                return std::future::pending().await;
            };
            tokio::join!(relay.hold(&self.0.closed), relay.listen(heard));
        };
        let ears = Ears { recorded: self.0.database.recorded(), relayed, last_relayed: None };
        tokio::join!(relaying, self.tell_all(ears));
    }

    async fn tell_all(&self, mut ears: Ears) {
        loop {
            self.0.entered.notified().await;
            while let Err(error) = self.follow_log(&mut ears).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "streams of events wait: the log cannot be read"
                );
                tokio::time::sleep(RETRY / 10 + self.0.ambient.part_of(RETRY)).await;
            }
        }
    }

    /// Tells of the log until nobody listens any more.
    async fn follow_log(&self, ears: &mut Ears) -> Result<(), Error> {
        let mut heard = Heard::Something;
        loop {
            let has_read = match heard {
                Heard::Something => {
                    ears.recorded.borrow_and_update();
                    self.read_on().await?
                }
                Heard::Message(message) => {
                    self.tell_message(message).await?;
                    false
                }
            };
            if self.rest() {
                return Ok(());
            }
            if has_read {
                tokio::time::sleep(PAUSE).await;
            }
            heard = ears.hear().await;
        }
    }

    /// Tells of what a message has; what is missing before it is read.
    async fn tell_message(&self, message: Message) -> Result<(), Error> {
        if self.position().is_none_or(|position| position < message.after) {
            self.read_on().await?;
        }
        let Some(position) = self.position() else { return Ok(()) };
        if message.through <= position || message.after > position {
            return Ok(());
        }
        let count = self.tell(message.events.into_iter().filter(|event| event.seq > position));
        self.0.relayed.fetch_add(count, Ordering::Relaxed);
        metrics::counter!("jackfield_relayed_events_total").increment(count);
        self.0.position.send_replace(Some(message.through));
        Ok(())
    }

    /// Tells whoever listens of these events. How many there are.
    fn tell(&self, events: impl IntoIterator<Item = LoggedEvent>) -> u64 {
        let hubs = self.hubs();
        let mut count = 0;
        for event in events {
            hubs.tell(event);
            count += 1;
        }
        count
    }

    /// Tells of what there is after the place that it has come to, and moves on. Whether there was anything.
    async fn read_on(&self) -> Result<bool, Error> {
        let mut conn = self.0.database.read().await?;
        // In this order: who begins to listen after the end was read finds all before it by itself.
        let end = last_event(&mut conn).await?;
        let Some(begin) = self.position() else {
            self.0.position.send_replace(Some(end));
            return Ok(false);
        };
        let tenants = self.hubs().tenants();
        let mut position = begin;
        while position < end {
            let events = events_between(&mut conn, tenants.as_deref(), (position, end), BATCH).await?;
            let is_full = i64::try_from(events.len()).is_ok_and(|count| count >= BATCH);
            let last = events.last().map(|event| event.seq).filter(|_| is_full);
            position = last.unwrap_or(end);
            self.tell(events);
            self.0.position.send_replace(Some(position));
            // Those who listen are to take what they were told before there is more.
            tokio::task::yield_now().await;
        }
        Ok(position > begin)
    }

    /// Forgets the place if nobody listens: whoever comes next begins at the log's end. Whether it did.
    fn rest(&self) -> bool {
        let hubs = self.hubs();
        let is_resting = hubs.is_empty();
        if is_resting {
            self.0.position.send_replace(None);
        }
        is_resting
    }
}
