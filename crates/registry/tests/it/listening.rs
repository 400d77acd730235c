//! What plugins listen to, and what their webhooks are verified with.

use std::time::Duration;

use libtest_mimic::Trial;
use registry::{Error, Grants, Registry};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use testkit::ManualClock;

use crate::house::{House, both, card, named, plugin, told};

pub(crate) fn trials() -> Vec<Trial> {
    [
        both("a_former_webhook_secret_is_good_for_a_day", former_secrets),
        both("webhook_secrets_go_with_the_installation", secrets_go),
        both("what_hooks_want_is_asked_for", hooks_are_asked_for),
        both("only_what_was_consented_to_is_listened_to", only_consented),
        both("a_webhook_without_its_handler_is_refused", without_its_handler),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn taking_webhooks(version: &str) -> Value {
    let webhook = json!({"scheme": "stripe", "secret": "key"});
    card(version, json!({"backend": {"entryPoint": "server/index.ts"}, "webhook": webhook}))
}

fn say(house: &House, definition: Value) {
    house.saying.lock().unwrap().definition = serde_json::from_value(definition).unwrap();
}

async fn configure(registry: &Registry, tenant: &str, configuration: Value) {
    let Value::Object(configuration) = configuration else { panic!("{configuration}") };
    registry.configure(&named(tenant), &plugin("card"), configuration, "ada").await.unwrap();
}

async fn secrets(registry: &Registry, tenant: &str) -> Vec<String> {
    let deployment = registry.deployment(&named(tenant), &plugin("card")).await.unwrap();
    let secrets = registry.webhook_secrets(&deployment).await.unwrap();
    secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect()
}

async fn former_secrets(house: House) {
    let (clock, ambient) = ManualClock::ambient();
    let registry = house.beside_at(ambient);
    say(&house, json!({"handlers": ["webhook"]}));
    house.publish(taking_webhooks("1.0.0")).await.unwrap();
    house.install("acme", "card").await;
    assert_eq!(secrets(&registry, "acme").await, [""; 0]);
    configure(&registry, "acme", json!({"key": "one"})).await;
    assert_eq!(secrets(&registry, "acme").await, ["one"]);
    configure(&registry, "acme", json!({"key": "two"})).await;
    assert_eq!(secrets(&registry, "acme").await, ["two", "one"]);
    clock.advance(Duration::from_hours(23));
    configure(&registry, "acme", json!({"key": "********", "shop": "s"})).await;
    assert_eq!(secrets(&registry, "acme").await, ["two", "one"], "other fields change nothing");
    clock.advance(Duration::from_hours(1));
    assert_eq!(secrets(&registry, "acme").await, ["two"]);
    configure(&registry, "acme", json!({"key": "three"})).await;
    configure(&registry, "acme", json!({"key": "four"})).await;
    assert_eq!(secrets(&registry, "acme").await, ["four", "three"], "two at most");
    configure(&registry, "acme", json!({"shop": "s"})).await;
    assert_eq!(
        secrets(&registry, "acme").await,
        [""; 0],
        "who takes the secret away wants no signature at all"
    );
    configure(&registry, "acme", json!({"key": "five"})).await;
    assert_eq!(secrets(&registry, "acme").await, ["five"], "and none of the former again");
}

async fn secrets_go(house: House) {
    let registry = &house.registry;
    say(&house, json!({"handlers": ["webhook"]}));
    house.publish(taking_webhooks("1.0.0")).await.unwrap();
    for tenant in ["acme", "other"] {
        house.install(tenant, "card").await;
        configure(registry, tenant, json!({"key": tenant})).await;
    }
    configure(registry, "acme", json!({"key": "new"})).await;
    assert_eq!(secrets(registry, "other").await, ["other"]);
    registry.uninstall(&named("acme"), &plugin("card"), "u1").await.unwrap();
    house.install("acme", "card").await;
    assert_eq!(secrets(registry, "acme").await, [""; 0], "a later installation has none of an earlier one");
}

async fn hooks_are_asked_for(house: House) {
    say(&house, json!({"handlers": ["on"], "hooks": [{"event": "orders.*", "handler": "on"}]}));
    let fields = json!({
        "backend": {"entryPoint": "server/index.ts", "hooks": [{"event": "shop.closed", "handler": "on"}]},
        "listens": ["cart.filled"],
    });
    house.publish(card("1.0.0", fields)).await.unwrap();
    house.install("acme", "card").await;
    let consent = house.registry.consent(&named("acme"), &plugin("card")).await.unwrap();
    let asked: Vec<&str> = consent.asked.events.iter().map(String::as_str).collect();
    assert_eq!(asked, ["cart.filled", "orders.*", "shop.closed"]);
    let running = house.registry.running(&named("acme")).await.unwrap();
    let hooks: Vec<&str> = running[0].hooks.iter().map(|hook| hook.event.as_str()).collect();
    assert_eq!(hooks, ["shop.closed", "orders.*"]);
    assert!(running[0].listeners.contains("on"));
    let listened = house.registry.listened(&named("acme")).await.unwrap();
    assert_eq!(listened.iter().map(model::EventPattern::as_str).collect::<Vec<_>>(), asked);
    house.registry.set_enabled(&named("acme"), &plugin("card"), false, "u1").await.unwrap();
    assert!(house.registry.running(&named("acme")).await.unwrap().is_empty(), "it is switched off");
    assert!(house.registry.listened(&named("other")).await.unwrap().is_empty());
    // As one is that was installed before anybody was asked for consent to events.
    house.execute("UPDATE installation SET consent = '{}', enabled = TRUE").await;
    let running = house.registry.running(&named("acme")).await.unwrap();
    assert!(running[0].hooks.is_empty() && running[0].listeners.contains("on"), "it stays what it is");
}

async fn only_consented(house: House) {
    say(&house, json!({"handlers": ["on"]}));
    let hook =
        |event: &str| json!({"entryPoint": "server/index.ts", "hooks": [{"event": event, "handler": "on"}]});
    house.publish(card("1.0.0", json!({"backend": hook("orders.paid")}))).await.unwrap();
    house.install("acme", "card").await;
    house.publish(card("1.1.0", json!({"backend": hook("orders.*")}))).await.unwrap();
    let wider = house.registry.upgrade(&named("acme"), &plugin("card"), None, None, "u1").await;
    assert_eq!(told(wider), ["/consent/events: sees the tenant's events of type orders.*"]);
    let agreed = Grants { events: ["orders.*".to_owned()].into(), ..Grants::default() };
    house.registry.upgrade(&named("acme"), &plugin("card"), None, Some(&agreed), "u1").await.unwrap();
    house.publish(card("1.2.0", json!({"backend": hook("orders.refunded")}))).await.unwrap();
    house.registry.upgrade(&named("acme"), &plugin("card"), None, None, "u1").await.unwrap();
    let running = house.registry.running(&named("acme")).await.unwrap();
    assert_eq!(running[0].hooks[0].event, "orders.refunded", "what is narrower was agreed to");
}

async fn without_its_handler(house: House) {
    say(&house, json!({"handlers": ["other"]}));
    let Err(Error::Manifest(found)) = house.publish(taking_webhooks("1.0.0")).await else {
        panic!("published")
    };
    assert_eq!(found[0].pointer, "/webhook/handler");
    say(&house, json!({"handlers": ["webhook"]}));
    let routes = json!([{"method": "POST", "path": "/paid", "handler": "webhook"}]);
    let mut draft = taking_webhooks("1.0.0");
    draft["backend"]["routes"] = routes;
    let found = told(house.publish(draft).await);
    assert!(found[0].starts_with("/backend/routes/0/handler"), "{found:?}");
}
