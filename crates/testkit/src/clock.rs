//! A clock that the test holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::{Ambient, Clock, SystemRandom, Timestamp};

/// A clock that begins with the machine's time and moves only when told.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock, and surroundings that go by it.
    pub fn ambient() -> (Arc<Self>, Ambient) {
        let clock = Arc::new(Self(AtomicI64::new(Ambient::system().now().as_millisecond())));
        let ambient = Ambient::new(Arc::<Self>::clone(&clock), Arc::new(SystemRandom));
        (clock, ambient)
    }

    /// Moves the clock `by` into the future.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Moves the clock `by` into the past.
    pub fn set_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst))
    }
}
