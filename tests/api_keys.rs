//! API keys, over HTTP and at the command line.

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestServer;

use crate::{problem, server};

async fn create(server: &TestServer, tenant: &str, role: Role, body: Value) -> reqwest::Response {
    server.request_as(tenant, role, Method::POST, "/api-keys").json(&body).send().await.unwrap()
}

#[tokio::test]
async fn a_key_opens_its_tenant_until_it_is_revoked() {
    let server = server().start().unwrap();
    let response = create(&server, "acme", Role::Admin, json!({"name": "deploy", "role": "admin"})).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let created: Value = response.json().await.unwrap();
    let secret = created["secret"].as_str().unwrap();
    assert!(secret.starts_with("jf_"), "{created}");

    let listed = server.get("/api-keys").bearer_auth(secret).send().await.unwrap();
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(listed[0]["id"], created["id"]);
    assert_eq!(listed[0]["tenantId"], "acme");
    assert!(!listed.to_string().contains(secret), "{listed}");

    let path = format!("/api-keys/{}", created["id"].as_str().unwrap());
    let elsewhere = server.request_as("other", Role::Owner, Method::DELETE, &path).send().await.unwrap();
    assert_eq!(problem(elsewhere).await["code"], "not_found");
    let revoked = server.request_as("acme", Role::Admin, Method::DELETE, &path).send().await.unwrap();
    assert_eq!(revoked.status(), 200);
    let refused = server.get("/api-keys").bearer_auth(secret).send().await.unwrap();
    assert_eq!(problem(refused).await["code"], "invalid_credential");
    assert!(!server.log().contains(secret));
}

#[tokio::test]
async fn nobody_makes_a_key_above_their_own_role() {
    let server = server().start().unwrap();
    for body in [
        json!({"name": "x", "role": "owner"}),
        json!({"name": "x", "role": "platform_admin", "platform": true}),
        json!({"name": "x", "platform": true}),
    ] {
        let response = create(&server, "acme", Role::Admin, body.clone()).await;
        assert_eq!(problem(response).await["code"], "insufficient_role", "{body}");
    }
    let response = create(&server, "acme", Role::PlatformAdmin, json!({"name": "x", "platform": true})).await;
    assert_eq!(response.status(), 201);
    let created: Value = response.json().await.unwrap();
    assert_eq!(created["platform"], true);
}

#[tokio::test]
async fn a_key_made_at_the_command_line_opens_the_running_server() {
    let builder = server();
    let run = |arguments: &[&str]| {
        let output = builder.command(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let secret = run(&["keys", "create", "--name", "deploy", "--tenant", "acme", "--role", "admin"]);
    let secret = secret.trim();
    let listed: Value = serde_json::from_str(&run(&["keys", "list", "--tenant", "acme", "--json"])).unwrap();
    assert_eq!(listed[0]["name"], "deploy");
    run(&["keys", "list", "--platform"]);

    let folder = builder.folder().to_owned();
    let server = builder.start().unwrap();
    assert_eq!(server.get("/api-keys").bearer_auth(secret).send().await.unwrap().status(), 200);
    // The server goes on while another process writes to its database.
    let revoked = std::process::Command::new(env!("CARGO_BIN_EXE_jackfield"))
        .args(["keys", "revoke", "--json", listed[0]["id"].as_str().unwrap()])
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    let refused = server.get("/api-keys").bearer_auth(secret).send().await.unwrap();
    assert_eq!(problem(refused).await["code"], "invalid_credential");
}

#[test]
fn a_wrong_key_is_explained_and_fails() {
    let output = server()
        .command(&["keys", "create", "--name", "", "--tenant", "acme", "--role", "platform_admin"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("name") && text.contains("role"), "{text}");
}
