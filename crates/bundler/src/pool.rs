//! The bundler as the server sees it: a bounded number of builds, each in a worker process that is kept warm.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, SemaphorePermit, TryAcquireError},
    time::timeout,
};

use crate::{
    error::{Error, Limit},
    limits::Limits,
    output::{Artifact, BackendBuild, BackendRequest, Build, BuildRequest, Inspection},
    process::{Fault, Worker, Workers},
    protocol::{Frame, Reply, Request, encode, listing, unusable},
};

pub use crate::process::WorkerCommand;

/// Builds plugins. Clones share the workers. It is used within one tokio runtime.
#[derive(Debug, Clone)]
pub struct Bundler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    workers: Arc<Workers>,
    limits: Limits,
    /// One permit for each build that may run.
    running: Semaphore,
    /// One permit for each build that may wait.
    waiting: Semaphore,
    closed: AtomicBool,
}

impl Bundler {
    /// A bundler whose workers are started by `worker`. None is started yet; see [`Bundler::warm`].
    pub fn new(worker: WorkerCommand, limits: Limits) -> Self {
        let shared = Shared {
            running: Semaphore::new(limits.concurrency.max(1)),
            waiting: Semaphore::new(limits.queue),
            closed: AtomicBool::new(false),
            workers: Arc::new(Workers::new(worker, limits.clone())),
            limits,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts one worker, so that the first build does not wait for it, and so that a worker that cannot be started
    /// is noticed early.
    pub async fn warm(&self) -> Result<(), Error> {
        let worker = self.shared.workers.take().await.map_err(Error::Worker)?;
        self.shared.workers.give_back(worker);
        Ok(())
    }

    /// Builds a plugin. A build that is dropped before it ends is killed.
    pub async fn build(&self, request: BuildRequest) -> Result<Build, Error> {
        let limits = &self.shared.limits;
        check(Limit::Files, request.tree.len() as u64, limits.files)?;
        check(Limit::InputBytes, request.tree.size_bytes() as u64, limits.input_bytes)?;
        let header = Request::Build {
            entry: request.entry,
            plugin_id: request.plugin_id,
            asset_bytes: limits.asset_bytes,
            output_bytes: limits.output_bytes,
            files: listing(&request.tree),
        };
        let frame =
            encode(&header, request.tree.iter().map(|(_, content)| &content[..])).map_err(Error::Worker)?;
        let reply = self.ask(frame).await?;
        unpack(reply)
    }

    /// Builds a backend. As with [`Bundler::build`], a build that is dropped before it ends is killed.
    pub async fn build_backend(&self, request: BackendRequest) -> Result<BackendBuild, Error> {
        let limits = &self.shared.limits;
        check(Limit::Files, request.tree.len() as u64, limits.files)?;
        check(Limit::InputBytes, request.tree.size_bytes() as u64, limits.input_bytes)?;
        let header = Request::Backend {
            entry: request.entry,
            asset_bytes: limits.asset_bytes,
            output_bytes: limits.output_bytes,
            files: listing(&request.tree),
        };
        let frame =
            encode(&header, request.tree.iter().map(|(_, content)| &content[..])).map_err(Error::Worker)?;
        unpack_backend(self.ask(frame).await?)
    }

    /// Looks at an ES module that somebody else built: whether it parses, has a default export and imports nothing
    /// that the page does not provide, and what it says of itself.
    pub async fn inspect(&self, bundle: Bytes) -> Result<Inspection, Error> {
        check(Limit::OutputBytes, bundle.len() as u64, self.shared.limits.output_bytes)?;
        let frame = encode(&Request::Inspect, std::iter::once(&bundle[..])).map_err(Error::Worker)?;
        match self.ask(frame).await?.header {
            Reply::Inspected(inspection) => Ok(inspection),
            other => Err(refused(other)),
        }
    }

    /// Lets running builds end, within the time of one build, and ends the workers. Later builds are refused.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        shared.closed.store(true, Ordering::SeqCst);
        shared.waiting.close();
        let all = u32::try_from(shared.limits.concurrency.max(1)).unwrap_or(u32::MAX);
        drop(timeout(shared.limits.time, shared.running.acquire_many(all)).await);
        shared.running.close();
        shared.workers.end().await;
    }

    async fn ask(&self, frame: Vec<u8>) -> Result<Frame<Reply>, Error> {
        let shared = &self.shared;
        let _permit = shared.admit().await?;
        let mut worker = shared.workers.take().await.map_err(Error::Worker)?;
        let answer = timeout(shared.limits.time, worker.exchange(&frame)).await;
        match answer {
            Ok(Ok(reply)) => {
                shared.workers.give_back(worker);
                Ok(reply)
            }
            Ok(Err(error)) => Err(shared.fault(worker, &error).await),
            Err(_) => {
                tracing::warn!(bundler.time_s = shared.limits.time.as_secs_f64(), "a build took too long");
                drop(worker);
                shared.workers.replace();
                Err(Error::Timeout { allowed: shared.limits.time })
            }
        }
    }
}

impl Shared {
    /// Waits for a place among the running builds.
    async fn admit(&self) -> Result<SemaphorePermit<'_>, Error> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::ShutDown);
        }
        match self.running.try_acquire() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(Error::ShutDown),
            Err(TryAcquireError::NoPermits) => {}
        }
        let _place = self.waiting.try_acquire().map_err(|error| match error {
            TryAcquireError::Closed => Error::ShutDown,
            TryAcquireError::NoPermits => Error::Busy,
        })?;
        let permit = timeout(self.limits.wait, self.running.acquire()).await.map_err(|_| Error::Busy)?;
        match permit {
            Ok(_) if self.closed.load(Ordering::SeqCst) => Err(Error::ShutDown),
            Ok(permit) => Ok(permit),
            Err(_) => Err(Error::ShutDown),
        }
    }

    /// Why a worker gave no answer; it is replaced.
    async fn fault(&self, worker: Worker, error: &io::Error) -> Error {
        let fault = worker.autopsy().await;
        tracing::warn!(bundler.fault = %fault, error = %error, "a bundler worker died");
        self.workers.replace();
        match fault {
            Fault::ProcessorTime => Error::Timeout { allowed: self.limits.time },
            Fault::Other(_) => Error::Crashed,
        }
    }
}

fn check(limit: Limit, actual: u64, allowed: u64) -> Result<(), Error> {
    if actual > allowed { Err(Error::Limit { limit, actual, allowed }) } else { Ok(()) }
}

fn unpack(frame: Frame<Reply>) -> Result<Build, Error> {
    let pieces = match &frame.header {
        Reply::Built { artifacts, .. } => frame.pieces(artifacts.iter().map(|(_, _, length)| *length)),
        _ => Some(Vec::new()),
    };
    let pieces = pieces.ok_or_else(|| Error::Worker(unusable("lengths that are not those of the files")))?;
    let Reply::Built { entry, bare_entry, artifacts, definition, warnings } = frame.header else {
        return Err(refused(frame.header));
    };
    let sound = artifacts.iter().all(|(name, ..)| is_filename(name));
    let listed = |name: &String| artifacts.iter().any(|(known, ..)| known == name);
    if !sound || !listed(&entry) || !listed(&bare_entry) {
        return Err(Error::Worker(unusable("file names that cannot be published")));
    }
    let artifacts = artifacts.into_iter().zip(pieces);
    let artifacts =
        artifacts.map(|((filename, kind, _), content)| Artifact { filename, kind, content }).collect();
    Ok(Build { entry, bare_entry, artifacts, definition, warnings })
}

fn unpack_backend(frame: Frame<Reply>) -> Result<BackendBuild, Error> {
    let lengths = match &frame.header {
        Reply::BuiltBackend { script, source_map, .. } => [*script, *source_map],
        _ => return Err(refused(frame.header)),
    };
    let pieces = frame.pieces(lengths.into_iter()).map(<[Bytes; 2]>::try_from);
    let Reply::BuiltBackend { warnings, .. } = frame.header else { return Err(refused(frame.header)) };
    match pieces {
        Some(Ok([script, source_map])) => Ok(BackendBuild { script, source_map, warnings }),
        _ => Err(Error::Worker(unusable("lengths that are not those of the files"))),
    }
}

fn refused(reply: Reply) -> Error {
    match reply {
        Reply::Invalid(diagnostics) => Error::Invalid(diagnostics),
        Reply::Limit { limit, actual, allowed } => Error::Limit { limit, actual, allowed },
        _ => Error::Worker(unusable("a reply that does not fit the request")),
    }
}

/// Names become parts of URLs and of object keys, so they are checked though the worker is ours.
fn is_filename(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.starts_with('.') && (1..=128).contains(&name.len()) && name.chars().all(plain)
}
