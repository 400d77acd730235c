//! Jira's projects and issues, as the document of the connectors' server has them: shorter ways to the connector `jira`.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connectors::{
    IssuePage, ListQuery, Parameters, ProjectBody, ProjectPage, ShortBody, asker, issue_page,
};
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

/// The connector.
const JIRA: &str = "jira";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(projects)).routes(routes!(issues)).routes(routes!(my_issues))
}

/// Lists the projects of a Jira site.
#[utoipa::path(
    get, path = "/api/v1/unified/jira/projects", tag = "connectors", operation_id = "jiraProjects",
    params(ListQuery),
    responses(
        (status = 200, body = ShortBody<ProjectPage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn projects(
    State(app): State<App>,
    caller: User,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<ShortBody<ProjectPage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, JIRA, whose).await?;
    let listed = app.connectors().projects(&asker, JIRA, &wanted).await?;
    Ok(Json(ShortBody::new(listed, |page, _| ProjectPage::of(page, ProjectBody::from))))
}

/// Lists the issues of a Jira project, what changed last first.
#[utoipa::path(
    get, path = "/api/v1/unified/jira/projects/{id}/issues", tag = "connectors", operation_id = "jiraIssues",
    params(("id" = String, Path, description = "the project's `id` or `key`", example = "ACME"), ListQuery),
    responses(
        (status = 200, body = ShortBody<IssuePage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn issues(
    State(app): State<App>,
    caller: User,
    Path(project): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<ShortBody<IssuePage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, JIRA, whose).await?;
    let listed = app.connectors().issues(&asker, JIRA, &project, &wanted).await?;
    Ok(Json(ShortBody::new(listed, issue_page)))
}

/// Lists the open issues in Jira that are the user's own to do.
#[utoipa::path(
    get, path = "/api/v1/unified/jira/my-issues", tag = "connectors", operation_id = "jiraMyIssues",
    params(ListQuery),
    responses(
        (status = 200, body = ShortBody<IssuePage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn my_issues(
    State(app): State<App>,
    caller: User,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<ShortBody<IssuePage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, JIRA, whose).await?;
    let listed = app.connectors().my_issues(&asker, JIRA, &wanted).await?;
    Ok(Json(ShortBody::new(listed, issue_page)))
}
