//! What runs plugins' backends, made from the settings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use connectors::Connectors;
use identity::Signer;
use model::Ambient;
use outbound::Guard;
use registry::Registry;
use runtime::lifecycle::{self, Lifecycle};
use runtime::upstream::{self, Standing, Upstreams};
use runtime::{Log, Quota, Runtime};
use sandbox::{Limits, Sandbox};
use storage::{Database, Sealer};
use url::Url;

use crate::parts::{compiler, extra_roots};
use crate::settings::Settings;

/// The memory that instances at work may have besides those that are kept warm, in bytes.
const WORKING_MEMORY: usize = 1 << 30;

/// What scripts run in. Compiles nothing yet.
pub(crate) fn sandbox(settings: &Settings, ambient: &Ambient) -> anyhow::Result<Sandbox> {
    let limits = Limits {
        wall: settings.plugin_deadline.0,
        cpu: settings.plugin_cpu_deadline.0,
        memory: settings.plugin_memory.0,
        output: settings.plugin_max_output.0,
        ..Limits::default()
    };
    let settings = sandbox::Settings {
        cache_dir: Some(settings.cache_dir()),
        compiler: Some(compiler()?),
        limits,
        warm_instances: usize::try_from(settings.plugin_warm_instances)?,
        warm_memory: settings.plugin_warm_memory.0,
        total_memory: settings.plugin_warm_memory.0.saturating_add(WORKING_MEMORY),
        ..sandbox::Settings::default()
    };
    Sandbox::new(settings, ambient.clone()).context("the sandbox of plugins' backends cannot be set up")
}

/// What signs the tokens by which others know this server.
pub(crate) fn signer(
    (database, sealer): (&Database, &Sealer),
    public_url: &Url,
    ambient: &Ambient,
) -> anyhow::Result<Signer> {
    let issuer = public_url.as_str().trim_end_matches('/');
    Ok(Signer::new(database.clone(), sealer.clone(), issuer, ambient.clone())?)
}

/// How long reaching a plugin's own server may take, its name's resolution and TLS included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// The way to plugins' own servers.
pub(crate) fn upstreams(
    settings: &Settings,
    (guard, registry): (&Guard, &Arc<Registry>),
    (signer, public_url): (&Signer, &Url),
    ambient: &Ambient,
) -> anyhow::Result<Arc<Upstreams>> {
    let bounds = upstream::Settings {
        first_byte: settings.plugin_proxy_first_byte_deadline.0,
        idle: settings.plugin_proxy_idle_deadline.0,
        max_request: u64::try_from(settings.plugin_proxy_max_request.0)?,
        max_answer: u64::try_from(settings.plugin_proxy_max_answer.0)?,
        concurrency: settings.plugin_proxy_concurrency.try_into()?,
    };
    let installations: Arc<dyn Standing> = Arc::<Registry>::clone(registry);
    let way = (guard.connector(CONNECT_DEADLINE), installations);
    Ok(Arc::new(Upstreams::new(way, bounds, (signer.clone(), public_url), ambient.clone())))
}

/// What runs backends. Must be called within a tokio runtime.
pub(crate) fn runtime(
    settings: &Settings,
    (database, registry): (&Database, &Arc<Registry>),
    sandbox: Sandbox,
    (connectors, guard, signer): (&Connectors, &Guard, &Signer),
    ambient: &Ambient,
) -> anyhow::Result<Runtime> {
    let quota = Quota {
        values: settings.plugin_storage_keys.get(),
        bytes: u64::try_from(settings.plugin_storage_size.0)?,
    };
    Ok(Runtime::new(runtime::Parts {
        database: database.clone(),
        sandbox,
        installations: Arc::clone(registry) as Arc<dyn runtime::Installations>,
        guard: guard.clone(),
        unified: Arc::new(api::ForPlugins::new(connectors.clone())),
        signer: Arc::new(signer.clone()),
        log: Log::start(database.clone(), ambient.clone()),
        settings: runtime::Settings {
            quota,
            deadline: settings.plugin_deadline.0,
            platform: settings.platform_api_url.clone(),
            platform_roots: extra_roots(settings)?,
        },
        ambient: ambient.clone(),
    })?)
}

/// What tells backends of what becomes of their installations.
pub(crate) fn lifecycle(
    (database, registry): (&Database, &Arc<Registry>),
    runtime: &Runtime,
    ambient: &Ambient,
) -> Lifecycle {
    Lifecycle::new(lifecycle::Parts {
        database: database.clone(),
        installed: Arc::clone(registry) as Arc<dyn lifecycle::Installed>,
        hooks: Arc::new(runtime.clone()),
        ambient: ambient.clone(),
    })
}
