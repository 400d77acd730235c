//! Credentials as others really make them, and API keys on both databases.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod api_keys;
mod harness;
mod issuer_server;
mod issuers;
mod random_input;
mod sessions;
mod signed;
mod signing;
mod store_sessions;
mod tampered;
