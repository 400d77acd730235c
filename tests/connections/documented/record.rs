//! What operations leave on record.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::{Documented, USER};
use crate::deployment::{Answer, on_both_backends};

on_both_backends!(each_operation_leaves_one_record);

/// What is said, and must not be on record.
const SAID: &str = "nobody-elses-business";

/// Operations of each kind, some of which need what `made` was made: the request below `/api/v1/unified`, and the word on record.
fn operations(made: &Made) -> Vec<(Method, String, Option<Value>, &'static str)> {
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    let said = |name: &str| Some(json!({name: SAID}));
    let Made { mail, file, channel } = made;
    vec![
        (get.clone(), "connectors/gmail/test".into(), None, "gmail.test"),
        (get.clone(), "connectors/gmail/items".into(), None, "gmail.list"),
        (get.clone(), "connectors/gmail/items?stream=true".into(), None, "gmail.list.stream"),
        (get.clone(), format!("connectors/gmail/search?query={SAID}"), None, "gmail.search"),
        (
            get.clone(),
            format!("connectors/gmail/search?query={SAID}&stream=true"),
            None,
            "gmail.search.stream",
        ),
        (get.clone(), format!("connectors/gmail/items/{mail}"), None, "gmail.get"),
        (
            put.clone(),
            format!("connectors/gmail/items/{mail}"),
            Some(json!({"is_unread": true})),
            "gmail.update",
        ),
        (get.clone(), "connectors/gmail/containers".into(), None, "gmail.containers"),
        (get.clone(), format!("connectors/gmail/items/{mail}/content"), None, "gmail.content"),
        (get.clone(), format!("connectors/drive/items/{file}/content"), None, "drive.content"),
        (Method::DELETE, format!("connectors/drive/items/{file}"), None, "drive.delete"),
        (get.clone(), "connectors/calendar/containers".into(), None, "calendar.containers"),
        (get.clone(), "connectors/slack/channels".into(), None, "slack.channels"),
        (get.clone(), format!("connectors/slack/channels/{channel}"), None, "slack.channel"),
        (
            post.clone(),
            format!("connectors/slack/channels/{channel}/messages"),
            said("text"),
            "slack.send_message",
        ),
        (get.clone(), format!("connectors/slack/channels/{channel}/messages"), None, "slack.messages"),
        (get.clone(), "connectors/slack/users".into(), None, "slack.users"),
        (get.clone(), "connectors/jira/projects".into(), None, "jira.projects"),
        (get.clone(), "connectors/jira/projects/EX".into(), None, "jira.project"),
        (get.clone(), "connectors/jira/projects/EX/issues".into(), None, "jira.issues"),
        (post.clone(), "connectors/jira/projects/EX/issues".into(), said("title"), "jira.create_issue"),
        (get.clone(), "connectors/jira/projects/EX/summary".into(), None, "jira.summary"),
        (get.clone(), "connectors/jira/issues/ED-1".into(), None, "jira.issue"),
        (put, "connectors/jira/issues/ED-1".into(), said("title"), "jira.update_issue"),
        (get.clone(), "connectors/jira/my-issues".into(), None, "jira.my_issues"),
        (get.clone(), "connectors/jira/items/ED-1/comments".into(), None, "jira.comments"),
        (post, "connectors/jira/items/ED-1/comments".into(), said("text"), "jira.add_comment"),
        (get, format!("proxy/gmail/users/me/messages?q={SAID}"), None, "proxy.gmail"),
    ]
}

/// What was made before.
struct Made {
    mail: String,
    file: String,
    channel: String,
}

async fn ask(documented: &Documented, method: Method, path: &str, body: Option<Value>) -> Answer {
    let path = format!("/api/v1/unified/{path}");
    let is_raw = path.contains("/proxy/");
    let separator = if path.contains('?') { '&' } else { '?' };
    let whole = if is_raw { path } else { format!("{path}{separator}user_email={USER}") };
    let request = documented.deployment.request(method, &whole);
    let request = if is_raw { request.header("x-user-email", USER) } else { request };
    Answer::of(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

async fn make(documented: &Documented) -> Made {
    let mail = json!({"to": "ben@example.com", "subject": SAID, "body": SAID});
    let mail = ask(documented, Method::POST, "connectors/gmail/items", Some(mail)).await.expect(201);
    let file = json!({"title": SAID, "mime_type": "text/plain", "content": "UGxhbgo="});
    let file = ask(documented, Method::POST, "connectors/drive/items", Some(file)).await.expect(201);
    let channels = ask(documented, Method::GET, "slack/channels", None).await.expect(200);
    let id = |of: &Value| of["result"]["item"]["id"].as_str().unwrap().to_owned();
    let channel = channels["channels"][0]["id"].as_str().unwrap().to_owned();
    Made { mail: id(&mail), file: id(&file), channel }
}

/// What is on record of uses, at least so many.
async fn uses(documented: &Documented, at_least: usize) -> Answer {
    let path = "/api/v1/unified/activity?action=use&limit=200";
    let of = |answer: &Answer| answer.expect(200)["activity"].as_array().unwrap().len();
    for _ in 0..50 {
        if of(&documented.deployment.get(path).await) >= at_least {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What happened within the last second may be missing.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    documented.deployment.get(path).await
}

async fn each_operation_leaves_one_record(backend: Backend) {
    let documented = Documented::connected(backend).await;
    let made = make(&documented).await;
    let mut expected: BTreeMap<&str, i64> =
        [("gmail.create", 1), ("drive.create", 1), ("slack.channels", 1)].into();
    let operations = operations(&made);
    for (method, path, body, operation) in operations {
        let answer = ask(&documented, method, &path, body).await;
        assert!(matches!(answer.status, 200 | 201), "{operation}: {}", answer.text);
        *expected.entry(operation).or_default() += 1;
    }
    let refused = ask(&documented, Method::GET, "connectors/gmail/items/nothing", None).await;
    refused.problem("not_found");
    *expected.entry("gmail.get").or_default() += 1;

    let told = uses(&documented, expected.len() + 1).await;
    assert!(!told.text.contains(SAID), "{}", told.text);
    let entries = told.expect(200)["activity"].as_array().unwrap().clone();
    let mut counted: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in &entries {
        let operation = entry["operation"].as_str().unwrap();
        *counted.entry(operation).or_default() += entry["count"].as_i64().unwrap();
        let provider = match operation.split('.').next().unwrap() {
            "slack" => "slack",
            "jira" => "atlassian",
            _ => "google",
        };
        assert_eq!((&entry["provider"], &entry["user_email"]), (&json!(provider), &json!(USER)), "{entry:#}");
        assert!(entry["connection_id"].is_string() && entry["duration_ms"].is_i64(), "{entry:#}");
        assert!(entry["actor"].as_str().is_some_and(|actor| !actor.is_empty()), "{entry:#}");
        let is_ok = entry["outcome"] == "ok";
        assert!(
            is_ok || (operation, &entry["error_code"]) == ("gmail.get", &json!("not_found")),
            "{entry:#}"
        );
        let detail = match operation {
            "gmail.list.stream" | "gmail.search.stream" => json!("1 messages"),
            "proxy.gmail" => json!("GET"),
            _ => Value::Null,
        };
        assert_eq!(entry["detail"], detail, "{entry:#}");
    }
    assert_eq!(counted, expected);

    let path = "/api/v1/unified/activity?action=use";
    let export = documented.deployment.request(Method::GET, path).header("accept", "application/x-ndjson");
    let export = Answer::of(export).await;
    let lines: Vec<Value> = export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, entries, "the whole record, as it is told page by page");
}
