//! The layers around routes: deadlines, caught panics, compression, security headers.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use model::ErrorCode;
use tower_http::CompressionLevel;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, predicate};

use crate::App;
use crate::problem::Problem;

/// How long a request may take, from its head to the head of its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Duration);

/// Gives up on a request that takes too long; dropping its work rolls back what it had not committed.
pub(crate) async fn deadline(State(limit): State<Deadline>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit.0, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            ErrorCode::RequestTimeout,
            format!("the request was not answered within {} s, so it was given up", limit.0.as_secs_f64()),
        )
        .into_response(),
    }
}

/// What `answer` answers; a problem where its handler panics: a bug of ours.
pub(crate) async fn caught(answer: impl Future<Output = Response>) -> Response {
    let answered = AssertUnwindSafe(answer).catch_unwind().await;
    answered.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Problem::new(ErrorCode::Internal, format!("a handler panicked: {text}")).into_response()
    })
}

/// Marks an answer that another server has made: it is handed on byte by byte, at the moment when it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsItIs;

/// Compression of JSON from 1 KiB on. Bundles are not touched: they were compressed once, when published.
pub(crate) fn compression() -> CompressionLayer<And<SizeAbove, IsJson>> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(predicate::SizeAbove::new(1024).and(IsJson))
}

/// Holds for answers in JSON, problems included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsJson;

impl Predicate for IsJson {
    fn should_compress<B: http_body::Body>(&self, response: &http::Response<B>) -> bool {
        if response.extensions().get::<AsItIs>().is_some() {
            return false;
        }
        let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    }
}

/// Marks an answer whose own policy says which pages may frame it: `X-Frame-Options` cannot name an origin, and browsers
/// that heed both would frame it nowhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MayBeFramed;

/// Headers that keep a browser from guessing, framing and leaking; a handler's own value stands.
pub(crate) fn security_headers<B>(app: &App, mut response: http::Response<B>) -> http::Response<B> {
    let may_be_framed = response.extensions().get::<MayBeFramed>().is_some();
    let headers = response.headers_mut();
    put(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if !may_be_framed {
        put(headers, header::X_FRAME_OPTIONS, "DENY");
    }
    put(headers, header::REFERRER_POLICY, "no-referrer");
    // Answers differ by credential and tenant: a cache that keeps them by their address alone would mix tenants up.
    put(headers, header::CACHE_CONTROL, "no-store");
    put(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    if app.is_https() {
        put(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_problem_that_does_not_tell() {
        let handler = || async { Err::<(), _>(panics_with("the key is hush")) };
        let router = Router::new().route("/", get(handler));
        let response = caught(router.oneshot(Request::new(Body::empty())).map(Result::unwrap)).await;
        assert_eq!(response.status(), 500);
        let body = to_bytes(response.into_body(), 65_536).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("\"code\":\"internal\"") && !text.contains("hush"), "{text}");
    }

    fn panics_with(text: &str) -> Problem {
        panic!("{text}")
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up() {
        let limit = Deadline(Duration::from_secs(30));
        let router = Router::new()
            .route("/", get(std::future::pending::<()>))
            .layer(from_fn_with_state(limit, deadline));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), 408);
    }

    #[test]
    fn only_json_is_compressed() {
        for (media_type, compressed) in [
            ("application/json", true),
            ("application/problem+json", true),
            ("application/json; charset=utf-8", true),
            // A compressor would hold back the lines that a client waits for.
            ("application/x-ndjson", false),
            ("text/javascript", false),
            ("text/html", false),
        ] {
            let response = http::Response::builder()
                .header(header::CONTENT_TYPE, media_type)
                .body(axum::body::Body::from("x"))
                .unwrap();
            assert_eq!(IsJson.should_compress(&response), compressed, "{media_type}");
        }
        let mut foreign = http::Response::builder().header(header::CONTENT_TYPE, "application/json");
        foreign.extensions_mut().unwrap().insert(AsItIs);
        assert!(!IsJson.should_compress(&foreign.body(axum::body::Body::from("{}")).unwrap()));
    }
}
