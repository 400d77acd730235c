//! Subscriptions to events, and what has become of their deliveries.

mod bodies;
mod deliveries;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use events::subscription::{Actor, NewSubscription, Scope};
use http::{HeaderValue, StatusCode, header};
use model::{Caller, Role, Scope as CredentialScope};
use secrecy::ExposeSecret as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::extract::{Admin, Json, Path};
use crate::problem::{Problem, ProblemBody};
use bodies::{
    ChangeSubscription, CreateSubscription, CreatedSubscription, NewSecret, ScopeName, SubscriptionBody,
    SubscriptionTest, Subscriptions,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(rotate_secret))
        .routes(routes!(test))
        .merge(deliveries::routes())
}

/// Up to which scope a caller may see and change subscriptions.
fn reach(caller: &Caller) -> Scope {
    let runs_platform =
        caller.is_at_least(Role::PlatformAdmin) && caller.principal().scope == CredentialScope::Platform;
    if runs_platform { Scope::Platform } else { Scope::Tenant }
}

/// Who acts.
fn actor(caller: &Caller) -> Actor<'_> {
    Actor { tenant: caller.tenant(), reach: reach(caller), by: &caller.principal().subject }
}

/// What no cache may keep: it holds a secret.
fn told_once(status: StatusCode, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Has events given to an endpoint, or to a plugin's handler, from now on: at least once, those of a subject or `partitionkey` in
/// order. An endpoint gets each as CloudEvents JSON, signed as Standard Webhooks has it with the `secret` that is told here, this once.
/// A tenant has at most 100 subscriptions, or as many as `SUBSCRIPTIONS_PER_TENANT` says.
#[utoipa::path(
    post, path = "/subscriptions", tag = "events", operation_id = "createSubscription",
    request_body = CreateSubscription,
    responses(
        (status = 201, body = CreatedSubscription),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`scope` is `platform`, and the caller does not run the platform"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "the plugin of `handler` is not installed"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "the tenant has as many as it may have"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "not all of it can be; `errors` names each"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn create(
    State(app): State<App>,
    caller: Admin,
    Json(body): Json<CreateSubscription>,
) -> Result<Response, Problem> {
    let scope = Scope::from(body.scope.unwrap_or(ScopeName::Tenant));
    if scope > reach(&caller) {
        return Err(Problem::new(
            model::ErrorCode::InsufficientRole,
            "scope platform is for a platform admin, whose credential holds in every tenant",
        ));
    }
    let wanted = NewSubscription {
        types: body.types,
        scope,
        endpoint: body.endpoint.map(|endpoint| endpoint.url),
        handler: body.handler.map(|handler| (handler.plugin_id, handler.handler)),
        description: body.description,
    };
    let (subscription, secret) = app.subscriptions().create(actor(&caller), wanted).await?;
    let secret = secret.map(|secret| secret.expose_secret().to_owned());
    let body = CreatedSubscription { subscription: subscription.into(), secret };
    Ok(told_once(StatusCode::CREATED, Json(body)))
}

/// Lists the tenant's subscriptions, the oldest first. Those of scope `platform` are listed to platform admins.
#[utoipa::path(
    get, path = "/subscriptions", tag = "events", operation_id = "listSubscriptions",
    responses(
        (status = 200, body = Subscriptions),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn list(State(app): State<App>, caller: Admin) -> Result<Json<Subscriptions>, Problem> {
    let all = app.subscriptions().list(actor(&caller)).await?;
    Ok(Json(Subscriptions { subscriptions: all.into_iter().map(SubscriptionBody::from).collect() }))
}

/// Tells of a subscription.
#[utoipa::path(
    get, path = "/subscriptions/{id}", tag = "events", operation_id = "getSubscription",
    params(("id" = String, Path, description = "the subscription's id", example = "01JD0V7M3R9X6W2A5T4N8QKZBC")),
    responses(
        (status = 200, body = SubscriptionBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such subscription of the tenant"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn get(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionBody>, Problem> {
    Ok(Json(app.subscriptions().get(actor(&caller), &id).await?.into()))
}

/// Changes what a subscription wants, or where it goes; what is left out stays. What waits goes to the new place, too.
#[utoipa::path(
    patch, path = "/subscriptions/{id}", tag = "events", operation_id = "updateSubscription",
    params(("id" = String, Path, description = "the subscription's id", example = "01JD0V7M3R9X6W2A5T4N8QKZBC")),
    request_body = ChangeSubscription,
    responses(
        (status = 200, body = SubscriptionBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such subscription of the tenant"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "not all of it can be; `errors` names each"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn update(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
    Json(body): Json<ChangeSubscription>,
) -> Result<Json<SubscriptionBody>, Problem> {
    Ok(Json(app.subscriptions().update(actor(&caller), &id, body.into()).await?.into()))
}

/// Deletes a subscription. What it was yet to be given is skipped.
#[utoipa::path(
    delete, path = "/subscriptions/{id}", tag = "events", operation_id = "deleteSubscription",
    params(("id" = String, Path, description = "the subscription's id", example = "01JD0V7M3R9X6W2A5T4N8QKZBC")),
    responses(
        (status = 204, description = "it is gone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such subscription of the tenant"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn delete(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.subscriptions().delete(actor(&caller), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a subscription given nothing until it is resumed. What is being delivered at the moment goes on. Events wait in the log, for as long
/// as the log keeps them.
#[utoipa::path(
    post, path = "/subscriptions/{id}/pause", tag = "events", operation_id = "pauseSubscription",
    params(("id" = String, Path, description = "the subscription's id", example = "01JD0V7M3R9X6W2A5T4N8QKZBC")),
    responses(
        (status = 200, body = SubscriptionBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such subscription of the tenant"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn pause(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionBody>, Problem> {
    Ok(Json(app.subscriptions().pause(actor(&caller), &id).await?.into()))
}

/// Has a subscription that is paused or disabled given events again, beginning with those that it was not given meanwhile. Where the log no
/// longer has all of them, `jackfield.subscription.events_expired` tells.
#[utoipa::path(
    post, path = "/subscriptions/{id}/resume", tag = "events", operation_id = "resumeSubscription",
    params(("id" = String, Path, description = "the subscription's id", example = "01JD0V7M3R9X6W2A5T4N8QKZBC")),
    responses(
        (status = 200, body = SubscriptionBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such subscription of the tenant"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn resume(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionBody>, Problem> {
    Ok(Json(app.subscriptions().resume(actor(&caller), &id).await?.into()))
}

/// Gives a subscription's endpoint a new secret, told this once. For 24 hours each delivery is signed with both.
#[utoipa::path(
    post, path = "/subscriptions/{id}/rotate-secret", tag = "events", operation_id = "rotateSubscriptionSecret",
    params(("id" = String, Path, description = "the subscription's id", example = "01JD0V7M3R9X6W2A5T4N8QKZBC")),
    responses(
        (status = 200, body = NewSecret),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such subscription of the tenant"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "it has no endpoint, so nothing is signed"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn rotate_secret(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (secret, former_until) = app.subscriptions().rotate_secret(actor(&caller), &id).await?;
    let secret = secret.expose_secret().to_owned();
    Ok(told_once(StatusCode::OK, Json(NewSecret { secret, former_secret_until: former_until })))
}

/// Sends the receiver an event of the type `jackfield.subscription.test`, once and at once, also while the subscription is paused, and tells
/// what came of it. It stands in no log, and is not tried again.
#[utoipa::path(
    post, path = "/subscriptions/{id}/test", tag = "events", operation_id = "testSubscription",
    params(("id" = String, Path, description = "the subscription's id", example = "01JD0V7M3R9X6W2A5T4N8QKZBC")),
    responses(
        (status = 200, body = SubscriptionTest, description = "what came of it, whether delivered or not"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such subscription of the tenant"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn test(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionTest>, Problem> {
    Ok(Json(app.subscriptions().test(actor(&caller), &id).await?.into()))
}
