//! WebSockets (RFC 6455): a connection that, once both sides have agreed, is passed on byte by byte.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, Version, header, request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Error;
use super::frames::{self, Frames};
use super::headers::tokens;

/// How long both sides may be silent. Browsers answer pings by themselves, so a server keeps a quiet socket with one now and
/// then.
const IDLE: Duration = Duration::from_mins(5);

/// How long both connections may take to be handed over.
const HANDOVER: Duration = Duration::from_secs(10);

/// How long one may be open in all. Browsers open another by themselves, which is judged as every request is.
const LIFE: Duration = Duration::from_hours(1);

/// How often it is judged anew whether it may stay open.
const RECHECK: Duration = Duration::from_mins(1);

/// How long telling both sides that it ends may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is put behind a socket's key (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A caller's wish for a WebSocket.
#[derive(Debug)]
pub(super) struct Wish {
    caller: OnUpgrade,
    /// What the other side must answer to the key.
    accept: String,
}

/// The wish for a WebSocket, if that is what the request is. Any other upgrade is passed over, which RFC 9110, section 7.8,
/// leaves to the server.
pub(super) fn wish(parts: &mut request::Parts, is_empty: bool) -> Option<Wish> {
    let headers = &parts.headers;
    let asks = parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && is_empty
        && is_upgrade(headers)
        && single(headers, &header::SEC_WEBSOCKET_VERSION) == Some("13");
    let key = single(headers, &header::SEC_WEBSOCKET_KEY).filter(|_| asks)?;
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()));
    let caller = parts.extensions.remove::<OnUpgrade>()?;
    Some(Wish { caller, accept })
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let mut named = tokens(headers, &header::UPGRADE);
    let is_socket = named.next().is_some_and(|name| name.eq_ignore_ascii_case("websocket"));
    is_socket
        && named.next().is_none()
        && tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value.trim())
}

impl Wish {
    /// Whether the other side has agreed to what was asked for.
    pub(super) fn check(&self, answer: &HeaderMap) -> Result<(), Error> {
        let is_accepted = single(answer, &header::SEC_WEBSOCKET_ACCEPT) == Some(self.accept.as_str());
        if is_upgrade(answer) && is_accepted {
            Ok(())
        } else {
            Err(Error::Answer("has not accepted the WebSocket as it was asked for"))
        }
    }

    /// Passes on what either side sends, in the background, until one ends, both are silent, it is `ending`, or `judge` finds
    /// that it must not go on. `held` goes with it.
    pub(super) fn join<J: Future<Output = Result<(), Error>> + Send>(
        self,
        server: OnUpgrade,
        ending: CancellationToken,
        judge: impl Fn() -> J + Send + 'static,
        held: impl Send + 'static,
    ) {
        let task = async move {
            let both = timeout(HANDOVER, async { tokio::try_join!(self.caller, server) }).await;
            if let Ok(Ok((caller, server))) = both {
                let end = pass(TokioIo::new(caller), TokioIo::new(server), ending, judge).await;
                tracing::debug!(%end, "a WebSocket has ended");
            }
            drop(held);
        };
        tokio::spawn(task.in_current_span());
    }
}

/// What ended a socket.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("both sides have closed it")]
    Closed,
    #[error("a side broke off")]
    Broken,
    #[error("both sides were silent")]
    Silent,
    #[error("it was open for too long")]
    Old,
    #[error("this server ends")]
    Leaving,
    #[error(transparent)]
    Unwanted(Error),
}

impl End {
    /// What both sides are told (RFC 6455, section 7.4.1), where they do not know.
    const fn code(&self) -> Option<u16> {
        match self {
            Self::Closed | Self::Broken => None,
            Self::Silent | Self::Old | Self::Leaving => Some(1001),
            Self::Unwanted(_) => Some(1008),
        }
    }
}

/// Passes on what either side sends, and tells what ended it.
async fn pass<J: Future<Output = Result<(), Error>>>(
    caller: impl AsyncRead + AsyncWrite + Unpin,
    server: impl AsyncRead + AsyncWrite + Unpin,
    ending: CancellationToken,
    judge: impl Fn() -> J,
) -> End {
    let pulse = Arc::new(Pulse { began: Instant::now(), last: AtomicU64::new(0) });
    let mut caller = Heard { inner: caller, pulse: Arc::clone(&pulse), told: Frames::default() };
    let mut server = Heard { inner: server, pulse: Arc::clone(&pulse), told: Frames::default() };
    let end = tokio::select! {
        copied = copy_bidirectional(&mut caller, &mut server) => {
            if copied.is_ok() { End::Closed } else { End::Broken }
        }
        () = pulse.silent() => End::Silent,
        () = ending.cancelled() => End::Leaving,
        end = judged(judge) => end,
    };
    if let Some(code) = end.code() {
        let farewell = async { tokio::join!(caller.close(code, false), server.close(code, true)) };
        // Who does not take it is cut off.
        let _ = timeout(FAREWELL, farewell).await;
    }
    end
}

/// Comes when a socket must not go on.
async fn judged<J: Future<Output = Result<(), Error>>>(judge: impl Fn() -> J) -> End {
    let end = Instant::now() + LIFE;
    loop {
        sleep_until(end.min(Instant::now() + RECHECK)).await;
        if end <= Instant::now() {
            return End::Old;
        }
        if let Err(error) = judge().await {
            return End::Unwanted(error);
        }
    }
}

/// When something was last heard from either side.
struct Pulse {
    began: Instant,
    /// In milliseconds since it began.
    last: AtomicU64,
}

impl Pulse {
    fn beat(&self) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
    }

    /// Comes once nothing was heard for too long.
    async fn silent(&self) {
        loop {
            let last = self.began + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let until = last + IDLE;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// A side whose signs of life are noted, and how far what it is sent is.
struct Heard<S> {
    inner: S,
    pulse: Arc<Pulse>,
    told: Frames,
}

impl<S: AsyncWrite + Unpin> Heard<S> {
    /// Says that this is the end, where that does not stand in the middle of something else.
    async fn close(&mut self, code: u16, is_server: bool) -> std::io::Result<()> {
        if self.told.is_between() {
            self.inner.write_all(&frames::close(code, is_server)).await?;
        }
        self.inner.shutdown().await
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pulse.beat();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.told.pass(bytes.get(..count).unwrap_or_default());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    /// What passes between two ends, and the ends.
    fn passing(
        ending: CancellationToken,
        judge: impl Fn() -> Result<(), Error> + Send + 'static,
    ) -> (DuplexStream, DuplexStream, JoinHandle<End>) {
        let ((caller, ours), (theirs, server)) = (duplex(64), duplex(64));
        let judge = move || std::future::ready(judge());
        (caller, server, tokio::spawn(async move { pass(ours, theirs, ending, judge).await }))
    }

    async fn rest(mut side: DuplexStream) -> Vec<u8> {
        let mut rest = Vec::new();
        side.read_to_end(&mut rest).await.unwrap();
        rest
    }

    #[tokio::test(start_paused = true)]
    async fn what_either_side_sends_comes_to_the_other_until_both_are_silent() {
        let (mut caller, mut server, passing) = passing(CancellationToken::new(), || Ok(()));
        let mut read = [0; 4];
        for _ in 0..3 {
            tokio::time::sleep(IDLE.mul_f32(0.9)).await;
            caller.write_all(b"\x81\x02ab").await.unwrap();
            server.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"\x81\x02ab");
            server.write_all(b"\x81\x02cd").await.unwrap();
            caller.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"\x81\x02cd");
        }
        let began = Instant::now();
        assert!(matches!(passing.await.unwrap(), End::Silent));
        assert!(began.elapsed() >= IDLE.mul_f32(0.99) && began.elapsed() <= IDLE.mul_f32(1.01));
        assert_eq!(rest(caller).await, frames::close(1001, false));
        assert_eq!(rest(server).await, frames::close(1001, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_no_longer_be_called_is_closed_within_a_minute() {
        let is_wanted = Arc::new(AtomicBool::new(true));
        let judged = Arc::clone(&is_wanted);
        let judge = move || if judged.load(Ordering::Relaxed) { Ok(()) } else { Err(Error::NotConsented) };
        let (caller, mut server, passing) = passing(CancellationToken::new(), judge);
        tokio::time::sleep(RECHECK.mul_f32(2.5)).await;
        assert!(!passing.is_finished());
        is_wanted.store(false, Ordering::Relaxed);
        // In the middle of a message nothing can be said.
        server.write_all(b"\x81\x05abc").await.unwrap();
        let began = Instant::now();
        assert!(matches!(passing.await.unwrap(), End::Unwanted(Error::NotConsented)));
        assert!(began.elapsed() <= RECHECK);
        assert_eq!(rest(caller).await, b"\x81\x05abc");
        assert_eq!(rest(server).await, frames::close(1008, true));
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_open_for_ever() {
        let (caller, mut server, passing) = passing(CancellationToken::new(), || Ok(()));
        let began = Instant::now();
        let busy = tokio::spawn(async move {
            while server.write_all(b"\x89\x00").await.is_ok() {
                tokio::time::sleep(IDLE / 2).await;
            }
        });
        assert!(matches!(passing.await.unwrap(), End::Old));
        assert_eq!(began.elapsed(), LIFE);
        assert!(rest(caller).await.ends_with(&frames::close(1001, false)));
        busy.await.unwrap();
    }

    #[test]
    fn a_socket_is_what_the_standard_says() {
        let parts = |lines: &[(&str, &str)]| {
            let mut request = http::Request::builder().uri("/chat");
            for (name, value) in lines {
                request = request.header(*name, *value);
            }
            request.body(()).unwrap().into_parts().0
        };
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert!(is_upgrade(&parts(&good).headers));
        // Without a connection that can be handed over there is none.
        assert!(wish(&mut parts(&good), true).is_none());
        for (name, value) in [("connection", "close"), ("upgrade", "h2c"), ("upgrade", "h2c, websocket")] {
            let lines: Vec<_> =
                good.iter().map(|line| if line.0 == name { (name, value) } else { *line }).collect();
            assert!(!is_upgrade(&parts(&lines).headers), "{name}: {value}");
        }
    }
}
