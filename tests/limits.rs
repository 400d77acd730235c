//! Bounds: on the size of bodies and heads, on time, on how often one may call.

use std::time::Duration;

use model::Role;
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{problem, server};

#[tokio::test]
async fn a_body_over_the_limit_is_refused_without_being_read_whole() {
    let server = server().set("MAX_BODY_SIZE", "1KiB").start().unwrap();
    let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(2000));
    let response = server
        .request_as("acme", Role::Admin, Method::POST, "/api-keys")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(problem(response).await["code"], "payload_too_large");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let server = server().set("REQUEST_DEADLINE", "0.2").start().unwrap();
    let address = server.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api-keys HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ncontent-length: 10\r\n\r\n",
        testkit::token("acme", Role::Admin)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer));
    read.await.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
}

#[tokio::test]
async fn a_caller_over_its_quota_is_told_to_wait() {
    let server = server().set("RATE_LIMIT_PER_ADDRESS", "3").start().unwrap();
    for _ in 0..3 {
        assert_eq!(server.get("/").send().await.unwrap().status(), 200);
    }
    let response = server.get("/").send().await.unwrap();
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(problem(response).await["code"], "rate_limited");
}

#[tokio::test]
async fn one_tenants_quota_is_not_anothers() {
    let server = server().set("RATE_LIMIT_PER_TENANT", "2").start().unwrap();
    let get = |tenant: &str| server.request_as(tenant, Role::Admin, Method::GET, "/api-keys").send();
    for _ in 0..2 {
        assert_eq!(get("acme").await.unwrap().status(), 200);
    }
    assert_eq!(problem(get("acme").await.unwrap()).await["code"], "rate_limited");
    assert_eq!(get("other").await.unwrap().status(), 200);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart() {
    let builder = server().set("RATE_LIMIT_PER_ADDRESS", "1").set("TRUSTED_PROXIES", "127.0.0.0/8");
    let server = builder.start().unwrap();
    let get = |client: &str| server.get("/").header("x-forwarded-for", client).send();
    assert_eq!(get("192.0.2.1").await.unwrap().status(), 200);
    assert_eq!(get("192.0.2.2").await.unwrap().status(), 200);
    assert_eq!(get("198.51.100.9, 192.0.2.1").await.unwrap().status(), 429);
}
