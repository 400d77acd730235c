//! What items stand in: labels, calendars, shared drives, spaces.

use ::connectors::containers::Container;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::{AnswerBody, page};
use super::asker;
use super::items::ListQuery;
use super::parameters::Parameters;
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

/// A label, a calendar, a shared drive, a space.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Container)]
pub(in crate::unified) struct ContainerBody {
    /// Its id at the vendor: what the filter takes that lists the items in it.
    #[schema(example = "Label_7")]
    id: String,
    /// What it is.
    #[serde(rename = "type")]
    #[schema(example = "label")]
    kind: &'static str,
    /// What it is called.
    #[schema(example = "Invoices")]
    name: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Where people see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// What else this kind of container has.
    #[schema(example = json!({"type": "user", "messages": 12, "unread_messages": 3}))]
    extra: Map<String, Value>,
    /// The vendor's answer as it came, with `raw=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Value>,
}

impl From<Container> for ContainerBody {
    fn from(container: Container) -> Self {
        Self {
            id: container.id,
            kind: container.kind,
            name: container.name,
            text: container.text,
            url: container.url,
            extra: container.extra,
            raw: container.raw,
        }
    }
}

page! {
    /// A page of labels, calendars, shared drives, spaces.
    ContainerPage { containers: ContainerBody }
}

/// Lists what items stand in: labels of `gmail`, calendars of `calendar`, shared drives of `drive`. What narrows lists of
/// items does not narrow this one. An unknown parameter is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/containers", tag = "connectors",
    operation_id = "listContainers",
    params(("connector" = String, Path, description = "the connector's name", example = "gmail"), ListQuery),
    responses(
        (status = 200, body = AnswerBody<ContainerPage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: User,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AnswerBody<ContainerPage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let listed = app.connectors().containers(&asker, &name, &wanted).await?;
    Ok(Json(AnswerBody::new(listed, |page, _| ContainerPage::of(page, ContainerBody::from))))
}
