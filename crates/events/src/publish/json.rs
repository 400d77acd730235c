//! CloudEvents in JSON: one event, or an array of some, going in; and the log's events going out.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

use model::Violation;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use storage::LoggedEvent;

use super::cloud_event::{CloudEvent, Data, IS_BASE64, MAX_EVENT_BYTES};
use crate::Error;

/// The media type of one event.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// The media type of several.
pub const BATCH: &str = "application/cloudevents-batch+json";
/// The most events of one batch.
pub const MAX_BATCH: usize = 100;

/// The event that `body` is.
///
/// # Errors
/// All that is wrong with it.
pub fn structured(body: &[u8]) -> Result<CloudEvent, Error> {
    read(body, "")
}

/// The events that `body` is an array of, at most [`MAX_BATCH`].
///
/// # Errors
/// All that is wrong with any of them.
pub fn batch(body: &[u8]) -> Result<Vec<CloudEvent>, Error> {
    let parts: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|error| Error::invalid("", format!("must be an array of events in JSON: {error}")))?;
    if parts.len() > MAX_BATCH {
        return Err(Error::TooLarge("a batch has at most 100 events"));
    }
    let (mut events, mut wrong) = (Vec::with_capacity(parts.len()), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        match read(part.get().as_bytes(), &format!("/{index}")) {
            Ok(event) => events.push(event),
            Err(Error::Invalid(violations)) => wrong.extend(violations),
            Err(error) => return Err(error),
        }
    }
    if wrong.is_empty() { Ok(events) } else { Err(Error::Invalid(wrong)) }
}

/// The event in `json`, which is at `pointer` in the body.
fn read(json: &[u8], pointer: &str) -> Result<CloudEvent, Error> {
    if json.len() > MAX_EVENT_BYTES {
        return Err(Error::TOO_LARGE_EVENT);
    }
    let mut members: Map<String, Value> = serde_json::from_slice(json)
        .map_err(|error| Error::invalid(pointer, format!("must be an event in JSON: {error}")))?;
    let data = match (members.shift_remove("data"), members.shift_remove("data_base64")) {
        (None | Some(Value::Null), None | Some(Value::Null)) => Ok(Data::None),
        (Some(value), None | Some(Value::Null)) => Ok(Data::Json(value)),
        (None | Some(Value::Null), Some(base64)) => {
            let data = base64.as_str().and_then(Data::base64);
            data.ok_or("must be a text of Base64 (RFC 4648, section 4), with its padding")
        }
        (Some(_), Some(_)) => Err("must not stand beside data"),
    };
    let refused = data.as_ref().err().map(|detail| Violation::new("/data_base64", *detail));
    let checked = CloudEvent::checked(members, data.unwrap_or(Data::None));
    let wrong: Vec<_> = match (checked, refused) {
        (Ok(event), None) => return Ok(event),
        (checked, refused) => checked.err().unwrap_or_default().into_iter().chain(refused).collect(),
    };
    let at =
        |violation: Violation| Violation { pointer: format!("{pointer}{}", violation.pointer), ..violation };
    Err(Error::Invalid(wrong.into_iter().map(at).collect()))
}

/// An event of the log as CloudEvents has it in JSON: serialise it, as text or into a [`Value`].
#[derive(Debug, Clone, Copy)]
pub struct AsCloudEvent<'a>(pub &'a LoggedEvent);

impl AsCloudEvent<'_> {
    /// As text on one line.
    pub fn to_json(self) -> String {
        // Only maps with other keys than strings fail to serialise.
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// As a value.
    pub fn to_value(self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Serialize for AsCloudEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let attributes: Map<String, Value> =
            event.attributes.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let is_base64 = attributes.contains_key(IS_BASE64);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &event.id)?;
        map.serialize_entry("source", &event.source)?;
        map.serialize_entry("type", &event.kind)?;
        if !event.subject.is_empty() {
            map.serialize_entry("subject", &event.subject)?;
        }
        if !attributes.contains_key("time") {
            map.serialize_entry("time", &event.time())?;
        }
        for (name, value) in attributes.iter().filter(|(name, _)| *name != IS_BASE64) {
            map.serialize_entry(name, value)?;
        }
        if !event.key.is_empty() && event.key != event.subject {
            map.serialize_entry("partitionkey", &event.key)?;
        }
        if let Some(tenant) = &event.tenant {
            map.serialize_entry("tenant", tenant)?;
        }
        if let Some(sender) = &event.sender {
            map.serialize_entry("sender", sender)?;
        }
        if event.hops > 0 {
            map.serialize_entry("hops", &event.hops)?;
        }
        if event.data != "null" {
            if !is_base64 && !attributes.contains_key("datacontenttype") {
                map.serialize_entry("datacontenttype", "application/json")?;
            }
            let data: &RawValue = serde_json::from_str(&event.data).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(if is_base64 { "data_base64" } else { "data" }, data)?;
        }
        map.end()
    }
}
