//! What every request gets: an id, a line in the log, its place in the metrics, and problems with the id in them.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, header};
use model::TenantId;
use tracing::Instrument as _;

use crate::App;
use crate::problem::Problem;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is known of a request so far; handlers find it in the request's extensions.
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
    route: OnceLock<MatchedPath>,
    tenant: OnceLock<TenantId>,
}

impl RequestContext {
    /// A request of which nothing but its id is known.
    pub(crate) fn new(id: String) -> Self {
        Self(Arc::new(Inner { id, route: OnceLock::new(), tenant: OnceLock::new() }))
    }

    /// The request's id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Notes for which tenant the request acts, for the log.
    pub(crate) fn note_tenant(&self, tenant: &TenantId) {
        // The first note stands: a request acts for one tenant.
        let _ = self.0.tenant.set(tenant.clone());
    }
}

/// Notes the route that a request has come to.
pub(crate) fn note_route(request: Request) -> Request {
    let extensions = request.extensions();
    if let (Some(context), Some(route)) =
        (extensions.get::<RequestContext>(), extensions.get::<MatchedPath>())
    {
        let _ = context.0.route.set(route.clone());
    }
    request
}

/// Accounts for a request that `answer` answers. The log line never has the query string, which may hold tokens, nor headers.
pub(crate) async fn account<A: Future<Output = Response>>(
    app: &App,
    mut request: Request,
    answer: impl FnOnce(Request) -> A,
) -> Response {
    let started = Instant::now();
    let context = RequestContext::new(request_id(app, &request));
    let method = method_label(request.method());
    request.extensions_mut().insert(context.clone());

    let span = tracing::info_span!("request", request.id = context.id());
    let mut response = answer(request).instrument(span).await;

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let body = problem.body(Some(context.id()));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    }
    if let Ok(id) = HeaderValue::from_str(context.id()) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), id);
    }
    let route = context.0.route.get().map_or("unmatched", MatchedPath::as_str);
    let status = response.status().as_u16();
    let duration = started.elapsed();
    app.request_metrics().record(method, route, status, duration);
    log(&context, method, route, status, duration);
    response
}

/// Writes the request's line. It is no part of the request's span, so that what the span knows need not be read once more.
fn log(context: &RequestContext, method: &str, route: &str, status: u16, duration: Duration) {
    // To the microsecond: more digits are noise.
    let duration_ms = (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0;
    let tenant = context.0.tenant.get().map(TenantId::as_str);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request.id = context.id(),
                http.method = method,
                http.route = route,
                http.status = status,
                duration_ms,
                tenant,
                "answered"
            )
        };
    }
    // Probes and scrapes come every few seconds and say nothing new.
    let routine = matches!(route, "/health" | "/health/ready" | "/metrics") && status < 400;
    if routine { line!(debug) } else { line!(info) }
}

/// The caller's own id where it is a plain word of at most 64 characters, else a new one.
fn request_id(app: &App, request: &Request) -> String {
    let own = request.headers().get(&X_REQUEST_ID).and_then(|value| value.to_str().ok());
    match own {
        Some(id) if is_plain(id) => id.to_owned(),
        _ => model::new_id(app.ambient()),
    }
}

fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The method for a label: callers may invent methods, and each label value costs memory.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_log_lines_is_not_taken_over() {
        assert!(is_plain("01J-abc_9.x"));
        for id in ["", "a b", "a\nb", "a\"b", "é", &"x".repeat(65)] {
            assert!(!is_plain(id), "{id:?}");
        }
    }
}
