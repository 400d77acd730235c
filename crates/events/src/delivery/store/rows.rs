//! The unfinished rows of a queue, and writing down what became of them.

use model::Timestamp;
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Error, Tx, batches, on};

use crate::delivery::retry::Conclusion;
use crate::delivery::window::{Row, key_of};

/// How many rows one statement finishes.
const ROWS: usize = 1000;

const UNFINISHED: &str = "SELECT seq, ordering_key, due_at, attempts, created_at, event_seq, webhook_seq, handler \
     FROM delivery WHERE queue = $1 AND finished_at IS NULL AND seq > $2 ORDER BY seq LIMIT $3";

const COUNT_SOME: &str = "SELECT COUNT(*) FROM \
     (SELECT 1 FROM delivery WHERE queue = $1 AND finished_at IS NULL LIMIT $2) AS unfinished";

#[derive(FromRow)]
struct Unfinished {
    seq: i64,
    ordering_key: String,
    due_at: i64,
    attempts: i64,
    created_at: i64,
    event_seq: Option<i64>,
    webhook_seq: Option<i64>,
    handler: String,
}

impl From<Unfinished> for Row {
    fn from(row: Unfinished) -> Self {
        Self {
            seq: row.seq,
            key: key_of(&row.ordering_key),
            due_at: row.due_at,
            attempts: row.attempts,
            created_at: row.created_at,
            event_seq: row.event_seq,
            webhook_seq: row.webhook_seq,
            handler: row.handler,
        }
    }
}

/// The unfinished rows of a queue after `after`, in order.
pub(crate) async fn unfinished(
    conn: &mut Conn,
    queue: &str,
    (after, limit): (i64, i64),
) -> Result<Vec<Row>, Error> {
    let rows: Vec<Unfinished> =
        on!(conn, |c| { sqlx::query_as(UNFINISHED).bind(queue).bind(after).bind(limit).fetch_all(c).await })?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// How many of a queue are not finished, counted as far as `most`.
pub(crate) async fn count_some(conn: &mut Conn, queue: &str, most: i64) -> Result<i64, Error> {
    Ok(on!(conn, |c| sqlx::query_scalar(COUNT_SOME).bind(queue).bind(most).fetch_one(c).await)?)
}

/// How many of each queue are not finished; queues without any are left out.
pub(crate) async fn count_unfinished(conn: &mut Conn, queues: &[&str]) -> Result<Vec<(String, i64)>, Error> {
    let mut counts = Vec::new();
    for queues in queues.chunks(ROWS) {
        let rows: Vec<(String, i64)> = on!(conn, |c| {
            let mut query = QueryBuilder::new(
                "SELECT queue, COUNT(*) FROM delivery WHERE finished_at IS NULL AND queue IN (",
            );
            let mut list = query.separated(", ");
            for queue in queues {
                list.push_bind(*queue);
            }
            query.push(") GROUP BY queue");
            query.build_query_as().fetch_all(c).await
        })?;
        counts.extend(rows);
    }
    Ok(counts)
}

/// Writes that receivers have these, with the same status each.
pub(crate) async fn finish_delivered(
    tx: &mut Tx,
    places: &[i64],
    status: Option<u16>,
    now: Timestamp,
) -> Result<(), Error> {
    for places in batches(places, ROWS) {
        on!(tx, |c| {
            let mut query = QueryBuilder::new(
                "UPDATE delivery SET state = 'delivered', attempts = attempts + 1, last_error = NULL, last_status = ",
            );
            query.push_bind(status.map(i64::from)).push(", finished_at = ").push_bind(now.as_millisecond());
            query.push(" WHERE finished_at IS NULL AND seq IN (");
            let mut list = query.separated(", ");
            for place in places {
                list.push_bind(*place);
            }
            query.push(")");
            query.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// What is written of a delivery that its receiver does not have.
#[derive(Debug)]
pub(crate) struct Undelivered<'a> {
    state: &'static str,
    attempts: i64,
    due_at: Option<i64>,
    status: Option<u16>,
    error: &'a str,
}

impl<'a> Undelivered<'a> {
    /// `None` where its receiver has it.
    pub(crate) fn of(row: &Row, conclusion: &'a Conclusion) -> Option<Self> {
        let (state, attempts, due_at, status, error) = match conclusion {
            Conclusion::Delivered { .. } => return None,
            Conclusion::Again { due_at, attempts, status, error, .. } => {
                ("pending", *attempts, Some(*due_at), *status, error)
            }
            Conclusion::Failed { attempts, status, error, .. } => ("failed", *attempts, None, *status, error),
            Conclusion::Skipped { error } => ("skipped", row.attempts, None, None, error),
        };
        Some(Self { state, attempts, due_at, status, error })
    }
}

/// Writes that a receiver does not have one. `false` if another process has written something first.
pub(crate) async fn conclude(
    tx: &mut Tx,
    (seq, seen_attempts): (i64, i64),
    undelivered: &Undelivered<'_>,
    now: Timestamp,
) -> Result<bool, Error> {
    let Undelivered { state, attempts, due_at, status, error } = *undelivered;
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE delivery SET state = $3, attempts = $4, due_at = COALESCE($5, due_at), last_status = $6, \
             last_error = $7, finished_at = $8 WHERE seq = $1 AND attempts = $2 AND finished_at IS NULL",
        )
        .bind(seq)
        .bind(seen_attempts)
        .bind(state)
        .bind(attempts)
        .bind(due_at)
        .bind(status.map(i64::from))
        .bind(error)
        .bind(if due_at.is_some() { None } else { Some(now.as_millisecond()) })
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

#[cfg(test)]
mod tests {
    use model::Ambient;
    use storage::{Database, DatabaseUrl, Engine};

    use super::*;

    /// SQLite knows nothing of how many rows there are of what, and takes one of the indexes that fit: a long history must not be
    /// gone through for what is not finished.
    #[tokio::test]
    async fn what_is_unfinished_has_an_index_that_sqlite_takes() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
        let migrations = [storage::MIGRATIONS, crate::MIGRATIONS];
        let database = Database::open(&url, &migrations, Ambient::system()).await.unwrap();
        let mut conn = database.read().await.unwrap();
        for sql in [UNFINISHED, COUNT_SOME] {
            let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let Engine::Sqlite(sqlite) = conn.engine() else { panic!("it is SQLite") };
            let query = sqlx::query_as(sql).bind("q").bind(0).bind(10);
            let plan: Vec<(i64, i64, i64, String)> = query.fetch_all(sqlite).await.unwrap();
            assert!(plan.iter().any(|step| step.3.contains("delivery_unfinished")), "{plan:?}");
        }
    }
}
