//! What callers write of a page.

use serde_json::{Map, Value, json};

use super::storage;
use crate::Error;
use crate::fields::Fields;

const KNOWN: [&str; 8] = ["title", "text", "storage", "space_id", "parent_id", "message", "version", "etag"];

/// What changes of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changes<'a> {
    pub(super) title: Option<&'a str>,
    /// What it says, in the storage format.
    pub(super) storage: Option<String>,
    /// The page that it is moved below.
    pub(super) parent_id: Option<&'a str>,
    /// What was changed, for the page's history.
    pub(super) message: Option<&'a str>,
    /// The version that is to be changed, and no other.
    pub(super) expected: Option<u64>,
}

/// Whether it can be the id of a page or a space: a number.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The storage format of a comment's Markdown.
///
/// # Errors
/// [`Error::Invalid`] for one that is empty or too large.
pub(super) fn storage_of(text: &str) -> Result<String, Error> {
    let given = Map::from_iter([("text".to_owned(), Value::from(text))]);
    let mut fields = Fields::new(&given, &["text"]);
    let storage = written(&mut fields);
    if storage.as_ref().is_some_and(String::is_empty) {
        fields.refuse("/text", "must say something");
    }
    fields.finish(storage.unwrap_or_default())
}

/// Reads the fields of a page that is to be made.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn made(given: &Map<String, Value>) -> Result<Value, Error> {
    let mut fields = Fields::new(given, &KNOWN);
    let title = needed(&mut fields, "title");
    let space_id = id(&mut fields, "space_id");
    if space_id.is_none() && fields.value("space_id").is_none_or(|given| given == "") {
        fields.refuse("/space_id", "must be given");
    }
    let parent_id = id(&mut fields, "parent_id");
    let storage = written(&mut fields);
    if storage.is_none() && fields.value("text").is_none() && fields.value("storage").is_none() {
        fields.refuse("/text", "must be given, or storage instead");
    }
    for name in ["message", "version", "etag"] {
        if fields.value(name).is_some() {
            fields.refuse(format!("/{name}"), "is for changing a page");
        }
    }
    let mut page = Map::new();
    page.insert("spaceId".to_owned(), space_id.into());
    page.insert("status".to_owned(), "current".into());
    page.insert("title".to_owned(), title.into());
    if let Some(parent_id) = parent_id {
        page.insert("parentId".to_owned(), parent_id.into());
    }
    let storage = storage.unwrap_or_default();
    page.insert("body".to_owned(), json!({"representation": "storage", "value": storage}));
    fields.finish(Value::Object(page))
}

/// Reads the fields of a page that is to be changed.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn changed(given: &Map<String, Value>) -> Result<Changes<'_>, Error> {
    let mut fields = Fields::new(given, &KNOWN);
    let title = match fields.value("title") {
        Some(_) => needed(&mut fields, "title"),
        None => None,
    };
    let parent_id = id(&mut fields, "parent_id");
    let storage = written(&mut fields);
    let message = fields.line("message");
    let expected = version(&mut fields);
    if fields.value("space_id").is_some() {
        fields.refuse("/space_id", "cannot change: a page stays in its space");
    }
    let nothing = ["title", "parent_id", "text", "storage"].iter().all(|name| fields.value(name).is_none());
    if nothing {
        fields.refuse("", "must change title, text or storage, or parent_id");
    }
    fields.finish(Changes { title, storage, parent_id, message, expected })
}

/// A line that must not be empty.
fn needed<'a>(fields: &mut Fields<'a>, name: &str) -> Option<&'a str> {
    let is_missing = fields.value(name).is_none_or(|given| given == "");
    if is_missing {
        fields.refuse(format!("/{name}"), "must be given");
    }
    fields.line(name)
}

fn id<'a>(fields: &mut Fields<'a>, name: &str) -> Option<&'a str> {
    let text = fields.line(name)?;
    if !is_id(text) {
        fields.refuse(format!("/{name}"), "must be an id, which is a number in text");
        return None;
    }
    Some(text)
}

/// What a page is to say, in the storage format: given so, or in Markdown.
fn written(fields: &mut Fields<'_>) -> Option<String> {
    let (text, given) = (fields.text("text"), fields.text("storage"));
    if text.is_some() && given.is_some() {
        fields.refuse("/storage", "must not be given beside text: they are the same in two formats");
        return None;
    }
    let Some(text) = text else { return given.map(str::to_owned) };
    let storage = storage::of_markdown(text);
    if storage.is_none() {
        fields.refuse("/text", "is too large for a page");
    }
    storage
}

/// The version that is expected, by either of its names.
fn version(fields: &mut Fields<'_>) -> Option<u64> {
    let mut read = |name: &str| {
        let value = fields.value(name)?;
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok()).filter(|number| *number > 0);
        if number.is_none() {
            fields.refuse(format!("/{name}"), "must be the number of a version");
        }
        number
    };
    let (version, etag) = (read("version"), read("etag"));
    if version.is_some() && etag.is_some() && version != etag {
        fields.refuse("/etag", "must be the same as version where both are given");
    }
    version.or(etag)
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("an object: {value}") };
        fields
    }

    fn pointers<T: std::fmt::Debug>(read: Result<T, Error>) -> Vec<String> {
        read.unwrap_err().violations().into_iter().map(|each| each.pointer).collect()
    }

    #[test]
    fn all_that_is_wrong_with_a_new_page_is_told_at_once() {
        assert_eq!(pointers(made(&Map::new())), ["/title", "/space_id", "/text"]);
        let wrong = object(json!({
            "title": "", "space_id": "DOCS", "parent_id": "1/2", "text": "a", "storage": "<p/>", "version": 1,
        }));
        assert_eq!(pointers(made(&wrong)), ["/title", "/space_id", "/parent_id", "/storage", "/version"]);
    }

    #[test]
    fn a_new_page_says_markdown_or_storage() {
        let page = object(json!({"title": "A", "space_id": "7", "text": "**b**"}));
        let expected = json!({
            "spaceId": "7", "status": "current", "title": "A",
            "body": {"representation": "storage", "value": "<p><strong>b</strong></p>"},
        });
        assert_eq!(made(&page).unwrap(), expected);
        let page =
            object(json!({"title": "A", "space_id": "7", "storage": "<p>**b**</p>", "parent_id": "8"}));
        let made = made(&page).unwrap();
        assert_eq!((&made["body"]["value"], &made["parentId"]), (&json!("<p>**b**</p>"), &json!("8")));
    }

    #[test]
    fn a_change_names_the_version_it_is_of() {
        for given in [json!({"version": 3}), json!({"etag": "3"}), json!({"version": "3", "etag": "3"})] {
            let mut given = object(given);
            given.insert("title".to_owned(), "B".into());
            assert_eq!(changed(&given).unwrap().expected, Some(3));
        }
        let wrong = object(json!({"title": "B", "version": 3, "etag": "4", "space_id": "1"}));
        assert_eq!(pointers(changed(&wrong)), ["/etag", "/space_id"]);
        assert_eq!(pointers(changed(&object(json!({"version": "x", "message": "m"})))), ["/version", ""]);
        assert_eq!(pointers(changed(&object(json!({"title": ""})))), ["/title"]);
    }

    #[test]
    fn a_comment_says_something() {
        assert_eq!(storage_of("a < b").unwrap(), "<p>a &lt; b</p>");
        assert_eq!(pointers(storage_of(" \n")), ["/text"]);
    }
}
