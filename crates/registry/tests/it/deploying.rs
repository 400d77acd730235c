//! What a backend gets of its tenant's installation: what was consented to, and what is so now.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use registry::{BackendKind, Error, Grants, Whose};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::house::{House, both, card, named, plugin, told};

pub(crate) fn trials() -> Vec<Trial> {
    [
        both("an_installation_is_told_as_its_backend_needs_it", an_installation_is_told),
        both("what_is_beyond_the_consent_is_not_granted", beyond_the_consent),
        both("a_version_that_asks_for_more_waits", a_version_that_asks_for_more_waits),
        both("a_change_is_seen_at_once_here_and_soon_elsewhere", a_change_is_seen),
        both("secrets_are_of_one_tenant", secrets_are_of_one_tenant),
        both("what_was_installed_before_consents_to_nothing", installed_before),
        both("an_upstream_is_a_host_like_others", an_upstream_is_a_host),
        both("many_at_once_agree", many_at_once),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn grants(value: Value) -> Grants {
    serde_json::from_value(value).unwrap()
}

async fn an_installation_is_told(house: House) {
    {
        let mut saying = house.saying.lock().unwrap();
        saying.definition = serde_json::from_value(json!({
            "routes": [{"method": "POST", "path": "/pay", "handler": "pay"}, {"method": "GET", "path": "/x", "handler": "pay"}],
            "hooks": [{"event": "orders.paid", "handler": "onInstall"}], "handlers": ["pay", "refund", "onInstall"],
        }))
        .unwrap();
    }
    let routes = json!([{"method": "POST", "path": "/pay", "handler": "refund"}]);
    let fields = json!({
        "backend": {"entryPoint": "server/index.ts", "routes": routes}, "emits": ["card.paid"],
        "hosts": [{"host": "api.example.com", "headers": {"authorization": "Bearer ${key}"}}],
        "requiredSecrets": ["key"], "requiredPermissions": ["orders:read"],
        "connections": [{"connector": "gmail", "access": "write", "whose": "tenant"}],
    });
    house.publish(card("1.0.0", fields)).await.unwrap();
    house.install("acme", "card").await;
    house.configure("acme", "card", json!({"shop": "s1", "key": "sk_1", "limits": {"max": 5}})).await;
    let found = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
    assert_eq!((found.tenant.as_str(), found.plugin.as_str(), &*found.version), ("acme", "card", "1.0.0"));
    assert_eq!((found.enabled, found.departed, &found.kind), (true, false, &Some(BackendKind::Script)));
    let routes: Vec<_> = found.routes.iter().map(|route| (&*route.path, &*route.handler)).collect();
    assert_eq!(routes, [("/pay", "refund"), ("/x", "pay")], "the manifest goes before the program");
    assert_eq!(found.hooks.len(), 1);
    assert!(found.handlers.contains("onInstall") && found.emits.contains("card.paid"));
    assert_eq!(Value::Object(found.configuration.clone()), json!({"shop": "s1"}));
    assert_eq!(found.hosts.len(), 1);
    assert_eq!(found.grants.connections.first().map(|ask| ask.whose), Some(Whose::Tenant));
    let secrets = house.registry.secrets(&found, &["key", "limits", "shop", "absent"]).await.unwrap();
    let secrets: Vec<_> = secrets.iter().map(|(name, value)| (&**name, value.expose_secret())).collect();
    assert_eq!(
        secrets,
        [("key", "sk_1"), ("limits", r#"{"max":5}"#)],
        "what is no secret is not told as one"
    );
    let nobody = house.registry.deployment(&named("other"), &plugin("card")).await;
    assert!(matches!(nobody, Err(Error::NotInstalled(_))));
}

async fn beyond_the_consent(house: House) {
    let first = json!({"hosts": ["*.example.com"], "connections": ["gmail"]});
    house.publish(card("1.0.0", first)).await.unwrap();
    house.install("acme", "card").await;
    // As if an admin had installed it before it asked for all this.
    let more = json!({
        "hosts": ["api.example.com", {"host": "pay.example.com", "query": {"k": "${key}"}}, "evil.example.org"],
        "connections": [{"connector": "gmail", "access": "write"}, "slack"], "requiredSecrets": ["key"],
    });
    house.publish(card("2.0.0", more)).await.unwrap();
    house
        .execute(
            "UPDATE installation SET version_key = (SELECT key FROM plugin_version WHERE version = '2.0.0')",
        )
        .await;
    let found = house.beside().deployment(&named("acme"), &plugin("card")).await.unwrap();
    assert_eq!(found.version, "2.0.0");
    let hosts: Vec<&str> = found.hosts.iter().map(|rule| rule.host.as_str()).collect();
    assert_eq!(hosts, ["api.example.com"], "a secret goes nowhere that nobody agreed to");
    assert!(found.grants.secrets.is_empty() && found.grants.connections.is_empty());
}

async fn a_version_that_asks_for_more_waits(house: House) {
    let (acme, id) = (named("acme"), plugin("card"));
    let registry = &house.registry;
    house.publish(card("1.0.0", json!({"hosts": ["api.example.com"]}))).await.unwrap();
    let wrong = grants(json!({"hosts": ["other.example.com"]}));
    let refused = registry.install(&acme, &id, None, Some(&wrong), "ada").await;
    assert!(matches!(refused, Err(Error::ConsentMismatch { .. })), "{refused:?}");
    assert_eq!(
        told(refused),
        [
            "/consent/hosts: the consent does not say that it may call api.example.com",
            "/consent/hosts: the plugin does not ask that it may call other.example.com",
        ]
    );
    house.install("acme", "card").await;
    house.publish(card("1.1.0", json!({"hosts": ["api.example.com"]}))).await.unwrap();
    registry.upgrade(&acme, &id, None, None, "ada").await.unwrap();
    let wider = json!({"hosts": ["api.example.com", "api.stripe.com"], "requiredSecrets": ["key"]});
    house.publish(card("2.0.0", wider)).await.unwrap();
    let refused = registry.upgrade(&acme, &id, None, None, "ada").await;
    assert!(matches!(refused, Err(Error::ConsentRequired { .. })), "{refused:?}");
    assert_eq!(
        told(refused),
        ["/consent/hosts: may call api.stripe.com", "/consent/secrets: may read the secret key"]
    );
    assert_eq!(registry.installation(&acme, &id).await.unwrap().plugin.manifest.version, "1.1.0");
    let asked = grants(json!({"hosts": ["api.example.com", "api.stripe.com"], "secrets": ["key"]}));
    registry.upgrade(&acme, &id, None, Some(&asked), "ada").await.unwrap();
    let consent = registry.consent(&acme, &id).await.unwrap();
    assert_eq!(
        (consent.asked, consent.consented, consent.missing),
        (asked.clone(), Some(asked), Grants::default())
    );
    registry.upgrade(&acme, &id, Some("1.0.0"), None, "ada").await.unwrap();
    registry.upgrade(&acme, &id, Some("2.0.0"), None, "ada").await.unwrap();
}

async fn a_change_is_seen(house: House) {
    let (acme, id) = (named("acme"), plugin("card"));
    house.publish(card("1.0.0", json!({}))).await.unwrap();
    house.publish(card("1.1.0", json!({}))).await.unwrap();
    house.registry.install(&acme, &id, Some("1.0.0"), None, "ada").await.unwrap();
    let elsewhere = house.beside();
    assert!(elsewhere.deployment(&acme, &id).await.unwrap().enabled);
    let first = house.registry.deployment(&acme, &id).await.unwrap();
    assert!(Arc::ptr_eq(&first, &house.registry.deployment(&acme, &id).await.unwrap()), "from memory");
    house.registry.set_enabled(&acme, &id, false, "ada").await.unwrap();
    assert!(!house.registry.deployment(&acme, &id).await.unwrap().enabled);
    house.registry.upgrade(&acme, &id, None, None, "ada").await.unwrap();
    assert_eq!(house.registry.deployment(&acme, &id).await.unwrap().version, "1.1.0");
    house.configure("acme", "card", json!({"shop": "s2"})).await;
    assert_eq!(house.registry.deployment(&acme, &id).await.unwrap().configuration["shop"], "s2");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let seen = elsewhere.deployment(&acme, &id).await.unwrap();
    assert_eq!((seen.enabled, &*seen.version), (false, "1.1.0"), "another process sees it within a second");
    house.registry.uninstall(&acme, &id, "ada").await.unwrap();
    assert!(matches!(house.registry.deployment(&acme, &id).await, Err(Error::NotInstalled(_))));
}

async fn secrets_are_of_one_tenant(house: House) {
    house.publish(card("1.0.0", json!({}))).await.unwrap();
    for tenant in ["acme", "other"] {
        house.install(tenant, "card").await;
        house.configure(tenant, "card", json!({"key": format!("sk_{tenant}")})).await;
    }
    let mine = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
    let theirs = house.registry.deployment(&named("other"), &plugin("card")).await.unwrap();
    assert_eq!(mine.plugin_key, theirs.plugin_key);
    let read = async |deployment: &registry::Deployment| {
        let secrets = house.registry.secrets(deployment, &["key"]).await.unwrap();
        secrets["key"].expose_secret().to_owned()
    };
    assert_eq!((read(&mine).await, read(&theirs).await), ("sk_acme".to_owned(), "sk_other".to_owned()));
    house.configure("acme", "card", json!({})).await;
    assert!(house.registry.secrets(&mine, &["key"]).await.unwrap().is_empty(), "read anew each time");
}

async fn installed_before(house: House) {
    let (acme, id) = (named("acme"), plugin("card"));
    house
        .publish(card("1.0.0", json!({"hosts": ["api.example.com"], "requiredSecrets": ["key"]})))
        .await
        .unwrap();
    house.install("acme", "card").await;
    house.execute("UPDATE installation SET consent = NULL, consented_by = NULL, consented_at = NULL").await;
    let registry = house.beside();
    let found = registry.deployment(&acme, &id).await.unwrap();
    assert!(found.grants.is_empty() && found.hosts.is_empty());
    let consent = registry.consent(&acme, &id).await.unwrap();
    assert_eq!((consent.consented, &consent.missing), (None, &consent.asked));
    let wrong = registry.consent_to(&acme, &id, &Grants::default(), "ada").await;
    assert!(matches!(wrong, Err(Error::ConsentMismatch { .. })), "{wrong:?}");
    let consent = registry.consent_to(&acme, &id, &consent.asked, "ada").await.unwrap();
    assert!(consent.missing.is_empty());
    assert_eq!(registry.deployment(&acme, &id).await.unwrap().hosts.len(), 1, "at once");
}

async fn an_upstream_is_a_host(house: House) {
    let upstream = |version: &str, url: &str| json!({"id": "card", "name": "Card", "version": version, "category": "payment", "backend": {"upstream": url}});
    house.publish(upstream("1.0.0", "https://card.example.com:8443/api/")).await.unwrap();
    house.install("acme", "card").await;
    let found = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
    let url = "https://card.example.com:8443/api/".parse().unwrap();
    assert_eq!(found.kind, Some(BackendKind::Upstream(url)));
    assert!(found.grants.hosts.contains("card.example.com:8443"));
    assert!(
        matches!(house.registry.program(&found).await, Err(Error::BundleNotFound)),
        "nothing of it is here"
    );
    let serde_json::Value::Object(moved) = upstream("2.0.0", "https://evil.example.org/") else { panic!() };
    house.registry.update(&crate::house::shared(), &plugin("card"), moved).await.unwrap();
    let refused = told(house.registry.upgrade(&named("acme"), &plugin("card"), None, None, "ada").await);
    assert_eq!(refused, ["/consent/hosts: may call evil.example.org"]);
}

async fn many_at_once(house: House) {
    house.publish(card("1.0.0", json!({}))).await.unwrap();
    house.install("acme", "card").await;
    let registry = Arc::new(house.beside());
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let registry = Arc::clone(&registry);
            tokio::spawn(async move {
                let found = registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
                let program = registry.program(&found).await.unwrap();
                (found, program.bytes)
            })
        })
        .collect();
    let mut found = Vec::new();
    for call in calls {
        found.push(call.await.unwrap());
    }
    assert!(found.iter().all(|(deployment, _)| Arc::ptr_eq(deployment, &found[0].0)), "one look-up for all");
    let first = found[0].1.as_ptr();
    assert!(found.iter().all(|(_, bytes)| bytes.as_ptr() == first), "one read for all");
}
