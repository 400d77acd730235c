//! What becomes of webhooks whose handler was called while their sender waited.

use std::collections::BTreeMap;

use model::Timestamp;
use storage::{Error, Tx, on};

use crate::delivery::Queue;

/// The end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The plugin has it.
    Delivered { status: u16 },
    /// It is to be tried again by the queue's holder.
    Again { due_at: Timestamp, is_attempt: bool, status: Option<u16>, error: String },
    /// There is nobody any more who would take it.
    Skipped { error: String },
}

/// Whose call has ended, and how.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) queue: Queue,
    pub(crate) webhook: i64,
    pub(crate) ending: Ending,
}

/// Writes down the ends of calls, and has the holders of their queues look anew.
pub(crate) async fn conclude(tx: &mut Tx, replies: &[Reply], now: Timestamp) -> Result<(), Error> {
    // In the order of their names, so that two who do so never wait for each other in a circle.
    let mut queues: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for reply in replies {
        let due_at = match &reply.ending {
            Ending::Again { due_at, .. } => Some(due_at.as_millisecond()),
            Ending::Delivered { .. } | Ending::Skipped { .. } => None,
        };
        let earliest = queues.entry(reply.queue.name()).or_default();
        *earliest = [*earliest, due_at].into_iter().flatten().min();
        conclude_one(tx, reply, now).await?;
    }
    for (queue, due_at) in queues {
        on!(tx, |c| sqlx::query(
            "UPDATE delivery_queue SET stamp = stamp + 1, nudge = nudge + 1, \
             due_at = CASE WHEN due_at IS NULL OR due_at > $2 THEN $2 ELSE due_at END WHERE queue = $1"
        )
        .bind(queue)
        // Without one of its own the queue is looked at all the same: what it was due for may be done.
        .bind(due_at.unwrap_or_else(|| now.as_millisecond()))
        .execute(c)
        .await
        .map(drop))?;
    }
    Ok(())
}

async fn conclude_one(tx: &mut Tx, reply: &Reply, now: Timestamp) -> Result<(), Error> {
    let (state, finished_at, due_at, is_attempt, status, error) = match &reply.ending {
        Ending::Delivered { status } => ("delivered", Some(now), None, true, Some(*status), None),
        Ending::Again { due_at, is_attempt, status, error } => {
            ("pending", None, Some(*due_at), *is_attempt, *status, Some(error))
        }
        Ending::Skipped { error } => ("skipped", Some(now), None, false, None, Some(error)),
    };
    on!(tx, |c| {
        sqlx::query(
        "UPDATE delivery SET state = $2, finished_at = $3, due_at = COALESCE($4, due_at), attempts = attempts + $5, \
         last_status = $6, last_error = $7 WHERE webhook_seq = $1 AND replay_of IS NULL AND finished_at IS NULL"
    )
    .bind(reply.webhook)
    .bind(state)
    .bind(finished_at.map(Timestamp::as_millisecond))
    .bind(due_at.map(Timestamp::as_millisecond))
    .bind(i64::from(is_attempt))
    .bind(status.map(i64::from))
    .bind(error)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}
