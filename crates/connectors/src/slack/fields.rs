//! The fields that callers give for a message.

use serde_json::{Map, Value};

use super::calls::Form;
use super::message::is_id;
use super::moment::is_stamp;
use crate::Error;
use crate::communication::NewMessage;
use crate::fields::Fields;

/// Fields that Slack takes as they are: lists as JSON, the others by their words.
const PASSED_ON: [&str; 7] =
    ["blocks", "attachments", "metadata", "reply_broadcast", "unfurl_links", "unfurl_media", "mrkdwn"];

/// The most characters of a text; Slack would cut it off there without a word
/// (<https://docs.slack.dev/reference/methods/chat.postMessage>).
const MAX_TEXT: usize = 40_000;

/// The fields of a message to be sent.
///
/// # Errors
/// [`Error::Invalid`], with all that is wrong.
pub(super) fn of_message(message: &NewMessage) -> Result<Form, Error> {
    let mut given = Map::new();
    given.insert("channel".to_owned(), message.to.channel.clone().into());
    given.insert("text".to_owned(), message.text.clone().into());
    given.extend(message.to.thread.clone().map(|thread| ("thread".to_owned(), thread.into())));
    made(&given)
}

/// The fields of an item to be made.
///
/// # Errors
/// [`Error::Invalid`], with all that is wrong.
pub(super) fn made(given: &Map<String, Value>) -> Result<Form, Error> {
    let mut fields = Fields::new(given, &[&["channel", "thread", "text"], &PASSED_ON[..]].concat());
    let mut form = Form::new();
    form.extend(channel(&mut fields));
    form.extend(thread(&mut fields));
    form.extend(content(&mut fields));
    fields.finish(form)
}

/// The fields of a change.
///
/// # Errors
/// [`Error::Invalid`], with all that is wrong.
pub(super) fn changed(given: &Map<String, Value>) -> Result<Form, Error> {
    let mut fields = Fields::new(given, &[&["text"], &PASSED_ON[..]].concat());
    let form = content(&mut fields);
    fields.finish(form)
}

fn channel(fields: &mut Fields<'_>) -> Option<(&'static str, String)> {
    let id = fields.value("channel").and_then(Value::as_str).filter(|id| is_id(id));
    if id.is_none() {
        fields.refuse("/channel", "must be the id of a channel, such as C0123456789");
    }
    Some(("channel", id?.to_owned()))
}

/// The thread that it answers in, by the id of the message that began it, or its time stamp.
fn thread(fields: &mut Fields<'_>) -> Option<(&'static str, String)> {
    let given = fields.value("thread")?;
    let ts = given.as_str().and_then(|text| text.rsplit(':').next()).filter(|ts| is_stamp(ts));
    if ts.is_none() {
        fields.refuse("/thread", "must be a message's id or time stamp");
    }
    Some(("thread_ts", ts?.to_owned()))
}

/// What it says: a text, or blocks or attachments; and what else goes with it.
fn content(fields: &mut Fields<'_>) -> Form {
    let mut form = Form::new();
    let is_said_otherwise = fields.value("blocks").or(fields.value("attachments")).is_some();
    match fields.value("text").map(|text| text.as_str().unwrap_or_default()) {
        Some(text) if text.chars().count() > MAX_TEXT => {
            fields.refuse("/text", format!("must have at most {MAX_TEXT} characters"));
        }
        Some(text) if !text.trim().is_empty() => form.push(("text", text.to_owned())),
        None if is_said_otherwise => {}
        _ => fields.refuse("/text", "must say something, unless blocks or attachments do"),
    }
    for name in PASSED_ON {
        if let Some(value) = fields.value(name) {
            form.push((name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use model::Coded as _;
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Form, Vec<String>> {
        pointers(made(value.as_object().unwrap()))
    }

    fn pointers(read: Result<Form, Error>) -> Result<Form, Vec<String>> {
        read.map_err(|error| error.violations().into_iter().map(|each| each.pointer).collect())
    }

    #[test]
    fn fields_become_those_of_slack() {
        let form = read(
            &json!({"channel": "C1", "text": "a & b", "thread": "C1:1.5", "blocks": [{"type": "divider"}],
            "unfurl_links": false}),
        );
        let form = form.unwrap();
        for pair in [
            ("channel", "C1"),
            ("text", "a & b"),
            ("thread_ts", "1.5"),
            ("blocks", "[{\"type\":\"divider\"}]"),
            ("unfurl_links", "false"),
        ] {
            assert!(form.contains(&(pair.0, pair.1.to_owned())), "{pair:?} in {form:?}");
        }
        assert_eq!(read(&json!({"channel": "C1", "blocks": [], "text": null})).unwrap().len(), 2);
    }

    #[test]
    fn all_that_is_wrong_is_named_at_once() {
        let wrong =
            read(&json!({"channel": "#general", "text": " ", "thread": 5, "txet/": "x"})).unwrap_err();
        assert_eq!(wrong, ["/txet~1", "/channel", "/thread", "/text"]);
        assert_eq!(read(&json!({"channel": "C1"})).unwrap_err(), ["/text"]);
        assert_eq!(read(&json!({"channel": "C1", "text": "x".repeat(40_001)})).unwrap_err(), ["/text"]);
        let moved = json!({"text": "x", "channel": "C2"});
        assert_eq!(
            pointers(changed(moved.as_object().unwrap())).unwrap_err(),
            ["/channel"],
            "it stays there"
        );
    }
}
