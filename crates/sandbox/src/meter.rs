//! How much a call has computed: the time of the thread while it ran, not the time that it waited.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The computing time of one call. Written by the thread that polls it alone, so that nothing but the values matters.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Nanoseconds up to the last time that it was polled.
    before: AtomicU64,
    /// What the clock of the polling thread said when it began to be polled.
    began: AtomicU64,
    /// Nanoseconds beyond which it is stopped.
    limit: AtomicU64,
    /// Nanoseconds beyond which it goes on in the slow lane.
    patience: AtomicU64,
    /// The loading of the script took long for a call, if not for a load.
    is_long_load: AtomicBool,
}

/// How much of the processor a call was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// A little.
    Light,
    /// As much as loading a script may be, which only matters where it is done over and over.
    Loading,
    /// So much that it was one for the slow lane.
    Heavy,
}

/// How much may be computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// Before the call is stopped.
    pub(crate) limit: Duration,
    /// Before it goes on in the slow lane.
    pub(crate) patience: Duration,
}

/// That a call has computed for longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the call has used up its computing time")]
pub(crate) struct Overrun;

fn thread_clock() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanoseconds.unwrap_or(0))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Meter {
    /// One that says that a call was heavy, and used more than the half of its time if `is_half_used`.
    #[cfg(test)]
    pub(crate) fn heavy(is_half_used: bool) -> Arc<Self> {
        let meter = Self::default();
        meter.before.store(2, Ordering::Relaxed);
        meter.limit.store(if is_half_used { 3 } else { 4 }, Ordering::Relaxed);
        Arc::new(meter)
    }

    /// Begins to count anew, from within a poll.
    pub(crate) fn restart(&self, allowance: Allowance) {
        self.before.store(0, Ordering::Relaxed);
        self.began.store(thread_clock(), Ordering::Relaxed);
        self.limit.store(nanoseconds(allowance.limit), Ordering::Relaxed);
        self.patience.store(nanoseconds(allowance.patience), Ordering::Relaxed);
    }

    /// Whether so much was used until the last poll ended that it is one for the slow lane.
    pub(crate) fn is_heavy(&self) -> bool {
        self.before.load(Ordering::Relaxed) >= self.patience.load(Ordering::Relaxed)
    }

    /// Notes how much the loading of a script was, from within a poll, against what would be long for a call.
    pub(crate) fn end_load(&self, patience: Duration) {
        self.is_long_load.store(self.used() >= nanoseconds(patience), Ordering::Relaxed);
    }

    /// Notes that no script is loaded this time.
    pub(crate) fn skip_load(&self) {
        self.is_long_load.store(false, Ordering::Relaxed);
    }

    /// How much was used until the last poll ended.
    pub(crate) fn effort(&self) -> Effort {
        match (self.is_heavy(), self.is_long_load.load(Ordering::Relaxed)) {
            (true, _) => Effort::Heavy,
            (false, true) => Effort::Loading,
            (false, false) => Effort::Light,
        }
    }

    /// Whether more than the half of what may be used was used until the last poll ended.
    pub(crate) fn is_half_used(&self) -> bool {
        self.before.load(Ordering::Relaxed) > self.limit.load(Ordering::Relaxed) / 2
    }

    /// Whether more may be used, asked from within a poll.
    pub(crate) fn check(&self) -> Result<(), Overrun> {
        if self.used() > self.limit.load(Ordering::Relaxed) { Err(Overrun) } else { Ok(()) }
    }

    /// From within a poll.
    fn used(&self) -> u64 {
        let within = thread_clock().saturating_sub(self.began.load(Ordering::Relaxed));
        self.before.load(Ordering::Relaxed).saturating_add(within)
    }

    fn begin(&self) {
        self.began.store(thread_clock(), Ordering::Relaxed);
    }

    fn end(&self) {
        let within = thread_clock().saturating_sub(self.began.load(Ordering::Relaxed));
        self.before.fetch_add(within, Ordering::Relaxed);
    }
}

/// A future whose computing is counted.
pub(crate) struct Metered<F> {
    inner: F,
    meter: Arc<Meter>,
}

impl<F> Metered<F> {
    pub(crate) fn new(inner: F, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}

impl<F: Future + Unpin> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.meter.begin();
        let polled = Pin::new(&mut self.inner).poll(context);
        self.meter.end();
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(for_how_long: Duration) {
        let begun = thread_clock();
        while Duration::from_nanos(thread_clock() - begun) < for_how_long {
            std::hint::black_box(0);
        }
    }

    #[test]
    fn computing_counts_and_waiting_does_not() {
        let meter = Arc::new(Meter::default());
        let allowance = Allowance { limit: Duration::from_millis(5), patience: Duration::from_millis(1) };
        let mut call = Metered::new(
            Box::pin(async {
                meter.restart(allowance);
                std::thread::sleep(Duration::from_millis(20));
                assert!(meter.check().is_ok());
                spin(Duration::from_millis(6));
                assert!(meter.check().is_err());
            }),
            Arc::clone(&meter),
        );
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut call).poll(&mut context).is_ready());
        assert!(meter.is_heavy());
        meter.restart(allowance);
        assert!(!meter.is_heavy());
    }
}
