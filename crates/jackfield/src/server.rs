//! Taking connections: HTTP/1.1 with bounds on heads, time and numbers, and an end that lets requests finish.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// How long a connection may be idle, or take to send a request's head. Longer than the 60 s for which usual proxies
/// keep a connection, so that the proxy closes it and never sends into a closing one.
const HEAD_DEADLINE: Duration = Duration::from_secs(75);

/// How long a client that is there may take nothing of an answer. Who pauses for longer is cut off, so that an answer of any
/// length does not hold on to its connection, and to what it is made from, for ever.
const WRITE_DEADLINE: Duration = Duration::from_mins(1);

/// The most bytes of a request's head: session cookies may come in eight chunks of 4 KiB.
const MAX_HEAD: usize = 64 * 1024;

/// The pause after a failed accept, which is mostly a lack of file descriptors that soon come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long connections that are cut off may take to be gone.
const CUT_DEADLINE: Duration = Duration::from_secs(1);

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
    let (graceful, cut) = (GracefulShutdown::new(), CancellationToken::new());
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, permit)) => spawn(stream, permit, router.clone(), (&graceful, &cut)),
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
    if tokio::time::timeout(bounds.shutdown, graceful.shutdown()).await.is_ok() {
        return 0;
    }
    let all = usize::try_from(bounds.connections.get()).unwrap_or(usize::MAX);
    let open = all - places.available_permits();
    cut.cancel();
    // Answers that are dropped put on record how far they came, before the record is closed.
    let _ = tokio::time::timeout(CUT_DEADLINE, places.acquire_many(bounds.connections.get())).await;
    open
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

fn spawn(
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    router: Router,
    (graceful, cut): (&GracefulShutdown, &CancellationToken),
) {
    let Ok(peer) = stream.peer_addr() else { return };
    // Answers go out whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(router.clone(), PeerAddress(peer), request));
    let connection = builder().serve_connection(TokioIo::new(patient(stream)), service);
    let connection = graceful.watch(connection);
    let cut = cut.clone();
    tokio::spawn(async move {
        if let Some(Err(error)) = cut.run_until_cancelled(connection).await {
            // The client broke off, takes nothing any more, or sent what is no HTTP.
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
        }
        drop(permit);
    });
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(MAX_HEAD);
    builder
}

/// `stream`, whose writes fail when the other side has taken nothing for too long.
fn patient<S: AsyncRead + AsyncWrite>(stream: S) -> Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_DEADLINE));
    Box::pin(stream)
}

async fn answer(
    mut router: Router,
    peer: PeerAddress,
    mut request: Request<Incoming>,
) -> Result<Response<axum::body::Body>, Infallible> {
    request.extensions_mut().insert(peer);
    router.call(request).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::{Body, Bytes};
    use futures::{StreamExt as _, stream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    /// Serves answers without an end, whose pieces are counted, over a pipe of 1 KiB; gives the other end of that, and the
    /// end of the connection.
    fn endless(pieces: &Arc<AtomicUsize>) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<bool>) {
        let (client, server) = duplex(1024);
        let pieces = Arc::clone(pieces);
        let service = service_fn(move |_: Request<Incoming>| {
            let pieces = Arc::clone(&pieces);
            let body = stream::repeat_with(move || {
                pieces.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 512]))
            });
            async { Ok::<_, Infallible>(Response::new(Body::from_stream(body.fuse()))) }
        });
        let connection = builder().serve_connection(TokioIo::new(patient(server)), service);
        (client, tokio::spawn(async move { connection.await.is_ok() }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let pieces = Arc::new(AtomicUsize::new(0));
        let (mut client, connection) = endless(&pieces);
        let began = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let ended = tokio::time::timeout(WRITE_DEADLINE * 2, connection).await;
        assert!(!ended.expect("the connection is given up").unwrap(), "it is an error of the connection");
        assert!(began.elapsed() >= WRITE_DEADLINE, "{:?}", began.elapsed());
        // The answer was dropped with it.
        assert_eq!(Arc::strong_count(&pieces), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_waited_for() {
        let pieces = Arc::new(AtomicUsize::new(0));
        let (mut client, connection) = endless(&pieces);
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        for _ in 0..10 {
            tokio::time::sleep(WRITE_DEADLINE.mul_f32(0.9)).await;
            let _ = client.read(&mut [0; 1024]).await.unwrap();
        }
        assert!(!connection.is_finished());
        connection.abort();
    }
}
