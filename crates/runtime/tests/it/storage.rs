//! What plugins keep: within their quota, apart from others', and whole however many write at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::storage::{Tenants, on};
use model::Ambient;
use runtime::{Quota, Settings};
use serde_json::{Value, json};

use crate::bench::{Bench, Call, Gate, departure, plugin};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    a_deleted_tenant_leaves_nothing,
    a_value_comes_back_as_it_was,
    compare_and_set_lets_one_through,
    increments_are_never_lost,
    keys_are_listed_by_prefix_and_page,
    nobody_sees_anothers_values,
    the_quota_is_exact_however_many_write,
    what_expires_is_gone_and_makes_room,
    what_cannot_be_read_again_is_refused,
    what_has_expired_of_one_keeps_nobody_waiting,
    what_is_no_value_is_refused,
    what_was_uninstalled_can_be_erased,
    what_is_installed_again_keeps_what_it_keeps_from_then_on,
);

async fn small(place: Place, values: u32, bytes: u64) -> Bench {
    Bench::with(place, "", Settings { quota: Quota { values, bytes }, ..Settings::default() }).await
}

/// How many values there are and how large, by the count that is kept and by counting.
async fn usage(bench: &Bench) -> [(i64, i64); 2] {
    let mut conn = bench.database.read().await.unwrap();
    let noted: Option<(i64, i64)> = on!(conn, |c| sqlx::query_as(
        "SELECT value_count, value_bytes FROM plugin_usage WHERE tenant = 'acme'"
    )
    .fetch_optional(c)
    .await)
    .unwrap();
    let counted: (i64, Option<i64>) = on!(conn, |c| sqlx::query_as(
        "SELECT COUNT(*), CAST(SUM(size) AS BIGINT) FROM plugin_value WHERE tenant = 'acme'"
    )
    .fetch_one(c)
    .await)
    .unwrap();
    [noted.unwrap_or_default(), (counted.0, counted.1.unwrap_or_default())]
}

async fn keys(call: &Call, prefix: &str) -> Value {
    call.ask("storage.list", json!({"prefix": prefix})).await.unwrap()["keys"].clone()
}

async fn a_value_comes_back_as_it_was(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    let value =
        json!({"z": 1, "a": [null, true, 1.5, "\u{0}\u{1f600}'\"%_"], "n": 9_007_199_254_740_991_i64});
    for key in ["k", "a/b:c d", "\u{0}", "%", "\u{1f600}", &"x".repeat(256)] {
        assert_eq!(call.set(key, value.clone()).await, Ok(Value::Null));
        assert_eq!(call.get(key).await.to_string(), value.to_string(), "{key:?}");
    }
    assert_eq!(call.get("other").await, Value::Null);
    assert_eq!(call.ask("storage.delete", json!({"key": "k"})).await, Ok(json!(true)));
    assert_eq!(call.ask("storage.delete", json!({"key": "k"})).await, Ok(json!(false)));
    assert_eq!(call.get("k").await, Value::Null);
    let [noted, counted] = usage(&bench).await;
    assert_eq!(noted, counted);
}

async fn keys_are_listed_by_prefix_and_page(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    for key in ["a%1", "a_1", "ab1", "a%2", "A%1", "\u{e9}1", "\u{e9}", "\u{ea}", "b"] {
        call.set(key, json!(1)).await.unwrap();
    }
    assert_eq!(keys(&call, "a%").await, json!(["a%1", "a%2"]));
    assert_eq!(keys(&call, "\u{e9}").await, json!(["\u{e9}", "\u{e9}1"]));
    assert_eq!(
        keys(&call, "").await,
        json!(["A%1", "a%1", "a%2", "a_1", "ab1", "b", "\u{e9}", "\u{e9}1", "\u{ea}"])
    );
    assert_eq!(keys(&call, "zz").await, json!([]));
    let mut seen = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = json!({"prefix": "a", "limit": 2, "after": after});
        let page = call.ask("storage.list", page).await.unwrap();
        seen.extend(page["keys"].as_array().unwrap().clone());
        match page.get("next") {
            Some(next) => after = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen, [json!("a%1"), json!("a%2"), json!("a_1"), json!("ab1")]);
}

async fn what_expires_is_gone_and_makes_room(place: Place) {
    let bench = small(place, 2, 10_000).await;
    let call = bench.call(plugin("acme", "shop"));
    let short = json!({"key": "short", "value": 1, "ttl": 60});
    call.ask("storage.set", short.clone()).await.unwrap();
    call.set("long", json!(2)).await.unwrap();
    let error = call.set("third", json!(3)).await.unwrap_err();
    assert!(error.contains("at most") || error.contains("may keep 2 values"), "{error}");
    bench.pass(Duration::from_mins(1));
    assert_eq!(call.get("short").await, Value::Null);
    assert_eq!(keys(&call, "").await, json!(["long"]));
    assert_eq!(call.ask("storage.delete", json!({"key": "short"})).await, Ok(json!(false)));
    call.ask("storage.set", short).await.unwrap();
    bench.pass(Duration::from_secs(61));
    call.set("third", json!(3)).await.unwrap();
    assert_eq!(usage(&bench).await, [(2, 11), (2, 11)], "the expired one made room");
    call.ask("storage.set", json!({"key": "third", "value": 4, "ttl": 1.5})).await.unwrap();
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.runtime.sweep().await.unwrap(), 1);
    assert_eq!(usage(&bench).await, [(1, 5), (1, 5)]);
    assert_eq!(bench.runtime.sweep().await.unwrap(), 0);
}

async fn what_is_no_value_is_refused(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    for (argument, named) in [
        (json!({"key": "", "value": 1}), "1 to 256 bytes"),
        (json!({"key": "x".repeat(257), "value": 1}), "1 to 256 bytes"),
        (json!({"key": "k", "value": "x".repeat(256 * 1024)}), "keep it in parts"),
        (json!({"key": "k", "value": 1, "ttl": 0}), "ttl is"),
        (json!({"key": "k", "value": 1, "ttl": -5}), "ttl is"),
        (json!({"key": "k", "value": 1, "ttl": 1e300}), "ttl is"),
        (json!({"key": "k"}), "missing field `value`"),
        (json!({"key": "k", "value": 1, "tenant": "other"}), "unknown field `tenant`"),
        (json!({"key": 7, "value": 1}), "expected a string"),
        (json!([]), "storage.set:"),
    ] {
        let error = call.ask("storage.set", argument).await.unwrap_err();
        assert!(error.contains(named), "{error}");
    }
    assert_eq!(usage(&bench).await, [(0, 0), (0, 0)]);
    let error = call.ask("storage.drop", json!({})).await.unwrap_err();
    assert_eq!(error, "there is no operation storage.drop");
    for _ in 0..1000 {
        let _ = call.ask("storage.get", json!({"key": ""})).await;
    }
    let error = call.ask("storage.get", json!({"key": "k"})).await.unwrap_err();
    assert!(error.contains("at most 1000 operations of storage"), "{error}");
}

async fn the_quota_is_exact_however_many_write(place: Place) {
    let bench = small(place, 1000, 1010).await;
    // Each value counts for 10 bytes: a key of 3 and a text of 5 with its quotes.
    let writes = (0..200).map(|index| {
        let call = bench.call(plugin("acme", "shop"));
        async move { call.set(&format!("{index:03}"), json!("xxxxx")).await }
    });
    let written = futures::future::join_all(writes).await;
    let fine = written.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(fine, 101, "{:?}", written.iter().find(|outcome| outcome.is_err()));
    assert!(
        written
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .all(|error| error.contains("there is no room"))
    );
    assert_eq!(usage(&bench).await, [(101, 1010), (101, 1010)]);
    // Others delete and write anew at the same time.
    let call = bench.call(plugin("acme", "shop"));
    let kept = keys(&call, "").await;
    let changes = kept.as_array().unwrap().iter().map(|key| {
        let call = bench.call(plugin("acme", "shop"));
        let key = key.as_str().unwrap().to_owned();
        async move {
            call.ask("storage.delete", json!({"key": key})).await.unwrap();
            call.set(&key, json!("yyyyy")).await.unwrap();
        }
    });
    futures::future::join_all(changes).await;
    assert_eq!(usage(&bench).await, [(101, 1010), (101, 1010)]);
    let error = call.set("000", json!("xxxxxx")).await.unwrap_err();
    assert!(error.contains("1010 bytes"), "{error}");
    // Less is always taken.
    let some = kept[0].as_str().unwrap();
    call.set(some, json!("x")).await.unwrap();
    assert_eq!(usage(&bench).await, [(101, 1006), (101, 1006)]);
}

async fn increments_are_never_lost(place: Place) {
    let bench = Bench::new(place).await;
    let increments =
        (0..100).map(|_| {
            let call = bench.call(plugin("acme", "shop"));
            async move {
                call.ask("storage.increment", json!({"key": "n", "by": 2})).await.unwrap().as_i64().unwrap()
            }
        });
    let mut sums = futures::future::join_all(increments).await;
    sums.sort_unstable();
    assert_eq!(sums, (1..=100).map(|n| n * 2).collect::<Vec<_>>());
    let call = bench.call(plugin("acme", "shop"));
    assert_eq!(call.get("n").await, json!(200));
    assert_eq!(call.ask("storage.increment", json!({"key": "n", "by": -0.5})).await, Ok(json!(199.5)));
    call.set("t", json!("text")).await.unwrap();
    let error = call.ask("storage.increment", json!({"key": "t", "by": 1})).await.unwrap_err();
    assert!(error.contains("is no number"), "{error}");
    let beyond = json!({"key": "m", "by": 9_007_199_254_740_991_i64});
    call.ask("storage.increment", beyond.clone()).await.unwrap();
    assert!(call.ask("storage.increment", beyond).await.unwrap_err().contains("JavaScript"));
    // A counter keeps the lifetime that it has, and begins anew after it.
    call.ask("storage.set", json!({"key": "c", "value": 5, "ttl": 60})).await.unwrap();
    assert_eq!(call.ask("storage.increment", json!({"key": "c"})).await, Ok(json!(6)));
    bench.pass(Duration::from_secs(61));
    assert_eq!(call.ask("storage.increment", json!({"key": "c", "by": 3})).await, Ok(json!(3)));
    let [noted, counted] = usage(&bench).await;
    assert_eq!(noted, counted);
}

async fn compare_and_set_lets_one_through(place: Place) {
    let bench = Bench::new(place).await;
    let attempts = (0..50).map(|index| {
        let call = bench.call(plugin("acme", "shop"));
        let argument = json!({"key": "lock", "expected": null, "value": {"owner": index, "b": [1, 2]}});
        async move { call.ask("storage.compareAndSet", argument).await.unwrap() }
    });
    let won = futures::future::join_all(attempts).await;
    assert_eq!(won.iter().filter(|won| **won == json!(true)).count(), 1);
    let call = bench.call(plugin("acme", "shop"));
    let holder = call.get("lock").await;
    let swapped = |expected: Value, value: Value| {
        let argument = json!({"key": "lock", "expected": expected, "value": value});
        let call = &call;
        async move { call.ask("storage.compareAndSet", argument).await.unwrap() }
    };
    let other_order = json!({"b": [1, 2], "owner": holder["owner"]});
    assert_eq!(swapped(json!({"owner": holder["owner"]}), json!(1)).await, json!(false));
    assert_eq!(swapped(other_order, json!(1)).await, json!(true));
    assert_eq!(swapped(json!(null), json!(2)).await, json!(false));
    assert_eq!(swapped(json!(1), json!(2)).await, json!(true));
    assert_eq!(call.get("lock").await, json!(2));
}

async fn nobody_sees_anothers_values(place: Place) {
    let bench = small(place, 2, 10_000).await;
    let own = bench.call(plugin("acme", "shop"));
    own.set("k", json!("mine")).await.unwrap();
    own.set("l", json!("mine")).await.unwrap();
    for other in [plugin("other", "shop"), plugin("acme", "other"), plugin("acme2", "shop")] {
        let other = bench.call(other);
        assert_eq!(other.get("k").await, Value::Null);
        assert_eq!(keys(&other, "").await, json!([]));
        assert_eq!(other.ask("storage.delete", json!({"key": "k"})).await, Ok(json!(false)));
        other.set("k", json!("theirs")).await.unwrap();
        assert_eq!(other.ask("storage.increment", json!({"key": "n", "by": 1})).await, Ok(json!(1)));
    }
    assert_eq!(own.get("k").await, json!("mine"));
    assert_eq!(keys(&own, "").await, json!(["k", "l"]));
}

async fn a_deleted_tenant_leaves_nothing(place: Place) {
    let bench = Bench::new(place).await;
    let own = bench.call(plugin("acme", "shop"));
    let other = bench.call(plugin("other", "shop"));
    for index in 0..20 {
        own.set(&format!("k{index}"), json!(index)).await.unwrap();
    }
    other.set("k", json!(1)).await.unwrap();
    own.0.log(sandbox::Level::Info, "hello".into());
    bench.lines("acme", "key-of-shop", 1).await;
    let data = [runtime::TENANT_DATA, ::storage::TENANT_DATA];
    let tenants = Tenants::new(bench.database.clone(), &data, Vec::new(), Ambient::system());
    let deleted = tenants.delete(&"acme".parse().unwrap(), "test").await.unwrap().unwrap();
    assert_eq!(deleted.get("values that plugins keep"), Some(&20));
    assert_eq!(deleted.get("lines of plugins' logs"), Some(&1));
    assert_eq!(usage(&bench).await, [(0, 0), (0, 0)]);
    assert_eq!(other.get("k").await, json!(1));
}

async fn what_was_uninstalled_can_be_erased(place: Place) {
    let bench = Bench::new(place).await;
    let (own, other) = (bench.call(plugin("acme", "shop")), bench.call(plugin("acme", "other")));
    for index in 0..20 {
        own.set(&format!("k{index}"), json!(index)).await.unwrap();
    }
    other.set("k", json!(1)).await.unwrap();
    own.0.log(sandbox::Level::Info, "hello".into());
    bench.lines("acme", "key-of-shop", 1).await;
    bench.pass(Duration::from_millis(1));
    own.0.log(sandbox::Level::Info, "of this moment".into());
    bench.pass(Duration::from_millis(1));
    bench.runtime.erase(&departure("acme", "shop")).await.unwrap();
    // What has waited to be written is not written any more.
    bench.runtime.log().close().await;
    assert_eq!(keys(&own, "").await, json!([]));
    assert_eq!(other.get("k").await, json!(1));
    let tenant = "acme".parse().unwrap();
    let logs = bench.runtime.log().list(&tenant, "key-of-shop", runtime::LogQuery::default());
    assert_eq!(logs.await.unwrap().lines, []);
}

async fn what_is_installed_again_keeps_what_it_keeps_from_then_on(place: Place) {
    let bench = Bench::new(place).await;
    let own = bench.call(plugin("acme", "shop"));
    own.set("old", json!(1)).await.unwrap();
    let gate = Arc::new(Gate::default());
    *bench.vault.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let runtime = bench.runtime.clone();
    let erasing = tokio::spawn(async move { runtime.erase(&departure("acme", "shop")).await });
    gate.reached.notified().await;
    // It has been seen that it is gone; now it is installed again, and keeps something at once.
    bench.vault.is_back.store(true, Ordering::SeqCst);
    {
        let setting = own.set("new", json!(2));
        tokio::pin!(setting);
        let early = tokio::time::timeout(Duration::from_millis(200), &mut setting).await;
        gate.opened.notify_one();
        let rest = async {
            match early {
                Ok(set) => set,
                Err(_) => setting.await,
            }
        };
        let (erased, set) = tokio::join!(erasing, rest);
        erased.unwrap().unwrap();
        set.unwrap();
    }
    assert_eq!(keys(&own, "").await, json!(["new"]));

    own.0.log(sandbox::Level::Info, "hello".into());
    bench.lines("acme", "key-of-shop", 1).await;
    bench.runtime.erase(&departure("acme", "shop")).await.unwrap();
    assert_eq!(keys(&own, "").await, json!(["new"]));
    assert_eq!(bench.lines("acme", "key-of-shop", 1).await.len(), 1);
}

async fn what_cannot_be_read_again_is_refused(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    let raw = async |operation: &str, value: &str| {
        let argument = format!(r#"{{"key":"k","expected":null,"value":{value}}}"#);
        let argument =
            argument.replace(if operation == "storage.set" { r#""expected":null,"# } else { "~" }, "");
        call.0.call(operation, argument).await
    };
    let deep = format!("{}{}", "[".repeat(130), "]".repeat(130));
    for value in [r#""\ud800""#, r#"{"\udc00":1}"#, &deep] {
        for operation in ["storage.set", "storage.compareAndSet"] {
            let error = raw(operation, value).await.unwrap_err();
            assert!(error.contains("is no JSON that can be kept"), "{operation} {value}: {error}");
        }
    }
    let fine = format!("{}{}", "[".repeat(127), "]".repeat(127));
    for value in [r#""\ud83d\ude00""#, &fine] {
        raw("storage.set", value).await.unwrap();
        assert_eq!(raw("storage.compareAndSet", "1").await.unwrap(), "false", "{value} is not nothing");
    }
    // A sum of halves is the whole number that JavaScript takes it for.
    let half = json!({"key": "n", "by": 0.5});
    assert_eq!(call.ask("storage.increment", half.clone()).await, Ok(json!(0.5)));
    assert_eq!(call.ask("storage.increment", half).await, Ok(json!(1)));
    let swap = json!({"key": "n", "expected": 1, "value": 2});
    assert_eq!(call.ask("storage.compareAndSet", swap).await, Ok(json!(true)));
}

async fn expire(bench: &Bench, plugin: registry::Deployment, count: usize) {
    // Within the bounds on the operations and the time of one call, on a busy machine too.
    for chunk in 0..count.div_ceil(100) {
        let call = bench.call(plugin.clone());
        for index in (chunk * 100)..count.min((chunk + 1) * 100) {
            let value = json!({"key": format!("k{index}"), "value": 1, "ttl": 60});
            call.ask("storage.set", value).await.unwrap();
        }
    }
}

async fn what_has_expired_of_one_keeps_nobody_waiting(place: Place) {
    let bench = Bench::new(place).await;
    expire(&bench, plugin("acme", "loud"), 1200).await;
    bench.pass(Duration::from_secs(1));
    expire(&bench, plugin("acme", "quiet"), 1).await;
    bench.pass(Duration::from_mins(2));
    assert_eq!(bench.runtime.sweep().await.unwrap(), 1201);
    let mut conn = bench.database.read().await.unwrap();
    let (left,): (i64,) =
        on!(conn, |c| sqlx::query_as("SELECT COUNT(*) FROM plugin_value").fetch_one(c).await).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_cannot_be_swept_of_one_is_of_others() {
    let bench = Bench::new(Place::sqlite()).await;
    expire(&bench, plugin("acme", "loud"), 2).await;
    bench.pass(Duration::from_secs(1));
    expire(&bench, plugin("acme", "quiet"), 2).await;
    let mut tx = bench.database.begin().await.unwrap();
    on!(tx, |c| sqlx::query(
        "CREATE TRIGGER stuck BEFORE DELETE ON plugin_value WHEN OLD.plugin_key = 'key-of-loud' \
         BEGIN SELECT RAISE(ABORT, 'stuck'); END"
    )
    .execute(c)
    .await
    .map(drop))
    .unwrap();
    tx.commit().await.unwrap();
    bench.pass(Duration::from_mins(2));
    assert_eq!(bench.runtime.sweep().await.unwrap(), 2, "the other's");
}
