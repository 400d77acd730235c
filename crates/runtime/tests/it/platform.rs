//! The host product's API, with a token that says for whom.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use runtime::Settings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::bench::{Bench, plugin};
use crate::place::Place;

/// The credentials that a product has last been sent.
type Seen = Arc<Mutex<Option<String>>>;

/// A product that tells what it is asked, credentials included, and sends elsewhere on request.
async fn product() -> (String, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(move |request: Request| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 65_536).await.unwrap();
        let header = |name| parts.headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned());
        *noted.lock().unwrap() = header("authorization");
        if parts.uri.path() == "/v1/away" {
            return (StatusCode::FOUND, [(header::LOCATION, "http://127.0.0.1:1/")]).into_response();
        }
        axum::Json(json!({
            "method": parts.method.as_str(), "uri": parts.uri.to_string(), "body": String::from_utf8(body.to_vec()).unwrap(),
            "token": header("authorization"), "order": header("x-order"),
        }))
        .into_response()
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/v1/"), seen)
}

async fn bench() -> (Bench, String, Seen) {
    let (base, seen) = product().await;
    let settings = Settings { platform: Some(base.parse().unwrap()), ..Settings::default() };
    (Bench::with(Place::sqlite(), "", settings).await, base, seen)
}

#[tokio::test]
async fn the_product_learns_which_plugin_asks_and_for_whom() {
    let (bench, base, seen) = bench().await;
    let mut shop = plugin("acme", "shop");
    shop.grants.permissions.insert("orders:read".into());
    let call = bench.call_by(shop, Some("ann@acme.example"));
    let request = json!({
        "method": "POST", "path": "/orders?since=1", "headers": {"x-order": "7"}, "body": {"text": "hello"},
    });
    let answer = call.ask("platform.request", request).await.unwrap();
    assert_eq!(answer["status"], 200);
    let told: Value = serde_json::from_str(answer["body"]["text"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&told["method"], &told["uri"], &told["body"]),
        (&json!("POST"), &json!("/v1/orders?since=1"), &json!("hello"))
    );
    assert_eq!(told["order"], "7");
    assert_eq!(told["token"], "Bearer [secret]", "the plugin does not get what the product echoes of it");
    let seen = seen.lock().unwrap().take().unwrap();
    let token: Value = serde_json::from_str(seen.strip_prefix("Bearer ").unwrap()).unwrap();
    let origin = base.strip_suffix("/v1/").unwrap();
    assert_eq!(
        token,
        json!({
            "typ": "jackfield-platform+jwt", "lifetime": 60,
            "claims": {
                "aud": origin, "sub": "plugin:shop", "tenantId": "acme", "pluginId": "shop",
                "permissions": ["orders:read"],
                "user": {"id": "u1", "email": "ann@acme.example", "role": "user"},
            },
        })
    );
}

#[tokio::test]
async fn a_plugin_cannot_speak_for_another_or_leave_the_base() {
    let (bench, _, _) = bench().await;
    let ask = async |call: &crate::bench::Call, path: &str, headers: Value| {
        call.ask("platform.request", json!({"method": "GET", "path": path, "headers": headers})).await
    };
    let stranger = bench.call(plugin("acme", "shop"));
    let error = ask(&stranger, "/orders", json!({})).await.unwrap_err();
    assert!(error.contains("requiredPermissions"), "{error}");
    let mut shop = plugin("acme", "shop");
    shop.grants.permissions.insert("orders:read".into());
    let call = bench.call(shop.clone());
    for header in [
        "Authorization",
        "cookie",
        "X-Tenant-Id",
        "x-forwarded-for",
        "Forwarded",
        "x-jackfield-context",
        "host",
    ] {
        let error = ask(&call, "/orders", json!({header: "x"})).await.unwrap_err();
        assert!(error.contains("is not set by plugins"), "{error}");
    }
    for path in ["/../admin", "/%2e%2e/admin", "//evil.example/", "/a#b"] {
        assert!(ask(&call, path, json!({})).await.is_err(), "{path}");
    }
    // Its redirects are answers: the token goes nowhere else.
    let answer = ask(&call, "/away", json!({})).await.unwrap();
    assert_eq!(
        (&answer["status"], &answer["headers"]["location"]),
        (&json!(302), &json!("http://127.0.0.1:1/"))
    );
    let nowhere = Bench::new(Place::sqlite()).await;
    let error = ask(&nowhere.call(shop), "/orders", json!({})).await.unwrap_err();
    assert!(error.contains("PLATFORM_API_URL"), "{error}");
}
