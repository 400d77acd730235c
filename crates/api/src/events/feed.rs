//! Reading events: in pages, and as they come.

use axum::extract::{FromRequestParts as _, State};
use axum::response::Response;
use bytes::Bytes;
use events::feed::{Audience, Following, Readable, Shape, Topic};
use events::publish::AsCloudEvent;
use http::request::Parts;
use model::{CredentialKind, ErrorCode, EventPattern, Principal, Role, TenantId};
use serde::{Deserialize, Serialize, Serializer};
use storage::LoggedEvent;
use utoipa::{IntoParams, ToSchema};

use super::publish::CloudEventBody;
use crate::App;
use crate::event_stream::{self, Begin, Form, place};
use crate::extract::{Json, PlatformAdmin, Query, Standing, User};
use crate::problem::{Problem, ProblemBody};

/// The most types that one request asks for.
const MAX_TYPES: usize = 50;
/// How many events a page has where nothing else is said.
const USUAL: i64 = 100;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Only those after this place: the `next` of an answer, or the id of an event of a stream. Without it, from the oldest that there is.
    #[param(example = "1742")]
    after: Option<String>,
    /// Only those of these types, with commas between: a type, the beginning of some as in `order.*`, or `*`.
    #[param(example = "order.*")]
    r#type: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// `platform`: of all tenants and of the platform itself, for who runs it. Else of the caller's tenant.
    #[param(pattern = "^(tenant|platform)$")]
    scope: Option<String>,
}

/// Which events, and from where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// Begin behind this place: the id of an event of a stream, or the `next` of `GET /events`. Without it and without
    /// `Last-Event-ID`, now.
    #[param(example = "1742")]
    after: Option<String>,
    /// Only those of these types, with commas between: a type, the beginning of some as in `order.*`, or `*`.
    #[param(example = "order.*")]
    r#type: Option<String>,
    /// `platform`: of all tenants and of the platform itself, for who runs it. Else of the caller's tenant.
    #[param(pattern = "^(tenant|platform)$")]
    scope: Option<String>,
}

/// Some events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Events)]
pub(super) struct EventsBody {
    /// The oldest first.
    #[schema(value_type = Vec<CloudEventBody>)]
    events: Vec<EventBody>,
    /// What to send as `after` for what comes next. There may be more even where this page is empty, as long as `next` moves on.
    #[schema(example = "1742")]
    next: String,
}

#[derive(Debug)]
struct EventBody(LoggedEvent);

impl Serialize for EventBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AsCloudEvent(&self.0).serialize(serializer)
    }
}

/// Lists events as they stand in the log: to admins and API keys all of their tenant's; to users those that a plugin of the tenant
/// listens to, as far as its policy allows. An event is there for as long as EVENT_RETENTION says.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "listEvents", params(EventsQuery),
    responses(
        (status = 200, body = EventsBody),
        (status = 410, body = ProblemBody, content_type = "application/problem+json", description = "`gone`: events after this place were removed; `oldest` is the place to read on from"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(query): Query<EventsQuery>,
    mut parts: Parts,
) -> Result<Json<EventsBody>, Problem> {
    let reader = Reader::of(&app, &mut parts, query.scope.as_deref()).await?;
    let limit = query.limit.unwrap_or(USUAL);
    if !(1..=1000).contains(&limit) {
        return Err(invalid("limit must be a number from 1 to 1000"));
    }
    let after = query.after.filter(|after| !after.is_empty());
    let after = after
        .map(|after| place(&after).ok_or_else(|| invalid("after must be the next of an answer")))
        .transpose()?;
    let types = types(query.r#type.as_deref())?;
    let page = app.feed().page((reader.tenant.as_ref(), reader.readable), &types, after, limit).await?;
    let events = page.events.into_iter().map(EventBody).collect();
    Ok(Json(EventsBody { events, next: page.next.to_string() }))
}

/// Streams events as they come (`text/event-stream`): `id` is the place in the log, `data` the event as CloudEvents JSON on one line. A client
/// that asks again with `Last-Event-ID` misses nothing; `event: reset` tells that some events are no longer there, and the stream goes on from
/// the place in its data. It ends after about ten minutes, when the credential does, and when the server does: ask again.
#[utoipa::path(
    get, path = "/events/stream", tag = "events", operation_id = "streamEvents",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header, description = "goes before `after`; browsers send it by themselves")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "as many streams are open as there may be"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn stream(
    State(app): State<App>,
    Query(query): Query<StreamQuery>,
    mut parts: Parts,
) -> Result<Response, Problem> {
    let begin = async {
        let reader = Reader::of(&app, &mut parts, query.scope.as_deref()).await?;
        let begin = Begin::of(&parts, query.after.as_deref())?;
        let following = Following {
            tenant: reader.tenant,
            topic: Topic::Events,
            types: types(query.r#type.as_deref())?,
            readable: reader.readable,
            audience: Audience::Known,
            after: begin.place(),
        };
        let follower = app.feed().follow(following).await?;
        Ok((follower, begin, Standing::of_principal(&app, &parts, &reader.principal)))
    };
    let (follower, begin, standing) = super::within(app.options().deadline, begin).await?;
    let form = Form { shape: Shape::Event, make: frame };
    Ok(event_stream::respond(&app, (follower, begin), form, Some(standing)))
}

fn frame(event: &LoggedEvent) -> Bytes {
    event_stream::frame(event.seq, &AsCloudEvent(event).to_json())
}

/// Who reads, and what.
struct Reader {
    tenant: Option<TenantId>,
    readable: Readable,
    principal: Principal,
}

impl Reader {
    async fn of(app: &App, parts: &mut Parts, scope: Option<&str>) -> Result<Self, Problem> {
        match scope.unwrap_or_default() {
            "platform" => {
                let PlatformAdmin(principal) = PlatformAdmin::from_request_parts(parts, app).await?;
                Ok(Self { tenant: None, readable: Readable::All, principal })
            }
            "" | "tenant" => {
                let User(caller) = User::from_request_parts(parts, app).await?;
                let is_key = caller.principal().credential == CredentialKind::ApiKey;
                let reads_all = is_key || caller.is_at_least(Role::Admin);
                let readable = if reads_all { Readable::All } else { Readable::OfPlugins };
                Ok(Self {
                    tenant: Some(caller.tenant().clone()),
                    readable,
                    principal: caller.principal().clone(),
                })
            }
            _ => Err(invalid("scope must be tenant or platform")),
        }
    }
}

fn types(text: Option<&str>) -> Result<Vec<EventPattern>, Problem> {
    let words = text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let patterns = words.map(str::parse).collect::<Result<Vec<_>, _>>();
    let patterns = patterns.map_err(|error: model::EventPatternError| invalid(format!("type: {error}")))?;
    if patterns.len() > MAX_TYPES {
        return Err(invalid("there may be at most 50 types"));
    }
    Ok(patterns)
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}
