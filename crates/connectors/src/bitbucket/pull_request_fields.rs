//! What callers write of a pull request, in Bitbucket's words: objects, each with its `type`.

use serde_json::{Map, Value, json};

use super::name::RepositoryName;
use crate::Error;
use crate::fields::{Fields, required};

const NEW: [&str; 11] = [
    "type",
    "repository",
    "title",
    "text",
    "source_branch",
    "source_repository",
    "destination_branch",
    "reviewers",
    "close_source_branch",
    "is_draft",
    "raw",
];
const CHANGED: [&str; 11] = [
    "title",
    "text",
    "destination_branch",
    "reviewers",
    "close_source_branch",
    "is_draft",
    "raw",
    "state",
    "merge_strategy",
    "message",
    "is_approved",
];
/// What is said of a merge.
const OF_A_MERGE: [&str; 3] = ["merge_strategy", "message", "close_source_branch"];
const STRATEGIES: [&str; 6] =
    ["merge_commit", "squash", "fast_forward", "squash_fast_forward", "rebase_fast_forward", "rebase_merge"];

/// A change of a pull request: each is a call of its own, so one at a time, that none is done by half.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// These fields.
    Fields(Map<String, Value>),
    /// It is merged, in this way.
    Merge(Map<String, Value>),
    /// It is declined.
    Decline,
    /// The account approves it, or no longer does.
    Approval(bool),
}

/// Reads the fields of a pull request that is to be made: where, and of what.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn made(given: &Map<String, Value>) -> Result<(RepositoryName, Map<String, Value>), Error> {
    let mut fields = Fields::new(given, &NEW);
    let mut body = read(&mut fields);
    if !body.contains_key("title") && fields.value("title").is_none_or(|title| title == "") {
        fields.refuse("/title", "must be given");
    }
    let source = fields.line("source_branch");
    if source.is_none() && !body.contains_key("source") {
        fields.refuse("/source_branch", "must be given");
    }
    let fork = named(&mut fields, "source_repository");
    if let Some(branch) = source {
        let mut source = json!({"branch": {"name": branch}});
        if let (Some(fork), Some(source)) = (fork, source.as_object_mut()) {
            let full_name = format!("{}/{}", fork.workspace, fork.slug);
            source.insert("repository".to_owned(), json!({"type": "repository", "full_name": full_name}));
        }
        body.insert("source".to_owned(), source);
    }
    if fields.value("repository").is_none() {
        fields.refuse("/repository", "must be given");
    }
    let repository = named(&mut fields, "repository");
    body.insert("type".to_owned(), "pullrequest".into());
    let (repository, body) = fields.finish((repository, body))?;
    Ok((repository.ok_or_else(|| required("repository"))?, body))
}

/// Reads a change.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn changed(given: &Map<String, Value>) -> Result<Change, Error> {
    let mut fields = Fields::new(given, &CHANGED);
    let body = read(&mut fields);
    let (state, approval) = (fields.line("state"), fields.flag("is_approved"));
    if let Some(state) = state {
        let change = ended(&mut fields, given, &state.to_ascii_lowercase());
        return fields.finish(change);
    }
    for name in ["merge_strategy", "message"] {
        if fields.value(name).is_some() {
            fields.refuse(format!("/{name}"), "is for merging, that is, with the state merged");
        }
    }
    if let Some(is_approved) = approval {
        alone(&mut fields, given, "is_approved", &[]);
        return fields.finish(Change::Approval(is_approved));
    }
    if body.is_empty() {
        fields.refuse("", "must change something");
    }
    fields.finish(Change::Fields(body))
}

/// A change to a state in which a pull request ends.
fn ended(fields: &mut Fields<'_>, given: &Map<String, Value>, state: &str) -> Change {
    match state {
        "merged" => {
            alone(fields, given, "state", &OF_A_MERGE);
            Change::Merge(merge(fields))
        }
        "declined" => {
            alone(fields, given, "state", &[]);
            Change::Decline
        }
        _ => {
            fields.refuse("/state", "must be merged or declined: what has ended is not opened again");
            Change::Decline
        }
    }
}

fn merge(fields: &mut Fields<'_>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("type".to_owned(), "pullrequest_merge_parameters".into());
    if let Some(strategy) = fields.one_of("merge_strategy", &STRATEGIES) {
        body.insert("merge_strategy".to_owned(), strategy.into());
    }
    if let Some(message) = fields.text("message") {
        body.insert("message".to_owned(), message.into());
    }
    // Read with the other fields, if it is no flag.
    if let Some(closes) = fields.value("close_source_branch").and_then(Value::as_bool) {
        body.insert("close_source_branch".to_owned(), closes.into());
    }
    body
}

/// Refuses what is given beside `field`, but for what belongs to it.
fn alone(fields: &mut Fields<'_>, given: &Map<String, Value>, field: &str, with: &[&str]) {
    let others = CHANGED.iter().filter(|name| **name != field && !with.contains(name));
    for other in others.filter(|name| given.get(**name).is_some_and(|value| !value.is_null())) {
        fields.refuse(format!("/{other}"), format!("must be changed by itself, without {field}"));
    }
}

fn read(fields: &mut Fields<'_>) -> Map<String, Value> {
    // What stands under its own name goes before the same in Bitbucket's words.
    let mut body = fields.object("raw").cloned().unwrap_or_default();
    if let Some(title) = fields.line("title") {
        body.insert("title".to_owned(), title.into());
    }
    if let Some(text) = fields.text("text") {
        body.insert("description".to_owned(), text.into());
    }
    if let Some(branch) = fields.line("destination_branch") {
        body.insert("destination".to_owned(), json!({"branch": {"name": branch}}));
    }
    for (name, theirs) in [("close_source_branch", "close_source_branch"), ("is_draft", "draft")] {
        if let Some(flag) = fields.flag(name) {
            body.insert(theirs.to_owned(), flag.into());
        }
    }
    if fields.value("reviewers").is_some() {
        let reviewers: Value = fields.lines("reviewers").into_iter().map(reviewer).collect();
        body.insert("reviewers".to_owned(), reviewers);
    }
    body
}

/// A reviewer: by UUID, with its braces or without, or else by the id of the Atlassian account.
fn reviewer(id: &str) -> Value {
    let bare = id.trim_start_matches('{').trim_end_matches('}');
    let parts: Vec<usize> = bare.split('-').map(str::len).collect();
    let is_uuid =
        parts == [8, 4, 4, 4, 12] && bare.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    let (by, id) = if is_uuid { ("uuid", format!("{{{bare}}}")) } else { ("account_id", id.to_owned()) };
    json!({"type": "user", by: id})
}

/// A repository that a field names.
fn named(fields: &mut Fields<'_>, field: &str) -> Option<RepositoryName> {
    let given = fields.line(field)?;
    let name = RepositoryName::read(given);
    if name.is_none() {
        fields.refuse(format!("/{field}"), "must be a repository's id, like acme:site");
    }
    name
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("an object: {value}") };
        fields
    }

    fn pointers<T: std::fmt::Debug>(read: Result<T, Error>) -> Vec<String> {
        read.unwrap_err().violations().into_iter().map(|each| each.pointer).collect()
    }

    #[test]
    fn a_pull_request_comes_from_a_branch_or_a_fork() {
        let uuid = "504c3b62-8120-4f0c-a7bc-87800b9d6f70";
        let given = json!({"type": "pull_request", "repository": "acme/site", "title": "Footer", "text": "*x*",
            "source_branch": "footer", "source_repository": "ann:site", "destination_branch": "main",
            "reviewers": [uuid, format!("{{{uuid}}}"), "712020:abc"], "close_source_branch": true, "is_draft": true});
        let (name, body) = made(&fields(given)).unwrap();
        assert_eq!(name.to_string(), "acme:site");
        let in_braces = json!({"type": "user", "uuid": format!("{{{uuid}}}")});
        assert_eq!(
            Value::Object(body),
            json!({"type": "pullrequest", "title": "Footer", "description": "*x*", "close_source_branch": true, "draft": true,
                "source": {"branch": {"name": "footer"}, "repository": {"type": "repository", "full_name": "ann/site"}},
                "destination": {"branch": {"name": "main"}},
                "reviewers": [in_braces, in_braces, {"type": "user", "account_id": "712020:abc"}]})
        );
        let raw =
            json!({"repository": "acme:site", "title": "x", "raw": {"source": {"branch": {"name": "y"}}}});
        assert_eq!(made(&fields(raw)).unwrap().1["source"], json!({"branch": {"name": "y"}}));
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        assert_eq!(pointers(made(&fields(json!({})))), ["/title", "/source_branch", "/repository"]);
        let wrong = json!({"title": "a\nb", "repository": "site", "source_branch": "x", "reviewers": [1], "state": "x"});
        assert_eq!(pointers(made(&fields(wrong))), ["/state", "/title", "/reviewers", "/repository"]);
        let untitled = json!({"repository": "acme:site", "source_branch": "x", "title": ""});
        assert_eq!(pointers(made(&fields(untitled))), ["/title"]);
        assert_eq!(pointers(changed(&fields(json!({})))), [""]);
        assert_eq!(pointers(changed(&fields(json!({"state": "open"})))), ["/state"]);
        assert_eq!(pointers(changed(&fields(json!({"message": "x"})))), ["/message", ""]);
    }

    #[test]
    fn each_change_is_made_by_itself() {
        let of = |value: Value| changed(&fields(value));
        let merge = json!({"state": "MERGED", "merge_strategy": "squash", "message": "Add", "close_source_branch": true});
        let Change::Merge(body) = of(merge).unwrap() else { panic!("a merge") };
        let expected = json!({"type": "pullrequest_merge_parameters", "merge_strategy": "squash", "message": "Add",
            "close_source_branch": true});
        assert_eq!(Value::Object(body), expected);
        assert_eq!(of(json!({"state": "declined", "title": null})).unwrap(), Change::Decline);
        assert_eq!(of(json!({"is_approved": false})).unwrap(), Change::Approval(false));
        let Change::Fields(body) = of(json!({"reviewers": [], "text": ""})).unwrap() else {
            panic!("fields")
        };
        assert_eq!(Value::Object(body), json!({"reviewers": [], "description": ""}));
        for (wrong, told) in [
            (json!({"state": "merged", "title": "x", "is_approved": true}), &["/title", "/is_approved"][..]),
            (json!({"state": "declined", "message": "x"}), &["/message"]),
            (json!({"is_approved": true, "text": "x"}), &["/text"]),
            (
                json!({"state": "merged", "merge_strategy": "magic", "close_source_branch": 1}),
                &["/close_source_branch", "/merge_strategy"],
            ),
        ] {
            assert_eq!(pointers(of(wrong)), told);
        }
    }
}
