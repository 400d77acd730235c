//! The bundler crate.
