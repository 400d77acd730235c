//! OAuth apps that tenants bring along in place of the platform's.

use ::connections::{NewOauthApp, OauthApp};
use axum::extract::State;
use model::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Admin, Json, Path};
use crate::problem::{Problem, ProblemBody};

/// A tenant's own OAuth app, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OauthApp)]
pub(super) struct OauthAppBody {
    /// The provider where it is registered.
    #[schema(example = "google")]
    provider: String,
    /// Its public name there.
    client_id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<OauthApp> for OauthAppBody {
    fn from(app: OauthApp) -> Self {
        Self {
            provider: app.provider.to_string(),
            client_id: app.client_id,
            created_at: app.created_at,
            updated_at: app.updated_at,
        }
    }
}

/// The tenant's own OAuth apps.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OauthAppsBody {
    /// `true`.
    success: bool,
    /// By provider.
    oauth_apps: Vec<OauthAppBody>,
}

/// What an OAuth app is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutOauthApp {
    /// Its public name at the provider.
    client_id: String,
    /// Its secret; left out for a public client.
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<SecretString>,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OauthAppRemoved {
    /// `true`.
    success: bool,
}

/// Lists the tenant's own OAuth apps.
#[utoipa::path(
    get, path = "/api/v1/unified/oauth-apps", tag = "connections", operation_id = "listOauthApps",
    responses(
        (status = 200, body = OauthAppsBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(State(app): State<App>, caller: Admin) -> Result<Json<OauthAppsBody>, Problem> {
    let apps = app.connections().oauth_apps(caller.tenant()).await?;
    Ok(Json(OauthAppsBody { success: true, oauth_apps: apps.into_iter().map(Into::into).collect() }))
}

/// Sets the OAuth app that new connections of this tenant are made with, in place of the platform's.
#[utoipa::path(
    put, path = "/api/v1/unified/oauth-apps/{provider}", tag = "connections", operation_id = "putOauthApp",
    params(("provider" = String, Path, description = "the provider's name in the catalog")), request_body = PutOauthApp,
    responses(
        (status = 200, body = OauthAppBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn put(
    State(app): State<App>,
    caller: Admin,
    Path(provider): Path<String>,
    Json(body): Json<PutOauthApp>,
) -> Result<Json<OauthAppBody>, Problem> {
    let new = NewOauthApp { client_id: body.client_id, client_secret: body.client_secret };
    let by = &caller.principal().subject;
    Ok(Json(app.connections().set_oauth_app(caller.tenant(), &provider, new, by).await?.into()))
}

/// Removes the tenant's own OAuth app: new connections are made with the platform's.
#[utoipa::path(
    delete, path = "/api/v1/unified/oauth-apps/{provider}", tag = "connections", operation_id = "removeOauthApp",
    params(("provider" = String, Path, description = "the provider's name in the catalog")),
    responses(
        (status = 200, body = OauthAppRemoved),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Admin,
    Path(provider): Path<String>,
) -> Result<Json<OauthAppRemoved>, Problem> {
    app.connections().remove_oauth_app(caller.tenant(), &provider, &caller.principal().subject).await?;
    Ok(Json(OauthAppRemoved { success: true }))
}
