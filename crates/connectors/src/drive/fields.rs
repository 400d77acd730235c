//! What callers write of a file, in Google's words.

use serde_json::{Map, Value};

use crate::Error;
use crate::answer::url_base64;
use crate::fields::Fields;

const KNOWN: [&str; 10] = [
    "title",
    "text",
    "mime_type",
    "parent_ids",
    "add_parent_ids",
    "remove_parent_ids",
    "is_starred",
    "is_trashed",
    "content",
    "raw",
];

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Written<'a> {
    /// The file's metadata, or what changes of it.
    pub(super) about: Map<String, Value>,
    /// The bytes of the file, and their media type.
    pub(super) content: Option<(Vec<u8>, &'a str)>,
    /// The folders that it is put into, and those that it is taken out of.
    pub(super) parents: (Vec<&'a str>, Vec<&'a str>),
}

/// Reads the fields of a file that is to be made.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn made(given: &Map<String, Value>) -> Result<Written<'_>, Error> {
    let mut fields = Fields::new(given, &KNOWN);
    let mut written = read(&mut fields);
    if !written.about.contains_key("name") {
        fields.refuse("/title", "must be given");
    }
    for name in ["add_parent_ids", "remove_parent_ids", "is_trashed"] {
        if fields.value(name).is_some() {
            fields.refuse(format!("/{name}"), "is for changing a file");
        }
    }
    let parents = fields.lines("parent_ids");
    if !parents.is_empty() {
        written.about.insert("parents".to_owned(), parents.into());
    }
    fields.finish(written)
}

/// Reads the fields of a file that is to be changed.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn changed(given: &Map<String, Value>) -> Result<Written<'_>, Error> {
    let mut fields = Fields::new(given, &KNOWN);
    let mut written = read(&mut fields);
    if fields.value("parent_ids").is_some() {
        fields.refuse("/parent_ids", "cannot be set as a whole: use add_parent_ids and remove_parent_ids");
    }
    if let Some(is_trashed) = fields.flag("is_trashed") {
        written.about.insert("trashed".to_owned(), is_trashed.into());
    }
    written.parents = (fields.lines("add_parent_ids"), fields.lines("remove_parent_ids"));
    let (added, removed) = &written.parents;
    if written.about.is_empty() && written.content.is_none() && added.is_empty() && removed.is_empty() {
        fields.refuse("", "must change something");
    }
    fields.finish(written)
}

fn read<'a>(fields: &mut Fields<'a>) -> Written<'a> {
    // What stands under its own name goes before the same in Google's words.
    let mut about = fields.object("raw").cloned().unwrap_or_default();
    for (name, theirs) in [("title", "name"), ("text", "description")] {
        if let Some(text) = fields.text(name) {
            about.insert(theirs.to_owned(), text.into());
        }
    }
    if let Some(is_starred) = fields.flag("is_starred") {
        about.insert("starred".to_owned(), is_starred.into());
    }
    let mime_type = fields.line("mime_type");
    if mime_type.is_some_and(|text| !text.is_ascii() || text.split('/').count() != 2) {
        fields.refuse("/mime_type", "must be like text/plain");
    } else if let Some(mime_type) = mime_type {
        about.insert("mimeType".to_owned(), mime_type.into());
    }
    let content = fields.text("content").and_then(url_base64);
    if content.is_none() && fields.value("content").is_some_and(Value::is_string) {
        fields.refuse("/content", "must be base64");
    }
    let content = content.map(|bytes| (bytes, content_type(mime_type)));
    Written { about, content, parents: (Vec::new(), Vec::new()) }
}

/// The media type of the bytes. One of Google's own documents is what they are to become, so it says nothing of them.
fn content_type(mime_type: Option<&str>) -> &str {
    let is_bytes = |mime_type: &&str| !mime_type.starts_with("application/vnd.google-apps.");
    mime_type.filter(is_bytes).unwrap_or("application/octet-stream")
}

#[cfg(test)]
mod tests {
    use model::Coded as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_at_once() {
        let pointers = |read: Result<Written<'_>, Error>| {
            let violations = read.unwrap_err().violations();
            violations.into_iter().map(|each| each.pointer).collect::<Vec<_>>()
        };
        let wrong = json!({"name": "a", "mime_type": "text", "content": "no base64", "is_trashed": true});
        let told = pointers(made(wrong.as_object().unwrap()));
        assert_eq!(told, ["/name", "/mime_type", "/content", "/title", "/is_trashed"]);
        let wrong = json!({"parent_ids": ["a"], "is_starred": 1});
        assert_eq!(pointers(changed(wrong.as_object().unwrap())), ["/is_starred", "/parent_ids", ""]);
    }

    #[test]
    fn a_document_is_made_of_bytes_of_another_kind() {
        let document =
            json!({"title": "a", "mime_type": "application/vnd.google-apps.document", "content": "YQ"});
        let written = made(document.as_object().unwrap()).unwrap();
        assert_eq!(written.content, Some((b"a".to_vec(), "application/octet-stream")));
        assert_eq!(written.about["mimeType"], "application/vnd.google-apps.document");
    }
}
