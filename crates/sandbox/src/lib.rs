//! Plugin backends in WebAssembly: one shared QuickJS component, an isolated instance for each tenant and plugin.
//!
//! Knows no tenant's rules, no database and no HTTP: what a program may do beside computing is what its [`Host`] lets it.

mod host;
mod program;

pub use host::{Host, HostFuture, Level};
pub use program::{Owner, Script};
