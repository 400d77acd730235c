//! CloudEvents in the binary mode of HTTP: attributes are headers, the body is the data.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>

use http::{HeaderMap, header};
use model::Violation;
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::attributes::is_json;
use super::cloud_event::{CloudEvent, Data, MAX_EVENT_BYTES};
use crate::Error;

/// What the headers of attributes begin with.
const PREFIX: &str = "ce-";

/// Whether a request is an event in binary mode.
pub fn is_binary(headers: &HeaderMap) -> bool {
    headers.contains_key("ce-specversion")
}

/// The event of a request in binary mode.
///
/// # Errors
/// All that is wrong with it.
pub fn binary(headers: &HeaderMap, body: &[u8]) -> Result<CloudEvent, Error> {
    let mut attributes = Map::new();
    let mut bytes = body.len();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix(PREFIX) else { continue };
        let text = decoded(value.as_bytes());
        bytes = bytes.saturating_add(name.len()).saturating_add(text.len());
        if attributes.insert(name.to_owned(), Value::String(text)).is_some() {
            return Err(Error::invalid(&format!("/{name}"), format!("{header} must be given once")));
        }
    }
    if attributes.contains_key("datacontenttype") {
        let detail = "must be the Content-Type header: there is no ce-datacontenttype";
        return Err(Error::invalid("/datacontenttype", detail));
    }
    if bytes > MAX_EVENT_BYTES {
        return Err(Error::TOO_LARGE_EVENT);
    }
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| decoded(value.as_bytes()));
    let data = data(content_type.as_deref(), body);
    if let Some(media_type) = content_type {
        attributes.insert("datacontenttype".into(), Value::String(media_type));
    }
    let checked = CloudEvent::checked(attributes, data.clone().unwrap_or(Data::None));
    let refused = data
        .err()
        .map(|error| Violation::new("/data", format!("must be the JSON that Content-Type says: {error}")));
    match (checked, refused) {
        (Ok(event), None) => Ok(event),
        (checked, refused) => {
            Err(Error::Invalid(checked.err().unwrap_or_default().into_iter().chain(refused).collect()))
        }
    }
}

/// What a body is: JSON as a value, text as a text, all else as bytes.
fn data(content_type: Option<&str>, body: &[u8]) -> Result<Data, String> {
    match content_type {
        _ if body.is_empty() => Ok(Data::None),
        Some(media_type) if is_json(media_type) => {
            serde_json::from_slice(body).map(Data::Json).map_err(|error| error.to_string())
        }
        // Without a type it is what the JSON format would take it for.
        Some(media_type) if is_text(media_type) => {
            Ok(std::str::from_utf8(body).map_or_else(|_| Data::bytes(body), |text| Data::Json(text.into())))
        }
        _ => Ok(Data::bytes(body)),
    }
}

/// Whether a media type is of text in UTF-8.
fn is_text(media_type: &str) -> bool {
    let lower = media_type.to_ascii_lowercase();
    let is_utf8 =
        lower.split_once("charset=").is_none_or(|(_, set)| set.trim_matches('"').starts_with("utf-8"));
    is_utf8 && (lower.starts_with("text/") || lower.starts_with("application/xml"))
}

/// The text that a header stands for: without the quotes around it, and percent-decoded once (section 3.1.3.2).
fn decoded(value: &[u8]) -> String {
    let quoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let bare = match quoted {
        Some(inner) => unescaped(inner),
        None => value.to_vec(),
    };
    percent_decode(&bare).decode_utf8_lossy().into_owned()
}

/// A quoted text with each `\x` as `x`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    plain
}
