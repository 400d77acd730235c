//! Deliveries of events: what has become of them, and having them made again.

use std::borrow::Cow;

use axum::extract::State;
use events::delivery::{Delivery, Filter, Range, State as DeliveryState};
use model::{ErrorCode, PluginId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reach;
use crate::App;
use crate::extract::{Admin, Json, Path, Query};
use crate::problem::{Problem, ProblemBody};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(retry))
        .routes(routes!(replay))
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Deliveries {
    /// Those of this subscription, by its id.
    subscription: Option<String>,
    /// Those to the hooks of this plugin, by its id.
    plugin: Option<String>,
    /// Those in this state; `failed` are the dead letters.
    #[param(pattern = "^(pending|delivered|failed|skipped)$")]
    state: Option<String>,
    /// Those of the event with this id.
    event: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next` of an earlier answer.
    cursor: Option<String>,
}

/// Deliveries of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventDeliveries)]
struct DeliveriesBody {
    /// The newest first.
    deliveries: Vec<DeliveryBody>,
    /// What to send as `cursor` for the next page; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1742")]
    next: Option<String>,
}

/// The delivery of an event to one receiver.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventDelivery)]
struct DeliveryBody {
    #[schema(example = "1742")]
    id: String,
    /// The subscription that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<String>,
    /// The plugin whose hook it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_id: Option<String>,
    /// The handler that it goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<String>,
    /// What is delivered; left out where the log no longer has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<DeliveredEvent>,
    /// `pending`, `delivered`, `failed` (a dead letter) or `skipped`.
    #[schema(example = "delivered")]
    state: &'static str,
    /// How many attempts were made.
    #[schema(example = 1)]
    attempts: i64,
    /// When the next attempt is made at the earliest; an earlier delivery of the same key goes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 204)]
    status: Option<u16>,
    /// What the last attempt failed with, or why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The delivery that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

/// By what an event is known.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveredEvent {
    id: String,
    source: String,
    #[serde(rename = "type")]
    #[schema(example = "order.created")]
    kind: String,
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            subscription_id: delivery.subscription,
            plugin_id: delivery.plugin,
            handler: delivery.handler,
            event: delivery.event.map(|((id, source), kind)| DeliveredEvent { id, source, kind }),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.due_at,
            status: delivery.status,
            error: delivery.error,
            replay_of: delivery.replay_of.map(|id| id.to_string()),
            created_at: delivery.created_at,
            finished_at: delivery.finished_at,
        }
    }
}

/// Lists deliveries of events to the tenant's subscriptions and plugins. Finished ones are kept for 30 days.
#[utoipa::path(
    get, path = "/events/deliveries", tag = "events", operation_id = "listEventDeliveries", params(Deliveries),
    responses(
        (status = 200, body = DeliveriesBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn list(
    State(app): State<App>,
    caller: Admin,
    Query(query): Query<Deliveries>,
) -> Result<Json<DeliveriesBody>, Problem> {
    if query.limit.is_some_and(|limit| !(1..=200).contains(&limit)) {
        return Err(invalid("limit must be a number from 1 to 200"));
    }
    let filter = Filter {
        subscription: query.subscription,
        plugin: plugin(query.plugin.as_deref())?,
        state: query.state.as_deref().map(state).transpose()?,
        event: query.event,
    };
    let cursor = query.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let of = (caller.tenant(), reach(&caller));
    let page = app.deliveries().list(of, &filter, cursor, query.limit).await?;
    let deliveries = page.deliveries.into_iter().map(DeliveryBody::from).collect();
    Ok(Json(DeliveriesBody { deliveries, next: page.next_cursor }))
}

/// Tells what has become of a delivery.
#[utoipa::path(
    get, path = "/events/deliveries/{id}", tag = "events", operation_id = "getEventDelivery",
    params(("id" = String, Path, description = "the delivery's id", example = "1742")),
    responses(
        (status = 200, body = DeliveryBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such delivery of the tenant"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn get(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<DeliveryBody>, Problem> {
    let of = (caller.tenant(), reach(&caller));
    Ok(Json(app.deliveries().find(of, number(&id)?).await?.into()))
}

/// Has a delivery that waits made at once. One that is finished is made once more, by another delivery behind all that waits for the same
/// receiver; its `webhook-id` is the same.
#[utoipa::path(
    post, path = "/events/deliveries/{id}/retry", tag = "events", operation_id = "retryEventDelivery",
    params(("id" = String, Path, description = "the delivery's id", example = "1742")),
    responses(
        (status = 200, body = DeliveryBody, description = "the delivery that will be made"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no such delivery of the tenant"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "its receiver is gone"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too many wait for its receiver"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn retry(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<DeliveryBody>, Problem> {
    let of = (caller.tenant(), reach(&caller));
    Ok(Json(app.deliveries().retry(of, number(&id)?).await?.into()))
}

/// Which deliveries are to be made again. Either `subscription` or `plugin` is there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReplayDeliveries {
    /// Those of this subscription, by its id.
    #[schema(example = "01JD0V7M3R9X6W2A5T4N8QKZBC")]
    subscription: Option<String>,
    /// Those to the hooks of this plugin, by its id.
    plugin: Option<String>,
    /// Those that have ended so: `failed`, where it is left out, `delivered` or `skipped`.
    #[schema(example = "failed")]
    state: Option<String>,
    /// Those that were made for events from this moment on (RFC 3339).
    #[schema(format = DateTime, example = "2026-11-20T00:00:00Z")]
    from: Option<String>,
    /// Those before this moment.
    #[schema(format = DateTime, example = "2026-11-21T00:00:00Z")]
    to: Option<String>,
    /// The rest of an earlier request: the `next` of its answer.
    #[schema(example = "1742.2011")]
    after: Option<String>,
}

/// What is made again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayedDeliveries)]
struct ReplayedBody {
    /// How many deliveries.
    #[schema(example = 12)]
    replayed: u64,
    /// What to send as `after` for the rest, to be taken as it is; left out where there is none.
    #[schema(example = "1742.2011")]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Has finished deliveries of a receiver made once more, in their order and behind all that waits for it: at most 1,000 with one request. What
/// was made once more since it ended so is left out, and so is what comes of an earlier request of the same range.
#[utoipa::path(
    post, path = "/events/deliveries/replay", tag = "events", operation_id = "replayEventDeliveries",
    request_body = ReplayDeliveries,
    responses(
        (status = 202, body = ReplayedBody),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "the receiver is gone"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too many wait for the receiver"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn replay(
    State(app): State<App>,
    caller: Admin,
    Json(body): Json<ReplayDeliveries>,
) -> Result<(http::StatusCode, Json<ReplayedBody>), Problem> {
    if body.subscription.is_some() == body.plugin.is_some() {
        return Err(invalid("either subscription or plugin must be given"));
    }
    let state = body.state.as_deref().map_or(Ok(DeliveryState::Failed), state)?;
    if state == DeliveryState::Pending {
        return Err(invalid("state must be failed, delivered or skipped: what is pending is made anyway"));
    }
    let (after, through) =
        match body.after.as_deref().map(|after| after.split_once('.').unwrap_or((after, ""))) {
            None => (0, None),
            Some((after, "")) => (number(after)?, None),
            Some((after, through)) => (number(after)?, Some(number(through)?)),
        };
    let range = Range {
        subscription: body.subscription,
        plugin: plugin(body.plugin.as_deref())?,
        state,
        from: body.from.as_deref().map(moment).transpose()?,
        to: body.to.as_deref().map(moment).transpose()?,
        after,
        through,
    };
    let replayed = app.deliveries().replay((caller.tenant(), reach(&caller)), &range).await?;
    let next = replayed.next.map(|(next, through)| format!("{next}.{through}"));
    Ok((http::StatusCode::ACCEPTED, Json(ReplayedBody { replayed: replayed.count, next })))
}

fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

fn plugin(text: Option<&str>) -> Result<Option<PluginId>, Problem> {
    text.map(|text| text.parse().map_err(|error: model::IdError| invalid(error.to_string()))).transpose()
}

fn state(text: &str) -> Result<DeliveryState, Problem> {
    DeliveryState::read(text).ok_or_else(|| invalid("state must be pending, delivered, failed or skipped"))
}

/// A delivery's number; what is none names no delivery.
fn number(text: &str) -> Result<i64, Problem> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain).ok_or_else(|| events::Error::NoSuchDelivery.into())
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    let moment: jiff::Timestamp = text
        .parse()
        .map_err(|_| invalid("from and to must be times as RFC 3339 has them, with an offset"))?;
    Ok(Timestamp::from_millisecond(moment.as_millisecond()))
}
