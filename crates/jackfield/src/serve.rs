//! `jackfield serve`: wires the parts and serves them until told to stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use bundler::Bundler;
use connections::Connections;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use model::Ambient;
use runtime::lifecycle::Lifecycle;
use runtime::{Receivers, Runtime};
use storage::Database;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::backends;
use crate::background::Background;
use crate::bus::Bus;
use crate::cli::ServeArgs;
use crate::dev_provider::DevProvider;
use crate::parts;
use crate::server::{self, Bounds};
use crate::settings::{Loaded, Settings};

/// `--dev` with an address that others can reach.
#[derive(Debug, thiserror::Error)]
#[error(
    "--dev lets anybody who reaches the server administer it, so it listens on a loopback address only: {0} is none, use 127.0.0.1 or ::1, or leave --dev out"
)]
pub(crate) struct NotLoopback(IpAddr);

/// How long tokens that are being renewed may take to be written down: longer than a call to a provider.
const SETTLE_DEADLINE: Duration = Duration::from_secs(12);

/// How long the database may take to be closed. Whatever was committed is safe without.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

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
    let database = parts::open_database(&settings, &ambient).await?;
    let blobs = parts::open_blobs(&settings).await?;
    let authenticator = parts::authenticator(&settings, &database, &ambient)?;
    let bundler = parts::bundler(&settings)?;

    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (HOST, PORT)"))?;
    let address = listener.local_addr()?;
    let public_url = settings.public_url(address)?;
    let sealer = parts::sealer(&settings, &database, &ambient).await?;
    let storage = (&database, &blobs, &sealer);
    let sandbox = backends::sandbox(&settings, &ambient)?;
    let toolchain = parts::toolchain(bundler.clone(), sandbox.clone());
    let guard = parts::guard(&settings)?;
    let registry = Arc::new(parts::registry(&settings, storage, toolchain, &guard, &public_url, &ambient)?);
    let (catalog, mounted, notes) = if args.dev {
        let dev = DevProvider::new(loaded.catalog, &public_url, &ambient)?;
        (dev.catalog, dev.router, Some(dev.base_url))
    } else {
        (loaded.catalog, Router::new(), None)
    };
    let catalog = crate::lexmodo::returning_here(catalog, &public_url)?;
    let connections =
        parts::connections(&settings, (&database, &sealer), catalog, &guard, &public_url, &ambient)?;
    let connectors = parts::connectors(&settings, (&sealer, &connections), notes.as_ref(), &guard, &ambient)?;
    let signer = backends::signer((&database, &sealer), &public_url, &ambient)?;
    let runtime = backends::runtime(
        &settings,
        (&database, &registry),
        sandbox.clone(),
        (&connectors, &guard, &signer),
        &ambient,
    )?;
    let upstreams = backends::upstreams(&settings, (&guard, &registry), (&signer, &public_url), &ambient)?;
    let lifecycle = backends::lifecycle((&database, &registry), &runtime, &ambient);
    let receivers =
        Receivers::new(Arc::clone(&registry), runtime.clone(), Arc::clone(&upstreams), ambient.clone());
    let stores = (&database, &sealer, &registry);
    let bus = Bus::new(&settings, stores, (&guard, receivers), &public_url, &ambient).await?;
    let forget = parts::forget(&registry, &connections, &runtime, &bus);
    let tenants = Arc::new(parts::tenants(&database, forget, &ambient));
    let parts = api::Parts {
        ambient: ambient.clone(),
        authenticator,
        upstreams,
        registry,
        connections: connections.clone(),
        connectors,
        runtime: runtime.clone(),
        signer,
        lifecycle: lifecycle.clone(),
        publisher: bus.publisher.clone(),
        feed: bus.feed.clone(),
        deliveries: bus.deliveries.clone(),
        subscriptions: bus.subscriptions.clone(),
        webhooks: bus.webhooks.clone(),
        tenants: Arc::clone(&tenants),
        probes: vec![Box::new(database.clone()), Box::new(Arc::clone(&blobs))],
        metrics,
    };
    let app = api::App::new(options(&settings, args.dev, public_url.clone())?, parts);
    let background = Background {
        app: app.clone(),
        bundler: bundler.clone(),
        sandbox,
        runtime: runtime.clone(),
        lifecycle: lifecycle.clone(),
        connections: connections.clone(),
        bus: bus.clone(),
        tenants,
        database: database.clone(),
        blobs,
        activity_retention: settings.activity_retention.0,
        ambient,
    };
    let background = background.start();
    tracing::info!(server.address = %address, server.url = %public_url, development = args.dev, "listening");
    tell_who_may_call(&settings, args.dev);

    let bounds = Bounds { connections: settings.max_connections, shutdown: settings.shutdown_deadline.0 };
    let cut_off = serve_until(stop, (listener, api::router(app, mounted)), bounds, (&lifecycle, &bus)).await;
    drop(background);
    end((&bundler, &bus), &connections, &runtime, &database).await;
    if cut_off > 0 {
        anyhow::bail!("{cut_off} connections were cut off, because their requests took too long to finish");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Has written what is to be written, and lets go of the rest.
async fn end(
    (bundler, bus): (&Bundler, &Bus),
    connections: &Connections,
    runtime: &Runtime,
    database: &Database,
) {
    bundler.shutdown().await;
    if !connections.vault().settle(SETTLE_DEADLINE).await {
        tracing::warn!("the renewal of a token is cut off; the next start finds out what became of it");
    }
    connections.activity().close().await;
    bus.publisher.close().await;
    runtime.log().close().await;
    // What was cut off may still hold connections of the database, and would keep this process for as long.
    if tokio::time::timeout(CLOSE_DEADLINE, database.close()).await.is_err() {
        tracing::warn!("the database is left with statements running");
    }
}

/// Serves until `stop`. Then hooks of plugins and deliveries end in the same time as requests do, and none is begun meanwhile. Gives the number
/// of connections that had to be cut off.
async fn serve_until(
    stop: impl Future<Output = ()>,
    (listener, router): (TcpListener, Router),
    bounds: Bounds,
    (lifecycle, bus): (&Lifecycle, &Bus),
) -> usize {
    let stopping = CancellationToken::new();
    let stop = async {
        stop.await;
        // They have no end of their own.
        bus.feed.close();
        stopping.cancel();
    };
    let ending = async {
        stopping.cancelled().await;
        let (hooks, deliveries) = tokio::join!(lifecycle.close(bounds.shutdown), bus.close(bounds.shutdown));
        hooks && deliveries
    };
    let (cut_off, has_ended) = tokio::join!(server::serve(listener, router, bounds, stop), ending);
    if !has_ended {
        tracing::warn!("hooks of plugins or deliveries are cut off; they are made again");
    }
    cut_off
}

/// Tells how callers prove who they are.
fn tell_who_may_call(settings: &Settings, development: bool) {
    if let Some(app) = settings.lexmodo() {
        crate::lexmodo::tell(&app);
    }
    if development {
        tracing::warn!(
            "development: requests without a credential from this machine act as platform administrator"
        );
    } else if settings.takes_only_api_keys() {
        tracing::info!(
            "only API keys are accepted, because neither JWT_SECRET, NEXTAUTH_SECRET, AUTH_SECRET, APP_SECRET nor JWT_ISSUERS is set; `jackfield keys create` makes one"
        );
    }
}

fn options(settings: &Settings, development: bool, public_url: Url) -> anyhow::Result<api::Options> {
    Ok(api::Options {
        development,
        origins: settings.origins(&public_url, development)?,
        return_to: settings.return_to(&public_url, development)?,
        public_url,
        max_body_bytes: settings.max_body_size.0,
        max_webhook_bytes: settings.webhook_max_size.0,
        max_upload_bytes: settings.max_upload_size.0,
        deadline: settings.request_deadline.0,
        upload_deadline: settings.upload_deadline.0,
        rate_limits: settings.rate_limits(),
        trusted_proxies: settings.trusted_proxies.0.clone(),
        lexmodo: settings.lexmodo().map(crate::lexmodo::plugin),
        metrics_token: settings.metrics_token.clone(),
    })
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("http_request_duration_seconds".into()), &DURATION_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics cannot be set up")
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
