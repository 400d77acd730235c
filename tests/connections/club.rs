//! A provider in the test's own process: it takes keys, clients' credentials and codes, and tells who came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Runs until the test's runtime ends.
#[derive(Clone)]
pub(super) struct Club {
    base: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Client ids with their secrets.
    clients: BTreeMap<String, String>,
    /// What `/me` takes, with the account.
    bearers: BTreeMap<String, String>,
    /// Who came to the token endpoint and for what, in order: `client grant_type`.
    came: Vec<String>,
    /// The tokens that were given out.
    tokens: Vec<String>,
}

impl Club {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let club = Self { base: format!("http://{}", listener.local_addr().unwrap()), inner: Arc::default() };
        let app = Router::new().route("/me", get(me)).route("/token", post(token)).with_state(club.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        club
    }

    /// A client that it knows from now on.
    pub(super) fn with_client(self, id: &str, secret: &str) -> Self {
        self.inner.lock().unwrap().clients.insert(id.to_owned(), secret.to_owned());
        self
    }

    /// A key that it takes from now on, as that of `account`.
    pub(super) fn with_key(self, key: &str, account: &str) -> Self {
        self.inner.lock().unwrap().bearers.insert(key.to_owned(), account.to_owned());
        self
    }

    pub(super) fn came(&self) -> Vec<String> {
        self.inner.lock().unwrap().came.clone()
    }

    pub(super) fn tokens(&self) -> Vec<String> {
        self.inner.lock().unwrap().tokens.clone()
    }

    /// Takes no token any more that it gave out so far.
    pub(super) fn forget_tokens(&self) {
        let mut inner = self.inner.lock().unwrap();
        let tokens = inner.tokens.clone();
        inner.bearers.retain(|bearer, _| !tokens.contains(bearer));
    }

    /// Entries whose connections are the tenant's: `depot`, which takes keys, and `shop`, which has the platform's app.
    pub(super) fn tenants_providers(&self) -> String {
        let base = &self.base;
        format!(
            "[providers.depot]\nname = \"Depot\"\nflow = \"api_key\"\nowner = \"tenant\"\nuserinfo_url = \"{base}/me\"\n\
             account = {{ name = \"/name\" }}\n\
             [providers.shop]\nname = \"Shop\"\nowner = \"tenant\"\nauthorization_url = \"{base}/authorize\"\n\
             token_url = \"{base}/token\"\nclient_id = \"{PLATFORM}\"\nclient_secret = \"{PLATFORM_SECRET}\"\n"
        )
    }

    /// Its entries: `keys`, `machines` and `club`, which has the platform's app.
    pub(super) fn providers(&self) -> String {
        let base = &self.base;
        let account = "account = { id = \"/id\", email = \"/email\", name = \"/name\" }";
        format!(
            "[providers.keys]\nname = \"Keys\"\nflow = \"api_key\"\nuserinfo_url = \"{base}/me\"\n{account}\n\
             [providers.machines]\nname = \"Machines\"\nflow = \"client_credentials\"\ntoken_url = \"{base}/token\"\n\
             userinfo_url = \"{base}/me\"\ndefault_scopes = [\"stock:read\"]\n{account}\n\
             [providers.club]\nname = \"Club\"\nauthorization_url = \"{base}/authorize\"\ntoken_url = \"{base}/token\"\n\
             userinfo_url = \"{base}/me\"\nclient_id = \"{PLATFORM}\"\nclient_secret = \"{PLATFORM_SECRET}\"\n{account}\n"
        )
    }
}

/// The platform's client.
pub(super) const PLATFORM: &str = "client-of-the-platform";
pub(super) const PLATFORM_SECRET: &str = "SecretOfThePlatform7c1d";

async fn me(State(club): State<Club>, headers: HeaderMap) -> Response {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let inner = club.inner.lock().unwrap();
    match inner.bearers.get(bearer.trim_start_matches("Bearer ")) {
        Some(id) => {
            let answer = json!({"id": id, "email": format!("{id}@club.example"), "name": id});
            (StatusCode::OK, Json(answer)).into_response()
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn token(State(club): State<Club>, headers: HeaderMap, body: Bytes) -> Response {
    let params: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let basic = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let pair = STANDARD.decode(basic.trim_start_matches("Basic ")).unwrap_or_default();
    let pair = String::from_utf8(pair).unwrap();
    let (id, secret) = pair.split_once(':').unwrap_or_default();
    let mut inner = club.inner.lock().unwrap();
    inner.came.push(format!("{id} {}", params["grant_type"]));
    if inner.clients.get(id).map(String::as_str) != Some(secret) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"}))).into_response();
    }
    let number = inner.tokens.len();
    let (access, refresh) = (format!("AccessOfTheClub{number}"), format!("RefreshOfTheClub{number}"));
    inner.tokens.extend([access.clone(), refresh.clone()]);
    let is_machine = params["grant_type"] == "client_credentials";
    let account = if is_machine { format!("account-of-{id}") } else { "ann".to_owned() };
    inner.bearers.insert(access.clone(), account);
    let mut answer = json!({"access_token": access, "token_type": "bearer", "expires_in": "3600"});
    if !is_machine {
        answer["refresh_token"] = json!(refresh);
    }
    (StatusCode::OK, Json(answer)).into_response()
}
