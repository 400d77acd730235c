//! What people say about items.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{AnswerBody, one, page};
use super::body::ItemBody;
use super::items::ListQuery;
use super::parameters::{Parameters, said};
use super::{WhoseQuery, asker};
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

page! {
    /// A page of comments, the first of them first.
    CommentPage { comments: ItemBody }
}
one! {
    /// A comment.
    CommentResult { comment: ItemBody }
}

/// Lists the comments on an item: an issue, a page, a pull request. An unknown parameter is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/items/{id}/comments", tag = "connectors",
    operation_id = "listComments",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "jira"),
        ("id" = String, Path, description = "the item's `id`", example = "ACME-7"),
        ListQuery,
    ),
    responses(
        (status = 200, body = AnswerBody<CommentPage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AnswerBody<CommentPage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let listed = app.connectors().comments(&asker, &name, &id, &wanted).await?;
    let body = AnswerBody::new(listed, |page, description| {
        CommentPage::of(page, |comment| ItemBody::new(comment, description))
    });
    Ok(Json(body))
}

/// A comment to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewComment, example = json!({"text": "It happens **only** in the app."}))]
pub(super) struct NewCommentBody {
    /// What it says, in Markdown.
    text: String,
}

/// Adds a comment to an item.
#[utoipa::path(
    post, path = "/api/v1/unified/connectors/{connector}/items/{id}/comments", tag = "connectors",
    operation_id = "addComment",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "jira"),
        ("id" = String, Path, description = "the item's `id`", example = "ACME-7"),
        WhoseQuery,
    ),
    request_body = NewCommentBody,
    responses(
        (status = 201, body = AnswerBody<CommentResult>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn add(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Json(NewCommentBody { text }): Json<NewCommentBody>,
) -> Result<(StatusCode, Json<AnswerBody<CommentResult>>), Problem> {
    said("/text", &text)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let added = app.connectors().add_comment(&asker, &name, &id, &text).await?;
    Ok((StatusCode::CREATED, Json(AnswerBody::of_item(added, CommentResult::new))))
}
