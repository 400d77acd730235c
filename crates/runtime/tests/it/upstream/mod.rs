//! Requests passed on to plugins' servers, good ones and hostile ones, over real sockets.

mod bounds;
mod hostile;
mod passing;
mod server;
mod smuggling;
mod sockets;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use identity::Signer;
use model::{Ambient, Caller, Coded as _, CredentialKind, PluginId, Principal, Role, Scope, TenantId};
use outbound::Guard;
use registry::{BackendKind, Deployment, Grants};
use runtime::upstream::{Answer, BackendPath, Error, Passage, Settings, Standing, Upstreams};
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
    inner: Arc<Inner>,
    folder: Arc<TempDir>,
}

struct Inner {
    upstreams: Arc<Upstreams>,
    deployment: Arc<Deployment>,
    upstream: Url,
    caller: Caller,
    ending: CancellationToken,
}

/// Where everything is uninstalled by the time somebody asks.
struct Gone;

#[async_trait]
impl Standing for Gone {
    async fn deployment(&self, _: &TenantId, id: &PluginId) -> Result<Arc<Deployment>, registry::Error> {
        Err(registry::Error::NotInstalled(id.to_string()))
    }
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
        listeners: [].into(),
        handlers: [].into(),
        hosts: Vec::new(),
        emits: [].into(),
        webhook: None,
        grants: Grants { hosts: [host].into(), ..Grants::default() },
        configuration: serde_json::Map::new(),
        sensitive: [].into(),
    }
}

fn caller(tenant: &TenantId) -> Caller {
    let principal = Principal {
        scope: Scope::Tenant(tenant.clone()),
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
        let connector = guard.connector(Duration::from_secs(5));
        let public_url = "https://plugins.example".parse().unwrap();
        let parts = (signer.clone(), &public_url);
        let ending = CancellationToken::new();
        let inner = Inner {
            upstreams: Arc::new(Upstreams::new((connector, Arc::new(Gone)), settings, parts, ambient)),
            caller: caller(&deployment.tenant),
            deployment: Arc::new(deployment),
            upstream: upstream.clone(),
            ending: ending.clone(),
        };
        Self::serving(inner, signer, Arc::new(folder)).await
    }

    /// The same program and the same plugin for another tenant.
    async fn beside(&self, tenant: &str) -> Self {
        let tenant: TenantId = tenant.parse().unwrap();
        let Inner { upstreams, deployment, upstream, ending, .. } = &*self.inner;
        let inner = Inner {
            upstreams: Arc::clone(upstreams),
            caller: caller(&tenant),
            deployment: Arc::new(Deployment { tenant, ..Deployment::clone(deployment) }),
            upstream: upstream.clone(),
            ending: ending.clone(),
        };
        Self::serving(inner, self.signer.clone(), Arc::clone(&self.folder)).await
    }

    async fn serving(inner: Inner, signer: Signer, folder: Arc<TempDir>) -> Self {
        let ending = inner.ending.clone();
        let inner = Arc::new(inner);
        let router = Router::new().fallback(forward).with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, ending, signer, inner, folder }
    }

    /// What a `GET` comes to that is passed on without a connection to this server: the status or the code of the error.
    async fn passed(&self, path: &str) -> String {
        let request = Request::get(format!("{MOUNT}{path}")).body(Body::empty()).unwrap();
        match self.inner.pass(request).await {
            Ok(answer) => answer.status().as_str().to_owned(),
            Err(error) => error.code().as_str().to_owned(),
        }
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

impl Inner {
    async fn pass(&self, request: Request) -> Result<http::Response<Answer>, Error> {
        let path = request.uri().path().strip_prefix(MOUNT).ok_or(Error::Path("must be below the plugin"))?;
        let path = BackendPath::parse(path)?;
        let passage = Passage {
            deployment: &self.deployment,
            upstream: &self.upstream,
            caller: &self.caller,
            path: &path,
            mount: MOUNT,
            client: "203.0.113.9".parse().ok(),
            request_id: "r1",
            ending: self.ending.clone(),
        };
        self.upstreams.pass(passage, request).await
    }
}

async fn forward(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    match inner.pass(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => refusal(&error),
    }
}

/// Lets time pass at once: what is due within `time` is due now.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A refusal as these tests read it: its code and its sentence.
fn refusal(error: &Error) -> Response {
    let wait = error.retry_after(Ambient::system().now());
    let text = format!("refused {} {error} {}", error.code().as_str(), wait.map_or(0, |wait| wait.as_secs()));
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
    response
}
