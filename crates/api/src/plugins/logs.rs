//! What a plugin's backend has logged in the caller's tenant.

use axum::extract::State;
use model::{ErrorCode, Timestamp};
use runtime::{LogQuery, Logged, level_name, level_of};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::plugin_id;
use crate::App;
use crate::extract::{Admin, Json, Path, Query};
use crate::problem::{Problem, ProblemBody};

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Lines {
    /// At most so many; fewer where their messages have more than a mebibyte.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Only those after this place, the `next` of an answer: the oldest of them first. Without it, the newest there are.
    after: Option<String>,
    /// Only those that are at least so grave: `debug`, `info`, `warn` or `error`.
    #[param(pattern = "^(debug|info|warn|error)$")]
    level: Option<String>,
}

/// Lines of a plugin's log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginLog)]
pub(super) struct LogBody {
    /// The newest last.
    lines: Vec<LineBody>,
    /// What to send as `after` for the lines that come next; left out where there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1742)]
    next: Option<i64>,
}

/// A line of a plugin's log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PluginLogLine)]
struct LineBody {
    /// Its place in the log.
    #[schema(example = 1742)]
    seq: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `debug`, `info`, `warn` or `error`.
    #[schema(example = "info")]
    level: &'static str,
    message: String,
    /// The id of the request in which it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The handler that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<String>,
}

impl From<Logged> for LineBody {
    fn from(line: Logged) -> Self {
        Self {
            seq: line.seq,
            at: line.at,
            level: level_name(line.level),
            message: line.message,
            request_id: line.request_id,
            handler: line.handler,
        }
    }
}

/// Lists what a plugin's backend has written by `console` and `ctx.logger`, and its failures with their stacks. At most 1,000
/// lines are kept of a plugin in a tenant; a line appears within a second.
#[utoipa::path(
    get, path = "/plugins/{id}/logs", tag = "plugins", operation_id = "listPluginLogs",
    params(("id" = String, Path, description = "the plugin's id", example = "payment-card"), Lines),
    responses(
        (status = 200, body = LogBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not installed"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
    Query(query): Query<Lines>,
) -> Result<Json<LogBody>, Problem> {
    let query = query.checked()?;
    let deployment = app.registry().deployment(caller.tenant(), &plugin_id(&id)?).await?;
    let logs = app.runtime().log().list(caller.tenant(), &deployment.plugin_key, query).await?;
    let lines = logs.lines.into_iter().map(LineBody::from).collect();
    Ok(Json(LogBody { lines, next: logs.next }))
}

impl Lines {
    fn checked(self) -> Result<LogQuery, Problem> {
        let invalid = |detail: &'static str| Problem::new(ErrorCode::InvalidRequest, detail);
        if self.limit.is_some_and(|limit| !(1..=1000).contains(&limit)) {
            return Err(invalid("limit must be a number from 1 to 1000"));
        }
        let after =
            self.after.filter(|after| !after.is_empty()).map(|after| after.parse::<i64>()).transpose();
        let after = after.map_err(|_| invalid("after must be the next of an answer"))?;
        let level = self.level.filter(|level| !level.is_empty());
        let level = level
            .map(|word| level_of(&word).ok_or_else(|| invalid("level must be debug, info, warn or error")));
        Ok(LogQuery { limit: self.limit, after, level: level.transpose()? })
    }
}
