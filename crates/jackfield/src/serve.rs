//! `jackfield serve`: wires the parts and serves them until told to stop.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use model::Ambient;
use storage::{Blobs, Database, Folder, S3};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::cli::ServeArgs;
use crate::server::{self, Bounds};
use crate::settings::{Loaded, Settings};

/// `--dev` with an address that others can reach.
#[derive(Debug, thiserror::Error)]
#[error(
    "--dev lets anybody who reaches the server administer it, so it listens on a loopback address only: {0} is none, use 127.0.0.1 or ::1, or leave --dev out"
)]
pub(crate) struct NotLoopback(IpAddr);

/// How often what is no longer needed is forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The bounds of the histogram of request durations, in seconds.
const DURATION_BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(loaded: Loaded, args: &ServeArgs) -> anyhow::Result<()> {
    let settings = loaded.settings;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let address = SocketAddr::new(args.host.unwrap_or(settings.host), args.port.unwrap_or(settings.port));
    if args.dev && !address.ip().is_loopback() {
        return Err(NotLoopback(address.ip()).into());
    }
    let stop = stop_signal()?;
    let metrics = install_metrics()?;
    let ambient = Ambient::system();
    let (database, blobs) = open_storage(&settings, &ambient).await?;

    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (HOST, PORT)"))?;
    let address = listener.local_addr()?;
    let app = app(&settings, args.dev, address, (&database, blobs), (ambient, metrics))?;
    let sweeping = tokio::spawn(sweep(app.clone()));
    tracing::info!(server.address = %address, development = args.dev, "listening");
    if args.dev {
        tracing::warn!(
            "development: requests without a credential from this machine act as platform administrator"
        );
    }

    let bounds = Bounds { connections: settings.max_connections, shutdown: settings.shutdown_deadline.0 };
    let cut_off = server::serve(listener, api::router(app), bounds, stop).await;
    sweeping.abort();
    database.close().await;
    if cut_off > 0 {
        anyhow::bail!("{cut_off} connections were cut off, because their requests took too long to finish");
    }
    tracing::info!("stopped");
    Ok(())
}

/// The database, its schema up to date, and the blobs.
async fn open_storage(settings: &Settings, ambient: &Ambient) -> anyhow::Result<(Database, Arc<dyn Blobs>)> {
    create_private_folder(&settings.data_dir).with_context(|| {
        format!("DATA_DIR must be a folder that can be written to: {}", settings.data_dir.display())
    })?;
    let database = Database::open(&settings.database()?, &[storage::MIGRATIONS], ambient.clone()).await?;
    let blobs: Arc<dyn Blobs> = match settings.s3() {
        Ok(Some(config)) => Arc::new(S3::new(&config)?),
        Ok(None) => Arc::new(Folder::open(settings.blob_dir()).await?),
        Err(sentences) => anyhow::bail!(sentences.join("; ")),
    };
    Ok((database, blobs))
}

/// A folder that nobody else may look into: it holds keys.
fn create_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn app(
    settings: &Settings,
    development: bool,
    listening: SocketAddr,
    (database, blobs): (&Database, Arc<dyn Blobs>),
    (ambient, metrics): (Ambient, PrometheusHandle),
) -> anyhow::Result<api::App> {
    let public_url = settings.public_url(listening)?;
    let options = api::Options {
        development,
        origins: settings.origins(&public_url, development)?,
        public_url,
        max_body_bytes: settings.max_body_size.0,
        max_upload_bytes: settings.max_upload_size.0,
        deadline: settings.request_deadline.0,
        upload_deadline: settings.upload_deadline.0,
        rate_limits: settings.rate_limits(),
        trusted_proxies: settings.trusted_proxies.0.clone(),
        metrics_token: settings.metrics_token.clone(),
    };
    let parts = api::Parts {
        ambient,
        authenticator: Arc::new(NoCredentials),
        probes: vec![Box::new(database.clone()), Box::new(blobs)],
        metrics,
    };
    Ok(api::App::new(options, parts))
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("http_request_duration_seconds".into()), &DURATION_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics cannot be set up")
}

async fn sweep(app: api::App) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        interval.tick().await;
        app.sweep();
    }
}

/// Comes with the first SIGTERM or SIGINT. The second ends the process at once.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let mut tell = Some(tell);
        loop {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            match tell.take() {
                // The server has ended already if nobody listens.
                Some(tell) => drop(tell.send(())),
                None => std::process::exit(1),
            }
        }
    });
    Ok(async move {
        // The sender lives as long as the process waits for signals.
        let _ = told.await;
    })
}

/// Accepts no credential, so that only `--dev` lets anybody in.
struct NoCredentials;

impl api::extract::Authenticate for NoCredentials {
    fn authenticate<'a>(
        &'a self,
        authorization: Option<&'a str>,
        _: Vec<&'a str>,
    ) -> futures::future::BoxFuture<'a, Result<Option<(model::Principal, api::extract::Carrier)>, api::Problem>>
    {
        let answer = match authorization {
            None => Ok(None),
            Some(_) => {
                Err(api::Problem::new(model::ErrorCode::InvalidCredential, "no credential is accepted yet"))
            }
        };
        Box::pin(std::future::ready(answer))
    }
}
