//! A message as an item.

use model::Timestamp;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::header::{Headers, as_json, parameter};
use super::message::{Message, Part};
use super::text::{html, text};
use crate::answer::put;
use crate::{Author, Item};

/// The item that a message is, for the account of this e-mail address.
pub(super) fn item(message: &Message, account: Option<&str>, raw: Option<Value>) -> Item {
    let headers = Headers::of(&message.payload);
    let millisecond = message.internal_date.as_deref().and_then(|date| date.parse().ok());
    Item {
        id: message.id.clone(),
        kind: "message",
        title: headers.subject.clone(),
        text: text(&message.payload),
        url: Some(url(&message.id, account)),
        author: headers.from.clone(),
        container_id: Some(message.thread_id.clone()).filter(|id| !id.is_empty()),
        created_at: millisecond.map(Timestamp::from_millisecond),
        updated_at: None,
        etag: None,
        extra: extra(message, &headers),
        raw,
    }
}

fn extra(message: &Message, headers: &Headers) -> Map<String, Value> {
    let has = |label: &str| message.label_ids.iter().any(|each| each == label);
    let mut extra = Map::new();
    put(&mut extra, "thread_id", message.thread_id.as_str());
    put(&mut extra, "label_ids", message.label_ids.clone());
    put(&mut extra, "is_unread", has("UNREAD"));
    put(&mut extra, "is_starred", has("STARRED"));
    put(&mut extra, "snippet", message.snippet.as_str());
    for (name, people) in
        [("to", &headers.to[..]), ("cc", &headers.cc), ("bcc", &headers.bcc), ("reply_to", &headers.reply_to)]
    {
        put(&mut extra, name, as_json(people));
    }
    put(&mut extra, "message_id", headers.message_id.as_deref());
    put(&mut extra, "in_reply_to", headers.in_reply_to.clone());
    put(&mut extra, "references", headers.references.clone());
    put(&mut extra, "html", html(&message.payload));
    put(&mut extra, "attachments", attachments(&message.payload));
    put(&mut extra, "size_bytes", message.size_estimate);
    put(&mut extra, "history_id", message.history_id.as_deref());
    extra
}

/// What is attached, without its content.
fn attachments(payload: &Part) -> Vec<Value> {
    let attached = payload.leaves().into_iter().filter(|part| {
        !part.filename.is_empty()
            || part.is_disposed_as("attachment")
            || (part.body.attachment_id.is_some() && !part.is_shown())
    });
    attached.map(attachment).collect()
}

fn attachment(part: &Part) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "id", part.body.attachment_id.as_deref());
    put(&mut fields, "part_id", part.id.as_str());
    put(&mut fields, "filename", part.filename.as_str());
    put(&mut fields, "mime_type", part.mime_type.as_str());
    put(&mut fields, "charset", parameter(part.header("content-type"), "charset"));
    put(&mut fields, "size_bytes", part.body.size);
    put(&mut fields, "is_inline", part.is_disposed_as("inline"));
    put(&mut fields, "content_id", part.header("content-id").trim_matches(['<', '>']));
    Value::Object(fields)
}

/// Where the account's owner sees it.
fn url(id: &str, account: Option<&str>) -> String {
    let account = account.map_or(String::new(), |email| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        format!("?{}", query.append_pair("authuser", email).finish())
    });
    format!("https://mail.google.com/mail/{account}#all/{id}")
}

/// The item that was sent, as far as whoever may only send can know it.
pub(super) fn sent(message: &Message, subject: &str, body: Option<&str>, account: Option<&str>) -> Item {
    let author = account.map(|email| Author { email: Some(email.to_owned()), ..Author::default() });
    let bare = item(message, account, None);
    Item {
        title: bare.title.or_else(|| Some(subject.to_owned())),
        text: bare.text.or_else(|| body.map(str::to_owned)),
        author: bare.author.or(author),
        extra: {
            let mut extra = bare.extra;
            // Its answer says too little to tell these.
            extra.shift_remove("is_unread");
            extra.shift_remove("is_starred");
            extra
        },
        ..bare
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attachments_are_told_without_their_content() {
        let payload = json!({"mimeType": "multipart/mixed", "parts": [
            {"partId": "0", "mimeType": "text/plain", "body": {"data": "YQ", "size": 1}},
            {"partId": "1", "mimeType": "image/png", "filename": "ö.png", "body": {"attachmentId": "A1", "size": 7},
             "headers": [{"name": "Content-Disposition", "value": "inline"}, {"name": "Content-ID", "value": "<c1>"}]},
            {"partId": "2", "mimeType": "message/rfc822", "filename": "f.eml", "body": {"attachmentId": "A2", "size": 9},
             "parts": [{"partId": "2.0", "mimeType": "application/pdf", "filename": "x.pdf", "body": {"attachmentId": "A3"}}]},
        ]});
        let payload: Part = serde_json::from_value(payload).unwrap();
        let told = attachments(&payload);
        let ids: Vec<&str> = told.iter().filter_map(|each| each["id"].as_str()).collect();
        assert_eq!(ids, ["A1", "A2", "A3"]);
        assert_eq!(
            told[0],
            json!({"id": "A1", "part_id": "1", "filename": "ö.png", "mime_type": "image/png", "size_bytes": 7,
                   "is_inline": true, "content_id": "c1"})
        );
    }

    #[test]
    fn a_message_without_anything_is_an_item() {
        let item = item(&Message { id: "m".into(), ..Message::default() }, Some("a+b@c"), None);
        assert_eq!((item.title, item.text, item.author, item.created_at), (None, None, None, None));
        assert_eq!(item.url.as_deref(), Some("https://mail.google.com/mail/?authuser=a%2Bb%40c#all/m"));
    }
}
