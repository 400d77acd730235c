//! Jackfield: one program that a SaaS product runs beside its own backend, so that its tenants can install plugins.
//!
//! This crate reads the command line and the settings, wires the parts, and serves. Every decision about plugins,
//! callers and storage is made in the crates below it.

mod backends;
mod background;
mod bus;
mod cli;
mod connections;
mod dev_provider;
mod events;
mod keys;
mod lexmodo;
mod logging;
mod open_files;
mod parts;
mod plugin;
mod remote;
mod rotate;
mod serve;
mod server;
mod settings;
mod tenants;
mod webhooks;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
