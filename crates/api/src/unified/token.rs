//! Reading an access token, where the operator allows it.

use axum::extract::State;
use http::{HeaderMap, header};
use model::{CredentialKind, ErrorCode, Timestamp};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::connections::sees_all;
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

/// Which of a connection's credentials.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TokenQuery {
    /// Its name, where a connection has several; the first where left out.
    credential: Option<String>,
}

/// An access token.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenBody {
    /// What is sent as `Authorization: Bearer`.
    #[schema(format = Password)]
    access_token: String,
    /// When it ends. Ask again then: it will have been renewed.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// What was granted.
    scopes: Vec<String>,
}

/// Reads a connection's access token, where the operator has set TOKEN_READS. For an admin or an API key. Each read is on
/// record.
#[utoipa::path(
    get, path = "/api/v1/unified/connections/{id}/token", tag = "connections", operation_id = "readToken",
    params(("id" = String, Path, description = "the connection's `id`"), TokenQuery),
    responses(
        (status = 200, body = TokenBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn token(
    State(app): State<App>,
    caller: User,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<TokenQuery>,
) -> Result<Json<TokenBody>, Problem> {
    if !sees_all(&caller) {
        let detail = "tokens are for an admin or an API key of the tenant";
        return Err(Problem::new(ErrorCode::InsufficientRole, detail));
    }
    // A cookie comes by itself, also where a page only wants to see what happens.
    if caller.principal().credential == CredentialKind::User && !headers.contains_key(header::AUTHORIZATION) {
        let detail = "a token is not given for a session cookie: send `Authorization: Bearer …`";
        return Err(Problem::new(ErrorCode::InvalidCredential, detail));
    }
    let by = &caller.principal().subject;
    let read = app.connections().read_token(caller.tenant(), &id, query.credential.as_deref(), by).await?;
    Ok(Json(TokenBody {
        access_token: read.secret.expose_secret().to_owned(),
        expires_at: read.expires_at,
        scopes: read.scopes.clone(),
    }))
}
