//! Errors as OAuth tells them.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

/// The error codes of RFC 6749 (sections 4.1.2.1 and 5.2), RFC 6750 (section 3.1), and those of the notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnsupportedGrantType,
    UnsupportedResponseType,
    InvalidScope,
    AccessDenied,
    /// No token at all: RFC 6750 wants no code then.
    NoToken,
    InvalidToken,
    InsufficientScope,
    NotFound,
    LimitReached,
    TooLarge,
}

impl Code {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::NoToken => "token_required",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::NotFound => "not_found",
            Self::LimitReached => "limit_reached",
            Self::TooLarge => "too_large",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient | Self::NoToken | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::AccessDenied | Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::LimitReached => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What a client must do, where the status asks for it. The scopes are constants, so nothing needs quoting.
    fn challenge(self, scope: Option<&str>) -> Option<String> {
        match self {
            Self::InvalidClient => Some("Basic realm=\"sandbox\"".to_owned()),
            Self::NoToken => Some("Bearer realm=\"sandbox\"".to_owned()),
            Self::InvalidToken | Self::InsufficientScope => {
                let scope = scope.map(|scope| format!(", scope=\"{scope}\"")).unwrap_or_default();
                Some(format!("Bearer realm=\"sandbox\", error=\"{}\"{scope}", self.as_str()))
            }
            _ => None,
        }
    }
}

/// An error, as it is answered in JSON.
#[derive(Debug, Clone)]
pub(crate) struct OAuthError {
    pub(crate) code: Code,
    pub(crate) description: Cow<'static, str>,
    scope: Option<&'static str>,
}

impl OAuthError {
    pub(crate) fn new(code: Code, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: description.into(), scope: None }
    }

    /// A token that does not have `scope`.
    pub(crate) fn needs_scope(scope: &'static str) -> Self {
        let description = format!("the token does not have the scope {scope}").into();
        Self { code: Code::InsufficientScope, description, scope: Some(scope) }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({"error": self.code.as_str(), "error_description": self.description});
        let mut response = no_store((self.code.status(), Json(body)));
        if let Some(challenge) = self.code.challenge(self.scope)
            && let Ok(challenge) = HeaderValue::try_from(challenge)
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// An answer that nobody may keep (RFC 6749, section 5.1).
pub(crate) fn no_store(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
