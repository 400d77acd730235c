//! The fields that callers give for a message.

use model::Violation;
use serde_json::{Map, Value};

use super::calls::Form;
use super::message::is_id;
use super::moment::is_stamp;
use crate::Error;
use crate::communication::NewMessage;

/// Fields that Slack takes as they are: lists as JSON, the others by their words.
const PASSED_ON: [&str; 7] =
    ["blocks", "attachments", "metadata", "reply_broadcast", "unfurl_links", "unfurl_media", "mrkdwn"];

/// The most characters of a text; Slack would cut it off there without a word
/// (<https://docs.slack.dev/reference/methods/chat.postMessage>).
const MAX_TEXT: usize = 40_000;

/// A message to be sent, its fields looked at.
#[derive(Debug)]
pub(super) struct NewFields(pub(super) Result<Form, Vec<Violation>>);

impl NewFields {
    /// Those of a message to be sent.
    pub(super) fn of(message: &NewMessage) -> Self {
        let mut fields = Map::new();
        fields.insert("channel".to_owned(), message.to.channel.clone().into());
        fields.insert("text".to_owned(), message.text.clone().into());
        fields.extend(message.to.thread.clone().map(|thread| ("thread".to_owned(), thread.into())));
        Self::read(&fields)
    }

    /// Those of an item to be made.
    pub(super) fn read(fields: &Map<String, Value>) -> Self {
        let mut reading = Reading::default();
        reading.channel(fields.get("channel"));
        reading.thread(fields.get("thread"));
        reading.content(fields);
        reading.others(fields, &["channel", "thread", "text"]);
        Self(reading.end())
    }
}

/// The fields of a change.
///
/// # Errors
/// [`Error::Invalid`], with all that is wrong.
pub(super) fn changes(fields: &Map<String, Value>) -> Result<Form, Error> {
    let mut reading = Reading::default();
    reading.content(fields);
    reading.others(fields, &["text"]);
    reading.end().map_err(Error::Invalid)
}

#[derive(Debug, Default)]
struct Reading {
    form: Form,
    wrong: Vec<Violation>,
}

impl Reading {
    fn refuse(&mut self, field: &str, detail: impl Into<String>) {
        // RFC 6901.
        let name = field.replace('~', "~0").replace('/', "~1");
        self.wrong.push(Violation::new(format!("/{name}"), detail.into()));
    }

    fn channel(&mut self, value: Option<&Value>) {
        match value.and_then(Value::as_str).filter(|id| is_id(id)) {
            Some(id) => self.form.push(("channel", id.to_owned())),
            None => self.refuse("channel", "channel must be the id of a channel, such as C0123456789"),
        }
    }

    /// The thread that it answers in, by the id of the message that began it, or its time stamp.
    fn thread(&mut self, value: Option<&Value>) {
        let Some(value) = value.filter(|value| !value.is_null()) else { return };
        let ts = value.as_str().and_then(|text| text.rsplit(':').next()).filter(|ts| is_stamp(ts));
        match ts {
            Some(ts) => self.form.push(("thread_ts", ts.to_owned())),
            None => self.refuse("thread", "thread must be a message's id or time stamp"),
        }
    }

    /// What it says: a text, or blocks or attachments.
    fn content(&mut self, fields: &Map<String, Value>) {
        match fields.get("text") {
            Some(Value::String(text)) if text.chars().count() > MAX_TEXT => {
                self.refuse("text", format!("text must have at most {MAX_TEXT} characters"));
            }
            Some(Value::String(text)) if !text.trim().is_empty() => self.form.push(("text", text.clone())),
            None if fields.contains_key("blocks") || fields.contains_key("attachments") => {}
            _ => self.refuse("text", "text must say what the message says, unless blocks or attachments do"),
        }
    }

    fn others(&mut self, fields: &Map<String, Value>, known: &[&str]) {
        for (name, value) in fields {
            if known.contains(&name.as_str()) {
                continue;
            }
            if let Some(passed) = PASSED_ON.into_iter().find(|passed| passed == name) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.form.push((passed, text));
            } else {
                let there = known.iter().chain(&PASSED_ON).copied().collect::<Vec<_>>().join(", ");
                self.refuse(name, format!("there is no such field; there are {there}"));
            }
        }
    }

    fn end(self) -> Result<Form, Vec<Violation>> {
        if self.wrong.is_empty() { Ok(self.form) } else { Err(self.wrong) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Form, Vec<String>> {
        let Value::Object(fields) = value else { panic!("an object") };
        NewFields::read(&fields).0.map_err(|wrong| wrong.into_iter().map(|each| each.pointer).collect())
    }

    #[test]
    fn fields_become_those_of_slack() {
        let form = read(
            json!({"channel": "C1", "text": "a & b", "thread": "C1:1.5", "blocks": [{"type": "divider"}],
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
        assert_eq!(read(json!({"channel": "C1", "blocks": []})).unwrap().len(), 2);
    }

    #[test]
    fn all_that_is_wrong_is_named_at_once() {
        let wrong = read(json!({"channel": "#general", "text": " ", "thread": 5, "txet/": "x"})).unwrap_err();
        assert_eq!(wrong, ["/channel", "/thread", "/text", "/txet~1"]);
        assert_eq!(read(json!({"channel": "C1"})).unwrap_err(), ["/text"]);
        assert_eq!(read(json!({"channel": "C1", "text": "x".repeat(40_001)})).unwrap_err(), ["/text"]);
        let Value::Object(moved) = json!({"text": "x", "channel": "C2"}) else { panic!("an object") };
        assert!(matches!(changes(&moved), Err(Error::Invalid(_))), "a message cannot be moved");
    }
}
