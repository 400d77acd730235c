//! What plugins tell others.

use runtime::{Error, Runtime};
use serde_json::{Value, json};

use crate::bench::{Bench, plugin};
use crate::place::{Place, on_both_databases};

on_both_databases!(what_is_emitted_is_in_the_log, what_may_not_be_emitted_is_refused);

async fn what_is_emitted_is_in_the_log(place: Place) {
    let bench = Bench::new(place).await;
    let mut shop = plugin("acme", "shop");
    shop.emits.insert("payment.succeeded".into());
    let call = bench.call(shop);
    let told =
        call.ask("events.emit", json!({"type": "payment.succeeded", "data": {"order": "7"}})).await.unwrap();
    let bare = call.ask("events.emit", json!({"type": "payment.succeeded"})).await.unwrap();
    let mut conn = bench.database.read().await.unwrap();
    let events = ::storage::events_after(&mut conn, 0).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(told, json!({"id": events[0].id}));
    assert_eq!(bare, json!({"id": events[1].id}));
    let event = &events[0];
    assert_eq!(
        (event.tenant.as_deref(), event.kind.as_str(), event.subject.as_str(), event.data.as_str()),
        (Some("acme"), "payment.succeeded", "shop", r#"{"order":"7"}"#)
    );
}

async fn what_may_not_be_emitted_is_refused(place: Place) {
    let bench = Bench::new(place).await;
    let mut shop = plugin("acme", "shop");
    shop.emits.extend(["a".into(), "jackfield.tenant.deleted".into()]);
    let call = bench.call(shop);
    let emit =
        async |kind: &str, data: Value| call.ask("events.emit", json!({"type": kind, "data": data})).await;
    let error = emit("b", Value::Null).await.unwrap_err();
    assert_eq!(error, r#"the plugin may not emit b: add "b" to emits in the manifest"#);
    let error = emit("jackfield.tenant.deleted", Value::Null).await.unwrap_err();
    assert!(error.contains("this server's own"), "{error}");
    let error = emit("a", json!("x".repeat(65_535))).await.unwrap_err();
    assert!(error.contains("at most 65536"), "{error}");
    for _ in 0..100 {
        emit("a", json!(1)).await.unwrap();
    }
    assert!(emit("a", json!(1)).await.unwrap_err().contains("at most 100 events"));
    let mut conn = bench.database.read().await.unwrap();
    assert_eq!(::storage::events_after(&mut conn, 0).await.unwrap().len(), 100);
}

#[test]
fn what_trusts_its_input_is_no_action() {
    // Also where nobody has consented to its hook.
    let mut shop = plugin("acme", "shop");
    shop.handlers.extend(["list", "onOrder", "paid", "onInstall"].map(str::to_owned));
    shop.listeners.insert("onOrder".into());
    shop.webhook = Some(json!({"scheme": "stripe", "secret": "key", "handler": "paid"}));
    for handler in ["onOrder", "paid"] {
        let refused = Runtime::refuse_told(&shop, handler).unwrap_err();
        let Error::NoSuchHandler { known, .. } = refused else { panic!("{refused}") };
        assert_eq!(known, ["list"]);
    }
    assert!(Runtime::refuse_told(&shop, "list").is_ok());
}
