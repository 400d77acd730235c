//! What a tenant installs, and what becomes of it.

use serde_json::{Value, json};
use testkit::Backend;

use crate::deployment::{ADMIN, Deployment, PLATFORM, USER, Who, each, on_both_backends, plugin, with};

on_both_backends!(
    an_installation_from_beginning_to_end,
    a_plugin_that_does_not_fit_is_told_every_reason,
    a_plugin_out_of_the_catalog_goes_on_where_it_is_installed,
    a_tenants_own_plugin_is_installed_by_it_alone,
);

fn named(id: &str, version: &str) -> Value {
    json!({"pluginId": id, "version": version})
}

async fn enabled(deployment: &Deployment, query: &str) -> Vec<String> {
    let path = format!("/plugins/public/organizations/{query}");
    let found = deployment.get(&path).await.expect(200);
    each(&found, "id").into_iter().map(str::to_owned).collect()
}

async fn an_installation_from_beginning_to_end(backend: Backend) {
    let deployment = Deployment::start(backend);
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        deployment.publish(PLATFORM, "card", version).await;
    }
    let before = deployment.events().await.len();
    let card = json!({"pluginId": "card"});
    let unknown = deployment.post(ADMIN, "/plugins/install", &named("card", "3.0.0")).await;
    assert!(unknown.problem("not_found")["detail"].as_str().unwrap().contains("3.0.0"));
    for id in ["absent", "../card", "", "installed"] {
        deployment.post(ADMIN, "/plugins/install", &json!({"pluginId": id})).await.problem("not_found");
    }
    deployment.post(ADMIN, "/plugins/upgrade", &card).await.problem("not_found");
    deployment.post(ADMIN, "/plugins/uninstall", &card).await.problem("not_found");

    let installed = deployment.post(ADMIN, "/plugins/install", &named("card", "1.0.0")).await.expect(201);
    assert_eq!((&installed["version"], &installed["enabled"]), (&json!("1.0.0"), &json!(true)));
    assert_eq!((&installed["tenantId"], &installed["configuration"]), (&json!("acme"), &json!({})));
    let again = deployment.post(ADMIN, "/plugins/install", &card).await;
    assert_eq!((again.status, again.problem("already_exists")["status"].as_u64()), (409, Some(409)));
    assert_eq!(deployment.get_as(USER, "/plugins/installed").await.expect(200)[0]["version"], "1.0.0");
    assert_eq!(deployment.get_as(("other", USER.1), "/plugins/installed").await.expect(200), json!([]));

    let next = deployment.post(ADMIN, "/plugins/upgrade", &named("card", "1.1.0")).await.expect(200);
    assert_eq!(next["version"], "1.1.0");
    let newest = deployment.post(ADMIN, "/plugins/upgrade", &card).await.expect(200);
    assert_eq!(newest["version"], "2.0.0");
    let back = deployment.post(ADMIN, "/plugins/upgrade", &named("card", "1.0.0")).await.expect(200);
    assert_eq!(back["version"], "1.0.0", "back is a way too");
    deployment.post(ADMIN, "/plugins/upgrade", &named("card", "1.0.0")).await.expect(200);

    assert_eq!(enabled(&deployment, "enabled?organizationId=acme").await, ["card"]);
    assert_eq!(enabled(&deployment, "payment?organizationId=acme&extensionPoint=checkout").await, ["card"]);
    assert_eq!(enabled(&deployment, "enabled?organizationId=acme&extensionPoint=other").await, [""; 0]);
    for status in [false, false] {
        let off =
            deployment.put(ADMIN, "/plugins/card/status", &json!({"enabled": status})).await.expect(200);
        assert_eq!(off["enabled"], status);
    }
    assert_eq!(enabled(&deployment, "enabled?organizationId=acme").await, [""; 0]);
    deployment.put(ADMIN, "/plugins/card/status", &json!({"enabled": true})).await.expect(200);
    deployment
        .put(ADMIN, "/plugins/card/status", &json!({"enabled": "yes"}))
        .await
        .problem("validation_failed");
    deployment.put(ADMIN, "/plugins/absent/status", &json!({"enabled": true})).await.problem("not_found");

    let done = deployment.post(ADMIN, "/plugins/uninstall", &card).await.expect(200);
    assert_eq!(done, json!({"success": true}));
    deployment.post(ADMIN, "/plugins/uninstall", &card).await.problem("not_found");
    deployment.get_as(ADMIN, "/plugins/card/config").await.problem("not_found");
    assert_eq!(deployment.get_as(USER, "/plugins/installed").await.expect(200), json!([]));
    assert_eq!(deployment.get("/plugins/card").await.expect(200)["metadata"]["installCount"], 0);
    assert_eq!(
        deployment.events().await[before..],
        [
            "acme installation.created card",
            "acme installation.upgraded card",
            "acme installation.upgraded card",
            "acme installation.upgraded card",
            "acme installation.disabled card",
            "acme installation.enabled card",
            "acme installation.removed card",
        ],
        "what changed nothing left no event"
    );
}

async fn a_plugin_that_does_not_fit_is_told_every_reason(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.set("PLATFORM_VERSION", "1.5.0"));
    deployment.publish(PLATFORM, "tax", "1.0.0").await;
    deployment.publish(PLATFORM, "ledger", "1.0.0").await;
    let demanding = with(
        plugin("card", "1.0.0"),
        &json!({
            "minPlatformVersion": "2.0.0", "maxPlatformVersion": "1.4.9", "compatibleVersions": ["2.x", "^3.1"],
            "dependencies": {"tax": "^2", "ledger": "^1", "absent": "*"},
        }),
    );
    deployment.post(PLATFORM, "/plugins", &demanding).await.expect(201);
    deployment.install(ADMIN, "tax").await;
    deployment.install(ADMIN, "ledger").await;
    deployment.put(ADMIN, "/plugins/ledger/status", &json!({"enabled": false})).await.expect(200);
    let refused = deployment.post(ADMIN, "/plugins/install", &json!({"pluginId": "card"})).await;
    assert_eq!(refused.status, 422);
    let every = [
        "/minPlatformVersion",
        "/maxPlatformVersion",
        "/compatibleVersions",
        "/dependencies/absent",
        "/dependencies/ledger",
        "/dependencies/tax",
    ];
    assert_eq!(refused.pointers("incompatible"), every);

    // An upgrade is held to the same, and leaves what runs as it is.
    deployment.publish(PLATFORM, "chart", "1.0.0").await;
    deployment.install(ADMIN, "chart").await;
    let next = with(plugin("chart", "2.0.0"), &json!({"minPlatformVersion": "1.6.0"}));
    deployment.post(PLATFORM, "/plugins", &next).await.expect(201);
    let refused = deployment.post(ADMIN, "/plugins/upgrade", &json!({"pluginId": "chart"})).await;
    assert_eq!(refused.pointers("incompatible"), ["/minPlatformVersion"]);
    let installed = deployment.get_as(USER, "/plugins/installed").await.expect(200);
    assert_eq!(each(&installed, "id"), ["chart", "ledger", "tax"]);
    assert_eq!(installed[0]["version"], "1.0.0");
}

async fn a_plugin_out_of_the_catalog_goes_on_where_it_is_installed(backend: Backend) {
    let deployment = Deployment::start(backend);
    let published = deployment.publish(PLATFORM, "card", "1.0.0").await;
    deployment.install(ADMIN, "card").await;
    let removed = deployment.delete(PLATFORM, "/marketplace/card").await.expect(200);
    assert_eq!(removed, json!({"success": true}));
    deployment.delete(PLATFORM, "/marketplace/card").await.problem("not_found");

    for path in ["/plugins/card", "/marketplace/card", "/plugins/card/ratings"] {
        deployment.get(path).await.problem("not_found");
    }
    assert_eq!(deployment.get("/plugins/available").await.expect(200), json!([]));
    let other: Who = ("other", ADMIN.1);
    deployment.post(other, "/plugins/install", &json!({"pluginId": "card"})).await.problem("not_found");

    let installed = deployment.get_as(USER, "/plugins/installed").await.expect(200);
    assert_eq!(installed[0]["bundleUrl"], published["bundleUrl"]);
    assert_eq!(enabled(&deployment, "enabled?organizationId=acme").await, ["card"]);
    let path = published["bundleUrl"].as_str().unwrap().strip_prefix(deployment.base()).unwrap();
    assert_eq!(deployment.get(path).await.status, 200);
    for enabled in [false, true] {
        deployment.put(ADMIN, "/plugins/card/status", &json!({"enabled": enabled})).await.expect(200);
    }
    deployment.put(ADMIN, "/plugins/card/config", &json!({"currency": "EUR"})).await.expect(200);
    deployment.post(ADMIN, "/plugins/uninstall", &json!({"pluginId": "card"})).await.expect(200);
    deployment.post(ADMIN, "/plugins/install", &json!({"pluginId": "card"})).await.problem("not_found");

    // The version stays published; a new one brings the plugin back.
    deployment.post(PLATFORM, "/plugins", &plugin("card", "1.0.0")).await.problem("already_exists");
    deployment.publish(PLATFORM, "card", "1.0.1").await;
    assert_eq!(deployment.get("/plugins/card").await.expect(200)["version"], "1.0.1");
    deployment.install(other, "card").await;
    let events = deployment.events().await;
    assert!(events.contains(&"- plugin.removed card".to_owned()), "{events:?}");
}

async fn a_tenants_own_plugin_is_installed_by_it_alone(backend: Backend) {
    let deployment = Deployment::start(backend);
    deployment.publish(ADMIN, "own", "1.0.0").await;
    deployment.publish(("other", ADMIN.1), "own", "3.0.0").await;
    let installed = deployment.install(ADMIN, "own").await;
    assert_eq!(installed["version"], "1.0.0");
    let theirs = deployment.install(("other", ADMIN.1), "own").await;
    assert_eq!(theirs["version"], "3.0.0");
    deployment.get("/plugins/own").await.problem("not_found");
    deployment.publish(PLATFORM, "shared", "1.0.0").await;
    let taken = deployment.post(ADMIN, "/plugins", &plugin("shared", "2.0.0")).await;
    taken.problem("conflict");
    crate::consistency::check(&deployment).await;
}
