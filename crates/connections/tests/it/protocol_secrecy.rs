//! Whatever a provider does with what it is sent, no error and no `Debug` repeats it.

use std::fmt::Debug;
use std::time::Duration;

use connections::protocol::{CallError, Verifier};
use model::Ambient;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::hostile_provider::{CLIENT_SECRET, Fault, HostileProvider, Speaker, Step, text};

/// What is shown of a value, in every way that it can be.
fn shown(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

/// Fails if any six characters of a secret stand in `text`.
fn assert_silent(text: &str, secrets: &[&str]) {
    for secret in secrets {
        for start in 0..secret.len() - 5 {
            let part = &secret[start..start + 6];
            assert!(!text.contains(part), "{part:?} is told in {text}");
        }
    }
}

/// Answers that throw the secret back.
fn echoes(secret: &str) -> Vec<Step> {
    vec![
        Step::error(400, secret),
        Step::error(400, &format!("bad_{secret}")),
        Step::error(400, &format!("the token {secret} is no good")),
        Step::error(400, &secret[..secret.len() - 2]),
        Step::error(200, &secret.to_lowercase().replace('-', "_")),
        Step::json(400, &json!({"error": {"code": secret, "message": secret}})),
        Step::json(401, &json!({"errors": [{"errorType": secret}]})),
        Step::json(403, &json!({"error_description": secret, "status": secret})),
        Step::json(200, &json!({"access_token": [secret]})),
        Step::json(200, &json!({"access_token": "a", "token_type": secret})),
        Step::json(200, &json!({"access_token": "a", "refresh_token": {secret: 1}})),
        Step::say(200, "text/html", format!("<p>{secret}</p>")),
        Step::say(418, "text/plain", secret),
        Step::say(503, "text/plain", secret).with_header("retry-after", secret),
        Step::redirect(302, &format!("https://elsewhere.example/?{secret}")),
        Step::Lost(Fault::CutOff),
        Step::Failed(Fault::Hang),
    ]
}

#[tokio::test]
async fn no_error_repeats_what_was_sent() {
    let hostile = HostileProvider::start().await;
    let speaker = Speaker::within(Duration::from_millis(150), &hostile);
    let tokens = hostile.issue();
    let refresh = text(tokens.refresh.as_ref());
    let verifier = Verifier::generate(&Ambient::system());
    let code = "CoB6mN0uZf";
    let access = tokens.access.expose_secret();
    let secrets = [refresh.as_str(), access, code, CLIENT_SECRET, verifier.secret().expose_secret()];
    let silent = |error: CallError| assert_silent(&format!("{error} {}", shown(&error)), &secrets);
    let client = speaker.client();
    for secret in secrets {
        for step in echoes(secret) {
            hostile.script("/token", [step.clone(), step.clone()]);
            silent(client.refresh("main", tokens.refresh.as_ref().unwrap()).await.unwrap_err());
            silent(client.exchange_code(&code.into(), &verifier, "https://a.example/").await.unwrap_err());
            hostile.script("/userinfo", [step.clone()]);
            // Some of these are accounts without an id or good answers to a probe; the others must say nothing.
            client.probe(&tokens.access).await.map_or_else(silent, drop);
            hostile.script("/revoke", [step.clone()]);
            client.revoke(&tokens).await.map_or_else(silent, drop);
        }
    }
}

#[tokio::test]
async fn no_debug_shows_a_secret() {
    let hostile = HostileProvider::start().await;
    let speaker = Speaker::to(&hostile);
    let verifier = Verifier::generate(&Ambient::system());
    let code = hostile.grants(|grants| grants.code(&verifier.challenge(), "https://a.example/"));
    let answer =
        speaker.client().exchange_code(&code.as_str().into(), &verifier, "https://a.example/").await.unwrap();
    let tokens = &answer.tokens["main"];
    let refresh = text(tokens.refresh.as_ref());
    let secrets =
        [refresh.as_str(), tokens.access.expose_secret(), CLIENT_SECRET, verifier.secret().expose_secret()];
    let shown =
        [shown(&answer), shown(tokens), shown(&verifier), shown(&speaker.client()), shown(&speaker.app)];
    assert_silent(&shown.concat(), &secrets);
    assert!(shown[0].contains("TokenAnswer") && shown[1].contains("REDACTED"), "{shown:?}");
}
