//! From a tree of TypeScript to an ES module that shares the page's React, and to the script of a plugin's backend.
//!
//! Sources are hostile, so they are parsed and bundled in worker processes of this same program, which can open no
//! file and are killed when they take too long; see [`Bundler`] and [`worker`]. What this crate does *not* know: plugins
//! as rows, tenants, HTTP, and the disk.

mod assets;
mod backend;
mod bindings;
mod bundle;
mod compile;
mod definition;
mod diagnostic;
mod error;
mod evaluate;
mod explain;
mod filesystem;
mod host_modules;
mod limits;
mod modules;
mod nesting;
mod output;
mod pool;
mod process;
mod protocol;
mod resolve;
mod sources;
mod survey;
mod tree;
pub mod worker;

pub use diagnostic::{Diagnostic, Severity};
pub use error::{Error, Limit};
pub use limits::Limits;
pub use output::{
    Artifact, ArtifactKind, BackendBuild, BackendRequest, Build, BuildRequest, Definition, Inspection,
};
pub use pool::{Bundler, WorkerCommand};
pub use resolve::default_entry;
pub use tree::{SourceTree, TreeError};
