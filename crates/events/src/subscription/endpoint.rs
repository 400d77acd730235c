//! Giving events to endpoints over HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, StatusCode, header};
use model::{Ambient, Coded as _, ErrorCode, TenantId, Timestamp};
use outbound::Client;
use secrecy::SecretSlice;
use storage::{Database, LoggedEvent, Sealer};
use url::Url;

use super::{Destination, secret, store};
use crate::delivery::{Outcome, Parcel, PluginReceiver, Receiver, Refused, told};
use crate::{Error, Plugins, Refusal};

/// How long an endpoint may take to answer, from connecting to the headers of its answer.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 4096;

/// How long what an endpoint says beside its status is waited for.
const ANSWER_DEADLINE: Duration = Duration::from_secs(1);

/// How much of an answer is told in an error, in bytes.
const TOLD: usize = 200;

/// Gives events to endpoints. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Endpoints {
    pub(crate) client: Client,
    pub(crate) sealer: Sealer,
    pub(crate) ambient: Ambient,
    deadline: Duration,
}

impl Endpoints {
    /// What sends by `client` and signs with what `sealer` opens.
    pub fn new(client: Client, sealer: Sealer, ambient: Ambient) -> Self {
        Self { client, sealer, ambient, deadline: DEADLINE }
    }

    /// The same with another deadline than [`DEADLINE`].
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Who is given what a subscription wants; `None` where there is no such subscription.
    pub(crate) async fn receiver(
        &self,
        database: &Database,
        plugins: Option<&Arc<dyn Plugins>>,
        (tenant, id): (&TenantId, &str),
    ) -> Result<Option<Arc<dyn Receiver>>, Error> {
        let mut conn = database.read().await?;
        let Some(subscription) = store::find(&mut conn, tenant, id).await? else { return Ok(None) };
        match subscription.destination {
            Destination::Endpoint(url) => {
                let now = self.ambient.now();
                let secrets = secret::live(&mut conn, &self.sealer, (tenant, id), now).await?;
                let (id, endpoints) = (id.to_owned(), self.clone());
                Ok(Some(Arc::new(Endpoint { id, url, secrets, endpoints })))
            }
            Destination::Handler { plugin, plugin_key, handler } => {
                let plugins = Arc::clone(plugins.ok_or(Error::NoPlugins)?);
                let (tenant, handler) = (tenant.clone(), Some(handler));
                Ok(Some(Arc::new(PluginReceiver { plugins, tenant, plugin, plugin_key, handler })))
            }
        }
    }
}

/// A subscription's endpoint.
struct Endpoint {
    id: String,
    url: Url,
    secrets: Vec<SecretSlice<u8>>,
    endpoints: Endpoints,
}

#[async_trait]
impl Receiver for Endpoint {
    async fn receive(&self, parcel: Parcel) -> Outcome {
        let Parcel::Event(event, _) = parcel else {
            return Outcome::Pointless("an endpoint is given events, not webhooks".into());
        };
        self.send(&event).await
    }
}

impl Endpoint {
    async fn send(&self, event: &LoggedEvent) -> Outcome {
        let body = told(event).to_string();
        let (id, now) = (message_id(&self.id, event), self.endpoints.ambient.now());
        let signatures = secret::signatures(&self.secrets, &id, now.as_second(), body.as_bytes());
        let client = &self.endpoints.client;
        if let Err(refused) = check(client, &self.url) {
            return Outcome::Refused(failed(refused, None));
        }
        let request = match client.request(Method::POST, self.url.clone()) {
            Ok(request) => request,
            Err(error) => return Outcome::Refused(failed(error.to_string(), None)),
        };
        let request = request
            .header(header::CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_second())
            .header("webhook-signature", signatures)
            .body(body);
        let deadline = self.endpoints.deadline;
        let Ok(sent) = tokio::time::timeout(deadline, client.send(request)).await else {
            let seconds = deadline.as_secs_f32();
            return Outcome::Refused(failed(format!("the endpoint did not answer within {seconds} s"), None));
        };
        match sent {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                // The status is the answer. What else it says is for those who look for what went wrong.
                let mut words = Vec::new();
                if !status.is_success() {
                    // As far as they come in time.
                    let _ = tokio::time::timeout(ANSWER_DEADLINE, beginning(response, &mut words)).await;
                }
                judged(status, &headers, &words, now)
            }
            Err(error) => {
                let message = error.to_string();
                // A fault of this side says nothing of the endpoint.
                if error.code() == ErrorCode::Internal {
                    return Outcome::not_now(message);
                }
                Outcome::Refused(failed(message, None))
            }
        }
    }
}

/// Whether an endpoint may be at `url`: by https, or where the operator has allowed the host.
///
/// # Errors
/// What would be right.
pub(crate) fn check(client: &Client, url: &Url) -> Result<(), String> {
    let guard = client.guard();
    guard.check(url).map_err(|error| error.to_string())?;
    if url.scheme() == "https" || guard.is_allowed(url) {
        return Ok(());
    }
    Err("the URL must begin with https://: http is for hosts that the operator names in OUTBOUND_ALLOW"
        .into())
}

/// What an event is known by at an endpoint, the same at each attempt: of this subscription and this event alone.
fn message_id(subscription: &str, event: &LoggedEvent) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let tenant = event.tenant.as_deref().unwrap_or_default();
    for part in [subscription, tenant, &event.source, &event.id] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    let half = digest.as_ref().get(..16).unwrap_or_default();
    format!("msg_{}", URL_SAFE_NO_PAD.encode(half))
}

/// Adds the first bytes of an answer to `body`; the rest is not waited for.
async fn beginning(mut response: reqwest::Response, body: &mut Vec<u8>) {
    while let Ok(Some(piece)) = response.chunk().await {
        let room = MAX_ANSWER.saturating_sub(body.len());
        body.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if body.len() >= MAX_ANSWER {
            break;
        }
    }
}

/// What an answer means; `body` is what there is of its words.
fn judged(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Outcome {
    if status.is_success() {
        return Outcome::Delivered { status: Some(status.as_u16()) };
    }
    let words = String::from_utf8_lossy(body.get(..TOLD).unwrap_or(body));
    let words: String = words.chars().filter(|letter| !letter.is_control()).collect();
    let mut message = if status.is_redirection() {
        format!("the endpoint answered {}: redirects are not followed, give its own URL", status.as_u16())
    } else {
        format!("the endpoint answered {}", status.as_u16())
    };
    if !words.trim().is_empty() && !status.is_redirection() {
        message = format!("{message}: {}", words.trim());
    }
    if status == StatusCode::GONE {
        let message = "the endpoint answered 410: it wants no more".to_owned();
        return Outcome::Refused(Refused { refusal: Refusal::Gone, ..failed(message, Some(status)) });
    }
    let refused = failed(message, Some(status));
    Outcome::Refused(Refused { retry_after: retry_after(headers, now), ..refused })
}

fn failed(message: String, status: Option<StatusCode>) -> Refused {
    Refused {
        message,
        refusal: Refusal::Failed,
        retry_after: None,
        status: status.map(|status| status.as_u16()),
    }
}

/// How long the answer asks to wait (RFC 9110, section 10.2.3), in seconds or until a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp::from_millisecond(i64::try_from(at.as_millis()).ok()?);
    Some(now.until(at))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn refused(status: u16, retry_after: Option<&'static str>, body: &[u8]) -> Refused {
        let now = Timestamp::from_millisecond(1_445_412_480_000 - 30_000);
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(value));
        }
        match judged(StatusCode::from_u16(status).unwrap(), &headers, body, now) {
            Outcome::Refused(refused) => refused,
            other => panic!("{status} {other:?}"),
        }
    }

    #[test]
    fn only_two_hundreds_are_delivered() {
        let now = Timestamp::from_millisecond(0);
        for status in [200, 201, 202, 204, 299] {
            let outcome = judged(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), b"", now);
            assert_eq!(outcome, Outcome::Delivered { status: Some(status) });
        }
        for status in [301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 503] {
            let refused = refused(status, None, b"");
            assert_eq!((refused.refusal, refused.status), (Refusal::Failed, Some(status)));
        }
        assert_eq!(refused(410, None, b"").refusal, Refusal::Gone);
        assert!(refused(302, None, b"<a href=x>").message.contains("redirects are not followed"));
    }

    #[test]
    fn an_answer_is_told_in_short() {
        assert_eq!(refused(500, None, b"no\r\n such").message, "the endpoint answered 500: no such");
        assert!(refused(500, None, &[b'x'; 4096]).message.len() < 250);
    }

    #[test]
    fn how_long_to_wait_is_told_in_seconds_or_by_a_date() {
        let wait = |text| refused(429, Some(text), b"").retry_after;
        assert_eq!(wait("120"), Some(Duration::from_mins(2)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Tue, 21 Oct 2014 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn an_event_has_one_id_at_each_subscription() {
        let event = |id: &str, source: &str| LoggedEvent {
            seq: 1,
            id: id.into(),
            tenant: Some("acme".into()),
            source: source.into(),
            kind: "a".into(),
            subject: String::new(),
            key: String::new(),
            sender: None,
            hops: 0,
            attributes: None,
            data: "{}".into(),
            recorded_at: 0,
        };
        let id = message_id("s1", &event("e.1", "x"));
        assert_eq!(id, message_id("s1", &event("e.1", "x")));
        assert!(!id.contains('.'), "a dot would part what is signed: {id}");
        for other in [message_id("s2", &event("e.1", "x")), message_id("s1", &event("e.1x", ""))] {
            assert_ne!(id, other);
        }
    }
}
