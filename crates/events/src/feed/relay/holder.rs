//! Publishing the log: by the one process that holds the lease.

use std::time::Duration;

use storage::{LoggedEvent, events_between, last_event, on};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{DEADLINE, Message, Relay, subject};

/// How long a holder that has died keeps others from publishing. A lease that goes much further was given by a clock that went wrong.
const LEASE: Duration = Duration::from_secs(6);
/// How often the lease is renewed.
const RENEWAL: Duration = Duration::from_secs(2);
/// How often something is published at least, so that all know that the relay works.
const BEAT: Duration = Duration::from_millis(500);
/// How many events are read at once.
const BATCH: i64 = 250;
/// The most bytes of a message's events. NATS takes messages of 1 MiB, if it is not told otherwise; JSON escapes some bytes.
const MESSAGE_BYTES: usize = 256 * 1024;

impl Relay {
    /// Publishes the log whenever this process has the lease, until `closed`.
    pub(in crate::feed) async fn hold(&self, closed: &CancellationToken) {
        let holding = async {
            loop {
                if let Err(error) = self.try_to_hold().await {
                    tracing::debug!(error, "the log is not relayed");
                }
                self.pause().await;
            }
        };
        closed.run_until_cancelled(holding).await;
        // Another process need not wait for the lease to end.
        let _ = tokio::time::timeout(DEADLINE, self.release()).await;
    }

    async fn try_to_hold(&self) -> Result<(), String> {
        let text = |error: storage::Error| error.to_string();
        if !self.is_connected() || !self.take_lease().await.map_err(text)? {
            return Ok(());
        }
        let log = self.log().await.map_err(text)?;
        self.prepare(&log).await?;
        let mut recorded = self.0.database.recorded();
        // Who missed something before this reads the database once.
        let mut position = self.end().await.map_err(text)?;
        let (mut renewed, mut said) = (Instant::now(), None);
        loop {
            if renewed.elapsed() >= RENEWAL {
                if !self.take_lease().await.map_err(text)? {
                    return Ok(());
                }
                renewed = Instant::now();
            }
            recorded.borrow_and_update();
            let events = self.next(position).await.map_err(text)?;
            let is_due = said.is_none_or(|said: Instant| said.elapsed() >= BEAT);
            if let Some((through, events)) = events {
                self.publish(&log, (position, through), events).await?;
                (position, said) = (through, Some(Instant::now()));
                continue;
            }
            if is_due {
                self.publish(&log, (position, position), Vec::new()).await?;
                said = Some(Instant::now());
            }
            wait(&mut recorded).await;
        }
    }

    /// The events behind `position`, and the place that they end with; `None` where there are none.
    async fn next(&self, position: i64) -> Result<Option<(i64, Vec<LoggedEvent>)>, storage::Error> {
        let mut conn = self.0.database.read().await?;
        let end = last_event(&mut conn).await?;
        if end <= position {
            return Ok(None);
        }
        let events = events_between(&mut conn, None, (position, end), BATCH).await?;
        let is_full = i64::try_from(events.len()).is_ok_and(|count| count >= BATCH);
        let last = events.last().map(|event| event.seq).filter(|_| is_full);
        Ok(Some((last.unwrap_or(end), events)))
    }

    /// Publishes events in messages that NATS takes, and waits until it has them.
    async fn publish(
        &self,
        log: &str,
        (mut after, through): (i64, i64),
        events: Vec<LoggedEvent>,
    ) -> Result<(), String> {
        let (mut some, mut bytes) = (Vec::new(), 0);
        for event in events {
            let size =
                event.data.len() + event.attributes.as_deref().map_or(0, str::len) + event.subject.len();
            if bytes + size > MESSAGE_BYTES {
                let last = event.seq - 1;
                self.send(log, Message { after, through: last, events: std::mem::take(&mut some) }).await?;
                (after, bytes) = (last, 0);
            }
            if size > MESSAGE_BYTES {
                // Who finds it missing reads it in the database.
                after = event.seq;
                continue;
            }
            bytes += size;
            some.push(event);
        }
        self.send(log, Message { after, through, events: some }).await
    }

    async fn send(&self, log: &str, message: Message) -> Result<(), String> {
        let sent = self.0.context.publish(subject(log), message.into_payload()).await;
        let stored = sent.map_err(|error| error.to_string())?;
        stored.await.map(drop).map_err(|error| error.to_string())
    }

    async fn end(&self) -> Result<i64, storage::Error> {
        let mut conn = self.0.database.read().await?;
        last_event(&mut conn).await
    }

    async fn take_lease(&self) -> Result<bool, storage::Error> {
        let now = self.0.ambient.now();
        let mut tx = self.0.database.begin().await?;
        let taken = on!(tx, |c| sqlx::query(
            "UPDATE event_relay SET holder = $1, lease_until = $2 WHERE holder = $1 OR lease_until <= $3 \
             OR lease_until > $4"
        )
        .bind(&self.0.name)
        .bind(now.plus(LEASE).as_millisecond())
        .bind(now.as_millisecond())
        .bind(now.plus(2 * LEASE).as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(taken == 1)
    }

    async fn release(&self) -> Result<(), storage::Error> {
        let mut tx = self.0.database.begin().await?;
        on!(tx, |c| sqlx::query("UPDATE event_relay SET lease_until = 0 WHERE holder = $1")
            .bind(&self.0.name)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await
    }
}

async fn wait(recorded: &mut watch::Receiver<()>) {
    // The sender lives as long as the database, which the relay holds.
    let _ = tokio::time::timeout(BEAT, recorded.changed()).await;
}
