//! Time and randomness as parameters, so that tests can set both.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// A source of unpredictable bytes, fit for keys and nonces.
pub trait Random: Send + Sync {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The clock of the machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(jiff::Timestamp::now().as_millisecond())
    }
}

/// The operating system's random generator, by way of AWS-LC.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        // AWS-LC aborts the process rather than return weak bytes, so this error has no practical cause; going on
        // with a predictable buffer would be worse than stopping.
        #[expect(clippy::expect_used, reason = "a process without randomness must not go on")]
        aws_lc_rs::rand::fill(buffer).expect("the operating system gives no random bytes");
    }
}

/// What a part of the program gets from its surroundings: the time and randomness.
#[derive(Clone)]
pub struct Ambient {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Ambient {
    /// Surroundings made of the given clock and random source.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random }
    }

    /// The machine's own clock and random generator.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemRandom))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        self.random.fill(&mut buffer);
        buffer
    }

    /// A random part of `duration`, so that those who wait for the same do not all come at once.
    pub fn part_of(&self, duration: Duration) -> Duration {
        duration.mul_f64(f64::from(u16::from_be_bytes(self.bytes())) / f64::from(u16::MAX))
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ambient")
    }
}
