//! `POST /token` and `POST /revoke`: what clients ask for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::Sandbox;
use crate::client::authenticate;
use crate::error::{Code, OAuthError, no_store};
use crate::grants::{ACCESS_LIFETIME, Tokens};
use crate::parameters::{Form, Parameters};
use crate::scope::Scopes;

/// The parameters that may be there once.
const ONCE: [&str; 8] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "client_id",
    "client_secret",
];

/// Gives tokens for a code or a refresh token (RFC 6749, sections 4.1.3 and 6).
pub(crate) async fn redeem(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Response, OAuthError> {
    form.refuse_repeated(&ONCE)?;
    authenticate(&sandbox, &headers, &form)?;
    let tokens = match form.require("grant_type")? {
        "authorization_code" => of_code(&sandbox, &form)?,
        "refresh_token" => of_refresh_token(&sandbox, &form)?,
        _ => {
            let detail = "the grant_type must be authorization_code or refresh_token";
            return Err(OAuthError::new(Code::UnsupportedGrantType, detail));
        }
    };
    Ok(no_store(Json(json!({
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME.as_secs(),
        "refresh_token": tokens.refresh,
        "scope": tokens.scopes.to_string(),
    }))))
}

fn of_code(sandbox: &Sandbox, form: &Parameters) -> Result<Tokens, OAuthError> {
    let code = form.require("code")?;
    let redirect_uri = form.require("redirect_uri")?;
    let verifier = form.require("code_verifier")?;
    sandbox.grants().redeem(code, redirect_uri, verifier, &sandbox.config.ambient)
}

fn of_refresh_token(sandbox: &Sandbox, form: &Parameters) -> Result<Tokens, OAuthError> {
    let refresh_token = form.require("refresh_token")?;
    let narrowed = match form.get("scope") {
        None => None,
        Some(text) => Some(Scopes::parse(text).ok_or_else(|| {
            OAuthError::new(Code::InvalidScope, "the scope must be of notes.read and notes.write")
        })?),
    };
    sandbox.grants().refresh(refresh_token, narrowed, &sandbox.config.ambient)
}

/// Ends a token (RFC 7009): 200 whether it was known or not.
pub(crate) async fn revoke(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Response, OAuthError> {
    form.refuse_repeated(&["token", "token_type_hint", "client_id", "client_secret"])?;
    authenticate(&sandbox, &headers, &form)?;
    sandbox.grants().revoke(form.require("token")?);
    Ok(no_store(StatusCode::OK))
}
