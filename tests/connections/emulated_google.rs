//! Mails, files and calendars of Google as others emulate it: made here first, and then read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, Emulate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::emulated::{GOOGLE_CALLBACK, SLACK_CALLBACK, connect, furnished, furnished_with, send};
use super::user;
use crate::deployment::{Answer, Deployment, each, on_both_backends};

on_both_backends!(
    mails_are_sent_found_and_read,
    what_is_uploaded_is_downloaded,
    calendars_are_told,
    a_file_that_breaks_off_is_not_taken_for_whole
);

const CONNECTORS: &str = "/api/v1/unified/connectors";
const GMAIL: &str = "/api/v1/unified/gmail";

/// All that the connectors need.
const SCOPES: &str = "scopes=openid&scopes=email&scopes=https://mail.google.com/\
    &scopes=https://www.googleapis.com/auth/drive&scopes=https://www.googleapis.com/auth/calendar";

/// A server at which Ann has connected her account.
async fn connected(backend: Backend) -> (Deployment, Emulate) {
    let emulate = Emulate::start(&[GOOGLE_CALLBACK, SLACK_CALLBACK]).unwrap();
    let deployment = furnished(backend, &emulate);
    get(&deployment, &format!("{GMAIL}/labels")).await.problem("connection_required");
    connect(&deployment, &emulate, ("google", SCOPES), Emulate::ANN).await.1.expect(200);
    (deployment, emulate)
}

async fn get(deployment: &Deployment, path: &str) -> Answer {
    send(deployment, Method::GET, path).await
}

async fn post(deployment: &Deployment, path: &str, body: Option<Value>) -> Answer {
    let request = deployment.server.request(Method::POST, path).bearer_auth(user("ann@acme.example"));
    Answer::of(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

/// The headers and the bytes of a file.
async fn file(deployment: &Deployment, path: &str) -> (reqwest::header::HeaderMap, Vec<u8>) {
    let request = deployment.server.request(Method::GET, path).bearer_auth(user("ann@acme.example"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    (response.headers().clone(), response.bytes().await.unwrap().to_vec())
}

async fn mails_are_sent_found_and_read(backend: Backend) {
    let (deployment, _emulate) = connected(backend).await;
    let mail =
        format!("{GMAIL}/send?to=ben@example.com&subject=Sent%20by%20query&body=Hello&cc=c@example.com");
    let first = post(&deployment, &mail, None).await.expect(200);
    assert!(first["message_id"].is_string() && first["thread_id"].is_string(), "{first:#}");
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let attachment = json!({"filename": "report.bin", "mime_type": "application/x-test", "content": STANDARD.encode(&bytes)});
    let mail = json!({"to": "Ben <ben@example.com>", "subject": "Sent by body", "body": "Hello", "attachments": [attachment]});
    let second = post(&deployment, &format!("{GMAIL}/send"), Some(mail)).await.expect(200);
    for (query, body, status) in [
        ("?to=a@b.example", json!({"to": "a@b.example", "body": "x"}), 400),
        ("?to=nobody", json!({"body": "x"}), 422),
        ("", json!({"to": "a@b.example", "bodi": "x"}), 422),
    ] {
        let refused = post(&deployment, &format!("{GMAIL}/send{query}"), Some(body)).await;
        assert_eq!(refused.status, status, "{query}: {}", refused.text);
    }

    let found = get(&deployment, &format!("{GMAIL}/emails?query=subject:body")).await.expect(200);
    assert_eq!(each(&found["messages"], "id"), [second["message_id"].as_str().unwrap()], "{found:#}");
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = get(&deployment, &format!("{GMAIL}/emails?max_results=2{token}")).await.expect(200);
        seen.extend(each(&page["messages"], "id").into_iter().map(str::to_owned));
        let Some(next) = page["next_page_token"].as_str() else { break };
        token = format!("&page_token={next}");
    }
    assert_eq!(seen.len(), 5, "three that were there, and two that were sent: {seen:?}");
    let inbox =
        get(&deployment, &format!("{GMAIL}/emails?label_ids=Label_invoices&raw=true")).await.expect(200);
    assert_eq!(inbox["messages"][0]["raw"]["id"], "mail-1", "{inbox:#}");
    get(&deployment, &format!("{GMAIL}/emails?label=x")).await.problem("invalid_request");

    let labels = get(&deployment, &format!("{GMAIL}/labels")).await.expect(200);
    assert_eq!(labels["total"], labels["labels"].as_array().unwrap().len());
    assert!(each(&labels["labels"], "name").contains(&"Invoices"), "{labels:#}");
    let containers = get(&deployment, &format!("{CONNECTORS}/gmail/containers")).await.expect(200);
    assert_eq!(containers["result"]["containers"], labels["labels"]);
    assert_eq!(
        (&containers["provider"], &containers["result"]["total"]),
        (&json!("gmail"), &labels["total"])
    );
    get(&deployment, &format!("{CONNECTORS}/gmail/containers?label_ids=x")).await.problem("invalid_request");

    let item = format!("{CONNECTORS}/gmail/items/{}", second["message_id"].as_str().unwrap());
    let read = get(&deployment, &item).await.expect(200);
    let part = read["result"]["item"]["extra"]["attachments"][0]["part_id"].as_str().unwrap();
    let (headers, content) = file(&deployment, &format!("{item}/content?part={part}")).await;
    assert!(content == bytes, "{} bytes", content.len());
    assert_eq!(headers["content-type"], "application/x-test");
    let name = headers["content-disposition"].to_str().unwrap();
    assert_eq!(name, "attachment; filename=\"report.bin\"");
    let (headers, whole) = file(&deployment, &format!("{item}/content")).await;
    assert_eq!(headers["content-type"], "message/rfc822");
    assert!(String::from_utf8_lossy(&whole).contains("Subject: Sent by body"));
    get(&deployment, &format!("{item}/content?part=none")).await.problem("not_found");
    get(&deployment, &format!("{item}/content?media_type=text/plain")).await.problem("validation_failed");
    let able = get(&deployment, &format!("{CONNECTORS}/gmail/capabilities")).await.expect(200);
    let able = able["capabilities"]["capabilities"].as_array().unwrap().clone();
    assert!(able.contains(&json!("containers")) && able.contains(&json!("content")), "{able:?}");
}

async fn what_is_uploaded_is_downloaded(backend: Backend) {
    let (deployment, _emulate) = connected(backend).await;
    let items = format!("{CONNECTORS}/drive/items");
    let page = "<script>alert(1)</script>".repeat(9000);
    let made = json!({"title": "Plan.html", "mime_type": "text/html", "content": STANDARD.encode(&page)});
    let made = post(&deployment, &items, Some(made)).await.expect(201);
    let item = format!("{items}/{}", made["result"]["item"]["id"].as_str().unwrap());
    let (headers, content) = file(&deployment, &format!("{item}/content")).await;
    assert!(content == page.as_bytes(), "{} bytes", content.len());
    for (name, value) in [
        ("content-type", "text/html"),
        ("content-disposition", "attachment; filename=\"Plan.html\""),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let (_, notes) = file(&deployment, &format!("{items}/file-2/content")).await;
    assert_eq!(notes, b"Call Ben about the invoice.\n");
    let refused = get(&deployment, &format!("{item}/content?media_type=application/pdf")).await;
    assert_eq!(refused.pointers("validation_failed"), [""], "{}", refused.text);
    get(&deployment, &format!("{items}/folder-1/content")).await.problem("validation_failed");
    get(&deployment, &format!("{items}/none/content")).await.problem("not_found");
    let uses = get(&deployment, &format!("{CONNECTORS}/drive/comments")).await;
    assert_eq!(uses.status, 404, "no such route: {}", uses.text);
    get(&deployment, &format!("{items}/file-2/comments")).await.problem("unsupported");
}

async fn calendars_are_told(backend: Backend) {
    let (deployment, _emulate) = connected(backend).await;
    let calendars = get(&deployment, &format!("{CONNECTORS}/calendar/containers?raw=true")).await.expect(200);
    let calendars = &calendars["result"]["containers"];
    assert_eq!(each(calendars, "id"), ["primary", "team"], "{calendars:#}");
    assert_eq!((&calendars[1]["type"], &calendars[1]["name"]), (&json!("calendar"), &json!("Team")));
    assert_eq!(calendars[1]["raw"]["kind"], "calendar#calendarListEntry");
    let event = json!({"calendar_id": "team", "title": "Lunch", "start": "2026-11-26", "end": "2026-11-27"});
    post(&deployment, &format!("{CONNECTORS}/calendar/items"), Some(event)).await.expect(201);
    let id = calendars[1]["id"].as_str().unwrap();
    let events = get(&deployment, &format!("{CONNECTORS}/calendar/items?calendar_id={id}")).await.expect(200);
    assert!(each(&events["result"]["items"], "title").contains(&"Lunch"), "{events:#}");
    assert_eq!(events["result"]["items"][0]["container_id"], "team");
}

/// A Drive that says what a file is, and breaks off when it is asked for it: `sized` with its length told, others in
/// chunks.
async fn broken_drive() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8192];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let is_sized = request.contains("/files/sized?");
            let length = if is_sized { "content-length: 100000" } else { "transfer-encoding: chunked" };
            let answer = if request.contains("alt=media") {
                format!("HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\n{length}\r\n\r\n5\r\na,b,c\r\n")
            } else {
                let body = r#"{"id":"f","name":"a.csv","mimeType":"text/csv"}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
            // So that the beginning has been handed on before the end comes.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    });
    url
}

async fn a_file_that_breaks_off_is_not_taken_for_whole(backend: Backend) {
    let drive = broken_drive().await;
    let emulate = Emulate::start(&[GOOGLE_CALLBACK, SLACK_CALLBACK]).unwrap();
    let deployment =
        furnished_with(backend, &emulate, |builder| builder.set("DRIVE_BASE_URL", drive.as_str()));
    connect(&deployment, &emulate, ("google", SCOPES), Emulate::ANN).await.1.expect(200);
    for id in ["sized", "chunked"] {
        let path = format!("{CONNECTORS}/drive/items/{id}/content");
        let request = deployment.server.request(Method::GET, &path).bearer_auth(user("ann@acme.example"));
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{id}");
        assert_eq!(response.content_length(), (id == "sized").then_some(100_000));
        let first = response.chunk().await.unwrap().unwrap();
        assert!(first.starts_with(if id == "sized" { b"5\r\n" } else { b"a,b" }), "{id}: {first:?}");
        let rest = loop {
            match response.chunk().await {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        assert!(rest.is_err(), "{id}: the end of the answer is not that of a whole one");
    }
}
