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
    assert_eq!(run(0).await.0, [true, true], "its next call begins there");
    assert_eq!(run(0).await.0, [false, false], "and the one after it does not, since that was a short one");
}
