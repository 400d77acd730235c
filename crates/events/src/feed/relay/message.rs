//! What the relay's messages say.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use storage::LoggedEvent;

/// Some events of the log, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::feed) struct Message {
    /// The place behind which it goes on.
    pub(in crate::feed) after: i64,
    /// The place that it ends with.
    pub(in crate::feed) through: i64,
    /// All events between.
    pub(in crate::feed) events: Vec<LoggedEvent>,
}

/// The form on the wire.
#[derive(Serialize, Deserialize)]
struct Form {
    after: i64,
    through: i64,
    events: Vec<Event>,
}

#[derive(Serialize, Deserialize)]
struct Event {
    seq: i64,
    id: String,
    tenant: Option<String>,
    source: String,
    kind: String,
    subject: String,
    key: String,
    sender: Option<String>,
    hops: i64,
    attributes: Option<String>,
    data: String,
    recorded_at: i64,
}

impl Message {
    /// What a payload says; `None` for what is no message of this version.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let Form { after, through, events } = serde_json::from_slice(payload).ok()?;
        Some(Self { after, through, events: events.into_iter().map(LoggedEvent::from).collect() })
    }

    /// The payload that says it.
    pub(super) fn into_payload(self) -> Bytes {
        let Self { after, through, events } = self;
        let form = Form { after, through, events: events.into_iter().map(Event::from).collect() };
        // Texts and numbers always serialise.
        serde_json::to_vec(&form).unwrap_or_default().into()
    }
}

impl From<LoggedEvent> for Event {
    fn from(event: LoggedEvent) -> Self {
        let LoggedEvent {
            seq,
            id,
            tenant,
            source,
            kind,
            subject,
            key,
            sender,
            hops,
            attributes,
            data,
            recorded_at,
        } = event;
        Self { seq, id, tenant, source, kind, subject, key, sender, hops, attributes, data, recorded_at }
    }
}

impl From<Event> for LoggedEvent {
    fn from(event: Event) -> Self {
        let Event {
            seq,
            id,
            tenant,
            source,
            kind,
            subject,
            key,
            sender,
            hops,
            attributes,
            data,
            recorded_at,
        } = event;
        Self { seq, id, tenant, source, kind, subject, key, sender, hops, attributes, data, recorded_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let event = LoggedEvent {
            seq: 8,
            id: "1".into(),
            tenant: Some("acme".into()),
            source: "/a".into(),
            kind: "order".into(),
            subject: "s".into(),
            key: "k".into(),
            sender: None,
            hops: 2,
            attributes: Some("{\"a\":1}".into()),
            data: "{\"text\":\"\u{e4}\\u0000\"}".into(),
            recorded_at: 3,
        };
        let message = Message { after: 7, through: 9, events: vec![event] };
        assert_eq!(Message::read(&message.clone().into_payload()), Some(message));
        assert_eq!(Message::read(b"{\"after\": 1}"), None);
        assert_eq!(Message::read(b"\xff"), None);
    }
}
