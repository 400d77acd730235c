//! The registry crate.
