//! Connections against servers on loopback.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod discovery;
mod metadata_server;
mod random_input;
