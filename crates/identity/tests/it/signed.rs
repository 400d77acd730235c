//! JWS tokens under the shared secret, and what they must never be.

use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use identity::{Carrier, Config, Credentials, Error, MAX_CREDENTIAL_BYTES};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{Ambient, Coded, ErrorCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Fixture, config, samples};

fn claims() -> Value {
    json!({ "sub": "user-42", "tenantId": "acme", "exp": Ambient::system().now().as_second() + 3600 })
}

fn key(config: &Config) -> EncodingKey {
    EncodingKey::from_secret(config.jwt_secret.as_ref().unwrap().expose_secret().as_bytes())
}

fn sign(config: &Config, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key(config)).unwrap()
}

fn forge(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

#[derive(Deserialize)]
struct Samples {
    hs256: String,
    hs512: String,
}

#[tokio::test]
async fn a_token_made_by_jose_is_accepted_but_only_with_hs256() {
    let config = config();
    let samples: Samples = samples(&config, None);
    let fixture = Fixture::new(&config).await;
    assert_eq!(fixture.bearer(&samples.hs256).await.unwrap().subject, "user-42");
    assert_eq!(
        fixture.bearer(&samples.hs512).await.unwrap_err().to_string(),
        "algorithm HS512 is not accepted for this token"
    );
    let without_secret = Fixture::new(&Config::default()).await;
    assert!(matches!(without_secret.bearer(&samples.hs256).await, Err(Error::Algorithm(_))));
    let cookie = format!("next-auth.session-token={}", samples.hs256);
    assert!(matches!(fixture.cookie(&cookie).await, Err(Error::Malformed(_))));
}

#[tokio::test]
async fn no_signature_no_entry() {
    let config = config();
    let fixture = Fixture::new(&config).await;
    let valid = sign(&config, &claims());
    let signature = valid.rsplit('.').next().unwrap();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", signature] {
            let error =
                fixture.bearer(&forge(&json!({ "alg": alg }), &claims(), signature)).await.unwrap_err();
            assert!(matches!(error, Error::Algorithm(_)), "{alg}");
            assert_eq!(error.code(), ErrorCode::InvalidCredential);
        }
    }
    let unsigned = forge(&json!({ "alg": "HS256" }), &claims(), "");
    assert!(matches!(fixture.bearer(&unsigned).await, Err(Error::Signature)));
}

/// The attack: take a public key for the secret of an HMAC.
#[tokio::test]
async fn a_public_key_is_never_taken_for_a_secret() {
    let config = config();
    let fixture = Fixture::new(&config).await;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = pair.public_key().as_der().unwrap();
    let der: &[u8] = der.as_ref();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    for secret in [der, pem.as_bytes()] {
        let token = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims(),
            &EncodingKey::from_secret(secret),
        );
        assert!(matches!(fixture.bearer(&token.unwrap()).await, Err(Error::Signature)));
    }
    let jwk = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode("mine") });
    let header: Header =
        serde_json::from_value(json!({ "alg": "HS256", "jwk": jwk, "kid": "mine" })).unwrap();
    let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(b"mine")).unwrap();
    assert!(matches!(fixture.bearer(&token).await, Err(Error::Signature)));
}

#[tokio::test]
async fn time_is_told_by_the_clock_passed_in() {
    let config = config();
    let fixture = Fixture::new(&config).await;
    let now = Ambient::system().now().as_second();
    let token = sign(&config, &claims());
    let mut early = claims();
    early["nbf"] = json!(now + 120);
    let early = sign(&config, &early);
    assert!(fixture.bearer(&token).await.is_ok());
    assert!(matches!(fixture.bearer(&early).await, Err(Error::NotYetValid)));
    fixture.clock.advance(Duration::from_mins(3));
    assert!(fixture.bearer(&early).await.is_ok());
    fixture.clock.advance(Duration::from_hours(1));
    assert!(matches!(fixture.bearer(&token).await, Err(Error::Expired)));
}

#[tokio::test]
async fn what_was_good_before_is_not_good_for_ever() {
    let config = config();
    let fixture = Fixture::new(&config).await;
    let token = sign(&config, &claims());
    for _ in 0..2 {
        assert_eq!(fixture.bearer(&token).await.unwrap().subject, "user-42");
    }
    let signature = token.rsplit_once('.').unwrap().1;
    let mut altered = claims();
    altered["tenantId"] = "other".into();
    let forged = forge(&json!({"alg": "HS256", "typ": "JWT"}), &altered, signature);
    assert!(matches!(fixture.bearer(&forged).await, Err(Error::Signature)));
    fixture.clock.advance(Duration::from_hours(1));
    assert!(matches!(fixture.bearer(&token).await, Err(Error::Expired)));
}

#[tokio::test]
async fn claims_that_are_missing_are_named() {
    let config = config();
    let fixture = Fixture::new(&config).await;
    for claim in ["sub", "exp", "tenantId"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(claim);
        let error = fixture.bearer(&sign(&config, &without)).await.unwrap_err();
        assert!(error.to_string().contains(claim), "{claim}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidCredential);
    }
}

#[tokio::test]
async fn size_and_scheme_are_checked_first() {
    let config = config();
    let fixture = Fixture::new(&config).await;
    let mut long = claims();
    long["padding"] = json!("x".repeat(MAX_CREDENTIAL_BYTES));
    assert!(matches!(fixture.bearer(&sign(&config, &long)).await, Err(Error::TooLong { .. })));
    let basic = Credentials::new(Some("Basic dXNlcjpwYXNz"), []);
    assert!(matches!(fixture.authenticator.authenticate(&basic).await, Err(Error::Scheme)));
}

#[tokio::test]
async fn the_header_goes_before_the_cookie_and_nothing_is_nobody() {
    let config = config();
    let fixture = Fixture::new(&config).await;
    let header = format!("Bearer {}", sign(&config, &claims()));
    let both = Credentials::new(Some(&header), ["next-auth.session-token=stale"]);
    assert_eq!(both.carrier(), Some(Carrier::Authorization));
    assert!(fixture.authenticator.authenticate(&both).await.unwrap().is_some());
    let wrong = Credentials::new(Some("Bearer x"), ["next-auth.session-token=stale"]);
    assert!(fixture.authenticator.authenticate(&wrong).await.is_err());
    let nothing = Credentials::new(None, ["theme=dark"]);
    assert_eq!(nothing.carrier(), None);
    assert!(fixture.authenticator.authenticate(&nothing).await.unwrap().is_none());
}
