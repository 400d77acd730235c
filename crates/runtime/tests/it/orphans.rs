//! What calls write that outlast their installation, and what is left of installations.

use ::storage::on;
use registry::Deployment;
use runtime::LogQuery;
use sandbox::Level;
use serde_json::{Value, json};

use crate::bench::{Bench, plugin};
use crate::installed::{forget_departed, install, uninstall};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    a_call_that_outlasts_its_installation_keeps_nothing,
    the_last_hook_may_still_write,
    what_is_left_is_swept,
);

const SHOP: (&str, &str) = ("acme", "shop");

/// All places of which there are values, counts and lines.
async fn places(bench: &Bench) -> Vec<(String, String)> {
    let mut conn = bench.database.read().await.unwrap();
    on!(conn, |c| sqlx::query_as(
        "SELECT tenant, plugin_key FROM plugin_value UNION SELECT tenant, plugin_key FROM plugin_usage \
         UNION SELECT tenant, plugin_key FROM plugin_log ORDER BY 1, 2"
    )
    .fetch_all(c)
    .await)
    .unwrap()
}

async fn a_call_that_outlasts_its_installation_keeps_nothing(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    call.set("k", json!("theirs")).await.unwrap();
    uninstall(&bench.database, SHOP, None).await;
    let by_one = json!({"key": "n", "by": 1});
    let from_nothing = json!({"key": "c", "expected": null, "value": 1});
    for is_back in [false, true] {
        if is_back {
            install(&bench.database, SHOP, 2).await;
        }
        for refused in [
            call.set("late", json!(1)).await,
            call.ask("storage.increment", by_one.clone()).await,
            call.ask("storage.compareAndSet", from_nothing.clone()).await,
        ] {
            let error = refused.unwrap_err();
            assert!(error.contains("was uninstalled meanwhile"), "{error}");
        }
    }
    let anew = bench.call(Deployment { incarnation: 2, ..plugin("acme", "shop") });
    anew.set("mine", json!(1)).await.unwrap();
    assert_eq!(anew.get("late").await, Value::Null);
}

async fn the_last_hook_may_still_write(place: Place) {
    let bench = Bench::new(place).await;
    let before = bench.call(plugin("acme", "shop"));
    let hook = bench.call(Deployment { incarnation: -7, departed: true, ..plugin("acme", "shop") });
    assert!(hook.set("k", json!(1)).await.is_err(), "it has not departed");
    uninstall(&bench.database, SHOP, Some(7)).await;
    hook.set("k", json!(1)).await.unwrap();
    assert!(before.set("k", json!(2)).await.is_err());
    bench.runtime.sweep().await.unwrap();
    assert_eq!(hook.get("k").await, json!(1), "it is not swept before its end");
    forget_departed(&bench.database).await;
    assert!(hook.set("k", json!(3)).await.is_err());
}

async fn what_is_left_is_swept(place: Place) {
    let bench = Bench::new(place).await;
    for (tenant, id) in [SHOP, ("acme", "other"), ("other", "shop")] {
        let call = bench.call(plugin(tenant, id));
        for index in 0..3 {
            call.set(&format!("k{index}"), json!(1)).await.unwrap();
        }
        call.0.log(Level::Info, "hello".into());
        bench.lines(tenant, &format!("key-of-{id}"), 1).await;
    }
    bench.runtime.sweep().await.unwrap();
    let key = |tenant: &str, id: &str| (tenant.to_owned(), format!("key-of-{id}"));
    let all = [key("acme", "other"), key("acme", "shop"), key("other", "shop")];
    assert_eq!(places(&bench).await, all);
    uninstall(&bench.database, SHOP, None).await;
    let late = bench.call(plugin("acme", "shop"));
    late.0.log(Level::Info, "nobody reads this".into());
    // Lines are written in the order in which they come.
    bench.call(plugin("acme", "other")).0.log(Level::Info, "later".into());
    bench.lines("acme", "key-of-other", 2).await;
    let tenant = "acme".parse().unwrap();
    let lines = bench.runtime.log().list(&tenant, "key-of-shop", LogQuery::default()).await.unwrap().lines;
    assert_eq!(lines.iter().map(|line| &*line.message).collect::<Vec<_>>(), ["hello"]);
    bench.runtime.sweep().await.unwrap();
    assert_eq!(places(&bench).await, [key("acme", "other"), key("other", "shop")]);
}
