//! The bus at a terminal: `jackfield webhooks send`, `jackfield events tail` and `replay`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use testkit::Backend;

use super::peers::Receiver;
use super::{SECRET, booked, shop_and_ledger, until};
use crate::deployment::{ADMIN, Deployment, on_both_backends};

on_both_backends!(a_webhook_is_sent_and_its_event_shown, what_has_failed_is_sent_again);

fn command(deployment: &Deployment, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command.args(arguments).env_clear().current_dir(deployment.folder());
    command.env("JACKFIELD_URL", deployment.base()).env("JACKFIELD_TOKEN", testkit::token(ADMIN.0, ADMIN.1));
    command
}

/// Standard output as JSON, and whether it went well.
async fn ran(mut command: Command) -> (bool, Value) {
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let read = serde_json::from_str(&text);
    (
        done.status.success(),
        read.unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&done.stderr))),
    )
}

async fn a_webhook_is_sent_and_its_event_shown(backend: Backend) {
    let deployment = Deployment::start(backend);
    shop_and_ledger(&deployment).await;
    let send = |secret: &str| {
        let arguments = ["webhooks", "send", "shop", "--data", "{\"id\":\"p1\"}", "--json"];
        let mut command = command(&deployment, &arguments);
        command.env("JACKFIELD_WEBHOOK_SECRET", secret);
        command
    };
    let (went_well, told) = ran(send("another secret")).await;
    assert_eq!((went_well, &told["status"]), (false, &json!(401)));
    let (went_well, told) = ran(send(SECRET)).await;
    assert_eq!((went_well, &told["status"], &told["id"]), (true, &json!(202), &json!("p1")), "{told}");
    let arguments = ["webhooks", "send", "shop", "--data", "{}", "--id", "p2"];
    let mut unheard = command(&deployment, &arguments);
    unheard.env("JACKFIELD_WEBHOOK_SECRET", SECRET);
    let refused = tokio::task::spawn_blocking(move || unheard.output().unwrap()).await.unwrap();
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && why.contains("in the body, at /id"), "{why}");
    until("p1 is not booked", Duration::from_secs(20), async || Some(booked(&deployment).await == ["p1"]))
        .await;

    let mut tail = command(&deployment, &["events", "tail", "--type", "payment.*", "--after", "0", "--json"]);
    let mut tail = tail.stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(tail.stdout.take().unwrap());
    let read = move || stdout.lines().next().unwrap().unwrap();
    let line: Value = serde_json::from_str(&tokio::task::spawn_blocking(read).await.unwrap()).unwrap();
    assert_eq!((&line["type"], &line["subject"]), (&json!("payment.succeeded"), &json!("p1")));
    assert!(line["place"].as_str().unwrap().parse::<i64>().unwrap() > 0);
    let interrupted = Command::new("kill").args(["-INT", &tail.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let ended = tokio::task::spawn_blocking(move || tail.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn a_replay_waits_for_room_and_says_how_far_it_came() {
    // What a server answers, one after the other.
    let answers = [
        (202, json!({"replayed": 1000, "next": "7.90"})),
        (429, json!({"code": "rate_limited", "detail": "too many deliveries wait"})),
        (202, json!({"replayed": 20, "next": "27.90"})),
        (409, json!({"code": "conflict", "detail": "the receiver is gone"})),
    ];
    let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let answer = move |axum::Json(body): axum::Json<Value>| {
        let mut asked = noted.lock().unwrap();
        let (status, answer) = answers[asked.len()].clone();
        asked.push(body["after"].clone());
        let headers = [("retry-after", "1")];
        async move { (StatusCode::from_u16(status).unwrap(), headers, axum::Json(answer)) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/events/deliveries/replay", axum::routing::post(answer));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command.args(["events", "replay", "--subscription", "s", "--url", &url]).env_clear();
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    serving.abort();
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(*asked.lock().unwrap(), [json!(null), json!("7.90"), json!("7.90"), json!("27.90")]);
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(told.contains("1020 deliveries") && told.contains("--after 27.90"), "{told}");
}

async fn what_has_failed_is_sent_again(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.set("OUTBOUND_ALLOW", "127.0.0.1"));
    // It is gone at first, which nothing is tried again after.
    let receiver = Receiver::start(|n, _| if n == 0 { StatusCode::GONE } else { StatusCode::OK }).await;
    let wanted = json!({"types": ["load.*"], "endpoint": {"url": receiver.url}});
    let subscription = deployment.post(ADMIN, "/subscriptions", &wanted).await.expect(201);
    let id = subscription["id"].as_str().unwrap();
    let event = json!({
        "specversion": "1.0", "type": "load.made", "source": "test", "id": "1", "partitionkey": "k", "data": {"n": 0},
    });
    let request = deployment.request_as(ADMIN.0, ADMIN.1, reqwest::Method::POST, "/events");
    let request = request.header("content-type", "application/cloudevents+json").body(event.to_string());
    assert_eq!(request.send().await.unwrap().status(), 202);
    let path = format!("/subscriptions/{id}");
    until("the subscription is not disabled", Duration::from_secs(20), async || {
        Some(deployment.get_as(ADMIN, &path).await.expect(200)["state"] == "disabled")
    })
    .await;
    deployment.post(ADMIN, &format!("{path}/resume"), &json!({})).await.expect(200);
    let (went_well, told) =
        ran(command(&deployment, &["events", "replay", "--subscription", id, "--json"])).await;
    assert_eq!((went_well, told), (true, json!({"replayed": 1})));
    until("it is not sent again", Duration::from_secs(20), async || Some(receiver.given().len() == 2)).await;
    let given = receiver.given();
    assert_eq!(given[0].webhook_id, given[1].webhook_id);
}
