//! Answers of token endpoints that are not what RFC 6749 has them be.

use std::io::Write;
use std::time::Duration;

use connections::connection::Tokens;
use connections::protocol::CallError;
use flate2::Compression;
use flate2::write::GzEncoder;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::hostile_provider::{HostileProvider, Speaker, Step};

async fn outcome(step: Step) -> Result<Tokens, CallError> {
    let hostile = HostileProvider::start().await;
    let tokens = hostile.issue();
    hostile.script("/token", [step]);
    Speaker::to(&hostile).client().refresh("main", tokens.refresh.as_ref().unwrap()).await
}

#[tokio::test]
async fn what_is_no_token_answer_is_malformed() {
    let huge = format!(r#"{{"access_token": "a", "padding": "{}"}}"#, "x".repeat(10 * 1024 * 1024));
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 8 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    for (name, step) in [
        ("HTML", Step::say(200, "text/html", "<html><a href='?access_token=a'>sign in</a></html>")),
        ("HTML that claims to be JSON", Step::say(200, "application/json", "<html></html>")),
        ("empty", Step::say(200, "application/json", "")),
        ("no content", Step::say(204, "application/json", "")),
        ("cut JSON", Step::say(200, "application/json", r#"{"access_token": "a", "token_ty"#)),
        ("a list", Step::json(200, &json!([{"access_token": "a"}]))),
        ("text", Step::json(200, &json!("access_token=a"))),
        ("null", Step::json(200, &json!(null))),
        ("huge", Step::say(200, "application/json", huge)),
        ("binary", Step::say(200, "application/json", vec![0xff, 0xfe, 0])),
        ("compressed", Step::say(200, "application/json", bomb).with_header("content-encoding", "gzip")),
        ("without a token", Step::json(200, &json!({"token_type": "bearer"}))),
    ] {
        let error = outcome(step).await.expect_err(name);
        assert!(matches!(error, CallError::Malformed(_)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_good_answer_may_say_anything_of_its_type() {
    let json = r#"{"access_token":"a","expires_in":"60","scope":"b,a"}"#;
    let form = "access_token=a&expires_in=60&scope=b%2Ca&token_type=bearer";
    for (content_type, body) in [
        ("application/json", json),
        ("text/html; charset=utf-8", json),
        ("", json),
        ("application/x-www-form-urlencoded", form),
        ("text/plain", form),
        ("application/json", form),
    ] {
        let tokens = outcome(Step::say(200, content_type, body)).await.unwrap();
        assert_eq!(tokens.access.expose_secret(), "a", "{content_type} {body}");
        assert_eq!(tokens.expires_in, Some(Duration::from_mins(1)));
        assert_eq!(tokens.scopes.unwrap(), ["a", "b"]);
    }
}

#[tokio::test]
async fn errors_are_told_apart_whatever_the_status() {
    for (step, expected) in [
        (Step::error(400, "invalid_grant"), CallError::InvalidGrant),
        (Step::error(200, "invalid_grant"), CallError::InvalidGrant),
        (Step::json(200, &json!({"ok": false, "error": "token_revoked"})), CallError::InvalidGrant),
        (
            Step::say(200, "text/plain", "error=bad_refresh_token&error_description=x"),
            CallError::InvalidGrant,
        ),
        (Step::error(401, "invalid_client"), CallError::InvalidClient),
        (Step::say(401, "text/html", "<h1>Who are you?</h1>"), CallError::InvalidClient),
        (Step::say(400, "text/html", "<h1>No</h1>"), CallError::Refused { code: "http_400".to_owned() }),
        (
            Step::error(400, "unsupported_grant_type"),
            CallError::Refused { code: "unsupported_grant_type".to_owned() },
        ),
        // An answer that has both is an error: nobody knows what its token is.
        (Step::json(200, &json!({"error": "invalid_grant", "access_token": "a"})), CallError::InvalidGrant),
    ] {
        assert_eq!(outcome(step).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn the_life_of_a_token_is_told_in_many_ways() {
    let hostile = HostileProvider::start().await;
    let speaker = Speaker::to(&hostile);
    for (said, expected) in [
        (json!(60), Some(60)),
        (json!("60"), Some(60)),
        (json!(60.9), Some(60)),
        (json!(null), None),
        (json!(-1), None),
    ] {
        hostile.grants(|grants| grants.expires_in = said);
        let tokens =
            speaker.client().refresh("main", hostile.issue().refresh.as_ref().unwrap()).await.unwrap();
        assert_eq!(tokens.expires_in.map(|life| life.as_secs()), expected);
    }
}

#[tokio::test]
async fn two_credentials_come_with_one_consent_and_go_their_own_ways() {
    let hostile = HostileProvider::start().await;
    let mut speaker = Speaker::to(&hostile);
    let mut user = crate::hostile_provider::credential("user", "/authed_user", "user_scope");
    user.optional = true;
    speaker.provider.credentials = vec![crate::hostile_provider::credential("bot", "", "scope"), user];
    speaker.provider.scope_separator = ",".to_owned();
    let verifier = connections::protocol::Verifier::generate(&model::Ambient::system());
    let both = json!({
        "ok": true, "access_token": "b1", "refresh_token": "rb1", "token_type": "bot", "scope": "chat:write,files:read",
        "authed_user": {"id": "U1", "access_token": "u1", "token_type": "user", "scope": "search:read", "expires_in": 43200},
    });
    let bot_alone =
        json!({"ok": true, "access_token": "b1", "token_type": "bot", "authed_user": {"id": "U1"}});
    hostile.script("/token", [Step::json(200, &both), Step::json(200, &bot_alone)]);
    let answer = speaker.client().exchange_code(&"c".into(), &verifier, "https://a.example/").await.unwrap();
    assert_eq!(answer.tokens["bot"].scopes.as_deref().unwrap(), ["chat:write", "files:read"]);
    assert_eq!(answer.tokens["user"].access.expose_secret(), "u1");
    assert_eq!(answer.tokens["user"].expires_in, Some(Duration::from_hours(12)));
    let answer = speaker.client().exchange_code(&"c".into(), &verifier, "https://a.example/").await.unwrap();
    assert_eq!(answer.tokens.keys().collect::<Vec<_>>(), ["bot"]);

    let at_top = json!({"ok": true, "access_token": "u2", "refresh_token": "ru2", "token_type": "user"});
    let of_the_other = json!({"ok": true, "access_token": "b2", "refresh_token": "rb2", "token_type": "bot"});
    hostile.script("/token", [Step::json(200, &at_top), Step::json(200, &of_the_other)]);
    let tokens = speaker.client().refresh("user", &"ru1".into()).await.unwrap();
    assert_eq!(tokens.access.expose_secret(), "u2");
    let error = speaker.client().refresh("user", &"ru2".into()).await.unwrap_err();
    assert_eq!(error, CallError::Malformed("token_type"), "a bot's token is not the user's");
}
