//! The parts of the program, made from the settings.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bundler::{Bundler, Limits, WorkerCommand};
use identity::{Authenticator, Config};
use model::Ambient;
use registry::{Platform, Registry};
use storage::{Blobs, Database, DatabaseUrl, Folder, Migration, S3, Sealer};
use url::Url;

use crate::settings::Settings;

/// The hidden subcommand that runs a worker of the bundler.
pub(crate) const BUNDLER_WORKER: &str = "bundler-worker";

/// The tables of every part.
const MIGRATIONS: &[&[Migration]] = &[storage::MIGRATIONS, identity::MIGRATIONS, registry::MIGRATIONS];

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

/// The registry, on storage that is open.
pub(crate) async fn registry(
    settings: &Settings,
    (database, blobs): (&Database, &Arc<dyn Blobs>),
    bundler: Bundler,
    public_url: &Url,
    ambient: &Ambient,
) -> anyhow::Result<Registry> {
    let master = settings.master_key(ambient)?;
    let sealer = Sealer::open(database, master, ambient.clone()).await?;
    let platform = Platform {
        version: settings.platform_version.clone(),
        public_url: public_url.clone(),
        bundle_cache_bytes: u64::try_from(settings.bundle_cache_size.0)?,
    };
    Ok(Registry::new(database.clone(), Arc::clone(blobs), sealer, bundler, platform, ambient.clone()))
}

/// What tells who is calling.
pub(crate) fn authenticator(
    settings: &Settings,
    database: &Database,
    ambient: &Ambient,
) -> anyhow::Result<Authenticator> {
    let extra_roots = match &settings.extra_ca_file {
        Some(path) => {
            let pem = std::fs::read(path).context("EXTRA_CA_FILE must be a readable file")?;
            reqwest::Certificate::from_pem_bundle(&pem)
                .context("EXTRA_CA_FILE must hold certificates in PEM")?
        }
        None => Vec::new(),
    };
    let config = Config {
        jwt_secret: settings.jwt_secret.clone(),
        nextauth_secret: settings.nextauth_secret.clone(),
        auth_secret: settings.auth_secret.clone(),
        issuers: settings.jwt_issuers.0.clone(),
        audience: settings.jwt_audience.as_ref().map(|audience| audience.0.clone()),
        extra_roots,
    };
    Ok(Authenticator::new(&config, database.clone(), ambient.clone())?)
}
