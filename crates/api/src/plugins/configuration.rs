//! How a tenant has configured a plugin.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::body::InstalledBody;
use super::plugin_id;
use crate::App;
use crate::extract::{Admin, Json, Path};
use crate::problem::{Problem, ProblemBody};

/// Tells the configuration; secrets that are set show as `********`.
#[utoipa::path(
    get, path = "/plugins/{id}/config", tag = "plugins", operation_id = "getPluginConfig",
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = Object),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn get(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<Map<String, Value>>, Problem> {
    let installation = app.registry().installation(caller.tenant(), &plugin_id(&id)?).await?;
    Ok(Json(installation.masked_configuration()))
}

/// Replaces the configuration, which must follow the plugin's `configSchema`. Secrets are encrypted and never told
/// again; one that is sent as `********` stays as it is.
#[utoipa::path(
    put, path = "/plugins/{id}/config", tag = "plugins", operation_id = "setPluginConfig", request_body = Object,
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = InstalledBody<'_>),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "against the schema; `errors` has every violation"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn put(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
    Json(wanted): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let by = &caller.principal().subject;
    let installed = app.registry().configure(caller.tenant(), &plugin_id(&id)?, wanted, by).await?;
    Ok(Json(InstalledBody::new(app.registry(), &installed)).into_response())
}
