//! Plugin backends in WebAssembly: scripts in one shared QuickJS component, an isolated instance for each tenant and plugin; and
//! components of plugins' own, an instance for each request.
//!
//! Knows no tenant's rules, no database and no HTTP: what a program may do beside computing is what its [`Host`] lets it.

mod bounds;
mod cache;
mod component;
mod engine;
mod error;
mod footprint;
mod host;
mod http_component;
mod imports;
mod instance;
mod lane;
mod meter;
mod program;
mod rest;
mod sandbox;
mod settings;
mod source_map;
mod state;
mod tools;
mod turn;
mod warm;

pub use error::{Error, Fault, Thrown};
pub use host::{Host, HostFuture, Level};
pub use http_component::compiler::main as compile;
pub use http_component::{CompilerCommand, Component, ComponentHost, RequestError, SendFuture};
pub use program::{
    Answer, DeclaredHook, DeclaredRoute, Definition, Invocation, Lifecycle, Owner, Script, Target,
};
pub use sandbox::Sandbox;
pub use settings::{Admission, Limits, Rest, Settings};
pub use source_map::SourceMap;
