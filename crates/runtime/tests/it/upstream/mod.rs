//! Requests passed on to plugins' servers, good ones and hostile ones, over real sockets.

mod bounds;
mod hostile;
mod passing;
mod server;
mod smuggling;
mod sockets;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use identity::Signer;
use model::{Ambient, Caller, Coded as _, CredentialKind, Principal, Role, Scope};
use outbound::Guard;
use registry::{BackendKind, Deployment, Grants};
use runtime::upstream::{BackendPath, Error, Passage, Settings, Upstreams};
use storage::{Database, DatabaseUrl, MasterKey, Sealer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Where the front has the plugin.
const MOUNT: &str = "/api/plugin-proxy/notes";

/// A server that passes on what is below [`MOUNT`], as the API does.
struct Front {
    address: String,
    ending: CancellationToken,
    signer: Signer,
    _folder: TempDir,
}

struct Inner {
    upstreams: Upstreams,
    deployment: Arc<Deployment>,
    upstream: Url,
    caller: Caller,
    ending: CancellationToken,
}

/// A client that waits for no answer for ever.
fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap()
}

/// Settings under which tests need not wait long.
fn settings() -> Settings {
    Settings {
        first_byte: Duration::from_millis(400),
        idle: Duration::from_millis(400),
        max_request: 1024 * 1024,
        max_answer: 4 * 1024 * 1024,
        ..Settings::default()
    }
}

fn deployment(upstream: &Url) -> Deployment {
    let host = format!("{}:{}", upstream.host_str().unwrap(), upstream.port().unwrap());
    Deployment {
        tenant: "acme".parse().unwrap(),
        plugin: "notes".parse().unwrap(),
        plugin_key: "k1".into(),
        version_key: "v1".into(),
        version: "1.0.0".into(),
        enabled: true,
        departed: false,
        incarnation: 1,
        kind: Some(BackendKind::Upstream(upstream.clone())),
        routes: Vec::new(),
        hooks: Vec::new(),
        handlers: [].into(),
        hosts: Vec::new(),
        emits: [].into(),
        grants: Grants { hosts: [host].into(), ..Grants::default() },
        configuration: serde_json::Map::new(),
        sensitive: [].into(),
    }
}

fn caller() -> Caller {
    let principal = Principal {
        scope: Scope::Tenant("acme".parse().unwrap()),
        subject: "u1".into(),
        email: Some("ann@acme.example".into()),
        name: Some("Ann Ą".into()),
        role: Role::Admin,
        credential: CredentialKind::User,
    };
    Caller::new(principal, None).unwrap()
}

fn guard(allowed: &str) -> Guard {
    Guard::new(allowed.parse().unwrap(), Vec::new()).unwrap()
}

async fn signer(folder: &TempDir, ambient: &Ambient) -> Signer {
    let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
    let tables = [storage::MIGRATIONS, identity::MIGRATIONS];
    let database = Database::open(&url, &tables, ambient.clone()).await.unwrap();
    let key = MasterKey::from_base64(&"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".into()).unwrap();
    let sealer = Sealer::open(&database, key, ambient.clone()).await.unwrap();
    Signer::new(database, sealer, "https://plugins.example", ambient.clone()).unwrap()
}

impl Front {
    async fn before(upstream: &str, settings: Settings) -> Self {
        let upstream: Url = upstream.parse().unwrap();
        let deployment = deployment(&upstream);
        Self::of(&upstream, (deployment, &guard("127.0.0.0/8")), settings).await
    }

    async fn of(upstream: &Url, (deployment, guard): (Deployment, &Guard), settings: Settings) -> Self {
        let ambient = Ambient::system();
        let folder = TempDir::new().unwrap();
        let signer = signer(&folder, &ambient).await;
        let connector = guard.connector(Duration::from_millis(300));
        let public_url = "https://plugins.example".parse().unwrap();
        let parts = (signer.clone(), &public_url);
        let ending = CancellationToken::new();
        let inner = Arc::new(Inner {
            upstreams: Upstreams::new(connector, settings, parts, ambient),
            deployment: Arc::new(deployment),
            upstream: upstream.clone(),
            caller: caller(),
            ending: ending.clone(),
        });
        let router = Router::new().fallback(forward).with_state(inner);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, ending, signer, _folder: folder }
    }

    /// The address of what is at `path` of the plugin.
    fn url(&self, path: &str) -> String {
        format!("http://{}{MOUNT}{path}", self.address)
    }

    /// Sends these bytes over a connection of their own, and gives all that comes back until it ends.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A connection that is cut off may end with an error; what has come until then counts.
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        read.unwrap().ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The answer to a `GET` that is the last on its connection.
    async fn get(&self, path: &str) -> String {
        let head = format!("GET {MOUNT}{path} HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n");
        self.raw(head.as_bytes()).await
    }
}

async fn forward(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let passed = async {
        let path = request.uri().path().strip_prefix(MOUNT).ok_or(Error::Path("must be below the plugin"))?;
        let path = BackendPath::parse(path)?;
        let passage = Passage {
            deployment: &inner.deployment,
            upstream: &inner.upstream,
            caller: &inner.caller,
            path: &path,
            mount: MOUNT,
            client: "203.0.113.9".parse().ok(),
            request_id: "r1",
            ending: inner.ending.clone(),
        };
        inner.upstreams.pass(passage, request).await
    };
    match passed.await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => refusal(&error),
    }
}

/// A refusal as these tests read it: its code and its sentence.
fn refusal(error: &Error) -> Response {
    let wait = error.retry_after(Ambient::system().now());
    let text = format!("refused {} {error} {}", error.code().as_str(), wait.map_or(0, |wait| wait.as_secs()));
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
    response
}
