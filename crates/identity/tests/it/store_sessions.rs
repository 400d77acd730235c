//! Session tokens of a platform: whom they prove, and what they must never be.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{Carrier, Config, Credentials, Error, Lexmodo, MAX_CREDENTIAL_BYTES};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{Coded, CredentialKind, ErrorCode, Principal, Role};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use testkit::TokenBuilder;

use crate::harness::{Fixture, config, secret};
use crate::tampered::alterations;

const ISSUER: &str = "https://admin.example";

fn lexmodo() -> Lexmodo {
    Lexmodo { secret: secret(), issuer: ISSUER.to_owned() }
}

fn with(lexmodo: &Lexmodo) -> Config {
    Config { lexmodo: Some(lexmodo.clone()), ..Config::default() }
}

/// A token of the platform for the store 7, good for an hour.
fn builder(secret: &SecretString) -> TokenBuilder {
    TokenBuilder::new()
        .secret(secret.expose_secret())
        .claim("sub", Value::Null)
        .claim("iss", ISSUER)
        .claim("store_id", 7)
        .claim("extra", json!({ "admin_email": "ann@shop.example", "admin_name": "Ann" }))
}

impl Fixture {
    async fn query(&self, token: &str) -> Result<Option<Principal>, Error> {
        let credentials = Credentials::new(None, []).with_store_session(Some(token));
        self.authenticator.authenticate(&credentials).await
    }
}

#[tokio::test]
async fn the_platforms_token_proves_an_admin_of_the_store() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&with(&lexmodo)).await;
    let token = builder(&lexmodo.secret).sign();
    let session = fixture.authenticator.store_session(&token).unwrap();
    assert_eq!((session.store_id, session.tenant().as_str()), (7, "lexmodo:7"));
    let principal = fixture.query(&token).await.unwrap().unwrap();
    assert_eq!(principal, session.principal());
    assert_eq!(principal.email.as_deref(), Some("ann@shop.example"));
    assert_eq!((principal.role, principal.credential), (Role::User, CredentialKind::StoreSession));
}

#[tokio::test]
async fn a_role_in_the_token_is_nobodys_word() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&with(&lexmodo)).await;
    let token =
        builder(&lexmodo.secret).claim("role", "platform_admin").claim("tenantId", "lexmodo:8").sign();
    let principal = fixture.query(&token).await.unwrap().unwrap();
    assert_eq!(principal.role, Role::User);
    assert_eq!(principal.scope, model::Scope::Tenant("lexmodo:7".parse().unwrap()));
}

#[tokio::test]
async fn another_key_and_another_algorithm_are_refused() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&with(&lexmodo)).await;
    let refused = |token: String| fixture.authenticator.store_session(&token).unwrap_err();
    let error = refused(builder(&secret()).sign());
    assert!(matches!(error, Error::StoreSessionSignature));
    assert_eq!(error.code(), ErrorCode::InvalidCredential);
    let claims = json!({ "iss": ISSUER, "store_id": 7, "exp": i64::from(u32::MAX) });
    let key = EncodingKey::from_secret(lexmodo.secret.expose_secret().as_bytes());
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap();
        assert!(matches!(refused(token), Error::Algorithm(_)), "{algorithm:?}");
    }
    let signed = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    assert!(fixture.authenticator.store_session(&signed).is_ok());
    let [_, payload, signature] = parts(&signed);
    for alg in ["none", "None", "NONE", "", "hs256", "RS256", "ES256", "EdDSA", "dir"] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string());
        for signature in ["", signature] {
            let error = refused(format!("{header}.{payload}.{signature}"));
            assert!(matches!(error, Error::Algorithm(_)), "{alg}: {error}");
        }
    }
    let five = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM"}"#);
    assert!(matches!(refused(format!("{five}.AA.AA.AA.AA")), Error::Algorithm(_)));
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// Signs `header` and `payload` whatever they hold.
fn signed(secret: &SecretString, header: &str, payload: &str) -> String {
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    let message = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn what_is_put_together_wrongly_is_refused_though_it_is_signed() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&with(&lexmodo)).await;
    let verify = |header: &str, payload: &str| {
        let token = signed(&lexmodo.secret, header, payload);
        fixture.authenticator.store_session(&token).map(|session| session.store_id)
    };
    let plain = r#"{"alg":"HS256"}"#;
    let good = format!(r#"{{"iss":"{ISSUER}","store_id":7,"exp":4000000000}}"#);
    assert_eq!(verify(plain, &good).ok(), Some(7));
    for header in [
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256","typ":"logout+jwt"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
    ] {
        assert!(matches!(verify(header, &good), Err(Error::Malformed(_))), "{header}");
    }
    let twice = format!(r#"{{"iss":"{ISSUER}","store_id":7,"store_id":8,"exp":4000000000}}"#);
    for payload in [twice.as_str(), "[7]", "7", "", "{"] {
        assert!(matches!(verify(plain, payload), Err(Error::Malformed(_))), "{payload}");
    }
    let padding = "x".repeat(MAX_CREDENTIAL_BYTES);
    let long = format!(r#"{{"iss":"{ISSUER}","store_id":7,"exp":4000000000,"x":"{padding}"}}"#);
    assert!(matches!(verify(plain, &long), Err(Error::TooLong { .. })));
    for token in ["", "x", "a.b", "a.b.c.d", "a.b.c.d.e.f", "..", "jf_x"] {
        assert!(fixture.authenticator.store_session(token).is_err(), "{token:?}");
    }
}

#[tokio::test]
async fn claims_that_are_wrong_are_named() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&with(&lexmodo)).await;
    for (claim, value, expected) in [
        ("iss", json!("https://evil.example"), "ISSUER"),
        ("iss", json!("https://admin.example/"), "ISSUER"),
        ("iss", Value::Null, "ISSUER"),
        ("store_id", Value::Null, "`store_id` must be an integer"),
        ("store_id", json!("7"), "`store_id` must be an integer"),
        ("store_id", json!(0), "`store_id` must be an integer"),
        ("store_id", json!(-7), "`store_id` must be an integer"),
        ("store_id", json!(1_u64 << 63), "`store_id` must be an integer"),
        ("exp", Value::Null, "`exp`"),
        ("exp", json!("4000000000"), "`exp`"),
        ("sub", json!(7), "`sub`"),
    ] {
        let token = builder(&lexmodo.secret).claim(claim, value.clone()).sign();
        let error = fixture.authenticator.store_session(&token).unwrap_err();
        assert!(error.to_string().contains(expected), "{claim} {value}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidCredential);
    }
}

#[tokio::test]
async fn time_is_told_by_the_clock_passed_in() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&with(&lexmodo)).await;
    let token = builder(&lexmodo.secret).sign();
    let now = model::Ambient::system().now().as_second();
    let early = builder(&lexmodo.secret).claim("nbf", now + 120).sign();
    assert!(matches!(fixture.authenticator.store_session(&early), Err(Error::NotYetValid)));
    fixture.clock.advance(Duration::from_mins(3));
    assert!(fixture.authenticator.store_session(&early).is_ok());
    fixture.clock.advance(Duration::from_hours(1));
    let error = fixture.query(&token).await.unwrap_err();
    assert!(matches!(error, Error::StoreSessionExpired));
    assert!(error.to_string().contains("open the plugin again from the store's admin"), "{error}");
}

#[tokio::test]
async fn without_an_app_nothing_of_the_kind_is_accepted() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&Config::default()).await;
    assert!(!fixture.authenticator.takes_store_sessions());
    let token = builder(&lexmodo.secret).sign();
    assert!(matches!(fixture.authenticator.store_session(&token), Err(Error::NoStoreSessions)));
    assert!(matches!(fixture.query(&token).await, Err(Error::NoStoreSessions)));
}

/// The platform's token is for the query alone, and the host product's token is none of the platform's.
#[tokio::test]
async fn one_kind_of_token_is_not_taken_for_another() {
    let shared = secret();
    let lexmodo = Lexmodo { secret: shared.clone(), issuer: ISSUER.to_owned() };
    let config = Config { jwt_secret: Some(shared.clone()), ..with(&lexmodo) };
    let fixture = Fixture::new(&config).await;
    let platforms = builder(&shared).claim("sub", "42").sign();
    assert!(matches!(fixture.bearer(&platforms).await, Err(Error::NoTenant)));
    let cookie = format!("next-auth.session-token={platforms}");
    assert!(matches!(fixture.cookie(&cookie).await, Err(Error::Malformed(_))));
    let hosts = TokenBuilder::new().secret(shared.expose_secret()).claim("tenantId", "acme").sign();
    assert!(fixture.bearer(&hosts).await.is_ok());
    assert!(matches!(fixture.query(&hosts).await, Err(Error::StoreSessionIssuer)));
}

#[tokio::test]
async fn the_header_goes_before_it_and_a_cookie_that_proves_nothing_does_not() {
    let lexmodo = lexmodo();
    let config = Config { lexmodo: Some(lexmodo.clone()), ..config() };
    let fixture = Fixture::new(&config).await;
    let jwt_secret = config.jwt_secret.as_ref().unwrap().expose_secret();
    let token = builder(&lexmodo.secret).sign();
    let header = format!(
        "Bearer {}",
        TokenBuilder::new().secret(jwt_secret).claim("tenantId", "acme").claim("sub", "u1").sign()
    );
    let authenticate = async |credentials: Credentials<'_>| {
        fixture.authenticator.authenticate(&credentials).await.map(|found| found.unwrap().subject)
    };
    let both = Credentials::new(Some(&header), []).with_store_session(Some("nonsense"));
    assert_eq!(both.carrier(), Some(Carrier::Authorization));
    assert_eq!(authenticate(both).await.unwrap(), "u1");
    let wrong = Credentials::new(Some("Bearer x"), []).with_store_session(Some(&token));
    assert!(authenticate(wrong).await.is_err());
    let stale = ["next-auth.session-token=stale"];
    let besides = Credentials::new(None, stale).with_store_session(Some(&token));
    assert_eq!(besides.carrier(), Some(Carrier::Cookie));
    assert_eq!(authenticate(besides).await.unwrap(), "ann@shop.example");
    let neither = Credentials::new(None, stale).with_store_session(Some("a.b"));
    let error = authenticate(neither).await.unwrap_err().to_string();
    assert!(error.contains("three parts"), "{error}");
    let alone = Credentials::new(None, []).with_store_session(Some(&token));
    assert_eq!(alone.carrier(), Some(Carrier::Query));
}

#[tokio::test]
async fn no_altered_token_is_accepted() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&with(&lexmodo)).await;
    let token = builder(&lexmodo.secret).sign();
    assert!(fixture.authenticator.store_session(&token).is_ok());
    let altered = alterations(&token);
    assert!(altered.len() > 50);
    for token in altered {
        let error = fixture.authenticator.store_session(&token).unwrap_err();
        assert!(!error.to_string().contains(&token), "{token}");
    }
}

/// The platform's own way of making them is another library's.
#[tokio::test]
async fn tokens_made_by_pyjwt_are_accepted_and_its_wrong_ones_are_not() {
    let lexmodo = lexmodo();
    let fixture = Fixture::new(&with(&lexmodo)).await;
    let secret = lexmodo.secret.expose_secret();
    let expires = model::Ambient::system().now().as_second() + 3600;
    let claims = json!({
        "iss": ISSUER, "exp": expires, "iat": expires - 3600, "store_id": 7,
        "extra": { "admin_email": "zo\u{eb}@shop.example", "admin_name": "Zo\u{eb} \u{1f6cd}" },
    });
    let described = |more: Value| {
        let mut description = json!({ "claims": claims, "secret": secret });
        description.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        description
    };
    let tokens = testkit::session_tokens(&[
        described(json!({})),
        described(json!({ "headers": { "kid": "1" } })),
        described(json!({ "algorithm": "none" })),
        described(json!({ "algorithm": "HS384" })),
        described(json!({ "algorithm": "HS512" })),
        described(json!({ "secret": "another secret, which is as long as it should be" })),
        described(
            json!({ "raw": format!(r#"{{"iss":"{ISSUER}","exp":{expires},"store_id":7,"store_id":8}}"#) }),
        ),
        described(json!({ "raw": format!(r#"{{"iss":"{ISSUER}","exp":{expires},"store_id":"7"}}"#) })),
        described(json!({ "raw": format!(r#"{{"iss":"{ISSUER}","exp":{expires},"store_id":1e3}}"#) })),
        described(json!({ "raw": "no JSON" })),
    ])
    .unwrap();
    let outcomes: Vec<_> = tokens.iter().map(|token| fixture.authenticator.store_session(token)).collect();
    for outcome in &outcomes[..2] {
        let session = outcome.as_ref().unwrap();
        assert_eq!(session.store_id, 7);
        assert_eq!(session.admin_email.as_deref(), Some("zo\u{eb}@shop.example"));
        assert_eq!(session.admin_name.as_deref(), Some("Zo\u{eb} \u{1f6cd}"));
    }
    let refused: Vec<&Error> = outcomes[2..].iter().map(|outcome| outcome.as_ref().unwrap_err()).collect();
    assert!(refused[..3].iter().all(|error| matches!(error, Error::Algorithm(_))), "{refused:?}");
    assert!(matches!(refused[3], Error::StoreSessionSignature), "{refused:?}");
    assert!(matches!(refused[4], Error::Malformed(_)), "{refused:?}");
    assert!(
        refused[5..7].iter().all(|error| matches!(error, Error::Claim { claim: "store_id", .. })),
        "{refused:?}"
    );
    assert!(matches!(refused[7], Error::Malformed(_)), "{refused:?}");
}
