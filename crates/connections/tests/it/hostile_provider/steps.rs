//! What a provider can do with a request besides answering it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde_json::Value;

/// What becomes of one request.
#[derive(Clone)]
pub(crate) enum Step {
    /// It is answered as it should be.
    Honest,
    /// It is acted on, and answered after this time.
    Late(Duration),
    /// It is acted on, and the answer never arrives.
    Lost(Fault),
    /// It is not acted on, and no answer arrives.
    Failed(Fault),
    /// It is refused with 400, and the reason never arrives.
    Refused(Fault),
    /// It is not acted on, and this is the answer.
    Say {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
}

/// How an answer does not arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Nothing ever comes.
    Hang,
    /// The connection breaks in the middle of the body.
    CutOff,
    /// One byte comes every 200 milliseconds.
    Trickle,
}

impl Step {
    /// An answer of any type.
    pub(crate) fn say(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Say { status, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }

    /// JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::say(status, "application/json", body.to_string())
    }

    /// An error of RFC 6749, section 5.2.
    pub(crate) fn error(status: u16, word: &str) -> Self {
        Self::json(status, &serde_json::json!({"error": word, "error_description": "so it is"}))
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::Say { status, headers: vec![("location", to.to_owned())], body: Vec::new() }
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Say { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

/// Does it; `act` is what an honest provider does.
pub(super) async fn take(step: Step, act: impl FnOnce() -> Response) -> Response {
    match step {
        Step::Honest => act(),
        Step::Late(time) => {
            let response = act();
            tokio::time::sleep(time).await;
            response
        }
        Step::Lost(fault) => spoil(act(), fault).await,
        Step::Failed(fault) => spoil(Response::new(Body::from(r#"{"access_token": "never"}"#)), fault).await,
        Step::Refused(fault) => {
            let reason = Body::from(r#"{"error": "invalid_request"}"#);
            spoil((StatusCode::BAD_REQUEST, reason).into_response(), fault).await
        }
        Step::Say { status, headers, body } => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().append(name, HeaderValue::from_str(&value).unwrap());
            }
            response
        }
    }
}

async fn spoil(response: Response, fault: Fault) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove("content-length");
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let body = match fault {
        Fault::Hang => std::future::pending().await,
        Fault::CutOff => {
            let half = bytes.slice(..bytes.len() / 2);
            // The half is on its way before the connection breaks.
            let broken = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(io::Error::other("cut off"))
            });
            Body::from_stream(stream::once(async { Ok(half) }).chain(broken))
        }
        Fault::Trickle => Body::from_stream(stream::unfold(bytes, |mut rest: Bytes| async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            (!rest.is_empty()).then(|| (Ok::<_, Infallible>(rest.split_to(1)), rest))
        })),
    };
    Response::from_parts(parts, body)
}
