//! Tokens of configured issuers: what is checked, and how their keys are followed.

use std::sync::Arc;
use std::time::Duration;

use identity::{Config, Error};
use model::{Ambient, Coded, ErrorCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{AUDIENCE, Fixture, config, samples};
use crate::issuer_server::{Behaviour, IssuerServer, SigningKey};

const NAME: &str = "idp";

type Change = fn(&mut Behaviour);

struct Scene {
    server: IssuerServer,
    fixture: Arc<Fixture>,
}

impl Scene {
    async fn new(keys: &[&SigningKey]) -> Self {
        let server = IssuerServer::start().await;
        server.publish(NAME, keys.iter().map(|key| key.jwk()).collect());
        let config = Config {
            issuers: vec![server.issuer(NAME)],
            audience: Some(AUDIENCE.into()),
            ..Config::default()
        };
        Self { fixture: Arc::new(Fixture::new(&config).await), server }
    }

    fn claims(&self) -> Value {
        let exp = Ambient::system().now().plus(Duration::from_hours(72)).as_second();
        let iss = self.server.issuer(NAME);
        json!({ "sub": "user-42", "tenantId": "acme", "iss": iss.as_str(), "aud": AUDIENCE, "exp": exp })
    }

    async fn accepts(&self, key: &SigningKey) -> Result<(), Error> {
        self.fixture.bearer(&key.sign(&self.claims())).await.map(drop)
    }
}

#[derive(Deserialize)]
struct Samples {
    issued: Vec<Issued>,
    hs256: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    alg: String,
    jwk: Value,
    token: String,
    in_audiences: String,
    without_kid: String,
    other_audience: String,
    without_audience: String,
    other_issuer: String,
    without_sub: String,
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_checked_in_every_claim() {
    let server = IssuerServer::start().await;
    let issuer = server.issuer(NAME);
    let config = Config { issuers: vec![issuer.clone()], audience: Some(AUDIENCE.into()), ..config() };
    let samples: Samples = samples(&config, Some(&issuer));
    server.publish(NAME, samples.issued.iter().map(|one| one.jwk.clone()).collect());
    let fixture = Fixture::new(&config).await;
    assert_eq!(samples.issued.len(), 9);
    for one in &samples.issued {
        for token in [&one.token, &one.in_audiences, &one.without_kid] {
            assert_eq!(fixture.bearer(token).await.unwrap().subject, "user-42", "{}", one.alg);
        }
        for token in [&one.other_audience, &one.without_audience] {
            assert!(matches!(fixture.bearer(token).await, Err(Error::Audience)), "{}", one.alg);
        }
        assert!(matches!(fixture.bearer(&one.other_issuer).await, Err(Error::Issuer)), "{}", one.alg);
        assert!(matches!(fixture.bearer(&one.without_sub).await, Err(Error::Claim { claim: "sub", .. })));
    }
    assert!(fixture.bearer(&samples.hs256).await.is_ok());
    assert_eq!(server.fetched(NAME), 1);
    fixture.clock.advance(Duration::from_hours(73));
    for one in &samples.issued {
        assert!(matches!(fixture.bearer(&one.token).await, Err(Error::Expired)), "{}", one.alg);
    }
}

#[tokio::test]
async fn a_key_is_used_with_its_own_algorithm_alone() {
    let server = IssuerServer::start().await;
    let issuer = server.issuer(NAME);
    let config = Config { issuers: vec![issuer.clone()], audience: Some(AUDIENCE.into()), ..config() };
    let samples: Samples = samples(&config, Some(&issuer));
    let rs256 = samples.issued.iter().find(|one| one.alg == "RS256").unwrap();
    let mut relabelled = rs256.jwk.clone();
    relabelled["alg"] = json!("RS512");
    server.publish(NAME, vec![relabelled]);
    let fixture = Fixture::new(&config).await;
    assert!(matches!(fixture.bearer(&rs256.token).await, Err(Error::Algorithm(_))));
}

#[tokio::test]
async fn without_kid_only_a_single_fitting_key_is_tried() {
    let (first, second) = (SigningKey::new("a"), SigningKey::new("b"));
    let two = Scene::new(&[&first, &second]).await;
    let unnamed = first.sign_without_id(&two.claims());
    assert!(matches!(two.fixture.bearer(&unnamed).await, Err(Error::UnknownKey)));
    let one = Scene::new(&[&first]).await;
    assert!(one.fixture.bearer(&first.sign_without_id(&one.claims())).await.is_ok());
}

#[tokio::test]
async fn keys_are_followed_as_they_rotate() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let scene = Scene::new(&[&old]).await;
    let (of_old, of_new) = (old.sign(&scene.claims()), new.sign(&scene.claims()));
    let sent = async |token: &str| scene.fixture.bearer(token).await;
    sent(&of_old).await.unwrap();
    assert!(matches!(sent(&of_new).await, Err(Error::UnknownKey)));
    scene.server.publish(NAME, vec![old.jwk(), new.jwk()]);
    assert!(matches!(sent(&of_new).await, Err(Error::UnknownKey)), "asked again too soon");
    scene.fixture.clock.advance(Duration::from_secs(34));
    sent(&of_new).await.unwrap();
    sent(&of_old).await.unwrap();
    scene.server.publish(NAME, vec![new.jwk()]);
    scene.fixture.clock.advance(Duration::from_mins(10));
    assert!(matches!(sent(&of_old).await, Err(Error::UnknownKey)));
    sent(&of_new).await.unwrap();
}

#[tokio::test]
async fn a_key_of_the_same_name_by_another_does_not_do() {
    let (real, forged) = (SigningKey::new("k"), SigningKey::new("k"));
    let scene = Scene::new(&[&real]).await;
    assert!(matches!(scene.accepts(&forged).await, Err(Error::Signature)));
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_before_they_are_old() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let scene = Scene::new(&[&old]).await;
    scene.accepts(&old).await.unwrap();
    scene.server.publish(NAME, vec![new.jwk()]);
    scene.server.set(NAME, |behaviour| behaviour.delay = Duration::from_millis(200));
    scene.fixture.clock.advance(Duration::from_mins(6));
    scene.accepts(&old).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while scene.accepts(&old).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "the keys were not refreshed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(scene.server.fetched(NAME), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_makes_one_request() {
    let (key, unknown) = (SigningKey::new("k"), SigningKey::new("unknown"));
    let scene = Scene::new(&[&key]).await;
    scene.server.set(NAME, |behaviour| behaviour.delay = Duration::from_millis(100));
    let crowd = |token: String| {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (fixture, token) = (scene.fixture.clone(), token.clone());
                tokio::spawn(async move { fixture.bearer(&token).await.is_ok() })
            })
            .collect();
        async move {
            let mut accepted = 0;
            for task in tasks {
                accepted += usize::from(task.await.unwrap());
            }
            accepted
        }
    };
    assert_eq!(crowd(key.sign(&scene.claims())).await, 100);
    assert_eq!(scene.server.fetched(NAME), 1);
    scene.fixture.clock.advance(Duration::from_mins(1));
    assert_eq!(crowd(unknown.sign(&scene.claims())).await, 0);
    assert_eq!(scene.server.fetched(NAME), 2);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_fetch() {
    let key = SigningKey::new("k");
    let scene = Scene::new(&[&key]).await;
    scene.server.set(NAME, |behaviour| behaviour.delay = Duration::from_millis(300));
    let impatient = tokio::time::timeout(Duration::from_millis(100), scene.accepts(&key)).await;
    assert!(impatient.is_err());
    scene.accepts(&key).await.unwrap();
    assert_eq!(scene.server.fetched(NAME), 1);
}

#[tokio::test]
async fn stale_keys_serve_while_the_issuer_is_away_but_not_for_ever() {
    let key = SigningKey::new("k");
    let scene = Scene::new(&[&key]).await;
    scene.server.set(NAME, |behaviour| behaviour.failure = Some(503));
    let error = scene.accepts(&key).await.unwrap_err();
    assert_eq!((error.code(), scene.server.fetched(NAME)), (ErrorCode::Unavailable, 1));
    assert!(scene.accepts(&key).await.is_err());
    assert_eq!(scene.server.fetched(NAME), 1, "asked again too soon");
    scene.server.set(NAME, |behaviour| behaviour.failure = None);
    scene.fixture.clock.advance(Duration::from_secs(6));
    scene.accepts(&key).await.unwrap();
    scene.server.set(NAME, |behaviour| behaviour.failure = Some(503));
    scene.fixture.clock.advance(Duration::from_hours(23));
    scene.accepts(&key).await.unwrap();
    scene.fixture.clock.advance(Duration::from_hours(2));
    assert!(matches!(scene.accepts(&key).await, Err(Error::IssuerUnavailable)));
}

#[tokio::test]
async fn answers_that_cannot_be_trusted_are_not_used() {
    let cases: [(&str, Change); 5] = [
        ("another issuer's metadata", |behaviour| behaviour.alias = Some("https://idp.example".into())),
        ("a redirect", |behaviour| behaviour.redirect = true),
        ("a huge document", |behaviour| behaviour.padding = 300 * 1024),
        ("keys over plain http", |behaviour| behaviour.jwks_uri = Some("http://idp.example/keys".into())),
        ("keys in a file", |behaviour| behaviour.jwks_uri = Some("file:///etc/passwd".into())),
    ];
    let key = SigningKey::new("k");
    for (case, change) in cases {
        let scene = Scene::new(&[&key]).await;
        scene.server.publish("elsewhere", vec![key.jwk()]);
        scene.server.set(NAME, change);
        assert!(matches!(scene.accepts(&key).await, Err(Error::IssuerUnavailable)), "{case}");
    }
}

#[tokio::test]
async fn an_issuer_that_stalls_is_given_five_seconds() {
    let key = SigningKey::new("k");
    let scene = Scene::new(&[&key]).await;
    scene.server.set(NAME, |behaviour| behaviour.delay = Duration::from_mins(10));
    let outcome = tokio::time::timeout(Duration::from_secs(8), scene.accepts(&key)).await;
    assert!(matches!(outcome, Ok(Err(Error::IssuerUnavailable))));
}

#[tokio::test]
async fn metadata_of_an_oauth_server_do_as_well() {
    let key = SigningKey::new("k");
    let scene = Scene::new(&[&key]).await;
    scene.server.set(NAME, |behaviour| behaviour.oauth_only = true);
    scene.accepts(&key).await.unwrap();
}
