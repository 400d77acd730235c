//! The parts of the program, made from the settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bundler::{Bundler, Limits, WorkerCommand};
use connections::catalog::{Catalog, Discovery};
use connections::protocol::{Http, HttpConfig};
use connections::{Connections, vault};
use connectors::Connectors;
use connectors::lexmodo::{self, Customers};
use identity::{Authenticator, Config, Lexmodo};
use model::{Ambient, TenantId};
use outbound::Guard;
use registry::{Platform, Registry, Toolchain};
use reqwest::Certificate;
use runtime::{Examiner, Runtime};
use sandbox::{CompilerCommand, Sandbox};
use storage::{
    Blobs, Database, DatabaseUrl, Folder, Forget, Migration, S3, SealedColumn, Sealer, TenantData, Tenants,
};
use url::Url;

use crate::bus::Bus;
use crate::settings::Settings;

/// The hidden subcommand that runs a worker of the bundler.
pub(crate) const BUNDLER_WORKER: &str = "bundler-worker";

/// The command by which this program compiles a plugin's component.
pub(crate) const COMPONENT_COMPILER: &str = "component-compiler";

/// The tables of every part.
const MIGRATIONS: &[&[Migration]] = &[
    storage::MIGRATIONS,
    identity::MIGRATIONS,
    registry::MIGRATIONS,
    connections::MIGRATIONS,
    runtime::MIGRATIONS,
    runtime::lifecycle::MIGRATIONS,
    events::MIGRATIONS,
];

/// The sealed columns of every part: what rotating keys seals anew.
pub(crate) const SEALED: &[&[SealedColumn]] =
    &[registry::SEALED, connections::SEALED, identity::SEALED, events::SEALED];

/// What every part keeps of a tenant: what deleting it deletes. The log is the last.
const TENANT_DATA: &[&[TenantData]] = &[
    registry::TENANT_DATA,
    connections::TENANT_DATA,
    runtime::TENANT_DATA,
    runtime::lifecycle::TENANT_DATA,
    events::TENANT_DATA,
    identity::TENANT_DATA,
    storage::TENANT_DATA,
];

/// The database, its schema up to date.
pub(crate) async fn open_database(settings: &Settings, ambient: &Ambient) -> anyhow::Result<Database> {
    create_private_folder(&settings.data_dir).with_context(|| {
        format!("DATA_DIR must be a folder that can be written to: {}", settings.data_dir.display())
    })?;
    let (url, setting) = (settings.database()?, settings.database_setting());
    if let DatabaseUrl::Sqlite(path) = &url
        && let Some(folder) = path.parent()
    {
        create_private_folder(folder)
            .with_context(|| format!("{setting} must be in a folder that can be written to"))?;
    }
    Database::open(&url, MIGRATIONS, ambient.clone()).await.with_context(|| setting)
}

/// A folder that nobody else may look into: it holds keys.
fn create_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The blobs: a bucket, or a folder in DATA_DIR.
pub(crate) async fn open_blobs(settings: &Settings) -> anyhow::Result<Arc<dyn Blobs>> {
    match settings.s3() {
        Ok(Some(config)) => Ok(Arc::new(S3::new(&config)?)),
        Ok(None) => Ok(Arc::new(Folder::open(settings.blob_dir()).await?)),
        Err(sentences) => anyhow::bail!(sentences.join("; ")),
    }
}

/// The bundler, whose workers are this same program. None runs yet.
pub(crate) fn bundler(settings: &Settings) -> anyhow::Result<Bundler> {
    let worker = WorkerCommand::this_program([BUNDLER_WORKER]).context("this program cannot find itself")?;
    let limits = Limits {
        time: settings.bundler_deadline.0,
        concurrency: usize::try_from(settings.bundler_workers.get())?,
        input_bytes: u64::try_from(settings.bundler_max_input.0)?,
        output_bytes: u64::try_from(settings.bundler_max_output.0)?,
        ..Limits::default()
    };
    Ok(Bundler::new(worker, limits))
}

/// What compiles plugins' components: this same program.
pub(crate) fn compiler() -> anyhow::Result<CompilerCommand> {
    CompilerCommand::this_program([COMPONENT_COMPILER]).context("this program cannot find itself")
}

/// What makes programs of plugins' sources, and looks at them.
pub(crate) fn toolchain(bundler: Bundler, sandbox: Sandbox) -> Toolchain {
    let connectors = connectors::IDS.iter().map(ToString::to_string).collect();
    let webhook = |webhook: &_| events::webhook::Manifest::from_json(webhook).err().unwrap_or_default();
    Toolchain { bundler, examine: Arc::new(Examiner::new(sandbox)), connectors, webhook }
}

/// What seals tenants' secrets, once the master key has proven to be that of the database.
pub(crate) async fn sealer(
    settings: &Settings,
    database: &Database,
    ambient: &Ambient,
) -> anyhow::Result<Sealer> {
    Ok(Sealer::open(database, settings.master_keys(ambient)?, ambient.clone()).await?)
}

/// What deletes tenants. `forget` drops what parts of this process remember of one.
pub(crate) fn tenants(database: &Database, forget: Vec<Forget>, ambient: &Ambient) -> Tenants {
    Tenants::new(database.clone(), TENANT_DATA, forget, ambient.clone())
}

/// What judges all that is called because somebody else says so: one for the program.
pub(crate) fn guard(settings: &Settings) -> anyhow::Result<Guard> {
    let extra = extra_ca(settings)?.map(|pem| outbound::roots(&pem)).transpose();
    let extra = extra.context("EXTRA_CA_FILE must hold certificates in PEM")?;
    Ok(Guard::new(settings.outbound_allow.allow(), extra.unwrap_or_default())?)
}

/// The registry, on storage that is open.
pub(crate) fn registry(
    settings: &Settings,
    (database, blobs, sealer): (&Database, &Arc<dyn Blobs>, &Sealer),
    toolchain: Toolchain,
    guard: &Guard,
    public_url: &Url,
    ambient: &Ambient,
) -> anyhow::Result<Registry> {
    let platform = Platform {
        version: settings.platform_version.clone(),
        public_url: public_url.clone(),
        bundle_cache_bytes: u64::try_from(settings.bundle_cache_size.0)?,
    };
    Ok(Registry::new(
        database.clone(),
        Arc::clone(blobs),
        sealer.clone(),
        toolchain,
        platform,
        ambient.clone(),
        guard.client(&outbound::Settings::default())?,
    ))
}

/// The accounts that users connect elsewhere.
pub(crate) fn connections(
    settings: &Settings,
    (database, sealer): (&Database, &Sealer),
    catalog: Catalog,
    guard: &Guard,
    public_url: &Url,
    ambient: &Ambient,
) -> anyhow::Result<Connections> {
    let config = HttpConfig {
        extra_roots: extra_roots(settings)?,
        guard: Some(guard.clone()),
        ..HttpConfig::default()
    };
    let http =
        Http::new(&config, ambient.clone()).context("the authorities of this system cannot be read")?;
    Ok(Connections::new(connections::Parts {
        database: database.clone(),
        sealer: sealer.clone(),
        catalog,
        discovery: Discovery::new(http.outward().clone(), ambient.clone())
            .with_guarded(http.guarded().clone()),
        http,
        public_url: public_url.clone(),
        token_reads: settings.token_reads,
        vault: vault::Settings {
            cached_tokens: settings.tokens_in_memory.get().into(),
            background_per_second: settings.refreshes_per_second.get(),
        },
        ambient: ambient.clone(),
    }))
}

/// One API over those accounts. `notes` is where the sandbox has its notes, if there is one. Must be called within a tokio
/// runtime.
pub(crate) fn connectors(
    settings: &Settings,
    (sealer, connections): (&Sealer, &Connections),
    notes: Option<&Url>,
    guard: &Guard,
    ambient: &Ambient,
) -> anyhow::Result<Connectors> {
    let connectors = Connectors::new(connectors::Parts {
        connections: connections.clone(),
        tickets: sealer.tickets(),
        http: connectors::http::Http::new(
            connectors::http::Settings {
                base_urls: base_urls(settings, notes),
                extra_roots: extra_roots(settings)?,
                guard: Some(guard.clone()),
                ..connectors::http::Settings::default()
            },
            ambient.clone(),
        )?,
        lexmodo: customers(settings, ambient)?,
        proxy: settings.proxy_rules.rules(),
    });
    let wrong = connectors.wrong_proxy_rules();
    anyhow::ensure!(wrong.is_empty(), wrong.join("; "));
    Ok(connectors)
}

/// The roots of APIs that the operator has named in place of the vendors' own, by connector, and that of the sandbox.
fn base_urls(settings: &Settings, notes: Option<&Url>) -> BTreeMap<String, Url> {
    let named = [
        ("bitbucket", &settings.bitbucket_base_url),
        ("calendar", &settings.calendar_base_url),
        ("confluence", &settings.confluence_base_url),
        ("drive", &settings.drive_base_url),
        ("github", &settings.github_base_url),
        ("gmail", &settings.gmail_base_url),
        ("jira", &settings.jira_base_url),
        ("slack", &settings.slack_base_url),
    ];
    let named = named.into_iter().map(|(id, url)| (id, url.as_ref())).chain([("notes", notes)]);
    named.filter_map(|(id, url)| Some((id.to_owned(), url?.clone()))).collect()
}

/// The client of the Lexmodo platform's customers service, where there is an address of it.
pub(crate) fn customers(settings: &Settings, ambient: &Ambient) -> anyhow::Result<Option<Customers>> {
    let Some(app) = settings.lexmodo() else { return Ok(None) };
    let Some(address) = app.grpc_address else { return Ok(None) };
    let descriptor_set = app.descriptor_set.as_ref().map(std::fs::read).transpose();
    let config = lexmodo::Config {
        address,
        descriptor_set: descriptor_set.context("LEXMODO_DESCRIPTOR_SET must be a readable file")?,
        max_message_bytes: app.max_message_bytes,
        extra_roots: extra_ca(settings)?.unwrap_or_default(),
    };
    Ok(Some(Customers::new(config, ambient.clone())?))
}

/// What drops all that this process remembers of a tenant.
pub(crate) fn forget(
    registry: &Arc<Registry>,
    connections: &Connections,
    runtime: &Runtime,
    bus: &Bus,
) -> Vec<Forget> {
    let (registry, connections, runtime) = (Arc::clone(registry), connections.clone(), runtime.clone());
    let bus = bus.clone();
    vec![
        Box::new(move |_: &TenantId| registry.forget_files()),
        Box::new(move |tenant: &TenantId| connections.forget(tenant)),
        Box::new(move |tenant: &TenantId| runtime.forget(tenant)),
        Box::new(move |_: &TenantId| bus.forget()),
    ]
}

/// Further authorities that are trusted besides the system's.
pub(crate) fn extra_roots(settings: &Settings) -> anyhow::Result<Vec<Certificate>> {
    let Some(pem) = extra_ca(settings)? else { return Ok(Vec::new()) };
    Certificate::from_pem_bundle(&pem).context("EXTRA_CA_FILE must hold certificates in PEM")
}

/// What EXTRA_CA_FILE holds.
fn extra_ca(settings: &Settings) -> anyhow::Result<Option<Vec<u8>>> {
    let read = settings.extra_ca_file.as_ref().map(std::fs::read).transpose();
    read.context("EXTRA_CA_FILE must be a readable file")
}

/// What tells who is calling.
pub(crate) fn authenticator(
    settings: &Settings,
    database: &Database,
    ambient: &Ambient,
) -> anyhow::Result<Authenticator> {
    let config = Config {
        jwt_secret: settings.jwt_secret.clone(),
        nextauth_secret: settings.nextauth_secret.clone(),
        auth_secret: settings.auth_secret.clone(),
        issuers: settings.jwt_issuers.0.clone(),
        audience: settings.jwt_audience.as_ref().map(|audience| audience.0.clone()),
        extra_roots: extra_roots(settings)?,
        lexmodo: settings.lexmodo().map(|app| Lexmodo { secret: app.secret, issuer: app.issuer.text }),
    };
    Ok(Authenticator::new(&config, database.clone(), ambient.clone())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of bytes that hold nothing that a tenant's data key seals.
    const NOT_SEALED: [&str; 8] = [
        "api_key.secret_hash",
        "connect_session.token_hash",
        "master_key.proof",
        "tenant_key.wrapped",
        "webhook.body",
        "webhook_address.former_hash",
        "webhook_address.token_hash",
        "plugin_value.key",
    ];

    async fn columns() -> Vec<(String, String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
        let database = Database::open(&url, MIGRATIONS, Ambient::system()).await.unwrap();
        let mut conn = database.read().await.unwrap();
        let storage::Engine::Sqlite(sqlite) = conn.engine() else { panic!("it is SQLite") };
        sqlx::query_as(
            "SELECT t.name, c.name, c.type FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'",
        )
        .fetch_all(sqlite)
        .await
        .unwrap()
    }

    /// A sealed column that no list names would be lost when keys are rotated.
    #[tokio::test]
    async fn every_column_of_bytes_is_known_to_be_sealed_or_not() {
        let columns = columns().await;
        let is_known = |table: &str, column: &str| {
            NOT_SEALED.contains(&format!("{table}.{column}").as_str())
                || SEALED
                    .iter()
                    .copied()
                    .flatten()
                    .any(|sealed| (sealed.table, sealed.column) == (table, column))
        };
        let bytes = columns.iter().filter(|(table, _, kind)| kind == "BLOB" && !table.starts_with('_'));
        let unknown: Vec<_> = bytes.filter(|(table, column, _)| !is_known(table, column)).collect();
        assert!(unknown.is_empty(), "name them in SEALED of their crate, or here: {unknown:?}");
        for sealed in SEALED.iter().copied().flatten() {
            for name in sealed.keys.iter().chain([&"tenant", &sealed.column]) {
                let is_it =
                    |(table, column, _): &(String, String, String)| table == sealed.table && column == name;
                let is_there = columns.iter().any(is_it);
                assert!(is_there, "{}.{name}", sealed.table);
            }
        }
    }
}
