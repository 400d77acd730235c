//! Routes about the server itself: what it is, what it counted.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use model::ErrorCode;
use secrecy::ExposeSecret;
use serde::Serialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};
use crate::{App, lexmodo};

/// What this server is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Description {
    /// Always `jackfield`.
    #[schema(example = "jackfield")]
    name: &'static str,
    /// The version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Where to read about the routes.
    #[schema(example = "/docs")]
    docs: &'static str,
    /// Where the routes are described for programs.
    #[schema(example = "/openapi.json")]
    openapi: &'static str,
    /// Where the Lexmodo platform shows the plugin's page, if its app is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/callback")]
    lexmodo: Option<&'static str>,
}

/// Says what this server is.
///
/// Where the Lexmodo platform's app is configured and the query is the platform's (`session_token`, or
/// `code`, `state` or `error`), it leads to `/callback` with the same query.
#[utoipa::path(
    get, path = "/", tag = "service", operation_id = "describe",
    responses(
        (status = 200, body = Description),
        (status = 307, description = "to `/callback`, with the same query"),
    ),
)]
pub(crate) async fn describe(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    if let Some(response) = lexmodo::handshake(&app, query.as_deref()) {
        return response;
    }
    let description = Description {
        name: "jackfield",
        version: env!("CARGO_PKG_VERSION"),
        docs: "/docs",
        openapi: "/openapi.json",
        lexmodo: app.options().lexmodo.as_ref().map(|_| "/callback"),
    };
    Json(description).into_response()
}

/// Counters for Prometheus: requests and durations by route and status, memory, build. Nothing of any tenant.
///
/// Anybody may read them unless `METRICS_TOKEN` is set, which a scraper then sends as its bearer token.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "metrics",
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(token) = &app.options().metrics_token {
        let given = headers.get(header::AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
        let expected = format!("Bearer {}", token.expose_secret());
        if !bool::from(given.ct_eq(expected.as_bytes())) {
            return Err(Problem::new(
                ErrorCode::AuthenticationRequired,
                "the metrics need METRICS_TOKEN as bearer token",
            ));
        }
    }
    metrics::gauge!("jackfield_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    if let Some(bytes) = resident_bytes().await {
        metrics::gauge!("process_resident_memory_bytes").set(bytes);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics().render())
        .into_response())
}

/// The memory that the process holds, where the kernel tells (Linux: proc(5), `statm`, in pages of 4 KiB).
async fn resident_bytes() -> Option<f64> {
    let statm = tokio::fs::read_to_string("/proc/self/statm").await.ok()?;
    let pages: f64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096.0)
}
