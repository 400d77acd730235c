//! Journeys through a running server: the program as it is shipped, spoken to over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod api_keys;
mod backends;
mod bad_input;
mod bad_plugins;
mod bundles;
mod connect;
mod connections;
mod connectors;
mod consistency;
mod crash;
mod deliveries;
mod deployment;
mod events;
mod handshake;
mod health;
mod isolation;
mod key_rotation;
mod lifecycle;
mod limits;
mod outages;
mod plugin_cli;
mod plugin_dev;
mod plugin_proxy;
mod plugin_publish;
mod plugins;
mod raw_proxy;
mod replicas;
mod revocations;
mod sessions;
mod shutdown;
mod snapshots;
mod store_sessions;
mod tenant_deletion;
mod tenants;

use serde_json::Value;
use testkit::{Builder, TestServer};

/// A server in the making. How often one may call is the matter of tests of its own, which set it: the others call as fast as
/// the machine lets them.
fn server() -> Builder {
    let builder = TestServer::builder(env!("CARGO_BIN_EXE_jackfield")).unwrap();
    builder.set("RATE_LIMIT_PER_ADDRESS", "0").set("RATE_LIMIT_PER_TENANT", "0")
}

/// The problem in an answer, after checking that it is one, whole and of the status it says.
async fn problem(response: reqwest::Response) -> Value {
    let status = response.status().as_u16();
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["request_id"], request_id.as_str(), "{body}");
    assert_eq!(body["type"], format!("/problems/{}", body["code"].as_str().unwrap()), "{body}");
    for field in ["title", "detail"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    body
}
