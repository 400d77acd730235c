//! API keys: an admin makes, lists and revokes those of its tenant, the platform's administrator also the platform's.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use identity::{ApiKey, Maker, NewApiKey};
use model::{ErrorCode, Role, Scope, Timestamp, Violation};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::extract::{Admin, Json, Path, Query};
use crate::problem::{Problem, ProblemBody};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// What a new key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateApiKey {
    /// What it is for, 1 to 100 characters.
    #[schema(example = "nightly sync")]
    name: String,
    /// What it may do; not above the maker's own role. `user` where left out.
    role: Option<RoleName>,
    /// Whether it holds in every tenant; for the platform's administrator to make.
    #[serde(default)]
    platform: bool,
    /// From when on it is refused (RFC 3339); it lives until it is revoked where left out.
    #[schema(format = DateTime, example = "2027-01-01T00:00:00Z")]
    expires_at: Option<String>,
}

/// A role.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
enum RoleName {
    User,
    Admin,
    Owner,
    PlatformAdmin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::User => Self::User,
            RoleName::Admin => Self::Admin,
            RoleName::Owner => Self::Owner,
            RoleName::PlatformAdmin => Self::PlatformAdmin,
        }
    }
}

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
struct ApiKeyBody {
    /// By which it is revoked.
    id: String,
    /// What it is for.
    name: String,
    /// What it may do.
    #[schema(value_type = RoleName)]
    role: &'static str,
    /// The tenant it holds in; absent for a key of the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    /// Whether it holds in every tenant.
    platform: bool,
    /// Who made it; absent for keys made at the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// From when on it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        let tenant_id = match &key.scope {
            Scope::Tenant(tenant) => Some(tenant.to_string()),
            Scope::Platform => None,
        };
        Self {
            id: key.id,
            name: key.name,
            role: key.role.as_str(),
            platform: tenant_id.is_none(),
            tenant_id,
            created_by: key.created_by,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A new API key with its secret, which is told this once.
#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    #[serde(flatten)]
    key: ApiKeyBody,
    /// What its user sends as bearer token. It cannot be had again.
    #[schema(example = "jf_…")]
    secret: String,
}

/// Whose keys are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// `true` for the platform's own keys; for the platform's administrator.
    #[serde(default)]
    platform: bool,
}

/// The scope that a caller may mean: its tenant, or the platform if it runs it.
fn scope(caller: &Admin, platform: bool) -> Result<Scope, Problem> {
    if !platform {
        return Ok(Scope::Tenant(caller.tenant().clone()));
    }
    let runs_the_platform =
        caller.principal().scope == Scope::Platform && caller.is_at_least(Role::PlatformAdmin);
    if runs_the_platform {
        Ok(Scope::Platform)
    } else {
        Err(Problem::new(ErrorCode::InsufficientRole, "the platform's own keys are for its administrator"))
    }
}

/// Makes a key. Its secret is in the answer, and nowhere else.
#[utoipa::path(
    post, path = "/api-keys", tag = "identity", operation_id = "createApiKey", request_body = CreateApiKey,
    responses(
        (status = 201, body = CreatedApiKey),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn create(
    State(app): State<App>,
    caller: Admin,
    Json(body): Json<CreateApiKey>,
) -> Result<Response, Problem> {
    let new = NewApiKey {
        scope: scope(&caller, body.platform)?,
        role: body.role.map_or(Role::User, Role::from),
        name: body.name,
        expires_at: body.expires_at.as_deref().map(parse_time).transpose()?,
    };
    let (key, secret) = app.api_keys().create(new, Maker::Caller(&caller)).await?;
    let body = CreatedApiKey { key: key.into(), secret: secret.expose_secret().to_owned() };
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

fn parse_time(text: &str) -> Result<Timestamp, Problem> {
    let time = text.parse::<jiff::Timestamp>();
    time.map(|time| Timestamp::from_millisecond(time.as_millisecond())).map_err(|_| {
        let detail = "expiresAt must be a time in RFC 3339, such as 2027-01-01T00:00:00Z";
        Problem::new(ErrorCode::ValidationFailed, detail)
            .with_violations(vec![Violation::new("/expiresAt", detail)])
    })
}

/// Lists the keys of the caller's tenant, newest first, at most 1,000; revoked and expired ones for 90 days.
#[utoipa::path(
    get, path = "/api-keys", tag = "identity", operation_id = "listApiKeys", params(Whose),
    responses(
        (status = 200, body = Vec<ApiKeyBody>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn list(
    State(app): State<App>,
    caller: Admin,
    Query(whose): Query<Whose>,
) -> Result<Json<Vec<ApiKeyBody>>, Problem> {
    let keys = app.api_keys().list(&scope(&caller, whose.platform)?).await?;
    Ok(Json(keys.into_iter().map(ApiKeyBody::from).collect()))
}

/// Revokes a key: it is refused from the next request on. Revoking it again changes nothing.
#[utoipa::path(
    delete, path = "/api-keys/{id}", tag = "identity", operation_id = "revokeApiKey",
    params(("id" = String, Path, description = "the key's `id`"), Whose),
    responses(
        (status = 200, body = ApiKeyBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn revoke(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<ApiKeyBody>, Problem> {
    let key = app.api_keys().revoke(&scope(&caller, whose.platform)?, &id).await?;
    Ok(Json(key.into()))
}
