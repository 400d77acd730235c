//! Connections against servers on loopback, honest and hostile, and the tokens that must survive them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod discovery;
mod metadata_server;
mod random_input;
mod vault;
