//! The items of a connector.

use ::connectors::{Asker, Wanted};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures::TryStreamExt as _;
use http::StatusCode;
use model::ErrorCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::body::{DeletedBody, ItemAnswerBody, ItemBody, PageBody};
use super::parameters::{Parameters, take_stream};
use super::{WhoseQuery, asker};
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};
use crate::{App, RequestContext, ndjson};

/// What every list takes beside the connector's own filters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "for the document: the handlers take all parameters, as each connector has its own"
)]
pub(in crate::unified) struct ListQuery {
    /// The user; the credential's own e-mail address where left out. It says nothing where the tenant itself has the
    /// connection.
    user_email: Option<String>,
    /// One of several accounts; the default one where left out.
    connection_id: Option<String>,
    /// At most so many items, 50 where left out. Vendors may give fewer to a page though more follow.
    #[param(minimum = 1, maximum = 1000)]
    max_results: Option<u32>,
    /// The `next_page_token` of the answer before, with all else as it was.
    page_token: Option<String>,
    /// Whether the vendor's own answer is wanted beside each item.
    raw: Option<bool>,
}

/// How a list is to be had.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document, as above")]
pub(super) struct StreamQuery {
    /// Whether all pages are wanted as one stream of lines, in place of one page. `max_results` is then how many items the
    /// vendor is asked for at a time, and `page_token` where the stream begins.
    stream: Option<bool>,
}

/// The answer that gives all items from `wanted.page_token` on, a line each.
async fn lines(
    (app, request): (&App, &RequestContext),
    asker: &Asker,
    name: &str,
    query: Option<&str>,
    wanted: &Wanted,
) -> Result<Response, Problem> {
    let items = app.connectors().stream_items(asker, name, query, wanted).await?;
    let description = items.description;
    let body = move |item| ItemBody::new(item, description);
    ndjson::respond(request, items.result.map_ok(move |page| page.into_iter().map(body))).await
}

/// Lists a connector's items. The connector's own filters are parameters, too: `GET /api/v1/unified/connectors` names
/// them, `rule_id` of `lexmodo` for one. An unknown parameter is refused.
///
/// With `stream=true` all pages come as one stream, a line for each item, as fast as it is read; each item comes once. What
/// fails after the first page ends the stream with a line `{"error": …}` that holds the problem: without it the list is
/// whole. Beside the problem, `next_page_token` is the `page_token` to go on with, and `retry_after` the seconds to wait.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/items", tag = "connectors", operation_id = "listItems",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "lexmodo"), ListQuery, StreamQuery,
    ),
    responses(
        (status = 200, content(
            (PageBody = "application/json"),
            (ItemBody = "application/x-ndjson"),
        )),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: User,
    Extension(request): Extension<RequestContext>,
    Path(name): Path<String>,
    Query(mut pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let is_stream = take_stream(&mut pairs)?;
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    if is_stream {
        return lines((&app, &request), &asker, &name, None, &wanted).await;
    }
    let page = app.connectors().list_items(&asker, &name, &wanted).await?;
    Ok(Json(PageBody::from(page)).into_response())
}

/// What a search asks for.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "for the document: the handler takes all parameters, as each connector has its own"
)]
pub(super) struct SearchQuery {
    /// What to look for, in the vendor's own words: a rule of `lexmodo`, a search of `gmail`.
    #[param(example = "from:ann@example.com")]
    query: String,
}

/// Searches a connector's items. `stream=true` gives all that is found, as it does where items are listed.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/search", tag = "connectors", operation_id = "searchItems",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "lexmodo"), SearchQuery, ListQuery,
        StreamQuery,
    ),
    responses(
        (status = 200, content(
            (PageBody = "application/json"),
            (ItemBody = "application/x-ndjson"),
        )),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn search(
    State(app): State<App>,
    caller: User,
    Extension(request): Extension<RequestContext>,
    Path(name): Path<String>,
    Query(mut pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let is_stream = take_stream(&mut pairs)?;
    let Parameters { whose, wanted, query } = Parameters::take(pairs, true)?;
    let Some(query) = query.filter(|query| !query.trim().is_empty()) else {
        return Err(Problem::new(ErrorCode::InvalidRequest, "query must say what to look for"));
    };
    let asker = asker(&app, &caller, &name, whose).await?;
    if is_stream {
        return lines((&app, &request), &asker, &name, Some(&query), &wanted).await;
    }
    let page = app.connectors().search(&asker, &name, &query, &wanted).await?;
    Ok(Json(PageBody::from(page)).into_response())
}

/// How an item is to be told.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RawQuery {
    /// Whether the vendor's own answer is wanted beside it.
    #[serde(default)]
    #[param(required = false)]
    pub(super) raw: bool,
}

/// Gets an item.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/items/{id}", tag = "connectors", operation_id = "getItem",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "lexmodo"),
        ("id" = String, Path, description = "the item's `id`", example = "7-000001"),
        WhoseQuery, RawQuery,
    ),
    responses(
        (status = 200, body = ItemAnswerBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn get(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Query(RawQuery { raw }): Query<RawQuery>,
) -> Result<Json<ItemAnswerBody>, Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    Ok(Json(app.connectors().item(&asker, &name, &id, raw).await?.into()))
}

/// Makes an item.
#[utoipa::path(
    post, path = "/api/v1/unified/connectors/{connector}/items", tag = "connectors", operation_id = "createItem",
    params(("connector" = String, Path, description = "the connector's name", example = "gmail"), WhoseQuery),
    request_body(
        content = Object, description = "the item's fields, which each connector names",
        example = json!({"to": "ann@example.com", "subject": "The release", "body": "It is on Thursday."}),
    ),
    responses(
        (status = 201, body = ItemAnswerBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn create(
    State(app): State<App>,
    caller: User,
    Path(name): Path<String>,
    Query(whose): Query<WhoseQuery>,
    Json(fields): Json<Map<String, Value>>,
) -> Result<(StatusCode, Json<ItemAnswerBody>), Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    let made = app.connectors().create(&asker, &name, &fields).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes an item.
#[utoipa::path(
    put, path = "/api/v1/unified/connectors/{connector}/items/{id}", tag = "connectors", operation_id = "updateItem",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "gmail"),
        ("id" = String, Path, description = "the item's `id`", example = "19a1b2c3d4e5f607"),
        WhoseQuery,
    ),
    request_body(
        content = Object, description = "the fields to change, which each connector names",
        example = json!({"is_unread": false, "add_label_ids": ["Label_7"]}),
    ),
    responses(
        (status = 200, body = ItemAnswerBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn update(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Json(fields): Json<Map<String, Value>>,
) -> Result<Json<ItemAnswerBody>, Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    Ok(Json(app.connectors().update(&asker, &name, &id, &fields).await?.into()))
}

/// Deletes an item.
#[utoipa::path(
    delete, path = "/api/v1/unified/connectors/{connector}/items/{id}", tag = "connectors",
    operation_id = "deleteItem",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "calendar"),
        ("id" = String, Path, description = "the item's `id`", example = "7cbh8rpc10lrc0ckih9tafss99"),
        WhoseQuery,
    ),
    responses(
        (status = 200, body = DeletedBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn delete(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
) -> Result<Json<DeletedBody>, Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    Ok(Json(app.connectors().delete(&asker, &name, &id).await?.into()))
}
