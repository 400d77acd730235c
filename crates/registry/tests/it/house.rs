//! A registry on storage of its own.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bundler::{Bundler, Limits, WorkerCommand};
use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use model::{Ambient, PluginId, TenantId, Violation};
use registry::{
    Author, BackendDefinition, Draft, Error, Examine, ExamineError, Installation, Owner, Platform, Program,
    Published, Registry, Toolchain,
};
use serde_json::{Value, json};
use storage::{Blobs, Database, MasterKey, MasterKeys, SealedColumn, Sealer, Tenants};
use tempfile::TempDir;
use testkit::{Backend, Postgres};
use tokio::runtime::Runtime;

/// The argument that makes this program a worker of the bundler.
pub(crate) const WORKER: &str = "bundler-worker";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());
static BUNDLER: LazyLock<Bundler> = LazyLock::new(|| {
    let limits = Limits { time: Duration::from_secs(30), ..Limits::default() };
    Bundler::new(WorkerCommand::this_program([WORKER]).unwrap(), limits)
});

/// What is said of every backend that is examined.
#[derive(Default)]
pub(crate) struct Saying {
    pub(crate) definition: BackendDefinition,
    pub(crate) refusal: Option<Vec<Violation>>,
    pub(crate) seen: Vec<Program>,
}

struct Given(Arc<Mutex<Saying>>);

impl Given {
    fn say(&self, program: Program) -> Result<BackendDefinition, ExamineError> {
        let mut saying = self.0.lock().unwrap();
        saying.seen.push(program);
        match &saying.refusal {
            Some(violations) => Err(ExamineError::Refused(violations.clone())),
            None => Ok(saying.definition.clone()),
        }
    }
}

#[async_trait]
impl Examine for Given {
    async fn script(&self, program: &Program) -> Result<BackendDefinition, ExamineError> {
        self.say(program.clone())
    }

    async fn component(&self, component: &Bytes) -> Result<(), ExamineError> {
        self.say(Program { bytes: component.clone(), source_map: None }).map(drop)
    }
}

pub(crate) struct House {
    pub(crate) registry: Arc<Registry>,
    pub(crate) database: Database,
    pub(crate) sealer: Sealer,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) saying: Arc<Mutex<Saying>>,
    backend: Backend,
    folder: TempDir,
}

impl House {
    pub(crate) async fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("data/blobs")).unwrap();
        let ambient = Ambient::system();
        let migrations = [storage::MIGRATIONS, registry::MIGRATIONS];
        let database = backend.database(folder.path(), &migrations).await.unwrap();
        let key = MasterKey::from_base64(&"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into()).unwrap();
        let masters = MasterKeys::given(key, Vec::new()).unwrap();
        let sealer = Sealer::open(&database, masters, ambient.clone()).await.unwrap();
        let blobs = backend.blobs(folder.path()).await.unwrap();
        let saying = Arc::new(Mutex::new(Saying::default()));
        let toolchain = Toolchain {
            bundler: BUNDLER.clone(),
            examine: Arc::new(Given(Arc::clone(&saying))),
            connectors: vec!["gmail".to_owned(), "slack".to_owned()],
            webhook: |_| Vec::new(),
        };
        let platform = Platform {
            version: "1.0.0".parse().unwrap(),
            public_url: "https://plugins.example.com".parse().unwrap(),
            bundle_cache_bytes: 1024 * 1024,
        };
        let registry = Registry::new(
            database.clone(),
            Arc::clone(&blobs),
            sealer.clone(),
            toolchain,
            platform,
            ambient,
            client(),
        );
        Self { registry: Arc::new(registry), database, sealer, blobs, saying, backend, folder }
    }

    /// Another process on the same storage.
    pub(crate) fn beside(&self) -> Registry {
        self.beside_at(Ambient::system())
    }

    /// Another process on the same storage, with a time of its own.
    pub(crate) fn beside_at(&self, ambient: Ambient) -> Registry {
        let toolchain = Toolchain {
            bundler: BUNDLER.clone(),
            examine: Arc::new(Given(Arc::clone(&self.saying))),
            connectors: Vec::new(),
            webhook: |_| Vec::new(),
        };
        let platform = self.registry.platform().clone();
        let blobs = Arc::clone(&self.blobs);
        Registry::new(
            self.database.clone(),
            blobs,
            self.sealer.clone(),
            toolchain,
            platform,
            ambient,
            client(),
        )
    }

    pub(crate) fn tenants(&self) -> Tenants {
        let data = [registry::TENANT_DATA, storage::TENANT_DATA];
        let registry = Arc::clone(&self.registry);
        let forget: storage::Forget = Box::new(move |_| registry.forget_files());
        Tenants::new(self.database.clone(), &data, vec![forget], Ambient::system())
    }

    pub(crate) async fn publish(&self, fields: Value) -> Result<Published, Error> {
        self.registry.publish(&shared(), Draft::from_json(fields)?).await
    }

    pub(crate) async fn install(&self, tenant: &str, id: &str) -> Installation {
        self.registry.install(&named(tenant), &plugin(id), None, None, "ada").await.unwrap()
    }

    pub(crate) async fn configure(&self, tenant: &str, id: &str, configuration: Value) {
        let Value::Object(configuration) = configuration else { panic!("{configuration}") };
        self.registry.configure(&named(tenant), &plugin(id), configuration, "ada").await.unwrap();
    }

    /// The program's handlers from now on.
    pub(crate) fn handlers(&self, names: &[&str]) {
        self.saying.lock().unwrap().definition.handlers = names.iter().map(ToString::to_string).collect();
    }

    /// Runs `sql` behind the registry's back.
    pub(crate) async fn execute(&self, sql: &'static str) {
        let mut tx = self.database.begin().await.unwrap();
        storage::on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) fn blob_keys(&self) -> BTreeSet<String> {
        self.backend.blob_keys(self.folder.path()).unwrap()
    }
}

/// What fetches from public addresses alone: nothing, in these tests.
fn client() -> outbound::Client {
    let guard = outbound::Guard::new(outbound::Allow::default(), Vec::new()).unwrap();
    guard.client(&outbound::Settings::default()).unwrap()
}

pub(crate) fn shared() -> Author {
    Author { owner: Owner::Shared, subject: "root".to_owned() }
}

pub(crate) fn named(tenant: &str) -> TenantId {
    tenant.parse().unwrap()
}

pub(crate) fn plugin(id: &str) -> PluginId {
    id.parse().unwrap()
}

/// A plugin that is a backend alone, of the plugin `card`.
pub(crate) fn card(version: &str, fields: Value) -> Value {
    let mut all = json!({
        "id": "card", "name": "Card", "version": version, "category": "payment",
        "backend": {"entryPoint": "server/index.ts"},
        "files": {"server/index.ts": "export default { handlers: { pay: async () => 1 } };"},
        "configSchema": {
            "type": "object", "properties": {"shop": {"type": "string"}, "key": {"type": "string"}, "limits": {}},
            "sensitiveFields": ["key", "limits"],
        },
    });
    let Value::Object(fields) = fields else { panic!("{fields}") };
    all.as_object_mut().unwrap().extend(fields);
    all
}

/// The violations of a refusal, as `pointer: detail`.
#[track_caller]
pub(crate) fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
    use model::Coded as _;
    let error = result.expect_err("it was to be refused");
    error.violations().into_iter().map(|each| format!("{}: {}", each.pointer, each.detail)).collect()
}

/// Every sealed column there is.
pub(crate) const SEALED: &[&[SealedColumn]] = &[registry::SEALED];

/// A trial of `test` on each pair of storage.
pub(crate) fn both<F>(name: &str, test: fn(House) -> F) -> Vec<Trial>
where
    F: Future<Output = ()> + Send + 'static,
{
    let on = |kind: &str, backend: fn() -> Backend| {
        Trial::test(format!("{name}_on_{kind}"), move || {
            let run = async move { test(House::new(backend()).await).await };
            let done = RUNTIME.block_on(async { tokio::spawn(run).await });
            done.map_err(|error| match error.try_into_panic() {
                Ok(panic) => Failed::from(message(panic.as_ref())),
                Err(error) => Failed::from(error),
            })
        })
    };
    vec![on("sqlite", Backend::files), on("postgres", || Backend::servers(&POSTGRES).unwrap())]
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
