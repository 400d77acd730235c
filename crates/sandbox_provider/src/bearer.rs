//! Access tokens, as RFC 6750 has them.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::Sandbox;
use crate::error::{Code, OAuthError};
use crate::grants::Access;
use crate::people::Person;
use crate::scope::Scope;

/// The holder of a good access token, whatever its scopes.
pub(crate) struct Bearer(pub(crate) Access);

impl FromRequestParts<Arc<Sandbox>> for Bearer {
    type Rejection = OAuthError;

    async fn from_request_parts(parts: &mut Parts, sandbox: &Arc<Sandbox>) -> Result<Self, Self::Rejection> {
        let missing =
            || OAuthError::new(Code::NoToken, "an access token in the Authorization header is required");
        let header = parts.headers.get(AUTHORIZATION).ok_or_else(missing)?;
        let (scheme, token) =
            header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        let access = sandbox.grants().access(token.trim(), sandbox.config.ambient.now());
        access.map(Self).ok_or_else(|| {
            OAuthError::new(Code::InvalidToken, "the access token is not known, was revoked, or has expired")
        })
    }
}

/// The person whose notes the holder of a token may read.
pub(crate) struct Reader(pub(crate) &'static Person);

/// The person whose notes the holder of a token may write.
pub(crate) struct Writer(pub(crate) &'static Person);

impl FromRequestParts<Arc<Sandbox>> for Reader {
    type Rejection = OAuthError;

    async fn from_request_parts(parts: &mut Parts, sandbox: &Arc<Sandbox>) -> Result<Self, Self::Rejection> {
        with_scope(parts, sandbox, Scope::Read).await.map(Self)
    }
}

impl FromRequestParts<Arc<Sandbox>> for Writer {
    type Rejection = OAuthError;

    async fn from_request_parts(parts: &mut Parts, sandbox: &Arc<Sandbox>) -> Result<Self, Self::Rejection> {
        with_scope(parts, sandbox, Scope::Write).await.map(Self)
    }
}

async fn with_scope(
    parts: &mut Parts,
    sandbox: &Arc<Sandbox>,
    scope: Scope,
) -> Result<&'static Person, OAuthError> {
    let Bearer(access) = Bearer::from_request_parts(parts, sandbox).await?;
    if access.scopes.contains(scope) {
        Ok(access.person)
    } else {
        Err(OAuthError::needs_scope(scope.as_str()))
    }
}
