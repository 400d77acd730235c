//! Plugins with a backend: what is published of it, what is refused, and what nobody gets to see.

use serde_json::{Value, json};
use testkit::Backend;

use crate::deployment::{ADMIN, Deployment, PLATFORM, manifest, on_both_backends, plugin, source, with};

on_both_backends!(
    a_script_is_published_and_never_served,
    a_backend_alone_needs_no_page,
    wrong_backends_are_told_with_their_places,
    sources_of_backends_are_told_with_their_lines,
);

const SERVER: &str = "import { defineBackendPlugin } from '@jackfield/plugin-sdk/server';\n\
                      const internal = 'a-word-that-nobody-reads';\n\
                      export default defineBackendPlugin({ handlers: { pay: async () => ({ internal }) } });\n";

fn with_script(id: &str, version: &str) -> Value {
    let files = json!({"src/index.tsx": source("page"), "server/index.ts": SERVER});
    let routes = json!([{"method": "POST", "path": "/pay/:id", "handler": "pay"}]);
    let backend = json!({"entryPoint": "server/index.ts", "routes": routes});
    with(manifest(id, version), &json!({"files": files, "backend": backend}))
}

async fn a_script_is_published_and_never_served(backend: Backend) {
    let deployment = Deployment::start(backend);
    let published = deployment.post(PLATFORM, "/plugins", &with_script("card", "1.0.0")).await.expect(201);
    assert_eq!(published["backend"]["entryPoint"], "server/index.ts");
    let bundle = published["bundleUrl"].as_str().unwrap().strip_prefix(deployment.base()).unwrap();
    let bundle = deployment.get(bundle).await;
    assert!(bundle.text.contains("page") && !bundle.text.contains("nobody-reads"), "{}", bundle.text);
    let keys = deployment.blob_keys();
    let private: Vec<&String> = keys.iter().filter(|key| key.starts_with("backends/")).collect();
    assert_eq!(private.len(), 2, "{keys:?}");
    for key in private {
        for path in [
            format!("/plugins/bundles/{key}"),
            format!("/plugins/bundles/plugins/{key}"),
            format!("/plugins/bundles/{}", key.replace("backends/", "plugins/")),
            format!("/plugins/bundles/plugins/..%2F{}", key.replace('/', "%2F")),
            format!("/plugins/bundles/card/v1.0.0/{}", key.rsplit('/').next().unwrap()),
        ] {
            let answer = deployment.get(&path).await;
            assert!(answer.status >= 400 && !answer.text.contains("nobody-reads"), "{path}: {}", answer.text);
        }
    }
    for path in
        ["/plugins/card", "/plugins/available", "/marketplace", "/plugins/bundles/card/v1.0.0/backend.js"]
    {
        assert!(!deployment.get(path).await.text.contains("nobody-reads"), "{path}");
    }
    deployment.install(ADMIN, "card").await;
    deployment.post(ADMIN, "/plugins", &with_script("own", "1.0.0")).await.expect(201);
    deployment.get_as(("other", ADMIN.1), "/plugins/own").await.problem("not_found");
}

async fn a_backend_alone_needs_no_page(backend: Backend) {
    let deployment = Deployment::start(backend);
    let alone =
        with(manifest("card", "1.0.0"), &json!({"backend": {"upstream": "https://card.example.com"}}));
    let published = deployment.post(PLATFORM, "/plugins", &alone).await.expect(201);
    assert_eq!(published.get("bundleUrl"), None);
    assert_eq!(published["extensionPoints"], json!([]));
    deployment.get("/plugins/card/bundle").await.problem("not_found");
    deployment.install(ADMIN, "card").await;
    let moved = json!({"version": "1.1.0", "backend": {"upstream": "https://card.example.com/v2"}});
    assert_eq!(deployment.put(PLATFORM, "/plugins/card", &moved).await.expect(200)["version"], "1.1.0");
    let pointed = with(alone, &json!({"id": "tax", "extensionPoints": ["checkout"]}));
    deployment.post(PLATFORM, "/plugins", &pointed).await.problem("validation_failed");
}

async fn wrong_backends_are_told_with_their_places(backend: Backend) {
    let deployment = Deployment::start(backend);
    let route = |path: &str| json!([{"method": "GET", "path": path, "handler": "a"}]);
    for (fields, pointers) in [
        (json!({"backend": {}}), vec!["/backend"]),
        (json!({"backend": "server.ts"}), vec!["/backend"]),
        (json!({"backend": {"entrypoint": "a.ts"}}), vec!["/backend/entrypoint"]),
        (json!({"backend": {"entryPoint": "a.ts", "upstream": "https://a.example.com"}}), vec!["/backend"]),
        (json!({"backend": {"upstream": "https://user:word@a.example.com"}}), vec!["/backend/upstream"]),
        (json!({"backend": {"upstream": "file:///etc/passwd"}}), vec!["/backend/upstream"]),
        (
            json!({"backend": {"entryPoint": "a.ts", "routes": route("/../a")}}),
            vec!["/backend/routes/0/path"],
        ),
        (
            json!({"backend": {"entryPoint": "a.ts", "routes": route("/%2e%2e/a")}}),
            vec!["/backend/routes/0/path"],
        ),
        (json!({"hosts": ["*.com", "api.example.com", "http://x"]}), vec!["/hosts/0/host", "/hosts/2/host"]),
        (
            json!({"hosts": [{"host": "a.example.com", "headers": {"Host": "b", "x": "${pin}"}}]}),
            vec!["/hosts/0/headers/Host", "/hosts/0/headers/x"],
        ),
        (json!({"connections": ["gmial"]}), vec!["/connections/0/connector"]),
        (json!({"requiredSecrets": ["pin"]}), vec!["/requiredSecrets/0"]),
        (json!({"emits": ["jackfield.plugin.created"]}), vec!["/emits/0"]),
    ] {
        let refused = deployment.post(PLATFORM, "/plugins", &with(plugin("card", "1.0.0"), &fields)).await;
        assert_eq!(refused.pointers("validation_failed"), pointers, "{fields}");
    }
    assert_eq!(deployment.get("/plugins/available").await.expect(200), json!([]));
    assert_eq!(deployment.blob_keys().len(), 0);
}

async fn sources_of_backends_are_told_with_their_lines(backend: Backend) {
    let deployment = Deployment::start(backend);
    for (text, line, word) in [
        ("import fs from 'node:fs';\nexport default { fs };", 1, "Node"),
        ("import { useState } from 'react';\nexport default { useState };", 1, "pages"),
        ("export default {};\nawait fetch('https://a.example.com');", 2, "wait"),
        ("export default {};\nconst b = ;", 2, ""),
    ] {
        let files = json!({"src/index.tsx": source("page"), "server.ts": text});
        let body =
            with(manifest("card", "1.0.0"), &json!({"files": files, "backend": {"entryPoint": "server.ts"}}));
        let problem = deployment.post(PLATFORM, "/plugins", &body).await.problem("build_failed");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["line"]),
            (&json!("/files/server.ts"), &json!(line)),
            "{problem:#}"
        );
        assert!(error["detail"].as_str().unwrap().contains(word), "{problem:#}");
    }
    assert_eq!(deployment.blob_keys().len(), 0);
}
