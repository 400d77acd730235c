//! Secrets: only those that may be read, opened once, and in no line of a log.

use std::sync::atomic::Ordering;

use sandbox::Level;
use serde_json::{Value, json};

use crate::bench::{Bench, plugin, with_host};
use crate::place::Place;

#[tokio::test]
async fn only_what_was_consented_to_is_read_and_once() {
    let bench = Bench::new(Place::sqlite()).await;
    bench.set_secret("pin", "1234-5678");
    bench.set_secret("key", "sk_live_abc");
    let mut shop =
        with_host(plugin("acme", "shop"), "api.example.com", &[("authorization", "Bearer ${key}")], &[]);
    shop.grants.secrets.extend(["pin".into(), "unset".into()]);
    let call = bench.call(shop);
    let get = async |name: &str| call.ask("secrets.get", json!({"name": name})).await;
    assert_eq!(get("pin").await, Ok(json!("1234-5678")));
    assert_eq!(get("unset").await, Ok(Value::Null));
    for name in ["key", "other"] {
        let error = get(name).await.unwrap_err();
        assert!(error.contains(&format!("add \"{name}\" to requiredSecrets")), "{error}");
    }
    assert_eq!(bench.vault.opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_log_line_has_a_value_also_in_a_later_call() {
    let bench = Bench::new(Place::sqlite()).await;
    bench.set_secret("pin", "pin\"12/34");
    let mut shop = plugin("acme", "shop");
    shop.grants.secrets.insert("pin".into());
    let call = bench.call(shop.clone());
    call.ask("secrets.get", json!({"name": "pin"})).await.unwrap();
    call.0.log(
        Level::Info,
        r#"raw pin"12/34, json "pin\"12/34", url pin%2212%2F34, base64 cGluIjEyLzM0"#.into(),
    );
    // A program may have kept it in its memory.
    bench.call(shop.clone()).0.log(Level::Info, r#"later: pin"12/34"#.into());
    bench.set_secret("pin", "another-pin");
    let call = bench.call(shop.clone());
    call.ask("secrets.get", json!({"name": "pin"})).await.unwrap();
    bench.call(shop).0.log(Level::Info, r#"former pin"12/34 and new another-pin"#.into());
    let lines = bench.lines("acme", "key-of-shop", 3).await;
    let messages: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            r#"raw [secret], json "[secret]", url [secret], base64 [secret]"#,
            "later: [secret]",
            "former [secret] and new [secret]",
        ]
    );
}

#[tokio::test]
async fn many_calls_at_once_forget_no_value() {
    let bench = Bench::new(Place::sqlite()).await;
    let mut shop = plugin("acme", "shop");
    let names: Vec<String> = (0..40).map(|index| format!("s{index:02}")).collect();
    for name in &names {
        bench.set_secret(name, &format!("value-of-{name}"));
    }
    let calls = names.iter().map(|name| {
        shop.grants.secrets = [name.clone()].into();
        let call = bench.call(shop.clone());
        let argument = json!({"name": name});
        tokio::spawn(async move { call.ask("secrets.get", argument).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let last = bench.call(shop.clone());
    for name in &names {
        last.0.log(Level::Info, format!("value-of-{name}"));
    }
    for line in bench.lines("acme", "key-of-shop", names.len()).await {
        assert_eq!(line.message, "[secret]");
    }
}
