//! `multipart/form-data` bodies: one file and text fields beside it.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use bytes::Bytes;
use http::StatusCode;
use model::{ErrorCode, Violation};
use serde_json::{Map, Value};

use crate::App;
use crate::problem::Problem;

/// The most bytes of a text field.
const MAX_FIELD: usize = 256 * 1024;
/// The most fields.
const MAX_FIELDS: usize = 64;

/// An uploaded file with its fields. A field that is a JSON object or array is taken as such, any other as text.
#[derive(Debug)]
pub(super) struct Upload {
    /// The part named `file`.
    pub(super) file: Bytes,
    /// All other parts.
    pub(super) fields: Map<String, Value>,
}

impl FromRequest<App> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let mut multipart = Multipart::from_request(request, app)
            .await
            .map_err(|rejection| Problem::new(ErrorCode::UnsupportedMediaType, rejection.body_text()))?;
        let mut file = None;
        let mut fields = Map::new();
        while let Some(field) = multipart.next_field().await.map_err(|error| unread(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" {
                file = Some(field.bytes().await.map_err(|error| unread(&error))?);
            } else if fields.len() < MAX_FIELDS {
                let text = text(field, &name).await?;
                fields.insert(name, value(text));
            } else {
                return Err(Problem::new(ErrorCode::PayloadTooLarge, "the form has too many fields"));
            }
        }
        let file = file.ok_or_else(|| missing("file"))?;
        Ok(Self { file, fields })
    }
}

impl Upload {
    /// A field that must be there, as text.
    pub(super) fn text(&self, name: &str) -> Result<&str, Problem> {
        self.fields.get(name).and_then(Value::as_str).ok_or_else(|| missing(name))
    }
}

async fn text(mut field: Field<'_>, name: &str) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| unread(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_FIELD {
            let detail = format!("the field {name:?} has more than {MAX_FIELD} bytes");
            return Err(Problem::new(ErrorCode::PayloadTooLarge, detail));
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| Problem::new(ErrorCode::InvalidRequest, format!("the field {name:?} is not UTF-8")))
}

fn value(text: String) -> Value {
    if text.starts_with(['{', '[']) {
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    } else {
        Value::String(text)
    }
}

fn unread(error: &MultipartError) -> Problem {
    let code = match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
        _ => ErrorCode::InvalidRequest,
    };
    Problem::new(code, error.body_text())
}

fn missing(name: &str) -> Problem {
    Problem::new(ErrorCode::ValidationFailed, "the form lacks a part")
        .with_violations(vec![Violation::new(format!("/{name}"), "must be given")])
}
