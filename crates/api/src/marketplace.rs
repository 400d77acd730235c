//! The marketplace (CONTRACT §2): the shared catalog, searched by anybody, kept by who runs the platform.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use registry::{PageRequest, SearchRequest, Sort};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::extract::{Json, Path, PlatformAdmin, Query};
use crate::plugins::installations::Success;
use crate::plugins::{PluginBody, page_response, plugin_id};
use crate::problem::{Problem, ProblemBody};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search)).routes(routes!(categories)).routes(routes!(get, remove))
}

/// The route that takes sources.
pub(crate) fn publishing_routes() -> OpenApiRouter<App> {
    use crate::plugins::publish::{__path_create_in_marketplace, create_in_marketplace};
    OpenApiRouter::new().routes(routes!(create_in_marketplace))
}

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Exactly this category.
    #[param(example = "payment")]
    category: Option<String>,
    /// This text in the name, description or id; capitals do not matter.
    search: Option<String>,
    /// `name` unless said.
    #[param(inline)]
    sort: Option<SortName>,
    /// How many at most: 100 unless said, 200 at most.
    limit: Option<u16>,
    /// From the `Link` header of the page before.
    cursor: Option<String>,
}

/// An order of the marketplace.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Sort)]
enum SortName {
    Name,
    Newest,
    Popular,
    Rating,
}

impl SortName {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Newest => "newest",
            Self::Popular => "popular",
            Self::Rating => "rating",
        }
    }
}

impl From<SortName> for Sort {
    fn from(name: SortName) -> Self {
        match name {
            SortName::Name => Self::Name,
            SortName::Newest => Self::Newest,
            SortName::Popular => Self::Popular,
            SortName::Rating => Self::Rating,
        }
    }
}

/// Searches the shared catalog.
#[utoipa::path(
    get, path = "/marketplace", tag = "marketplace", operation_id = "searchMarketplace", params(SearchQuery),
    responses(
        (status = 200, body = Vec<PluginBody<'_>>, headers(("Link" = String, description = "the next page, if any"))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn search(State(app): State<App>, Query(query): Query<SearchQuery>) -> Result<Response, Problem> {
    let request = SearchRequest {
        category: query.category.clone(),
        text: query.search.clone(),
        sort: query.sort.map(Sort::from).unwrap_or_default(),
        page: PageRequest { limit: query.limit, cursor: query.cursor },
    };
    let page = app.registry().search(&request).await?;
    let limit = query.limit.map(|limit| limit.to_string());
    let again = [
        ("category", query.category.as_deref()),
        ("search", query.search.as_deref()),
        ("sort", query.sort.map(SortName::as_str)),
        ("limit", limit.as_deref()),
    ];
    Ok(page_response(&app, &page, "/marketplace", &again))
}

/// Lists the categories of the shared catalog.
#[utoipa::path(
    get, path = "/marketplace/categories", tag = "marketplace", operation_id = "listCategories",
    responses((status = 200, body = Vec<String>)),
)]
async fn categories(State(app): State<App>) -> Result<Json<Vec<String>>, Problem> {
    Ok(Json(app.registry().categories().await?))
}

/// Tells of one plugin of the shared catalog.
#[utoipa::path(
    get, path = "/marketplace/{id}", tag = "marketplace", operation_id = "getMarketplacePlugin",
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = PluginBody<'_>),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let plugin = app.registry().plugin(None, &plugin_id(&id)?).await?;
    Ok(Json(PluginBody::new(app.registry(), &plugin)).into_response())
}

/// Takes a plugin out of the shared catalog. Tenants that have it installed keep the version they run.
#[utoipa::path(
    delete, path = "/marketplace/{id}", tag = "marketplace", operation_id = "removeFromMarketplace",
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = Success),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn remove(
    State(app): State<App>,
    _: PlatformAdmin,
    Path(id): Path<String>,
) -> Result<Json<Success>, Problem> {
    app.registry().remove(&plugin_id(&id)?).await?;
    Ok(Json(Success::DONE))
}
