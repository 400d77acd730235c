//! The providers that others wrote start, and are what tests need them to be.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod emulate;
mod oidc_provider;
mod pkce;
