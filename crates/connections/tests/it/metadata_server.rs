//! Providers' metadata documents on loopback, which can change, fail, stall and count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How one issuer answers.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// The status, if it is to fail.
    pub(crate) failure: Option<u16>,
    /// A redirect to the document of this issuer.
    pub(crate) redirect: Option<String>,
    /// How long the answer takes.
    pub(crate) delay: Duration,
    /// Bytes of padding in the document.
    pub(crate) padding: usize,
    /// Another issuer's name in the document.
    pub(crate) alias: Option<String>,
    /// Serves only what RFC 8414 names.
    pub(crate) oauth_only: bool,
    /// How often a document was asked for.
    pub(crate) fetched: usize,
}

type Issuers = Arc<Mutex<HashMap<String, Behaviour>>>;

/// Several issuers, told apart by their path.
pub(crate) struct MetadataServer {
    pub(crate) base: String,
    issuers: Issuers,
}

impl MetadataServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let issuers = Issuers::default();
        let app = Router::new()
            .route("/{name}/.well-known/openid-configuration", get(openid))
            .route("/.well-known/oauth-authorization-server/{name}", get(oauth))
            .with_state((base.clone(), issuers.clone()));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, issuers }
    }

    pub(crate) fn set(&self, name: &str, change: impl FnOnce(&mut Behaviour)) {
        change(self.issuers.lock().unwrap().entry(name.to_owned()).or_default());
    }

    pub(crate) fn fetched(&self, name: &str) -> usize {
        self.issuers.lock().unwrap().get(name).map_or(0, |behaviour| behaviour.fetched)
    }
}

type Shared = State<(String, Issuers)>;

async fn openid(State((base, issuers)): Shared, Path(name): Path<String>) -> Response {
    let is_oauth_only = issuers.lock().unwrap().get(&name).is_some_and(|behaviour| behaviour.oauth_only);
    if is_oauth_only { StatusCode::NOT_FOUND.into_response() } else { answer(base, issuers, name).await }
}

async fn oauth(State((base, issuers)): Shared, Path(name): Path<String>) -> Response {
    let is_oauth_only = issuers.lock().unwrap().get(&name).is_some_and(|behaviour| behaviour.oauth_only);
    if is_oauth_only { answer(base, issuers, name).await } else { StatusCode::NOT_FOUND.into_response() }
}

async fn answer(base: String, issuers: Issuers, name: String) -> Response {
    let behaviour = {
        let mut issuers = issuers.lock().unwrap();
        let behaviour = issuers.entry(name.clone()).or_default();
        behaviour.fetched += 1;
        behaviour.clone()
    };
    tokio::time::sleep(behaviour.delay).await;
    if let Some(status) = behaviour.failure {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    if let Some(other) = behaviour.redirect {
        return Redirect::temporary(&format!("{base}/{other}/.well-known/openid-configuration"))
            .into_response();
    }
    axum::Json(document(&base, &name, &behaviour)).into_response()
}

fn document(base: &str, name: &str, behaviour: &Behaviour) -> Value {
    json!({
        "issuer": behaviour.alias.clone().unwrap_or(format!("{base}/{name}")),
        "authorization_endpoint": format!("{base}/{name}/authorize"),
        "token_endpoint": format!("{base}/{name}/token"),
        "userinfo_endpoint": format!("{base}/{name}/me"),
        "revocation_endpoint": format!("{base}/{name}/revoke"),
        "authorization_response_iss_parameter_supported": true,
        "padding": "x".repeat(behaviour.padding),
    })
}
