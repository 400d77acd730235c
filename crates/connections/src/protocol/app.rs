//! The OAuth app that a provider knows the caller as.

use secrecy::SecretString;

/// A client as registered at a provider (RFC 6749, section 2).
#[derive(Debug, Clone)]
pub struct App {
    /// Its public name there.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<SecretString>,
}
