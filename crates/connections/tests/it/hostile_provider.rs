//! A provider on loopback that is honest until it is told otherwise, and remembers all that it was sent.
//!
//! Honest, it redeems codes once and with their verifier, issues refresh tokens that rotate, notices when one is used
//! again and then ends the whole grant (RFC 9700, section 4.14.2), and forgets what is revoked. `script` says what
//! becomes of the next requests to a path instead.

mod grants;
mod steps;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connections::catalog::{
    AccountShape, BodyFormat, CredentialShape, Endpoints, Flow, Owner, Provider, ProviderId, Resolved,
    Revocation, Rotation, SitesShape, TokenAuth, TokenIn,
};
use connections::connection::Tokens;
use connections::protocol::{App, Client, Http, HttpConfig};
use model::Ambient;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

use grants::Grants;
pub(crate) use steps::{Fault, Step};

/// The app that the provider knows.
pub(crate) const CLIENT_ID: &str = "client:1";
/// Its secret, of characters that Basic must have encoded.
pub(crate) const CLIENT_SECRET: &str = "kV9%xQ+/=&Zq9 wTt";

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    /// The parameters of the body, be it a form or a JSON object.
    pub(crate) fn params(&self) -> BTreeMap<String, String> {
        if let Ok(Value::Object(members)) = serde_json::from_str(&self.body) {
            let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
            return members.into_iter().map(|(name, value)| (name, text(value))).collect();
        }
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    /// A header as text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Default)]
struct Inner {
    grants: Grants,
    scripts: HashMap<String, VecDeque<Step>>,
    seen: Vec<Seen>,
    userinfo: Value,
    sites: Value,
}

/// The provider. Its server ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct HostileProvider {
    base: String,
    inner: Arc<Mutex<Inner>>,
}

impl HostileProvider {
    /// Starts on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let inner = Inner {
            userinfo: json!({"sub": "u-1", "email": "ada@example.com", "name": "Ada"}),
            sites: json!([]),
            ..Inner::default()
        };
        let provider = Self { base, inner: Arc::new(Mutex::new(inner)) };
        let app = Router::new().fallback(answer).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        provider
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What becomes of the next requests to `path`, one step each; after them it is honest again.
    pub(crate) fn script(&self, path: &str, steps: impl IntoIterator<Item = Step>) {
        self.inner().scripts.entry(path.to_owned()).or_default().extend(steps);
    }

    /// All that was sent to `path`, whatever became of it.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.inner().seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// A look at, or a change of, the grants and how they are handled.
    pub(crate) fn grants<T>(&self, look: impl FnOnce(&mut Grants) -> T) -> T {
        look(&mut self.inner().grants)
    }

    /// A grant as if a user had just consented.
    pub(crate) fn issue(&self) -> Tokens {
        let issued = self.grants(Grants::issue);
        Tokens {
            access: issued.access.into(),
            refresh: Some(issued.refresh.into()),
            expires_in: Some(Duration::from_hours(1)),
            scopes: None,
        }
    }

    /// What `/userinfo` answers to a live token.
    pub(crate) fn set_userinfo(&self, userinfo: Value) {
        self.inner().userinfo = userinfo;
    }

    /// What `/sites` answers to a live token.
    pub(crate) fn set_sites(&self, sites: Value) {
        self.inner().sites = sites;
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}{path}", self.base)).unwrap()
    }

    /// Its catalog entry.
    pub(crate) fn provider(&self) -> Provider {
        let endpoint = |path: &str| Some(self.url(path).to_string());
        Provider {
            id: ProviderId::parse("hostile").unwrap(),
            name: "Hostile".to_owned(),
            flow: Flow::AuthorizationCode,
            owner: Owner::User,
            issuer: None,
            promises_iss: false,
            endpoints: Endpoints {
                authorization: endpoint("/authorize"),
                token: endpoint("/token"),
                userinfo: endpoint("/userinfo"),
                revocation: endpoint("/revoke"),
            },
            default_scopes: vec!["read".to_owned(), "write".to_owned()],
            scope_separator: " ".to_owned(),
            authorization_params: BTreeMap::new(),
            token_params: BTreeMap::new(),
            headers: BTreeMap::new(),
            token_auth: TokenAuth::ClientSecretBasic,
            body_format: BodyFormat::Form,
            pkce: true,
            rotation: Rotation { rotates: true, ..Rotation::default() },
            credentials: vec![credential("main", "", "scope")],
            account: AccountShape {
                id: vec!["/sub".to_owned()],
                email: Some("/email".to_owned()),
                name: Some("/name".to_owned()),
            },
            sites: Some(SitesShape {
                url: self.url("/sites").to_string(),
                id: "/id".to_owned(),
                name: "/name".to_owned(),
                address: Some("/url".to_owned()),
            }),
            revocation: Some(Revocation {
                method: Method::POST,
                token_in: TokenIn::Form,
                token_param: "token".to_owned(),
                client_auth: Some(TokenAuth::ClientSecretBasic),
            }),
            variables: BTreeMap::new(),
            api_hosts: vec!["127.0.0.1".to_owned()],
        }
    }

    /// Its URLs.
    pub(crate) fn resolved(&self) -> Resolved {
        Resolved {
            authorization: Some(self.url("/authorize")),
            token: Some(self.url("/token")),
            userinfo: Some(self.url("/userinfo")),
            revocation: Some(self.url("/revoke")),
            issuer: None,
            promises_iss: false,
        }
    }
}

/// A credential that must be there.
pub(crate) fn credential(name: &str, at: &str, scope_param: &str) -> CredentialShape {
    CredentialShape {
        name: name.to_owned(),
        at: at.to_owned(),
        optional: false,
        scope_param: scope_param.to_owned(),
        default_scopes: Vec::new(),
    }
}

/// The app as registered.
pub(crate) fn app() -> App {
    App { client_id: CLIENT_ID.to_owned(), client_secret: Some(CLIENT_SECRET.into()) }
}

/// A client with a short deadline.
pub(crate) fn http(deadline: Duration) -> Http {
    let config = HttpConfig { connect_timeout: deadline, deadline, ..HttpConfig::default() };
    Http::new(&config, Ambient::system()).unwrap()
}

/// All that speaking to one provider takes.
pub(crate) struct Speaker {
    pub(crate) http: Http,
    pub(crate) provider: Provider,
    pub(crate) resolved: Resolved,
    pub(crate) app: App,
}

impl Speaker {
    /// Speaks to `hostile`, and waits for it no longer than `deadline`.
    pub(crate) fn within(deadline: Duration, hostile: &HostileProvider) -> Self {
        Self { http: http(deadline), provider: hostile.provider(), resolved: hostile.resolved(), app: app() }
    }

    /// Speaks to `hostile` with time to spare.
    pub(crate) fn to(hostile: &HostileProvider) -> Self {
        Self::within(Duration::from_secs(5), hostile)
    }

    pub(crate) fn client(&self) -> Client<'_> {
        Client { http: &self.http, provider: &self.provider, resolved: &self.resolved, app: &self.app }
    }
}

async fn answer(
    State(hostile): State<HostileProvider>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8_lossy(&body).into_owned();
    let seen = Seen { method, path: uri.path().to_owned(), headers, body };
    let step = {
        let mut inner = hostile.inner();
        inner.seen.push(seen.clone());
        inner.scripts.get_mut(&seen.path).and_then(VecDeque::pop_front).unwrap_or(Step::Honest)
    };
    steps::take(step, || honest(&mut hostile.inner(), &seen)).await
}

/// What a good provider answers.
fn honest(inner: &mut Inner, seen: &Seen) -> Response {
    let params = seen.params();
    let given = params.get("token").or(params.get("access_token")).cloned();
    match seen.path.as_str() {
        "/token" if !is_client(seen, &params) => error(401, "invalid_client"),
        "/token" => match inner.grants.redeem(&params) {
            Ok(answer) => axum::Json(answer).into_response(),
            Err(word) => error(400, word),
        },
        "/revoke" if seen.header("authorization").starts_with("Bearer ") => {
            let is_live = inner.grants.revoke(bearer(seen));
            axum::Json(if is_live {
                json!({"ok": true, "revoked": true})
            } else {
                json!({"ok": false, "error": "invalid_auth"})
            })
            .into_response()
        }
        "/revoke" if !is_client(seen, &params) => error(401, "invalid_client"),
        "/revoke" => {
            inner.grants.revoke(&given.unwrap());
            StatusCode::OK.into_response()
        }
        path if path == format!("/applications/{}/token", "client%3A1") && seen.method == Method::DELETE => {
            if !is_client(seen, &params) {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            let is_live = inner.grants.revoke(&given.unwrap());
            (if is_live { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }).into_response()
        }
        "/userinfo" | "/sites" if !inner.grants.is_live(bearer(seen)) => {
            StatusCode::UNAUTHORIZED.into_response()
        }
        "/userinfo" => axum::Json(inner.userinfo.clone()).into_response(),
        "/sites" => axum::Json(inner.sites.clone()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn error(status: u16, word: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), axum::Json(json!({"error": word}))).into_response()
}

fn bearer(seen: &Seen) -> &str {
    seen.header("authorization").strip_prefix("Bearer ").unwrap_or_default()
}

/// Whether the client proved itself, by Basic as RFC 6749 has it or in the body.
fn is_client(seen: &Seen, params: &BTreeMap<String, String>) -> bool {
    let Some(encoded) = seen.header("authorization").strip_prefix("Basic ") else {
        let given = |name: &str| params.get(name).map(String::as_str);
        return given("client_id") == Some(CLIENT_ID) && given("client_secret") == Some(CLIENT_SECRET);
    };
    let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    let decode = |text: &str| {
        form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    let (id, secret) = pair.split_once(':').unwrap();
    decode(id).as_deref() == Some(CLIENT_ID) && decode(secret).as_deref() == Some(CLIENT_SECRET)
}

/// The text of a token that must be there.
pub(crate) fn text(token: Option<&SecretString>) -> String {
    token.unwrap().expose_secret().to_owned()
}
