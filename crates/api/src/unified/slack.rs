//! Slack's channels, as the document of the connectors' server has them: shorter ways to the connector `slack`.

use ::connectors::communication::{Channel, Conversation, NewMessage};
use ::connectors::{Done, Error, Page, Wanted};
use axum::extract::State;
use model::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connectors::{ChannelBody, ItemBody, WhoseQuery, asker, twice};
use crate::App;
use crate::extract::{Json, OptionalJson, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

/// The connector.
const SLACK: &str = "slack";

/// How many channels where the caller does not say.
const DEFAULT_LIMIT: u32 = 100;
/// The most that may be asked for.
const MAX_LIMIT: u32 = 1000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(channels)).routes(routes!(send))
}

/// Which channels.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ChannelsQuery {
    /// At most so many channels, 100 where left out. There may be fewer though more follow.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_cursor` of the answer before.
    cursor: Option<String>,
}

/// A page of channels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlackChannels)]
struct ChannelsBody {
    /// `true`.
    success: bool,
    /// The channels that the account sees, as far as its grant lets it.
    channels: Vec<ChannelBody>,
    /// How many these are. Slack does not tell how many there are in all.
    total: usize,
    /// What to send as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

impl From<Done<Page<Channel>>> for ChannelsBody {
    fn from(Done { result, .. }: Done<Page<Channel>>) -> Self {
        let channels: Vec<ChannelBody> = result.items.into_iter().map(ChannelBody::from).collect();
        Self { success: true, total: channels.len(), channels, next_cursor: result.next }
    }
}

/// Lists the channels of a Slack workspace.
#[utoipa::path(
    get, path = "/api/v1/unified/slack/channels", tag = "connectors", operation_id = "slackChannels",
    params(ChannelsQuery, WhoseQuery),
    responses(
        (status = 200, body = ChannelsBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn channels(
    State(app): State<App>,
    caller: User,
    Query(ChannelsQuery { limit, cursor }): Query<ChannelsQuery>,
    Query(whose): Query<WhoseQuery>,
) -> Result<Json<ChannelsBody>, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("limit must be a number from 1 to {MAX_LIMIT}");
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    let asker = asker(&app, &caller, SLACK, whose).await?;
    let wanted = Wanted { max_results: limit, page_token: cursor, ..Wanted::default() };
    let listed = app.connectors().channels(&asker, SLACK, &wanted).await.map_err(|error| match error {
        Error::PageToken { .. } => Error::PageToken { parameter: "cursor" },
        other => other,
    });
    Ok(Json(listed?.into()))
}

/// A message to be sent.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = SlackMessage, example = json!({"message": "The release is on Thursday."}))]
struct MessageBody {
    /// What it says, in Slack's markup. In the query or in the body.
    #[schema(example = "The release is on Thursday.")]
    message: Option<String>,
    /// The time stamp of the message that began the thread to answer in.
    thread_ts: Option<String>,
}

/// A message that was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlackMessageSent)]
struct SentBody {
    /// `true`.
    success: bool,
    /// Its time stamp, which is its id within the channel.
    #[schema(example = "1699999999.000100")]
    ts: String,
    /// The channel that it stands in.
    #[schema(example = "C0123456789")]
    channel: String,
    /// The message as an item.
    message: ItemBody,
}

/// Sends a message to a channel of a Slack workspace.
#[utoipa::path(
    post, path = "/api/v1/unified/slack/channels/{id}/messages", tag = "connectors", operation_id = "sendSlackMessage",
    params(("id" = String, Path, description = "the channel's id", example = "C0123456789"), MessageBody, WhoseQuery),
    request_body(content = Option<MessageBody>, description = "the message, unless the query has it"),
    responses(
        (status = 200, body = SentBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn send(
    State(app): State<App>,
    caller: User,
    Path(channel): Path<String>,
    Query(query): Query<MessageBody>,
    Query(whose): Query<WhoseQuery>,
    OptionalJson(body): OptionalJson<MessageBody>,
) -> Result<Json<SentBody>, Problem> {
    let body = body.unwrap_or_default();
    let text = once("message", query.message, body.message)?.filter(|text| !text.trim().is_empty());
    let Some(text) = text else {
        return Err(Problem::new(ErrorCode::InvalidRequest, "message must say what to send"));
    };
    let thread = once("thread_ts", query.thread_ts, body.thread_ts)?.filter(|ts| !ts.is_empty());
    let asker = asker(&app, &caller, SLACK, whose).await?;
    let message = NewMessage { to: Conversation { channel, thread }, text };
    let Done { description, result, .. } = app.connectors().send_message(&asker, SLACK, &message).await?;
    let ts = result.id.rsplit_once(':').map_or_else(String::new, |(_, ts)| ts.to_owned());
    let channel = result.container_id.clone().unwrap_or_default();
    Ok(Json(SentBody { success: true, ts, channel, message: ItemBody::new(result, description) }))
}

/// What is given in the query or in the body, but not in both.
fn once(name: &str, query: Option<String>, body: Option<String>) -> Result<Option<String>, Problem> {
    if query.is_some() && body.is_some() {
        return Err(twice(name));
    }
    Ok(query.or(body))
}
