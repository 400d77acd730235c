//! A client for single requests to hosts that others name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use reqwest::redirect::Policy;
use reqwest::{Request, RequestBuilder, Response};
use url::Url;

use crate::{Error, Guard, Resolver};

/// The limits of a [`Client`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long reaching a host may take, its name's resolution and TLS included; 5 seconds unless said otherwise.
    pub connect_timeout: Duration,
    /// How long a request may take, from its beginning to the last byte of the answer; 10 seconds unless said otherwise.
    /// `None` where who sends has a deadline of its own.
    pub deadline: Option<Duration>,
    /// For how long an unused connection is kept; 4 seconds unless said otherwise. Shorter than the 5 seconds of Node's
    /// servers, the shortest in wide use: a call on a connection that the other side is closing has an outcome that nobody
    /// knows.
    pub idle_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            deadline: Some(Duration::from_secs(10)),
            idle_timeout: Duration::from_secs(4),
        }
    }
}

/// Sends requests to hosts that others name. Each URL is judged before there is a request to it, and each address before it
/// is connected to. No cookies, no compression, no repetition, and no redirect but by
/// [`send_following`](Self::send_following). Cheap to clone.
///
/// A proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) is used. It resolves names itself, so that only
/// addresses in URLs are judged here: what names may lead to is then the proxy's to see to. Its own name is resolved as every
/// other: it must be given by its address, or be in OUTBOUND_ALLOW.
#[derive(Clone)]
pub struct Client {
    guard: Guard,
    any: reqwest::Client,
    /// Clients for the ports that rules of the operator's are restricted to: their resolvers know the port.
    by_port: Arc<BTreeMap<u16, reqwest::Client>>,
    pub(crate) deadline: Option<Duration>,
}

impl Client {
    pub(crate) fn new(guard: Guard, settings: &Settings) -> Result<Self, Error> {
        let client = |port| build(&guard, settings, port);
        let by_port = guard.allow().ports().into_iter().map(|port| Ok((port, client(Some(port))?)));
        let by_port = Arc::new(by_port.collect::<Result<_, Error>>()?);
        Ok(Self { any: client(None)?, by_port, guard, deadline: settings.deadline })
    }

    /// The judge of what this client reaches.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// A request to `url`, which may be sent by itself too.
    ///
    /// # Errors
    /// Those of [`Guard::check`].
    pub fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, Error> {
        self.guard.check(&url)?;
        Ok(self.at(&url).request(method, url))
    }

    /// Sends a request, and gives whatever is answered, redirects too.
    ///
    /// # Errors
    /// What [`Error`] has of hosts that cannot be reached; [`Error::Request`].
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        self.execute(request.build().map_err(|_| Error::Request)?).await
    }

    /// Sends a request that was made elsewhere; its URL is judged here.
    ///
    /// # Errors
    /// Those of [`Guard::check`] and of [`send`](Self::send).
    pub async fn execute(&self, request: Request) -> Result<Response, Error> {
        self.guard.check(request.url())?;
        let host = host(request.url());
        self.at(request.url()).execute(request).await.map_err(|error| failure(&error, &host))
    }

    /// The client that knows what may be reached at the port of `url`.
    fn at(&self, url: &Url) -> &reqwest::Client {
        let port = url.port_or_known_default();
        port.and_then(|port| self.by_port.get(&port)).unwrap_or(&self.any)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// Reads an answer to its end.
///
/// # Errors
/// [`Error::TooLarge`] for more than `max` bytes; [`Error::Broken`] and [`Error::TimedOut`] where it breaks off.
pub async fn read(response: Response, max: usize) -> Result<Bytes, Error> {
    read_counted(response, max, |_| Ok(())).await
}

/// Does the same, and asks `count` before each piece, by its length, whether there is room for it.
///
/// # Errors
/// Those of [`read`], and what `count` says.
pub async fn read_counted<E: From<Error>>(
    mut response: Response,
    max: usize,
    mut count: impl FnMut(usize) -> Result<(), E>,
) -> Result<Bytes, E> {
    let host = host(response.url());
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failure(&error, &host))? {
        if body.len() + piece.len() > max {
            return Err(Error::TooLarge { host, max }.into());
        }
        count(piece.len())?;
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

pub(crate) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn failure(error: &reqwest::Error, host: &str) -> Error {
    match Error::found_in(error) {
        Some(own) => own.clone(),
        None if error.is_builder() => Error::Request,
        None if error.is_connect() && error.is_timeout() => Error::ConnectTimedOut(host.to_owned()),
        None if error.is_connect() => Error::of(error, host),
        None if error.is_timeout() => Error::TimedOut(host.to_owned()),
        None => Error::Broken(host.to_owned()),
    }
}

fn build(guard: &Guard, settings: &Settings, port: Option<u16>) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(settings.idle_timeout)
        .user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(guard.tls(&["h2", "http/1.1"]))
        .dns_resolver(Resolver::new(guard.clone(), port));
    let builder = settings.deadline.into_iter().fold(builder, reqwest::ClientBuilder::timeout);
    builder.build().map_err(|_| Error::Authorities)
}
