//! The servers that others wrote start, and are what tests need them to be.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod customers;
mod emulate;
mod lexmodo;
mod oidc_provider;
mod pkce;
mod platform;
