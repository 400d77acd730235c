//! Deliveries of webhooks, as admins see them.

use model::{TenantId, Timestamp};
use sqlx::{Database, FromRow, QueryBuilder};
use storage::{Conn, Engine, Error, Tx, on};

/// What is read of a delivery.
const COLUMNS: &str = "d.seq, d.webhook_seq, d.state, d.attempts, d.due_at, d.last_status, d.last_error, d.replay_of, \
     d.finished_at, w.plugin_id, w.plugin_key, w.sender_id, w.method, w.path, CAST(LENGTH(w.body) AS BIGINT) AS size, w.received_at";

/// That there is no replay of it.
const UNREPLAYED: &str =
    " AND NOT EXISTS (SELECT 1 FROM delivery r WHERE r.webhook_seq = d.webhook_seq AND r.replay_of = d.seq)";

/// A delivery of a webhook as it is stored.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct DeliveryRow {
    pub(crate) seq: i64,
    pub(crate) webhook_seq: i64,
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) due_at: i64,
    pub(crate) last_status: Option<i64>,
    pub(crate) last_error: Option<String>,
    pub(crate) replay_of: Option<i64>,
    pub(crate) finished_at: Option<i64>,
    pub(crate) plugin_id: String,
    pub(crate) plugin_key: String,
    pub(crate) sender_id: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) size: i64,
    pub(crate) received_at: i64,
}

/// Which deliveries are meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) plugin: Option<&'a str>,
    pub(crate) state: Option<&'static str>,
    /// In the body, or the sender's id.
    pub(crate) search: Option<&'a str>,
    /// Received from here on, and before there.
    pub(crate) received: (Option<Timestamp>, Option<Timestamp>),
    /// Those of this installation.
    pub(crate) plugin_key: Option<&'a str>,
    /// Not those of which there is a replay.
    pub(crate) only_unreplayed: bool,
}

/// Which way a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// From before this place on, the newest first.
    NewestFirst(i64),
    /// From behind this place on, the oldest first.
    OldestFirst(i64),
}

impl Order {
    fn place(self) -> i64 {
        match self {
            Self::NewestFirst(place) | Self::OldestFirst(place) => place,
        }
    }
}

/// Some deliveries, and how far was looked.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) rows: Vec<DeliveryRow>,
    /// The place to go on from; `None` where there is nothing behind it.
    pub(crate) next: Option<i64>,
}

/// The deliveries of a tenant's webhooks that are wanted, at most `limit`, among the next `examined` deliveries of all kinds.
pub(crate) async fn list(
    conn: &mut Conn,
    (tenant, wanted): (&TenantId, &Wanted<'_>),
    order: Order,
    (limit, examined): (i64, i64),
) -> Result<Listed, Error> {
    let is_sqlite = matches!(conn.engine(), Engine::Sqlite(_));
    let rows: Vec<DeliveryRow> = on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(" FROM (");
        push_window(&mut query, tenant, wanted, (order, examined));
        query.push(") d JOIN webhook w ON w.seq = d.webhook_seq WHERE 1 = 1");
        push_filters(&mut query, wanted);
        if let Some(search) = wanted.search {
            query.push(" AND (w.sender_id = ").push_bind(search);
            query.push(if is_sqlite { " OR instr(w.body, " } else { " OR position(" });
            query.push_bind(search.as_bytes().to_vec());
            query.push(if is_sqlite { ") > 0)" } else { " in w.body) > 0)" });
        }
        query.push(match order {
            Order::NewestFirst(_) => " ORDER BY d.seq DESC LIMIT ",
            Order::OldestFirst(_) => " ORDER BY d.seq LIMIT ",
        });
        query.push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?;
    if i64::try_from(rows.len()).is_ok_and(|count| count >= limit) {
        let next = rows.last().map(|row| row.seq);
        return Ok(Listed { rows, next });
    }
    let (count, last): (i64, Option<i64>) = on!(conn, |c| {
        let mut query = QueryBuilder::new(match order {
            Order::NewestFirst(_) => "SELECT COUNT(*), MIN(seq) FROM (",
            Order::OldestFirst(_) => "SELECT COUNT(*), MAX(seq) FROM (",
        });
        push_window(&mut query, tenant, wanted, (order, examined));
        query.push(") looked_at");
        query.build_query_as().fetch_one(c).await
    })?;
    Ok(Listed { rows, next: last.filter(|_| count >= examined) })
}

/// The deliveries that are looked at.
fn push_window<DB>(
    query: &mut QueryBuilder<DB>,
    tenant: &TenantId,
    wanted: &Wanted<'_>,
    (order, examined): (Order, i64),
) where
    DB: Database,
    String: sqlx::Type<DB> + for<'q> sqlx::Encode<'q, DB>,
    i64: sqlx::Type<DB> + for<'q> sqlx::Encode<'q, DB>,
{
    query.push("SELECT * FROM delivery WHERE tenant = ").push_bind(tenant.to_string());
    if wanted.state == Some("failed") {
        // An index has these alone.
        query.push(" AND state = 'failed'");
    }
    query.push(match order {
        Order::NewestFirst(_) => " AND seq < ",
        Order::OldestFirst(_) => " AND seq > ",
    });
    query.push_bind(order.place());
    query.push(match order {
        Order::NewestFirst(_) => " ORDER BY seq DESC LIMIT ",
        Order::OldestFirst(_) => " ORDER BY seq LIMIT ",
    });
    query.push_bind(examined);
}

fn push_filters<DB>(query: &mut QueryBuilder<DB>, wanted: &Wanted<'_>)
where
    DB: Database,
    String: sqlx::Type<DB> + for<'q> sqlx::Encode<'q, DB>,
    i64: sqlx::Type<DB> + for<'q> sqlx::Encode<'q, DB>,
{
    if let Some(state) = wanted.state {
        query.push(" AND d.state = ").push_bind(state.to_owned());
    }
    if let Some(plugin) = wanted.plugin {
        query.push(" AND w.plugin_id = ").push_bind(plugin.to_owned());
    }
    if let Some(key) = wanted.plugin_key {
        query.push(" AND w.plugin_key = ").push_bind(key.to_owned());
    }
    if let Some(from) = wanted.received.0 {
        query.push(" AND w.received_at >= ").push_bind(from.as_millisecond());
    }
    if let Some(before) = wanted.received.1 {
        query.push(" AND w.received_at < ").push_bind(before.as_millisecond());
    }
    if wanted.only_unreplayed {
        query.push(UNREPLAYED);
    }
}

/// One delivery of a tenant's webhook.
pub(crate) async fn find(conn: &mut Conn, tenant: &TenantId, seq: i64) -> Result<Option<DeliveryRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM delivery d JOIN webhook w ON w.seq = d.webhook_seq WHERE d.seq = $1 AND d.tenant = $2"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(seq)
        .bind(tenant.as_str())
        .fetch_optional(c)
        .await)?)
}

/// Makes deliveries of a tenant's finished ones, the oldest first, which are due at once; where `once` is set, not of those of which
/// there is one already. Gives the number of each new one, in no order.
pub(crate) async fn again(
    tx: &mut Tx,
    (tenant, rows): (&TenantId, &[i64]),
    once: Once,
    now: Timestamp,
) -> Result<Vec<i64>, Error> {
    Ok(on!(tx, |c| {
        let mut query = QueryBuilder::new(
            "INSERT INTO delivery (tenant, queue, ordering_key, webhook_seq, handler, replay_of, state, attempts, due_at, \
             created_at) SELECT d.tenant, d.queue, d.ordering_key, d.webhook_seq, d.handler, d.seq, 'pending', 0, ",
        );
        query.push_bind(now.as_millisecond()).push(", ").push_bind(now.as_millisecond());
        query.push(
            " FROM delivery d WHERE d.finished_at IS NOT NULL AND d.webhook_seq IS NOT NULL AND d.tenant = ",
        );
        query.push_bind(tenant.as_str()).push(" AND d.seq IN (");
        let mut places = query.separated(", ");
        for row in rows {
            places.push_bind(*row);
        }
        query.push(")");
        if once == Once::Only {
            query.push(UNREPLAYED);
        }
        query.push(" ORDER BY d.seq RETURNING seq");
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// Whether a delivery may be repeated that was repeated before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Once {
    Only,
    OrAgain,
}

/// Has a tenant's delivery that waits made at once. `false` if it does not: it is finished, or was handed to its plugin when it
/// came in, which has not answered yet.
pub(crate) async fn make_due(
    tx: &mut Tx,
    (tenant, seq): (&TenantId, i64),
    now: Timestamp,
) -> Result<bool, Error> {
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE delivery SET due_at = $3 WHERE seq = $1 AND tenant = $2 AND finished_at IS NULL \
             AND (attempts > 0 OR last_error IS NOT NULL OR replay_of IS NOT NULL OR due_at <= $3)",
        )
        .bind(seq)
        .bind(tenant.as_str())
        .bind(now.as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}
