//! Bodies on their way: counted, and never waited for without an end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// How long a body may be under way in all. Within it, who sends nothing is given up much earlier.
const DEADLINE: Duration = Duration::from_hours(1);

/// What a body's source says went wrong.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a body is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Break {
    /// It has more bytes than it may.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// Nothing came for too long.
    #[error("nothing came for {} s", .0.as_secs())]
    Stalled(Duration),
    /// It was under way for too long.
    #[error("it was under way for longer than {} s", DEADLINE.as_secs())]
    Late,
    /// Its sender broke off, or sent what is no body.
    #[error("it broke off")]
    Source(#[source] Cause),
}

/// What bounds a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most bytes.
    pub(super) bytes: u64,
    /// The longest wait for the next piece.
    pub(super) idle: Duration,
    /// Which trailers go on.
    pub(super) trailers: fn(HeaderMap) -> HeaderMap,
}

/// A body within bounds. Nothing follows what is wrong with it.
#[derive(Debug)]
pub(super) struct Metered<B> {
    inner: B,
    bounds: Bounds,
    left: u64,
    until: Instant,
    /// Made when something is first waited for: most bodies are there at once.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    is_over: bool,
}

impl<B> Metered<B> {
    pub(super) fn new(inner: B, bounds: Bounds) -> Self {
        let until = Instant::now() + DEADLINE;
        Self { inner, bounds, left: bounds.bytes, until, timer: None, is_waiting: false, is_over: false }
    }

    /// Waits for the next piece, for as long as that may take.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Break> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.until)));
        if !self.is_waiting {
            self.is_waiting = true;
            timer.as_mut().reset(self.until.min(Instant::now() + self.bounds.idle));
        }
        ready!(timer.as_mut().poll(cx));
        let is_late = self.until <= Instant::now();
        Poll::Ready(if is_late { Break::Late } else { Break::Stalled(self.bounds.idle) })
    }

    fn passed(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Break> {
        match frame.into_data() {
            Ok(piece) => {
                let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                self.left = self.left.checked_sub(length).ok_or(Break::TooLarge(self.bounds.bytes))?;
                Ok(Frame::data(piece))
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Ok(Frame::trailers((self.bounds.trailers)(trailers))),
                Err(frame) => Ok(frame),
            },
        }
    }
}

impl<B> Body for Metered<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Cause>,
{
    type Data = Bytes;
    type Error = Break;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        // Also where nothing is ever waited for.
        if self.until <= Instant::now() {
            self.is_over = true;
            return Poll::Ready(Some(Err(Break::Late)));
        }
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => Some(Err(ready!(self.poll_timer(cx)))),
            Poll::Ready(Some(Ok(frame))) => Some(self.passed(frame)),
            Poll::Ready(Some(Err(cause))) => Some(Err(Break::Source(cause.into()))),
            Poll::Ready(None) => None,
        };
        self.is_waiting = false;
        self.is_over = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How far the caller's body has come, for who waits for the answer meanwhile.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    /// When it last moved, in milliseconds since it began.
    moved: AtomicU64,
    awaits_caller: AtomicBool,
    fault: AtomicU8,
}

/// What was wrong with the caller's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooLarge,
    Stalled,
    Interrupted,
}

impl Progress {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            awaits_caller: AtomicBool::new(false),
            fault: AtomicU8::new(0),
        }
    }

    /// When the body last moved.
    pub(super) fn moved(&self) -> Instant {
        self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    /// From when on to wait for the other side, if that is later than `last`. Where the next piece is the caller's to send, it is
    /// now: the wait for that has a bound of its own.
    pub(super) fn since(&self, last: Instant) -> Option<Instant> {
        if self.awaits_caller.load(Ordering::Relaxed) {
            return Some(Instant::now());
        }
        Some(self.moved()).filter(|moved| last < *moved)
    }

    fn touch(&self) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(elapsed, Ordering::Relaxed);
    }

    fn note(&self, fault: &Break) {
        let fault = match fault {
            Break::TooLarge(_) => 1,
            Break::Stalled(_) | Break::Late => 2,
            Break::Source(_) => 3,
        };
        self.fault.store(fault, Ordering::Release);
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        match self.fault.load(Ordering::Acquire) {
            1 => Some(Fault::TooLarge),
            2 => Some(Fault::Stalled),
            3 => Some(Fault::Interrupted),
            _ => None,
        }
    }
}

/// A caller's body on its way up. `None` for one that is empty.
#[derive(Debug)]
pub(super) struct Sent<B>(Option<(Metered<B>, Arc<Progress>)>);

impl<B> Sent<B> {
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    pub(super) fn new(body: B, bounds: Bounds, progress: &Arc<Progress>) -> Self {
        Self(Some((Metered::new(body, bounds), Arc::clone(progress))))
    }
}

impl<B> Body for Sent<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Cause>,
{
    type Data = Bytes;
    type Error = Break;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        let Some((body, progress)) = &mut self.0 else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(cx);
        progress.awaits_caller.store(frame.is_pending(), Ordering::Relaxed);
        let frame = ready!(frame);
        match &frame {
            Some(Err(fault)) => progress.note(fault),
            _ => progress.touch(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use futures::{Stream, StreamExt as _};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    fn bounds(bytes: u64) -> Bounds {
        Bounds { bytes, idle: IDLE, trailers: |trailers| trailers }
    }

    fn pieces(
        count: usize,
        pause: Duration,
    ) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static {
        stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from_static(b"0123456789")))
        })
    }

    /// How many bytes came, and what was wrong then.
    async fn read<B: Body<Data = Bytes, Error = Break> + Unpin>(mut body: B) -> (usize, Option<Break>) {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Err(fault) => {
                    assert!(body.frame().await.is_none(), "nothing follows");
                    return (bytes, Some(fault));
                }
            }
        }
        (bytes, None)
    }

    fn metered(count: usize, pause: Duration, bytes: u64) -> impl Body<Data = Bytes, Error = Break> + Unpin {
        Metered::new(StreamBody::new(pieces(count, pause).boxed()), bounds(bytes))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_within_its_bounds_passes_whole() {
        let (bytes, fault) = read(metered(10, IDLE.mul_f32(0.9), 100)).await;
        assert!(fault.is_none(), "{fault:?}");
        assert_eq!(bytes, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_large_is_broken_off_before_it_is() {
        let (bytes, fault) = read(metered(11, Duration::ZERO, 105)).await;
        assert!(matches!(fault, Some(Break::TooLarge(105))), "{fault:?}");
        assert_eq!(bytes, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_for_ever() {
        let began = Instant::now();
        let (bytes, fault) = read(metered(3, IDLE * 2, 1000)).await;
        assert!(matches!(fault, Some(Break::Stalled(IDLE))), "{fault:?}");
        assert_eq!((bytes, began.elapsed()), (0, IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn what_trickles_ends() {
        let began = Instant::now();
        let (_, fault) = read(metered(usize::MAX, IDLE.mul_f32(0.9), u64::MAX)).await;
        assert!(matches!(fault, Some(Break::Late)), "{fault:?}");
        assert_eq!(began.elapsed(), DEADLINE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_pauses_ends_too() {
        let endless = stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"0"))));
        let mut body = Metered::new(StreamBody::new(endless), bounds(u64::MAX));
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::advance(DEADLINE).await;
        assert!(matches!(body.frame().await, Some(Err(Break::Late))));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_callers_body_tells_how_far_it_is_and_what_was_wrong() {
        let progress = Arc::new(Progress::begin());
        let body = StreamBody::new(pieces(2, Duration::from_secs(30)).boxed());
        let (bytes, _) = read(Sent::new(body, bounds(100), &progress)).await;
        assert_eq!((bytes, progress.moved().elapsed(), progress.fault()), (20, Duration::ZERO, None));
        for (count, pause, fault) in [(2, Duration::ZERO, Fault::TooLarge), (1, IDLE * 2, Fault::Stalled)] {
            let progress = Arc::new(Progress::begin());
            let body = StreamBody::new(pieces(count, pause).boxed());
            let (_, found) = read(Sent::new(body, bounds(15), &progress)).await;
            assert!(found.is_some());
            assert_eq!(progress.fault(), Some(fault));
        }
        let broken = stream::iter([Err(std::io::Error::other("gone"))]);
        let (_, found) = read(Sent::new(StreamBody::new(broken), bounds(15), &progress)).await;
        assert!(matches!(found, Some(Break::Source(_))));
        assert_eq!(progress.fault(), Some(Fault::Interrupted));
    }
}
