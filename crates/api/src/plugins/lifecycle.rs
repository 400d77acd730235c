//! What has become of a plugin's lifecycle hooks in the caller's tenant, and having them called again.

use axum::extract::State;
use model::{ErrorCode, Timestamp};
use runtime::lifecycle::{Error, Run};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::plugin_id;
use crate::App;
use crate::extract::{Admin, Json, Path, Query};
use crate::problem::{Problem, ProblemBody};

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Runs {
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next` of an earlier answer.
    cursor: Option<String>,
}

/// Runs of a plugin's lifecycle hooks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginLifecycle)]
pub(super) struct LifecycleBody {
    /// The newest first.
    runs: Vec<RunBody>,
    /// What to send as `cursor` for the next page; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1742")]
    next: Option<String>,
}

/// A hook's being told of an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PluginLifecycleRun)]
pub(super) struct RunBody {
    #[schema(example = "1742")]
    id: String,
    /// `onInstall`, `onUninstall`, `onEnable` or `onDisable`.
    #[schema(example = "onInstall")]
    hook: &'static str,
    /// `pending`, `running`, `done`, `failed` or `skipped`.
    #[schema(example = "done")]
    state: &'static str,
    /// How many attempts were begun since it was last asked for.
    #[schema(example = 1)]
    attempts: i64,
    /// What the last attempt failed with, or why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// When the next attempt is due at the earliest; an earlier run of the same plugin goes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// The event that called it.
    event: EventBody,
    /// The version that was installed at the event.
    #[schema(example = "1.0.0")]
    version: String,
    /// When it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

/// What has happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginLifecycleEvent)]
struct EventBody {
    id: String,
    #[serde(rename = "type")]
    #[schema(example = "jackfield.installation.created")]
    kind: String,
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
}

impl From<Run> for RunBody {
    fn from(run: Run) -> Self {
        Self {
            id: run.id.to_string(),
            hook: run.hook.as_str(),
            state: run.state.as_str(),
            attempts: run.attempts,
            error: run.error,
            next_attempt_at: run.next_attempt_at,
            event: EventBody { id: run.event, kind: run.event_kind, time: run.created_at },
            version: run.version,
            finished_at: run.finished_at,
        }
    }
}

/// Lists what has become of a plugin's `onInstall`, `onEnable`, `onDisable` and `onUninstall` in the tenant. Runs are kept for
/// 30 days, also those of a plugin that was uninstalled.
#[utoipa::path(
    get, path = "/plugins/{id}/lifecycle", tag = "plugins", operation_id = "listPluginLifecycle",
    params(("id" = String, Path, description = "the plugin's id", example = "payment-card"), Runs),
    responses(
        (status = 200, body = LifecycleBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not installed, and no run is left of when it was"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
    Query(query): Query<Runs>,
) -> Result<Json<LifecycleBody>, Problem> {
    if query.limit.is_some_and(|limit| !(1..=200).contains(&limit)) {
        return Err(Problem::new(ErrorCode::InvalidRequest, "limit must be a number from 1 to 200"));
    }
    let cursor = query.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let page = app.lifecycle().list(caller.tenant(), &plugin_id(&id)?, cursor, query.limit).await?;
    let runs = page.runs.into_iter().map(RunBody::from).collect();
    Ok(Json(LifecycleBody { runs, next: page.next_cursor }))
}

/// Has a run that waits made at once; one that has failed or was skipped, once more. It may still wait for an earlier run of
/// the same plugin.
#[utoipa::path(
    post, path = "/plugins/{id}/lifecycle/{run}/retry", tag = "plugins", operation_id = "retryPluginLifecycle",
    params(
        ("id" = String, Path, description = "the plugin's id", example = "payment-card"),
        ("run" = String, Path, description = "the run's id", example = "1742"),
    ),
    responses(
        (status = 200, body = RunBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such run of this plugin"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "it is at work or done, or is the `onUninstall` of what is gone"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn retry(
    State(app): State<App>,
    caller: Admin,
    Path((id, run)): Path<(String, String)>,
) -> Result<Json<RunBody>, Problem> {
    let run = run.parse::<i64>().map_err(|_| Error::NoSuchRun)?;
    Ok(Json(app.lifecycle().retry(caller.tenant(), &plugin_id(&id)?, run).await?.into()))
}
