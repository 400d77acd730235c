//! Reading the log from where one has come to: a reader has a durable cursor, is at work in one process at a time, and takes
//! each event once.
//!
//! What a reader makes of events is written in the transaction that moves its cursor ([`Batch`]), so nothing is missed and
//! nothing is taken twice, whatever ends when. The lease only keeps replicas from doing the same work in vain.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::{Ambient, EventKind, new_id};

use crate::event_log::{PAGE, events_of, kept_of, last_place, sizes_of};
use crate::log_page::fitting;
use crate::{Database, Error, LoggedEvent, Tx, on};

/// How long a process that has stopped keeps others from reading. Renewed with each batch. A lease that goes much further into the
/// future was given by a clock that went wrong: it has ended.
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
    Batch(Box<Batch>),
    /// Nothing of interest has happened since.
    Nothing,
    /// Another process reads.
    Elsewhere,
}

/// Events that were seen, and are not taken yet.
#[derive(Debug)]
pub struct Seen {
    /// The events of interest, oldest first.
    pub events: Vec<LoggedEvent>,
    /// Where the reader stood.
    pub cursor: i64,
    through: i64,
}

/// What a reader sees.
#[derive(Debug)]
pub enum Look {
    /// Something happened.
    Events(Seen),
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
    /// Where the reader stands once this is committed.
    pub through: i64,
    name: &'static str,
}

impl Batch {
    /// Leaves what comes after the place `through` for the next batch.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn only_through(&mut self, through: i64) -> Result<(), Error> {
        on!(self.tx, |c| sqlx::query("UPDATE log_reader SET cursor = $2 WHERE name = $1")
            .bind(self.name)
            .bind(through)
            .execute(c)
            .await
            .map(drop))?;
        self.through = through;
        Ok(())
    }

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

    /// The next events, at most 1,000 and about 4 MiB, however many others there are before them. Where nothing has happened,
    /// nothing is written.
    ///
    /// # Errors
    /// Those of the database, among them that no migration has made the reader's row.
    pub async fn next(&self) -> Result<Next, Error> {
        match self.look().await? {
            Look::Events(seen) => self.take(seen).await,
            Look::Nothing => Ok(Next::Nothing),
            Look::Elsewhere => Ok(Next::Elsewhere),
        }
    }

    /// Looks at what [`LogReader::next`] would take.
    ///
    /// # Errors
    /// Those of the database, among them that no migration has made the reader's row.
    pub async fn look(&self) -> Result<Look, Error> {
        let mut conn = self.database.read().await?;
        let (cursor, holder, lease_until): (i64, String, i64) = on!(conn, |c| sqlx::query_as(
            "SELECT cursor, holder, lease_until FROM log_reader WHERE name = $1"
        )
        .bind(self.name)
        .fetch_one(c)
        .await)?;
        if holder != self.holder && self.leases().contains(&lease_until) {
            return Ok(Look::Elsewhere);
        }
        let from = cursor.max(self.looked_through.load(Ordering::Relaxed));
        let end = last_place(&mut conn).await?;
        let sizes = sizes_of(&mut conn, self.kinds, (from, end)).await?;
        let fitting = fitting(&sizes);
        // Where there may be more of them, the next round begins behind the last.
        let is_whole = fitting == sizes.len() && i64::try_from(fitting).is_ok_and(|len| len < PAGE);
        let last = fitting.checked_sub(1).and_then(|last| sizes.get(last)).map(|(seq, _)| *seq);
        let through = last.filter(|_| !is_whole).unwrap_or(end);
        if last.is_none() && through - cursor < UNWRITTEN {
            self.looked_through.fetch_max(through, Ordering::Relaxed);
            return Ok(Look::Nothing);
        }
        let events = match last {
            Some(last) => events_of(&mut conn, self.kinds, (from, last)).await?,
            None => Vec::new(),
        };
        Ok(Look::Events(Seen { events, cursor, through }))
    }

    /// Takes what was seen, if the reader still stands where it did.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn take(&self, seen: Seen) -> Result<Next, Error> {
        let Seen { mut events, cursor, through } = seen;
        let mut tx = self.database.begin().await?;
        if !self.advance(&mut tx, (cursor, through)).await? {
            return Ok(Next::Elsewhere);
        }
        // What was deleted meanwhile, as with a tenant, is not taken any more.
        if !events.is_empty() {
            let places: Vec<i64> = events.iter().map(|event| event.seq).collect();
            let kept = kept_of(&mut tx, &places).await?;
            events.retain(|event| kept.contains(&event.seq));
        }
        if events.is_empty() {
            tx.commit().await?;
            return Ok(Next::Nothing);
        }
        Ok(Next::Batch(Box::new(Batch { events, tx, through, name: self.name })))
    }

    /// The ends of leases that hold.
    fn leases(&self) -> std::ops::RangeInclusive<i64> {
        let now = self.ambient.now();
        now.as_millisecond() + 1..=now.plus(2 * LEASE).as_millisecond()
    }

    /// Moves the cursor, if it is still where it was seen and no other process has the lease.
    async fn advance(&self, tx: &mut Tx, (seen, through): (i64, i64)) -> Result<bool, Error> {
        let (leases, now) = (self.leases(), self.ambient.now());
        let moved = on!(tx, |c| sqlx::query(
            "UPDATE log_reader SET cursor = $3, holder = $4, lease_until = $7 \
             WHERE name = $1 AND cursor = $2 AND (holder = $4 OR lease_until < $5 OR lease_until > $6)"
        )
        .bind(self.name)
        .bind(seen)
        .bind(through)
        .bind(&self.holder)
        .bind(leases.start())
        .bind(leases.end())
        .bind(now.plus(LEASE).as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(moved == 1)
    }

    /// Takes the reader within a transaction, so that no other process moves its cursor before the transaction has ended, and
    /// tells the cursor. `None` where another process reads.
    pub async fn hold(&self, tx: &mut Tx) -> Result<Option<i64>, Error> {
        let (leases, now) = (self.leases(), self.ambient.now());
        let row: Option<(i64,)> = on!(tx, |c| sqlx::query_as(
            "UPDATE log_reader SET holder = $2, lease_until = $5 \
             WHERE name = $1 AND (holder = $2 OR lease_until < $3 OR lease_until > $4) RETURNING cursor"
        )
        .bind(self.name)
        .bind(&self.holder)
        .bind(leases.start())
        .bind(leases.end())
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
