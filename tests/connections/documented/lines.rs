//! The lines with `curl`, as they stand in the document, run by `curl`.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::{Documented, callback};
use crate::deployment::{Answer, each, on_both_backends};

on_both_backends!(each_documented_line_works, what_was_not_asked_for_is_asked_for_then);

pub(super) const BEGIN: &str = r#"curl "http://127.0.0.1:8081/api/v1/unified/auth/google/url""#;
pub(super) const CALLBACK: &str =
    r#"curl "http://127.0.0.1:8081/api/v1/unified/auth/google/callback?code=AUTH_CODE&state=STATE""#;
const EMAILS: &str =
    r#"curl "http://127.0.0.1:8081/api/v1/unified/gmail/emails?user_email=user@example.com""#;
const CHANNELS: &str =
    r#"curl "http://127.0.0.1:8081/api/v1/unified/slack/channels?user_email=user@example.com""#;
const PROJECTS: &str =
    r#"curl "http://127.0.0.1:8081/api/v1/unified/jira/projects?user_email=user@example.com""#;
const TEST: &str =
    r#"curl "http://127.0.0.1:8081/api/v1/unified/connectors/gmail/test?user_email=user@example.com""#;

async fn post(documented: &Documented, path: &str, body: Value) -> Value {
    let request = documented.deployment.request(Method::POST, path).json(&body);
    let answer = Answer::of(request).await;
    assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text);
    answer.expect(answer.status)
}

async fn each_documented_line_works(backend: Backend) {
    let documented = Documented::start(backend).await;
    for (provider, name) in [("google", "Una User"), ("slack", "Example"), ("atlassian", "Una User")] {
        let connected = documented.connect(provider).await;
        assert_eq!(connected["user_name"], name, "{connected:#}");
        let text = connected.to_string();
        assert!(!text.contains("access_token") && !text.contains("refresh_token"), "{text}");
    }

    // What is there was made here.
    let mail = json!({"to": "ben@example.com", "subject": "Invoice 2026-119", "body": "Here it is."});
    let path = "/api/v1/unified/gmail/send?user_email=user@example.com";
    let sent = post(&documented, path, mail).await;
    let emails = documented.curl(EMAILS).await;
    assert_eq!(each(&emails["messages"], "id"), [sent["message_id"].as_str().unwrap()], "{emails:#}");
    assert_eq!(emails["messages"][0]["title"], "Invoice 2026-119", "{emails:#}");

    let channels = documented.curl(CHANNELS).await;
    let names = each(&channels["channels"], "name");
    assert!(names.contains(&"support") && !names.contains(&"secret-plans"), "{channels:#}");
    assert_eq!(channels["total"], names.len());

    // The example of Jira's own description.
    let projects = documented.curl(PROJECTS).await;
    assert_eq!(each(&projects["projects"], "key"), ["EX", "ABC"], "{projects:#}");
    assert_eq!(projects["projects"][0]["url"], "https://acme.atlassian.net/browse/EX", "{projects:#}");

    let works = documented.curl(TEST).await;
    assert_eq!((&works["success"], &works["result"]["connected"]), (&json!(true), &json!(true)), "{works:#}");
}

/// Google is asked for who the user is, unless the operator's settings say more; what a connector needs then is one consent away.
async fn what_was_not_asked_for_is_asked_for_then(backend: Backend) {
    let documented = Documented::start_with(backend, |builder| builder).await;
    documented.connect("google").await;
    let path = "/api/v1/unified/gmail/emails?user_email=user@example.com";
    let refused = documented.deployment.get(path).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let refused = refused.problem("insufficient_scope");
    let begun = documented.deployment.get(refused["reconnect"].as_str().unwrap()).await.expect(200);
    let address = documented.consent("google", begun["auth_url"].as_str().unwrap()).await;
    documented.curl(&callback("google", &address)).await;
    let emails = documented.curl(EMAILS).await;
    assert_eq!(emails["messages"], json!([]), "{emails:#}");
}
