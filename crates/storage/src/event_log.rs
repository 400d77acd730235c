//! The log of everything that changed, written in the transaction that changed it.

use model::{Ambient, Emitted, Event, EventKind, Timestamp};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder};

use crate::{Conn, Engine, Error, on};

/// Any number, as long as it is this program's own: names the lock on the log.
const LOG_LOCK: i64 = 0x6a61_636b_6c6f_6701;
/// The most events that one read returns.
pub(crate) const PAGE: i64 = 1000;

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LoggedEvent {
    /// Its place in the log. Places grow in the order of committing; some may be skipped.
    pub seq: i64,
    /// Unique for ever.
    pub id: String,
    /// Whose it is; `None` for the shared catalog and the platform.
    pub tenant: Option<String>,
    /// Its type, such as `jackfield.plugin.published`.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// The particulars, as JSON.
    pub data: String,
    /// When, in milliseconds since the Unix epoch.
    pub recorded_at: i64,
}

impl LoggedEvent {
    /// When it was recorded.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.recorded_at)
    }
}

/// Writes events at the end of the log. The transaction must commit right after.
pub(crate) async fn append(
    conn: &mut Conn,
    (events, emitted): (&[Event], &[Emitted]),
    ambient: &Ambient,
) -> Result<(), Error> {
    if events.is_empty() && emitted.is_empty() {
        return Ok(());
    }
    if let Engine::Postgres(pg) = conn.engine() {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOG_LOCK).execute(pg).await?;
    }
    let events = events.iter().map(|event| Entry {
        id: model::new_id(ambient),
        tenant: event.tenant.as_ref().map(model::TenantId::as_str),
        kind: event.kind.as_str(),
        subject: &event.subject,
        data: &event.data,
    });
    let emitted = emitted.iter().map(|event| Entry {
        id: event.id.clone(),
        tenant: Some(event.tenant.as_str()),
        kind: event.kind.as_str(),
        subject: &event.subject,
        data: &event.data,
    });
    for entry in events.chain(emitted) {
        insert(conn, entry, ambient.now()).await?;
    }
    Ok(())
}

/// What is written of an event.
struct Entry<'a> {
    id: String,
    tenant: Option<&'a str>,
    kind: &'a str,
    subject: &'a str,
    data: &'a Value,
}

async fn insert(conn: &mut Conn, entry: Entry<'_>, now: Timestamp) -> Result<(), Error> {
    Ok(on!(conn, |c| sqlx::query(
        "INSERT INTO event (id, tenant, kind, subject, data, recorded_at) VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(entry.id)
    .bind(entry.tenant)
    .bind(entry.kind)
    .bind(entry.subject)
    .bind(entry.data.to_string())
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?)
}

/// The events after place `seq`, oldest first, of every tenant; at most 1,000 at a time.
pub async fn events_after(conn: &mut Conn, seq: i64) -> Result<Vec<LoggedEvent>, Error> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
        "SELECT seq, id, tenant, kind, subject, data, recorded_at FROM event WHERE seq > $1 ORDER BY seq LIMIT $2"
    )
    .bind(seq)
    .bind(PAGE)
    .fetch_all(c)
    .await
    })?)
}

/// The place of the last event; 0 where there is none. All events before it are there to be seen, too.
pub(crate) async fn last_place(conn: &mut Conn) -> Result<i64, Error> {
    let (last,): (Option<i64>,) =
        on!(conn, |c| sqlx::query_as("SELECT MAX(seq) FROM event").fetch_one(c).await)?;
    Ok(last.unwrap_or(0))
}

/// The events of these kinds after one place and through another, oldest first; at most 1,000 at a time.
pub(crate) async fn events_of(
    conn: &mut Conn,
    kinds: &[EventKind],
    (after, through): (i64, i64),
) -> Result<Vec<LoggedEvent>, Error> {
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new(
            "SELECT seq, id, tenant, kind, subject, data, recorded_at FROM event WHERE seq > ",
        );
        query.push_bind(after).push(" AND seq <= ").push_bind(through).push(" AND kind IN (");
        let mut places = query.separated(", ");
        for kind in kinds {
            places.push_bind(kind.as_str());
        }
        query.push(") ORDER BY seq LIMIT ").push_bind(PAGE);
        query.build_query_as().fetch_all(c).await
    })?)
}
