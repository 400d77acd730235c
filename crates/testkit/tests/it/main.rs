//! The providers that others wrote start, and are what tests need them to be.

#![expect(clippy::unwrap_used, reason = "for tests only")]

mod emulate;
mod oidc_provider;
mod pkce;
