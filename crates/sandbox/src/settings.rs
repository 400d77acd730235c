//! How much programs may use, and how much is kept.

use std::path::PathBuf;
use std::time::Duration;

use crate::CompilerCommand;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What one call may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the beginning to the answer, what is waited for included; not the wait for a turn.
    pub wall: Duration,
    /// Computing of a handler. That of loading a script is bounded by this as well, but counted by itself.
    pub cpu: Duration,
    /// Bytes of memory of one instance.
    pub memory: usize,
    /// Bytes of an answer, as JSON.
    pub output: usize,
    /// Bytes of a line of the log; what is longer is cut.
    pub log_line: usize,
    /// Lines of the log for each call; the others are dropped.
    pub log_lines: usize,
    /// Host calls at once, for each call. A script that asks for more waits.
    pub calls_in_flight: usize,
    /// Timers at once, for each call.
    pub timers: usize,
    /// Bytes of what is handed to the host by one call of it, or by it to the script.
    pub host_message: usize,
    /// Bytes of a script.
    pub script: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(5),
            cpu: Duration::from_secs(1),
            memory: 64 * MIB,
            output: MIB,
            log_line: 8 * KIB,
            log_lines: 1_000,
            calls_in_flight: 16,
            timers: 256,
            host_message: 8 * MIB,
            script: 4 * MIB,
        }
    }
}

/// How many calls run at once, and wait.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Calls that run at once, of everybody.
    pub running: usize,
    /// Calls that run at once, of one tenant.
    pub tenant_running: usize,
    /// Calls that run at once, of one owner: as many instances.
    pub owner_running: usize,
    /// Calls of one owner that wait for their turn.
    pub owner_queue: usize,
    /// How long a call waits for its turn.
    pub queue_wait: Duration,
}

impl Default for Admission {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            running: (cores * 32).max(64),
            tenant_running: (cores * 8).max(16),
            owner_running: 4,
            owner_queue: 64,
            queue_wait: Duration::from_secs(2),
        }
    }
}

/// When an owner whose calls keep using up their limits is left alone.
#[derive(Debug, Clone)]
pub struct Rest {
    /// After how many faults within `within`.
    pub faults: usize,
    /// See `faults`.
    pub within: Duration,
    /// For how long, the first time. It doubles each time that the trial after it fails.
    pub first: Duration,
    /// For how long at most.
    pub longest: Duration,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            faults: 5,
            within: Duration::from_secs(30),
            first: Duration::from_secs(10),
            longest: Duration::from_mins(5),
        }
    }
}

/// How a [`Sandbox`](crate::Sandbox) is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where compiled programs are kept from one start to the next. Made if need be, and readable for this user alone. Nothing
    /// is kept without it.
    pub cache_dir: Option<PathBuf>,
    /// What compiles plugins' own components. None of them runs without it.
    pub compiler: Option<CompilerCommand>,
    /// What one call may use.
    pub limits: Limits,
    /// How many calls run at once, and wait.
    pub admission: Admission,
    /// When an owner is left alone.
    pub rest: Rest,
    /// Instances that are kept warm.
    pub warm_instances: usize,
    /// Bytes of memory of all that are kept warm. An instance of a small script has 1.7 MB, of which the half is its own and the
    /// other half shared by all.
    pub warm_memory: usize,
    /// Bytes of memory of all instances, warm or running. None grows beyond.
    pub total_memory: usize,
    /// How much computing of a handler moves its call to the slow lane: threads of the lowest priority.
    pub slow_after: Duration,
    /// The same for the loading of a script, which a call of good will may have to wait for.
    pub slow_load_after: Duration,
    /// Threads of the slow lane.
    pub slow_threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache_dir: None,
            compiler: None,
            limits: Limits::default(),
            admission: Admission::default(),
            rest: Rest::default(),
            warm_instances: 2_000,
            warm_memory: 2048 * MIB,
            total_memory: 2560 * MIB,
            slow_after: Duration::from_millis(5),
            slow_load_after: Duration::from_millis(50),
            slow_threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
