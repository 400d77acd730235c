//! The slow lane: calls that compute for long go on in threads of the lowest priority, so that others do not wait for them.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::error::Error;
use crate::meter::{Meter, Metered};

/// The lowest priority that there is on Unix.
#[cfg(target_os = "linux")]
const NICEST: i32 = 19;

/// Where a call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// In the threads of the caller, until it has computed for long.
    Fast,
    /// In the slow lane at once.
    Slow,
}

/// The threads of the slow lane.
pub(crate) struct Lanes {
    /// There until it is dropped.
    slow: Option<Runtime>,
}

impl Lanes {
    /// A slow lane of `threads`.
    pub(crate) fn new(threads: usize) -> Result<Self, Error> {
        let slow = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(1)
            .thread_name("sandbox-slow")
            .on_thread_start(lower)
            .enable_time()
            .build()
            .map_err(|error| Error::internal(format!("the slow lane does not start: {error}")))?;
        Ok(Self { slow: Some(slow) })
    }

    /// Runs `work`, whose computing `meter` counts. It ends when this future is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: BoxFuture<'static, T>,
        meter: Arc<Meter>,
        lane: Lane,
    ) -> Result<T, Error> {
        let mut work = Metered::new(work, meter);
        if lane == Lane::Fast
            && let Some(done) = fast(&mut work).await
        {
            return Ok(done);
        }
        let slow = self.slow.as_ref().ok_or_else(|| Error::internal("the slow lane has ended"))?;
        metrics::counter!("jackfield_sandbox_slow_total").increment(1);
        AbortOnDropHandle::new(slow.spawn(work))
            .await
            .map_err(|error| Error::internal(format!("a call ended in the slow lane: {error}")))
    }
}

/// What came of it; nothing if it is one for the slow lane.
async fn fast<T>(work: &mut Metered<BoxFuture<'static, T>>) -> Option<T> {
    poll_fn(|context| match Pin::new(&mut *work).poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if work.meter().is_heavy() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

impl Drop for Lanes {
    fn drop(&mut self) {
        // A runtime that waits for its threads may not be dropped where a future runs.
        if let Some(slow) = self.slow.take() {
            slow.shutdown_background();
        }
    }
}

/// Gives this thread the lowest priority. On Linux this is a thread's own; elsewhere it would be the whole process's.
fn lower() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICEST) {
        tracing::warn!(%error, "the slow lane of plugins runs at the usual priority");
    }
}
