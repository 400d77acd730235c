//! Components of plugins' own, which answer requests by `wasi:http/incoming-handler`: looked at, compiled in another process,
//! and served by an instance for each request.

mod check;
mod compile;
pub(crate) mod compiler;
mod host;
mod instance;
mod output;
mod process;
mod state;

use std::sync::Arc;

use bytes::Bytes;

pub(crate) use compile::Components;
pub use host::{ComponentHost, RequestError, SendFuture};
pub(crate) use instance::{Call, serve};
pub use process::CompilerCommand;

/// A plugin's component, as it was published.
#[derive(Debug, Clone)]
pub struct Component {
    /// Unique to these very bytes, for ever: what was compiled of them is found by it.
    pub id: Arc<str>,
    /// The component, in WebAssembly's binary format.
    pub bytes: Bytes,
}

/// The most bytes of a component.
const MOST_BYTES: usize = 8 << 20;
