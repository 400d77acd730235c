//! An OpenID provider's two documents on loopback, which can change, fail, stall and count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use identity::IssuerUrl;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How one issuer answers.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    pub(crate) keys: Vec<Value>,
    /// The status of the key set, if it is to fail.
    pub(crate) failure: Option<u16>,
    /// A redirect in place of the key set.
    pub(crate) redirect: bool,
    /// How long the key set takes.
    pub(crate) delay: Duration,
    /// Bytes of padding in the key set.
    pub(crate) padding: usize,
    /// Another issuer's name in the metadata.
    pub(crate) alias: Option<String>,
    /// Another place of the keys.
    pub(crate) jwks_uri: Option<String>,
    /// Serves only what RFC 8414 names.
    pub(crate) oauth_only: bool,
    /// How often the key set was asked for.
    pub(crate) fetched: usize,
}

type Issuers = Arc<Mutex<HashMap<String, Behaviour>>>;

/// Several issuers, told apart by their path.
pub(crate) struct IssuerServer {
    base: String,
    issuers: Issuers,
}

impl IssuerServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let issuers = Issuers::default();
        let app = Router::new()
            .route("/{name}/.well-known/openid-configuration", get(openid))
            .route("/.well-known/oauth-authorization-server/{name}", get(oauth))
            .route("/{name}/keys", get(keys))
            .with_state((base.clone(), issuers.clone()));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, issuers }
    }

    pub(crate) fn issuer(&self, name: &str) -> IssuerUrl {
        format!("{}/{name}", self.base).parse().unwrap()
    }

    pub(crate) fn publish(&self, name: &str, keys: Vec<Value>) {
        self.set(name, |behaviour| behaviour.keys = keys);
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
    let behaviour = issuers.lock().unwrap().get(&name).cloned().unwrap_or_default();
    if behaviour.oauth_only {
        StatusCode::NOT_FOUND.into_response()
    } else {
        metadata(&base, &name, behaviour)
    }
}

async fn oauth(State((base, issuers)): Shared, Path(name): Path<String>) -> Response {
    let behaviour = issuers.lock().unwrap().get(&name).cloned().unwrap_or_default();
    metadata(&base, &name, behaviour)
}

fn metadata(base: &str, name: &str, behaviour: Behaviour) -> Response {
    let issuer = behaviour.alias.unwrap_or(format!("{base}/{name}"));
    let jwks_uri = behaviour.jwks_uri.unwrap_or(format!("{base}/{name}/keys"));
    axum::Json(json!({ "issuer": issuer, "jwks_uri": jwks_uri })).into_response()
}

async fn keys(State((base, issuers)): Shared, Path(name): Path<String>) -> Response {
    let behaviour = {
        let mut issuers = issuers.lock().unwrap();
        let behaviour = issuers.entry(name).or_default();
        behaviour.fetched += 1;
        behaviour.clone()
    };
    tokio::time::sleep(behaviour.delay).await;
    if let Some(status) = behaviour.failure {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    if behaviour.redirect {
        return Redirect::temporary(&format!("{base}/elsewhere/keys")).into_response();
    }
    axum::Json(json!({ "keys": behaviour.keys, "padding": "x".repeat(behaviour.padding) })).into_response()
}

/// A key pair of an issuer, for ES256.
pub(crate) struct SigningKey {
    id: String,
    key: EncodingKey,
}

impl SigningKey {
    pub(crate) fn new(id: &str) -> Self {
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self { id: id.to_owned(), key: EncodingKey::from_ec_der(pair.as_ref()) }
    }

    pub(crate) fn jwk(&self) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap()).unwrap();
        jwk["kid"] = json!(self.id);
        jwk
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    pub(crate) fn sign_without_id(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &self.key).unwrap()
    }
}
