//! The api crate.
