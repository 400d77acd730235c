//! A connection, its token, and the fake vendor's dialect.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use connections::connection::{Account, Connection, Credential as Granted, Status};
use connections::vault::{self, AccessToken};
use connectors::http::{Http, Refusal, Settings, Trouble, Upstream, Vendor};
use connectors::{Acting, Context, Credential};
use model::{Ambient, Timestamp};
use testkit::ManualClock;

use super::vendor::{FakeVendor, Turn};

/// Speaks as Google and Slack do.
pub(crate) static VENDOR: Vendor = Vendor {
    id: "fake",
    name: "Fake",
    base_url: "https://fake.invalid/v1",
    headers: &[("x-version", "3")],
    refuses_with_200: true,
    trouble,
};

fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    match (refusal.status.as_u16(), refusal.text("/error/errors/0/reason"), refusal.text("/error")) {
        (403, "rateLimitExceeded" | "userRateLimitExceeded", _) => Some(Trouble::RateLimited(None)),
        (403, "insufficientPermissions", _) => Some(Trouble::MissingScope(vec!["mail.send".into()])),
        (200, _, "token_expired") => Some(Trouble::TokenRefused),
        (200, _, "missing_scope") => Some(Trouble::MissingScope(vec![refusal.text("/needed").to_owned()])),
        (200, _, word) if !word.is_empty() => Some(Trouble::Rejected(word.to_owned())),
        _ => None,
    }
}

/// Gives tokens `token-1`, `token-2`, …
pub(crate) struct Tokens {
    version: AtomicI64,
    pub(crate) rejected: AtomicUsize,
}

impl Tokens {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { version: 1.into(), rejected: 0.into() })
    }
}

fn token(version: i64) -> Arc<AccessToken> {
    let secret = format!("token-{version}").into();
    Arc::new(AccessToken { secret, expires_at: None, scopes: Vec::new(), version })
}

#[async_trait]
impl Credential for Tokens {
    async fn token(&self) -> Result<Arc<AccessToken>, vault::Error> {
        Ok(token(self.version.load(Ordering::SeqCst)))
    }

    async fn rejected(&self, version: i64) -> Result<Arc<AccessToken>, vault::Error> {
        self.rejected.fetch_add(1, Ordering::SeqCst);
        let renewed = self.version.compare_exchange(version, version + 1, Ordering::SeqCst, Ordering::SeqCst);
        Ok(token(renewed.map_or_else(|current| current, |version| version + 1)))
    }
}

/// All that a call needs.
pub(crate) struct World {
    pub(crate) vendor: FakeVendor,
    pub(crate) upstream: Upstream,
    pub(crate) http: Http,
    pub(crate) context: Context,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) tokens: Arc<Tokens>,
}

/// Limits that tests can wait for.
pub(crate) fn settings() -> Settings {
    Settings {
        connect_timeout: Duration::from_secs(2),
        attempt_timeout: Duration::from_millis(400),
        operation_timeout: Duration::from_secs(4),
        max_answer_bytes: 64 * 1024,
        ..Settings::default()
    }
}

impl World {
    pub(crate) async fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::with(settings(), turns).await
    }

    pub(crate) async fn with(settings: Settings, turns: impl IntoIterator<Item = Turn>) -> Self {
        let vendor = FakeVendor::new(turns).await;
        let (clock, ambient) = ManualClock::ambient();
        let (http, upstream) = upstream(settings, &vendor.url, ambient);
        let tokens = Tokens::new();
        let context = context("acme", "c1", tokens.clone());
        Self { vendor, upstream, http, context, clock, tokens }
    }

    /// Another tenant's connection.
    pub(crate) fn other(&self, tenant: &str, connection: &str) -> Context {
        context(tenant, connection, self.tokens.clone())
    }
}

/// The API at `url`.
pub(crate) fn upstream(settings: Settings, url: &url::Url, ambient: Ambient) -> (Http, Upstream) {
    let base_urls = [("fake".to_owned(), url.clone())].into();
    let http = Http::new(Settings { base_urls, ..settings }, ambient).unwrap();
    let upstream = Upstream::new(&http, &VENDOR);
    (http, upstream)
}

pub(crate) fn context(tenant: &str, id: &str, credential: Arc<dyn Credential>) -> Context {
    let moment = Timestamp::from_millisecond(0);
    let granted = Granted {
        name: "main".into(),
        scopes: vec!["mail.read".into()],
        expires_at: None,
        has_refresh_token: true,
        dies_at: None,
        refreshed_at: None,
    };
    let connection = Connection {
        id: id.into(),
        provider: "google".parse().unwrap(),
        user_email: "ann@acme.example".into(),
        label: String::new(),
        is_default: true,
        status: Status::Active,
        status_reason: None,
        account: Account::default(),
        variables: [].into(),
        sites: Vec::new(),
        site: None,
        client_id: "client".into(),
        credentials: vec![granted],
        authorized_at: moment,
        created_at: moment,
        updated_at: moment,
        last_used_at: None,
    };
    Context { tenant: tenant.parse().unwrap(), connection, credential, acting: Acting::default(), raw: false }
}
