//! Listing, repeating and forgetting deliveries.

use model::{TenantId, Timestamp};
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Error, Tx, on};

use crate::delivery::{Delivery, Filter, Range, State};
use crate::subscription::{PLATFORM, Scope};

#[derive(FromRow)]
struct DeliveryRow {
    seq: i64,
    queue: String,
    handler: String,
    kind: Option<String>,
    receiver: Option<String>,
    replay_of: Option<i64>,
    state: String,
    attempts: i64,
    due_at: i64,
    last_status: Option<i64>,
    last_error: Option<String>,
    created_at: i64,
    finished_at: Option<i64>,
    event_id: Option<String>,
    event_source: Option<String>,
    event_kind: Option<String>,
}

impl DeliveryRow {
    /// The delivery; `None` for a state of a later version of this program.
    fn read(self) -> Option<Delivery> {
        let state = State::read(&self.state)?;
        // A subscription's id stays in the name of its queue when both are gone.
        let subscription = self.queue.strip_prefix("subscription/").map(str::to_owned);
        let plugin = self.receiver.filter(|_| self.kind.as_deref() == Some("hooks"));
        Some(Delivery {
            id: self.seq,
            subscription,
            plugin,
            handler: Some(self.handler).filter(|handler| !handler.is_empty()),
            event: self.event_id.zip(self.event_source).zip(self.event_kind),
            replay_of: self.replay_of,
            state,
            attempts: self.attempts,
            due_at: (state == State::Pending).then(|| Timestamp::from_millisecond(self.due_at)),
            status: self.last_status.and_then(|status| u16::try_from(status).ok()),
            error: self.last_error,
            created_at: Timestamp::from_millisecond(self.created_at),
            finished_at: self.finished_at.map(Timestamp::from_millisecond),
        })
    }
}

const SELECT: &str = "SELECT d.seq, d.queue, d.handler, q.kind, q.receiver, d.replay_of, d.state, d.attempts, d.due_at, \
     d.last_status, d.last_error, d.created_at, d.finished_at, COALESCE(e.source_id, e.id) AS event_id, \
     COALESCE(e.source, 'jackfield') AS event_source, e.kind AS event_kind \
     FROM delivery d LEFT JOIN event e ON e.seq = d.event_seq LEFT JOIN delivery_queue q ON q.queue = d.queue \
     WHERE d.event_seq IS NOT NULL AND d.tenant = ";

/// Adds which queues are meant. Those of the platform's subscriptions tell of other tenants.
macro_rules! push_queues {
    ($query:expr, $tenant:expr, $reach:expr, $subscription:expr, $plugin:expr) => {
        if $reach == Scope::Tenant {
            $query.push(" AND d.queue NOT LIKE ").push_bind(format!("subscription/{PLATFORM}%"));
        }
        if let Some(subscription) = $subscription {
            $query.push(" AND d.queue = ").push_bind(format!("subscription/{subscription}"));
        }
        if let Some(plugin) = $plugin {
            $query
                .push(" AND d.queue IN (SELECT queue FROM delivery_queue WHERE kind = 'hooks' AND tenant = ");
            $query.push_bind($tenant.as_str()).push(" AND receiver = ").push_bind(plugin.as_str()).push(")");
        }
    };
}

/// Deliveries of events, newest first: those before `before`.
pub(crate) async fn list(
    conn: &mut Conn,
    (tenant, reach): (&TenantId, Scope),
    filter: &Filter,
    (before, limit): (i64, i64),
) -> Result<Vec<Delivery>, Error> {
    let rows: Vec<DeliveryRow> = on!(conn, |c| {
        let mut query = QueryBuilder::new(SELECT);
        query.push_bind(tenant.as_str()).push(" AND d.seq < ").push_bind(before);
        push_queues!(query, tenant, reach, &filter.subscription, &filter.plugin);
        if let Some(state) = filter.state {
            query.push(" AND d.state = ").push_bind(state.as_str());
        }
        if let Some(event) = &filter.event {
            query.push(" AND d.event_seq IN (SELECT seq FROM event WHERE id = ").push_bind(event);
            query
                .push(" AND source_id IS NULL UNION SELECT seq FROM event WHERE source_id = ")
                .push_bind(event);
            query.push(" AND tenant = ").push_bind(tenant.as_str()).push(")");
        }
        query.push(" ORDER BY d.seq DESC LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().filter_map(DeliveryRow::read).collect())
}

/// One delivery of an event.
pub(crate) async fn find(
    conn: &mut Conn,
    (tenant, reach): (&TenantId, Scope),
    seq: i64,
) -> Result<Option<(String, Delivery)>, Error> {
    let row: Option<DeliveryRow> = on!(conn, |c| {
        let mut query = QueryBuilder::new(SELECT);
        query.push_bind(tenant.as_str()).push(" AND d.seq = ").push_bind(seq);
        push_queues!(query, tenant, reach, None::<&String>, None::<&String>);
        query.build_query_as().fetch_optional(c).await
    })?;
    Ok(row.and_then(|row| Some((row.queue.clone(), row.read()?))))
}

/// Has a delivery that waits made at once. `false` if it does not wait any more.
pub(crate) async fn make_due(tx: &mut Tx, seq: i64, now: Timestamp) -> Result<bool, Error> {
    let changed =
        on!(tx, |c| sqlx::query("UPDATE delivery SET due_at = $2 WHERE seq = $1 AND finished_at IS NULL")
            .bind(seq)
            .bind(now.as_millisecond())
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// The place of the newest delivery; 0 where there is none.
pub(crate) async fn last(conn: &mut Conn) -> Result<i64, Error> {
    let (last,): (i64,) =
        on!(conn, |c| sqlx::query_as("SELECT COALESCE(MAX(seq), 0) FROM delivery").fetch_one(c).await)?;
    Ok(last)
}

/// The finished deliveries of events in a range that were not made again since, the oldest first, with their queues. What was made
/// again is there itself only where it has failed, too.
pub(crate) async fn in_range(
    conn: &mut Conn,
    (tenant, reach): (&TenantId, Scope),
    (range, through): (&Range, i64),
    limit: i64,
) -> Result<Vec<(i64, String)>, Error> {
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new(
            "SELECT d.seq, d.queue FROM delivery d WHERE d.event_seq IS NOT NULL AND d.tenant = ",
        );
        query.push_bind(tenant.as_str());
        query.push(" AND d.finished_at IS NOT NULL AND d.seq > ").push_bind(range.after);
        query.push(" AND d.seq <= ").push_bind(through);
        push_queues!(query, tenant, reach, &range.subscription, &range.plugin);
        query.push(" AND d.state = ").push_bind(range.state.as_str());
        if range.state != State::Failed {
            query.push(" AND d.replay_of IS NULL");
        }
        query.push(
            " AND NOT EXISTS (SELECT 1 FROM delivery r WHERE r.event_seq IS NOT NULL AND r.replay_of IS NOT NULL \
             AND r.event_seq = d.event_seq AND r.replay_of = COALESCE(d.replay_of, d.seq) AND r.seq > d.seq)",
        );
        if let Some(from) = range.from {
            query.push(" AND d.created_at >= ").push_bind(from.as_millisecond());
        }
        if let Some(to) = range.to {
            query.push(" AND d.created_at < ").push_bind(to.as_millisecond());
        }
        query.push(" ORDER BY d.seq LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Puts deliveries of one queue into it once more, in their order. Gives the places of the new ones.
pub(crate) async fn repeat(tx: &mut Tx, places: &[i64], now: Timestamp) -> Result<Vec<i64>, Error> {
    let rows: Vec<(i64,)> = on!(tx, |c| {
        let mut query = QueryBuilder::new(
            "INSERT INTO delivery (tenant, queue, ordering_key, event_seq, webhook_seq, handler, replay_of, state, \
             attempts, due_at, created_at) SELECT tenant, queue, ordering_key, event_seq, webhook_seq, handler, \
             COALESCE(replay_of, seq), 'pending', 0, ",
        );
        query.push_bind(now.as_millisecond()).push(", ").push_bind(now.as_millisecond());
        query.push(" FROM delivery WHERE seq IN (");
        let mut list = query.separated(", ");
        for place in places {
            list.push_bind(*place);
        }
        query.push(") ORDER BY seq RETURNING seq");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|(seq,)| seq).collect())
}

/// Deletes deliveries that were finished before `oldest`, at most so many. Tells how many.
pub(crate) async fn sweep(tx: &mut Tx, oldest: Timestamp, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM delivery WHERE finished_at IS NOT NULL AND seq IN \
         (SELECT seq FROM delivery WHERE finished_at < $1 ORDER BY finished_at LIMIT $2)"
    )
    .bind(oldest.as_millisecond())
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}
