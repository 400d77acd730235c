//! Reading the log for those who follow it: one tenant's events or everybody's, of some types, in pages that are bounded by what
//! is looked at and by what is given.

use model::{EventPattern, TenantId};
use sqlx::QueryBuilder;

use crate::event_log::{COLUMNS, PAGE, last_place};
use crate::{Conn, Engine, Error, LoggedEvent, on};

/// How many events are looked at for one page, at most: most of them may be of types that nobody wants.
const EXAMINED: i64 = 10_000;
/// The most bytes of one page. A larger event comes alone.
const PAGE_BYTES: i64 = 4 * 1024 * 1024;

/// Which events somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whose; `None` for all tenants' and the platform's.
    pub tenant: Option<TenantId>,
    /// Of which types: one pattern of each list wants it. Empty for all.
    pub types: Vec<Vec<EventPattern>>,
    /// Whether what this server records itself is wanted only where the first list names it: by a pattern that begins with
    /// `jackfield.`.
    pub own_by_name: bool,
}

/// What the types of this server's own events begin with.
const OWN: &str = "jackfield.";

impl Wanted {
    /// Whether an event of this type is wanted.
    pub fn takes(&self, kind: &str) -> bool {
        let must_name = self.own_by_name && kind.starts_with(OWN);
        let names = |pattern: &EventPattern| pattern.matches(kind) && pattern.as_str().starts_with(OWN);
        self.types.iter().all(|list| list.iter().any(|pattern| pattern.matches(kind)))
            && (!must_name || self.types.first().is_some_and(|list| list.iter().any(names)))
    }

    /// Whether there can be such an event at all.
    fn is_none(&self) -> bool {
        self.types.iter().any(Vec::is_empty)
    }
}

/// Some events, and from where to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The oldest first.
    pub events: Vec<LoggedEvent>,
    /// All that is wanted through here is in this page or in one before it.
    pub next: i64,
    /// Whether the end of the log was reached: nothing else was there when it was read.
    pub is_last: bool,
}

/// The place of the last event, for those who follow the log from now on; 0 where there is none.
pub async fn last_event(conn: &mut Conn) -> Result<i64, Error> {
    last_place(conn).await
}

/// The wanted events after place `after`, at most `limit` of them (1 to 1,000) and about 4 MiB, after looking at no more than
/// 10,000.
pub async fn log_page(conn: &mut Conn, wanted: &Wanted, after: i64, limit: i64) -> Result<LogPage, Error> {
    // Read first: all that is before it is there to be seen from here on.
    let end = last_place(conn).await?;
    if wanted.is_none() || end <= after {
        return Ok(LogPage { events: Vec::new(), next: end.max(after), is_last: true });
    }
    let limit = limit.clamp(1, PAGE);
    let (mut examined, mut through) = (None, end);
    let mut sizes = sizes_of(conn, wanted, (after, end), limit).await?;
    if is_short(&sizes, limit) && !wanted.types.is_empty() {
        // Only now it matters how far was looked. Read anew as far as that, as something may have been removed meanwhile.
        examined = place_of(conn, wanted, (after, end), EXAMINED).await?;
        through = examined.unwrap_or(end);
        sizes = sizes_of(conn, wanted, (after, through), limit).await?;
    }
    let fitting = fitting(&sizes);
    let is_whole = fitting == sizes.len() && is_short(&sizes, limit);
    let last = sizes.get(fitting.wrapping_sub(1)).map(|(seq, _)| *seq);
    let Some(last) = last else {
        return Ok(LogPage { events: Vec::new(), next: through, is_last: examined.is_none() });
    };
    let mut events = fetch(conn, wanted, (after, last)).await?;
    events.retain(|event| wanted.takes(&event.kind));
    let next = if is_whole { through } else { last };
    Ok(LogPage { events, next, is_last: is_whole && examined.is_none() })
}

/// Whether there were fewer than so many.
fn is_short(sizes: &[(i64, i64)], limit: i64) -> bool {
    i64::try_from(sizes.len()).is_ok_and(|count| count < limit)
}

/// The events of some tenants, or of all where `tenants` is `None`, after one place and through another, oldest first; at most
/// `limit`.
pub async fn events_between(
    conn: &mut Conn,
    tenants: Option<&[TenantId]>,
    (after, through): (i64, i64),
    limit: i64,
) -> Result<Vec<LoggedEvent>, Error> {
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT ");
        query
            .push(COLUMNS)
            .push(" FROM event WHERE seq > ")
            .push_bind(after)
            .push(" AND seq <= ")
            .push_bind(through);
        if let Some(tenants) = tenants {
            query.push(" AND tenant IN (");
            let mut places = query.separated(", ");
            for tenant in tenants {
                places.push_bind(tenant.as_str());
            }
            query.push(")");
        }
        query.push(" ORDER BY seq LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// How many of these fit into a page, one at least.
pub(crate) fn fitting(sizes: &[(i64, i64)]) -> usize {
    let mut bytes = 0_i64;
    let within = sizes.iter().take_while(|(_, size)| {
        bytes = bytes.saturating_add(*size);
        bytes <= PAGE_BYTES
    });
    within.count().max(usize::from(!sizes.is_empty()))
}

/// The place of the event that is the `count`th after one place and through another; `None` where there are not as many.
async fn place_of(
    conn: &mut Conn,
    wanted: &Wanted,
    (after, through): (i64, i64),
    count: i64,
) -> Result<Option<i64>, Error> {
    let row: Option<(i64,)> = on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT seq FROM event WHERE seq > ");
        query.push_bind(after).push(" AND seq <= ").push_bind(through);
        if let Some(tenant) = &wanted.tenant {
            query.push(" AND tenant = ").push_bind(tenant.as_str());
        }
        query.push(" ORDER BY seq LIMIT 1 OFFSET ").push_bind(count - 1);
        query.build_query_as().fetch_optional(c).await
    })?;
    Ok(row.map(|(seq,)| seq))
}

/// Adds whose events are meant, and where, to a statement.
macro_rules! push_range {
    ($query:expr, $wanted:expr, $after:expr, $through:expr) => {
        $query.push(" FROM event WHERE seq > ").push_bind($after).push(" AND seq <= ").push_bind($through);
        if let Some(tenant) = &$wanted.tenant {
            $query.push(" AND tenant = ").push_bind(tenant.as_str());
        }
    };
}

/// Adds which types are wanted to a statement that has conditions already.
macro_rules! push_types {
    ($query:expr, $wanted:expr) => {
        for list in &$wanted.types {
            $query.push(" AND (");
            for (index, pattern) in list.iter().enumerate() {
                $query.push(if index == 0 { "" } else { " OR " });
                match pattern.prefix() {
                    Some(prefix) => {
                        let length = i32::try_from(prefix.len()).unwrap_or(i32::MAX);
                        $query.push("substr(kind, 1, ").push_bind(length).push(") = ").push_bind(prefix);
                    }
                    None => {
                        $query.push("kind = ").push_bind(pattern.as_str());
                    }
                }
            }
            $query.push(")");
        }
    };
}

/// Places and sizes of wanted events, of the first 10,000 in the range where only some types are wanted.
async fn sizes_of(
    conn: &mut Conn,
    wanted: &Wanted,
    (after, through): (i64, i64),
    limit: i64,
) -> Result<Vec<(i64, i64)>, Error> {
    // SQLite gives them in the order within, and would sort all of them to have it said again.
    let is_sorted = matches!(conn.engine(), Engine::Sqlite(_));
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT seq, size FROM (SELECT seq, size, kind");
        push_range!(query, wanted, after, through);
        query.push(" ORDER BY seq");
        if !wanted.types.is_empty() {
            query.push(" LIMIT ").push_bind(EXAMINED);
        }
        query.push(") AS examined WHERE TRUE");
        push_types!(query, wanted);
        query.push(if is_sorted { " LIMIT " } else { " ORDER BY seq LIMIT " }).push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?)
}

async fn fetch(
    conn: &mut Conn,
    wanted: &Wanted,
    (after, through): (i64, i64),
) -> Result<Vec<LoggedEvent>, Error> {
    Ok(on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS);
        push_range!(query, wanted, after, through);
        push_types!(query, wanted);
        query.push(" ORDER BY seq");
        query.build_query_as().fetch_all(c).await
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_fits_and_one_event_at_least() {
        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&[(1, PAGE_BYTES + 1), (2, 1)]), 1);
        assert_eq!(fitting(&[(1, PAGE_BYTES - 1), (2, 1), (3, 1)]), 2);
        assert_eq!(fitting(&[(1, 1), (2, 1)]), 2);
    }

    #[test]
    fn what_is_wanted_is_wanted_by_a_pattern_of_each_list() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let wanted = Wanted {
            tenant: None,
            types: vec![patterns(&["order.*", "a"]), patterns(&["*"])],
            own_by_name: false,
        };
        assert!(wanted.takes("order.created") && wanted.takes("a") && !wanted.takes("b"));
        let none = Wanted { types: vec![patterns(&["*"]), Vec::new()], ..wanted.clone() };
        assert!(none.is_none() && !none.takes("a"));
        assert!(Wanted { types: Vec::new(), ..wanted }.takes("a"));
    }

    #[test]
    fn the_servers_own_events_may_have_to_be_named() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let wanted =
            |texts: &[&str]| Wanted { tenant: None, types: vec![patterns(texts)], own_by_name: true };
        let own = "jackfield.installation.created";
        assert!(!wanted(&["*"]).takes(own) && wanted(&["*"]).takes("order.paid"));
        assert!(wanted(&["*", "jackfield.installation.*"]).takes(own));
        assert!(!wanted(&["*", "jackfield.plugin.*"]).takes(own));
    }
}
