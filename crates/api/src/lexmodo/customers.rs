//! A store's customers in the platform's own words: one, a page, or all of them as lines of JSON.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use connectors::Asker;
use connectors::lexmodo::{Customer, Listed, Query as CustomerQuery};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};
use crate::{App, RequestContext, ndjson};

/// The routes of the contract.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(stream)).routes(routes!(show))
}

/// A customer. What the platform does not tell is null.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Customer)]
struct CustomerBody {
    /// Its id within the store.
    #[schema(example = "7-000001")]
    customer_id: String,
    #[schema(example = "Ann")]
    customer_first_name: Option<String>,
    #[schema(example = "Lee")]
    customer_last_name: Option<String>,
    #[schema(example = "ann@lee.example")]
    customer_email: Option<String>,
    #[schema(example = "+44 20 7946 0001")]
    customer_phone_number: Option<String>,
    #[schema(example = "Ann Lee")]
    customer_full_name: Option<String>,
    /// The whole message with all that the platform tells, where the operator has given a descriptor set.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Value>,
}

impl From<Customer> for CustomerBody {
    fn from(customer: Customer) -> Self {
        Self {
            customer_id: customer.id,
            customer_first_name: customer.first_name,
            customer_last_name: customer.last_name,
            customer_email: customer.email,
            customer_phone_number: customer.phone_number,
            customer_full_name: customer.full_name,
            raw: customer.raw,
        }
    }
}

/// For whom the store's customers are read. The store's connection is every user's.
fn asker(caller: &User) -> Asker {
    let principal = caller.principal();
    Asker {
        tenant: caller.tenant().clone(),
        actor: principal.subject.clone(),
        user_email: principal.email.as_deref().map(str::to_lowercase).unwrap_or_default(),
        connection: None,
    }
}

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
struct CustomerAnswer {
    /// `true`.
    success: bool,
    /// The customer.
    customer: CustomerBody,
}

/// Gets a customer of the store that the caller's tenant is.
#[utoipa::path(
    get, path = "/lexmodo/customers/{id}", tag = "lexmodo", operation_id = "getCustomer",
    params(("id" = String, Path, description = "the customer's id", example = "7-000001")),
    responses(
        (status = 200, body = CustomerAnswer),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn show(
    State(app): State<App>,
    caller: User,
    Path(id): Path<String>,
) -> Result<Json<CustomerAnswer>, Problem> {
    let customer = app.connectors().lexmodo().customer(&asker(&caller), &id).await?;
    Ok(Json(CustomerAnswer { success: true, customer: customer.into() }))
}

/// Which customers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Those of a rule that the store has saved, by its id.
    rule_id: Option<String>,
    /// Those of a rule in the platform's own words.
    rule_query: Option<String>,
    /// How many customers to a page, 100 where left out.
    #[param(minimum = 1, maximum = 1000)]
    display_result: Option<u32>,
}

impl ListQuery {
    fn asked(self) -> CustomerQuery {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (rule_id, rule) = (given(self.rule_id), given(self.rule_query));
        CustomerQuery { rule_id, rule, page_size: self.display_result }
    }
}

/// Where a listing goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PitQuery {
    /// The `pit` of the answer before, with all else as it was; left out for the first page.
    pit: Option<String>,
}

/// A page of customers.
#[derive(Debug, Serialize, ToSchema)]
struct CustomersBody {
    /// `true`.
    success: bool,
    /// The customers.
    customers: Vec<CustomerBody>,
    /// The point in time that the listing holds on to: what to send for the next page. Null at the end.
    pit: Option<String>,
    /// How many customers there are in all, as the platform says.
    #[schema(example = 10_000)]
    total_result: u32,
}

impl From<Listed> for CustomersBody {
    fn from(listed: Listed) -> Self {
        Self {
            success: true,
            customers: listed.customers.into_iter().map(Into::into).collect(),
            pit: listed.pit,
            total_result: listed.total_result,
        }
    }
}

/// Lists customers of the store that the caller's tenant is, page by page.
#[utoipa::path(
    get, path = "/lexmodo/customers", tag = "lexmodo", operation_id = "listCustomers", params(ListQuery, PitQuery),
    responses(
        (status = 200, body = CustomersBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn list(
    State(app): State<App>,
    caller: User,
    Query(query): Query<ListQuery>,
    Query(PitQuery { pit }): Query<PitQuery>,
) -> Result<Json<CustomersBody>, Problem> {
    let pit = pit.filter(|pit| !pit.is_empty());
    let listed = app.connectors().lexmodo().page(&asker(&caller), &query.asked(), pit.as_deref()).await?;
    Ok(Json(listed.into()))
}

/// Streams all customers of the store that the caller's tenant is, one a line, as fast as they are read. The listing holds
/// on to one point in time. What fails after the first page ends the stream with a line `{"error": …}` that holds the
/// problem: without it the listing is whole.
#[utoipa::path(
    get, path = "/lexmodo/customers/stream", tag = "lexmodo", operation_id = "streamCustomers", params(ListQuery),
    responses(
        (status = 200, body = CustomerBody, content_type = "application/x-ndjson"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn stream(
    State(app): State<App>,
    caller: User,
    Extension(request): Extension<RequestContext>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let pages = app.connectors().lexmodo().stream(&asker(&caller), query.asked()).await?;
    ndjson::respond(&request, pages.map_ok(|page| page.into_iter().map(CustomerBody::from))).await
}
