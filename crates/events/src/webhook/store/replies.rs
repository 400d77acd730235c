//! What becomes of webhooks whose handler was called while their sender waited.

use std::collections::{BTreeMap, BTreeSet};

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

/// Those of `replies` whose deliveries are unfinished: others have ended them, or their tenant is gone.
pub(crate) async fn unfinished<'a>(tx: &mut Tx, replies: Vec<&'a Reply>) -> Result<Vec<&'a Reply>, Error> {
    let mut found = BTreeSet::new();
    for replies in batches(&replies, ROWS) {
        let numbers: Vec<(i64,)> = on!(tx, |c| {
            let mut query = QueryBuilder::new(
                "SELECT webhook_seq FROM delivery WHERE replay_of IS NULL AND finished_at IS NULL",
            );
            query.push(" AND webhook_seq IN (");
            let mut list = query.separated(", ");
            for reply in replies {
                list.push_bind(reply.webhook);
            }
            query.push(")");
            query.build_query_as().fetch_all(c).await
        })?;
        found.extend(numbers.into_iter().map(|(number,)| number));
    }
    Ok(replies.into_iter().filter(|reply| found.contains(&reply.webhook)).collect())
}

/// Writes down the ends of calls, whose queues have been touched.
pub(crate) async fn conclude(tx: &mut Tx, mut replies: Vec<&Reply>, now: Timestamp) -> Result<(), Error> {
    replies.sort_unstable_by_key(|reply| reply.webhook);
    let mut delivered = BTreeMap::<_, Vec<_>>::new();
    for reply in replies {
        match reply.ending {
            Conclusion::Delivered { status } => {
                delivered.entry((reply.queue.tenant(), status)).or_default().push(reply);
            }
            Conclusion::Again { .. } | Conclusion::Failed { .. } | Conclusion::Skipped { .. } => {
                conclude_one(tx, reply, now).await?;
            }
        }
    }
    for ((tenant, status), replies) in delivered {
        finish_delivered(tx, (tenant, &replies), status, now).await?;
    }
    Ok(())
}

/// Writes that plugins have these webhooks of one tenant, with the same status each.
async fn finish_delivered(
    tx: &mut Tx,
    (tenant, replies): (&TenantId, &[&Reply]),
    status: Option<u16>,
    now: Timestamp,
) -> Result<(), Error> {
    for replies in batches(replies, ROWS) {
        on!(tx, |c| {
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
            query.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// Writes what else became of one.
async fn conclude_one(tx: &mut Tx, reply: &Reply, now: Timestamp) -> Result<(), Error> {
    let (state, is_attempt, status, error) = match &reply.ending {
        Conclusion::Delivered { status } => ("delivered", true, *status, None),
        Conclusion::Again { is_failure, status, error, .. } => ("pending", *is_failure, *status, Some(error)),
        Conclusion::Failed { status, error, .. } => ("failed", true, *status, Some(error)),
        Conclusion::Skipped { error } => ("skipped", false, None, Some(error)),
    };
    let due_at = reply.due_at();
    let finished_at = due_at.is_none().then_some(now);
    on!(tx, |c| {
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
        .map(drop)
    })?;
    Ok(())
}
