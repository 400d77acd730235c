//! A vendor's answer.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::de::DeserializeOwned;

use super::trouble::malformed;
use super::vendor::Vendor;
use crate::Error;

/// An answer that is no refusal, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    pub(super) vendor: &'static Vendor,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where the next page is, as far as a `Link` header tells (RFC 8288): for [`Api::follow`](super::Api::follow).
    pub fn next_link(&self) -> Option<&str> {
        super::link::related(&self.headers, "next")
    }

    /// The JSON in it.
    ///
    /// # Errors
    /// [`Error::Upstream`] for what is no JSON or not what the vendor documents.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Where it broke, without what stands there.
            let place = format!("{:?} at line {} column {}", error.classify(), error.line(), error.column());
            tracing::warn!(vendor = self.vendor.id, place, "a vendor's answer cannot be read");
            let sentence = match error.classify() {
                serde_json::error::Category::Data => "its answer is not as its API is documented",
                serde_json::error::Category::Eof => "its answer ends in the middle",
                _ => "its answer is not the JSON that it says it is",
            };
            malformed(self.vendor, sentence)
        })
    }
}

/// The media type of an answer, without parameters; empty where it says none.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// Whether an answer says that it is JSON (RFC 8259, RFC 6839).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers).to_ascii_lowercase();
    matches!(media_type.as_str(), "application/json" | "text/json") || media_type.ends_with("+json")
}
