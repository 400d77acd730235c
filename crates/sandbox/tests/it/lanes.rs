//! Calls that compute for long go on in threads of their own.

use std::sync::{Arc, Mutex};

use sandbox::{Host, HostFuture, Level};
use serde_json::json;

use crate::world::{World, invocation, owner, script};

/// Notes in which thread each line was logged: that which runs the script.
#[derive(Default)]
struct Threads(Mutex<Vec<(String, String)>>);

impl Host for Threads {
    fn call(&self, _: &str, _: String) -> HostFuture {
        let thread = name();
        Box::pin(async move { Ok(json!([thread, name()]).to_string()) })
    }

    fn log(&self, _: Level, message: String) {
        self.0.lock().unwrap().push((message, name()));
    }
}

fn name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// A host that never answers, and tells when what it was asked for is given up.
#[derive(Default)]
struct Never(Arc<tokio::sync::Notify>);

impl Host for Never {
    fn call(&self, _: &str, _: String) -> HostFuture {
        let ended = Told(Arc::clone(&self.0));
        Box::pin(async move {
            let _ended = ended;
            std::future::pending().await
        })
    }

    fn log(&self, _: Level, _: String) {}
}

struct Told(Arc<tokio::sync::Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn an_aborted_request_ends_on_this_side() {
    let world = World::new();
    let script = script(
        "h: async () => { const c = new AbortController(); const f = fetch('https://a.test', { signal: c.signal });
            setTimeout(() => c.abort(new Error('mine')), 1); try { await f } catch (e) { await new Promise((r) => setTimeout(r, 60000)) } }",
    );
    let host = Arc::new(Never::default());
    let ended = Arc::clone(&host.0);
    let a = owner("a");
    let call = world.sandbox.call(&a, &script, host, invocation("h", &json!({})));
    tokio::select! {
        answer = call => panic!("it has ended first: {answer:?}"),
        () = ended.notified() => {}
    }
}

#[tokio::test]
async fn who_computes_for_long_goes_to_the_slow_lane_and_its_host_calls_do_not() {
    let world = World::new();
    let script = script(
        "h: async (req, ctx) => { console.log('before'); const until = Date.now() + req.ms; while (Date.now() < until) {} console.log('after');
            return await ctx.storage.get('a') }",
    );
    let threads = Arc::new(Threads::default());
    let run = async |ms: u32| {
        let host: Arc<dyn Host> = Arc::clone(&threads) as _;
        let call = invocation("h", &json!({ "ms": ms }));
        let answer = world.sandbox.call(&owner("a"), &script, host, call).await.unwrap();
        let said = std::mem::take(&mut *threads.0.lock().unwrap());
        (said.into_iter().map(|(_, thread)| thread == "sandbox-slow").collect::<Vec<_>>(), answer.json)
    };
    assert_eq!(run(0).await.0, [false, false]);
    let (lanes, answer) = run(200).await;
    assert_eq!(lanes, [false, true]);
    assert!(!answer.contains("sandbox-slow"), "{answer}");
    for call in 1..=3 {
        assert_eq!(run(0).await.0, [true, true], "its next calls begin there: {call}");
    }
    assert_eq!(run(0).await.0, [false, false], "and those after them do not, since they were short");
}
