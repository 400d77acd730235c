//! Requests that a plugin sends to other servers, and what they answer, as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use outbound::NOT_SETTABLE;
use serde::{Deserialize, Serialize};

use super::http::Failure;
use super::shares::Share;
use crate::invocation::{Invocation, shown};
use crate::redact::Redactor;

/// The largest body that is sent, in bytes.
pub(crate) const MAX_SENT: usize = 1 << 20;

/// The largest answer that is read, in bytes.
pub(super) const MAX_READ: usize = 4 << 20;

/// The largest answer as JSON, in bytes: what the sandbox hands to a script.
const MAX_JSON: usize = 8 << 20;

/// How often the bytes of an answer are in memory at most: as they came, searched for secrets, and as JSON.
const TIMES: usize = 3;

/// Bytes of an answer for which room is taken at once.
const STEP: usize = 64 << 10;

const NO_ROOM: &str = "too many and too large answers have come at once: ask for less, or try again later";

/// How many requests one call may make.
const MAX_REQUESTS: u32 = 64;

/// The most headers of a request, and the most bytes of them.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Headers that no plugin sets besides those that nobody does: they would make an answer that cannot be searched for secrets.
const NOT_A_PLUGINS: [&str; 2] = ["accept-encoding", "range"];

/// A body that is sent: `{text}` or `{base64}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SentBody {
    Text(String),
    Base64(String),
}

impl SentBody {
    pub(super) fn bytes(self) -> Result<Bytes, String> {
        let bytes: Bytes = match self {
            Self::Text(text) => text.into(),
            Self::Base64(text) => {
                STANDARD.decode(text).map_err(|_| "the body is not base64".to_owned())?.into()
            }
        };
        if bytes.len() > MAX_SENT {
            return Err(format!("the body has {} bytes; at most {MAX_SENT} are sent", bytes.len()));
        }
        Ok(bytes)
    }
}

pub(crate) fn method(text: &str) -> Result<Method, String> {
    let method = text.to_ascii_uppercase().parse::<Method>().ok();
    let is_plain = |method: &Method| *method != Method::CONNECT && *method != Method::TRACE;
    method.filter(is_plain).ok_or_else(|| format!("{} is no method that can be sent", shown(text)))
}

/// The headers that a plugin gives. `is_own` tells those, in lower case, that are set by somebody else.
pub(super) fn headers(
    given: &BTreeMap<String, String>,
    is_own: impl Fn(&str) -> bool,
) -> Result<HeaderMap, String> {
    let size: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if given.len() > MAX_HEADERS || size > MAX_HEADER_BYTES {
        return Err(format!(
            "a request has at most {MAX_HEADERS} headers with {MAX_HEADER_BYTES} bytes in all"
        ));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(format!("{:?} is no name of a header", shown(name)));
        };
        let text = name.as_str();
        if is_of_the_connection(text) || text.starts_with("x-jackfield-") || is_own(text) {
            return Err(format!("the header {name} is not set by plugins: leave it out"));
        }
        let Ok(value) = HeaderValue::from_str(value) else {
            return Err(format!("the header {name} has characters that no header may have"));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

/// Counts a request, and waits for room for it.
pub(super) async fn admit(call: &Invocation) -> Result<tokio::sync::SemaphorePermit<'_>, String> {
    call.used.requests.take(MAX_REQUESTS, "requests to other servers")?;
    call.requests.acquire().await.map_err(|_| "the call is over".to_owned())
}

/// How long a plugin wants to wait, which it says in milliseconds.
pub(super) fn milliseconds(timeout: Option<f64>) -> Option<Duration> {
    timeout.and_then(|milliseconds| Duration::try_from_secs_f64(milliseconds / 1000.0).ok())
}

/// How long a request may take: what is left of the call, or less if the plugin says so.
pub(super) fn time_left(call: &Invocation, wanted: Option<Duration>) -> Duration {
    let left = call.deadline.saturating_duration_since(tokio::time::Instant::now());
    wanted.map_or(left, |wanted| wanted.min(left))
}

/// Whether a header, in lower case, belongs to the connection and not to the plugin, which may still set it by habit.
pub(crate) fn is_of_the_connection(name: &str) -> bool {
    NOT_SETTABLE.contains(&name) || NOT_A_PLUGINS.contains(&name)
}

/// What is told of an answer, without the values that `redactor` knows.
pub(crate) struct Answered {
    status: u16,
    headers: HeaderMap,
    url: String,
}

impl Answered {
    pub(super) fn of(response: &reqwest::Response) -> Self {
        let mut url = response.url().clone();
        url.set_fragment(None);
        Self { status: response.status().as_u16(), headers: response.headers().clone(), url: url.into() }
    }

    /// The answer as a component gets it.
    pub(crate) fn to_response(&self, body: Bytes, redactor: Option<&Redactor>) -> Response<Bytes> {
        let body = match redactor {
            Some(redactor) => redactor.bytes(body.into()).into(),
            None => body,
        };
        let mut response = Response::new(body);
        // Reqwest gives such statuses alone.
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        for (name, value) in &self.headers {
            // The body is whole, and may be another one without its secrets.
            if is_of_the_connection(name.as_str()) {
                continue;
            }
            let value = match redactor {
                Some(redactor) => HeaderValue::from_bytes(&redactor.bytes(value.as_bytes().to_vec())).ok(),
                None => Some(value.clone()),
            };
            response.headers_mut().extend(value.map(|value| (name.clone(), value)));
        }
        response
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// A sentence if it is larger than what a script gets.
    pub(super) fn to_json(&self, body: Vec<u8>, redactor: Option<&Redactor>) -> Result<String, String> {
        let mut headers: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in &self.headers {
            if matches!(name.as_str(), "connection" | "keep-alive" | "transfer-encoding" | "trailer") {
                continue;
            }
            let joined = headers.entry(name.as_str()).or_default();
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(&without(redactor, &String::from_utf8_lossy(value.as_bytes())));
        }
        let body = match redactor {
            Some(redactor) => redactor.bytes(body),
            None => body,
        };
        let body = match String::from_utf8(body) {
            Ok(text) => WireBody::Text(text),
            Err(error) => WireBody::Base64(STANDARD.encode(error.as_bytes())),
        };
        written(&Wire { status: self.status, headers, url: without(redactor, &self.url), body })
    }
}

fn without<'a>(redactor: Option<&Redactor>, text: &'a str) -> Cow<'a, str> {
    redactor.map_or(Cow::Borrowed(text), |redactor| redactor.text(text))
}

/// An answer on its way to a script.
#[derive(Serialize)]
struct Wire<'a> {
    status: u16,
    headers: BTreeMap<&'a str, String>,
    url: Cow<'a, str>,
    body: WireBody,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum WireBody {
    Text(String),
    Base64(String),
}

fn written(wire: &Wire<'_>) -> Result<String, String> {
    let mut json = Bounded(Vec::new());
    let done = serde_json::to_writer(&mut json, wire).ok().and_then(|()| String::from_utf8(json.0).ok());
    done.ok_or_else(|| format!("the answer has more than {MAX_JSON} bytes as JSON: ask for less"))
}

/// Text that ends in an error once it is too long, and not later.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_JSON {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The whole body of an answer, and the room that it and what is made of it take up. As much room is taken as has come: who
/// answers slowly keeps nothing from others.
///
/// # Errors
/// [`Failure::Failed`] where it breaks off or is too large; [`Failure::Refused`] where there is no room.
pub(super) async fn body_of(
    call: &Invocation,
    response: reqwest::Response,
) -> Result<(Bytes, Vec<Share>), Failure> {
    let (mut shares, mut left) = (Vec::new(), 0_usize);
    let count = |bytes: usize| {
        if bytes > left {
            let step = bytes.max(STEP);
            let share = call.shared.shares.room(&call.place.tenant, TIMES * step);
            shares.push(share.ok_or_else(|| Failure::Refused(NO_ROOM.to_owned()))?);
            left += step;
        }
        left -= bytes;
        Ok::<_, Failure>(())
    };
    let body = outbound::read_counted(response, MAX_READ, count).await?;
    Ok((body, shares))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::{Value, json};

    use super::*;

    fn refused(name: &str, value: &str) -> String {
        headers(&[(name.to_owned(), value.to_owned())].into(), |name| name == "authorization").unwrap_err()
    }

    #[test]
    fn a_plugin_sets_no_header_that_is_not_its_own() {
        for name in
            ["Host", "content-length", "Transfer-Encoding", "X-Jackfield-Context", "Authorization", "range"]
        {
            assert!(refused(name, "x").contains("is not set by plugins"), "{name}");
        }
        assert!(refused("x-a", "b\r\nhost: c").contains("characters"));
        assert!(refused("a b", "c").contains("no name"));
        let many = (0..65).map(|index| (format!("x-{index}"), String::new())).collect();
        assert!(headers(&many, |_| false).is_err());
        let fine = headers(&[("X-Order".to_owned(), "7".to_owned())].into(), |_| false).unwrap();
        assert_eq!(fine["x-order"], "7");
    }

    #[test]
    fn methods_that_are_no_requests_are_refused() {
        assert_eq!(method("get").unwrap(), Method::GET);
        for text in ["CONNECT", "TRACE", "", "GET /"] {
            assert!(method(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_an_answer_echoes_of_a_secret_is_not_told() {
        let secret = SecretString::from("sk_live_12345");
        let redactor = Redactor::new([&secret]);
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("Bearer sk_live_12345"));
        let answered = Answered { status: 200, headers, url: "https://a.example/?key=sk_live_12345".into() };
        let told = answered.to_json(br#"{"you":"sk_live_12345"}"#.to_vec(), Some(&redactor)).unwrap();
        assert!(!told.contains("sk_live"), "{told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["body"], json!({"text": r#"{"you":"[secret]"}"#}));
        assert_eq!(told["url"], "https://a.example/?key=[secret]");
        let bytes = answered.to_json(b"\xffsk_live_12345".to_vec(), Some(&redactor)).unwrap();
        assert!(!bytes.contains(&STANDARD.encode(b"\xffsk_live_12345")), "{bytes}");
    }

    #[test]
    fn an_answer_that_is_too_large_as_json_is_not_written_to_its_end() {
        let answered = Answered { status: 200, headers: HeaderMap::new(), url: String::new() };
        let told = answered.to_json(vec![0; MAX_READ], None);
        assert!(told.unwrap_err().contains("ask for less"), "each of these takes six bytes");
        assert!(answered.to_json(vec![b'a'; MAX_READ], None).is_ok());
        assert!(answered.to_json(vec![0xff; MAX_READ], None).is_ok());
    }
}
