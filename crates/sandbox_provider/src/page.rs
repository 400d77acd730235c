//! The pages, which work without JavaScript.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use url::Url;

use crate::error::{OAuthError, no_store};
use crate::people::Person;
use crate::scope::Scope;

/// No script, no frame, no picture. `form-action` is left out: browsers hold it against the redirects that follow, and
/// where those lead is not known here.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page on which people decide.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    pub(crate) client_name: &'a str,
    /// The host, with its port, that the person will be sent back to.
    pub(crate) return_host: &'a str,
    /// Everybody, and whether they are chosen.
    pub(crate) people: Vec<(&'static Person, bool)>,
    /// What is asked for, and whether it is ticked.
    pub(crate) scopes: Vec<(Scope, bool)>,
    /// The authorization request, which the form repeats.
    pub(crate) repeated: Vec<(&'static str, &'a str)>,
    /// Whether the form came back with something missing.
    pub(crate) is_incomplete: bool,
}

/// The page for requests that cannot be sent back to the client.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage<'a> {
    description: &'a str,
}

impl<'a> ErrorPage<'a> {
    pub(crate) fn of(error: &'a OAuthError) -> Self {
        Self { description: &error.description }
    }

    pub(crate) fn into_response(self, status: StatusCode) -> Response {
        html(status, &self)
    }
}

impl ConsentPage<'_> {
    pub(crate) fn into_response(self, status: StatusCode) -> Response {
        html(status, &self)
    }
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let Ok(text) = page.render() else {
        // Rendering into memory has no cause to fail.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // Not `no-referrer`, which would make the form's Origin `null`.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    no_store((status, headers, text))
}

/// `GET /style.css`.
pub(crate) async fn style() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (headers, include_str!("../templates/style.css")).into_response()
}

/// Sends the browser on by a GET, whatever it came by (RFC 9700, section 4.12).
pub(crate) fn redirect(url: &Url) -> Response {
    match HeaderValue::try_from(url.as_str()) {
        Ok(location) => no_store((StatusCode::SEE_OTHER, [(LOCATION, location)])),
        // A URL is ASCII without control characters, so this has no cause.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
