//! Which instances are kept warm, and which are thrown away.

use std::sync::Arc;
use std::time::Duration;

use sandbox::{Error, Invocation, Limits, Settings};
use serde_json::{Value, json};

use crate::world::{World, invocation, owner, script, settings};

const COUNT: &str = "h: () => globalThis.count = (globalThis.count ?? 0) + 1";

#[tokio::test]
async fn there_are_never_more_warm_ones_than_there_is_room_for() {
    let world = World::with(Settings { warm_instances: 3, ..settings() });
    let script = script(COUNT);
    for tenant in ["a", "b", "c", "a", "d"] {
        world.run_as(&owner(tenant), &script, "h", json!({})).await.unwrap();
    }
    assert_eq!(world.sandbox.warm().0, 3);
    for (tenant, expected) in [("a", 3), ("c", 2), ("d", 2), ("b", 1)] {
        let told = world.run_as(&owner(tenant), &script, "h", json!({})).await.unwrap();
        assert_eq!(told["body"]["json"], expected, "{tenant}");
    }
}

#[tokio::test]
async fn their_memory_is_counted_and_given_back() {
    let world = World::with(Settings { warm_memory: 8 << 20, ..settings() });
    let script = script("h: (req) => { globalThis.kept = 'x'.repeat(req.bytes); return 1 }");
    for tenant in ["a", "b", "c", "d", "e", "f"] {
        world.run_as(&owner(tenant), &script, "h", json!({ "bytes": 1 << 20 })).await.unwrap();
    }
    let (instances, bytes) = world.sandbox.warm();
    assert!((1..6).contains(&instances) && bytes <= 8 << 20, "{instances} of {bytes}");
    assert_eq!(world.sandbox.memory(), bytes, "nothing else has memory");
    world.run_as(&owner("large"), &script, "h", json!({ "bytes": 16 << 20 })).await.unwrap();
    assert_eq!(
        world.sandbox.warm(),
        (instances, bytes),
        "one that has very much is not kept, and drives out no other"
    );
    assert_eq!(world.sandbox.memory(), bytes);
}

#[tokio::test]
async fn instances_that_wait_make_room_for_those_that_run() {
    let world = World::with(Settings { total_memory: 12 << 20, ..settings() });
    let script = script("h: (req) => { globalThis.kept = new Uint8Array(req.bytes); return 1 }");
    for tenant in ["a", "b", "c", "d"] {
        world.run_as(&owner(tenant), &script, "h", json!({ "bytes": 1 << 20 })).await.unwrap();
    }
    let before = world.sandbox.warm().0;
    assert!(before > 1);
    world.run_as(&owner("large"), &script, "h", json!({ "bytes": 8 << 20 })).await.unwrap();
    assert!(world.sandbox.warm().0 < before);
    assert_eq!(world.sandbox.memory(), world.sandbox.warm().1);
}

#[tokio::test]
async fn what_only_threw_serves_the_next_call() {
    let world = World::new();
    let script = script(&format!("{COUNT}, bad: () => {{ throw new Error('no') }}"));
    world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
    for name in ["bad", "none"] {
        world.run_as(&owner("a"), &script, name, json!({})).await.unwrap_err();
    }
    let told = world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
    assert_eq!(told["body"]["json"], 2);
}

#[tokio::test]
async fn timers_that_are_cleared_or_left_say_nothing_in_the_log() {
    let world = World::new();
    let code = "h: async () => { clearTimeout(setTimeout(() => {}, 60000)); const id = setInterval(() => clearInterval(id), 1);
        setTimeout(() => {}, 60000); await new Promise((resolve) => setTimeout(resolve, 20)); return 1 }";
    assert_eq!(world.body(code, json!({})).await, 1);
    assert_eq!(world.host.log(), Vec::<String>::new());
}

#[tokio::test]
async fn all_together_have_no_more_memory_than_the_settings_say() {
    let world = World::with(Settings { total_memory: 12 << 20, ..settings() });
    let script = script("h: () => { globalThis.kept = new Uint8Array(16 << 20); return 1 }, k: () => 1");
    let error = world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap_err();
    assert!(matches!(error, Error::Exhausted), "{error:?}");
    world.run_as(&owner("a"), &script, "k", json!({})).await.unwrap();
}

#[tokio::test]
async fn what_was_forgotten_begins_anew() {
    let world = World::new();
    let script = script(COUNT);
    world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
    world.sandbox.forget(&owner("a"));
    assert_eq!(world.sandbox.warm(), (0, 0));
    let told = world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
    assert_eq!(told["body"]["json"], 1);
}

#[tokio::test]
async fn timers_and_calls_that_are_left_end_with_the_call() {
    let world = World::new();
    let script = script(
        "h: (req, ctx) => { globalThis.late ??= 0; setTimeout(() => { globalThis.late++ }, 5); setInterval(() => { globalThis.late++ }, 5);
            ctx.http.get('https://a.test').then(() => { globalThis.late++ }, () => {}); return 1 },
        wait: async () => { await new Promise((resolve) => setTimeout(resolve, 60)); return globalThis.late ?? 'gone' }",
    );
    world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
    let told = world.run_as(&owner("a"), &script, "wait", json!({})).await.unwrap();
    let late = &told["body"];
    assert!(late["json"] == 0 || late["text"] == "gone", "{told}");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_ends() {
    let world = World::new();
    let script = script(
        "h: async (req, ctx) => { for (;;) await ctx.storage.increment('n') }, n: (req, ctx) => ctx.storage.get('n')",
    );
    let a = owner("a");
    let call = world.sandbox.call(&a, &script, world.host.clone(), invocation("h", &json!({})));
    tokio::time::timeout(Duration::from_millis(100), call).await.unwrap_err();
    let count = || async {
        let told = world.run_as(&owner("b"), &script, "n", json!({})).await.unwrap();
        told["body"]["json"].as_u64().unwrap()
    };
    // A call in the slow lane notices at its next tick.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let then = count().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(count().await, then);
    assert!(then > 0);
}

#[tokio::test]
async fn a_deadline_of_the_call_itself_comes_first() {
    let world = World::new();
    let script = script("h: () => new Promise((resolve) => setTimeout(resolve, 60000))");
    let mut call = invocation("h", &json!({}));
    call.deadline = Some(Duration::from_millis(50));
    let error = world.sandbox.call(&owner("a"), &script, world.host.clone(), call).await.unwrap_err();
    assert!(matches!(error, Error::WallDeadline(after) if after == Duration::from_millis(50)), "{error:?}");
}

#[tokio::test]
async fn compiled_code_is_kept_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let with = || Settings {
        cache_dir: Some(cache.clone()),
        warm_instances: 2,
        limits: Limits::default(),
        ..settings()
    };
    World::with(with()).sandbox.prepare().await.unwrap();
    let files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|each| each.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(file)), (0o700, 0o600));

    let written = |path: &std::path::Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let before = written(file);
    assert_eq!(World::with(with()).body("h: () => 1", json!({})).await, 1);
    assert_eq!(written(file), before, "it was loaded");

    // What others could have written is not loaded, nor what is broken; it is compiled and kept anew.
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(World::with(with()).body("h: () => 1", json!({})).await, 1);
    assert_eq!(mode(file), 0o600);
    std::fs::write(file, b"broken").unwrap();
    assert_eq!(World::with(with()).body("h: () => 1", json!({})).await, 1);
    assert!(std::fs::metadata(file).unwrap().len() > 1_000_000);
}

#[tokio::test]
async fn a_later_owner_of_the_same_name_begins_anew() {
    let world = World::new();
    let script = script(COUNT);
    for (incarnation, expected) in [(1, 1), (1, 2), (2, 1), (1, 3), (2, 2)] {
        let call = Invocation { incarnation, ..invocation("h", &json!({})) };
        let host = Arc::clone(&world.host) as _;
        let answer = world.sandbox.call(&owner("a"), &script, host, call).await.unwrap();
        let told: Value = serde_json::from_str(&answer.json).unwrap();
        assert_eq!(told["body"]["json"], expected, "{incarnation}");
    }
    world.sandbox.forget(&owner("a"));
    assert_eq!(world.sandbox.warm(), (0, 0), "whichever they are of");
}
