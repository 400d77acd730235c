//! A small OAuth 2.0 authorization server with a resource, for `serve --dev`: a newcomer walks the whole flow with no
//! account anywhere.
//!
//! Three sample people have a few notes each. The client gets a code by consent (RFC 6749 with PKCE, RFC 7636), redeems it
//! for an access token of ten minutes and a refresh token that rotates, may revoke both (RFC 7009), and reads or writes
//! notes. Everything is in memory and bounded, and gone when the process ends. Nobody proves who they are here, so it is
//! for development alone.

mod bearer;
mod client;
mod consent;
mod error;
mod grants;
mod metadata;
mod notes;
mod page;
mod parameters;
mod people;
mod request;
mod resource;
mod scope;
mod secret;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use model::Ambient;
use secrecy::SecretString;
use url::Url;

use grants::Grants;
use notes::Notes;

/// The largest body that is read, in bytes: a note of the largest size, written as JSON in the worst way, fits.
const MAX_BODY_BYTES: usize = 128 * 1024;

/// What the sandbox must know: where it is, and its one client.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the routes are mounted, as browsers and clients reach it: `http://127.0.0.1:4000/sandbox`. It is the issuer.
    pub base_url: Url,
    /// The id of the client.
    pub client_id: String,
    /// The secret of the client.
    pub client_secret: SecretString,
    /// The client's name for people.
    pub client_name: String,
    /// Where people may be sent back to, compared character by character.
    pub redirect_uris: Vec<String>,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// The routes, relative to [`Config::base_url`]: `/authorize`, `/token`, `/revoke`, `/userinfo`, `/notes[/{id}]`,
/// `/.well-known/openid-configuration`, `/style.css`. To be nested at the path of the base URL. The router has no deadline:
/// it waits for nothing but the request's body.
pub fn router(config: Config) -> Router {
    let sandbox = Arc::new(Sandbox {
        secret: secret::Digest::of_secret(&config.client_secret),
        grants: Mutex::default(),
        notes: Mutex::new(Notes::with_samples(config.ambient.now())),
        config,
    });
    Router::new()
        .route("/authorize", get(consent::ask).post(consent::decide))
        .route("/style.css", get(page::style))
        .route("/token", post(token::redeem))
        .route("/revoke", post(token::revoke))
        .route("/userinfo", get(resource::person))
        .route("/notes", get(resource::list).post(resource::create))
        .route(
            "/notes/{id}",
            get(resource::read).put(resource::replace).patch(resource::change).delete(resource::delete),
        )
        .route("/.well-known/openid-configuration", get(metadata::document))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(sandbox)
}

/// All there is.
struct Sandbox {
    config: Config,
    secret: secret::Digest,
    grants: Mutex<Grants>,
    notes: Mutex<Notes>,
}

impl Sandbox {
    /// The issuer (RFC 8414, section 2): the base URL without a slash at the end.
    fn issuer(&self) -> &str {
        self.config.base_url.as_str().trim_end_matches('/')
    }

    fn grants(&self) -> MutexGuard<'_, Grants> {
        // Every change is made whole before anything can panic.
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
