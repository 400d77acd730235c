//! An issue as an item:
//! <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/#api-rest-api-3-issue-issueidorkey-get>

use model::Timestamp;
use serde_json::{Map, Value};

use super::adf::to_markdown;
use super::connector::Site;
use crate::answer::{moment, put};
use crate::{Author, Item};

/// What is asked for where the whole answer is not wanted: all that items tell.
const FIELDS: [&str; 19] = [
    "summary",
    "description",
    "project",
    "status",
    "issuetype",
    "priority",
    "labels",
    "components",
    "fixVersions",
    "assignee",
    "reporter",
    "creator",
    "created",
    "updated",
    "duedate",
    "parent",
    "resolution",
    "resolutiondate",
    "statuscategorychangedate",
];

/// The fields to ask for.
pub(super) fn wanted(raw: bool) -> Vec<&'static str> {
    if raw { vec!["*all"] } else { FIELDS.to_vec() }
}

/// The text at a JSON Pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The item that an issue is.
pub(super) fn item(site: &Site<'_>, issue: Value) -> Item {
    let (key, at) = (text(&issue, "/key"), |name: &str| text(&issue, name));
    let people = |name: &str| issue.pointer(name).filter(|who| who.is_object()).map(author);
    Item {
        id: at("/id").or(key).unwrap_or_default().to_owned(),
        kind: "issue",
        title: at("/fields/summary").map(str::to_owned),
        text: issue.pointer("/fields/description").map(to_markdown).filter(|text| !text.is_empty()),
        url: key.and_then(|key| site.browse(key)),
        author: people("/fields/creator").or_else(|| people("/fields/reporter")),
        container_id: at("/fields/project/id").map(str::to_owned),
        created_at: at("/fields/created").and_then(moment),
        updated_at: at("/fields/updated").and_then(moment),
        // Jira has no versions of issues.
        etag: None,
        extra: extra(&issue),
        raw: site.context.raw.then_some(issue),
    }
}

/// The item of an issue of which nothing is known but how it is called, as where it was written and cannot be read again.
pub(super) fn unread(site: &Site<'_>, id: &str, key: Option<&str>) -> Item {
    let mut extra = Map::new();
    put(&mut extra, "key", key);
    let url = key.and_then(|key| site.browse(key));
    Item { id: id.to_owned(), kind: "issue", url, extra, ..Item::default() }
}

/// Whether this is an issue's key, such as `ACME-7`, and not its id.
pub(super) fn is_key(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(project, number)| {
        project.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Somebody, as far as their own settings let it be seen.
pub(super) fn author(who: &Value) -> Author {
    let at = |name: &str| text(who, name).map(str::to_owned);
    Author { id: at("/accountId"), name: at("/displayName"), email: at("/emailAddress") }
}

/// The same among an item's further fields; empty where nobody is told.
pub(super) fn person(who: Option<&Value>) -> Map<String, Value> {
    let mut person = Map::new();
    if let Some(who) = who.filter(|who| who.is_object()) {
        let author = author(who);
        put(&mut person, "id", author.id);
        put(&mut person, "name", author.name);
        put(&mut person, "email", author.email);
    }
    person
}

fn extra(issue: &Value) -> Map<String, Value> {
    let mut extra = Map::new();
    for (name, place) in [
        ("key", "/key"),
        ("project", "/fields/project/key"),
        ("project_name", "/fields/project/name"),
        ("status", "/fields/status/name"),
        // One of new, indeterminate and done, in every language.
        ("status_category", "/fields/status/statusCategory/key"),
        ("issue_type", "/fields/issuetype/name"),
        ("priority", "/fields/priority/name"),
        ("due_date", "/fields/duedate"),
        ("parent", "/fields/parent/key"),
        ("parent_title", "/fields/parent/fields/summary"),
        ("resolution", "/fields/resolution/name"),
    ] {
        put(&mut extra, name, text(issue, place));
    }
    put(&mut extra, "is_subtask", issue.pointer("/fields/issuetype/subtask").cloned().unwrap_or_default());
    put(&mut extra, "labels", issue.pointer("/fields/labels").cloned().unwrap_or_default());
    for (name, place) in [("components", "/fields/components"), ("fix_versions", "/fields/fixVersions")] {
        let each = issue.pointer(place).and_then(Value::as_array).into_iter().flatten();
        put(&mut extra, name, each.filter_map(|each| text(each, "/name")).collect::<Vec<_>>());
    }
    put(&mut extra, "assignee", person(issue.pointer("/fields/assignee")));
    put(&mut extra, "reporter", person(issue.pointer("/fields/reporter")));
    for (name, place) in [
        ("resolved_at", "/fields/resolutiondate"),
        ("status_category_changed_at", "/fields/statuscategorychangedate"),
    ] {
        put(&mut extra, name, text(issue, place).and_then(moment).map(|at| Timestamp::to_string(&at)));
    }
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_jira_writes_them() {
        let read = moment("2026-11-21T16:12:34.567+0100").map(Timestamp::as_millisecond);
        assert_eq!(read, moment("2026-11-21T15:12:34.567Z").map(Timestamp::as_millisecond));
        assert!(read.is_some());
    }

    #[test]
    fn keys_and_ids_are_told_apart() {
        assert!(is_key("ACME-7") && is_key("A_B-10") && is_key("acme-7"));
        assert!(!is_key("10007") && !is_key("ACME") && !is_key("ACME-") && !is_key("1-2") && !is_key("A-x"));
    }
}
