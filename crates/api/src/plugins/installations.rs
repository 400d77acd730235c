//! What a tenant has installed.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::InstalledBody;
use super::consent::GrantsBody;
use super::plugin_id;
use crate::App;
use crate::extract::{Admin, Json, Path, User};
use crate::problem::{Problem, ProblemBody};

/// Which plugin, and which of its versions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Install {
    #[schema(example = "payment-card")]
    plugin_id: String,
    /// The current version where left out.
    #[schema(example = "1.0.0")]
    version: Option<String>,
    /// What the version may do, to be agreed to. Where it is given it must be the version's `grants`. Without it an install
    /// agrees to those, and an upgrade to a version that asks for more is refused.
    consent: Option<GrantsBody>,
}

/// Which plugin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Uninstall {
    #[schema(example = "payment-card")]
    plugin_id: String,
}

/// Whether pages show it.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SetStatus {
    enabled: bool,
}

/// It was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Success {
    success: bool,
}

impl Success {
    pub(crate) const DONE: Self = Self { success: true };
}

/// Lists what the caller's tenant has installed, by name.
#[utoipa::path(
    get, path = "/plugins/installed", tag = "plugins", operation_id = "listInstalledPlugins",
    responses(
        (status = 200, body = Vec<InstalledBody<'_>>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn installed(State(app): State<App>, caller: User) -> Result<Response, Problem> {
    let registry = app.registry();
    let installed = registry.installed(caller.tenant()).await?;
    let bodies: Vec<_> = installed.iter().map(|each| InstalledBody::new(registry, each)).collect();
    Ok(Json(bodies).into_response())
}

/// Installs a plugin for the caller's tenant and enables it.
#[utoipa::path(
    post, path = "/plugins/install", tag = "plugins", operation_id = "installPlugin", request_body = Install,
    responses(
        (status = 201, body = InstalledBody<'_>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "installed already, or `consent` is not what it asks for"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "incompatible; `errors` has every reason"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn install(
    State(app): State<App>,
    caller: Admin,
    Json(body): Json<Install>,
) -> Result<Response, Problem> {
    let id = plugin_id(&body.plugin_id)?;
    let by = &caller.principal().subject;
    let consent = body.consent.map(Into::into);
    let version = body.version.as_deref();
    let installed = app.registry().install(caller.tenant(), &id, version, consent.as_ref(), by).await?;
    Ok((StatusCode::CREATED, Json(InstalledBody::new(app.registry(), &installed))).into_response())
}

/// Moves an installed plugin to its current version, or to the one named. Its configuration stays. A version that asks for
/// more than was consented to waits for `consent`.
#[utoipa::path(
    post, path = "/plugins/upgrade", tag = "plugins", operation_id = "upgradePlugin", request_body = Install,
    responses(
        (status = 200, body = InstalledBody<'_>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`consent_required`: it asks for more than was consented to; `errors` names each addition"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "incompatible; `errors` has every reason"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn upgrade(
    State(app): State<App>,
    caller: Admin,
    Json(body): Json<Install>,
) -> Result<Response, Problem> {
    let id = plugin_id(&body.plugin_id)?;
    let by = &caller.principal().subject;
    let consent = body.consent.map(Into::into);
    let version = body.version.as_deref();
    let installed = app.registry().upgrade(caller.tenant(), &id, version, consent.as_ref(), by).await?;
    Ok(Json(InstalledBody::new(app.registry(), &installed)).into_response())
}

/// Uninstalls a plugin; its configuration and secrets go with it.
#[utoipa::path(
    post, path = "/plugins/uninstall", tag = "plugins", operation_id = "uninstallPlugin", request_body = Uninstall,
    responses(
        (status = 200, body = Success),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not installed"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn uninstall(
    State(app): State<App>,
    caller: Admin,
    Json(body): Json<Uninstall>,
) -> Result<Json<Success>, Problem> {
    let id = plugin_id(&body.plugin_id)?;
    app.registry().uninstall(caller.tenant(), &id, &caller.principal().subject).await?;
    Ok(Json(Success::DONE))
}

/// Enables or disables an installed plugin.
#[utoipa::path(
    put, path = "/plugins/{id}/status", tag = "plugins", operation_id = "setPluginStatus", request_body = SetStatus,
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = InstalledBody<'_>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn set_status(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
    Json(body): Json<SetStatus>,
) -> Result<Response, Problem> {
    let by = &caller.principal().subject;
    let installed = app.registry().set_enabled(caller.tenant(), &plugin_id(&id)?, body.enabled, by).await?;
    Ok(Json(InstalledBody::new(app.registry(), &installed)).into_response())
}
