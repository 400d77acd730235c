//! Requests that a plugin's own component answers (`wasi:http/incoming-handler`), and those that it sends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use model::{Coded as _, ErrorCode};
use registry::{BackendKind, Deployment};
use sandbox::{ComponentHost, Level, RequestError, SendFuture};
use tokio::time::timeout_at;
use url::Url;

use crate::call::owner;
use crate::ctx::http::{Asked, Exchanged, Failure, exchange};
use crate::ctx::message::{MAX_SENT, is_of_the_connection, method};
use crate::invocation::{Invocation, shown};
use crate::upstream::{self, BackendPath, fit_for_callers, without_credentials};
use crate::{Error, Runtime, Who, refusal};

/// By which the log tells a component's lines.
const NAME: &str = "component";

/// Where a component finds itself in its requests: it is reached by no name.
static BASE: LazyLock<Option<Url>> = LazyLock::new(|| Url::parse("https://plugin").ok());

/// What a component is told of its caller. Nobody else can set headers that begin like these.
const TENANT: HeaderName = HeaderName::from_static("x-jackfield-tenant");
const PLUGIN: HeaderName = HeaderName::from_static("x-jackfield-plugin");
const USER: HeaderName = HeaderName::from_static("x-jackfield-user");
const ROLE: HeaderName = HeaderName::from_static("x-jackfield-role");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Runtime {
    /// Has the component answer `request`. Of its URI the query alone counts, and of that what is no credential; the path is
    /// `path`. What proves who the caller is, or is this server's to say, is taken from its headers, as much of the answer's goes
    /// back as of a plugin's own server's, and a `Location` below the component is one below `mount`: a path.
    ///
    /// # Errors
    /// [`Error::Component`], with a line in the plugin's log where that is the plugin's to know; [`Error::Disabled`].
    pub async fn serve(
        &self,
        deployment: &Arc<Deployment>,
        who: Who,
        (path, mount): (&BackendPath, &str),
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        if !deployment.enabled {
            return Err(Error::Disabled(deployment.plugin.to_string()));
        }
        if deployment.kind != Some(BackendKind::Component) {
            return Err(Error::NoComponent(deployment.plugin.to_string()));
        }
        let base = BASE.as_ref().ok_or(Error::Damaged)?;
        let uri = upstream::uri(base, path, request.uri().query()).map_err(Error::Path)?;
        let component = self.components.get(self.shared.installations.as_ref(), deployment).await;
        let component = component?;
        let request = prepared(request, &uri, deployment, &who);
        // The clock of what it sends runs from when it can be run: compiling may take longer than an answer.
        let compiled = refusal::paced(self.sandbox.prepare_component(&component)).await;
        let call = self.invocation(deployment, who, NAME.to_owned());
        compiled.map_err(|source| failed(&call, source))?;
        let door = Arc::new(ComponentDoor { call: Arc::clone(&call), failures: Arc::default() });
        let owner = owner(&call.place);
        let served = self.sandbox.serve(&owner, &component, door, request, Some(self.deadline));
        let served = refusal::paced(served).await;
        let answer = served.and_then(checked).map_err(|source| failed(&call, source))?;
        let (mut parts, body) = answer.into_parts();
        let location = parts.headers.get(header::LOCATION);
        let location = location.and_then(|value| upstream::location(value, &uri, base, mount));
        parts.headers = fit_for_callers(parts.headers);
        parts.headers.extend(location.map(|location| (header::LOCATION, location)));
        Ok(Response::from_parts(parts, body))
    }
}

/// What became of a request that has no answer, with a line in the plugin's log where that is the plugin's to know.
fn failed(call: &Invocation, source: sandbox::Error) -> Error {
    let reason = call.redacted(source.to_string());
    let is_ours = matches!(source.code(), ErrorCode::Internal | ErrorCode::Unavailable);
    if !is_ours && !refusal::is_one(&source) {
        call.write(Level::Error, reason.clone());
    }
    Error::Component { plugin: call.deployment.plugin.to_string(), reason, source }
}

/// The request as the component finds it.
fn prepared(request: Request<Bytes>, uri: &Uri, deployment: &Deployment, who: &Who) -> Request<Bytes> {
    let (mut parts, body) = request.into_parts();
    parts.uri = uri.clone();
    parts.headers = without_credentials(parts.headers);
    let user = who.user.as_ref();
    let facts = [
        (TENANT, Some(deployment.tenant.as_str())),
        (PLUGIN, Some(deployment.plugin.as_str())),
        (USER, user.map(|user| user.id.as_str())),
        (ROLE, user.map(|user| user.role)),
        (REQUEST_ID, who.request_id.as_deref()),
    ];
    for (name, value) in facts {
        // An id with control characters is told to nobody.
        if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
            parts.headers.insert(name, value);
        }
    }
    Request::from_parts(parts, body)
}

/// An answer with a status that a whole answer may have.
fn checked(answer: Response<Bytes>) -> Result<Response<Bytes>, sandbox::Error> {
    let status = answer.status().as_u16();
    if (200..600).contains(&status) {
        return Ok(answer);
    }
    Err(sandbox::Error::Answer(format!("its status is {status}; it must be 200 to 599")))
}

/// How many of the requests that a component may not make, or that fail, are told to its author, for each call.
const MAX_TOLD: u32 = 20;

/// The door of one request.
struct ComponentDoor {
    call: Arc<Invocation>,
    /// The requests whose failure was told.
    failures: Arc<AtomicU32>,
}

impl ComponentHost for ComponentDoor {
    fn send(&self, request: Request<Bytes>, timeout: Option<Duration>) -> SendFuture {
        let (call, failures) = (Arc::clone(&self.call), Arc::clone(&self.failures));
        Box::pin(async move {
            let host = shown(request.uri().host().unwrap_or_default());
            let work = async { exchange(&call, asked(request, timeout)?).await };
            let done = timeout_at(call.deadline, work).await.map_err(|_| RequestError::TimedOut)?;
            done.map(|Exchanged { answered, body, redactor, room: _room }| {
                answered.to_response(body, redactor.as_ref())
            })
            .map_err(|failure| {
                let (error, level) = told(&failure);
                if failures.fetch_add(1, Ordering::Relaxed) < MAX_TOLD {
                    call.write(level, format!("a request to {host}: {}", failure.sentence()));
                }
                error
            })
        })
    }

    fn log(&self, level: Level, message: String) {
        self.call.write(level, message);
    }
}

/// The request of a component, by the rules for all plugins.
fn asked(request: Request<Bytes>, timeout: Option<Duration>) -> Result<Asked, Failure> {
    let (parts, body) = request.into_parts();
    if body.len() > MAX_SENT {
        return Err(format!("the body has {} bytes; at most {MAX_SENT} are sent", body.len()).into());
    }
    Ok(Asked {
        method: method(parts.method.as_str())?,
        url: parts.uri.to_string(),
        headers: texts(&parts.headers)?,
        body: Some(body).filter(|body| !body.is_empty()),
        timeout,
    })
}

/// The headers as texts, values of the same one joined (RFC 9110, section 5.3). What an HTTP library adds for the connection is
/// left out.
fn texts(headers: &HeaderMap) -> Result<BTreeMap<String, String>, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        if is_of_the_connection(name.as_str()) || *name == header::HOST {
            continue;
        }
        let value = value.to_str().map_err(|_| format!("the header {name} is no text"))?;
        let joined = texts.entry(name.as_str().to_owned()).or_default();
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(value);
    }
    Ok(texts)
}

/// What the component is told, and how grave it is for the log.
fn told(failure: &Failure) -> (RequestError, Level) {
    match failure {
        Failure::Refused(_) => (RequestError::Denied, Level::Warn),
        Failure::Late(_) => (RequestError::TimedOut, Level::Info),
        Failure::Failed(outbound::Error::TooLarge { .. }, _) => (RequestError::AnswerTooLarge, Level::Info),
        Failure::Failed(error, _) => match error.code() {
            ErrorCode::ValidationFailed => (RequestError::Denied, Level::Warn),
            ErrorCode::UpstreamTimeout => (RequestError::TimedOut, Level::Info),
            ErrorCode::Internal => (RequestError::Failed, Level::Info),
            _ => (RequestError::Unreachable, Level::Info),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_are_taken() {
        for (status, is_one) in
            [(200, true), (599, true), (100, false), (101, false), (600, false), (999, false)]
        {
            let answer = Response::builder().status(status).body(Bytes::new()).unwrap();
            assert_eq!(checked(answer).is_ok(), is_one, "{status}");
        }
    }

    #[test]
    fn what_belongs_to_the_connection_is_left_out_of_what_is_sent() {
        let request = Request::post("https://there.example/a?b")
            .header("content-length", "3")
            .header("host", "there.example")
            .header("accept", "a")
            .header("accept", "b")
            .body(Bytes::from_static(b"abc"))
            .unwrap();
        let Ok(asked) = asked(request, None) else { panic!("it is refused") };
        assert_eq!(asked.url, "https://there.example/a?b");
        assert_eq!(asked.headers, [("accept".to_owned(), "a, b".to_owned())].into());
        assert_eq!(asked.body.as_deref(), Some(&b"abc"[..]));
    }
}
