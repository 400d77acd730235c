//! The log of everything that changed, written in the transaction that changed it.

use std::collections::BTreeSet;

use model::{Ambient, Event, EventKind, Published, Timestamp};
use serde_json::{Value, json};
use sqlx::{FromRow, QueryBuilder};

use crate::batches::batches;
use crate::{Conn, Engine, Error, on};

/// Any number, as long as it is this program's own: names the lock on the log.
const LOG_LOCK: i64 = 0x6a61_636b_6c6f_6701;
/// The most events that one read returns.
pub(crate) const PAGE: i64 = 1000;
/// How many events one statement writes.
const ROWS: usize = 100;
/// The `source` of what this server says itself.
const OWN_SOURCE: &str = "jackfield";

/// What is read of an event. What another has published is known by the id that it was published with.
pub(crate) const COLUMNS: &str = "seq, COALESCE(source_id, id) AS id, tenant, COALESCE(source, 'jackfield') AS source, kind, \
     subject, COALESCE(ordering_key, subject) AS key, sender, hops, attributes, data, recorded_at";

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LoggedEvent {
    /// Its place in the log. Places grow in the order of committing; some may be skipped.
    pub seq: i64,
    /// Tells it from all others of its tenant and source, for ever.
    pub id: String,
    /// Whose it is; `None` for the shared catalog and the platform.
    pub tenant: Option<String>,
    /// Where it happened, as a URI-reference; `jackfield` for this server.
    pub source: String,
    /// Its type, such as `jackfield.plugin.published`.
    pub kind: String,
    /// What it is about; empty where its publisher has not said.
    pub subject: String,
    /// Events of one key stay in order; those of an empty one need not.
    pub key: String,
    /// Who has published it, as [`model::Sender`] is written; `None` for this server.
    pub sender: Option<String>,
    /// How many events led to it, one after the other.
    pub hops: i64,
    /// The other attributes of CloudEvents, as a JSON object.
    pub attributes: Option<String>,
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

/// Writes events at the end of the log. The transaction must commit right after. What its source has published before is
/// passed over.
pub(crate) async fn append(
    conn: &mut Conn,
    (events, published): (&[Event], &[Published]),
    ambient: &Ambient,
) -> Result<(), Error> {
    if events.is_empty() && published.is_empty() {
        return Ok(());
    }
    if let Engine::Postgres(pg) = conn.engine() {
        // Who listens is told once this commits.
        sqlx::query("SELECT pg_advisory_xact_lock($1), pg_notify($2, '')")
            .bind(LOG_LOCK)
            .bind(CHANNEL)
            .execute(pg)
            .await?;
    }
    let now = ambient.now();
    let own = events.iter().map(|event| Entry::own(event, ambient));
    let entries: Vec<_> = own.chain(published.iter().map(|event| Entry::published(event, ambient))).collect();
    for entries in batches(&entries, ROWS) {
        insert(conn, entries, now).await?;
    }
    Ok(())
}

/// The channel on which PostgreSQL tells other processes that there is more in the log.
pub(crate) const CHANNEL: &str = "jackfield_log";

/// What is written of an event.
struct Entry<'a> {
    id: String,
    tenant: Option<&'a str>,
    source: Option<&'a str>,
    source_id: Option<&'a str>,
    kind: &'a str,
    subject: &'a str,
    key: Option<&'a str>,
    sender: Option<String>,
    hops: i64,
    attributes: Option<String>,
    data: String,
}

impl<'a> Entry<'a> {
    fn own(event: &'a Event, ambient: &Ambient) -> Self {
        Self {
            id: model::new_id(ambient),
            tenant: event.tenant.as_ref().map(model::TenantId::as_str),
            source: None,
            source_id: None,
            kind: event.kind.as_str(),
            subject: &event.subject,
            key: None,
            sender: None,
            hops: 0,
            attributes: None,
            data: event.data.to_string(),
        }
    }

    fn published(event: &'a Published, ambient: &Ambient) -> Self {
        let is_plain = matches!(&event.attributes, Value::Null) || event.attributes == json!({});
        Self {
            id: model::new_id(ambient),
            tenant: Some(event.tenant.as_str()),
            source: Some(&event.source),
            source_id: Some(&event.id),
            kind: event.kind.as_str(),
            subject: event.subject.as_deref().unwrap_or_default(),
            key: event.key.as_deref(),
            sender: Some(event.sender.to_string()),
            hops: event.hops.into(),
            attributes: (!is_plain).then(|| event.attributes.to_string()),
            data: event.data.to_string(),
        }
    }

    /// About how many bytes it takes.
    fn size(&self) -> i64 {
        let texts = [self.subject, self.kind, self.source.unwrap_or(OWN_SOURCE), &self.data];
        let attributes = self.attributes.as_deref().map_or(0, str::len);
        i64::try_from(texts.iter().map(|text| text.len()).sum::<usize>() + attributes).unwrap_or(i64::MAX)
    }
}

async fn insert(conn: &mut Conn, entries: &[Entry<'_>], now: Timestamp) -> Result<(), Error> {
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new(
            "INSERT INTO event (id, tenant, source, source_id, kind, subject, ordering_key, sender, hops, attributes, \
             data, size, recorded_at) ",
        );
        query.push_values(entries, |mut row, entry| {
            row.push_bind(&entry.id)
                .push_bind(entry.tenant)
                .push_bind(entry.source)
                .push_bind(entry.source_id);
            row.push_bind(entry.kind).push_bind(entry.subject).push_bind(entry.key).push_bind(&entry.sender);
            row.push_bind(entry.hops).push_bind(&entry.attributes).push_bind(&entry.data);
            row.push_bind(entry.size()).push_bind(now.as_millisecond());
        });
        query.push(" ON CONFLICT (tenant, source, source_id) WHERE source_id IS NOT NULL DO NOTHING");
        query.build().execute(c).await.map(drop)
    })?)
}

/// The events after place `seq`, oldest first, of every tenant; at most 1,000 at a time.
pub async fn events_after(conn: &mut Conn, seq: i64) -> Result<Vec<LoggedEvent>, Error> {
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(" FROM event WHERE seq > ").push_bind(seq);
        query.push(" ORDER BY seq LIMIT ").push_bind(PAGE);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The place of the last event; 0 where there is none. All events before it are there to be seen, too.
pub(crate) async fn last_place(conn: &mut Conn) -> Result<i64, Error> {
    let (last,): (Option<i64>,) =
        on!(conn, |c| sqlx::query_as("SELECT MAX(seq) FROM event").fetch_one(c).await)?;
    Ok(last.unwrap_or(0))
}

/// The events at these places, at most 1,000 of them, in any order. Those that are no longer kept are left out.
pub async fn events_at(conn: &mut Conn, places: &[i64]) -> Result<Vec<LoggedEvent>, Error> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(" FROM event WHERE seq IN (");
        let mut list = query.separated(", ");
        for place in places.iter().take(ROWS * 10) {
            list.push_bind(*place);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Adds which events are meant: those after one place and through another, of these kinds or of all where there are none.
macro_rules! push_kinds {
    ($query:expr, $kinds:expr, $after:expr, $through:expr) => {
        $query.push(" FROM event WHERE seq > ").push_bind($after).push(" AND seq <= ").push_bind($through);
        if !$kinds.is_empty() {
            $query.push(" AND kind IN (");
            let mut places = $query.separated(", ");
            for kind in $kinds {
                places.push_bind(kind.as_str());
            }
            $query.push(")");
        }
        $query.push(" ORDER BY seq LIMIT ").push_bind(PAGE);
    };
}

/// The events of these kinds, or of all where there are none, after one place and through another, oldest first; at most 1,000 at
/// a time.
pub(crate) async fn events_of(
    conn: &mut Conn,
    kinds: &[EventKind],
    (after, through): (i64, i64),
) -> Result<Vec<LoggedEvent>, Error> {
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS);
        push_kinds!(query, kinds, after, through);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Places and sizes of what [`events_of`] gives.
pub(crate) async fn sizes_of(
    conn: &mut Conn,
    kinds: &[EventKind],
    (after, through): (i64, i64),
) -> Result<Vec<(i64, i64)>, Error> {
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT seq, size");
        push_kinds!(query, kinds, after, through);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Those of these places, 1,000 at most, at which there are events.
pub(crate) async fn kept_of(conn: &mut Conn, places: &[i64]) -> Result<BTreeSet<i64>, Error> {
    let kept: Vec<i64> = on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT seq FROM event WHERE seq IN (");
        let mut list = query.separated(", ");
        for place in places {
            list.push_bind(*place);
        }
        query.push(")");
        query.build_query_scalar().fetch_all(c).await
    })?;
    Ok(kept.into_iter().collect())
}
