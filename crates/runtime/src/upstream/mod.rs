//! The way to a plugin's own server: requests are passed on as they are but for what is nobody else's matter, and answers come
//! back within bounds.
//!
//! Bodies are streamed in both directions at once, with their trailers; a WebSocket is passed on byte by byte. HTTP/1.1 alone
//! is spoken to such servers. The caller's credentials stay here: the server is told who is calling by a token of our own
//! ([`X_JACKFIELD_CONTEXT`]).

mod answer;
mod context;
mod error;
mod frames;
mod gate;
mod headers;
mod metered;
mod path;
mod places;
mod socket;
mod standing;
mod target;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use identity::Signer;
use model::{Ambient, Caller};
use outbound::{Connector, Guard};
use registry::Deployment;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::{Position, Url};

pub use answer::Answer;
pub use context::CONTEXT_TOKEN;
pub use error::Error;
pub use gate::Failure;
pub use headers::{X_JACKFIELD_CONTEXT, fit_for_callers, without_credentials};
pub use metered::Break;
pub use path::BackendPath;
pub use standing::Standing;
pub(crate) use target::{location, uri};

use context::Contexts;
use gate::{Entry, Gates};
use headers::Added;
use metered::{Bounds, Cause, Fault, Progress, Sent};
use places::{Place, Sockets};
use socket::Wish;

/// How long a connection that nobody uses is kept: shorter than the 5 s after which Node's servers close it, so that a request
/// is seldom sent into a closing one.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// The most connections to one server that are kept though nobody uses them.
const POOL_SIZE: usize = 64;

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 64 * 1024;

/// The most WebSockets at once, of all tenants.
const MAX_SOCKETS: usize = 4096;

/// The most WebSockets at once of one tenant.
const MAX_TENANT_SOCKETS: usize = 512;

/// What bounds the calls of plugins' servers.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a server may take to begin to answer, once it has the request or as far as that has come.
    pub first_byte: Duration,
    /// How long either side may take for the next piece of a body.
    pub idle: Duration,
    /// The most bytes of a request's body.
    pub max_request: u64,
    /// The most bytes of an answer's body.
    pub max_answer: u64,
    /// The most requests at once of one tenant to one plugin.
    pub concurrency: NonZeroUsize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            max_request: 100 * 1024 * 1024,
            max_answer: 1024 * 1024 * 1024,
            concurrency: NonZeroUsize::new(256).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// What a request is passed on with.
#[derive(Debug)]
pub struct Passage<'a> {
    /// The installation whose server is called.
    pub deployment: &'a Arc<Deployment>,
    /// The server.
    pub upstream: &'a Url,
    /// Who is calling.
    pub caller: &'a Caller,
    /// The path behind the plugin's id.
    pub path: &'a BackendPath,
    /// Where the plugin is for callers, without a slash at the end: a path.
    pub mount: &'a str,
    /// The caller's address, as far as it is known.
    pub client: Option<IpAddr>,
    /// The request's id.
    pub request_id: &'a str,
    /// Comes when this server ends: what has no end of its own is broken off then.
    pub ending: CancellationToken,
}

type Outgoing = Sent<UnsyncBoxBody<Bytes, Cause>>;

/// The way to all plugins' servers. One for the program.
pub struct Upstreams {
    client: Client<Connector, Outgoing>,
    guard: Guard,
    standing: Arc<dyn Standing>,
    gates: Gates,
    contexts: Contexts,
    sockets: Arc<Sockets>,
    settings: Settings,
    /// Where this server is to be reached: host with port, and scheme.
    host: HeaderValue,
    scheme: HeaderValue,
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstreams").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Upstreams {
    /// The way over connections that `connector` makes, which judges where they lead and gives up in time. `standing` tells
    /// whether an open WebSocket may stay open.
    pub fn new(
        (connector, standing): (Connector, Arc<dyn Standing>),
        settings: Settings,
        (signer, public_url): (Signer, &Url),
        ambient: Ambient,
    ) -> Self {
        let guard = connector.guard().clone();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .http1_max_buf_size(MAX_HEAD)
            .retry_canceled_requests(true)
            .set_host(true)
            .build(connector);
        let own = |text: &str| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        Self {
            client,
            guard,
            standing,
            gates: Gates::new(settings.concurrency.get(), settings.first_byte, ambient.clone()),
            contexts: Contexts::new(signer, ambient),
            sockets: Arc::new(Sockets::new(MAX_TENANT_SOCKETS, MAX_SOCKETS)),
            settings,
            host: own(&public_url[Position::BeforeHost..Position::AfterPort]),
            scheme: own(public_url.scheme()),
        }
    }

    /// Passes `request` on, and gives what the server answers, whatever its status. A WebSocket that both sides have agreed on
    /// is passed on in the background.
    ///
    /// # Errors
    /// Where it is not passed on, or nothing came back that can be handed on: see [`Error`].
    pub async fn pass<B>(&self, passage: Passage<'_>, request: Request<B>) -> Result<Response<Answer>, Error>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Cause>,
    {
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            return Err(Error::Method);
        }
        let deployment = passage.deployment;
        target::may_be_called(passage.upstream, &deployment.grants, &self.guard)?;
        let uri = target::uri(passage.upstream, passage.path, request.uri().query())?;
        let max = self.settings.max_request;
        if request.body().size_hint().lower() > max {
            return Err(Error::TooLarge { max });
        }
        let mut entry = self.gates.enter(&deployment.tenant, &deployment.plugin_key)?;
        let context = self.contexts.header(passage.caller, &deployment.plugin).await?;
        let (mut parts, body) = request.into_parts();
        let wish = socket::wish(&mut parts, body.is_end_stream());
        let wish =
            wish.map(|wish| Ok::<_, Error>((wish, self.sockets.take(&deployment.tenant)?))).transpose()?;
        let added = self.added(&passage, context);
        let mut headers = headers::to_upstream(std::mem::take(&mut parts.headers), added, wish.is_some());
        if body.is_end_stream() && matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) {
            // Some servers want to be told that there is nothing (RFC 9110, section 8.6).
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let (body, progress) = self.sent(body);
        let mut outgoing = Request::new(body);
        let method = parts.method;
        *outgoing.method_mut() = method.clone();
        *outgoing.uri_mut() = uri.clone();
        *outgoing.headers_mut() = headers;
        let answer = self.asked(outgoing, progress.as_deref(), &mut entry).await?;
        self.answered(&passage, answer, (&method, &uri), wish, entry)
    }

    fn added(&self, passage: &Passage<'_>, context: HeaderValue) -> Added {
        let client = passage.client.map(|address| address.to_string());
        Added {
            context,
            client: client.and_then(|address| HeaderValue::try_from(address).ok()),
            host: self.host.clone(),
            scheme: self.scheme.clone(),
            request_id: HeaderValue::try_from(passage.request_id).ok(),
        }
    }

    /// The body as it goes on, and how far it is if there is one.
    fn sent<B>(&self, body: B) -> (Outgoing, Option<Arc<Progress>>)
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Cause>,
    {
        if body.is_end_stream() {
            return (Sent::nothing(), None);
        }
        let bounds = Bounds {
            bytes: self.settings.max_request,
            idle: self.settings.idle,
            trailers: headers::trailers_to_upstream,
        };
        let progress = Arc::new(Progress::begin());
        (Sent::new(UnsyncBoxBody::new(body.map_err(Into::into)), bounds, &progress), Some(progress))
    }

    /// The head of the answer. It is waited for from when the last piece of the request's body was sent; who waits for the
    /// caller's next piece waits as long as that may take.
    async fn asked(
        &self,
        outgoing: Request<Outgoing>,
        progress: Option<&Progress>,
        entry: &mut Entry,
    ) -> Result<Response<Incoming>, Error> {
        let mut answer = pin!(self.client.request(outgoing));
        let mut since = progress.map_or_else(Instant::now, Progress::moved);
        let answer = loop {
            let moved = match tokio::time::timeout_at(since + self.settings.first_byte, &mut answer).await {
                Ok(answer) => break answer,
                Err(_) => progress.and_then(|progress| progress.since(since)),
            };
            let Some(moved) = moved else {
                self.gates.failed(entry, Failure::Slow);
                return Err(Error::Slow(self.settings.first_byte));
            };
            since = moved;
        };
        let error = match answer {
            Ok(answer) => {
                Gates::succeeded(entry);
                return Ok(answer);
            }
            Err(error) => error,
        };
        if let Some(fault) = progress.and_then(Progress::fault) {
            return Err(match fault {
                Fault::TooLarge => Error::TooLarge { max: self.settings.max_request },
                Fault::Stalled => Error::Stalled(self.settings.idle),
                Fault::Interrupted => Error::Interrupted,
            });
        }
        if error.is_connect() {
            self.gates.failed(entry, Failure::Unreachable);
        }
        Err(answer::meant_by(&error))
    }

    fn answered(
        &self,
        passage: &Passage<'_>,
        mut answer: Response<Incoming>,
        (method, uri): (&Method, &Uri),
        wish: Option<(Wish, Place)>,
        entry: Entry,
    ) -> Result<Response<Answer>, Error> {
        if answer.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            let wish = wish.ok_or(Error::Answer("has switched to a protocol that nobody asked for"))?;
            return self.switched(passage, answer, wish, entry);
        }
        answer::check(answer.headers())?;
        let max = self.settings.max_answer;
        if answer.body().size_hint().lower() > max {
            return Err(Error::Answer("must not answer with more bytes than PLUGIN_PROXY_MAX_ANSWER"));
        }
        let given = std::mem::take(answer.headers_mut());
        let location = given.get(header::LOCATION);
        let location =
            location.and_then(|value| target::location(value, uri, passage.upstream, passage.mount));
        // Only here is the length of something that does not follow.
        let length = given.get(header::CONTENT_LENGTH).filter(|_| method == Method::HEAD).cloned();
        let mut headers: HeaderMap = headers::to_caller(given, false);
        let further = [(header::LOCATION, location), (header::CONTENT_LENGTH, length)];
        headers.extend(further.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let status = answer.status();
        let bounds = Bounds { bytes: max, idle: self.settings.idle, trailers: headers::trailers_to_caller };
        let body = (answer.into_body(), method == Method::HEAD);
        let body = Answer::new(body, bounds, Arc::clone(passage.deployment), entry);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// The answer by which both sides switch to a WebSocket.
    fn switched(
        &self,
        passage: &Passage<'_>,
        mut answer: Response<Incoming>,
        (wish, place): (Wish, Place),
        entry: Entry,
    ) -> Result<Response<Answer>, Error> {
        wish.check(answer.headers())?;
        let switched = answer.extensions_mut().remove::<OnUpgrade>();
        let server = switched.ok_or(Error::Answer("has not switched to a WebSocket"))?;
        let mut response = Response::new(Answer::nothing());
        *response.status_mut() = answer.status();
        *response.headers_mut() = headers::to_caller(std::mem::take(answer.headers_mut()), true);
        let judge = standing::judge(&self.standing, passage, &self.guard);
        wish.join(server, passage.ending.clone(), judge, (entry, place));
        Ok(response)
    }
}
