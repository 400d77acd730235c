//! Channels, messages and the people who write them.

use ::connectors::Items;
use ::connectors::communication::{Channel, Conversation, Member, NewMessage};
use ::connectors::connector::Description;
use axum::extract::State;
use http::StatusCode;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::answer::{AnswerBody, one, page};
use super::body::ItemBody;
use super::items::{ListQuery, RawQuery};
use super::parameters::{Parameters, said, take};
use super::{WhoseQuery, asker};
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Channel)]
pub(in crate::unified) struct ChannelBody {
    /// Its id.
    #[schema(example = "C0123456789")]
    id: String,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "support")]
    name: Option<String>,
    /// Who is in it: `public`, `private`, `direct` or `group`.
    #[schema(example = "public")]
    audience: &'static str,
    /// With whom it is, by the member's id, where it is `direct`.
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<String>,
    /// What it is about just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    /// Whether it is closed for good.
    is_archived: bool,
    /// Whether the account is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_member: Option<bool>,
    /// How many are in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<u64>,
    /// When it came into being.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// The vendor's answer as it came, with `raw=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Value>,
}

impl From<Channel> for ChannelBody {
    fn from(channel: Channel) -> Self {
        Self {
            id: channel.id,
            name: channel.name,
            audience: channel.audience.as_str(),
            with: channel.with,
            topic: channel.topic,
            purpose: channel.purpose,
            is_archived: channel.is_archived,
            is_member: channel.is_member,
            members: channel.members,
            created_at: channel.created_at,
            raw: channel.raw,
        }
    }
}

/// Somebody, or a program, who can be talked to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(in crate::unified) struct MemberBody {
    /// The id at the vendor.
    #[schema(example = "U0123456789")]
    id: String,
    /// The name by which they are called there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ann")]
    name: Option<String>,
    /// The whole name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ann Lee")]
    full_name: Option<String>,
    /// The e-mail address, where the grant lets it be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Whether it is a program.
    is_bot: bool,
    /// Whether the account still exists.
    is_active: bool,
    /// The time zone, as IANA names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Warsaw")]
    time_zone: Option<String>,
    /// The vendor's answer as it came, with `raw=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Value>,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            id: member.id,
            name: member.name,
            full_name: member.full_name,
            email: member.email,
            is_bot: member.is_bot,
            is_active: member.is_active,
            time_zone: member.time_zone,
            raw: member.raw,
        }
    }
}

page! {
    /// A page of channels.
    ChannelPage { channels: ChannelBody }
}
page! {
    /// A page of messages.
    MessagePage { messages: ItemBody }
}
page! {
    /// A page of people and programs.
    UserPage { users: MemberBody }
}
one! {
    /// A channel.
    ChannelResult { channel: ChannelBody }
}
one! {
    /// A message.
    MessageResult { message: ItemBody }
}

/// A page of messages.
pub(in crate::unified) fn message_page(page: Items, description: &'static Description) -> MessagePage {
    MessagePage::of(page, |message| ItemBody::new(message, description))
}

/// Lists the channels that the account sees. An unknown parameter is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/channels", tag = "connectors", operation_id = "listChannels",
    params(("connector" = String, Path, description = "the connector's name", example = "slack"), ListQuery),
    responses(
        (status = 200, body = AnswerBody<ChannelPage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn channels(
    State(app): State<App>,
    caller: User,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AnswerBody<ChannelPage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let listed = app.connectors().channels(&asker, &name, &wanted).await?;
    Ok(Json(AnswerBody::new(listed, |page, _| ChannelPage::of(page, ChannelBody::from))))
}

/// Gets a channel.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/channels/{id}", tag = "connectors", operation_id = "getChannel",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "slack"),
        ("id" = String, Path, description = "the channel's `id`", example = "C0123456789"),
        WhoseQuery, RawQuery,
    ),
    responses(
        (status = 200, body = AnswerBody<ChannelResult>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn channel(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Query(RawQuery { raw }): Query<RawQuery>,
) -> Result<Json<AnswerBody<ChannelResult>>, Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    let found = app.connectors().channel(&asker, &name, &id, raw).await?;
    Ok(Json(AnswerBody::new(found, |channel, _| ChannelResult::new(channel))))
}

/// Which of a channel's messages.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document: the handler takes all parameters, to refuse unknown ones")]
pub(super) struct ThreadQuery {
    /// Those of the thread that this message began, by its `id`.
    thread: Option<String>,
}

/// Lists the messages of a channel, or of a thread in it, in the vendor's order. An unknown parameter is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/channels/{id}/messages", tag = "connectors",
    operation_id = "listMessages",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "slack"),
        ("id" = String, Path, description = "the channel's `id`", example = "C0123456789"),
        ThreadQuery, ListQuery,
    ),
    responses(
        (status = 200, body = AnswerBody<MessagePage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn messages(
    State(app): State<App>,
    caller: User,
    Path((name, channel)): Path<(String, String)>,
    Query(mut pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AnswerBody<MessagePage>>, Problem> {
    let thread = take("thread", &mut pairs)?;
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let of = Conversation { channel, thread };
    let listed = app.connectors().messages(&asker, &name, &of, &wanted).await?;
    Ok(Json(AnswerBody::new(listed, message_page)))
}

/// A message to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMessage, example = json!({"text": "The release is on Thursday."}))]
pub(super) struct NewMessageBody {
    /// What it says, in the vendor's own markup.
    text: String,
    /// The message that began the thread to answer in, by its `id`.
    thread: Option<String>,
}

/// Sends a message to a channel.
#[utoipa::path(
    post, path = "/api/v1/unified/connectors/{connector}/channels/{id}/messages", tag = "connectors",
    operation_id = "sendMessage",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "slack"),
        ("id" = String, Path, description = "the channel's `id`", example = "C0123456789"),
        WhoseQuery,
    ),
    request_body = NewMessageBody,
    responses(
        (status = 201, body = AnswerBody<MessageResult>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn send(
    State(app): State<App>,
    caller: User,
    Path((name, channel)): Path<(String, String)>,
    Query(whose): Query<WhoseQuery>,
    Json(NewMessageBody { text, thread }): Json<NewMessageBody>,
) -> Result<(StatusCode, Json<AnswerBody<MessageResult>>), Problem> {
    said("/text", &text)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let thread = thread.filter(|id| !id.is_empty());
    let message = NewMessage { to: Conversation { channel, thread }, text };
    let sent = app.connectors().send_message(&asker, &name, &message).await?;
    Ok((StatusCode::CREATED, Json(AnswerBody::of_item(sent, MessageResult::new))))
}

/// Lists the people and programs that are there. An unknown parameter is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/users", tag = "connectors", operation_id = "listUsers",
    params(("connector" = String, Path, description = "the connector's name", example = "slack"), ListQuery),
    responses(
        (status = 200, body = AnswerBody<UserPage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn users(
    State(app): State<App>,
    caller: User,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AnswerBody<UserPage>>, Problem> {
    let Parameters { whose, wanted, .. } = Parameters::take(pairs, false)?;
    let asker = asker(&app, &caller, &name, whose).await?;
    let listed = app.connectors().users(&asker, &name, &wanted).await?;
    Ok(Json(AnswerBody::new(listed, |page, _| UserPage::of(page, MemberBody::from))))
}
