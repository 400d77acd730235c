//! The sandbox, asked in process, by a clock that the tests hold.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod consent;
mod harness;
mod notes;
mod revocation;
mod tokens;
