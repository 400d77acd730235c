//! Errors on the wire: RFC 9457 `application/problem+json`, and the one table from error codes to HTTP.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use model::{Ambient, Coded, ErrorCode, Extensions, Violation};
use serde::Serialize;
use utoipa::ToSchema;

/// What a handler answers when it cannot answer what was asked for.
///
/// Any error that implements [`Coded`] turns into one by `?`. The details of a 5xx are constant: what went wrong
/// inside is logged here, once, and not told.
#[derive(Debug, Clone)]
pub struct Problem {
    code: ErrorCode,
    detail: Cow<'static, str>,
    violations: Vec<Violation>,
    /// Boxed, because every handler's result has room for a problem.
    extensions: Box<Extensions>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The wire form of a [`Problem`] (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// The kind of problem, as a path on this server that explains it.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not_found")]
    kind: String,
    /// The kind of problem in words; the same for every problem of that kind.
    #[schema(example = "Not found")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What is wrong with this request, and what would be right.
    detail: &'a str,
    /// The kind of problem as a stable word to program against.
    #[schema(example = "not_found")]
    code: &'static str,
    /// The request's id, as in the `x-request-id` header and the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// What is wrong with the body, piece by piece.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ViolationBody<'a>>,
    /// For trouble at a provider: whether the same request may be made again, and may then succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    /// For trouble at a provider: the HTTP status that it answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    /// The scopes that the connection lacks, as far as they are known; one of them may suffice.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    missing_scopes: &'a [String],
    /// The path on this server where the account is connected again, where that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnect: Option<&'a str>,
    /// Of a log that no longer has what is asked for: the place to read on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<&'a str>,
}

/// One thing that is wrong with the body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Violation)]
pub struct ViolationBody<'a> {
    /// Where, as a JSON Pointer (RFC 6901); empty for the body as a whole.
    #[schema(example = "/version")]
    pointer: &'a str,
    /// What would be right.
    detail: &'a str,
    /// Where in a source file, with `file`, `line`, `column` and `frame`, for sources that do not build.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    place: Option<&'a model::Place>,
}

impl Problem {
    /// A problem of the kind `code`. For a 5xx code `detail` is logged, and a constant text told.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        let detail = match constant_detail(code) {
            Some(constant) => {
                tracing::error!(error.code = code.as_str(), error.detail = %detail, "a request failed on our side");
                Cow::Borrowed(constant)
            }
            None => detail,
        };
        Self { code, detail, violations: Vec::new(), extensions: Box::default(), headers: Vec::new() }
    }

    /// The same problem with the parts of the body that are wrong.
    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.violations = violations;
        self
    }

    /// The same problem with a header beside it, `Retry-After` for example.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same problem with all of `headers` beside it.
    #[must_use]
    pub(crate) fn with_headers(mut self, headers: &HeaderMap) -> Self {
        self.headers.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    /// A problem of ours whose particulars may be told, because they name parts of the server and nothing else.
    pub(crate) fn told(code: ErrorCode, detail: String) -> Self {
        Self {
            code,
            detail: detail.into(),
            violations: Vec::new(),
            extensions: Box::default(),
            headers: Vec::new(),
        }
    }

    /// The problem that `error` is to the caller.
    pub(crate) fn of(error: &impl Coded) -> Self {
        let code = error.code();
        let detail = || if constant_detail(code).is_some() { with_sources(error) } else { error.to_string() };
        let problem = if error.may_be_told() {
            tracing::warn!(error.code = code.as_str(), error.detail = %error, "a request cannot be met here");
            Self::told(code, error.to_string())
        } else {
            Self::new(code, detail())
        };
        let mut problem = problem.with_violations(error.violations());
        problem.extensions = Box::new(error.extensions());
        match error.retry_after(Ambient::system().now()) {
            Some(wait) => problem.with_header(header::RETRY_AFTER, wait.as_secs().max(1)),
            None => problem,
        }
    }

    /// What stands beside it.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// What is wrong with the request, and what would be right.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The parts of the body that are wrong.
    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Which kind of problem it is.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The HTTP status it is answered with.
    pub fn status(&self) -> StatusCode {
        status_and_title(self.code).0
    }

    /// The body, with the id of the request it belongs to.
    pub(crate) fn body(&self, request_id: Option<&str>) -> Vec<u8> {
        let (status, title) = status_and_title(self.code);
        let violations = self.violations.iter();
        let body = ProblemBody {
            kind: format!("/problems/{}", self.code),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            request_id,
            errors: violations
                .map(|each| ViolationBody {
                    pointer: &each.pointer,
                    detail: &each.detail,
                    place: each.place.as_deref(),
                })
                .collect(),
            retryable: self.extensions.retryable,
            upstream_status: self.extensions.upstream_status,
            missing_scopes: &self.extensions.missing_scopes,
            reconnect: self.extensions.reconnect.as_deref(),
            oldest: self.extensions.oldest.as_deref(),
        };
        // Serialising strings and numbers does not fail; an empty body would still carry the status.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    /// The answer without a request id; the request log, which knows the id, writes the body again from the
    /// extension.
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.body(None)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status() == StatusCode::PAYLOAD_TOO_LARGE {
            // What is left of the body is not read, so no further request can follow it on this connection.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl<E: Coded> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

/// The error's text followed by the texts of what caused it, for the log.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing into a String does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// The text told in place of the real one, where the real one is nobody's business.
const fn constant_detail(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::Internal => {
            Some("the server failed to answer this request; its log has the reason under the request id")
        }
        ErrorCode::Unavailable => {
            Some("the server cannot answer this request at the moment; trying again later may help")
        }
        _ => None,
    }
}

/// The HTTP status and the title of each kind of problem.
pub(crate) const fn status_and_title(code: ErrorCode) -> (StatusCode, &'static str) {
    match code {
        ErrorCode::InvalidRequest => (StatusCode::BAD_REQUEST, "Invalid request"),
        ErrorCode::AuthenticationRequired => (StatusCode::UNAUTHORIZED, "Authentication required"),
        ErrorCode::InvalidCredential => (StatusCode::UNAUTHORIZED, "Invalid credential"),
        ErrorCode::InsufficientRole => (StatusCode::FORBIDDEN, "Insufficient role"),
        ErrorCode::TenantMismatch => (StatusCode::FORBIDDEN, "Another tenant's credential"),
        ErrorCode::OriginNotAllowed => (StatusCode::FORBIDDEN, "Origin not allowed"),
        ErrorCode::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        ErrorCode::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        ErrorCode::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "Not acceptable"),
        ErrorCode::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
        ErrorCode::AlreadyExists => (StatusCode::CONFLICT, "Already exists"),
        ErrorCode::Conflict => (StatusCode::CONFLICT, "Conflict"),
        ErrorCode::Gone => (StatusCode::GONE, "Gone"),
        ErrorCode::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Payload too large"),
        ErrorCode::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"),
        ErrorCode::RangeNotSatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, "Range not satisfiable"),
        ErrorCode::ValidationFailed => (StatusCode::UNPROCESSABLE_ENTITY, "Validation failed"),
        ErrorCode::Unsupported => (StatusCode::UNPROCESSABLE_ENTITY, "Unsupported by this connector"),
        ErrorCode::BuildFailed => (StatusCode::UNPROCESSABLE_ENTITY, "Build failed"),
        ErrorCode::Incompatible => (StatusCode::UNPROCESSABLE_ENTITY, "Incompatible with this platform"),
        ErrorCode::AccessDenied => (StatusCode::FORBIDDEN, "Access was not granted"),
        ErrorCode::ConnectionRequired => (StatusCode::UNAUTHORIZED, "Connection required"),
        ErrorCode::ReauthorizationRequired => (StatusCode::UNAUTHORIZED, "Reauthorization required"),
        ErrorCode::InsufficientScope => (StatusCode::FORBIDDEN, "Insufficient scope"),
        ErrorCode::UpstreamRejected => (StatusCode::UNPROCESSABLE_ENTITY, "The provider refused the request"),
        ErrorCode::UpstreamRateLimited => (StatusCode::TOO_MANY_REQUESTS, "The provider wants fewer calls"),
        ErrorCode::UpstreamUnavailable => (StatusCode::BAD_GATEWAY, "The provider is unavailable"),
        ErrorCode::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, "The provider did not answer in time"),
        ErrorCode::ConsentRequired => (StatusCode::CONFLICT, "Consent required"),
        ErrorCode::PluginDisabled => (StatusCode::FORBIDDEN, "The plugin is disabled"),
        ErrorCode::PluginFailed => (StatusCode::BAD_GATEWAY, "The plugin failed"),
        ErrorCode::PluginTimeout => (StatusCode::GATEWAY_TIMEOUT, "The plugin took too long"),
        ErrorCode::PluginUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "The plugin is left alone for a while")
        }
        ErrorCode::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Rate limited"),
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
    }
}

/// What a kind of problem means: the page that a problem's `type` points to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemKind {
    /// The stable word.
    code: &'static str,
    /// The HTTP status.
    status: u16,
    /// The kind in words.
    title: &'static str,
}

/// Explains one kind of problem.
#[utoipa::path(
    get, path = "/problems/{code}", tag = "service", operation_id = "explainProblem",
    params(("code" = String, Path, description = "the `code` of a problem")),
    responses((status = 200, body = ProblemKind), (status = 404, body = ProblemBody, content_type = "application/problem+json")),
)]
pub(crate) async fn explain(Path(word): Path<String>) -> Result<axum::Json<ProblemKind>, Problem> {
    let Some(code) = ErrorCode::ALL.into_iter().find(|code| code.as_str() == word) else {
        return Err(Problem::new(ErrorCode::NotFound, "there is no problem of this kind"));
    };
    let (status, title) = status_and_title(code);
    Ok(axum::Json(ProblemKind { code: code.as_str(), status: status.as_u16(), title }))
}

/// The answer where no route matches.
pub(crate) async fn not_found() -> Problem {
    Problem::new(ErrorCode::NotFound, "no route has this path; /openapi.json lists all of them")
}

/// The answer where the path is right and the method is not; axum adds the `Allow` header.
pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(ErrorCode::MethodNotAllowed, "this path does not take this method; see the Allow header")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;

    async fn body_of(response: Response) -> Value {
        serde_json::from_slice(&to_bytes(response.into_body(), 65_536).await.unwrap()).unwrap()
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        code: ErrorCode,
        text: &'static str,
        source: std::io::Error,
    }

    impl Coded for Failure {
        fn code(&self) -> ErrorCode {
            self.code
        }

        fn violations(&self) -> Vec<Violation> {
            vec![Violation::new("/version", "version must be a semantic version")]
        }
    }

    fn failure(code: ErrorCode) -> Failure {
        Failure { code, text: "the disk at /srv is full", source: std::io::Error::other("secret") }
    }

    #[tokio::test]
    async fn a_coded_error_becomes_a_problem_with_its_violations() {
        let problem = Problem::from(failure(ErrorCode::ValidationFailed));
        let body: Value = serde_json::from_slice(&problem.body(Some("r1"))).unwrap();
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            body,
            json!({
                "type": "/problems/validation_failed",
                "title": "Validation failed",
                "status": 422,
                "detail": "the disk at /srv is full",
                "code": "validation_failed",
                "request_id": "r1",
                "errors": [{"pointer": "/version", "detail": "version must be a semantic version"}],
            })
        );
    }

    #[derive(Debug, thiserror::Error)]
    #[error("gmail needs mail.send for this")]
    struct Lacking;

    impl Coded for Lacking {
        fn code(&self) -> ErrorCode {
            ErrorCode::InsufficientScope
        }

        fn extensions(&self) -> Extensions {
            Extensions {
                retryable: Some(false),
                upstream_status: Some(403),
                missing_scopes: vec!["mail.send".into()],
                reconnect: Some("/api/v1/unified/auth/google/url".into()),
                oldest: None,
            }
        }
    }

    #[test]
    fn what_a_caller_can_do_about_it_is_told() {
        let body: Value = serde_json::from_slice(&Problem::from(Lacking).body(None)).unwrap();
        assert_eq!(body["retryable"], false);
        assert_eq!(body["upstream_status"], 403);
        assert_eq!(body["missing_scopes"], json!(["mail.send"]));
        assert_eq!(body["reconnect"], "/api/v1/unified/auth/google/url");
    }

    #[tokio::test]
    async fn what_went_wrong_inside_is_not_told() {
        for code in [ErrorCode::Internal, ErrorCode::Unavailable] {
            let body = body_of(Problem::from(failure(code)).into_response()).await;
            assert!(!body.to_string().contains("/srv"), "{body}");
            assert!(!body.to_string().contains("secret"), "{body}");
        }
    }

    #[test]
    fn every_code_has_an_error_status() {
        for code in ErrorCode::ALL {
            let (status, title) = status_and_title(code);
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            assert!(!title.is_empty());
        }
    }

    #[tokio::test]
    async fn a_401_names_the_scheme() {
        let response = Problem::new(ErrorCode::AuthenticationRequired, "sign in").into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
