//! What one build may take.

use std::time::Duration;

/// Bounds on builds. All sizes are bytes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long one build may run in a worker before the worker is killed. Default 10 s.
    pub time: Duration,
    /// How long a build may wait for a free worker before the caller is told that the bundler is busy. Default 20 s.
    pub wait: Duration,
    /// All source files of a tree together. Default 16 MiB.
    pub input_bytes: u64,
    /// Files in a tree. Default 2,000.
    pub files: u64,
    /// All scripts of one variant together; the source maps may take four times as much. Default 5 MiB.
    pub output_bytes: u64,
    /// One image or font that becomes a data URL. Default 32 KiB.
    pub asset_bytes: u64,
    /// Builds that run at the same time, each in a worker of its own. Default 2.
    pub concurrency: usize,
    /// Builds that may wait beyond those that run. Default 64.
    pub queue: usize,
    /// Address space of a worker. Default 2 GiB.
    pub memory_bytes: u64,
    /// Builds after which a worker is replaced, so that no leak grows for ever. Default 500.
    pub builds_per_worker: u32,
    /// How long an idle worker is kept warm. Default 5 minutes.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            wait: Duration::from_secs(20),
            input_bytes: 16 * 1024 * 1024,
            files: 2_000,
            output_bytes: 5 * 1024 * 1024,
            asset_bytes: 32 * 1024,
            concurrency: 2,
            queue: 64,
            memory_bytes: 2 * 1024 * 1024 * 1024,
            builds_per_worker: 500,
            idle: Duration::from_mins(5),
        }
    }
}
