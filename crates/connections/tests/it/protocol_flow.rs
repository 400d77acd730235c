//! Codes, refresh tokens and the client's own grant, with a provider that is honest.

use std::collections::BTreeMap;

use connections::catalog::{BodyFormat, TokenAuth};
use connections::connection::Tokens;
use connections::protocol::{AuthorizationRequest, CallError, TokenAnswer, Verifier, requested_scopes};
use model::Ambient;
use secrecy::ExposeSecret;

use crate::hostile_provider::{CLIENT_ID, CLIENT_SECRET, HostileProvider, Speaker, text};

const REDIRECT: &str = "https://app.example/auth/hostile/callback?x=1";

/// Consents as a user would: what the provider reads from the authorization URL decides what the code is good for.
async fn consented(hostile: &HostileProvider, speaker: &Speaker) -> Result<TokenAnswer, CallError> {
    let verifier = Verifier::generate(&Ambient::system());
    let asked = BTreeMap::new();
    let scopes = requested_scopes(&speaker.provider, &asked);
    let request = AuthorizationRequest {
        redirect_uri: REDIRECT,
        state: "state-1",
        verifier: &verifier,
        scopes: &scopes,
        extra: &BTreeMap::new(),
    };
    let url = speaker.client().authorization_url(&request).unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(query["scope"], "read write");
    let code = hostile.grants(|grants| grants.code(&query["code_challenge"], &query["redirect_uri"]));
    speaker.client().exchange_code(&code.into(), &verifier, REDIRECT).await
}

async fn refreshed(speaker: &Speaker, tokens: &Tokens) -> Result<Tokens, CallError> {
    speaker.client().refresh("main", tokens.refresh.as_ref().unwrap()).await
}

#[tokio::test]
async fn a_code_becomes_tokens_that_can_be_refreshed() {
    let hostile = HostileProvider::start().await;
    let speaker = Speaker::to(&hostile);
    let answer = consented(&hostile, &speaker).await.unwrap();
    let first = &answer.tokens["main"];
    assert!(hostile.grants(|grants| grants.is_live(first.access.expose_secret())));
    assert_eq!(first.expires_in.unwrap().as_secs(), 3600);
    assert_eq!(first.scopes, None, "an answer without scope means: as requested");

    let second = refreshed(&speaker, first).await.unwrap();
    assert_ne!(text(second.refresh.as_ref()), text(first.refresh.as_ref()));
    assert_eq!(hostile.grants(|grants| grants.redemptions), 1);

    assert_eq!(refreshed(&speaker, first).await.unwrap_err(), CallError::InvalidGrant);
    assert_eq!(hostile.grants(|grants| grants.reuses), 1);
    assert_eq!(
        refreshed(&speaker, &second).await.unwrap_err(),
        CallError::InvalidGrant,
        "reuse ends the grant"
    );
}

#[tokio::test]
async fn a_provider_that_does_not_rotate_brings_no_refresh_token() {
    let hostile = HostileProvider::start().await;
    let speaker = Speaker::to(&hostile);
    let tokens = hostile.issue();
    hostile.grants(|grants| grants.rotates = false);
    for _ in 0..3 {
        assert!(refreshed(&speaker, &tokens).await.unwrap().refresh.is_none());
    }
    hostile.grants(|grants| {
        grants.rotates = true;
        grants.forgives_reuse = true;
    });
    assert!(refreshed(&speaker, &tokens).await.unwrap().refresh.is_some());
    assert_eq!(hostile.grants(|grants| (grants.redemptions, grants.reuses)), (4, 1));
}

#[tokio::test]
async fn the_code_is_bound_to_the_verifier_and_the_redirect() {
    let hostile = HostileProvider::start().await;
    let speaker = Speaker::to(&hostile);
    let ambient = Ambient::system();
    let (verifier, other) = (Verifier::generate(&ambient), Verifier::generate(&ambient));
    let code = || hostile.grants(|grants| grants.code(&verifier.challenge(), REDIRECT)).into();
    let client = speaker.client();
    for refused in [
        client.exchange_code(&code(), &other, REDIRECT).await,
        client.exchange_code(&code(), &verifier, "https://app.example/auth/hostile/callback").await,
    ] {
        assert_eq!(refused.unwrap_err(), CallError::InvalidGrant);
    }
    let code = code();
    client.exchange_code(&code, &verifier, REDIRECT).await.unwrap();
    let replayed = client.exchange_code(&code, &verifier, REDIRECT).await;
    assert_eq!(replayed.unwrap_err(), CallError::InvalidGrant);
}

#[tokio::test]
async fn the_client_proves_itself_as_the_entry_says() {
    let hostile = HostileProvider::start().await;
    let mut speaker = Speaker::to(&hostile);
    for (auth, format) in [
        (TokenAuth::ClientSecretBasic, BodyFormat::Form),
        (TokenAuth::ClientSecretPost, BodyFormat::Form),
        (TokenAuth::ClientSecretBasic, BodyFormat::Json),
        (TokenAuth::ClientSecretPost, BodyFormat::Json),
    ] {
        speaker.provider.token_auth = auth;
        speaker.provider.body_format = format;
        consented(&hostile, &speaker).await.unwrap();
        let seen = hostile.seen("/token").pop().unwrap();
        let in_body = auth == TokenAuth::ClientSecretPost;
        assert_eq!(seen.params().contains_key("client_secret"), in_body);
        assert_eq!(seen.header("authorization").is_empty(), in_body);
        let expected =
            if format == BodyFormat::Json { "application/json" } else { "application/x-www-form-urlencoded" };
        assert_eq!(seen.header("content-type"), expected);
        assert_eq!(seen.params()["redirect_uri"], REDIRECT);
    }
    speaker.provider.token_auth = TokenAuth::None;
    assert_eq!(consented(&hostile, &speaker).await.unwrap_err(), CallError::InvalidClient);
    let params = hostile.seen("/token").pop().unwrap().params();
    assert_eq!(params["client_id"], CLIENT_ID);
    assert!(!params.values().any(|value| value == CLIENT_SECRET));

    speaker.provider.token_auth = TokenAuth::ClientSecretBasic;
    speaker.app.client_secret = Some("wrong".into());
    assert_eq!(consented(&hostile, &speaker).await.unwrap_err(), CallError::InvalidClient);
    speaker.app.client_secret = None;
    assert_eq!(consented(&hostile, &speaker).await.unwrap_err(), CallError::InvalidClient);
    assert_eq!(
        hostile.seen("/token").pop().unwrap().params()["client_id"],
        CLIENT_ID,
        "it names itself at least"
    );
}

#[tokio::test]
async fn only_what_belongs_there_is_sent() {
    let hostile = HostileProvider::start().await;
    let mut speaker = Speaker::to(&hostile);
    speaker.provider.token_params = BTreeMap::from([
        ("audience".to_owned(), "api".to_owned()),
        ("grant_type".to_owned(), "password".to_owned()),
        ("Client_ID".to_owned(), "other".to_owned()),
    ]);
    speaker.provider.headers = BTreeMap::from([("x-version".to_owned(), "7".to_owned())]);
    consented(&hostile, &speaker).await.unwrap();
    refreshed(&speaker, &hostile.issue()).await.unwrap();
    let asked = ["read".to_owned()];
    speaker.client().client_credentials(&asked).await.unwrap();
    speaker.client().client_credentials(&[]).await.unwrap();
    let names = |index: usize| {
        let seen = hostile.seen("/token")[index].clone();
        assert_eq!(seen.header("accept"), "application/json");
        assert_eq!(seen.header("x-version"), "7");
        assert_eq!(
            seen.header("accept-encoding"),
            "",
            "what is small needs no compression, and none can explode"
        );
        assert_eq!(seen.header("cookie"), "");
        assert!(seen.header("user-agent").starts_with("jackfield/"));
        seen.params().into_keys().collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["audience", "code", "code_verifier", "grant_type", "redirect_uri"]);
    assert_eq!(names(1), ["audience", "grant_type", "refresh_token"]);
    assert_eq!(names(2), ["audience", "grant_type", "scope"]);
    let scope = |index: usize| hostile.seen("/token")[index].params()["scope"].clone();
    assert_eq!((scope(2).as_str(), scope(3).as_str()), ("read", "read write"));

    speaker.provider.pkce = false;
    let verifier = Verifier::generate(&Ambient::system());
    let refused = speaker.client().exchange_code(&"no such code".into(), &verifier, REDIRECT).await;
    assert_eq!(refused.unwrap_err(), CallError::InvalidGrant);
    assert_eq!(names(4), ["audience", "code", "grant_type", "redirect_uri"]);
}
