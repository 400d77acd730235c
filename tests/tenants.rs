//! Who may call: the wall between tenants, `--dev`, sessions in cookies, pages of other origins.

use model::Role;
use reqwest::Method;
use serde_json::json;
use testkit::TokenBuilder;

use crate::{problem, server};

#[tokio::test]
async fn a_credential_holds_in_its_own_tenant_only() {
    let server = server().start().unwrap();
    let own = server.request_as("acme", Role::Admin, Method::GET, "/api-keys");
    assert_eq!(own.send().await.unwrap().status(), 200);
    let other =
        server.request_as("acme", Role::Owner, Method::GET, "/api-keys").header("x-tenant-id", "other");
    assert_eq!(problem(other.send().await.unwrap()).await["code"], "tenant_mismatch");
    let everywhere = server.request_as("other", Role::PlatformAdmin, Method::GET, "/api-keys");
    assert_eq!(everywhere.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn roles_below_are_told_which_one_is_needed() {
    let server = server().start().unwrap();
    let user = server.request_as("acme", Role::User, Method::GET, "/api-keys").send().await.unwrap();
    let body = problem(user).await;
    assert_eq!(body["code"], "insufficient_role");
    assert!(body["detail"].as_str().unwrap().contains("admin"), "{body}");
    let nobody = server.get("/api-keys").header("x-tenant-id", "acme").send().await.unwrap();
    assert_eq!(nobody.headers()["www-authenticate"], "Bearer");
    assert_eq!(problem(nobody).await["code"], "authentication_required");
}

#[tokio::test]
async fn forged_and_stale_tokens_are_refused() {
    let server = server().start().unwrap();
    let sound = TokenBuilder::new().claim("tenantId", "acme").claim("role", "admin");
    for (why, token) in [
        ("another secret", sound.clone().secret("another secret, of 32 bytes or longer").sign()),
        ("expired", sound.clone().claim("exp", 1_000_000_000).sign()),
        ("no subject", sound.clone().claim("sub", serde_json::Value::Null).sign()),
        ("alg none", format!("eyJhbGciOiJub25lIn0.{}.", sound.sign().split('.').nth(1).unwrap())),
    ] {
        let response = server.get("/api-keys").bearer_auth(&token).send().await.unwrap();
        let body = problem(response).await;
        assert_eq!(body["code"], "invalid_credential", "{why}");
        assert!(!body.to_string().contains(&token), "{why}");
    }
    assert_eq!(server.get("/api-keys").bearer_auth(sound.sign()).send().await.unwrap().status(), 200);
}

#[test]
fn development_listens_on_loopback_only() {
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let output = server().command(&["serve", "--dev", "--host", host]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{host}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("loopback"), "{host}");
    }
}

#[tokio::test]
async fn development_needs_no_credential_but_keeps_other_sites_out() {
    let server = server().arg("--dev").start().unwrap();
    let bare = server.get("/api-keys").send().await.unwrap();
    assert_eq!(bare.status(), 200);
    let page = server.get("/api-keys").header("origin", "http://localhost:3000").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["access-control-allow-origin"], "http://localhost:3000");
    // A page whose name was rebound to 127.0.0.1 sends its own name.
    for (name, value) in [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")] {
        let response = server.get("/api-keys").header(name, value).send().await.unwrap();
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{value}");
        assert_eq!(problem(response).await["code"], "origin_not_allowed", "{value}");
    }
}

#[tokio::test]
async fn without_development_a_stranger_is_a_stranger() {
    let server = server().start().unwrap();
    let response = server.get("/api-keys").header("x-tenant-id", "default").send().await.unwrap();
    assert_eq!(problem(response).await["code"], "authentication_required");
}

#[tokio::test]
async fn preflights_are_answered_for_listed_origins() {
    let server = server().set("CORS_ORIGINS", r#"["https://shop.example"]"#).start().unwrap();
    for (origin, allowed) in [("https://shop.example", true), ("https://evil.example", false)] {
        let response = server
            .request(Method::OPTIONS, "/api-keys")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-tenant-id")
            .send()
            .await
            .unwrap();
        let headers = response.headers();
        assert_eq!(
            headers.get("access-control-allow-origin").is_some_and(|own| own == origin),
            allowed,
            "{origin}"
        );
        assert_eq!(headers.contains_key("access-control-allow-credentials"), allowed, "{origin}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_the_rules_is_pointed_at() {
    let server = server().start().unwrap();
    let post = || server.request_as("acme", Role::Admin, Method::POST, "/api-keys");
    let body = problem(post().json(&json!({"name": "x", "role": "king"})).send().await.unwrap()).await;
    assert_eq!(
        (body["code"].as_str(), body["errors"][0]["pointer"].as_str()),
        (Some("validation_failed"), Some("/role"))
    );
    let body =
        problem(post().body("{").header("content-type", "application/json").send().await.unwrap()).await;
    assert_eq!(body["code"], "invalid_request");
    let body =
        problem(post().body("name=x").header("content-type", "text/plain").send().await.unwrap()).await;
    assert_eq!(body["code"], "unsupported_media_type");
}

#[tokio::test]
async fn a_strangers_cookie_does_not_close_what_is_open_to_all() {
    let cookie = ("cookie", "next-auth.session-token=of.another.application.altogether");
    let production = server().start().unwrap();
    let open = production.get("/plugins/available").header(cookie.0, cookie.1).send().await.unwrap();
    assert_eq!(open.status(), 200);
    let closed = production.get("/plugins/installed").header(cookie.0, cookie.1).send().await.unwrap();
    assert_eq!(problem(closed).await["code"], "invalid_credential");
    let development = server().arg("--dev").start().unwrap();
    let open = development.get("/plugins/installed").header(cookie.0, cookie.1).send().await.unwrap();
    assert_eq!(open.status(), 200);
}
