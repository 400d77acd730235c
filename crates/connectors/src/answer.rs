//! Reading what vendors answer.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use model::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Error;
use crate::http::Request;

/// An answer, or a thing within one, as a type and as it came.
#[derive(Debug)]
pub(crate) struct Whole<T> {
    /// What is known of it.
    pub(crate) known: T,
    /// All of it.
    pub(crate) raw: AsItCame,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Box<str> = Box::<RawValue>::deserialize(deserializer)?.into();
        let known = serde_json::from_str(&text).map_err(D::Error::custom)?;
        Ok(Self { known, raw: AsItCame(text.into_string().into()) })
    }
}

impl Request<'_> {
    /// Sends it and reads the JSON of the answer, which stays at hand as it came.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) async fn whole<T: DeserializeOwned>(self) -> Result<Whole<T>, Error> {
        let answer = self.answer().await?;
        Ok(Whole { known: answer.json()?, raw: AsItCame(answer.body) })
    }
}

/// The JSON text of an answer. It becomes a value only where somebody wants one: for most callers that would be work for
/// nothing, as long as reading the answer itself.
#[derive(Debug)]
pub(crate) struct AsItCame(Bytes);

impl AsItCame {
    /// The value, where it is wanted. What JSON allows and a value cannot hold, as lists a hundred deep, makes it the
    /// text itself: nothing of it is lost.
    pub(crate) fn when(self, is_wanted: bool) -> Option<Value> {
        let text = || Value::String(String::from_utf8_lossy(&self.0).into_owned());
        is_wanted.then(|| serde_json::from_slice(&self.0).unwrap_or_else(|_| text()))
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
    let text =
        if is_plain { Cow::Owned(text.replace('+', "-").replace('/', "_")) } else { Cow::Borrowed(text) };
    BASE64URL.decode(&*text).ok()
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
    fn what_came_is_kept_whole_and_made_a_value_on_request() {
        #[derive(Debug, Deserialize)]
        struct Known {
            id: u8,
        }
        let text = r#"[{"id": 1, "unknown": {"a": [null, 18446744073709551615, 0.1, "ż"]}}, {"id": 2, "deep": DEEP}]"#;
        // Deeper than a value is read.
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let text = &text.replace("DEEP", &deep);
        let [first, second]: [Whole<Known>; 2] = serde_json::from_str(text).unwrap();
        assert_eq!((first.known.id, second.known.id), (1, 2));
        let expected = serde_json::json!({"id": 1, "unknown": {"a": [null, u64::MAX, 0.1, "ż"]}});
        assert_eq!(first.raw.when(true), Some(expected));
        assert_eq!(second.raw.when(true), Some(format!(r#"{{"id": 2, "deep": {deep}}}"#).into()));
        let [absent, wrong] = [r#"{"id": 1}"#, r#"{"id": "x"}"#].map(serde_json::from_str::<Whole<Known>>);
        assert_eq!(absent.unwrap().raw.when(false), None);
        assert!(wrong.unwrap_err().is_data());
    }

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
