//! What a plugin asks for is shown, agreed to, and not widened behind anybody's back.

use serde_json::{Value, json};
use testkit::Backend;

use crate::deployment::{ADMIN, Deployment, PLATFORM, USER, on_both_backends, plugin, with};

on_both_backends!(
    what_a_plugin_asks_for_is_shown_before_it_is_installed,
    an_upgrade_that_asks_for_more_waits_for_consent,
    nobody_agrees_to_what_was_not_shown,
    a_published_version_cannot_be_widened,
);

/// A plugin whose backend is elsewhere, and what it asks for.
fn asking(version: &str, hosts: &Value, access: &str) -> Value {
    with(
        plugin("card", version),
        &json!({
            "backend": {"upstream": "https://card.example.com/api"}, "hosts": hosts,
            "requiredPermissions": ["orders:read"], "requiredSecrets": ["pin"],
            "connections": [{"connector": "slack", "access": access, "whose": "tenant"}],
            "configSchema": {"properties": {"pin": {"type": "string"}, "key": {"type": "string"}}, "sensitiveFields": ["pin", "key"]},
        }),
    )
}

fn stripe() -> Value {
    json!([{"host": "api.stripe.com", "headers": {"authorization": "Bearer ${key}"}}])
}

fn grants(hosts: &[&str], uses: &Value, access: &str) -> Value {
    json!({
        "permissions": ["orders:read"], "hosts": hosts, "secrets": ["pin"], "secretUses": uses,
        "connections": [{"connector": "slack", "access": access, "whose": "tenant"}],
        "events": [],
    })
}

async fn what_a_plugin_asks_for_is_shown_before_it_is_installed(backend: Backend) {
    let deployment = Deployment::start(backend);
    deployment.post(PLATFORM, "/plugins", &asking("1.0.0", &stripe(), "read")).await.expect(201);
    let uses = json!([{"secret": "key", "host": "api.stripe.com"}]);
    let asked = grants(&["api.stripe.com", "card.example.com"], &uses, "read");
    for path in ["/plugins/card", "/marketplace/card"] {
        assert_eq!(deployment.get(path).await.expect(200)["grants"], asked, "{path}");
    }
    let installed = deployment.install(ADMIN, "card").await;
    assert_eq!(installed["grants"], asked);
    let consent = deployment.get_as(ADMIN, "/plugins/card/consent").await.expect(200);
    let nothing = json!({"permissions": [], "hosts": [], "secrets": [], "secretUses": [], "connections": [], "events": []});
    assert_eq!(consent, json!({"asked": asked, "consented": asked, "missing": nothing}));
    deployment.get_as(USER, "/plugins/card/consent").await.problem("insufficient_role");
    deployment.get_as(("other", ADMIN.1), "/plugins/card/consent").await.problem("not_found");
    deployment.put(("other", ADMIN.1), "/plugins/card/consent", &asked).await.problem("not_found");
    let events = deployment.events().await;
    assert_eq!(
        events[events.len() - 2..],
        ["acme installation.created card", "acme installation.consented card"]
    );
}

async fn an_upgrade_that_asks_for_more_waits_for_consent(backend: Backend) {
    let deployment = Deployment::start(backend);
    let card = json!({"pluginId": "card"});
    for (version, hosts, access) in
        [("1.0.0", json!([]), "read"), ("1.1.0", json!([]), "read"), ("2.0.0", stripe(), "write")]
    {
        deployment.post(PLATFORM, "/plugins", &asking(version, &hosts, access)).await.expect(201);
    }
    deployment
        .post(ADMIN, "/plugins/install", &json!({"pluginId": "card", "version": "1.0.0"}))
        .await
        .expect(201);
    let same =
        deployment.post(ADMIN, "/plugins/upgrade", &json!({"pluginId": "card", "version": "1.1.0"})).await;
    assert_eq!(same.expect(200)["version"], "1.1.0", "what asks for no more does not wait");
    let refused = deployment.post(ADMIN, "/plugins/upgrade", &card).await;
    assert_eq!(refused.status, 409);
    let problem = refused.problem("consent_required");
    let details: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|each| each["detail"].as_str().unwrap()).collect();
    assert_eq!(
        details,
        [
            "may call api.stripe.com",
            "sends the secret key to api.stripe.com, without reading it",
            "may change things in slack for anybody in the tenant",
        ]
    );
    assert_eq!(deployment.get_as(USER, "/plugins/installed").await.expect(200)[0]["version"], "1.1.0");

    let shown = deployment.get("/plugins/card").await.expect(200)["grants"].clone();
    let narrower = with(shown.clone(), &json!({"hosts": ["card.example.com"]}));
    let mismatch = with(card.clone(), &json!({"consent": narrower}));
    deployment.post(ADMIN, "/plugins/upgrade", &mismatch).await.problem("consent_required");
    let agreed = with(card.clone(), &json!({"consent": shown}));
    assert_eq!(deployment.post(ADMIN, "/plugins/upgrade", &agreed).await.expect(200)["version"], "2.0.0");
    let consent = deployment.get_as(ADMIN, "/plugins/card/consent").await.expect(200);
    assert_eq!(consent["consented"], shown);
}

async fn nobody_agrees_to_what_was_not_shown(backend: Backend) {
    let deployment = Deployment::start(backend);
    deployment.post(PLATFORM, "/plugins", &asking("1.0.0", &stripe(), "read")).await.expect(201);
    let shown = deployment.get("/plugins/card").await.expect(200)["grants"].clone();
    for (change, detail) in [
        (json!({"hosts": []}), "the consent does not say that it may call api.stripe.com"),
        (json!({"secrets": ["pin", "key"]}), "the plugin does not ask that it may read the secret key"),
    ] {
        let body = json!({"pluginId": "card", "consent": with(shown.clone(), &change)});
        let refused = deployment.post(ADMIN, "/plugins/install", &body).await;
        assert_eq!(refused.status, 409);
        assert_eq!(refused.problem("consent_required")["errors"][0]["detail"], detail);
    }
    assert_eq!(deployment.get_as(USER, "/plugins/installed").await.expect(200), json!([]));
    let misspelt = json!({"pluginId": "card", "consent": {"host": []}});
    deployment.post(ADMIN, "/plugins/install", &misspelt).await.problem("validation_failed");
    let body = json!({"pluginId": "card", "consent": shown});
    deployment.post(ADMIN, "/plugins/install", &body).await.expect(201);
    let wider =
        with(shown.clone(), &json!({"hosts": ["api.stripe.com", "card.example.com", "evil.example.org"]}));
    deployment.put(ADMIN, "/plugins/card/consent", &wider).await.problem("consent_required");
    let again = deployment.put(ADMIN, "/plugins/card/consent", &shown).await.expect(200);
    assert_eq!(again["consented"], shown);
    deployment.put(USER, "/plugins/card/consent", &shown).await.problem("insufficient_role");
}

async fn a_published_version_cannot_be_widened(backend: Backend) {
    let deployment = Deployment::start(backend);
    deployment.post(PLATFORM, "/plugins", &asking("1.0.0", &json!([]), "read")).await.expect(201);
    deployment.install(ADMIN, "card").await;
    for (key, value) in [
        ("hosts", stripe()),
        ("backend", json!({"upstream": "https://evil.example.org"})),
        ("connections", json!(["gmail", "slack"])),
        ("requiredSecrets", json!(["pin", "key"])),
        ("requiredPermissions", json!(["orders:read", "orders:write"])),
    ] {
        let refused = deployment.put(PLATFORM, "/plugins/card", &json!({key: value})).await;
        assert_eq!(refused.pointers("validation_failed"), [format!("/{key}")]);
        assert!(refused.text.contains("new version"), "{}", refused.text);
    }
    let same = json!({"requiredPermissions": ["orders:read"], "description": "new"});
    assert_eq!(deployment.put(PLATFORM, "/plugins/card", &same).await.expect(200)["description"], "new");
    let consent = deployment.get_as(ADMIN, "/plugins/card/consent").await.expect(200);
    assert_eq!(consent["asked"], consent["consented"]);
}
