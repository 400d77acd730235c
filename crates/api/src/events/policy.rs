//! What pages may emit and follow in a tenant.

use axum::extract::State;
use events::publish::EventPolicy;
use model::EventPattern;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Admin, Json};
use crate::problem::{Problem, ProblemBody};

/// What a tenant lets others do with events.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EventPolicy)]
pub(super) struct PolicyBody {
    /// What pages may do, and so their users.
    pages: PagesBody,
}

/// What pages may do.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PagesPolicy)]
struct PagesBody {
    /// The types that they may emit, as far as their plugin's manifest has them in `emits`: types, or beginnings as in `cart.*`. None
    /// until an admin says so: whoever sees a page can say in its name what it may.
    #[schema(example = json!(["cart.*"]))]
    #[serde(default)]
    emit: Vec<String>,
    /// The types that users may follow, as far as a plugin's manifest has them in `listens`; all of those where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["payment.*"]))]
    follow: Option<Vec<String>>,
}

impl From<EventPolicy> for PolicyBody {
    fn from(policy: EventPolicy) -> Self {
        let texts = |list: Vec<EventPattern>| list.iter().map(ToString::to_string).collect();
        Self { pages: PagesBody { emit: texts(policy.emit), follow: policy.follow.map(texts) } }
    }
}

/// Tells what pages may emit and follow in the caller's tenant.
#[utoipa::path(
    get, path = "/events/policy", tag = "events", operation_id = "getEventPolicy",
    responses(
        (status = 200, body = PolicyBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn get(State(app): State<App>, caller: Admin) -> Result<Json<PolicyBody>, Problem> {
    Ok(Json(app.publisher().policy(caller.tenant()).await?.into()))
}

/// Says what pages may emit and follow in the caller's tenant, in place of what was said before.
#[utoipa::path(
    put, path = "/events/policy", tag = "events", operation_id = "setEventPolicy", request_body = PolicyBody,
    responses(
        (status = 200, body = PolicyBody),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "not all are patterns; `errors` names each"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn put(
    State(app): State<App>,
    caller: Admin,
    Json(PolicyBody { pages }): Json<PolicyBody>,
) -> Result<Json<PolicyBody>, Problem> {
    let policy = EventPolicy::checked(&pages.emit, pages.follow.as_deref())?;
    app.publisher().set_policy(caller.tenant(), &policy, &caller.principal().subject).await?;
    Ok(Json(policy.into()))
}
