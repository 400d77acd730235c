//! A sandbox for a test, a host in memory, and the component of `http.wat`.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use model::Ambient;
use sandbox::{
    CompilerCommand, Component, ComponentHost, Error, Level, Limits, Owner, RequestError, Sandbox,
    SendFuture, Settings,
};
use tempfile::TempDir;

/// The argument by which this program is a compiler.
pub(crate) const COMPILER: &str = "compile-component";

/// The component of `http.wat`.
pub(crate) static COMPONENT: LazyLock<Bytes> = LazyLock::new(|| {
    wat::parse_file(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/components/http.wat")).unwrap().into()
});

/// Where what is compiled is kept as long as the tests run.
static CACHE: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

pub(crate) fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// Answers 202 to `https://there/`, and refuses all else.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) lines: Mutex<Vec<String>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl ComponentHost for Host {
    fn send(&self, request: Request<Bytes>, _: Option<Duration>) -> SendFuture {
        let uri = request.uri().to_string();
        self.asked.lock().unwrap().push(format!("{} {uri}", request.method()));
        Box::pin(async move {
            let mut answer = Response::new(Bytes::new());
            match uri.as_str() {
                "https://there/" => *answer.status_mut() = http::StatusCode::ACCEPTED,
                "https://large/" => *answer.body_mut() = vec![0; (16 << 20) + 1].into(),
                "https://slow/" => return Err(RequestError::TimedOut),
                "https://panics/" => panic!("a host that panics"),
                _ => return Err(RequestError::Denied),
            }
            Ok(answer)
        })
    }

    fn log(&self, level: Level, message: String) {
        self.lines.lock().unwrap().push(format!("{level:?}: {message}"));
    }
}

pub(crate) fn compiler() -> CompilerCommand {
    CompilerCommand::new(std::env::current_exe().unwrap(), [COMPILER])
}

pub(crate) fn settings() -> Settings {
    Settings {
        cache_dir: Some(CACHE.path().to_owned()),
        compiler: Some(compiler()),
        warm_instances: 4,
        // On a busy machine the slow lane gets little time.
        limits: Limits { wall: Duration::from_mins(1), ..Limits::default() },
        ..Settings::default()
    }
}

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) host: Arc<Host>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self { sandbox: Sandbox::new(settings, Ambient::system()).unwrap(), host: Arc::default() }
    }

    pub(crate) async fn serve(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let owner = Owner { tenant: "acme".into(), plugin: "p".into() };
        let component = Component { id: "http.wat".into(), bytes: COMPONENT.clone() };
        let host: Arc<dyn ComponentHost> = Arc::clone(&self.host) as _;
        self.sandbox.serve(&owner, &component, host, request, None).await
    }

    /// What is answered to a `GET`.
    pub(crate) async fn get(&self, path: &str) -> Result<Response<Bytes>, Error> {
        self.serve(request(path)).await
    }

    /// The status and the text of the answer to a `GET`.
    pub(crate) async fn told(&self, path: &str) -> (u16, String) {
        let answer = self.get(path).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        (answer.status().as_u16(), String::from_utf8(answer.into_body().to_vec()).unwrap())
    }
}

pub(crate) fn request(path: &str) -> Request<Bytes> {
    Request::get(format!("http://plugin{path}")).body(Bytes::new()).unwrap()
}
