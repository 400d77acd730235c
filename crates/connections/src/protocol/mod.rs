//! What is said to providers over HTTP: redeeming, revoking, asking for the account. Knows no tenant and no database.

mod account;
mod answer;
mod app;
mod authorize;
mod body;
mod client;
mod error;
mod http;
mod refusal;
mod revoke;
#[cfg(test)]
mod sample;
mod token;

pub use account::Probed;
pub use answer::TokenAnswer;
pub use app::App;
pub use authorize::{AuthorizationRequest, Verifier, is_reserved, requested_scopes};
pub use client::Client;
pub use error::{CallError, Sent};
pub(crate) use http::Reach;
pub use http::{Http, HttpConfig, retry_after};
pub use revoke::Revoked;
