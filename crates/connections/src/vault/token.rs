//! An opened access token.

use model::Timestamp;
use secrecy::SecretString;

/// An access token in the open, for as long as somebody holds it; its memory is wiped afterwards.
#[derive(Debug)]
pub struct AccessToken {
    /// What is shown to the provider.
    pub secret: SecretString,
    /// When it ends; `None` where it does not, or nobody knows when.
    pub expires_at: Option<Timestamp>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Which of the credential's tokens it is: what [`Vault::rejected`](super::Vault::rejected) is told.
    pub version: i64,
}
