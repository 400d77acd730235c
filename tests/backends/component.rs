//! Plugins' own components: published, installed and called as any other backend, and of no harm where they are of bad will.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::{act, lines};
use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, USER, Who, manifest, on_both_backends, with};

on_both_backends!(
    the_example_in_rust_answers,
    a_component_answers_below_the_proxy_and_to_actions,
    a_component_calls_where_it_was_consented_to,
    a_component_of_bad_will_harms_nobody,
    only_components_that_answer_are_published,
);

/// Answers by the first letter of the path.
static COMPONENT: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(include_str!("../../crates/sandbox/tests/components/http.wat")).unwrap());

/// A plugin whose backend these bytes are.
fn component(id: &str, bytes: &[u8], fields: &Value) -> Value {
    let files = json!({"backend.wasm": {"content": STANDARD.encode(bytes), "encoding": "base64"}});
    let backend = json!({"files": files, "backend": {"component": "backend.wasm"}});
    with(with(manifest(id, "1.0.0"), &backend), fields)
}

async fn install(deployment: &Deployment, id: &str, fields: &Value) {
    deployment.post(PLATFORM, "/plugins", &component(id, &COMPONENT, fields)).await.expect(201);
    deployment.install(ADMIN, id).await;
}

async fn get(deployment: &Deployment, (tenant, role): Who, path: &str) -> Answer {
    let request = deployment.request_as(tenant, role, Method::GET, &format!("/api/plugin-proxy/{path}"));
    // What a caller may not say for itself.
    Answer::of(request.header("x-jackfield-role", "admin").header("x-jackfield-user", "eve")).await
}

async fn a_component_answers_below_the_proxy_and_to_actions(backend: Backend) {
    let deployment = Deployment::start(backend);
    install(&deployment, "shop", &json!({})).await;
    let answer = get(&deployment, USER, "shop").await;
    assert_eq!((answer.status, &*answer.text), (200, "hello"));
    let answer = get(&deployment, USER, "shop/q/a%20b?c=1&session_token=x&d").await;
    assert_eq!((answer.status, &*answer.text), (200, "/q/a%20b?c=1&d"));
    let answer = get(&deployment, USER, "shop/h/x-jackfield-role").await;
    assert_eq!(answer.text, "user", "no caller says who it is");
    assert_ne!(get(&deployment, USER, "shop/h/x-jackfield-user").await.text, "eve");
    assert_eq!(get(&deployment, USER, "shop/h/x-jackfield-tenant").await.text, "acme");
    assert_eq!(get(&deployment, USER, "shop/h/authorization").await.text, "", "its credential stays here");
    let (tenant, role) = USER;
    let sent = deployment
        .request_as(tenant, role, Method::POST, "/api/plugin-proxy/shop/p")
        .body("x".repeat(10_000));
    let answer = Answer::of(sent).await;
    assert_eq!((answer.status, answer.text.len()), (200, 10_000));
    assert_eq!(answer.headers["cache-control"], "no-store");

    let done = act(&deployment, USER, "shop", "greet", json!({"name": "Ann"})).await.expect(200);
    assert_eq!(done, json!({"success": true, "action": "greet", "data": "hello"}));
    assert_eq!(get(&deployment, USER, "shop/e").await.text, "hello");
    let lines = lines(&deployment, "shop", 2).await;
    let told: Vec<&str> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    assert!(told.contains(&"a line") && told.contains(&"and a rest"), "{told:?}");
    deployment.put(ADMIN, "/plugins/shop/status", &json!({"enabled": false})).await.expect(200);
    get(&deployment, USER, "shop").await.problem("plugin_disabled");
}

async fn the_example_in_rust_answers(backend: Backend) {
    let deployment = Deployment::start(backend);
    let manifest: Value =
        serde_json::from_str(include_str!("../../examples/plugins/iban-check/plugin.json")).unwrap();
    let bytes = include_bytes!("../../examples/plugins/iban-check/backend.wasm");
    let files = json!({"files": {"backend.wasm": {"content": STANDARD.encode(bytes), "encoding": "base64"}}});
    deployment.post(PLATFORM, "/plugins", &with(manifest, &files)).await.expect(201);
    deployment.install(ADMIN, "iban-check").await;
    for (iban, is_valid) in [
        ("DE89370400440532013000", true),
        ("gb82%20WEST%201234%205698%207654%2032", true),
        ("DE89370400440532013001", false),
    ] {
        let told = get(&deployment, USER, &format!("iban-check/ibans/{iban}?x")).await;
        assert_eq!(told.headers["content-type"], "application/json");
        assert_eq!(told.expect(200)["valid"], is_valid, "{iban}");
    }
    get(&deployment, USER, "iban-check/ibans/short").await.expect(404);
    let done = act(&deployment, USER, "iban-check", "ibans", json!({})).await.expect(200);
    assert_eq!(done["success"], false, "it has no actions: {done:#}");
    assert_eq!(lines(&deployment, "iban-check", 5).await[0]["message"], "200 for tenant acme");
}

async fn a_component_calls_where_it_was_consented_to(backend: Backend) {
    let (host, seen) = super::outbound::vendor().await;
    let deployment = Deployment::start_with(backend, |builder| builder.set("OUTBOUND_ALLOW", "127.0.0.1"));
    let fields = json!({
        "hosts": [{"host": host, "headers": {"Authorization": "Bearer ${key}"}}],
        "configSchema": {
            "type": "object", "properties": {"key": {"type": "string"}}, "sensitiveFields": ["key"],
        },
    });
    install(&deployment, "shop", &fields).await;
    deployment.put(ADMIN, "/plugins/shop/config", &json!({"key": "sk_live_1234567"})).await.expect(200);
    let answer = get(&deployment, USER, &format!("shop/t/{host}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let asked = seen.lock().unwrap().join("\n");
    assert!(
        asked.starts_with("GET /\n") && asked.contains("authorization: Bearer sk_live_1234567"),
        "{asked}"
    );
    // 400 and the number of `HTTP-request-denied`.
    for elsewhere in ["s/vendor.example", "t/127.0.0.1:1", "s/169.254.169.254"] {
        assert_eq!(get(&deployment, USER, &format!("shop/{elsewhere}")).await.status, 415, "{elsewhere}");
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    let lines = lines(&deployment, "shop", 3).await;
    let told = serde_json::to_string(&lines).unwrap();
    assert!(told.contains("add \\\"vendor.example\\\" to hosts in the manifest"), "{told}");
}

async fn a_component_of_bad_will_harms_nobody(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| {
        builder.set("PLUGIN_DEADLINE", "3").set("PLUGIN_CPU_DEADLINE", "0.2").set("PLUGIN_MEMORY", "16MiB")
    });
    install(&deployment, "bad", &json!({})).await;
    install(&deployment, "good", &json!({})).await;
    for (path, code, told) in [
        // On a busy machine its time may be over before its computing is.
        ("bad/l", "plugin_timeout", "the plugin"),
        ("bad/w", "plugin_timeout", "did not answer within"),
        ("bad/m", "plugin_failed", "memory"),
        ("bad/u", "plugin_failed", "unreachable"),
        ("bad/b", "plugin_failed", "larger than"),
        ("bad/n", "plugin_failed", "response-outparam"),
    ] {
        let answer = get(&deployment, USER, path).await;
        let problem = answer.problem(code);
        assert!(problem["detail"].as_str().unwrap().contains(told), "{path}: {problem:#}");
        assert_eq!(get(&deployment, USER, "good").await.text, "hello", "{path}");
    }
    let lines = lines(&deployment, "bad", 6).await;
    assert!(lines.iter().all(|line| line["level"] == "error"), "{lines:?}");
}

async fn only_components_that_answer_are_published(backend: Backend) {
    let deployment = Deployment::start(backend);
    let module = wat::parse_str("(module)").unwrap();
    let other =
        wat::parse_str("(component (instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i)))").unwrap();
    for (bytes, told) in [
        (&b"export default {}"[..], "no WebAssembly component"),
        (&module, "core WebAssembly module"),
        (&other, "must export wasi:http/incoming-handler@0.2"),
        (&COMPONENT[..COMPONENT.len() - 10], "damaged"),
    ] {
        let answer = deployment.post(PLATFORM, "/plugins", &component("shop", bytes, &json!({}))).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text);
        assert!(answer.text.contains(told) && answer.text.contains("/backend/component"), "{}", answer.text);
    }
    deployment.post(PLATFORM, "/plugins", &component("shop", &COMPONENT, &json!({}))).await.expect(201);
}
