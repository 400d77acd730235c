//! Projects and their issues.

use ::connectors::Items;
use ::connectors::connector::Description;
use ::connectors::project::IssueChanges;
use axum::extract::State;
use http::StatusCode;

use super::answer::AnswerBody;
use super::body::ItemBody;
use super::items::{ListQuery, RawQuery};
use super::parameters::{Parameters, said, unfit};
use super::plan::{
    ChangesBody, IssuePage, IssueResult, NewIssueBody, ProjectBody, ProjectPage, ProjectResult, SummaryResult,
};
use super::{WhoseQuery, asker};
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

/// A page of issues.
pub(in crate::unified) fn issue_page(page: Items, description: &'static Description) -> IssuePage {
    IssuePage::of(page, |issue| ItemBody::new(issue, description))
}

/// Lists the projects that the account sees. An unknown parameter is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/projects", tag = "connectors", operation_id = "listProjects",
    params(("connector" = String, Path, description = "the connector's name", example = "jira"), ListQuery),
    responses(
        (status = 200, body = AnswerBody<ProjectPage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn projects(
    State(app): State<App>,
    caller: User,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AnswerBody<ProjectPage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let listed = app.connectors().projects(&asker, &name, &wanted).await?;
    Ok(Json(AnswerBody::new(listed, |page, _| ProjectPage::of(page, ProjectBody::from))))
}

/// Gets a project.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/projects/{id}", tag = "connectors", operation_id = "getProject",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "jira"),
        ("id" = String, Path, description = "the project's `id` or `key`", example = "ACME"),
        WhoseQuery, RawQuery,
    ),
    responses(
        (status = 200, body = AnswerBody<ProjectResult>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn project(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Query(RawQuery { raw }): Query<RawQuery>,
) -> Result<Json<AnswerBody<ProjectResult>>, Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    let found = app.connectors().project(&asker, &name, &id, raw).await?;
    Ok(Json(AnswerBody::new(found, |project, _| ProjectResult::new(project))))
}

/// Tells how a project stands: how many issues it has, by state and by kind.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/projects/{id}/summary", tag = "connectors",
    operation_id = "projectSummary",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "jira"),
        ("id" = String, Path, description = "the project's `id` or `key`", example = "ACME"),
        WhoseQuery,
    ),
    responses(
        (status = 200, body = AnswerBody<SummaryResult>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn summary(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
) -> Result<Json<AnswerBody<SummaryResult>>, Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    let told = app.connectors().summary(&asker, &name, &id).await?;
    Ok(Json(AnswerBody::new(told, |summary, _| SummaryResult::new(summary))))
}

/// Lists a project's issues, what changed last first. An unknown parameter is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/projects/{id}/issues", tag = "connectors",
    operation_id = "listIssues",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "jira"),
        ("id" = String, Path, description = "the project's `id` or `key`", example = "ACME"),
        ListQuery,
    ),
    responses(
        (status = 200, body = AnswerBody<IssuePage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn issues(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AnswerBody<IssuePage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let listed = app.connectors().issues(&asker, &name, &id, &wanted).await?;
    Ok(Json(AnswerBody::new(listed, issue_page)))
}

/// Makes an issue in a project.
#[utoipa::path(
    post, path = "/api/v1/unified/connectors/{connector}/projects/{id}/issues", tag = "connectors",
    operation_id = "createIssue",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "jira"),
        ("id" = String, Path, description = "the project's `id` or `key`", example = "ACME"),
        WhoseQuery,
    ),
    request_body = NewIssueBody,
    responses(
        (status = 201, body = AnswerBody<IssueResult>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn create_issue(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Json(body): Json<NewIssueBody>,
) -> Result<(StatusCode, Json<AnswerBody<IssueResult>>), Problem> {
    said("/title", &body.title)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let made = app.connectors().create_issue(&asker, &name, &body.of(id)).await?;
    Ok((StatusCode::CREATED, Json(AnswerBody::of_item(made, IssueResult::new))))
}

/// Gets an issue.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/issues/{id}", tag = "connectors", operation_id = "getIssue",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "jira"),
        ("id" = String, Path, description = "the issue's `id` or key", example = "ACME-7"),
        WhoseQuery, RawQuery,
    ),
    responses(
        (status = 200, body = AnswerBody<IssueResult>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn issue(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Query(RawQuery { raw }): Query<RawQuery>,
) -> Result<Json<AnswerBody<IssueResult>>, Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    let found = app.connectors().issue(&asker, &name, &id, raw).await?;
    Ok(Json(AnswerBody::of_item(found, IssueResult::new)))
}

/// Changes an issue.
#[utoipa::path(
    put, path = "/api/v1/unified/connectors/{connector}/issues/{id}", tag = "connectors", operation_id = "updateIssue",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "jira"),
        ("id" = String, Path, description = "the issue's `id` or key", example = "ACME-7"),
        WhoseQuery,
    ),
    request_body = ChangesBody,
    responses(
        (status = 200, body = AnswerBody<IssueResult>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn update_issue(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Json(body): Json<ChangesBody>,
) -> Result<Json<AnswerBody<IssueResult>>, Problem> {
    body.title.as_deref().map_or(Ok(()), |title| said("/title", title))?;
    let changes = IssueChanges::from(body);
    if changes == IssueChanges::default() {
        return Err(unfit("", "must change something"));
    }
    let asker = asker(&app, &caller, &name, whose).await?;
    let done = app.connectors().update_issue(&asker, &name, &id, &changes).await?;
    Ok(Json(AnswerBody::of_item(done, IssueResult::new)))
}

/// Lists the open issues that are the account's own to do. An unknown parameter is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/my-issues", tag = "connectors", operation_id = "listMyIssues",
    params(("connector" = String, Path, description = "the connector's name", example = "jira"), ListQuery),
    responses(
        (status = 200, body = AnswerBody<IssuePage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn my_issues(
    State(app): State<App>,
    caller: User,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AnswerBody<IssuePage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let listed = app.connectors().my_issues(&asker, &name, &wanted).await?;
    Ok(Json(AnswerBody::new(listed, issue_page)))
}
