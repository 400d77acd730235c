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
}

impl Host {
    pub(super) fn new(name: &str, bounds: Bounds) -> Self {
        let name: Arc<str> = name.into();
        Self { circuit: Circuit::new(Scope::Host(Arc::clone(&name))), gate: Gate::new(bounds), name }
    }
}
