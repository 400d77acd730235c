//! The script component, compiled when it is first needed.

use std::path::PathBuf;

use tokio::sync::OnceCell;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::cache;
use crate::error::Error;
use crate::imports::{Backend, BackendPre};
use crate::state::State;

/// QuickJS and the prelude, made by `build.rs` from `component/`.
const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sandbox.wasm"));

/// The component for all scripts.
pub(crate) struct ScriptComponent {
    engine: Engine,
    cache_dir: Option<PathBuf>,
    compiled: OnceCell<BackendPre<State>>,
}

impl ScriptComponent {
    pub(crate) fn new(engine: Engine, cache_dir: Option<PathBuf>) -> Self {
        Self { engine, cache_dir, compiled: OnceCell::new() }
    }

    /// What instances are made of. The first who asks has it compiled, about a second beside the async threads; all others who
    /// ask meanwhile wait with it.
    pub(crate) async fn get(&self) -> Result<&BackendPre<State>, Error> {
        self.compiled.get_or_try_init(|| self.compile()).await
    }

    async fn compile(&self) -> Result<BackendPre<State>, Error> {
        let (engine, folder) = (self.engine.clone(), self.cache_dir.clone());
        let compile = move || -> wasmtime::Result<BackendPre<State>> {
            let component = cache::component(&engine, COMPONENT, folder.as_deref())?;
            let mut linker = Linker::new(&engine);
            wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
            Backend::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state)?;
            BackendPre::new(linker.instantiate_pre(&component)?)
        };
        tokio::task::spawn_blocking(compile).await.map_err(Error::engine)?.map_err(Error::engine)
    }
}
