//! What becomes of webhooks whose handler was called while their sender waited.

use std::collections::BTreeMap;

use model::{TenantId, Timestamp};
use sqlx::QueryBuilder;
use storage::{Error, Tx, batches, on};

use crate::delivery::{Conclusion, Queue};

/// How many rows one statement finishes.
const ROWS: usize = 1000;

/// Whose call has ended, and how.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) queue: Queue,
    pub(crate) webhook: i64,
    pub(crate) ending: Conclusion,
}

impl Reply {
    /// When it is tried again, if it is.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        match &self.ending {
            Conclusion::Again { due_at, .. } => Some(Timestamp::from_millisecond(*due_at)),
            Conclusion::Delivered { .. } | Conclusion::Failed { .. } | Conclusion::Skipped { .. } => None,
        }
    }
}

/// Writes down the ends of calls. Gives those whose deliveries were unfinished: the holders of their queues are to be told.
pub(crate) async fn conclude<'a>(
    tx: &mut Tx,
    mut replies: Vec<&'a Reply>,
    now: Timestamp,
) -> Result<Vec<&'a Reply>, Error> {
    replies.sort_unstable_by_key(|reply| reply.webhook);
    let (mut delivered, mut concluded) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for reply in replies {
        match reply.ending {
            Conclusion::Delivered { status } => {
                delivered.entry((reply.queue.tenant(), status)).or_default().push(reply);
            }
            Conclusion::Again { .. } | Conclusion::Failed { .. } | Conclusion::Skipped { .. } => {
                if conclude_one(tx, reply, now).await? {
                    concluded.push(reply);
                }
            }
        }
    }
    for ((tenant, status), replies) in delivered {
        if finish_delivered(tx, (tenant, &replies), status, now).await? {
            concluded.extend(replies);
        }
    }
    Ok(concluded)
}

/// Writes that plugins have these webhooks of one tenant, with the same status each. Tells whether any was unfinished.
async fn finish_delivered(
    tx: &mut Tx,
    (tenant, replies): (&TenantId, &[&Reply]),
    status: Option<u16>,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut changed = 0;
    for replies in batches(replies, ROWS) {
        changed += on!(tx, |c| {
            let mut query = QueryBuilder::new(
                "UPDATE delivery SET state = 'delivered', attempts = attempts + 1, last_error = NULL, last_status = ",
            );
            query.push_bind(status.map(i64::from)).push(", finished_at = ").push_bind(now.as_millisecond());
            query.push(" WHERE replay_of IS NULL AND finished_at IS NULL AND tenant = ");
            query.push_bind(tenant.as_str()).push(" AND webhook_seq IN (");
            let mut list = query.separated(", ");
            for reply in replies {
                list.push_bind(reply.webhook);
            }
            query.push(")");
            query.build().execute(c).await.map(|done| done.rows_affected())
        })?;
    }
    Ok(changed > 0)
}

/// Writes what else became of one. `false` if it was finished, or is no longer there.
async fn conclude_one(tx: &mut Tx, reply: &Reply, now: Timestamp) -> Result<bool, Error> {
    let (state, is_attempt, status, error) = match &reply.ending {
        Conclusion::Delivered { status } => ("delivered", true, *status, None),
        Conclusion::Again { is_failure, status, error, .. } => ("pending", *is_failure, *status, Some(error)),
        Conclusion::Failed { status, error, .. } => ("failed", true, *status, Some(error)),
        Conclusion::Skipped { error } => ("skipped", false, None, Some(error)),
    };
    let due_at = reply.due_at();
    let finished_at = due_at.is_none().then_some(now);
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE delivery SET state = $3, finished_at = $4, due_at = COALESCE($5, due_at), attempts = attempts + $6, \
             last_status = $7, last_error = $8 \
             WHERE webhook_seq = $1 AND tenant = $2 AND replay_of IS NULL AND finished_at IS NULL",
        )
        .bind(reply.webhook)
        .bind(reply.queue.tenant().as_str())
        .bind(state)
        .bind(finished_at.map(Timestamp::as_millisecond))
        .bind(due_at.map(Timestamp::as_millisecond))
        .bind(i64::from(is_attempt))
        .bind(status.map(i64::from))
        .bind(error)
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?;
    Ok(changed > 0)
}
