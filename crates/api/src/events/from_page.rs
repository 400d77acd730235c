//! What a page says in the name of its plugin.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use events::publish::PageEvent;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::publish::TakenBody;
use crate::App;
use crate::extract::{Json, Path, User};
use crate::plugins::plugin_id;
use crate::problem::{Problem, ProblemBody};

/// What a page has to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PageEvent)]
pub(super) struct PageEventBody {
    /// One of the types in the manifest's `emits`.
    #[serde(rename = "type")]
    #[schema(example = "cart.shared")]
    kind: String,
    /// The particulars, at most 64 KiB.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"items": 3}))]
    data: Value,
    /// What it is about.
    #[schema(example = "cart-7")]
    subject: Option<String>,
    /// Where an event has led to it: its hops. What has been led to eight times looks like a circle, and is refused.
    hops: Option<u32>,
}

/// Emits an event as the page of a plugin, in the user's tenant. The plugin must be installed and switched on, its manifest's `emits` must
/// have the type, and the tenant's policy must let pages emit it. The event's `source` is the plugin, its `sender` `page:{id}`.
#[utoipa::path(
    post, path = "/plugins/{id}/events", tag = "events", operation_id = "emitAsPage", request_body = PageEventBody,
    params(("id" = String, Path, description = "the plugin's id", example = "payment-card")),
    responses(
        (status = 202, body = TakenBody, description = "it is in the log for good"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "switched off, not in the manifest's `emits`, or not allowed by the tenant's policy"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not installed"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn emit(
    State(app): State<App>,
    caller: User,
    Path(id): Path<String>,
    Json(body): Json<PageEventBody>,
) -> Result<Response, Problem> {
    let deployment = app.registry().deployment(caller.tenant(), &plugin_id(&id)?).await?;
    if !deployment.enabled {
        return Err(runtime::Error::Disabled(id).into());
    }
    let PageEventBody { kind, data, subject, hops } = body;
    let event = PageEvent { kind, data, subject, hops };
    let emits = |kind: &str| deployment.emits.contains(kind);
    let taken = app.publisher().emit_from_page(caller.tenant(), (&deployment.plugin, emits), event).await?;
    Ok((StatusCode::ACCEPTED, Json(TakenBody::from(taken))).into_response())
}
