//! The OAuth app that a provider knows the caller as.

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::catalog::PlatformApp;

/// A client as registered at a provider (RFC 6749, section 2).
#[derive(Debug, Clone)]
pub struct App {
    /// Its public name there.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<SecretString>,
}

impl App {
    /// Whether both have the same secret, or none.
    pub(crate) fn has_secret_of(&self, other: &Self) -> bool {
        match (&self.client_secret, &other.client_secret) {
            (Some(own), Some(other)) => {
                own.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes()).into()
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl From<&PlatformApp> for App {
    fn from(app: &PlatformApp) -> Self {
        Self { client_id: app.client_id.clone(), client_secret: app.client_secret.clone() }
    }
}
