//! What became of webhooks in the caller's tenant, and having them delivered again.

use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use events::webhook::{Filter, Inspected, MAX_PAGE, MAX_RANGE, Page, Range, Replayed, WebhookDelivery};
use model::{ErrorCode, PluginId, Timestamp, Violation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::{Admin, Json, OptionalJson, Path, Query};
use crate::problem::{Problem, ProblemBody};

/// The longest text that is searched for, in bytes.
const MAX_SEARCH: usize = 200;

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this plugin.
    plugin: Option<String>,
    /// In this state: `pending`, `delivered`, `failed` or `skipped`.
    #[param(pattern = "^(pending|delivered|failed|skipped)$")]
    state: Option<String>,
    /// With this text in the body, or of the webhook that has this id at its sender.
    search: Option<String>,
    /// The `next` of an earlier answer.
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Deliveries of webhooks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveries)]
pub(super) struct PageBody {
    /// The newest first. There may be fewer than asked for, or none, and still a `next`.
    deliveries: Vec<DeliveryBody>,
    /// What to send as `after` for the next page; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1742")]
    next: Option<String>,
}

/// A webhook's being given to its plugin.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookDelivery)]
pub(super) struct DeliveryBody {
    #[schema(example = "1742")]
    id: String,
    /// The webhook; several deliveries may be of one.
    #[schema(example = "981")]
    webhook_id: String,
    #[schema(example = "payment-card")]
    plugin_id: String,
    /// `pending`, `delivered`, `failed` (for good, after all attempts) or `skipped` (there was nobody to take it).
    #[schema(example = "delivered")]
    state: &'static str,
    #[schema(example = 1)]
    attempts: i64,
    /// When the next attempt is due, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// The status of the plugin's last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 200)]
    last_status: Option<u16>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// The delivery that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// When it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// The id that the sender gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "evt_1NG8Du2eZvKYlo2CUI79vXWy")]
    sender_id: Option<String>,
    #[schema(example = "POST")]
    method: String,
    /// What followed the address.
    #[schema(example = "/")]
    path: String,
    /// The size of the body in bytes.
    #[schema(example = 1310)]
    size: u64,
}

impl From<WebhookDelivery> for DeliveryBody {
    fn from(delivery: WebhookDelivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            webhook_id: delivery.webhook.to_string(),
            plugin_id: delivery.plugin,
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.due_at,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            replay_of: delivery.replay_of.map(|id| id.to_string()),
            received_at: delivery.received_at,
            finished_at: delivery.finished_at,
            sender_id: delivery.sender_id,
            method: delivery.method,
            path: delivery.path,
            size: delivery.size,
        }
    }
}

/// A delivery with the webhook as it came.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InspectedWebhookDelivery)]
pub(super) struct InspectedBody {
    #[serde(flatten)]
    delivery: DeliveryBody,
    /// The query, without its question mark.
    query: String,
    /// The headers, without credentials; a header that came several times has several values.
    headers: Vec<HeaderBody>,
    /// The body, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The body in Base64, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// A header of a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookHeader)]
struct HeaderBody {
    #[schema(example = "content-type")]
    name: String,
    #[schema(example = "application/json")]
    value: String,
}

impl From<Inspected> for InspectedBody {
    fn from(inspected: Inspected) -> Self {
        let text = std::str::from_utf8(&inspected.body).ok().map(str::to_owned);
        Self {
            delivery: inspected.delivery.into(),
            query: inspected.query,
            headers: inspected.headers.into_iter().map(|(name, value)| HeaderBody { name, value }).collect(),
            body_base64: text.is_none().then(|| BASE64_STANDARD.encode(&inspected.body)),
            body: text,
        }
    }
}

/// Which deliveries are to be made again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = WebhookReplay)]
pub(super) struct RangeBody {
    /// Of this plugin; of all where it is left out.
    #[schema(example = "payment-card")]
    plugin_id: Option<String>,
    /// `failed`, where nothing is said, `delivered` or `skipped`.
    #[schema(example = "failed")]
    state: Option<String>,
    /// Of webhooks received at this moment or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Of webhooks received before this moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    before: Option<String>,
    /// The `next` of an earlier answer.
    after: Option<String>,
    /// At most so many.
    #[schema(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// What became of a range.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayedWebhooks)]
pub(super) struct ReplayedBody {
    /// How many are delivered again.
    #[schema(example = 17)]
    replayed: usize,
    /// What to send as `after` to go on; left out where there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists what became of webhooks in the tenant, the newest first. They are kept for 30 days.
#[utoipa::path(
    get, path = "/webhooks/deliveries", tag = "webhooks", operation_id = "listWebhookDeliveries",
    params(Wanted),
    responses(
        (status = 200, body = PageBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Admin,
    Query(wanted): Query<Wanted>,
) -> Result<Json<PageBody>, Problem> {
    let Page { deliveries, next } = app.webhooks().list(caller.tenant(), &wanted.checked()?).await?;
    let deliveries = deliveries.into_iter().map(DeliveryBody::from).collect();
    Ok(Json(PageBody { deliveries, next: next.map(|place| place.to_string()) }))
}

/// Shows a delivery with the webhook as it came, byte for byte.
#[utoipa::path(
    get, path = "/webhooks/deliveries/{id}", tag = "webhooks", operation_id = "getWebhookDelivery",
    params(("id" = String, Path, description = "the delivery's id", example = "1742")),
    responses(
        (status = 200, body = InspectedBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn inspect(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<InspectedBody>, Problem> {
    Ok(Json(app.webhooks().inspect(caller.tenant(), delivery_id(&id)?).await?.into()))
}

/// Has a webhook given to its plugin once more, as a delivery of its own; one that is pending is made at once.
#[utoipa::path(
    post, path = "/webhooks/deliveries/{id}/replay", tag = "webhooks", operation_id = "replayWebhookDelivery",
    params(("id" = String, Path, description = "the delivery's id", example = "1742")),
    responses(
        (status = 202, body = DeliveryBody, description = "the delivery that is to come"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn replay(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<(http::StatusCode, Json<DeliveryBody>), Problem> {
    let delivery = app.webhooks().replay(caller.tenant(), delivery_id(&id)?).await?;
    Ok((http::StatusCode::ACCEPTED, Json(delivery.into())))
}

/// Has many webhooks given to their plugins once more, the oldest first: those whose deliveries have failed for good, or are in
/// another state of which none is pending. What was replayed already is passed over.
#[utoipa::path(
    post, path = "/webhooks/deliveries/replay", tag = "webhooks", operation_id = "replayWebhookDeliveries",
    request_body(content = Option<RangeBody>, description = "may be left out"),
    responses(
        (status = 202, body = ReplayedBody),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`errors` names what is wrong"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn replay_range(
    State(app): State<App>,
    caller: Admin,
    OptionalJson(body): OptionalJson<RangeBody>,
) -> Result<(http::StatusCode, Json<ReplayedBody>), Problem> {
    let range = body.unwrap_or_default().checked()?;
    let Replayed { count, next } = app.webhooks().replay_range(caller.tenant(), &range).await?;
    let next = next.map(|place| place.to_string());
    Ok((http::StatusCode::ACCEPTED, Json(ReplayedBody { replayed: count, next })))
}

/// A number of ours. What cannot be one names nothing.
fn delivery_id(text: &str) -> Result<i64, Problem> {
    place(text).ok_or_else(|| Problem::of(&events::Error::NoSuchWebhookDelivery))
}

/// Digits alone, so that a place has one spelling.
fn place(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn plugin(text: &str) -> Option<PluginId> {
    text.parse().ok()
}

impl Wanted {
    fn checked(self) -> Result<Filter, Problem> {
        let invalid = |detail: &'static str| Problem::new(ErrorCode::InvalidRequest, detail);
        if self.limit.is_some_and(|limit| !(1..=MAX_PAGE).contains(&limit)) {
            return Err(invalid("limit must be a number from 1 to 200"));
        }
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let search = given(self.search);
        if search.as_ref().is_some_and(|text| text.len() > MAX_SEARCH) {
            return Err(invalid("search must have at most 200 bytes"));
        }
        let state = given(self.state).map(|word| {
            events::webhook::State::read(&word)
                .ok_or_else(|| invalid("state must be pending, delivered, failed or skipped"))
        });
        let plugin = given(self.plugin)
            .map(|text| plugin(&text).ok_or_else(|| invalid("plugin must be the id of a plugin")));
        let after = given(self.after)
            .map(|text| place(&text).ok_or_else(|| invalid("after must be the next of an answer")));
        Ok(Filter {
            plugin: plugin.transpose()?,
            state: state.transpose()?,
            search,
            after: after.transpose()?,
            limit: self.limit,
        })
    }
}

impl RangeBody {
    fn checked(self) -> Result<Range, Problem> {
        use events::webhook::State;

        let mut violations = Vec::new();
        let mut wrong =
            |pointer: &str, detail: &'static str| violations.push(Violation::new(pointer, detail));
        let moment = |text: &Option<String>| text.as_deref().map(Timestamp::from_rfc3339);
        let (from, before) = (moment(&self.from), moment(&self.before));
        if from == Some(None) {
            wrong("/from", "must be a moment in RFC 3339");
        }
        if before == Some(None) {
            wrong("/before", "must be a moment in RFC 3339");
        }
        let state = self.state.as_deref().map(State::read);
        if matches!(state, Some(None | Some(State::Pending))) {
            wrong("/state", "must be failed, delivered or skipped");
        }
        let plugin_id = self.plugin_id.as_deref().map(plugin);
        if plugin_id == Some(None) {
            wrong("/pluginId", "must be the id of a plugin");
        }
        let after = self.after.as_deref().map(place);
        if after == Some(None) {
            wrong("/after", "must be the next of an answer");
        }
        if self.limit.is_some_and(|limit| !(1..=MAX_RANGE).contains(&limit)) {
            wrong("/limit", "must be a number from 1 to 1000");
        }
        if !violations.is_empty() {
            let detail = "the range cannot be read; `errors` says what would be right";
            return Err(Problem::new(ErrorCode::ValidationFailed, detail).with_violations(violations));
        }
        Ok(Range {
            plugin: plugin_id.flatten(),
            state: state.flatten(),
            from: from.flatten(),
            before: before.flatten(),
            after: after.flatten(),
            limit: self.limit,
        })
    }
}
