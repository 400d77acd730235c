//! What one author, tenant or stranger can do to the others.

use model::Role;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use testkit::TestServer;

use crate::{problem, server};

async fn send(server: &TestServer, method: Method, path: &str, body: Value) -> Response {
    server.request_as("acme", Role::Admin, method, path).json(&body).send().await.unwrap()
}

/// Publishes `card` at `version` with `schema` into acme's own catalog.
async fn publish(server: &TestServer, version: &str, schema: Value) -> Response {
    let body = json!({
        "id": "card", "name": "Card", "version": version, "category": "payment", "configSchema": schema,
        "sourceCode": "export default {name: 'Card', version: '1', extensionPoints: {pay: () => null}}",
    });
    send(server, Method::POST, "/plugins", body).await
}

#[tokio::test]
async fn a_schema_that_would_never_be_done_is_refused() {
    let server = server().start().unwrap();
    let mut definitions = json!({"a60": {"type": "object"}});
    for level in 0..60 {
        let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
        definitions[format!("a{level}")] = json!({"allOf": [next, next]});
    }
    let refused = publish(&server, "1.0.0", json!({"$ref": "#/$defs/a0", "$defs": definitions})).await;
    assert_eq!(problem(refused).await["code"], "validation_failed");
}

#[tokio::test]
async fn what_a_new_version_calls_a_secret_is_told_to_nobody() {
    let server = server().start().unwrap();
    let property = json!({"type": "string"});
    assert_eq!(publish(&server, "1.0.0", json!({"properties": {"key": property}})).await.status(), 201);
    let install = send(&server, Method::POST, "/plugins/install", json!({"pluginId": "card"})).await;
    assert_eq!(install.status(), 201);
    let configured = send(&server, Method::PUT, "/plugins/card/config", json!({"key": "sk_live_1"})).await;
    assert_eq!(configured.status(), 200);

    let secret = json!({"properties": {"key": property}, "sensitiveFields": ["key"]});
    assert_eq!(publish(&server, "1.1.0", secret).await.status(), 201);
    let upgraded = send(&server, Method::POST, "/plugins/upgrade", json!({"pluginId": "card"})).await;
    let upgraded: Value = upgraded.json().await.unwrap();
    assert_eq!(upgraded["configuration"], json!({"key": "********"}), "{upgraded}");
    let path = "/plugins/public/organizations/enabled?organizationId=acme";
    let told: Value = server.get(path).send().await.unwrap().json().await.unwrap();
    assert_eq!(told[0]["configuration"], json!({}), "{told}");

    // Sent back as it was shown, it stays what it was.
    let kept = send(&server, Method::PUT, "/plugins/card/config", json!({"key": "********"})).await;
    assert_eq!(kept.json::<Value>().await.unwrap()["configuration"], json!({"key": "********"}));
}

#[tokio::test]
async fn guessing_at_bundles_is_counted_and_loading_them_is_not() {
    let server = server().set("RATE_LIMIT_PER_ADDRESS", "4").start().unwrap();
    let published: Value = publish(&server, "1.0.0", json!({})).await.json().await.unwrap();
    let address = published["bundleUrl"].as_str().unwrap().strip_prefix(server.base()).unwrap();
    assert_eq!(server.get(address).send().await.unwrap().status(), 200);
    let mut statuses = Vec::new();
    for guess in 0..4 {
        let path = format!("/plugins/bundles/card/v1.0.0/index-{guess}.js");
        statuses.push(server.get(&path).send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [404, 404, 429, 429]);
    for _ in 0..8 {
        assert_eq!(server.get(address).send().await.unwrap().status(), 200);
    }
    let head = server.request(Method::HEAD, address).header("range", "bytes=0-3").send().await.unwrap();
    assert_eq!(head.status(), 200, "a range is for GET alone");
}

#[tokio::test]
async fn answers_for_a_tenant_are_kept_by_no_cache() {
    let server = server().start().unwrap();
    for path in ["/plugins/installed", "/plugins/available", "/plugins/by-extension-point?point=pay"] {
        let answer = server.request_as("acme", Role::User, Method::GET, path).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn capitals_do_not_matter_beyond_ascii_either() {
    let server = server().start().unwrap();
    let body = json!({
        "id": "plan", "name": "ÄRZTE-Plan", "version": "1.0.0", "category": "health",
        "sourceCode": "export default {name: 'Plan', extensionPoints: {}}",
    });
    let publish = server.request_as("acme", Role::PlatformAdmin, Method::POST, "/plugins").json(&body);
    assert_eq!(publish.send().await.unwrap().status(), 201);
    for text in ["ärzte", "ÄRZTE", "Ärzte-plan"] {
        let request = server.get("/marketplace").query(&[("search", text)]);
        let found: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(found[0]["id"], "plan", "{text}");
    }
    let nul = server.get("/marketplace?search=%00").send().await.unwrap();
    assert_eq!(problem(nul).await["code"], "invalid_request");
}

#[tokio::test]
async fn a_tenant_cannot_fill_the_catalog_without_end() {
    let server = server().start().unwrap();
    let publish = |number: usize| {
        let body = json!({
            "id": format!("p{number}"), "name": "P", "version": "1.0.0", "category": "c",
            "remoteEntry": "http://10.0.0.1/remote.js", "scope": "p",
        });
        send(&server, Method::POST, "/plugins", body)
    };
    for number in 0..500 {
        assert_eq!(publish(number).await.status(), 201, "{number}");
    }
    let refused = problem(publish(500).await).await;
    assert_eq!(refused["code"], "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("500"), "{refused}");
    let other = server.request_as("other", Role::Admin, Method::POST, "/plugins");
    let body = json!({
        "id": "p0", "name": "P", "version": "1.0.0", "category": "c",
        "remoteEntry": "http://10.0.0.1/remote.js", "scope": "p",
    });
    assert_eq!(other.json(&body).send().await.unwrap().status(), 201, "another tenant has room of its own");
}
