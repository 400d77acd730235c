//! Queries for issues in Jira's own language: <https://support.atlassian.com/jira-software-cloud/docs/jql-operators/>,
//! <https://support.atlassian.com/jira-software-cloud/docs/search-syntax-for-text-fields/>.

use std::fmt::Write as _;

use super::jql_text::{self, Reading};
use crate::Error;
use crate::connector::{Filter, Listing};
use crate::filters::{list, moment};

const PROJECT: &str = "project";
const STATUS: &str = "status";
const TYPE: &str = "issue_type";
const LABELS: &str = "labels";
const ASSIGNEE: &str = "assignee";
const UPDATED_AFTER: &str = "updated_after";
const ORDER_BY: &str = "order_by";

/// What narrows lists of issues.
pub(super) const FILTERS: &[Filter] = &[
    Filter { name: PROJECT, meaning: "issues of this project, by its key or id" },
    Filter { name: STATUS, meaning: "issues in this status, by its name" },
    Filter { name: TYPE, meaning: "issues of this type, by its name, like Bug" },
    Filter { name: LABELS, meaning: "issues with all of these labels, separated by commas" },
    Filter {
        name: ASSIGNEE,
        meaning: "issues of this account, by its id; me for one's own, none for those of nobody",
    },
    Filter { name: UPDATED_AFTER, meaning: "issues that changed since this moment, as RFC 3339" },
    Filter {
        name: ORDER_BY,
        meaning: "updated, created, due, priority, status, key, summary or rank, with asc or desc after it",
    },
];

const ORDERS: [&str; 8] = ["updated", "created", "due", "priority", "status", "key", "summary", "rank"];

/// What is true of every issue. Jira refuses a search without any restriction.
const ANY: &str = "created >= \"1970-01-01\"";

/// What is to be done by the account.
const MINE: &str = "assignee = currentUser() AND statusCategory != Done";

const LAST_CHANGED_FIRST: &str = "updated DESC";

/// A page of which issues.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// All.
    All,
    /// Those of a project.
    Of(&'a str),
    /// Those that are the account's own to do.
    Mine,
    /// Those that words or a query find.
    Found(&'a str),
}

/// The query for the issues that are meant, as far as the filters let them through.
///
/// # Errors
/// [`Error::Invalid`] for a filter or a query that cannot be understood.
pub(super) fn query(which: Which<'_>, listing: &Listing) -> Result<String, Error> {
    let mut terms = Vec::new();
    let mut order = Some(LAST_CHANGED_FIRST.to_owned());
    match which {
        Which::All => {}
        Which::Of(project) => terms.push(equals("project", project)),
        Which::Mine => terms.push(MINE.to_owned()),
        Which::Found(words) => match jql_text::read(words).map_err(|detail| Error::invalid("", detail))? {
            Reading::Nothing => {}
            // By how well they fit, unless something else is asked for.
            Reading::Words(words) => {
                terms.push(format!("text ~ {}", quoted(&words)));
                order = None;
            }
            Reading::Query { restriction, order: own } => {
                terms.extend((!restriction.is_empty()).then(|| format!("({restriction})")));
                order = own.map(str::to_owned);
            }
        },
    }
    terms.extend(filters(listing)?);
    if terms.is_empty() {
        terms.push(ANY.to_owned());
    }
    let order = self::order(listing)?.or(order).map(|order| format!(" ORDER BY {order}"));
    Ok(format!("{}{}", terms.join(" AND "), order.unwrap_or_default()))
}

fn filters(listing: &Listing) -> Result<Vec<String>, Error> {
    let mut terms = Vec::new();
    for (name, field) in [(PROJECT, "project"), (STATUS, "status"), (TYPE, "issuetype")] {
        terms.extend(listing.filter(name).map(|value| equals(field, value)));
    }
    terms.extend(list(listing, LABELS).map(|label| equals("labels", label)));
    match listing.filter(ASSIGNEE) {
        Some("me") => terms.push("assignee = currentUser()".to_owned()),
        Some("none") => terms.push("assignee IS EMPTY".to_owned()),
        Some(account) => terms.push(equals("assignee", account)),
        None => {}
    }
    if let Some(at) = moment(listing, UPDATED_AFTER)? {
        // A number is milliseconds since the epoch; what is in quotes is read in the account's own time zone.
        terms.push(format!("updated >= {}", at.as_millisecond().max(0)));
    }
    Ok(terms)
}

fn order(listing: &Listing) -> Result<Option<String>, Error> {
    let Some(given) = listing.filter(ORDER_BY) else { return Ok(None) };
    let mut words = given.split_whitespace();
    let field = words.next().and_then(|field| ORDERS.into_iter().find(|known| *known == field));
    let direction = match (words.next(), words.next()) {
        (None, None) => Some(""),
        (Some("asc"), None) => Some(" ASC"),
        (Some("desc"), None) => Some(" DESC"),
        _ => None,
    };
    if let (Some(field), Some(direction)) = (field, direction) {
        return Ok(Some(format!("{field}{direction}")));
    }
    let detail = format!("order_by must be one of {}, with asc or desc after it", ORDERS.join(", "));
    Err(Error::invalid("", detail))
}

/// That a field has a value.
pub(super) fn equals(field: &str, value: &str) -> String {
    format!("{field} = {}", quoted(value))
}

/// A text as the language writes it, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() => {
                // Writing into a text does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn listing(filters: &[(&'static str, &str)]) -> Listing {
        let filters = filters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Listing { max_results: 1, cursor: None, filters }
    }

    fn of(which: Which<'_>, filters: &[(&'static str, &str)]) -> String {
        query(which, &listing(filters)).unwrap()
    }

    #[test]
    fn every_query_has_a_restriction() {
        for which in [Which::All, Which::Found(" "), Which::Found("order by key asc")] {
            assert!(of(which, &[]).starts_with("created >= \"1970-01-01\" ORDER BY "), "{which:?}");
        }
        assert_eq!(of(Which::Found("order by key asc"), &[]), "created >= \"1970-01-01\" ORDER BY key asc");
        assert_eq!(of(Which::Of("AC\"ME"), &[]), "project = \"AC\\\"ME\" ORDER BY updated DESC");
        assert_eq!(
            of(Which::Mine, &[]),
            "assignee = currentUser() AND statusCategory != Done ORDER BY updated DESC"
        );
    }

    #[test]
    fn filters_are_quoted_whatever_is_in_them() {
        let all = [
            ("project", "ACME"),
            ("status", "In \"Progress\" \\"),
            ("issue_type", "Bug' OR 1=1"),
            ("labels", "a\nb\u{1},eu"),
            ("assignee", "712020:ab-c"),
            ("updated_after", "1970-01-01T00:00:02.5Z"),
            ("order_by", "created asc"),
        ];
        assert_eq!(
            of(Which::All, &all),
            "project = \"ACME\" AND status = \"In \\\"Progress\\\" \\\\\" AND issuetype = \"Bug' OR 1=1\" AND \
             labels = \"a\\nb\\u0001\" AND labels = \"eu\" AND assignee = \"712020:ab-c\" AND updated >= 2500 ORDER BY created ASC"
        );
        assert_eq!(of(Which::All, &[("assignee", "me")]), "assignee = currentUser() ORDER BY updated DESC");
        assert_eq!(of(Which::All, &[("assignee", "none")]), "assignee IS EMPTY ORDER BY updated DESC");
    }

    #[test]
    fn words_are_found_and_queries_stay_as_they_are() {
        assert_eq!(of(Which::Found("login fails"), &[]), "text ~ \"login fails\"");
        assert_eq!(
            of(Which::Found("status = Done OR status = Open order by rank"), &[("project", "A")]),
            "(status = Done OR status = Open) AND project = \"A\" ORDER BY rank"
        );
        assert_eq!(of(Which::Found("a = 1 order by rank"), &[("order_by", "key")]), "(a = 1) ORDER BY key");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (name, value) in [
            ("updated_after", "yesterday"),
            ("updated_after", "2026-11-21"),
            ("order_by", "updated; drop"),
            ("order_by", "rank desc, key"),
            ("order_by", "UPDATED"),
        ] {
            let error = query(Which::All, &listing(&[(name, value)])).unwrap_err();
            assert!(error.violations()[0].detail.starts_with(name), "{value}");
        }
        let error = query(Which::Found("a = 1) OR (b = 2"), &listing(&[("project", "A")])).unwrap_err();
        assert!(error.violations()[0].detail.starts_with("query "), "{error:?}");
    }
}
