//! Following the log for everybody who listens in this process: one task, which reads nothing while nobody does.

use std::time::Duration;

use storage::{events_between, last_event};
use tokio::sync::watch;

use super::Feed;
use crate::Error;

/// How long after its commit an event is noticed at the latest, where nothing tells of it.
const POLL: Duration = Duration::from_secs(1);
/// The pause after some events, so that many commits are one read.
const PAUSE: Duration = Duration::from_millis(2);
/// How many events one read takes.
const BATCH: i64 = 250;
/// The longest wait after a failure.
const RETRY: Duration = Duration::from_secs(2);

impl Feed {
    /// Tells whoever listens of what is put into the log, for as long as this is polled.
    pub async fn run(self) {
        let mut recorded = self.0.database.recorded();
        loop {
            self.0.entered.notified().await;
            while let Err(error) = self.follow_log(&mut recorded).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "streams of events wait: the log cannot be read"
                );
                tokio::time::sleep(RETRY / 10 + self.0.ambient.part_of(RETRY)).await;
            }
        }
    }

    /// Reads the log until nobody listens any more.
    async fn follow_log(&self, recorded: &mut watch::Receiver<()>) -> Result<(), Error> {
        loop {
            recorded.borrow_and_update();
            let has_read = self.read_on().await?;
            if self.rest() {
                return Ok(());
            }
            if has_read {
                tokio::time::sleep(PAUSE).await;
            }
            // The sender lives as long as the database, which this holds.
            let _ = tokio::time::timeout(POLL, recorded.changed()).await;
        }
    }

    /// Tells of what there is after the place that it has come to, and moves on. Whether there was anything.
    async fn read_on(&self) -> Result<bool, Error> {
        let mut conn = self.0.database.read().await?;
        // In this order: who begins to listen after the end was read finds all before it by itself.
        let end = last_event(&mut conn).await?;
        let known = *self.0.position.borrow();
        let Some(begin) = known else {
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
            let hubs = self.hubs();
            events.into_iter().for_each(|event| hubs.tell(event));
            drop(hubs);
            self.0.position.send_replace(Some(position));
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
