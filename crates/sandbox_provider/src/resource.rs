//! `/userinfo` and `/notes`: what an access token is good for.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use crate::Sandbox;
use crate::bearer::{Bearer, Reader, Writer};
use crate::error::{Code, OAuthError, no_store};
use crate::notes::{Change, Draft};
use crate::parameters::{Parameters, Query};

/// How many notes a page has, unless the client says otherwise.
const DEFAULT_LIMIT: usize = 20;
/// How many it may have at most.
const MAX_LIMIT: usize = 100;
/// How long a search may be, in bytes.
const MAX_SEARCH: usize = 200;

/// `GET /userinfo`: whose token it is, with the claims of OpenID Connect Core 1.0, section 5.1. Any token will do.
pub(crate) async fn person(Bearer(access): Bearer) -> Response {
    no_store(Json(access.person))
}

/// `GET /notes?limit&cursor&q`: newest first.
pub(crate) async fn list(
    State(sandbox): State<Arc<Sandbox>>,
    Reader(person): Reader,
    Query(query): Query,
) -> Result<Response, OAuthError> {
    query.refuse_repeated(&["limit", "cursor", "q"])?;
    let q = query.get("q");
    if q.is_some_and(|q| q.len() > MAX_SEARCH) {
        return Err(OAuthError::new(Code::InvalidRequest, format!("q must have at most {MAX_SEARCH} bytes")));
    }
    let listing = sandbox.notes().list(person, query.get("cursor"), q, limit(&query)?);
    Ok(no_store(Json(listing)))
}

fn limit(query: &Parameters) -> Result<usize, OAuthError> {
    let Some(text) = query.get("limit") else { return Ok(DEFAULT_LIMIT) };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| OAuthError::new(Code::InvalidRequest, format!("limit must be from 1 to {MAX_LIMIT}")))
}

/// `GET /notes/{id}`.
pub(crate) async fn read(
    State(sandbox): State<Arc<Sandbox>>,
    Reader(person): Reader,
    Path(id): Path<String>,
) -> Result<Response, OAuthError> {
    let note = sandbox.notes().get(person, &id)?;
    Ok(no_store(Json(note)))
}

/// `POST /notes` with `{title, text?}`.
pub(crate) async fn create(
    State(sandbox): State<Arc<Sandbox>>,
    Writer(person): Writer,
    draft: Result<Json<Draft>, JsonRejection>,
) -> Result<Response, OAuthError> {
    let now = sandbox.config.ambient.now();
    let note = sandbox.notes().create(person, read_body(draft)?, now)?;
    let location = format!("{}/notes/{}", sandbox.issuer(), note.id);
    let mut response = no_store((StatusCode::CREATED, Json(note)));
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// `PUT /notes/{id}` with `{title, text?}`.
pub(crate) async fn replace(
    State(sandbox): State<Arc<Sandbox>>,
    Writer(person): Writer,
    Path(id): Path<String>,
    draft: Result<Json<Draft>, JsonRejection>,
) -> Result<Response, OAuthError> {
    let now = sandbox.config.ambient.now();
    let note = sandbox.notes().replace(person, &id, read_body(draft)?, now)?;
    Ok(no_store(Json(note)))
}

/// `PATCH /notes/{id}` with `{title?, text?}`.
pub(crate) async fn change(
    State(sandbox): State<Arc<Sandbox>>,
    Writer(person): Writer,
    Path(id): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Response, OAuthError> {
    let now = sandbox.config.ambient.now();
    let note = sandbox.notes().change(person, &id, read_body(change)?, now)?;
    Ok(no_store(Json(note)))
}

/// `DELETE /notes/{id}`.
pub(crate) async fn delete(
    State(sandbox): State<Arc<Sandbox>>,
    Writer(person): Writer,
    Path(id): Path<String>,
) -> Result<Response, OAuthError> {
    sandbox.notes().delete(person, &id)?;
    Ok(no_store(StatusCode::NO_CONTENT))
}

fn read_body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, OAuthError> {
    body.map(|Json(body)| body).map_err(|error| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return OAuthError::new(Code::TooLarge, "the body is too large");
        }
        OAuthError::new(Code::InvalidRequest, "the body must be JSON: {\"title\": …, \"text\": …}")
    })
}
