//! Worker processes: how they are started, kept, and laid to rest.

use std::{
    ffi::OsString,
    fmt, io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::{
    limits::Limits,
    protocol::{Frame, Reply, Request, encode, receive, unusable},
    worker::BUNDLER_STACK,
};

/// How long a worker may take to start.
const START: Duration = Duration::from_secs(20);
/// What is read of a dead worker's last words, in bytes.
const LAST_WORDS: u64 = 2_048;
/// SIGXCPU (setrlimit(2), `RLIMIT_CPU`).
const PROCESSOR_TIME_SIGNAL: i32 = 24;

/// How to start a worker: a program that runs [`crate::worker::main`].
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    program: PathBuf,
    args: Vec<OsString>,
}

impl WorkerCommand {
    /// The program at `program`, with `args`.
    pub fn new(program: impl Into<PathBuf>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { program: program.into(), args: args.into_iter().map(Into::into).collect() }
    }

    /// The program that is running, with `args`. On Linux also where its file has been replaced meanwhile.
    pub fn this_program(args: impl IntoIterator<Item = impl Into<OsString>>) -> io::Result<Self> {
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()?
        };
        Ok(Self::new(program, args))
    }
}

/// A worker process; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: ChildStderr,
    max_body: usize,
    builds: u32,
    idle_since: Instant,
}

/// Why a worker died.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It used up its processor time.
    ProcessorTime,
    /// Anything else, as far as it is known.
    Other(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProcessorTime => f.write_str("out of processor time"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl Worker {
    async fn start(command: &WorkerCommand, limits: &Limits) -> io::Result<Self> {
        let mut child = Command::new(&command.program)
            .args(&command.args)
            .env_clear()
            .env("MALLOC_ARENA_MAX", "2")
            .env("RAYON_NUM_THREADS", "2")
            .env("RUST_MIN_STACK", BUNDLER_STACK.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(unusable("a worker without pipes"));
        };
        let mut worker = Self {
            child,
            input,
            output: BufReader::new(output),
            errors,
            max_body: max_body(limits),
            builds: 0,
            idle_since: Instant::now(),
        };
        // Two threads at work for the whole time, and as much again for the kernel's rounding.
        let cpu_seconds = limits.time.as_secs() * 4 + 2;
        let hello = Request::Start { memory_bytes: limits.memory_bytes, cpu_seconds };
        let hello = encode(&hello, std::iter::empty())?;
        let reply = timeout(START, worker.exchange(&hello)).await.map_err(io::Error::other)?;
        match reply.map(|frame| frame.header) {
            Ok(Reply::Ready) => {
                worker.builds = 0;
                Ok(worker)
            }
            Ok(_) => Err(unusable("a worker that does not say that it is ready")),
            Err(error) => Err(io::Error::new(error.kind(), worker.autopsy().await.to_string())),
        }
    }

    /// Sends one request and reads the answer. Not to be used again after an error.
    pub(crate) async fn exchange(&mut self, frame: &[u8]) -> io::Result<Frame<Reply>> {
        self.builds += 1;
        self.input.write_all(frame).await?;
        self.input.flush().await?;
        receive(&mut self.output, self.max_body).await
    }

    /// Ends the process and says what it died of.
    pub(crate) async fn autopsy(mut self) -> Fault {
        drop(self.input);
        // It is dying already, or has said something that makes no sense.
        let ended = timeout(Duration::from_secs(1), self.child.wait()).await;
        let status = ended.ok().and_then(Result::ok);
        if status.is_none() {
            drop(self.child.kill().await);
        }
        if status.is_some_and(|status| status.signal() == Some(PROCESSOR_TIME_SIGNAL)) {
            return Fault::ProcessorTime;
        }
        let mut words = Vec::new();
        let mut errors = (&mut self.errors).take(LAST_WORDS);
        drop(timeout(Duration::from_millis(100), errors.read_to_end(&mut words)).await);
        Fault::Other(describe(status, &words))
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

fn describe(status: Option<ExitStatus>, words: &[u8]) -> String {
    let status = status.map_or_else(|| "killed".to_owned(), |status| status.to_string());
    let words = String::from_utf8_lossy(words);
    match words.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{status}: {}", line.escape_debug()),
        None => status,
    }
}

/// The most that a worker may answer: two bundles with their source maps.
fn max_body(limits: &Limits) -> usize {
    usize::try_from(limits.output_bytes.saturating_mul(2 * (1 + crate::compile::MAPS_PER_SCRIPT)))
        .unwrap_or(usize::MAX)
}

/// The workers that are waiting for work.
#[derive(Debug)]
pub(crate) struct Workers {
    command: WorkerCommand,
    limits: Limits,
    idle: Mutex<Vec<Worker>>,
    reaping: AtomicBool,
    ended: AtomicBool,
}

impl Workers {
    pub(crate) fn new(command: WorkerCommand, limits: Limits) -> Self {
        Self {
            command,
            limits,
            idle: Mutex::default(),
            reaping: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// A warm worker, else a new one.
    pub(crate) async fn take(&self) -> io::Result<Worker> {
        loop {
            let idle = self.idle().pop();
            let Some(mut worker) = idle else { return Worker::start(&self.command, &self.limits).await };
            if worker.is_alive() {
                return Ok(worker);
            }
        }
    }

    /// Keeps a worker for the next build, or replaces it after its last one.
    pub(crate) fn give_back(self: &Arc<Self>, worker: Worker) {
        if worker.builds >= self.limits.builds_per_worker {
            drop(worker);
            self.replace();
        } else {
            self.keep(worker);
        }
    }

    /// Starts a worker in place of one that is gone, so that the next build finds it warm.
    pub(crate) fn replace(self: &Arc<Self>) {
        let workers = Arc::clone(self);
        tokio::spawn(async move {
            match Worker::start(&workers.command, &workers.limits).await {
                Ok(worker) => workers.keep(worker),
                Err(error) => tracing::error!(error = %error, "a bundler worker could not be started"),
            }
        });
    }

    /// Ends the idle workers; those that come back are ended as well.
    pub(crate) async fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let workers = std::mem::take(&mut *self.idle());
        for mut worker in workers {
            drop(worker.child.kill().await);
        }
    }

    fn keep(self: &Arc<Self>, mut worker: Worker) {
        if self.ended.load(Ordering::SeqCst) {
            return;
        }
        worker.idle_since = Instant::now();
        let mut idle = self.idle();
        if idle.len() < self.limits.concurrency.max(1) {
            idle.push(worker);
        }
        drop(idle);
        if !self.reaping.swap(true, Ordering::SeqCst) {
            tokio::spawn(Arc::clone(self).reap());
        }
    }

    /// Ends workers that nobody has needed for a while, until there are none.
    async fn reap(self: Arc<Self>) {
        loop {
            sleep(self.limits.idle / 2).await;
            let mut idle = self.idle();
            idle.retain(|worker| worker.idle_since.elapsed() < self.limits.idle);
            if idle.is_empty() {
                self.reaping.store(false, Ordering::SeqCst);
                return;
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
