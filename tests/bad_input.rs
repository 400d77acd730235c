//! What must be refused: hostile archives, oversized and misshapen bodies. Afterwards there is nothing of it.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use testkit::{Archive, Backend, Entry};

use crate::deployment::{
    ADMIN, Answer, Deployment, PLATFORM, manifest, on_both_backends, plugin, source, with,
};

on_both_backends!(
    refused_plugins_leave_nothing,
    hostile_archives_are_refused,
    misshapen_bodies_are_refused,
    wrong_schemas_are_located,
);

/// Nothing was stored: no plugin, no event, no blob, not even one that is to be swept.
async fn assert_untouched(deployment: &Deployment) {
    for table in [
        "SELECT id FROM plugin",
        "SELECT version FROM plugin_version",
        "SELECT filename FROM bundle_file",
        "SELECT kind FROM event",
        "SELECT key FROM staged_blob",
        "SELECT tenant FROM installation",
    ] {
        assert_eq!(deployment.column(table).await, [""; 0], "{table}");
    }
    assert!(deployment.blob_keys().is_empty(), "{:?}", deployment.blob_keys());
    assert_eq!(deployment.get("/health/ready").await.status, 200);
}

async fn refused_plugins_leave_nothing(backend: Backend) {
    let deployment = Deployment::start(backend);
    // What is said of each is tested elsewhere; here it is sent as JSON and as an archive.
    for case in testkit::bad_plugins() {
        let answer = deployment.post(ADMIN, "/plugins", &case.body()).await;
        assert_eq!(answer.problem(case.code.as_str())["status"], answer.status, "{}", case.name);
        let folder = case.folder();
        let files: Vec<(&str, &str)> =
            folder.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let archive = Archive::of(&files).tgz().unwrap();
        let answer = deployment.upload(ADMIN, "/plugins/upload", archive, &[]).await;
        assert_eq!(answer.status / 100, 4, "{}: {}", case.name, answer.text);
    }
    assert_untouched(&deployment).await;
}

async fn hostile_archives_are_refused(backend: Backend) {
    let deployment = Deployment::start(backend);
    let (manifest, source) = (manifest("card", "1.0.0").to_string(), source("good"));
    let good = || Archive::of(&[("plugin.json", &manifest), ("src/index.tsx", &source)]);
    let zeroes = vec![b' '; 40 * 1024 * 1024];
    let mut archives = vec![
        ("a bomb", good().with("src/bomb.ts", Entry::File(&zeroes))),
        ("a link out", good().with("src/link.ts", Entry::Link("/etc/passwd"))),
        ("a link within", good().with("src/link.ts", Entry::Link("index.tsx"))),
        ("nothing in it", Archive::default()),
    ];
    for name in
        ["../evil.ts", "src/../../evil.ts", "/etc/evil.ts", "src\\..\\..\\evil.ts", "C:/evil.ts", "src/\0.ts"]
    {
        archives.push((name, good().with(name, Entry::File(b"export {}"))));
    }
    for (what, archive) in &archives {
        for (kind, file) in [("zip", archive.zip()), ("tgz", archive.tgz())] {
            let Ok(file) = file else { continue };
            let refused = deployment.upload(ADMIN, "/plugins/upload", file, &[]).await;
            let body =
                refused.problem(if refused.status == 400 { "invalid_request" } else { "validation_failed" });
            assert!((400..500).contains(&refused.status), "{what} as {kind}: {body}");
        }
    }
    let whole = good().zip().unwrap();
    for length in [4, 30, whole.len() / 2, whole.len() - 1] {
        let cut = deployment.upload(ADMIN, "/plugins/upload", &whole[..length], &[]).await;
        assert_eq!(cut.status / 100, 4, "cut to {length}: {}", cut.text);
    }
    assert_untouched(&deployment).await;
    deployment.upload(ADMIN, "/plugins/upload", whole, &[]).await.expect(201);
}

async fn misshapen_bodies_are_refused(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.set("MAX_UPLOAD_SIZE", "1MiB"));
    let large = with(plugin("card", "1.0.0"), &json!({"description": "x".repeat(1_100_000)}));
    let refused = deployment.post(ADMIN, "/plugins", &large).await;
    assert_eq!(refused.status, 413);
    refused.problem("payload_too_large");
    let form = [("id", "card"), ("name", "Card"), ("version", "1.0.0"), ("category", "payment")];
    for path in ["/plugins/upload", "/plugins/storage/upload"] {
        let refused = deployment.upload(ADMIN, path, vec![b' '; 1_100_000], &form).await;
        refused.problem("payload_too_large");
    }
    let (tenant, role) = ADMIN;
    let post = |path: &str| deployment.request_as(tenant, role, Method::POST, path);
    let json =
        |path: &str, text: &'static str| post(path).header("content-type", "application/json").body(text);
    for (request, code) in [
        (json("/plugins", "{"), "invalid_request"),
        (json("/plugins", ""), "invalid_request"),
        (json("/plugins", "[]"), "validation_failed"),
        (json("/plugins", "null"), "validation_failed"),
        (json("/plugins/install", r#"{"pluginId": 5}"#), "validation_failed"),
        (json("/plugins/install", "{}"), "validation_failed"),
        (post("/plugins").body("x"), "unsupported_media_type"),
        (post("/plugins/upload").json(&json!({})), "unsupported_media_type"),
        (post("/plugins/upload").multipart(Form::new().text("id", "card")), "validation_failed"),
        (
            post("/plugins/upload").header("content-type", "multipart/form-data; boundary=x").body("--y"),
            "invalid_request",
        ),
        (
            post("/plugins/storage/upload").multipart(Form::new().part("file", Part::text("x"))),
            "validation_failed",
        ),
    ] {
        let described = format!("{request:?}");
        let answer = Answer::of(request).await;
        assert_eq!(answer.problem(code)["code"], code, "{described}");
    }
    // Arrays in arrays: a parser without a bound would overflow its stack.
    let deep = format!("{{\"configSchema\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let request = post("/plugins").header("content-type", "application/json").body(deep);
    Answer::of(request).await.problem("invalid_request");
    for header in ["a b", "../other", "é", ""] {
        let request =
            deployment.request(Method::GET, "/plugins/installed").bearer_auth(testkit::token("acme", role));
        let answer = Answer::of(request.header("x-tenant-id", header.as_bytes())).await;
        answer.problem("invalid_request");
    }
    assert_untouched(&deployment).await;
}

async fn wrong_schemas_are_located(backend: Backend) {
    let deployment = Deployment::start(backend);
    for (schema, pointer) in [
        (json!({"type": "objekt"}), "/configSchema/type"),
        (json!({"properties": {"a": {"type": "strin"}}}), "/configSchema/properties/a/type"),
        (json!({"properties": {"a": {"pattern": "("}}}), "/configSchema/properties/a/pattern"),
        (json!({"properties": {"a": {}}, "sensitiveFields": ["b"]}), "/configSchema/sensitiveFields"),
        (json!({"$ref": "https://example.com/schema.json"}), ""),
        (json!({"$ref": "file:///etc/passwd"}), ""),
        (json!("object"), "/configSchema"),
    ] {
        let body = with(plugin("card", "1.0.0"), &json!({"configSchema": schema}));
        let refused = deployment.post(PLATFORM, "/plugins", &body).await;
        let found = refused.pointers("validation_failed");
        assert!(
            found.iter().any(|found| found.starts_with("/configSchema") && found.ends_with(pointer)),
            "{pointer}: {}",
            refused.text
        );
        assert!(!refused.text.contains("root:"), "{}", refused.text);
    }
    assert_untouched(&deployment).await;
    let forwards: Value =
        json!({"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"x": {"$ref": "#/$defs/a"}}});
    let body = with(plugin("loop", "1.0.0"), &json!({"configSchema": forwards}));
    let looped = deployment.post(PLATFORM, "/plugins", &body).await;
    // A schema that refers to itself for ever is either refused or harmless, never the end of the server.
    if looped.status == 201 {
        deployment.install(ADMIN, "loop").await;
        let answer = deployment.put(ADMIN, "/plugins/loop/config", &json!({"x": 1})).await;
        assert!(answer.status < 500, "{}", answer.text);
    }
    assert_eq!(deployment.get("/health").await.status, 200);
}
