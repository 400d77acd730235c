//! What was done with connections. Rows are written once and never changed.

use model::{TenantId, Timestamp};
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Error, Tx, on};

use crate::activity::{Fact, Filter, Recorded, Tally};
use crate::catalog::ProviderId;

/// A place in the record, which is in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: i64,
    pub(crate) seq: i64,
}

/// Writes all of `facts` in one statement. Where a fact names a connection but not its provider or user, they are the
/// connection's; where that is gone by now, the user is the one that was last recorded with it. What is the tenant's has
/// no user.
pub(crate) async fn insert(tx: &mut Tx, facts: &[(Fact, Tally)]) -> Result<(), Error> {
    if facts.is_empty() {
        return Ok(());
    }
    on!(tx, |c| {
        let mut query = QueryBuilder::new(
            "INSERT INTO activity (tenant, first_at, at, provider, connection_id, user_email, actor, action, \
             operation, outcome, error_code, detail, occurrences, duration_ms) \
             SELECT v.column1, v.column2, v.column3, COALESCE(v.column4, c.provider, ''), v.column5, \
             COALESCE(v.column6, NULLIF(c.user_email, ''), (SELECT a.user_email FROM activity a WHERE a.tenant = v.column1 \
             AND a.connection_id = v.column5 AND a.user_email IS NOT NULL ORDER BY a.at DESC LIMIT 1)), v.column7, v.column8, v.column9, v.column10, v.column11, v.column12, \
             v.column13, v.column14 FROM (",
        );
        query.push_values(facts, |mut row, (fact, tally)| {
            row.push_bind(fact.tenant.as_str())
                .push_bind(tally.first_at.as_millisecond())
                .push_bind(tally.last_at.as_millisecond())
                .push_bind(fact.provider.as_ref().map(ProviderId::as_str))
                .push_bind(fact.connection.as_deref())
                .push_bind(fact.user_email.as_deref())
                .push_bind(fact.actor.as_str())
                .push_bind(fact.action.as_str())
                .push_bind(fact.operation.as_deref())
                .push_bind(fact.outcome.as_str())
                .push_bind(fact.outcome.code().map(model::ErrorCode::as_str))
                .push_bind(fact.detail.as_deref())
                .push_bind(i64::try_from(tally.count).unwrap_or(i64::MAX))
                .push_bind(tally.duration.map(|sum| i64::try_from(sum.as_millis()).unwrap_or(i64::MAX)));
        });
        query.push(") AS v LEFT JOIN connection c ON c.tenant = v.column1 AND c.id = v.column5");
        // Each number of rows makes another statement: none is worth keeping.
        query.build().persistent(false).execute(c).await.map(drop)
    })?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    first_at: i64,
    at: i64,
    provider: String,
    connection_id: Option<String>,
    user_email: Option<String>,
    actor: String,
    action: String,
    operation: Option<String>,
    outcome: String,
    error_code: Option<String>,
    detail: Option<String>,
    occurrences: i64,
    duration_ms: Option<i64>,
}

impl From<Row> for Recorded {
    fn from(row: Row) -> Self {
        Self {
            seq: row.seq,
            first_at: Timestamp::from_millisecond(row.first_at),
            at: Timestamp::from_millisecond(row.at),
            provider: row.provider,
            connection: row.connection_id,
            user_email: row.user_email,
            actor: row.actor,
            action: row.action,
            operation: row.operation,
            outcome: row.outcome,
            error_code: row.error_code,
            detail: row.detail,
            count: row.occurrences,
            duration_ms: row.duration_ms,
        }
    }
}

macro_rules! listing {
    ($narrowed:literal) => {
        concat!(
            "SELECT seq, first_at, at, provider, connection_id, user_email, actor, action, operation, outcome, \
             error_code, detail, occurrences, duration_ms FROM activity WHERE tenant = $1 ",
            $narrowed,
            " AND ($4 = '' OR provider = $4) AND ($5 = '' OR action = $5) AND ($6 = '' OR outcome = $6) \
             AND at >= $7 AND (at, seq) < ($8, $9) ORDER BY at DESC, seq DESC LIMIT $10"
        )
    };
}

/// One text for each index: a condition that may be switched off by its parameter cannot use one.
const OF_TENANT: &str = listing!("AND $2 = '' AND $3 = ''");
const OF_USER: &str = listing!("AND user_email = $2 AND ($3 = '' OR connection_id = $3)");
const OF_CONNECTION: &str = listing!("AND $2 = '' AND connection_id = $3");

/// Entries before `before`, newest first.
pub(crate) async fn list(
    conn: &mut Conn,
    tenant: &TenantId,
    filter: &Filter,
    before: Option<Place>,
    limit: i64,
) -> Result<Vec<Recorded>, Error> {
    let sql = match (&filter.user_email, &filter.connection) {
        (None, None) => OF_TENANT,
        (Some(_), _) => OF_USER,
        (None, Some(_)) => OF_CONNECTION,
    };
    let until = Place { at: filter.until.map_or(i64::MAX, Timestamp::as_millisecond), seq: 0 };
    let before = before.filter(|place| place.at < until.at).unwrap_or(until);
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(sql)
        .bind(tenant.as_str())
        .bind(text(&filter.user_email))
        .bind(text(&filter.connection))
        .bind(text(&filter.provider))
        .bind(filter.action.map_or("", crate::activity::Action::as_str))
        .bind(text(&filter.outcome))
        .bind(filter.since.map_or(i64::MIN, Timestamp::as_millisecond))
        .bind(before.at)
        .bind(before.seq)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Recorded::from).collect())
}

/// Deletes up to `limit` of the oldest entries from before `bound`, over all tenants; how many.
pub(crate) async fn delete_before(tx: &mut Tx, bound: Timestamp, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM activity WHERE seq IN (SELECT seq FROM activity WHERE at < $1 ORDER BY at LIMIT $2)"
    )
    .bind(bound.as_millisecond())
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}
