//! The client that vendors are called with, its limits, and what is known of their hosts.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Ambient;
use moka::sync::Cache;
use outbound::{Allow, Guard};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use url::Url;

use super::address::{Base, is_same_origin};
use super::gate::Bounds;
use super::host::Host;
use super::line::{Line, LineKey};

/// How many connections' standing is kept in mind.
const MAX_LINES: u64 = 100_000;

/// For how long it is kept of a connection that is not used: longer than any wait that is believed.
const LINE_IDLE: Duration = Duration::from_hours(2);

/// How many hosts that connections bring along are kept in mind.
const MAX_HOSTS: u64 = 10_000;

/// For how long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many redirects on the same host are followed.
const MAX_REDIRECTS: usize = 3;

/// The limits of calls to vendors.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Roots of APIs in place of the vendors' own, by connector: `GMAIL_BASE_URL` for `gmail`.
    pub base_urls: BTreeMap<String, Url>,
    /// Authorities that are trusted besides the system's.
    pub extra_roots: Vec<Certificate>,
    /// What judges the hosts that users name; without it, public addresses alone are reached there.
    pub guard: Option<Guard>,
    /// How long reaching a vendor may take, its name's resolution and TLS included; 5 seconds unless said otherwise.
    pub connect_timeout: Duration,
    /// How long one attempt may take, and a download may stand still; 10 seconds unless said otherwise.
    pub attempt_timeout: Duration,
    /// How long all calls of one operation may take together, waiting included; 20 seconds unless said otherwise, less than
    /// the operation itself may.
    pub operation_timeout: Duration,
    /// The most bytes of an answer that are read; 16 MiB unless said otherwise. Downloads have no bound but their reader's.
    pub max_answer_bytes: usize,
    /// How many calls may be under way at one host; 64 unless said otherwise. As many again may be whose answers are read as
    /// they come: downloads, and what is passed on. So it is with all the numbers below.
    pub calls_per_host: usize,
    /// How many of them for one tenant; 48 unless said otherwise, so that there is always room for others.
    pub calls_per_tenant: usize,
    /// How many of them with one connection; 10 unless said otherwise.
    pub calls_per_connection: usize,
    /// How many calls of one tenant may wait for one host; 500 unless said otherwise.
    pub waiting_per_tenant: usize,
    /// How many calls may wait for one host; 5,000 unless said otherwise.
    pub waiting_per_host: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_urls: BTreeMap::new(),
            extra_roots: Vec::new(),
            guard: None,
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(20),
            max_answer_bytes: 16 * 1024 * 1024,
            calls_per_host: 64,
            calls_per_tenant: 48,
            calls_per_connection: 10,
            waiting_per_tenant: 500,
            waiting_per_host: 5000,
        }
    }
}

/// What keeps vendors from being called at all.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A root that is none.
    #[error("{0}_BASE_URL must be an http or https URL with a host, without user, query and fragment")]
    BaseUrl(String),
    /// The authorities that are trusted cannot be read.
    #[error("the authorities of this system cannot be read")]
    Authorities(#[from] reqwest::Error),
    /// The same, for hosts that users name.
    #[error(transparent)]
    Guard(#[from] outbound::Error),
}

/// Calls vendors. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    outward: Client,
    loopback: Client,
    /// The same two where no redirect is followed: of calls that are a caller's own, to paths that are allowed.
    outward_as_is: Client,
    loopback_as_is: Client,
    /// Of hosts that users name. It follows no redirect either.
    guarded: outbound::Client,
    named_roots: HashMap<String, Base>,
    settings: Settings,
    ambient: Ambient,
    /// By host and port: as many as the connectors have, which are made when the program starts.
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    lines: Cache<LineKey, Arc<Line>>,
    /// Hosts that connections bring along: as many as tenants have, so that those are forgotten that are not called.
    passing_hosts: Cache<String, Arc<Host>>,
}

impl Http {
    /// A client with these limits.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(settings: Settings, ambient: Ambient) -> Result<Self, SettingsError> {
        let named_roots = settings.base_urls.iter().map(|(connector, url)| {
            let base = Base::new(url.clone()).ok_or_else(|| SettingsError::BaseUrl(connector.to_uppercase()));
            Ok((connector.clone(), base?))
        });
        let named_roots = named_roots.collect::<Result<_, SettingsError>>()?;
        let lines = Cache::builder().max_capacity(MAX_LINES).time_to_idle(LINE_IDLE).build();
        Ok(Self(Arc::new(Inner {
            outward: builder(&settings).build()?,
            loopback: builder(&settings).no_proxy().build()?,
            outward_as_is: builder(&settings).redirect(Policy::none()).build()?,
            loopback_as_is: builder(&settings).redirect(Policy::none()).no_proxy().build()?,
            guarded: guarded(&settings)?,
            named_roots,
            settings,
            ambient,
            hosts: Mutex::default(),
            lines,
            passing_hosts: Cache::builder().max_capacity(MAX_HOSTS).time_to_idle(LINE_IDLE).build(),
        })))
    }

    /// The root that the operator has named for a connector.
    pub(super) fn named_root(&self, connector: &str) -> Option<Base> {
        self.0.named_roots.get(connector).cloned()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The clock and the randomness of the program.
    pub(crate) fn ambient(&self) -> &Ambient {
        &self.0.ambient
    }

    /// The client for a root. This machine itself is never reached through a proxy.
    pub(super) fn client(&self, base: &Base) -> Client {
        if base.is_loopback() { self.0.loopback.clone() } else { self.0.outward.clone() }
    }

    /// The client for a root that follows no redirect.
    pub(super) fn client_as_is(&self, base: &Base) -> &Client {
        if base.is_loopback() { &self.0.loopback_as_is } else { &self.0.outward_as_is }
    }

    /// The client for a root at a host that a user has named.
    pub(super) fn guarded(&self) -> &outbound::Client {
        &self.0.guarded
    }

    /// The host of a root, the same for all connectors that call it.
    pub(super) fn host(&self, base: &Base) -> Arc<Host> {
        let (name, bounds) = (base.authority(), self.bounds());
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(name.clone()).or_insert_with(|| Arc::new(Host::new(&name, bounds))))
    }

    /// The host of a root that is known only at a call; that of the connectors where one of them calls it.
    pub(super) fn passing_host(&self, base: &Base) -> Arc<Host> {
        let name = base.authority();
        let known = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(&name).map(Arc::clone);
        known.unwrap_or_else(|| {
            let bounds = self.bounds();
            self.0.passing_hosts.get_with_by_ref(&name, || Arc::new(Host::new(&name, bounds)))
        })
    }

    fn bounds(&self) -> Bounds {
        let settings = &self.0.settings;
        Bounds {
            calls: settings.calls_per_host,
            calls_per_tenant: settings.calls_per_tenant,
            calls_per_connection: settings.calls_per_connection,
            waiting_per_tenant: settings.waiting_per_tenant,
            waiting: settings.waiting_per_host,
        }
    }

    /// A connection's standing.
    pub(super) fn line(&self, key: LineKey) -> Arc<Line> {
        self.0.lines.get_with(key, || Arc::new(Line::new()))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

fn guarded(settings: &Settings) -> Result<outbound::Client, outbound::Error> {
    let guard = settings.guard.clone().map_or_else(|| Guard::new(Allow::nothing(), Vec::new()), Ok)?;
    guard.client(&outbound::Settings {
        connect_timeout: settings.connect_timeout,
        // Each attempt has one.
        deadline: None,
        idle_timeout: IDLE_TIMEOUT,
    })
}

/// Repeats by itself only what HTTP/2 says was not looked at. Connections are pooled; HTTP/2 where the vendor has it, and
/// asked whether they live, so that a dead one costs no call its deadline.
fn builder(settings: &Settings) -> ClientBuilder {
    Client::builder()
        .redirect(Policy::custom(|attempt| {
            let stays = attempt.previous().last().is_some_and(|from| is_same_origin(from, attempt.url()));
            if stays && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
        }))
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(settings.calls_per_host)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION")))
        .tls_certs_merge(settings.extra_roots.iter().cloned())
}
