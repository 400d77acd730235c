//! Publishing events as CloudEvents.

use axum::extract::{FromRequest as _, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use events::publish::{BATCH, CloudEvent, STRUCTURED, Taken, batch, binary, is_binary, structured};
use http::{HeaderMap, StatusCode, header};
use model::{Caller, CredentialKind, ErrorCode, Role, Sender};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Json, User, unread_body};
use crate::problem::{Problem, ProblemBody};

/// An event of CloudEvents 1.0, in JSON.
#[derive(Debug, ToSchema)]
#[schema(as = CloudEvent)]
#[expect(
    dead_code,
    reason = "it is read by the part that knows the rules of CloudEvents; this describes it in the document"
)]
pub(crate) struct CloudEventBody {
    /// `1.0`.
    #[schema(example = "1.0")]
    specversion: String,
    /// Tells it from all others of its source. An event that is sent again is taken once.
    #[schema(example = "order-1742-paid")]
    id: String,
    /// Where it happened, as a URI-reference. `jackfield` is this server, `jackfield/plugins/{id}` a plugin; nobody else's may begin so.
    #[schema(example = "https://shop.example/orders")]
    source: String,
    /// What happened: letters, digits and `._-`. What begins with `jackfield.` is this server's own.
    #[serde(rename = "type")]
    #[schema(example = "order.paid")]
    kind: String,
    /// What it is about. Events of one subject stay in order.
    #[schema(example = "order-1742")]
    subject: Option<String>,
    /// When, as in RFC 3339.
    #[schema(format = DateTime)]
    time: Option<String>,
    /// The media type of the data; `application/json` where it is left out.
    #[schema(example = "application/json")]
    datacontenttype: Option<String>,
    /// Where the form of the data is described.
    dataschema: Option<String>,
    /// Events of one key stay in order; the subject where it is left out.
    partitionkey: Option<String>,
    /// How many events led to it, one after the other. Of what is sent: the hops of the event that has led to it.
    hops: Option<u32>,
    /// Who has published it, as this server knows: `api_key:{id}`, `user:{sub}`, `plugin:{id}` or `page:{id}`. Not heeded in what is sent.
    sender: Option<String>,
    /// Whose it is. Not heeded in what is sent.
    tenant: Option<String>,
    /// The particulars.
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// In place of `data`: bytes in Base64.
    data_base64: Option<String>,
}

/// What was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedEvents)]
pub(super) struct AcceptedBody {
    /// How many events are in the log now, or were before.
    #[schema(example = 1)]
    accepted: usize,
    events: Vec<TakenBody>,
}

/// What an event is known by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedEvent)]
pub(super) struct TakenBody {
    #[schema(example = "order-1742-paid")]
    id: String,
    #[schema(example = "https://shop.example/orders")]
    source: String,
}

impl From<Taken> for TakenBody {
    fn from(taken: Taken) -> Self {
        Self { id: taken.id, source: taken.source }
    }
}

/// Publishes events of CloudEvents 1.0 in the caller's tenant: one as JSON (`application/cloudevents+json`), an array of up to 100
/// (`application/cloudevents-batch+json`), or one in binary mode (`ce-` headers, the body is the data). All are taken or none. An event
/// has at most 64 KiB; one that was taken before, by `source` and `id`, is taken no second time. For admins and API keys.
#[utoipa::path(
    post, path = "/events", tag = "events", operation_id = "publishEvents",
    request_body(
        description = "One event, or an array of some. In binary mode, any bytes.",
        content(
            (CloudEventBody = "application/cloudevents+json"),
            (Vec<CloudEventBody> = "application/cloudevents-batch+json"),
        ),
    ),
    responses(
        (status = 202, body = AcceptedBody, description = "they are in the log for good"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "an event of more than 64 KiB, or more than 100"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "neither of the media types, and no `ce-` headers"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "not as CloudEvents are; `errors` names every attribute"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn publish(
    State(app): State<App>,
    caller: User,
    request: Request,
) -> Result<Response, Problem> {
    let sender = sender(&caller)?;
    let headers = request.headers().clone();
    let body = Bytes::from_request(request, &app).await.map_err(|rejection| unread_body(&rejection))?;
    let events = read(&headers, &body)?;
    let taken = app.publisher().publish(caller.tenant(), &sender, events).await?;
    let events: Vec<_> = taken.into_iter().map(TakenBody::from).collect();
    Ok((StatusCode::ACCEPTED, Json(AcceptedBody { accepted: events.len(), events })).into_response())
}

/// In whose name the caller publishes.
fn sender(caller: &Caller) -> Result<Sender, Problem> {
    let principal = caller.principal();
    match principal.credential {
        CredentialKind::ApiKey => Ok(Sender::ApiKey(principal.subject.clone())),
        _ if caller.is_at_least(Role::Admin) => Ok(Sender::User(principal.subject.clone())),
        _ => Err(Problem::new(
            ErrorCode::InsufficientRole,
            "this needs an API key, or the role admin or one above it; a page emits by its plugin: POST /plugins/{id}/events",
        )),
    }
}

/// The events of a request, by its media type (HTTP Protocol Binding for CloudEvents 1.0.2, section 3).
fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<CloudEvent>, Problem> {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(STRUCTURED) {
        return Ok(vec![structured(body)?]);
    }
    if essence.eq_ignore_ascii_case(BATCH) {
        return Ok(batch(body)?);
    }
    if is_binary(headers) && !essence.to_ascii_lowercase().starts_with("application/cloudevents") {
        return Ok(vec![binary(headers, body)?]);
    }
    Err(Problem::new(
        ErrorCode::UnsupportedMediaType,
        "send an event as `Content-Type: application/cloudevents+json`, several as `application/cloudevents-batch+json`, or \
         one in binary mode, with `ce-specversion: 1.0` and its other `ce-` headers",
    ))
}
