//! The OAuth app that a provider knows the caller as.

use secrecy::SecretString;

use crate::catalog::PlatformApp;

/// A client as registered at a provider (RFC 6749, section 2).
#[derive(Debug, Clone)]
pub struct App {
    /// Its public name there.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<SecretString>,
}

impl From<&PlatformApp> for App {
    fn from(app: &PlatformApp) -> Self {
        Self { client_id: app.client_id.clone(), client_secret: app.client_secret.clone() }
    }
}
