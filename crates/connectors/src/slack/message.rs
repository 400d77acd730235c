//! Messages as items.

use serde_json::{Map, Value, json};

use super::calls::{is, text};
use super::markup::plain;
use super::moment::{is_stamp, moment};
use crate::answer::put;
use crate::{Author, Error, Item};

/// Which message is meant: an item's id is its channel's and its time stamp.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MessageId {
    pub(super) channel: String,
    pub(super) ts: String,
}

impl MessageId {
    /// Reads an item's id.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what none of Slack's messages can have.
    pub(super) fn parse(id: &str) -> Result<Self, Error> {
        let parts = id.split_once(':').filter(|(channel, ts)| is_id(channel) && is_stamp(ts));
        let (channel, ts) = parts.ok_or_else(|| Error::not_found("message", id))?;
        Ok(Self { channel: channel.to_owned(), ts: ts.to_owned() })
    }
}

/// Whether this can be the id of a channel or a member.
pub(super) fn is_id(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A message of `channel` as an item.
pub(super) fn item(channel: &str, message: Value, raw: bool) -> Item {
    let ts = text(&message, "/ts").unwrap_or_default();
    let markup = text(&message, "/text").or_else(|| attached(&message));
    Item {
        id: format!("{channel}:{ts}"),
        kind: "message",
        text: markup.as_deref().map(plain),
        url: text(&message, "/permalink"),
        author: author(&message),
        container_id: Some(channel.to_owned()),
        created_at: moment(&ts),
        updated_at: text(&message, "/edited/ts").as_deref().and_then(moment),
        extra: extra(&message, markup),
        raw: raw.then_some(message),
        ..Item::default()
    }
}

/// A match of `search.messages`, which names its channel itself.
pub(super) fn found(message: Value, raw: bool) -> Item {
    let channel = text(&message, "/channel/id").unwrap_or_default();
    item(&channel, message, raw)
}

/// A match of `assistant.search.context`, which has names of its own.
pub(super) fn found_in_context(message: Value, raw: bool) -> Item {
    let channel = text(&message, "/channel_id").unwrap_or_default();
    let author = text(&message, "/author_user_id");
    let told = json!({
        "ts": text(&message, "/message_ts"),
        "thread_ts": text(&message, "/thread_ts"),
        "text": text(&message, "/content"),
        "permalink": text(&message, "/permalink"),
        "user": author,
        "username": text(&message, "/author_name"),
    });
    Item { raw: raw.then_some(message), ..item(&channel, told, false) }
}

/// What is said only in attachments, as apps do.
fn attached(message: &Value) -> Option<String> {
    let attachments = message.get("attachments")?.as_array()?;
    let texts: Vec<String> = attachments
        .iter()
        .filter_map(|each| text(each, "/text").or_else(|| text(each, "/fallback")))
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn author(message: &Value) -> Option<Author> {
    let id = text(message, "/user").or_else(|| text(message, "/bot_id"));
    let names = ["/user_profile/real_name", "/bot_profile/name", "/username"];
    let name = names.iter().find_map(|place| text(message, place));
    (id.is_some() || name.is_some()).then_some(Author { id, name, email: None })
}

fn extra(message: &Value, markup: Option<String>) -> Map<String, Value> {
    let mut extra = Map::new();
    let replies = message.get("reply_count").and_then(Value::as_u64).filter(|count| *count > 0);
    let is_by_bot = text(message, "/bot_id").is_some() || is(message, "/is_author_bot");
    put(&mut extra, "markup", markup);
    put(&mut extra, "thread", text(message, "/thread_ts"));
    put(&mut extra, "replies", replies);
    put(&mut extra, "subtype", text(message, "/subtype"));
    put(&mut extra, "by_bot", is_by_bot.then_some(true));
    put(&mut extra, "reactions", listed(message, "reactions", &["name", "count"]));
    put(&mut extra, "files", listed(message, "files", &["id", "name", "mimetype", "size", "permalink"]));
    extra
}

/// These fields of what stands in a list, where it has something in it.
fn listed(message: &Value, list: &str, fields: &[&str]) -> Option<Value> {
    let values = message.get(list)?.as_array().filter(|values| !values.is_empty())?;
    let part = |value: &Value| {
        let known = fields.iter().filter_map(|field| Some(((*field).to_owned(), value.get(*field)?.clone())));
        Value::Object(known.collect())
    };
    Some(values.iter().map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_channel_and_message() {
        let id = MessageId::parse("C0123ABC:1699999999.000100").unwrap();
        assert_eq!((id.channel.as_str(), id.ts.as_str()), ("C0123ABC", "1699999999.000100"));
        for other in ["", "C1", "C1:", ":1.0", "C1:x", "C 1:1.0", "C1:1.0:2.0", "../C1:1.0", "general:1.0"] {
            assert!(matches!(MessageId::parse(other), Err(Error::NotFound { .. })), "{other}");
        }
    }

    #[test]
    fn a_message_keeps_what_it_has() {
        let message = json!({
            "type": "message", "user": "U1", "text": "Hi <@U2>", "ts": "1699999999.000100",
            "thread_ts": "1699999999.000100", "reply_count": 2, "edited": {"user": "U1", "ts": "1700000000.000000"},
            "reactions": [{"name": "wave", "count": 1, "users": ["U2"]}],
            "files": [{"id": "F1", "name": "a.png", "mimetype": "image/png", "size": 7, "url_private": "https://x"}],
        });
        let item = item("C1", message.clone(), true);
        assert_eq!((item.id.as_str(), item.kind), ("C1:1699999999.000100", "message"));
        assert_eq!(item.text.as_deref(), Some("Hi @U2"));
        assert_eq!(item.author.unwrap().id.as_deref(), Some("U1"));
        assert_eq!(item.created_at.unwrap().as_millisecond(), 1_699_999_999_000);
        assert_eq!(item.updated_at.unwrap().as_millisecond(), 1_700_000_000_000);
        assert_eq!(
            Value::Object(item.extra),
            json!({
                "markup": "Hi <@U2>", "thread": "1699999999.000100", "replies": 2,
                "reactions": [{"name": "wave", "count": 1}],
                "files": [{"id": "F1", "name": "a.png", "mimetype": "image/png", "size": 7}],
            })
        );
        assert_eq!(item.raw, Some(message));
    }

    #[test]
    fn what_an_app_says_in_attachments_alone_is_its_text() {
        let message = json!({"bot_id": "B1", "username": "ci", "text": "", "ts": "1.0",
            "attachments": [{"fallback": "Build failed"}, {"text": "on main"}]});
        let item = item("C1", message, false);
        assert_eq!(item.text.as_deref(), Some("Build failed\non main"));
        assert_eq!(item.author.unwrap().name.as_deref(), Some("ci"));
        assert_eq!((item.extra["by_bot"].clone(), item.raw), (true.into(), None));
    }

    #[test]
    fn nonsense_is_an_item_without_much() {
        for value in [json!(null), json!([]), json!({"ts": 5, "text": [], "files": {}, "reactions": 1})] {
            let item = item("C1", value, false);
            assert_eq!((item.id.as_str(), item.text, item.author), ("C1:", None, None));
        }
    }
}
