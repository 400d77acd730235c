//! Bodies, queries and path segments, refused with a problem that says where and why.

use std::fmt::Write as _;

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use model::{ErrorCode, Violation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::problem::Problem;

/// The most values in a JSON body. In memory each takes many times the two bytes that `0,` takes in a body; sources, for
/// which bodies may be large, are few and long.
const MAX_VALUES: usize = 200_000;

/// A JSON body, going in or out.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                ErrorCode::UnsupportedMediaType,
                "the body must be JSON: send `Content-Type: application/json`",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unread_body(&rejection))?;
        read_json(&bytes).map(Self)
    }
}

/// What a body in JSON says.
///
/// # Errors
/// Where it is none, says something else, or has too many values.
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.len() > MAX_VALUES && values(bytes) > MAX_VALUES {
        let detail = format!("the body must have at most {MAX_VALUES} values");
        return Err(Problem::new(ErrorCode::PayloadTooLarge, detail));
    }
    parse(bytes)
}

/// A JSON body that may be left out.
#[derive(Debug, Clone, Copy)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(None));
        }
        Json::from_request(request, state).await.map(|Json(body)| Self(Some(body)))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The query string, by field.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // PostgreSQL takes no NUL in a text, and nothing that can be asked for has one.
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::new(ErrorCode::InvalidRequest, "the query must not contain %00"));
        }
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::new(ErrorCode::InvalidRequest, rejection.body_text())),
        }
    }
}

/// The variable segments of the path.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // As in queries. What the path would name is not there.
        if parts.uri.path().contains("%00") {
            return Err(Problem::new(ErrorCode::NotFound, "nothing has %00 in its name"));
        }
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(segments)) => Ok(Self(segments)),
            Err(rejection) => Err(Problem::new(ErrorCode::InvalidRequest, rejection.body_text())),
        }
    }
}

/// Whether the headers announce JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// About how many values a JSON text holds: its commas outside of strings. Nesting has a bound of its own.
fn values(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b',' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// A body that was too long, or did not arrive whole.
pub(crate) fn unread_body(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(ErrorCode::PayloadTooLarge, "the body is larger than this route takes")
    } else {
        Problem::new(ErrorCode::InvalidRequest, "the body did not arrive whole")
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        refusal(pointer, error.inner())
    })?;
    deserializer.end().map_err(|error| refusal(String::new(), &error))?;
    Ok(value)
}

/// 400 for what is no JSON, 422 with a pointer for JSON that is not what the route takes.
fn refusal(pointer: String, error: &serde_json::Error) -> Problem {
    if error.is_data() {
        Problem::new(ErrorCode::ValidationFailed, "the body is not what this route takes")
            .with_violations(vec![Violation::new(pointer, error.to_string())])
    } else {
        Problem::new(ErrorCode::InvalidRequest, format!("the body is no JSON: {error}"))
    }
}

/// The path as a JSON Pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter().fold(String::new(), |mut pointer, segment| {
        // Writing into a String does not fail.
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } => write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => Ok(()),
        };
        pointer
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Plugin {
        #[serde(rename = "a/b")]
        _slash: Option<u8>,
        #[serde(default)]
        _versions: Vec<u8>,
    }

    fn problem(text: &str) -> serde_json::Value {
        serde_json::from_slice(&parse::<Plugin>(text.as_bytes()).unwrap_err().body(None)).unwrap()
    }

    #[test]
    fn a_wrong_value_is_pointed_at() {
        assert_eq!(problem(r#"{"a/b": "x"}"#)["errors"][0]["pointer"], "/a~1b");
        assert_eq!(problem(r#"{"_versions": [1, 300]}"#)["errors"][0]["pointer"], "/_versions/1");
        assert_eq!(problem("7")["code"], "validation_failed");
    }

    #[test]
    fn what_is_no_json_is_a_400() {
        for text in ["", "{", "{} x", "\u{1}"] {
            assert_eq!(problem(text)["status"], 400, "{text:?}");
        }
    }

    #[test]
    fn values_are_counted_outside_of_strings() {
        assert_eq!(values(br#"{"a": [1, 2, {}], "b,[{": "\\\",,[{"}"#), 3);
        assert_eq!(values(br#""\\",1"#), 1);
    }

    #[tokio::test]
    async fn a_body_of_too_many_values_is_refused_before_it_is_read() {
        let send = |text: String| {
            let request = Request::builder().header(header::CONTENT_TYPE, "application/json");
            let request = request.body(axum::body::Body::from(text)).unwrap();
            async {
                Json::<serde_json::Value>::from_request(request, &()).await.map_err(|problem| problem.code())
            }
        };
        let refused = send(format!("[{}0]", "0,".repeat(MAX_VALUES + 1))).await.err();
        assert_eq!(refused, Some(ErrorCode::PayloadTooLarge));
        assert!(send(format!("[\"{}\"]", ",".repeat(MAX_VALUES))).await.is_ok());
    }

    #[test]
    fn json_comes_under_several_names() {
        for (media_type, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/plain", false),
            ("application/jsonp", false),
        ] {
            let headers = [(header::CONTENT_TYPE, media_type.parse().unwrap())].into_iter().collect();
            assert_eq!(is_json(&headers), json, "{media_type}");
        }
    }
}
