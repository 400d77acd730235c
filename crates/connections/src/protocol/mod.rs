//! What is said to providers over HTTP: redeeming, revoking, asking for the account. Knows no tenant and no database.

mod account;
mod answer;
mod app;
mod authorize;
mod body;
mod cause;
mod client;
mod error;
mod http;
mod public;
mod refusal;
mod revoke;
#[cfg(test)]
mod sample;
mod token;

pub use account::Probed;
pub use answer::TokenAnswer;
pub use app::App;
pub use authorize::{AuthorizationRequest, Verifier, is_reserved, requested_scopes};
pub use cause::{chain, report};
pub use client::Client;
pub use error::{CallError, Sent};
pub use http::{Http, HttpConfig, retry_after};
pub(crate) use public::Reach;
pub use revoke::Revoked;
