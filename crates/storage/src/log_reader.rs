//! Reading the log from where one has come to: a reader has a durable cursor, is at work in one process at a time, and takes
//! each event once.
//!
//! What a reader makes of events is written in the transaction that moves its cursor ([`Batch`]), so nothing is missed and
//! nothing is taken twice, whatever ends when. The lease only keeps replicas from doing the same work in vain.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::{Ambient, EventKind, new_id};

use crate::event_log::{PAGE, events_of, last_place};
use crate::{Database, Error, LoggedEvent, Tx, on};

/// How long a process that has stopped keeps others from reading. Renewed with each batch.
const LEASE: Duration = Duration::from_secs(10);

/// How many places of the log may be read again after a restart, where they hold nothing of interest.
const UNWRITTEN: i64 = 1000;

/// A reader of the log. Its row in `log_reader` is made by the migration that introduces it, at the place where it is to
/// begin.
pub struct LogReader {
    name: &'static str,
    kinds: &'static [EventKind],
    holder: String,
    /// Through here there is nothing of interest after the cursor.
    looked_through: AtomicI64,
    database: Database,
    ambient: Ambient,
}

/// What a reader is given to do.
#[derive(Debug)]
pub enum Next {
    /// Something happened.
    Batch(Batch),
    /// Nothing of interest has happened since.
    Nothing,
    /// Another process reads.
    Elsewhere,
}

/// Events that nobody has taken, oldest first, and the transaction in which they are taken.
pub struct Batch {
    /// The events of interest, at least one.
    pub events: Vec<LoggedEvent>,
    /// Where to write what becomes of them. Dropped without [`Batch::commit`], they come again.
    pub tx: Tx,
}

impl Batch {
    /// Takes the events, and makes durable what was written.
    pub async fn commit(self) -> Result<(), Error> {
        self.tx.commit().await
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("events", &self.events).finish_non_exhaustive()
    }
}

impl LogReader {
    /// The reader of this name, which takes the events of these `kinds`, or of all where there are none.
    pub fn new(
        name: &'static str,
        kinds: &'static [EventKind],
        database: Database,
        ambient: Ambient,
    ) -> Self {
        let (holder, looked_through) = (new_id(&ambient), AtomicI64::new(0));
        Self { name, kinds, holder, looked_through, database, ambient }
    }

    /// The next events, at most 1,000, however many others there are before them. Where nothing has happened, nothing is
    /// written.
    ///
    /// # Errors
    /// Those of the database, among them that no migration has made the reader's row.
    pub async fn next(&self) -> Result<Next, Error> {
        let mut conn = self.database.read().await?;
        let (cursor, holder, lease_until): (i64, String, i64) = on!(conn, |c| sqlx::query_as(
            "SELECT cursor, holder, lease_until FROM log_reader WHERE name = $1"
        )
        .bind(self.name)
        .fetch_one(c)
        .await)?;
        if holder != self.holder && lease_until > self.ambient.now().as_millisecond() {
            return Ok(Next::Elsewhere);
        }
        let from = cursor.max(self.looked_through.load(Ordering::Relaxed));
        let end = last_place(&mut conn).await?;
        let events = events_of(&mut conn, self.kinds, (from, end)).await?;
        drop(conn);
        // Where there may be more of them, the next round begins behind the last.
        let is_full = i64::try_from(events.len()).is_ok_and(|len| len >= PAGE);
        let last = events.last().filter(|_| is_full).map_or(end, |event| event.seq);
        if events.is_empty() && last - cursor < UNWRITTEN {
            self.looked_through.fetch_max(last, Ordering::Relaxed);
            return Ok(Next::Nothing);
        }
        let mut tx = self.database.begin().await?;
        if !self.advance(&mut tx, (cursor, last)).await? {
            return Ok(Next::Elsewhere);
        }
        // What was deleted meanwhile, as with a tenant, is not taken any more.
        let events =
            if events.is_empty() { events } else { events_of(&mut tx, self.kinds, (from, last)).await? };
        if events.is_empty() {
            tx.commit().await?;
            return Ok(Next::Nothing);
        }
        Ok(Next::Batch(Batch { events, tx }))
    }

    /// Moves the cursor, if it is still where it was seen and no other process has the lease.
    async fn advance(&self, tx: &mut Tx, (seen, through): (i64, i64)) -> Result<bool, Error> {
        let now = self.ambient.now();
        let moved = on!(tx, |c| sqlx::query(
            "UPDATE log_reader SET cursor = $3, holder = $4, lease_until = $6 \
             WHERE name = $1 AND cursor = $2 AND (holder = $4 OR lease_until <= $5)"
        )
        .bind(self.name)
        .bind(seen)
        .bind(through)
        .bind(&self.holder)
        .bind(now.as_millisecond())
        .bind(now.plus(LEASE).as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(moved == 1)
    }

    /// Takes the reader within a transaction, so that no other process moves its cursor before the transaction has ended, and
    /// tells the cursor. `None` where another process reads.
    pub async fn hold(&self, tx: &mut Tx) -> Result<Option<i64>, Error> {
        let now = self.ambient.now();
        let row: Option<(i64,)> = on!(tx, |c| sqlx::query_as(
            "UPDATE log_reader SET holder = $2, lease_until = $4 \
             WHERE name = $1 AND (holder = $2 OR lease_until <= $3) RETURNING cursor"
        )
        .bind(self.name)
        .bind(&self.holder)
        .bind(now.as_millisecond())
        .bind(now.plus(LEASE).as_millisecond())
        .fetch_optional(c)
        .await)?;
        Ok(row.map(|(cursor,)| cursor))
    }

    /// Lets another process read at once.
    pub async fn release(&self) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        on!(tx, |c| sqlx::query("UPDATE log_reader SET lease_until = 0 WHERE name = $1 AND holder = $2")
            .bind(self.name)
            .bind(&self.holder)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader").field("name", &self.name).finish_non_exhaustive()
    }
}
