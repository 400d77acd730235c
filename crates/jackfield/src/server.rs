//! Taking connections: HTTP/1.1 with bounds on heads, time and numbers, upgrades of it, and an end that lets requests finish.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use api::{Ending, PeerAddress};
use axum::Router;
use hyper::body::Incoming;
use hyper::header::UPGRADE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::open_files;

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

/// Tells connections that the server ends.
#[derive(Debug, Clone, Default)]
struct Signals {
    /// Requests in flight are answered yet, and no other.
    stop: CancellationToken,
    /// Nothing more.
    cut: CancellationToken,
    /// The connections on which there may be requests.
    serving: TaskTracker,
}

/// Serves `router` on `listener` until `stop`, then lets the requests in flight finish. What a connection was upgraded to has no
/// end of its own, and is ended after them; it finds an [`Ending`] in the extensions of its request.
///
/// Returns the number of connections that had to be cut off at the deadline.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> usize {
    open_files::allow(bounds.connections);
    let places = Arc::new(Semaphore::new(usize::try_from(bounds.connections.get()).unwrap_or(usize::MAX)));
    let signals = Signals::default();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, permit)) => spawn(stream, permit, router.clone(), &signals),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // From here on new connections are refused, so that a load balancer goes elsewhere.
    drop(listener);
    tracing::info!(connections = signals.serving.len(), "stopping once the requests in flight are answered");
    signals.serving.close();
    signals.stop.cancel();
    let cut_off = match tokio::time::timeout(bounds.shutdown, signals.serving.wait()).await {
        Ok(()) => 0,
        Err(_) => signals.serving.len(),
    };
    signals.cut.cancel();
    // Answers that are dropped put on record how far they came, before the record is closed. A connection gives its place back before
    // its answer is gone, and one that was upgraded is no task here any more: both are waited for.
    let gone = async { tokio::join!(signals.serving.wait(), places.acquire_many(bounds.connections.get())) };
    let _ = tokio::time::timeout(CUT_DEADLINE, gone).await;
    cut_off
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

fn spawn(stream: TcpStream, place: OwnedSemaphorePermit, router: Router, signals: &Signals) {
    let Ok(peer) = stream.peer_addr() else { return };
    // Answers go out whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let Signals { stop, cut, serving } = signals.clone();
    let ending = Ending(cut.clone());
    let service = service_fn(move |request| answer(router.clone(), PeerAddress(peer), &ending, request));
    let stream = Held { stream: patient(stream), _place: place };
    // Boxed, as a task would have room for it several times over for as long as the connection lasts.
    let mut connection = Box::pin(builder().serve_connection(TokioIo::new(stream), service).with_upgrades());
    serving.spawn(async move {
        let connection = async {
            if let Some(ended) = stop.run_until_cancelled(connection.as_mut()).await {
                return ended;
            }
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        };
        if let Some(Err(error)) = cut.run_until_cancelled(connection).await {
            // The client broke off, takes nothing any more, or sent what is no HTTP.
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
        }
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

fn answer(
    mut router: Router,
    peer: PeerAddress,
    ending: &Ending,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<axum::body::Body>, Infallible>> + use<> {
    if request.headers().contains_key(UPGRADE) {
        request.extensions_mut().insert(ending.clone());
    }
    request.extensions_mut().insert(peer);
    router.call(request)
}

/// A connection with its place among those that there may be at once: also after it was upgraded to something else.
struct Held<S> {
    stream: S,
    _place: OwnedSemaphorePermit,
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
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

    /// Takes its time to be dropped, and then says that it is gone.
    struct Slow(Arc<AtomicUsize>);

    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(200));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn answers_that_are_cut_off_are_gone_when_the_server_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gone = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&gone);
        let router = Router::new().fallback(move || {
            let slow = Slow(Arc::clone(&counted));
            let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first"))]);
            let never = stream::pending().map(move |piece| {
                let _ = &slow;
                piece
            });
            async { Body::from_stream(first.chain(never)) }
        });
        let bounds = Bounds { connections: NonZeroU32::MIN, shutdown: Duration::ZERO };
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, router, bounds, async { drop(ended.await) }));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert_ne!(client.read(&mut [0; 16]).await.unwrap(), 0);
        end.send(()).unwrap();
        assert_eq!(server.await.unwrap(), 1, "it was cut off");
        assert_eq!(gone.load(Ordering::SeqCst), 1);
    }

    /// Switches to a protocol that sends everything back, until the server ends.
    async fn echo(mut request: axum::extract::Request) -> Response<Body> {
        let Ending(ending) = request.extensions_mut().remove().unwrap();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let mut bytes = [0; 4];
            let echo = async {
                while io.read_exact(&mut bytes).await.is_ok() && io.write_all(&bytes).await.is_ok() {}
            };
            let _ = ending.run_until_cancelled(echo).await;
        });
        let switching =
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
        switching.body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn an_upgraded_connection_keeps_its_place_and_ends_with_the_server() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", axum::routing::get(echo)).fallback(|| async { "ok" });
        let bounds = Bounds { connections: NonZeroU32::MIN, shutdown: Duration::from_mins(1) };
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, router, bounds, async { drop(ended.await) }));
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
            .await
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        let mut bytes = [0; 4];
        client.write_all(b"ping").await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
        // The only place is taken.
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(200), second.read(&mut bytes)).await;
        assert!(waited.is_err(), "it waits for a place");
        drop(second);
        let began = std::time::Instant::now();
        end.send(()).unwrap();
        assert_eq!(server.await.unwrap(), 0, "no request was cut off");
        assert!(began.elapsed() < Duration::from_secs(10), "an upgraded connection is not waited for");
        assert_eq!(client.read(&mut bytes).await.unwrap_or(0), 0);
    }
}
