//! Taking connections: HTTP/1.1 with bounds on heads, time and numbers, and an end that lets requests finish.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use api::PeerAddress;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service as _;

/// How long a connection may be idle, or take to send a request's head. Longer than the 60 s for which usual proxies
/// keep a connection, so that the proxy closes it and never sends into a closing one.
const HEAD_DEADLINE: Duration = Duration::from_secs(75);

/// The most bytes of a request's head: session cookies may come in eight chunks of 4 KiB.
const MAX_HEAD: usize = 64 * 1024;

/// The pause after a failed accept, which is mostly a lack of file descriptors that soon come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bounds of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The most connections at once; further ones wait in the kernel's queue.
    pub(crate) connections: NonZeroU32,
    /// How long requests in flight may take once `stop` has come.
    pub(crate) shutdown: Duration,
}

/// Serves `router` on `listener` until `stop`, then lets the requests in flight finish.
///
/// Returns the number of connections that had to be cut off at the deadline.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> usize {
    let places = Arc::new(Semaphore::new(usize::try_from(bounds.connections.get()).unwrap_or(usize::MAX)));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, permit)) => spawn(stream, permit, router.clone(), &graceful),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // From here on new connections are refused, so that a load balancer goes elsewhere.
    drop(listener);
    let open = graceful.count();
    tracing::info!(connections = open, "stopping once the requests in flight are answered");
    match tokio::time::timeout(bounds.shutdown, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => {
            usize::try_from(bounds.connections.get()).unwrap_or(usize::MAX) - places.available_permits()
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

fn spawn(stream: TcpStream, permit: OwnedSemaphorePermit, router: Router, graceful: &GracefulShutdown) {
    let Ok(peer) = stream.peer_addr() else { return };
    // Answers go out whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(router.clone(), PeerAddress(peer), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The client broke off, or sent what is no HTTP.
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
        }
        drop(permit);
    });
}

async fn answer(
    mut router: Router,
    peer: PeerAddress,
    mut request: Request<Incoming>,
) -> Result<Response<axum::body::Body>, Infallible> {
    request.extensions_mut().insert(peer);
    router.call(request).await
}
