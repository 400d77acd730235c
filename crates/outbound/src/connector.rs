//! Connections for a pool: what is passed on to hosts that others name.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;
use url::Url;

use crate::{Error, Guard, Resolver};

/// How often a silent connection is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// A connection, with TLS where the URI says https.
pub type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to hosts that others name, for [`hyper_util::client::legacy::Client`]. The URI's host is judged, the addresses
/// that its name resolves to are, and no other is connected to. HTTP/1.1 alone, so that connections can be upgraded. No proxy
/// is used.
#[derive(Clone, Debug)]
pub struct Connector {
    guard: Guard,
    tls: Arc<rustls::ClientConfig>,
    timeout: Duration,
}

impl Connector {
    pub(crate) fn new(guard: Guard, timeout: Duration) -> Self {
        let tls = Arc::new(guard.tls(&["http/1.1"]));
        Self { guard, tls, timeout }
    }

    /// The judge of what this connects to.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    async fn connect(self, url: Url) -> Result<Stream, Error> {
        let host = url.host_str().unwrap_or_default();
        // Addresses are now written as the standard does.
        let uri = Uri::try_from(url.as_str()).map_err(|_| Error::Host)?;
        let resolver = Resolver::new(self.guard, url.port_or_known_default());
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_connect_timeout(Some(self.timeout));
        let connecting = HttpsConnector::from((tcp, self.tls)).call(uri);
        match timeout(self.timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| Error::of(error.as_ref(), host)),
            Err(_) => Err(Error::ConnectTimedOut(host.to_owned())),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let url = origin(&uri)?;
            this.guard.check(&url)?;
            this.connect(url).await
        })
    }
}

/// Where `uri` leads, as the URL standard reads it.
fn origin(uri: &Uri) -> Result<Url, Error> {
    let scheme = uri.scheme_str().ok_or(Error::Scheme)?;
    let authority = uri.authority().ok_or(Error::Host)?;
    Url::parse(&format!("{scheme}://{authority}/")).map_err(|_| Error::Host)
}
