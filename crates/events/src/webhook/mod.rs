//! Webhooks that come in from outside: proven, kept as they came, and given to a plugin once.

pub mod manifest;
pub mod scheme;

pub use manifest::{Manifest, Mode};
