//! What all connectors share that call the same host.

use std::sync::Arc;

use super::circuit::{Circuit, Scope};
use super::gate::{Bounds, Gate};

/// A vendor's host.
#[derive(Debug)]
pub(super) struct Host {
    /// Host and port.
    pub(super) name: Arc<str>,
    /// Whether it answers.
    pub(super) circuit: Arc<Circuit>,
    /// Who calls it.
    pub(super) gate: Arc<Gate>,
    /// Who calls it for what is read as it comes, as slowly as its reader likes: that keeps no other calls out.
    pub(super) readers: Arc<Gate>,
}

impl Host {
    pub(super) fn new(name: &str, bounds: Bounds) -> Self {
        let name: Arc<str> = name.into();
        let circuit = Circuit::new(Scope::Host(Arc::clone(&name)));
        Self { circuit, gate: Gate::new(bounds), readers: Gate::new(bounds), name }
    }
}
