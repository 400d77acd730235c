//! Two servers on one PostgreSQL and one S3: what one does, the other knows.

use serde_json::json;
use testkit::{Backend, TestServer};

use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, POSTGRES, each};
use crate::server;

/// 32 bytes in base64: replicas seal with one key.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Two servers that start at the same moment on storage that nobody has used.
fn replicas() -> (Deployment, TestServer) {
    let backend = Backend::servers(&POSTGRES).unwrap();
    let builder = || {
        backend
            .configure(server())
            .set("ENCRYPTION_KEY", KEY)
            .set("PLUGIN_SERVER_URL", "http://plugins.example")
    };
    let (first, second) = (builder(), builder());
    let second = std::thread::spawn(move || second.start());
    let first = first.start().unwrap();
    (Deployment { server: first, backend }, second.join().unwrap().unwrap())
}

#[tokio::test]
async fn both_come_up_on_one_fresh_database() {
    for _ in 0..3 {
        let (first, second) = replicas();
        for server in [&first.server, &second] {
            assert_eq!(server.get("/health/ready").send().await.unwrap().status(), 200);
        }
        let applied = first.column("SELECT CAST(version AS TEXT) FROM _sqlx_migrations WHERE success").await;
        let migrations = crate::deployment::MIGRATIONS.concat().len();
        assert_eq!(applied.len(), migrations, "each step ran once: {applied:?}");
        assert_eq!(first.column("SELECT CAST(singleton AS TEXT) FROM master_key").await, ["1"]);
    }
}

#[tokio::test]
async fn what_one_does_the_other_knows_at_once() {
    let (first, second) = replicas();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        let published = first.publish(PLATFORM, "card", version).await;
        let found = Answer::of(second.get("/plugins/card")).await.expect(200);
        assert_eq!(
            (&found["version"], &found["bundleUrl"]),
            (&published["version"], &published["bundleUrl"])
        );
        let path =
            found["bundleUrl"].as_str().unwrap().strip_prefix("http://plugins.example").unwrap().to_owned();
        let bundle = Answer::of(second.get(&path)).await;
        assert!(bundle.text.contains(&format!("card {version}")), "{version}");
        let current = Answer::of(second.get("/plugins/card/bundle")).await;
        assert_eq!(current.headers["location"], published["bundleUrl"].as_str().unwrap(), "{version}");
    }
    let enabled = "/plugins/public/organizations/enabled?organizationId=acme";
    first.install(ADMIN, "card").await;
    assert_eq!(each(&Answer::of(second.get(enabled)).await.expect(200), "id"), ["card"]);
    let (tenant, role) = ADMIN;
    let put = |path: &str| second.request_as(tenant, role, reqwest::Method::PUT, path);
    Answer::of(put("/plugins/card/status").json(&json!({"enabled": false}))).await.expect(200);
    assert_eq!(first.get(enabled).await.expect(200), json!([]));
    Answer::of(put("/plugins/card/config").json(&json!({"currency": "EUR"}))).await.expect(200);
    assert_eq!(first.get_as(ADMIN, "/plugins/card/config").await.expect(200)["currency"], "EUR");
    first.delete(PLATFORM, "/marketplace/card").await.expect(200);
    Answer::of(second.get("/plugins/card")).await.problem("not_found");
}

#[tokio::test]
async fn a_key_revoked_at_one_is_refused_by_the_other() {
    let (first, second) = replicas();
    let key = first.post(ADMIN, "/api-keys", &json!({"name": "deploy", "role": "admin"})).await.expect(201);
    let secret = key["secret"].as_str().unwrap();
    for server in [&first.server, &second] {
        // Twice: the second time it may come from memory.
        for _ in 0..2 {
            assert_eq!(
                server.get("/plugins/installed").bearer_auth(secret).send().await.unwrap().status(),
                200
            );
        }
    }
    first.delete(ADMIN, &format!("/api-keys/{}", key["id"].as_str().unwrap())).await.expect(200);
    for server in [&second, &first.server] {
        let refused = Answer::of(server.get("/plugins/installed").bearer_auth(secret)).await;
        refused.problem("invalid_credential");
    }
}

#[tokio::test]
async fn a_secret_sealed_at_one_opens_at_the_other() {
    let (first, second) = replicas();
    let schema = json!({"properties": {"secretKey": {"type": "string"}}, "sensitiveFields": ["secretKey"]});
    let body =
        crate::deployment::with(crate::deployment::plugin("card", "1.0.0"), &json!({"configSchema": schema}));
    first.post(PLATFORM, "/plugins", &body).await.expect(201);
    first.install(ADMIN, "card").await;
    first.put(ADMIN, "/plugins/card/config", &json!({"secretKey": "sk"})).await.expect(200);
    // Keeping the secret behind a mask takes opening it.
    let (tenant, role) = ADMIN;
    let put = second.request_as(tenant, role, reqwest::Method::PUT, "/plugins/card/config");
    let kept = Answer::of(put.json(&json!({"secretKey": "********", "more": 1}))).await.expect(200);
    assert_eq!(kept["configuration"], json!({"secretKey": "********", "more": 1}));
}

#[test]
fn a_replica_with_another_key_does_not_start() {
    let backend = Backend::servers(&POSTGRES).unwrap();
    let first = backend.configure(server()).set("ENCRYPTION_KEY", KEY).start().unwrap();
    let other = backend.configure(server()).set("PORT", "0");
    let output = other.command(&["serve"]).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("ENCRYPTION_KEY"), "{text}");
    drop(first);
}
