//! Components as they are run: compiled once for this machine, kept in a folder, and in memory while they are needed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use model::Ambient;
use moka::future::Cache;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::Component;
use super::check::check;
use super::process::{self, CompilerCommand};
use super::state::State;
use crate::{Error, Settings, cache};

/// Components that wait to be compiled, the one that is being compiled among them.
const MOST_WAITING: usize = 16;

/// The most bytes of compiled code in the folder.
const MOST_KEPT: u64 = 512 << 20;

/// The most bytes of compiled code in memory, and how long it stays there though nobody needs it.
const MOST_IN_MEMORY: u64 = 256 << 20;
const IDLE: Duration = Duration::from_mins(10);

/// How many components that cannot be run are remembered, and for how long: they are not compiled again for every request.
const MOST_REFUSED: u64 = 1_000;
const REFUSED: Duration = Duration::from_mins(1);

/// What is told of an error of the linker, in characters.
const TOLD: usize = 500;

/// The folder of compiled components within that of compiled code.
const FOLDER: &str = "components";

/// All components that can be run.
pub(crate) struct Components {
    inner: Arc<Inner>,
    ready: Cache<Arc<str>, Ready>,
    refused: Cache<Arc<str>, Error>,
}

struct Inner {
    engine: Engine,
    command: Option<CompilerCommand>,
    folder: Option<PathBuf>,
    ambient: Ambient,
    /// One is compiled at a time: it takes as many cores as there are.
    compiling: Semaphore,
    waiting: Arc<Semaphore>,
}

/// What instances are made of.
#[derive(Clone)]
struct Ready {
    made: ProxyPre<State>,
    bytes: u32,
}

impl Components {
    pub(crate) fn new(engine: Engine, settings: &Settings, ambient: Ambient) -> Self {
        let inner = Inner {
            engine,
            command: settings.compiler.clone(),
            folder: settings.cache_dir.as_ref().map(|folder| folder.join(FOLDER)),
            ambient,
            compiling: Semaphore::new(1),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
        };
        let weigh = |_: &Arc<str>, ready: &Ready| ready.bytes;
        let ready = Cache::builder().max_capacity(MOST_IN_MEMORY).time_to_idle(IDLE).weigher(weigh).build();
        let refused = Cache::builder().max_capacity(MOST_REFUSED).time_to_live(REFUSED).build();
        Self { inner: Arc::new(inner), ready, refused }
    }

    /// What instances of `component` are made of. All who ask for it meanwhile wait for one compilation, which goes on if they do
    /// not.
    pub(crate) async fn get(&self, component: &Component) -> Result<ProxyPre<State>, Error> {
        if let Some(ready) = self.ready.get(&component.id).await {
            return Ok(ready.made);
        }
        if let Some(error) = self.refused.get(&component.id).await {
            return Err(error);
        }
        let make = self.make(component.bytes.clone());
        let ready = self.ready.try_get_with(Arc::clone(&component.id), make).await;
        let error = match ready {
            Ok(ready) => return Ok(ready.made),
            Err(error) => Error::clone(&error),
        };
        if matches!(error, Error::Component(_)) {
            self.refused.insert(Arc::clone(&component.id), error.clone()).await;
        }
        Err(error)
    }

    /// Whether `bytes` are a component that can be run. It is compiled for that.
    pub(crate) async fn check(&self, bytes: &Bytes) -> Result<(), Error> {
        self.make(bytes.clone()).await.map(drop)
    }

    async fn make(&self, bytes: Bytes) -> Result<Ready, Error> {
        let inner = Arc::clone(&self.inner);
        tokio::spawn(inner.compiled(bytes)).await.map_err(Error::engine)?
    }
}

impl Inner {
    async fn compiled(self: Arc<Self>, bytes: Bytes) -> Result<Ready, Error> {
        let (inner, component) = (Arc::clone(&self), bytes.clone());
        let found =
            tokio::task::spawn_blocking(move || inner.found(&component)).await.map_err(Error::engine)??;
        let name = match found {
            Found::Ready(ready) => return Ok(ready),
            Found::Nothing(name) => name,
        };
        let place = Arc::clone(&self.waiting).try_acquire_owned();
        let _place = place.map_err(|_| Error::Busy(Duration::from_secs(5)))?;
        let _turn = self.compiling.acquire().await.map_err(Error::engine)?;
        let command =
            self.command.as_ref().ok_or_else(|| Error::internal("there is no compiler of components"))?;
        let code = process::compile(command, &bytes).await;
        let outcome = code.as_ref().map_or_else(Error::kind, |_| "compiled");
        metrics::counter!("jackfield_sandbox_compilations_total", "outcome" => outcome).increment(1);
        let code = code?;
        let inner = Arc::clone(&self);
        let load = move || inner.fresh(&code, &name);
        tokio::task::spawn_blocking(load).await.map_err(Error::engine)?
    }

    /// What was compiled before. Blocks.
    fn found(&self, bytes: &[u8]) -> Result<Found, Error> {
        check(bytes).map_err(Error::Component)?;
        let name = cache::name(&self.engine, bytes);
        let kept =
            self.folder.as_ref().and_then(|folder| cache::kept(&self.engine, folder, &name, self.now()));
        match kept {
            Some(component) => self.linked(&component).map(Found::Ready),
            None => Ok(Found::Nothing(name)),
        }
    }

    fn fresh(&self, code: &[u8], name: &str) -> Result<Ready, Error> {
        let kept = (self.folder.as_deref(), name, MOST_KEPT);
        let component = cache::fresh(&self.engine, code, kept).map_err(|error| refused(&error))?;
        self.linked(&component)
    }

    /// Joined with what it imports.
    fn linked(&self, component: &wasmtime::component::Component) -> Result<Ready, Error> {
        let mut linker = Linker::new(&self.engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(Error::engine)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(Error::engine)?;
        let made =
            linker.instantiate_pre(component).and_then(ProxyPre::new).map_err(|error| refused(&error))?;
        let code = component.image_range();
        let bytes = (code.end as usize).saturating_sub(code.start as usize);
        Ok(Ready { made, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) })
    }

    fn now(&self) -> SystemTime {
        let since = u64::try_from(self.ambient.now().as_millisecond()).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::from_millis(since)
    }
}

enum Found {
    Ready(Ready),
    /// Nothing under this name.
    Nothing(String),
}

/// An error of the engine that is the component's: an import of another type, a memory beyond its bound.
fn refused(error: &wasmtime::Error) -> Error {
    Error::Component(format!("{error:#}").chars().filter(|char| !char.is_control()).take(TOLD).collect())
}
