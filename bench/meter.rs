//! What this process has used.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A stopwatch for time and processor time.
pub(crate) struct Meter {
    began: Instant,
    cpu: Duration,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), cpu: cpu() }
    }

    /// The time since the start, and the processor's time.
    pub(crate) fn read(&self) -> (Duration, Duration) {
        (self.began.elapsed(), cpu().saturating_sub(self.cpu))
    }
}

/// The processor's time of all threads.
fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().expect("a time since the start")
}

/// The most memory that was resident, in KiB.
pub(crate) fn max_rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
