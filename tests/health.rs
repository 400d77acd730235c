//! The server itself: that it is up, says what it is, and answers in its own words when it cannot.

use reqwest::Method;
use serde_json::Value;

use crate::{problem, server};

#[tokio::test]
async fn without_configuration_it_starts_and_is_ready() {
    let server = server().start().unwrap();
    let health = server.get("/health").send().await.unwrap();
    assert_eq!(health.status(), 200);
    let ready: Value = server.get("/health/ready").send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["checks"], serde_json::json!({"blobs": "ok", "database": "ok"}));
    let description: Value = server.get("/").send().await.unwrap().json().await.unwrap();
    assert_eq!(description["name"], "jackfield");
    assert!(server.folder().join("data/jackfield.db").is_file());
}

#[tokio::test]
async fn lost_blobs_make_it_unready_and_are_named() {
    let server = server().start().unwrap();
    std::fs::remove_dir_all(server.folder().join("data/blobs")).unwrap();
    let body = problem(server.get("/health/ready").send().await.unwrap()).await;
    assert_eq!(body["code"], "unavailable");
    assert!(body["detail"].as_str().unwrap().contains("blobs"), "{body}");
    assert_eq!(server.get("/health").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_request_id_comes_back_and_stands_in_the_log() {
    let server = server().start().unwrap();
    let response =
        server.get("/plugins-of?token=hush").header("x-request-id", "trace-42").send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "trace-42");
    assert_eq!(problem(response).await["code"], "not_found");
    let log = server.log_with("trace-42").unwrap();
    assert!(log.contains("\"http.status\":404"), "{log}");
    assert!(!log.contains("hush"), "{log}");

    let forged = server.get("/health").header("x-request-id", "a b").send().await.unwrap();
    assert_ne!(forged.headers()["x-request-id"], "a b");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = server().start().unwrap();
    let response = server.request(Method::DELETE, "/health").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(response).await["code"], "method_not_allowed");
}

#[tokio::test]
async fn every_kind_of_problem_is_explained_where_its_type_points() {
    let server = server().start().unwrap();
    for code in model::ErrorCode::ALL {
        let body: Value =
            server.get(&format!("/problems/{code}")).send().await.unwrap().json().await.unwrap();
        assert_eq!(body["code"], code.as_str());
    }
}

#[tokio::test]
async fn metrics_count_by_route_and_hide_behind_their_token() {
    let server = server().set("METRICS_TOKEN", "scraper").start().unwrap();
    server.get("/health").send().await.unwrap();
    server.get("/no/such/path").send().await.unwrap();
    assert_eq!(problem(server.get("/metrics").send().await.unwrap()).await["status"], 401);
    let text = server.get("/metrics").bearer_auth("scraper").send().await.unwrap().text().await.unwrap();
    assert!(text.contains(r#"http_requests_total{method="GET",route="/health",status="200"} 1"#), "{text}");
    assert!(text.contains(r#"route="unmatched",status="404""#) && !text.contains("/no/such/path"), "{text}");
    assert!(text.contains("process_resident_memory_bytes"), "{text}");
}

#[tokio::test]
async fn the_documentation_works_offline() {
    let server = server().start().unwrap();
    let document: Value = server.get("/openapi.json").send().await.unwrap().json().await.unwrap();
    assert!(document["paths"]["/health"]["get"].is_object());
    let page = server.get("/docs/").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let page = page.text().await.unwrap();
    let sources = page.split("src=\"./").skip(1).filter_map(|rest| rest.split('"').next());
    let sources: Vec<&str> = sources.collect();
    assert!(!sources.is_empty() && !page.contains("//unpkg") && !page.contains("https://"), "{page}");
    for source in sources {
        assert_eq!(server.get(&format!("/docs/{source}")).send().await.unwrap().status(), 200, "{source}");
    }
}

#[test]
fn the_committed_document_is_the_programs() {
    let output = server().command(&["openapi"]).output().unwrap();
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        committed.unwrap(),
        "run `jackfield openapi > docs/openapi.json`"
    );
}

#[test]
fn wrong_settings_are_told_at_once_with_exit_code_2() {
    let builder =
        server().set("MAX_BODY_SIZE", "x").set("DEBUG", "maybe").set("MONGODB_URI", "mongodb://u:hush@h/d");
    let output = builder.command(&["serve"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("DEBUG") && text.contains("jackfield import"), "{text}");
    assert!(!text.contains("hush"), "{text}");
}
