//! What callers write of an issue, and the same in Jira's words:
//! <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/#api-rest-api-3-issue-post>

use model::Violation;
use serde_json::{Map, Value, json};

use super::adf::from_markdown;
use crate::Error;
use crate::fields::Fields;
use crate::project::{Assignment, IssueChanges, NewIssue};

const NEW: [&str; 10] =
    ["project", "issue_type", "title", "text", "assignee", "priority", "labels", "parent", "due_date", "raw"];

const CHANGES: [&str; 9] =
    ["title", "text", "assignee", "priority", "labels", "due_date", "status", "comment", "raw"];

/// The most bytes of Markdown that are taken. Jira takes 32,767 characters unless its operator says otherwise, and says so.
const MAX_TEXT: usize = 128 * 1024;

/// Reads the body of an issue that is to be made.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn made(given: &Map<String, Value>) -> Result<NewIssue, Error> {
    let mut fields = Fields::new(given, &NEW);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let issue = NewIssue {
        project: owned(fields.line("project")).unwrap_or_default(),
        kind: owned(fields.line("issue_type")),
        title: owned(fields.line("title")).unwrap_or_default(),
        text: owned(fields.text("text")),
        assignee: owned(fields.line("assignee")),
        priority: owned(fields.line("priority")),
        labels: fields.lines("labels").into_iter().map(str::to_owned).collect(),
        parent: owned(fields.line("parent")),
        extra: extra(&mut fields, given),
    };
    for (name, value) in [("project", &issue.project), ("title", &issue.title)] {
        if value.is_empty() && !given.get(name).is_some_and(Value::is_string) {
            fields.refuse(format!("/{name}"), "must be given");
        }
    }
    fields.finish(issue)
}

/// Reads the body of a change.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn changed(given: &Map<String, Value>) -> Result<IssueChanges, Error> {
    let mut fields = Fields::new(given, &CHANGES);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let nobody = given.get("assignee").filter(|value| value.is_null()).map(|_| Assignment::Nobody);
    let changes = IssueChanges {
        title: owned(fields.line("title")),
        text: owned(fields.text("text")),
        assignee: fields.line("assignee").map(|id| Assignment::To(id.to_owned())).or(nobody),
        priority: owned(fields.line("priority")),
        labels: fields
            .value("labels")
            .map(|_| fields.lines("labels").into_iter().map(str::to_owned).collect()),
        status: owned(fields.line("status")),
        comment: owned(fields.text("comment")),
        extra: extra(&mut fields, given),
    };
    fields.finish(changes)
}

/// Fields in Jira's own words, and those that have a name here but no place of their own.
fn extra(fields: &mut Fields<'_>, given: &Map<String, Value>) -> Map<String, Value> {
    let mut extra = fields.object("raw").cloned().unwrap_or_default();
    match given.get("due_date") {
        Some(Value::Null) => {
            extra.insert("duedate".to_owned(), Value::Null);
        }
        Some(Value::String(day)) if day.parse::<jiff::civil::Date>().is_ok() => {
            extra.insert("duedate".to_owned(), day.clone().into());
        }
        Some(_) => fields.refuse("/due_date", "must be a day like 2026-11-21"),
        None => {}
    }
    extra
}

/// The fields of an issue that is to be made, but for its type.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn of_new(issue: &NewIssue) -> Result<Map<String, Value>, Error> {
    let mut wrong = Vec::new();
    if issue.project.trim().is_empty() {
        wrong.push(Violation::new("/project", "must be the project's key or id"));
    }
    checked_title(&issue.title, &mut wrong);
    let description = issue.text.as_deref().map(|text| document(text, "/text", &mut wrong));
    // What stands under its own name goes before the same in Jira's words.
    let mut fields = issue.extra.clone();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("project", by_id_or("key", &issue.project));
    put("summary", issue.title.as_str().into());
    if let Some(description) = description.filter(|description| !description.is_null()) {
        put("description", description);
    }
    if let Some(account) = &issue.assignee {
        put("assignee", json!({"accountId": account}));
    }
    if let Some(priority) = &issue.priority {
        put("priority", by_id_or("name", priority));
    }
    if !issue.labels.is_empty() {
        put("labels", issue.labels.clone().into());
    }
    if let Some(parent) = &issue.parent {
        put("parent", by_id_or("key", parent));
    }
    if wrong.is_empty() { Ok(fields) } else { Err(Error::Invalid(wrong)) }
}

/// What a change writes into an issue's fields: neither its status nor a comment.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong, also where nothing is to change at all.
pub(super) fn of_changes(changes: &IssueChanges) -> Result<Map<String, Value>, Error> {
    let mut wrong = Vec::new();
    if *changes == IssueChanges::default() {
        wrong.push(Violation::new("", "must change something"));
    }
    let mut fields = changes.extra.clone();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if let Some(title) = &changes.title {
        checked_title(title, &mut wrong);
        put("summary", title.as_str().into());
    }
    if let Some(text) = &changes.text {
        put("description", document(text, "/text", &mut wrong));
    }
    match &changes.assignee {
        Some(Assignment::To(account)) => drop(put("assignee", json!({"accountId": account}))),
        Some(Assignment::Nobody) => drop(put("assignee", Value::Null)),
        None => {}
    }
    if let Some(priority) = &changes.priority {
        put("priority", by_id_or("name", priority));
    }
    if let Some(labels) = &changes.labels {
        put("labels", labels.clone().into());
    }
    if wrong.is_empty() { Ok(fields) } else { Err(Error::Invalid(wrong)) }
}

/// The body of a comment.
///
/// # Errors
/// [`Error::Invalid`] for one without words.
pub(super) fn comment(text: &str, pointer: &str) -> Result<Value, Error> {
    let mut wrong = Vec::new();
    let body = document(text, pointer, &mut wrong);
    if body.is_null() && wrong.is_empty() {
        wrong.push(Violation::new(pointer, "must say something"));
    }
    if wrong.is_empty() { Ok(json!({"body": body})) } else { Err(Error::Invalid(wrong)) }
}

/// Something by its number, or else by what people call it.
pub(super) fn by_id_or(name: &str, text: &str) -> Value {
    let is_id = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    json!({if is_id { "id" } else { name }: text})
}

/// Markdown as a document; null for one without words.
fn document(text: &str, pointer: &str, wrong: &mut Vec<Violation>) -> Value {
    if text.len() > MAX_TEXT {
        wrong.push(Violation::new(pointer, format!("must have at most {MAX_TEXT} bytes")));
        return Value::Null;
    }
    if text.trim().is_empty() { Value::Null } else { from_markdown(text) }
}

fn checked_title(title: &str, wrong: &mut Vec<Violation>) {
    if title.trim().is_empty() || title.contains(['\n', '\r']) {
        wrong.push(Violation::new("/title", "must be one line of text"));
    }
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn pointers<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
        result.unwrap_err().violations().into_iter().map(|each| each.pointer).collect()
    }

    fn body(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let wrong = json!({"project": "A\nB", "title": 7, "due_date": "soon", "kind": "Bug", "raw": []});
        assert_eq!(
            pointers(made(&body(&wrong))),
            ["/kind", "/project", "/title", "/raw", "/due_date", "/title"]
        );
        assert_eq!(pointers(made(&Map::new())), ["/project", "/title"]);
        let wrong =
            NewIssue { text: Some("x".repeat(MAX_TEXT + 1)), title: "a\nb".into(), ..NewIssue::default() };
        assert_eq!(pointers(of_new(&wrong)), ["/project", "/title", "/text"]);
        assert_eq!(pointers(of_changes(&IssueChanges::default())), [""]);
        assert_eq!(pointers(comment(" \n", "/comment")), ["/comment"]);
    }

    #[test]
    fn null_takes_away_and_absence_leaves() {
        let changes =
            changed(&body(&json!({"assignee": null, "due_date": null, "labels": [], "text": ""}))).unwrap();
        assert_eq!(
            Value::Object(of_changes(&changes).unwrap()),
            json!({"duedate": null, "description": null, "assignee": null, "labels": []})
        );
        let changes = changed(&body(&json!({"title": "New"}))).unwrap();
        assert_eq!(Value::Object(of_changes(&changes).unwrap()), json!({"summary": "New"}));
    }

    #[test]
    fn what_has_a_name_here_goes_before_jiras_words() {
        let given = json!({"project": "10000", "title": "T", "parent": "ACME-1", "priority": "High",
            "raw": {"summary": "other", "customfield_1": 5}});
        let fields = of_new(&made(&body(&given)).unwrap()).unwrap();
        assert_eq!(
            Value::Object(fields),
            json!({"summary": "T", "customfield_1": 5, "project": {"id": "10000"}, "priority": {"name": "High"},
                "parent": {"key": "ACME-1"}})
        );
    }
}
