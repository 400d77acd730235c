//! Removing what is old, or too much, from the beginning of the log; but nothing that is yet to be delivered or read.

use std::time::Duration;

use model::Ambient;
use storage::{Conn, Database, Error, Tx, last_event, on};
use tokio::time::MissedTickBehavior;

use crate::subscription::health;

/// How often the log is looked at.
const INTERVAL: Duration = Duration::from_secs(15);
/// How often it is from its very beginning, where some may have stayed because they were needed.
const WHOLE: u32 = 240;
/// The pause between two transactions that remove something, for those who want to write.
const PAUSE: Duration = Duration::from_millis(5);
/// How many events one transaction removes.
const BATCH: i64 = 1000;
/// How many events are counted at once.
const COUNTED: i64 = 20_000;
/// How old a count may be to remove events by. What a deleted tenant had is in it until then.
const COUNT_AGE: Duration = Duration::from_hours(24);

/// How long events are kept, and how many.
#[derive(Debug, Clone)]
pub struct Retention {
    database: Database,
    age: Duration,
    bytes: i64,
    ambient: Ambient,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many events.
    pub events: u64,
    /// Their size in bytes.
    pub bytes: i64,
}

/// The row of `event_retention`.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
struct State {
    counted_through: i64,
    bytes: i64,
    counted_at: i64,
    expired_through: i64,
}

/// From where on is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// From the first event.
    Beginning,
    /// From behind the last that was removed: before it are those alone that were needed then.
    Removed,
}

/// What is looked at of an event.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
struct Candidate {
    seq: i64,
    size: i64,
    recorded_at: i64,
}

impl Retention {
    /// Keeps events for `age`, and no more than `bytes` of them.
    pub fn new(database: Database, age: Duration, bytes: u64, ambient: Ambient) -> Self {
        Self { database, age, bytes: i64::try_from(bytes).unwrap_or(i64::MAX), ambient }
    }

    /// Removes what is to be removed, for as long as this is polled. Any number of processes may do so.
    pub async fn run(self) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for round in (0..WHOLE).cycle() {
            interval.tick().await;
            let swept = if round == 0 { self.sweep().await } else { self.sweep_from(Start::Removed).await };
            match swept {
                Ok(Swept { events: 0, .. }) => {}
                Ok(Swept { events, bytes }) => {
                    tracing::info!(events, size_bytes = bytes, "removed old events");
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "old events could not be removed"
                ),
            }
        }
    }

    /// Removes all that is to be removed by now, in small transactions. What subscriptions that are disabled for longer than events
    /// are kept have not been given is skipped, and needed no more.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        let now = self.ambient.now();
        while health::abandon(&self.database, (now.minus(self.age), now)).await? > 0 {}
        self.sweep_from(Start::Beginning).await
    }

    async fn sweep_from(&self, from: Start) -> Result<Swept, Error> {
        self.count().await?;
        let mut swept = Swept::default();
        loop {
            let removed = self.remove_some(from).await?;
            swept.events += removed.events;
            swept.bytes += removed.bytes;
            if removed.events == 0 {
                return Ok(swept);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Adds the events that are not counted yet; all of them anew where the count is old.
    async fn count(&self) -> Result<(), Error> {
        let mut conn = self.database.read().await?;
        let mut state = state(&mut conn).await?;
        drop(conn);
        if state.counted_at < self.ambient.now().minus(COUNT_AGE).as_millisecond() {
            let mut tx = self.database.begin().await?;
            state = on!(tx, |c| sqlx::query_as(
                "UPDATE event_retention SET counted_through = 0, bytes = 0, counted_at = $1 \
                 RETURNING counted_through, bytes, counted_at, expired_through"
            )
            .bind(self.ambient.now().as_millisecond())
            .fetch_one(c)
            .await)?;
            tx.commit().await?;
        }
        while let Some((through, bytes)) = self.next_sizes(state.counted_through).await? {
            let mut tx = self.database.begin().await?;
            let counted = on!(tx, |c| {
                sqlx::query(
                "UPDATE event_retention SET counted_through = $1, bytes = bytes + $2 WHERE counted_through = $3"
            )
            .bind(through)
            .bind(bytes)
            .bind(state.counted_through)
            .execute(c)
            .await
            .map(|done| done.rows_affected())
            })?;
            tx.commit().await?;
            if counted == 0 {
                // Another process counts.
                break;
            }
            state.counted_through = through;
        }
        Ok(())
    }

    /// The place and the size of some events after `after`; `None` where there are none.
    async fn next_sizes(&self, after: i64) -> Result<Option<(i64, i64)>, Error> {
        let mut conn = self.database.read().await?;
        let end = last_event(&mut conn).await?;
        let (through, bytes): (Option<i64>, i64) = on!(conn, |c| sqlx::query_as(
            "SELECT MAX(seq), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM \
             (SELECT seq, size FROM event WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3) AS uncounted"
        )
        .bind(after)
        .bind(end)
        .bind(COUNTED)
        .fetch_one(c)
        .await)?;
        Ok(through.map(|through| (through, bytes)))
    }

    async fn remove_some(&self, from: Start) -> Result<Swept, Error> {
        let mut conn = self.database.read().await?;
        let seen = state(&mut conn).await?;
        let some = self.removable(candidates(&mut conn, seen.range(from)).await?, seen.bytes);
        drop(conn);
        if some.is_empty() {
            return Ok(Swept::default());
        }
        let mut tx = self.database.begin().await?;
        // Also keeps other processes from removing the same.
        let state: State = on!(tx, |c| {
            sqlx::query_as(
            "UPDATE event_retention SET bytes = bytes RETURNING counted_through, bytes, counted_at, expired_through"
        )
        .fetch_one(c)
        .await
        })?;
        let some = self.removable(candidates(&mut tx, state.range(from)).await?, state.bytes);
        let Some(last) = some.last().map(|each| each.seq) else { return Ok(Swept::default()) };
        let bytes: i64 = some.iter().map(|each| each.size).sum();
        let events = delete(&mut tx, &some).await?;
        on!(tx, |c| sqlx::query(
            "UPDATE event_retention SET bytes = bytes - $1, \
             expired_through = CASE WHEN expired_through < $2 THEN $2 ELSE expired_through END"
        )
        .bind(bytes)
        .bind(last)
        .execute(c)
        .await
        .map(drop))?;
        tx.commit().await?;
        Ok(Swept { events, bytes })
    }

    /// The first of `some` that are too old or too many, where all events have `bytes`.
    fn removable(&self, mut some: Vec<Candidate>, mut bytes: i64) -> Vec<Candidate> {
        let oldest = self.ambient.now().minus(self.age).as_millisecond();
        let count = some.iter().take_while(|each| {
            let is_too_much = bytes > self.bytes;
            bytes -= each.size;
            is_too_much || each.recorded_at < oldest
        });
        let count = count.count();
        some.truncate(count);
        some
    }
}

impl State {
    /// After which event, and through which, may be removed.
    fn range(self, from: Start) -> (i64, i64) {
        let after = match from {
            Start::Beginning => 0,
            Start::Removed => self.expired_through,
        };
        (after, self.counted_through)
    }
}

async fn state(conn: &mut Conn) -> Result<State, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT counted_through, bytes, counted_at, expired_through FROM event_retention"
    )
    .fetch_one(c)
    .await)?)
}

/// The oldest events of a range that nobody needs any more.
async fn candidates(conn: &mut Conn, (after, through): (i64, i64)) -> Result<Vec<Candidate>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT seq, size, recorded_at FROM event \
         WHERE seq > $3 AND seq <= $1 AND seq <= (SELECT COALESCE(MIN(cursor), $1) FROM log_reader) \
         AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_seq = event.seq AND finished_at IS NULL) \
         ORDER BY seq LIMIT $2"
    )
    .bind(through)
    .bind(BATCH)
    .bind(after)
    .fetch_all(c)
    .await)?)
}

async fn delete(tx: &mut Tx, some: &[Candidate]) -> Result<u64, Error> {
    Ok(on!(tx, |c| {
        let mut query = sqlx::QueryBuilder::new("DELETE FROM event WHERE seq IN (");
        let mut places = query.separated(", ");
        for each in some {
            places.push_bind(each.seq);
        }
        query.push(")");
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?)
}

/// Everything through this place may be gone.
pub(super) async fn expired_through(conn: &mut Conn) -> Result<i64, Error> {
    let (place,): (i64,) =
        on!(conn, |c| sqlx::query_as("SELECT expired_through FROM event_retention").fetch_one(c).await)?;
    Ok(place)
}

/// Whether `place` lies behind the end of the log, whose events through `oldest` are gone: it is of another log then.
pub(super) async fn is_ahead(conn: &mut Conn, place: i64, oldest: i64) -> Result<bool, Error> {
    Ok(place > oldest && place > last_event(conn).await?)
}
