//! Endpoints that are discovered: fetched once for all, kept for an hour, served on while the provider is away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connections::catalog::{Catalog, Discovery, Provider, ResolveError, Resolved};
use model::{Coded, ErrorCode};
use reqwest::Client;
use reqwest::redirect::Policy;
use testkit::ManualClock;

use crate::metadata_server::MetadataServer;

struct Fixture {
    server: MetadataServer,
    clock: Arc<ManualClock>,
    discovery: Discovery,
}

impl Fixture {
    async fn new() -> Self {
        Self::with_redirects(Policy::none()).await
    }

    async fn with_redirects(policy: Policy) -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let client = Client::builder().redirect(policy).no_proxy().build().unwrap();
        Self { server: MetadataServer::start().await, clock, discovery: Discovery::new(client, ambient) }
    }

    /// A provider that is known by its issuer alone.
    fn provider(&self, issuer: &str) -> Arc<Provider> {
        entry(&format!("issuer = \"{}/{issuer}\"", self.server.base))
    }

    async fn resolve(&self, provider: &Provider) -> Result<Resolved, ResolveError> {
        provider.resolve(&BTreeMap::new(), "client", &self.discovery).await
    }
}

fn entry(keys: &str) -> Arc<Provider> {
    let catalog = Catalog::load(&[], Some(&format!("[providers.own]\n{keys}")), &|_| None).unwrap();
    Arc::clone(catalog.get("own").unwrap())
}

#[tokio::test]
async fn an_issuer_alone_is_enough() {
    let fixture = Fixture::new().await;
    let base = &fixture.server.base;
    let resolved = fixture.resolve(&fixture.provider("a")).await.unwrap();
    assert_eq!(resolved.authorization.unwrap().as_str(), format!("{base}/a/authorize"));
    assert_eq!(resolved.token.unwrap().as_str(), format!("{base}/a/token"));
    assert_eq!(resolved.userinfo.unwrap().as_str(), format!("{base}/a/me"));
    assert_eq!(resolved.revocation.unwrap().as_str(), format!("{base}/a/revoke"));
    assert_eq!(resolved.issuer.unwrap(), format!("{base}/a"));
    assert!(resolved.promises_iss);
}

#[tokio::test]
async fn what_the_entry_says_goes_before_what_is_discovered() {
    let fixture = Fixture::new().await;
    let base = &fixture.server.base;
    let provider = entry(&format!("issuer = \"{base}/a\"\ntoken_url = \"https://own.example/token\""));
    let resolved = fixture.resolve(&provider).await.unwrap();
    assert_eq!(resolved.token.unwrap().as_str(), "https://own.example/token");
    assert_eq!(resolved.authorization.unwrap().as_str(), format!("{base}/a/authorize"));
}

#[tokio::test]
async fn nobody_is_asked_where_nothing_is_missing() {
    let fixture = Fixture::new().await;
    let base = &fixture.server.base;
    let provider = entry(&format!(
        "issuer = \"{base}/a\"\nauthorization_url = \"{base}/x\"\ntoken_url = \"{base}/y\"\nuserinfo_url = \"{base}/z\""
    ));
    let resolved = fixture.resolve(&provider).await.unwrap();
    assert_eq!((resolved.revocation, resolved.promises_iss), (None, false));
    assert_eq!(fixture.server.fetched("a"), 0);
}

#[tokio::test]
async fn the_place_of_rfc_8414_is_tried_too() {
    let fixture = Fixture::new().await;
    fixture.server.set("a", |behaviour| behaviour.oauth_only = true);
    assert!(fixture.resolve(&fixture.provider("a")).await.is_ok());
}

#[tokio::test]
async fn many_callers_make_one_request_and_an_hour_passes_before_the_next() {
    let fixture = Fixture::new().await;
    fixture.server.set("a", |behaviour| behaviour.delay = Duration::from_millis(100));
    let provider = fixture.provider("a");
    let calls = futures::future::join_all((0..50).map(|_| fixture.resolve(&provider)));
    assert!(calls.await.iter().all(Result::is_ok));
    assert_eq!(fixture.server.fetched("a"), 1);
    fixture.clock.advance(Duration::from_mins(59));
    fixture.resolve(&provider).await.unwrap();
    assert_eq!(fixture.server.fetched("a"), 1);
    fixture.clock.advance(Duration::from_mins(8));
    fixture.resolve(&provider).await.unwrap();
    assert_eq!(fixture.server.fetched("a"), 2);
}

#[tokio::test]
async fn the_former_answer_serves_while_the_provider_is_away() {
    let fixture = Fixture::new().await;
    let provider = fixture.provider("a");
    let before = fixture.resolve(&provider).await.unwrap();
    fixture.server.set("a", |behaviour| behaviour.failure = Some(503));
    fixture.clock.advance(Duration::from_hours(48));
    assert_eq!(fixture.resolve(&provider).await.unwrap(), before);
    assert_eq!(fixture.resolve(&provider).await.unwrap(), before);
    assert_eq!(fixture.server.fetched("a"), 2, "an attempt that failed is not repeated at once");
}

#[tokio::test]
async fn failed_attempts_are_ten_seconds_apart_and_ever_further() {
    let fixture = Fixture::new().await;
    fixture.server.set("a", |behaviour| behaviour.failure = Some(500));
    let provider = fixture.provider("a");
    let mut fetched = Vec::new();
    for wait in [0, 9, 3, 19, 4, 39, 6] {
        fixture.clock.advance(Duration::from_secs(wait));
        let error = fixture.resolve(&provider).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamUnavailable);
        fetched.push(fixture.server.fetched("a"));
    }
    assert_eq!(fetched, [1, 1, 2, 2, 3, 3, 4]);
    fixture.server.set("a", |behaviour| behaviour.failure = None);
    fixture.clock.advance(Duration::from_mins(11));
    assert!(fixture.resolve(&provider).await.is_ok());
}

#[tokio::test]
async fn documents_that_are_not_the_issuers_are_refused() {
    for policy in [Policy::none(), Policy::limited(3)] {
        let fixture = Fixture::with_redirects(policy).await;
        let server = &fixture.server;
        server.set("alias", |behaviour| behaviour.alias = Some(format!("{}/alias/", server.base)));
        server.set("large", |behaviour| behaviour.padding = 256 * 1024);
        server.set("moved", |behaviour| behaviour.redirect = Some("good".into()));
        // Even where the document behind the redirect names the issuer that was asked.
        let moved = format!("{}/moved", server.base);
        server.set("good", |behaviour| behaviour.alias = Some(moved));
        for name in ["alias", "large", "moved"] {
            let outcome = fixture.resolve(&fixture.provider(name)).await;
            assert_eq!(outcome, Err(ResolveError::Undiscovered), "{name}");
        }
    }
}

#[tokio::test]
async fn a_provider_that_stalls_is_left_after_five_seconds() {
    let fixture = Fixture::new().await;
    fixture.server.set("a", |behaviour| behaviour.delay = Duration::from_mins(1));
    let begun = Instant::now();
    assert_eq!(fixture.resolve(&fixture.provider("a")).await, Err(ResolveError::Undiscovered));
    let waited = begun.elapsed();
    assert!((Duration::from_millis(4_900)..Duration::from_secs(8)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_others() {
    let fixture = Fixture::new().await;
    fixture.server.set("a", |behaviour| behaviour.delay = Duration::from_millis(300));
    let provider = fixture.provider("a");
    let gone = tokio::time::timeout(Duration::from_millis(50), fixture.resolve(&provider)).await;
    assert!(gone.is_err());
    assert!(fixture.resolve(&provider).await.is_ok());
    assert_eq!(fixture.server.fetched("a"), 1);
}

#[tokio::test]
async fn variables_and_the_client_id_are_put_in() {
    let fixture = Fixture::new().await;
    let catalog = Catalog::load(&[], None, &|_| None).unwrap();
    let resolve = |name: &str, variables: &[(&str, &str)], client_id: &'static str| {
        let provider = Arc::clone(catalog.get(name).unwrap());
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let discovery = fixture.discovery.clone();
        async move { provider.resolve(&variables, client_id, &discovery).await }
    };
    let microsoft = resolve("microsoft", &[("tenant", "acme.onmicrosoft.com")], "c").await.unwrap();
    assert_eq!(
        microsoft.token.unwrap().as_str(),
        "https://login.microsoftonline.com/acme.onmicrosoft.com/oauth2/v2.0/token"
    );
    let wrong = resolve("microsoft", &[("tenant", "a/../../evil")], "c").await.unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::ValidationFailed);
    let github = resolve("github", &[], "Iv1/8a").await.unwrap();
    assert_eq!(github.revocation.unwrap().as_str(), "https://api.github.com/applications/Iv1%2F8a/token");
    assert_eq!(resolve("github", &[], "..").await, Err(ResolveError::ClientId));
}
