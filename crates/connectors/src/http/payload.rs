//! What a request carries.

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use model::Ambient;
use reqwest::RequestBuilder;
use reqwest::multipart;
use serde::Serialize;
use url::form_urlencoded;

/// A part of a `multipart` body.
#[derive(Debug, Clone)]
pub struct Part {
    name: String,
    file_name: Option<String>,
    content_type: String,
    bytes: Bytes,
}

impl Part {
    /// A part of this media type.
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { name: String::new(), file_name: None, content_type: content_type.into(), bytes: bytes.into() }
    }

    /// A part that is JSON. What cannot be written as such is empty.
    pub fn json(value: &impl Serialize) -> Self {
        Self::new("application/json; charset=UTF-8", serde_json::to_vec(value).unwrap_or_default())
    }

    /// The same as the field of a form.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same as a file of a form.
    #[must_use]
    pub fn file(mut self, file_name: impl Into<String>) -> Self {
        self.file_name = Some(file_name.into());
        self
    }
}

/// What is wrong with a body or a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsendable(pub(super) &'static str);

/// The body of a request. It can be sent more than once.
#[derive(Debug, Clone, Default)]
pub(super) enum Payload {
    #[default]
    None,
    Bytes {
        content_type: HeaderValue,
        bytes: Bytes,
    },
    /// Of a media type that stands in the headers, if anywhere.
    Raw(Bytes),
    Form(Vec<Part>),
}

impl Payload {
    pub(super) fn bytes(content_type: &str, bytes: Bytes) -> Result<Self, Unsendable> {
        Ok(Self::Bytes { content_type: media_type(content_type)?, bytes })
    }

    pub(super) fn json(value: &impl Serialize) -> Result<Self, Unsendable> {
        let bytes =
            serde_json::to_vec(value).map_err(|_| Unsendable("the body cannot be written as JSON"))?;
        Ok(Self::Bytes { content_type: HeaderValue::from_static("application/json"), bytes: bytes.into() })
    }

    pub(super) fn pairs<I>(pairs: I) -> Self
    where
        I: IntoIterator<Item: std::borrow::Borrow<(&'static str, String)>>,
    {
        use std::borrow::Borrow as _;
        let mut form = form_urlencoded::Serializer::new(String::new());
        for pair in pairs {
            let (name, value) = pair.borrow();
            form.append_pair(name, value);
        }
        let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        Self::Bytes { content_type, bytes: form.finish().into() }
    }

    pub(super) fn form(parts: Vec<Part>) -> Result<Self, Unsendable> {
        for part in &parts {
            media_type(&part.content_type)?;
        }
        Ok(Self::Form(parts))
    }

    /// `multipart/related` (RFC 2387): the first part says what the others are.
    pub(super) fn related(parts: &[Part], ambient: &Ambient) -> Result<Self, Unsendable> {
        let boundary = hex::encode(ambient.bytes::<16>());
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.bytes.len() + 256).sum());
        for part in parts {
            media_type(&part.content_type)?;
            bytes.extend_from_slice(
                format!("--{boundary}\r\nContent-Type: {}\r\n\r\n", part.content_type).as_bytes(),
            );
            bytes.extend_from_slice(&part.bytes);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Self::bytes(&format!("multipart/related; boundary={boundary}"), bytes.into())
    }

    pub(super) fn put_into(&self, request: RequestBuilder) -> reqwest::Result<RequestBuilder> {
        match self {
            Self::None => Ok(request),
            Self::Bytes { content_type, bytes } => {
                Ok(request.header(CONTENT_TYPE, content_type).body(bytes.clone()))
            }
            Self::Raw(bytes) => Ok(request.body(bytes.clone())),
            Self::Form(parts) => {
                let mut form = multipart::Form::new();
                for part in parts {
                    let length = u64::try_from(part.bytes.len()).unwrap_or(u64::MAX);
                    let body = multipart::Part::stream_with_length(part.bytes.clone(), length);
                    let body = match &part.file_name {
                        Some(name) => body.file_name(name.clone()),
                        None => body,
                    };
                    form = form.part(part.name.clone(), body.mime_str(&part.content_type)?);
                }
                Ok(request.multipart(form))
            }
        }
    }
}

/// A media type that breaks no line and has a slash in it.
fn media_type(text: &str) -> Result<HeaderValue, Unsendable> {
    let value = HeaderValue::from_str(text).ok().filter(|_| text.contains('/'));
    value.ok_or(Unsendable("the media type of what is sent must be like text/plain"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn related_parts_stand_one_after_the_other() {
        let parts = [Part::json(&serde_json::json!({"name": "a"})), Part::new("text/plain", "hello")];
        let payload = Payload::related(&parts, &Ambient::system()).unwrap();
        let Payload::Bytes { content_type, bytes } = payload else { panic!("bytes") };
        let boundary = content_type.to_str().unwrap().strip_prefix("multipart/related; boundary=").unwrap();
        assert_eq!(
            std::str::from_utf8(&bytes).unwrap(),
            format!(
                "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{{\"name\":\"a\"}}\r\n\
                 --{boundary}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--{boundary}--\r\n"
            )
        );
    }

    #[test]
    fn a_media_type_brings_no_header_along() {
        for bad in ["text/plain\r\nX: y", "text", ""] {
            assert!(Payload::bytes(bad, Bytes::new()).is_err(), "{bad}");
            assert!(Payload::related(&[Part::new(bad, "x")], &Ambient::system()).is_err(), "{bad}");
            assert!(Payload::form(vec![Part::new(bad, "x")]).is_err(), "{bad}");
        }
    }
}
