//! The connectors: which there are, what each can with a connection, its items, and all else that it has.

mod answer;
mod body;
mod by_plugins;
mod comments;
mod communication;
mod containers;
mod content;
mod items;
mod parameters;
mod plan;
mod project;

use ::connectors::connector::Ability;
use ::connectors::{Asker, Done, Error};
use axum::extract::State;
use model::Coded as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::whose;
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};
pub(super) use answer::ShortBody;
pub(super) use body::ItemBody;
use body::{ConnectorBody, FilterBody, OperationBody};
pub use by_plugins::ForPlugins;
pub(super) use communication::{ChannelBody, MessagePage, message_page};
pub(super) use containers::ContainerBody;
pub(super) use items::ListQuery;
pub(super) use parameters::{Parameters, twice};
pub(super) use plan::{IssuePage, ProjectBody, ProjectPage};
pub(super) use project::issue_page;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(test))
        .routes(routes!(capabilities))
        .routes(routes!(items::list, items::create))
        .routes(routes!(items::get, items::update, items::delete))
        .routes(routes!(items::search))
        .routes(routes!(content::content))
        .routes(routes!(comments::list, comments::add))
        .routes(routes!(containers::list))
        .merge(communication_routes())
        .merge(project_routes())
}

fn communication_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(communication::channels))
        .routes(routes!(communication::channel))
        .routes(routes!(communication::messages, communication::send))
        .routes(routes!(communication::users))
}

fn project_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(project::projects))
        .routes(routes!(project::project))
        .routes(routes!(project::issues, project::create_issue))
        .routes(routes!(project::summary))
        .routes(routes!(project::issue, project::update_issue))
        .routes(routes!(project::my_issues))
}

/// Whose connection is meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhoseQuery {
    /// The user; the credential's own e-mail address where left out. It says nothing where the tenant itself has the
    /// connection.
    user_email: Option<String>,
    /// One of several accounts; the default one where left out.
    connection_id: Option<String>,
}

/// For whom the connector `name` is used.
pub(super) async fn asker(app: &App, caller: &User, name: &str, query: WhoseQuery) -> Result<Asker, Problem> {
    let provider = app.connectors().configured(name)?.provider.to_owned();
    let WhoseQuery { user_email, connection_id } = query;
    let whose = whose::whose(app, caller, provider, user_email.as_deref(), connection_id).await?;
    Ok(Asker {
        tenant: whose.tenant,
        actor: caller.principal().subject.clone(),
        user_email: whose.user_email,
        connection: whose.connection,
    })
}

/// The connectors there are.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectorsBody {
    /// `true`.
    success: bool,
    /// By name.
    connectors: Vec<ConnectorBody>,
}

/// Lists the connectors.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors", tag = "connectors", operation_id = "listConnectors",
    responses(
        (status = 200, body = ConnectorsBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn list(State(app): State<App>, caller: User) -> Result<Json<ConnectorsBody>, Problem> {
    let connectors = app.connectors().list(caller.tenant()).await?;
    let connectors = connectors.into_iter().map(ConnectorBody::from).collect();
    Ok(Json(ConnectorsBody { success: true, connectors }))
}

/// Whether a connection works with a connector.
#[derive(Debug, Serialize, ToSchema)]
struct TestBody {
    /// `true`: the question was answered.
    success: bool,
    /// The connector.
    #[schema(example = "lexmodo")]
    provider: &'static str,
    /// Whose connection it is; left out where it is the tenant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<String>,
    /// The answer.
    result: TestResult,
}

/// Whether a connection works with a connector.
#[derive(Debug, Serialize, ToSchema)]
struct TestResult {
    /// Whether the vendor has just answered as it should.
    connected: bool,
    /// The connection.
    connection_id: String,
    /// Why not, as the code of the error that its use would bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "reauthorization_required")]
    reason: Option<&'static str>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Asks the vendor for as little as can be, to see whether the connection works.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/test", tag = "connectors", operation_id = "testConnector",
    params(("connector" = String, Path, description = "the connector's name", example = "lexmodo"), WhoseQuery),
    responses(
        (status = 200, body = TestBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn test(
    State(app): State<App>,
    caller: User,
    Path(name): Path<String>,
    Query(query): Query<WhoseQuery>,
) -> Result<Json<TestBody>, Problem> {
    let asker = asker(&app, &caller, &name, query).await?;
    let Done { connection, description, result } = app.connectors().test(&asker, &name).await?;
    let trouble = match result {
        Ok(()) => None,
        // Not about the connection: the caller cannot have meant this.
        Err(error @ Error::NotAStore) => return Err(error.into()),
        Err(error) => Some((error.code().as_str(), Problem::of(&error).detail().to_owned())),
    };
    let (reason, detail) = trouble.unzip();
    let result = TestResult { connected: reason.is_none(), connection_id: connection.id, reason, detail };
    Ok(Json(TestBody {
        success: true,
        provider: description.id,
        user_email: body::user(connection.user_email),
        result,
    }))
}

/// What a connection can be used for.
#[derive(Debug, Serialize, ToSchema)]
struct CapabilitiesBody {
    /// `true`.
    success: bool,
    /// The connector.
    #[schema(example = "lexmodo")]
    provider: &'static str,
    /// Whose connection it is; left out where it is the tenant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<String>,
    /// What it can be used for.
    capabilities: Granted,
}

/// What a connection can be used for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionCapabilities)]
struct Granted {
    /// The connector.
    #[schema(example = "lexmodo")]
    provider: &'static str,
    /// The connection.
    connection_id: String,
    /// What it can be used for: the operations whose scopes were granted.
    #[schema(example = json!(["list", "get", "search"]))]
    capabilities: Vec<&'static str>,
    /// The scopes that were granted.
    scopes: Vec<String>,
    /// All that the connector can, granted or not.
    operations: Vec<OperationBody>,
    /// The parameters that narrow its lists.
    filters: Vec<FilterBody>,
}

/// Tells what a connection can be used for: the connector's operations, the scopes that each needs, and which of them
/// were granted.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/capabilities", tag = "connectors",
    operation_id = "connectorCapabilities",
    params(("connector" = String, Path, description = "the connector's name", example = "lexmodo"), WhoseQuery),
    responses(
        (status = 200, body = CapabilitiesBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn capabilities(
    State(app): State<App>,
    caller: User,
    Path(name): Path<String>,
    Query(query): Query<WhoseQuery>,
) -> Result<Json<CapabilitiesBody>, Problem> {
    let asker = asker(&app, &caller, &name, query).await?;
    let Done { connection, description, .. } = app.connectors().capabilities(&asker, &name).await?;
    let is_granted = |ability: &Ability| description.is_granted(ability, &connection);
    let granted = description.operations.iter().filter(|ability| is_granted(ability));
    let operations = description.operations.iter();
    let capabilities = Granted {
        provider: description.id,
        capabilities: granted.map(|ability| ability.operation.as_str()).collect(),
        operations: operations.map(|each| OperationBody::granted(each, is_granted(each))).collect(),
        filters: description.filters.iter().map(FilterBody::from).collect(),
        scopes: connection.scopes(),
        connection_id: connection.id,
    };
    Ok(Json(CapabilitiesBody {
        success: true,
        provider: description.id,
        user_email: body::user(connection.user_email),
        capabilities,
    }))
}
