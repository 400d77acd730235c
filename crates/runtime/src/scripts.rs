//! The scripts and components that were called lately, by version.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use registry::{Deployment, Program};
use sandbox::{Component, Script, SourceMap};

use crate::{Error, Installations};

/// The most bytes of scripts and source maps that are kept in memory.
const MAX_BYTES: u64 = 128 << 20;

/// How long one is kept that nobody calls.
const IDLE: Duration = Duration::from_mins(10);

/// Scripts in memory: a warm instance is called without a look into the store.
pub(crate) struct Scripts(Cache<String, Script>);

impl Scripts {
    pub(crate) fn new() -> Self {
        let weight = |_: &String, script: &Script| {
            let map = script.source_map.as_ref().map_or(0, SourceMap::memory);
            u32::try_from(script.source.len() + map).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MAX_BYTES).time_to_idle(IDLE).weigher(weight).build())
    }

    /// The script of a version; whoever asks at the same time waits for one read.
    pub(crate) async fn get(
        &self,
        installations: &dyn Installations,
        deployment: &Deployment,
    ) -> Result<Script, Error> {
        let key = &deployment.version_key;
        let load = async { script(key, &installations.program(deployment).await?) };
        self.0.try_get_with_by_ref(key, load).await.map_err(unshared)
    }
}

/// Components in memory.
pub(crate) struct Components(Cache<String, Component>);

impl Components {
    pub(crate) fn new() -> Self {
        let weight =
            |_: &String, component: &Component| u32::try_from(component.bytes.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(MAX_BYTES).time_to_idle(IDLE).weigher(weight).build())
    }

    /// The component of a version; whoever asks at the same time waits for one read.
    pub(crate) async fn get(
        &self,
        installations: &dyn Installations,
        deployment: &Deployment,
    ) -> Result<Component, Error> {
        let key = &deployment.version_key;
        let load = async {
            let bytes = installations.program(deployment).await?.bytes;
            Ok(Component { id: key.as_str().into(), bytes })
        };
        self.0.try_get_with_by_ref(key, load).await.map_err(unshared)
    }
}

/// A failure that several waited for, for each of them.
fn unshared(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| match &*error {
        Error::Damaged => Error::Damaged,
        Error::Registry(error) => Error::Registry(error.for_another()),
        error => Error::Storage(storage::Error::Blobs(error.to_string().into())),
    })
}

/// The script of a program, called `id` for ever.
pub(crate) fn script(id: &str, program: &Program) -> Result<Script, Error> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(Arc::<str>::from).map_err(|_| Error::Damaged);
    Ok(Script {
        id: id.into(),
        source: text(&program.bytes)?,
        source_map: program.source_map.as_deref().map(text).transpose()?.map(SourceMap::new),
    })
}
