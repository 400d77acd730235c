//! What callers write of repositories and issues, in GitHub's words.

use model::Violation;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::fields::Fields;
use crate::project::{Assignment, IssueChanges, NewIssue};

/// The fields that are text, each with GitHub's word for it.
const TEXTS: [(&str, &str); 4] = [
    ("title", "name"),
    ("text", "description"),
    ("homepage", "homepage"),
    ("default_branch", "default_branch"),
];

/// The fields that are true or false, likewise.
const FLAGS: [(&str, &str); 3] =
    [("is_private", "private"), ("is_archived", "archived"), ("has_issues", "has_issues")];

const KNOWN: [&str; 9] = [
    "title",
    "text",
    "homepage",
    "default_branch",
    "is_private",
    "is_archived",
    "has_issues",
    "organization",
    "raw",
];

/// A repository to be made: what is sent, and the organization that it is for.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn made(given: &Map<String, Value>) -> Result<(Map<String, Value>, Option<&str>), Error> {
    let mut fields = Fields::new(given, &KNOWN);
    let written = read(&mut fields);
    if !written.contains_key("name") {
        fields.refuse("/title", "must be given");
    }
    for name in ["is_archived", "default_branch"] {
        if fields.value(name).is_some() {
            fields.refuse(format!("/{name}"), "is for changing a repository");
        }
    }
    let organization = fields.line("organization");
    fields.finish((written, organization))
}

/// What is to change of a repository.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn changed(given: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let mut fields = Fields::new(given, &KNOWN);
    let written = read(&mut fields);
    if fields.value("organization").is_some() {
        fields.refuse("/organization", "is for making a repository");
    } else if written.is_empty() {
        fields.refuse("", "must change something");
    }
    fields.finish(written)
}

fn read(fields: &mut Fields<'_>) -> Map<String, Value> {
    // What stands under its own name goes before the same in GitHub's words.
    let mut written = fields.object("raw").cloned().unwrap_or_default();
    for (name, theirs) in TEXTS {
        if let Some(text) = fields.text(name) {
            written.insert(theirs.to_owned(), text.into());
        }
    }
    for (name, theirs) in FLAGS {
        if let Some(flag) = fields.flag(name) {
            written.insert(theirs.to_owned(), flag.into());
        }
    }
    written
}

/// An issue to be made.
///
/// # Errors
/// [`Error::Invalid`] for what GitHub's issues have not.
pub(super) fn new_issue(issue: &NewIssue) -> Result<Map<String, Value>, Error> {
    let mut wrong = Vec::new();
    if issue.priority.is_some() {
        wrong.push(no_priority());
    }
    if issue.parent.is_some() {
        let detail = "cannot be given here: GitHub adds an issue to another once both are there";
        wrong.push(Violation::new("/parent", detail));
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let mut written = issue.extra.clone();
    let mut set = |name: &str, value: Option<Value>| {
        written.extend(value.map(|value| (name.to_owned(), value)));
    };
    set("title", Some(issue.title.clone().into()));
    set("body", issue.text.clone().map(Into::into));
    set("type", issue.kind.clone().map(Into::into));
    set("assignees", issue.assignee.as_ref().map(|login| json!([login])));
    set("labels", (!issue.labels.is_empty()).then(|| json!(issue.labels)));
    Ok(written)
}

/// What is to change of an issue, but for the comment. Empty if there is none but that.
///
/// # Errors
/// [`Error::Invalid`] for what GitHub's issues have not.
pub(super) fn issue_changes(changes: &IssueChanges) -> Result<Map<String, Value>, Error> {
    if changes.priority.is_some() {
        return Err(Error::Invalid(vec![no_priority()]));
    }
    let mut written = changes.extra.clone();
    let mut set = |name: &str, value: Option<Value>| {
        written.extend(value.map(|value| (name.to_owned(), value)));
    };
    set("title", changes.title.clone().map(Into::into));
    set("body", changes.text.clone().map(Into::into));
    set("labels", changes.labels.as_ref().map(|labels| json!(labels)));
    set(
        "assignees",
        changes.assignee.as_ref().map(|assignment| match assignment {
            Assignment::To(login) => json!([login]),
            Assignment::Nobody => json!([]),
        }),
    );
    if let Some(status) = &changes.status {
        let (state, reason) = state(status)?;
        set("state", Some(state.into()));
        set("state_reason", reason.map(Into::into));
    }
    Ok(written)
}

/// The state of this name, and the reason for it where the name says that.
fn state(status: &str) -> Result<(&'static str, Option<&'static str>), Error> {
    match status.to_ascii_lowercase().replace([' ', '-'], "_").as_str() {
        "open" => Ok(("open", None)),
        "reopened" => Ok(("open", Some("reopened"))),
        "closed" => Ok(("closed", None)),
        "completed" => Ok(("closed", Some("completed"))),
        "not_planned" => Ok(("closed", Some("not_planned"))),
        "duplicate" => Ok(("closed", Some("duplicate"))),
        _ => {
            let detail = "must be open, reopened, closed, completed, not_planned or duplicate";
            Err(Error::invalid("/status", detail))
        }
    }
}

fn no_priority() -> Violation {
    Violation::new("/priority", "cannot be given: GitHub's issues have none, so use labels")
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn pointers(error: &Error) -> Vec<String> {
        error.violations().into_iter().map(|each| each.pointer).collect()
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        let wrong = json!({"name": "x", "is_private": "yes", "is_archived": true});
        let error = made(wrong.as_object().unwrap()).unwrap_err();
        assert_eq!(pointers(&error), ["/name", "/is_private", "/title", "/is_archived"]);
        let error = changed(json!({"organization": "x"}).as_object().unwrap()).unwrap_err();
        assert_eq!(pointers(&error), ["/organization"]);
        assert_eq!(pointers(&changed(&Map::new()).unwrap_err()), [""]);
        let issue =
            NewIssue { priority: Some("High".into()), parent: Some("a:b:1".into()), ..NewIssue::default() };
        assert_eq!(pointers(&new_issue(&issue).unwrap_err()), ["/priority", "/parent"]);
    }

    #[test]
    fn a_state_is_named_as_people_do() {
        let of = |status: &str| {
            let changes = IssueChanges { status: Some(status.to_owned()), ..IssueChanges::default() };
            issue_changes(&changes).map(Value::Object).map_err(|error| pointers(&error))
        };
        assert_eq!(of("Open"), Ok(json!({"state": "open"})));
        assert_eq!(of("Not planned"), Ok(json!({"state": "closed", "state_reason": "not_planned"})));
        assert_eq!(of("In Progress"), Err(vec!["/status".to_owned()]));
    }
}
