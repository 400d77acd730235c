//! A backend is built, looked at, stored apart from what is served, and goes with its tenant.

use std::time::Duration;

use libtest_mimic::Trial;
use model::{Ambient, Violation};
use registry::{Author, Draft, Error, FilePath, MAX_COMPONENT, Owner};
use serde_json::json;

use crate::house::{House, both, card, named, plugin, told};

pub(crate) fn trials() -> Vec<Trial> {
    [
        both("a_backend_is_stored_where_no_address_leads", a_backend_is_private),
        both("what_does_not_load_is_not_published", what_does_not_load),
        both("routes_name_handlers_that_there_are", routes_name_handlers),
        both("a_component_is_a_file_of_the_plugin", a_component_is_a_file),
        both("connectors_are_those_that_there_are", connectors_are_known),
        both("a_published_version_asks_for_the_same_for_ever", a_version_stays),
        both("a_backend_goes_with_its_tenant", a_backend_goes_with_its_tenant),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn a_backend_is_private(house: House) {
    house.handlers(&["pay"]);
    let published = house.publish(card("1.0.0", json!({}))).await.unwrap();
    assert_eq!(house.registry.bundle_url(&published.plugin), None, "there is nothing for a page");
    assert_eq!(published.warnings, []);
    let keys = house.blob_keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("backends/card/1.0.0/")), "{keys:?}");
    for key in &keys {
        for path in [key.clone(), format!("plugins/{key}"), key.replace("backends/", "plugins/")] {
            let found = house.registry.bundle_file_by_key(&path).await;
            assert!(matches!(found, Err(Error::BundleNotFound)), "{path}: {found:?}");
        }
    }
    for name in ["program", "program.map", "index.js", "bundle.js", "backend.js"] {
        let path = FilePath { plugin_id: "card".into(), version: "1.0.0".into(), filename: name.into() };
        assert!(matches!(house.registry.bundle_file(&path).await, Err(Error::BundleNotFound)), "{name}");
    }
    house.install("acme", "card").await;
    let deployment = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
    let program = house.registry.program(&deployment).await.unwrap();
    let seen = house.saying.lock().unwrap().seen.pop().unwrap();
    assert_eq!(
        (&program.bytes, &program.source_map),
        (&seen.bytes, &seen.source_map),
        "what was looked at runs"
    );
    assert!(String::from_utf8_lossy(&program.bytes).contains("__plugin"));
    assert!(program.source_map.is_some_and(|map| String::from_utf8_lossy(&map).contains("server/index.ts")));
}

async fn what_does_not_load(house: House) {
    house.saying.lock().unwrap().refusal =
        Some(vec![Violation::new("/files/server~1index.ts", "x is not defined")]);
    let refused = house.publish(card("1.0.0", json!({}))).await;
    assert!(matches!(refused, Err(Error::Backend(_))), "{refused:?}");
    assert_eq!(told(refused), ["/files/server~1index.ts: x is not defined"]);
    let both_broken = json!({"files": {"server/index.ts": "import 'fs'; export default {};", "src/index.tsx": "import './no';\nexport default {};"}});
    let refused = told(house.publish(card("1.0.0", both_broken)).await);
    assert_eq!(refused.len(), 2, "both halves are told of: {refused:?}");
    assert_eq!(house.blob_keys().len(), 0);
    house.saying.lock().unwrap().refusal = None;
    house.publish(card("1.0.0", json!({}))).await.unwrap();
}

async fn routes_name_handlers(house: House) {
    house.handlers(&["pay", "onInstall"]);
    let backend = json!({
        "entryPoint": "server/index.ts",
        "routes": [{"method": "POST", "path": "/pay", "handler": "pay"}, {"method": "GET", "path": "/", "handler": "show"}],
    });
    let refused = told(house.publish(card("1.0.0", json!({"backend": backend}))).await);
    assert_eq!(
        refused,
        ["/backend/routes/1/handler: the program has no handler show; it has onInstall, pay"]
    );
    house.handlers(&["pay", "show"]);
    house.publish(card("1.0.0", json!({"backend": backend}))).await.unwrap();
}

async fn a_component_is_a_file(house: House) {
    let with = |path: &str, size: usize| {
        use base64::Engine as _;
        let content = base64::engine::general_purpose::STANDARD.encode(vec![7; size]);
        let files = json!({"server.wasm": {"content": content, "encoding": "base64"}});
        card("1.0.0", json!({"backend": {"component": path}, "files": files}))
    };
    let refused = told(house.publish(with("other.wasm", 8)).await);
    assert!(refused[0].starts_with("/backend/component: is not a file"), "{refused:?}");
    let refused = house.publish(with("server.wasm", MAX_COMPONENT + 1)).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    house.publish(with("./server.wasm", 8)).await.unwrap();
    house.install("acme", "card").await;
    let deployment = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
    let program = house.registry.program(&deployment).await.unwrap();
    assert_eq!((&program.bytes[..], program.source_map), (&[7; 8][..], None));
    let bundled = json!({"bundleUrl": "https://elsewhere.example.com/a.js", "files": null});
    let refused = told(house.publish(card("2.0.0", bundled)).await);
    assert!(refused[0].starts_with("/backend: is built from the plugin's sources"), "{refused:?}");
}

async fn connectors_are_known(house: House) {
    let refused = told(house.publish(card("1.0.0", json!({"connections": ["slack", "gmial"]}))).await);
    assert_eq!(refused, ["/connections/1/connector: is not known; did you mean gmail?"]);
}

async fn a_version_stays(house: House) {
    let (author, id) = (crate::house::shared(), plugin("card"));
    house
        .publish(card("1.0.0", json!({"hosts": ["api.example.com"], "requiredPermissions": ["a"]})))
        .await
        .unwrap();
    let change = |fields: serde_json::Value| {
        let serde_json::Value::Object(fields) = fields else { panic!() };
        house.registry.update(&author, &id, fields)
    };
    for (key, value) in [
        ("hosts", json!(["api.example.com", "evil.example.com"])),
        ("hosts", json!([])),
        ("connections", json!(["gmail"])),
        ("requiredSecrets", json!(["key"])),
        ("requiredPermissions", json!(["a", "b"])),
        ("backend", json!({"upstream": "https://evil.example.com"})),
    ] {
        let refused = told(change(json!({key: value})).await);
        assert!(
            refused.len() == 1 && refused[0].starts_with(&format!("/{key}: cannot change")),
            "{refused:?}"
        );
    }
    let same = json!({"hosts": ["API.example.com:443"], "requiredPermissions": ["a"], "description": "new"});
    let changed = change(same).await.unwrap();
    assert_eq!(changed.plugin.manifest.description.as_deref(), Some("new"));
}

async fn a_backend_goes_with_its_tenant(house: House) {
    house.handlers(&["pay"]);
    let own = Author { owner: Owner::Tenant(named("acme")), subject: "ada".to_owned() };
    house.registry.publish(&own, Draft::from_json(card("1.0.0", json!({}))).unwrap()).await.unwrap();
    house.install("acme", "card").await;
    house.configure("acme", "card", json!({"key": "sk_1"})).await;
    let deployment = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
    house.registry.program(&deployment).await.unwrap();
    house.tenants().delete(&named("acme"), "root").await.unwrap().unwrap();
    assert!(house.registry.program(&deployment).await.is_err(), "nothing remembers it");
    let gone = house.registry.deployment(&named("acme"), &plugin("card")).await;
    assert!(matches!(gone, Err(Error::NotInstalled(_))), "{gone:?}");
    storage::sweep(&house.database, house.blobs.as_ref(), Duration::ZERO, &Ambient::system()).await.unwrap();
    assert_eq!(house.blob_keys().len(), 0);
}
