//! Reading what vendors answer.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// An answer as a type and as it came.
#[derive(Debug)]
pub(crate) struct Whole<T> {
    /// What is known of it.
    pub(crate) known: T,
    /// All of it.
    pub(crate) raw: Value,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Value::deserialize(deserializer)?;
        let known = T::deserialize(&raw).map_err(D::Error::custom)?;
        Ok(Self { known, raw })
    }
}

/// Takes padding or none: Google's APIs write both.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of base64url (RFC 4648, section 5), with or without padding, or of plain base64.
pub(crate) fn url_base64(text: &str) -> Option<Vec<u8>> {
    let is_plain = text.contains(['+', '/']);
    let text = if is_plain { text.replace('+', "-").replace('/', "_") } else { text.to_owned() };
    BASE64URL.decode(text).ok()
}

/// A moment of RFC 3339; `None` for what is none.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    let moment = text.parse::<jiff::Timestamp>().ok()?;
    Some(Timestamp::from_millisecond(moment.as_millisecond()))
}

/// Adds a field, unless it is null, empty text, or an empty list or object.
pub(crate) fn put(extra: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    let value = value.into();
    let is_nothing = match &value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !is_nothing {
        extra.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_all_kinds_is_read() {
        for text in ["_-8_", "/+8/"] {
            assert_eq!(url_base64(text), Some(vec![255, 239, 63]));
        }
        assert_eq!((url_base64("YQ"), url_base64("YQ==")), (Some(b"a".to_vec()), Some(b"a".to_vec())));
        assert_eq!(url_base64("a b"), None);
    }

    #[test]
    fn moments_have_zones() {
        assert_eq!(moment("1970-01-01T01:00:01.5+01:00").map(Timestamp::as_millisecond), Some(1500));
        assert_eq!(moment("2026-12-25"), None);
    }
}
