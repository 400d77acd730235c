//! The providers that others wrote start, and are what tests need them to be.

mod emulate;
mod oidc_provider;
mod pkce;
