//! What callers write of a repository, in Bitbucket's words: objects, each with its `type`.

use serde_json::{Map, Value, json};

use super::name::{RepositoryName, is_name};
use crate::Error;
use crate::fields::Fields;

const KNOWN: [&str; 11] = [
    "type",
    "workspace",
    "slug",
    "title",
    "text",
    "is_private",
    "project",
    "language",
    "fork_policy",
    "has_wiki",
    "raw",
];
const FORK_POLICIES: [&str; 3] = ["allow_forks", "no_public_forks", "no_forks"];

/// Reads the fields of a repository that is to be made: where, and of what.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn made(given: &Map<String, Value>) -> Result<(RepositoryName, Map<String, Value>), Error> {
    let mut fields = Fields::new(given, &KNOWN);
    let mut body = read(&mut fields);
    // What nobody has said is not for everybody.
    body.entry("is_private").or_insert(true.into());
    body.entry("scm").or_insert("git".into());
    body.insert("type".to_owned(), "repository".into());
    let name = place(&mut fields, body.get("name").and_then(Value::as_str));
    fields.finish((name, body))
}

/// Where it is to stand: under its slug, or else under what its name gives.
fn place(fields: &mut Fields<'_>, name: Option<&str>) -> RepositoryName {
    let workspace = fields.line("workspace").unwrap_or_default();
    if !is_name(workspace) {
        fields.refuse("/workspace", "must be the id of the workspace that it is to stand in");
    }
    let slug = fields.line("slug").map_or_else(|| slugified(name.unwrap_or_default()), str::to_owned);
    if !is_name(&slug) {
        let is_unnamed = name.is_none() && fields.value("slug").is_none();
        let (pointer, detail) = if is_unnamed {
            ("/title", "must be given, in one line")
        } else {
            ("/slug", "must be given in plain letters, digits, -, _ and ., like my-site")
        };
        fields.refuse(pointer, detail);
    }
    RepositoryName { workspace: workspace.to_owned(), slug }
}

/// Reads the fields of a repository that is to be changed.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn changed(given: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let mut fields = Fields::new(given, &KNOWN);
    let mut body = read(&mut fields);
    for name in ["type", "workspace", "slug"] {
        if fields.value(name).is_some() {
            fields.refuse(format!("/{name}"), "is for making a repository; a new title moves one");
        }
    }
    if body.is_empty() {
        fields.refuse("", "must change something");
    }
    body.insert("type".to_owned(), "repository".into());
    fields.finish(body)
}

fn read(fields: &mut Fields<'_>) -> Map<String, Value> {
    // What stands under its own name goes before the same in Bitbucket's words.
    let mut body = fields.object("raw").cloned().unwrap_or_default();
    for (name, theirs) in [("title", "name"), ("language", "language")] {
        if let Some(text) = fields.line(name) {
            body.insert(theirs.to_owned(), text.into());
        }
    }
    if let Some(text) = fields.text("text") {
        body.insert("description".to_owned(), text.into());
    }
    for name in ["is_private", "has_wiki"] {
        if let Some(flag) = fields.flag(name) {
            body.insert(name.to_owned(), flag.into());
        }
    }
    if let Some(key) = fields.line("project") {
        body.insert("project".to_owned(), json!({"type": "project", "key": key}));
    }
    if let Some(policy) = fields.one_of("fork_policy", &FORK_POLICIES) {
        body.insert("fork_policy".to_owned(), policy.into());
    }
    body
}

/// What Bitbucket makes of a name for addresses.
fn slugified(title: &str) -> String {
    let mut slug = String::new();
    for letter in title.chars().map(|letter| letter.to_ascii_lowercase()) {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.') {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("an object: {value}") };
        fields
    }

    #[test]
    fn a_repository_is_private_unless_said_otherwise() {
        let given = json!({"type": "repository", "workspace": "acme", "title": "My  (new) Site!", "text": "x",
            "project": "WEB", "language": "rust", "fork_policy": "no_forks", "has_wiki": false,
            "raw": {"name": "other", "mainbranch": {"name": "trunk"}}});
        let (name, body) = made(&fields(given)).unwrap();
        assert_eq!(name.to_string(), "acme:my-new-site");
        assert_eq!(
            Value::Object(body),
            json!({"name": "My  (new) Site!", "description": "x", "scm": "git", "is_private": true, "type": "repository",
                "project": {"type": "project", "key": "WEB"}, "language": "rust", "fork_policy": "no_forks", "has_wiki": false,
                "mainbranch": {"name": "trunk"}})
        );
        let open = json!({"workspace": "acme", "slug": "site.js", "is_private": false});
        let (name, body) = made(&fields(open)).unwrap();
        assert_eq!((name.to_string().as_str(), &body["is_private"]), ("acme:site.js", &json!(false)));
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        let pointers = |error: Error| {
            let violations = error.violations().into_iter();
            violations.map(|each| each.pointer).collect::<Vec<_>>()
        };
        let wrong = json!({"name": "x", "workspace": "a/b", "is_private": "yes", "fork_policy": "some"});
        let told = pointers(made(&fields(wrong)).unwrap_err());
        assert_eq!(told, ["/name", "/is_private", "/fork_policy", "/workspace", "/title"]);
        let nameless = json!({"workspace": "acme", "title": "日本"});
        assert_eq!(pointers(made(&fields(nameless)).unwrap_err()), ["/slug"]);
        assert_eq!(pointers(changed(&fields(json!({"slug": "x"}))).unwrap_err()), ["/slug", ""]);
        let changed = changed(&fields(json!({"text": "", "is_private": true}))).unwrap();
        assert_eq!(
            Value::Object(changed),
            json!({"type": "repository", "description": "", "is_private": true})
        );
    }
}
