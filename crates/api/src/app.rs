//! What the routes share: settings of the surface and the domains behind it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connections::Connections;
use connectors::Connectors;
use events::delivery::Deliveries;
use events::feed::Feed;
use events::publish::Publisher;
use events::subscription::Subscriptions;
use events::webhook::Webhooks;
use http::{Extensions, HeaderMap};
use identity::{ApiKeys, Authenticator, Signer};
use metrics_exporter_prometheus::PrometheusHandle;
use model::Ambient;
use registry::Registry;
use runtime::Runtime;
use runtime::lifecycle::Lifecycle;
use runtime::upstream::Upstreams;
use secrecy::SecretString;
use storage::Tenants;
use url::Url;

use crate::address::{Network, PeerAddress, client_address};
use crate::health::Probe;
use crate::lexmodo::LexmodoPlugin;
use crate::origins::Origins;
use crate::rate_limit::RateLimits;
use crate::request_metrics::RequestMetrics;

/// How the HTTP surface behaves.
#[derive(Debug)]
pub struct Options {
    /// Requests without a credential act as the platform's administrator. Only behind a loopback address.
    pub development: bool,
    /// The pages that may call from a browser.
    pub origins: Origins,
    /// Where this server is to be reached from outside.
    pub public_url: Url,
    /// The most bytes of a JSON body.
    pub max_body_bytes: usize,
    /// The most bytes of a webhook.
    pub max_webhook_bytes: usize,
    /// The most bytes of an upload.
    pub max_upload_bytes: usize,
    /// How long a request may take.
    pub deadline: Duration,
    /// How long an upload may take, the building of the bundle included.
    pub upload_deadline: Duration,
    /// How many requests a minute.
    pub rate_limits: RateLimits,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Where browsers may be sent in the end.
    pub return_to: Origins,
    /// The plugin of the Lexmodo platform that this server is, if its app is configured.
    pub lexmodo: Option<LexmodoPlugin>,
    /// What a scraper of `/metrics` must show as its bearer token; anybody may read where this is `None`.
    pub metrics_token: Option<SecretString>,
}

/// The parts that the routes call. Each is cheap to clone or shared.
pub struct Parts {
    /// Time and randomness.
    pub ambient: Ambient,
    /// Tells who is calling.
    pub authenticator: Authenticator,
    /// Plugins, installations and bundles.
    pub registry: Arc<Registry>,
    /// Accounts that users connect elsewhere.
    pub connections: Connections,
    /// One API over those accounts.
    pub connectors: Connectors,
    /// Runs plugins' backends.
    pub runtime: Runtime,
    /// Tells backends of what becomes of their installations.
    pub lifecycle: Lifecycle,
    /// Puts events of others into the log.
    pub publisher: Publisher,
    /// The log, for those who follow it.
    pub feed: Feed,
    /// The way to plugins' own servers.
    pub upstreams: Arc<Upstreams>,
    /// Signs what others are to believe of this server.
    pub signer: Signer,
    /// Delivers events and webhooks to their receivers.
    pub deliveries: Deliveries,
    /// Who wants which events, and where.
    pub subscriptions: Subscriptions,
    /// Takes webhooks in.
    pub webhooks: Webhooks,
    /// Deletes tenants.
    pub tenants: Arc<Tenants>,
    /// What must answer for the server to be ready.
    pub probes: Vec<Box<dyn Probe>>,
    /// What has been counted, ready to be rendered.
    pub metrics: PrometheusHandle,
}

/// The state of the HTTP surface. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    options: Options,
    parts: Parts,
    request_metrics: RequestMetrics,
    warned_of_proxy: AtomicBool,
}

impl App {
    /// The surface over `parts`.
    pub fn new(options: Options, parts: Parts) -> Self {
        Self(Arc::new(Inner {
            options,
            parts,
            request_metrics: RequestMetrics::default(),
            warned_of_proxy: AtomicBool::new(false),
        }))
    }

    /// Forgets what is no longer needed: to be called every minute.
    pub fn sweep(&self) {
        self.0.options.rate_limits.sweep();
    }

    /// Sums up what was measured since it was called last, which takes memory until then: to be called every few seconds.
    pub fn sum_up_metrics(&self) {
        self.0.parts.metrics.run_upkeep();
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn ambient(&self) -> &Ambient {
        &self.0.parts.ambient
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.0.parts.authenticator
    }

    pub(crate) fn api_keys(&self) -> &ApiKeys {
        self.0.parts.authenticator.keys()
    }

    pub(crate) fn probes(&self) -> &[Box<dyn Probe>] {
        &self.0.parts.probes
    }

    /// Plugins, installations and bundles.
    pub fn registry(&self) -> &Registry {
        &self.0.parts.registry
    }

    /// Accounts that users connect elsewhere.
    pub fn connections(&self) -> &Connections {
        &self.0.parts.connections
    }

    /// One API over those accounts.
    pub(crate) fn connectors(&self) -> &Connectors {
        &self.0.parts.connectors
    }

    /// Where browsers may be sent in the end.
    pub(crate) fn return_to(&self) -> &Origins {
        &self.0.options.return_to
    }

    /// Tells backends of what becomes of their installations.
    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.0.parts.lifecycle
    }

    /// Puts events of others into the log.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.0.parts.publisher
    }

    /// The log, for those who follow it.
    pub(crate) fn feed(&self) -> &Feed {
        &self.0.parts.feed
    }

    /// Who wants which events.
    pub(crate) fn subscriptions(&self) -> &Subscriptions {
        &self.0.parts.subscriptions
    }

    /// What those who want events are given.
    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.0.parts.deliveries
    }

    /// Runs plugins' backends.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.parts.runtime
    }

    /// The way to plugins' own servers.
    pub(crate) fn upstreams(&self) -> &Upstreams {
        &self.0.parts.upstreams
    }

    /// Signs what others are to believe of this server.
    pub(crate) fn signer(&self) -> &Signer {
        &self.0.parts.signer
    }

    /// Takes webhooks in.
    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.0.parts.webhooks
    }

    pub(crate) fn tenants(&self) -> &Arc<Tenants> {
        &self.0.parts.tenants
    }

    pub(crate) fn metrics(&self) -> &PrometheusHandle {
        &self.0.parts.metrics
    }

    /// What answered requests are counted in.
    pub(crate) fn request_metrics(&self) -> &RequestMetrics {
        &self.0.request_metrics
    }

    pub(crate) fn rate_limits(&self) -> &RateLimits {
        &self.0.options.rate_limits
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.options.public_url.scheme() == "https"
    }

    /// The client's address; `None` where the server did not note the connection's other end.
    pub(crate) fn client_address(&self, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = extensions.get::<PeerAddress>()?.0.ip();
        let trusted = &self.0.options.trusted_proxies;
        let client = client_address(peer, headers, trusted);
        let unheeded = client == peer.to_canonical() && headers.contains_key("x-forwarded-for");
        if unheeded && trusted.is_empty() && !self.0.warned_of_proxy.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "requests come with X-Forwarded-For, which is not believed: if a proxy stands before this server, \
                 name its address in TRUSTED_PROXIES, or all its clients share one rate limit"
            );
        }
        Some(client)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("options", &self.0.options).finish_non_exhaustive()
    }
}
