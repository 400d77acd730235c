//! What cannot be done, and what is said about it.

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, OidcOptions, OidcProvider};

use super::contract::{Route, routes};
use super::{CONNECTORS, Mall, app};
use crate::deployment::{Answer, Deployment, on_both_backends};

on_both_backends!(
    without_a_connection_every_route_says_so,
    what_the_connector_cannot_is_said,
    bodies_are_taken_as_they_are_documented,
    a_tenant_that_is_no_store_is_told,
    without_an_address_every_route_says_what_is_missing,
    a_token_that_is_refused_for_good_asks_for_consent,
);

/// What of the connector and of the platform asks the customers service.
const ROUTES: [&str; 8] = [
    "/api/v1/unified/connectors/lexmodo/test",
    "/api/v1/unified/connectors/lexmodo/capabilities",
    "/api/v1/unified/connectors/lexmodo/items",
    "/api/v1/unified/connectors/lexmodo/items/7-000001",
    "/api/v1/unified/connectors/lexmodo/search?query=Ann",
    "/lexmodo/customers/7-000001",
    "/lexmodo/customers",
    "/lexmodo/customers/stream",
];

/// What the connector can, of the routes that all connectors have.
const ABLE: [&str; 5] = ["/test", "/capabilities", "/items", "/items/{id}", "/search"];

async fn send(mall: &Mall, route: &Route) -> Answer {
    let request = mall.request(7, route.method.clone(), &route.path);
    Answer::of(match &route.body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

async fn without_a_connection_every_route_says_so(backend: Backend) {
    let mall = Mall::start(backend).await;
    // That of another store is of no use.
    mall.connect(8).await;
    let listed = mall.get(7, CONNECTORS).await.expect(200);
    let providers = mall.get(7, "/api/v1/unified/auth/providers").await.expect(200);
    // That of notes is there for development alone.
    let is_there =
        |connector: &&Value| providers["providers"].get(connector["provider"].as_str().unwrap()).is_some();
    let connectors = listed["connectors"].as_array().unwrap().iter().filter(is_there);
    let names: Vec<&str> = connectors.map(|connector| connector["name"].as_str().unwrap()).collect();
    assert!(["gmail", "jira", "lexmodo", "slack"].iter().all(|name| names.contains(name)), "{names:?}");
    let routes = routes(&mall.deployment, &names).await;
    assert!(routes.len() > 24 * names.len(), "{}", routes.len());
    for route in &routes {
        let refused = send(&mall, route).await;
        assert_eq!(refused.status, 401, "{} {}: {}", route.method, route.path, refused.text);
        refused.problem("connection_required");
    }
    for path in ["/lexmodo/customers/7-000001", "/lexmodo/customers", "/lexmodo/customers/stream"] {
        mall.get(7, path).await.problem("connection_required");
    }
    assert_eq!(mall.calls().await, 0);
}

async fn what_the_connector_cannot_is_said(backend: Backend) {
    let mall = Mall::connected(backend).await;
    for route in routes(&mall.deployment, &["lexmodo"]).await {
        let Some(rest) = route.template.strip_prefix("/api/v1/unified/connectors/{connector}") else {
            continue;
        };
        if route.method == Method::GET && ABLE.contains(&rest) {
            continue;
        }
        let refused = send(&mall, &route).await;
        assert_eq!(refused.status, 422, "{} {}: {}", route.method, route.path, refused.text);
        refused.problem("unsupported");
    }
    for (path, named) in [
        ("lexmodo/items?ruleid=1", "did you mean rule_id?"),
        ("lexmodo/items?query=x", "there is no parameter query"),
        ("lexmodo/items?max_results=0", "max_results"),
        ("lexmodo/items?max_results=1001", "max_results"),
        ("lexmodo/items?rule_id=a&rule_id=b", "rule_id must be given once"),
        ("lexmodo/items?raw=perhaps", "raw"),
        ("lexmodo/search", "query"),
        ("lexmodo/search?query=%20", "query"),
        ("lexmodo/containers?rule_id=a", "there is no parameter rule_id"),
        ("lexmodo/channels/c/messages?thread=a&thread=b", "thread must be given once"),
        ("lexmodo/users?max_results=0", "max_results"),
    ] {
        let refused = mall.get(7, &format!("{CONNECTORS}/{path}")).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
        let detail = refused.problem("invalid_request")["detail"].to_string();
        assert!(detail.contains(named), "{path}: {detail}");
    }
    assert_eq!(mall.calls().await, 0);
    mall.get(7, &format!("{CONNECTORS}/lexmode/items")).await.problem("not_found");
    let wide = mall.get(7, "/lexmodo/customers?display_result=1001").await;
    assert_eq!(wide.pointers("validation_failed"), ["/display_result"]);
    // Naming another user is for admins, also where the connection is everybody's.
    let named = mall.get(7, &format!("{CONNECTORS}/lexmodo/items?user_email=bob@shop.example")).await;
    named.problem("insufficient_role");
}

async fn bodies_are_taken_as_they_are_documented(backend: Backend) {
    let mall = Mall::connected(backend).await;
    for (method, path, body, pointer) in [
        (Method::POST, "channels/c/messages", json!({"text": " "}), "/text"),
        (Method::POST, "channels/c/messages", json!({"text": "x", "tread": "y"}), "/tread"),
        (Method::POST, "items/i/comments", json!({"text": ""}), "/text"),
        (Method::POST, "items/i/comments", json!({"text": 7}), "/text"),
        (Method::POST, "projects/p/issues", json!({"title": ""}), "/title"),
        (Method::POST, "projects/p/issues", json!({"title": "x", "labels": ["a", 7]}), "/labels/1"),
        (Method::POST, "projects/p/issues", json!({"title": "x", "kind": "Bug"}), "/kind"),
        (Method::PUT, "issues/i", json!({}), ""),
        (Method::PUT, "issues/i", json!({"title": ""}), "/title"),
        (Method::PUT, "issues/i", json!({"assignee": 7}), "/assignee"),
    ] {
        let request = mall.request(7, method, &format!("{CONNECTORS}/lexmodo/{path}")).json(&body);
        let refused = Answer::of(request).await;
        assert_eq!(refused.pointers("validation_failed"), [pointer], "{path} {body}");
    }
    assert_eq!(mall.calls().await, 0);
}

async fn a_tenant_that_is_no_store_is_told(backend: Backend) {
    let mall = Mall::start(backend).await;
    for tenant in ["acme", "lexmodo:07"] {
        let ask = async |method: Method, path: &str| {
            Answer::of(mall.deployment.request_as(tenant, Role::Admin, method, path)).await
        };
        for path in ["/lexmodo/customers", "/lexmodo/customers/x", "/lexmodo/customers/stream"] {
            let refused = ask(Method::GET, path).await.problem("not_found");
            assert!(refused["detail"].as_str().unwrap().contains("no store"), "{refused:#}");
        }
        mall.connect_tenant(tenant).await;
        for path in ["lexmodo/items", "lexmodo/test"] {
            ask(Method::GET, &format!("{CONNECTORS}/{path}")).await.problem("not_found");
        }
    }
    assert_eq!(mall.calls().await, 0);
}

async fn without_an_address_every_route_says_what_is_missing(backend: Backend) {
    let provider = OidcProvider::start(OidcOptions::default()).unwrap();
    let deployment = Deployment::start_with(backend, |builder| app(builder, &provider));
    let store = ("lexmodo:7", Role::User);
    for path in ROUTES {
        let request = deployment.request_as(store.0, store.1, Method::GET, path);
        let refused = Answer::of(request).await;
        assert_eq!(refused.status, 503, "{path}: {}", refused.text);
        let detail = refused.problem("unavailable")["detail"].to_string();
        assert!(detail.contains("LEXMODO_GRPC_ADDRESS"), "{path}: {detail}");
    }
    let listed = deployment.get_as(store, CONNECTORS).await.expect(200);
    let lexmodo = listed["connectors"].as_array().unwrap().iter().find(|each| each["name"] == "lexmodo");
    assert_eq!(lexmodo.unwrap()["configured"], false);
}

async fn a_token_that_is_refused_for_good_asks_for_consent(backend: Backend) {
    let mall = Mall::start(backend).await;
    mall.connect(8).await;
    // The platform accepts neither this one nor the one that it is renewed to.
    mall.connect_tenant("lexmodo:7").await;
    let refused = mall.get(7, "/lexmodo/customers").await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    refused.problem("reauthorization_required");
    let test = mall.get(7, &format!("{CONNECTORS}/lexmodo/test")).await.expect(200);
    assert_eq!(test["result"]["reason"], "reauthorization_required", "{test:#}");
    mall.get(8, "/lexmodo/customers").await.expect(200);
}
