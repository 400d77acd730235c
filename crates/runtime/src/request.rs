//! A request to a handler and its answer, as values.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::invocation::shown;

/// For whom a handler runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// The user whose request it answers; `None` for what happens by itself.
    pub user: Option<User>,
    /// The id of the request, for the log.
    pub request_id: Option<String>,
    /// How many events led to the call, one after the other: what it emits says so.
    pub hops: u32,
}

/// The user whose request a handler answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The `sub` of the credential, or the API key's id.
    pub id: String,
    /// The e-mail address that the credential vouches for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The role in the tenant.
    pub role: &'static str,
}

impl From<&model::Principal> for User {
    fn from(principal: &model::Principal) -> Self {
        Self {
            id: principal.subject.clone(),
            email: principal.email.as_deref().map(str::to_lowercase),
            name: principal.name.clone(),
            role: principal.role.as_str(),
        }
    }
}

/// A body.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Body {
    /// None.
    #[default]
    None,
    /// JSON, parsed.
    Json(Value),
    /// Text of another kind.
    Text(String),
    /// Anything else.
    Bytes(Bytes),
}

/// What a handler is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HandlerRequest {
    /// The handler's name.
    pub handler: String,
    /// The method, in capitals.
    pub method: String,
    /// The path below the plugin, decoded no further than it came.
    pub path: String,
    /// The parameters of the query. Of one that is given several times, all values.
    pub query: Vec<(String, String)>,
    /// The headers, without credentials.
    pub headers: HeaderMap,
    /// What the route's `:name`s stand for.
    pub params: BTreeMap<String, String>,
    /// The body.
    pub body: Body,
    /// What else the handler finds in its request.
    pub more: Map<String, Value>,
}

impl HandlerRequest {
    /// The request as the sandbox hands it to the handler.
    pub(crate) fn to_json(&self, who: &Who) -> String {
        let (body, body_base64) = match &self.body {
            Body::None => (None, None),
            Body::Json(value) => (Some(Told::Json(value)), None),
            Body::Text(text) => (Some(Told::Text(text)), None),
            Body::Bytes(bytes) => (None, Some(STANDARD.encode(bytes))),
        };
        let wire = Wire {
            more: &self.more,
            method: &self.method,
            path: &self.path,
            query: Grouped(&self.query),
            headers: Joined(&self.headers),
            params: &self.params,
            body,
            body_base64,
            user: who.user.as_ref(),
        };
        // Texts, and values that can always be written.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(flatten)]
    more: &'a Map<String, Value>,
    method: &'a str,
    path: &'a str,
    query: Grouped<'a>,
    headers: Joined<'a>,
    params: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Told<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a User>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Json(&'a Value),
    Text(&'a str),
}

/// Pairs as an object, whose values are lists where a name comes several times.
struct Grouped<'a>(&'a [(String, String)]);

impl Serialize for Grouped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut grouped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in self.0 {
            grouped.entry(name).or_default().push(value);
        }
        let mut object = serializer.serialize_map(Some(grouped.len()))?;
        for (name, values) in &grouped {
            match &values[..] {
                [value] => object.serialize_entry(name, value)?,
                values => object.serialize_entry(name, values)?,
            }
        }
        object.end()
    }
}

/// Headers as an object, whose values are joined where a name comes several times (RFC 9110, section 5.3).
struct Joined<'a>(&'a HeaderMap);

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.keys_len()))?;
        for name in self.0.keys() {
            let mut values =
                self.0.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            let mut joined = values.next().unwrap_or_default();
            for value in values {
                let joined = joined.to_mut();
                joined.push_str(", ");
                joined.push_str(&value);
            }
            object.serialize_entry(name.as_str(), &joined)?;
        }
        object.end()
    }
}

/// What a handler has answered.
#[derive(Debug, Clone, PartialEq)]
pub struct HandlerResponse {
    /// The status, from 200 to 599.
    pub status: StatusCode,
    /// The headers as the handler gives them: callers get what is [fit for them](crate::upstream::fit_for_callers).
    /// `Content-Type` is always there where there is a body.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// The answer as the sandbox gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<AnsweredBody>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnsweredBody {
    Json(Value),
    Text(String),
    Base64(String),
}

impl HandlerResponse {
    /// Reads what the sandbox gives.
    ///
    /// # Errors
    /// A sentence for the plugin's author where it is none.
    pub(crate) fn from_json(json: &str) -> Result<Self, String> {
        let answered: Answered =
            serde_json::from_str(json).map_err(|_| "the handler's answer is not a response".to_owned())?;
        let status = StatusCode::from_u16(answered.status).ok().filter(|status| !status.is_informational());
        let Some(status) = status.filter(|status| status.as_u16() < 600) else {
            return Err(format!("the handler's status is {}; it must be 200 to 599", answered.status));
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &answered.headers {
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
                return Err(format!(
                    "the handler's header {:?} has no name that a header may have",
                    shown(name)
                ));
            };
            let Ok(value) = HeaderValue::from_str(value) else {
                return Err(format!("the handler's header {name} has characters that no header may have"));
            };
            headers.insert(name, value);
        }
        let body = match answered.body {
            None => Body::None,
            Some(AnsweredBody::Json(value)) => Body::Json(value),
            Some(AnsweredBody::Text(text)) => Body::Text(text),
            Some(AnsweredBody::Base64(text)) => {
                let bytes = STANDARD.decode(text);
                Body::Bytes(bytes.map_err(|_| "the handler's body is not base64".to_owned())?.into())
            }
        };
        let kind = match &body {
            Body::None => None,
            Body::Json(_) => Some("application/json"),
            Body::Text(_) => Some("text/plain; charset=utf-8"),
            Body::Bytes(_) => Some("application/octet-stream"),
        };
        if let Some(kind) = kind {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        }
        Ok(Self { status, headers, body })
    }

    /// The body as it is sent.
    pub fn bytes(&self) -> Bytes {
        match &self.body {
            Body::None => Bytes::new(),
            // A value can always be written.
            Body::Json(value) => serde_json::to_vec(value).unwrap_or_default().into(),
            Body::Text(text) => text.clone().into(),
            Body::Bytes(bytes) => bytes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::upstream::fit_for_callers;

    #[test]
    fn a_request_is_told_without_loss() {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static("a"));
        headers.append("accept", HeaderValue::from_static("b"));
        let request = HandlerRequest {
            method: "POST".into(),
            path: "/a".into(),
            query: vec![("x".into(), "1".into()), ("y".into(), "2".into()), ("x".into(), "3".into())],
            headers,
            body: Body::Json(json!({"n": 1})),
            ..HandlerRequest::default()
        };
        let user = User { id: "u".into(), email: None, name: None, role: "user" };
        let told = request.to_json(&Who { user: Some(user), request_id: None, hops: 0 });
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            told,
            json!({
                "method": "POST", "path": "/a", "query": {"x": ["1", "3"], "y": "2"},
                "headers": {"accept": "a, b"}, "params": {}, "body": {"n": 1},
                "user": {"id": "u", "role": "user"},
            })
        );
    }

    #[test]
    fn an_answer_cannot_set_what_is_not_the_handlers() {
        let answer = json!({
            "status": 201, "body": {"json": {"ok": true}},
            "headers": {"Set-Cookie": "session=x", "X-Jackfield-Context": "x", "Content-Length": "9", "ETag": "\"1\""},
        });
        let response = HandlerResponse::from_json(&answer.to_string()).unwrap();
        assert_eq!((response.status.as_u16(), &response.bytes()[..]), (201, &b"{\"ok\":true}"[..]));
        let fit = fit_for_callers(response.headers);
        assert_eq!(fit["etag"], "\"1\"");
        assert_eq!(fit["content-type"], "application/json");
        for name in ["set-cookie", "x-jackfield-context", "content-length"] {
            assert!(!fit.contains_key(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_to_the_author() {
        for (answer, named) in [
            (json!({"status": 99}), "status is 99"),
            (json!({"status": 101}), "status is 101"),
            (json!({"status": 600}), "status is 600"),
            (json!({"status": 200, "headers": {"a b": "c"}}), "\"a b\""),
            (json!({"status": 200, "headers": {"x-a": "c\r\nset-cookie: d"}}), "x-a"),
            (json!({"status": 200, "body": {"base64": "?"}}), "base64"),
            (json!({"body": {}}), "not a response"),
        ] {
            let error = HandlerResponse::from_json(&answer.to_string()).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        assert!(HandlerResponse::from_json("undefined").is_err());
    }
}
