//! A sandbox for a test, a host in memory, and short ways to call scripts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::Ambient;
use sandbox::{
    Answer, Error, Host, HostFuture, Invocation, Level, Limits, Owner, Sandbox, Script, Settings, Target,
};
use serde_json::{Value, json};

/// Keeps values, and answers each request with itself.
#[derive(Default)]
pub(crate) struct Memory {
    values: Arc<Mutex<BTreeMap<String, Value>>>,
    pub(crate) lines: Mutex<Vec<(Level, String)>>,
    running: Arc<AtomicUsize>,
    /// The most calls that there were at once.
    pub(crate) most: Arc<AtomicUsize>,
}

impl Memory {
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|(level, line)| format!("{level:?}: {line}")).collect()
    }
}

impl Host for Memory {
    fn call(&self, operation: &str, argument: String) -> HostFuture {
        let (values, operation) = (Arc::clone(&self.values), operation.to_owned());
        let (running, most) = (Arc::clone(&self.running), Arc::clone(&self.most));
        Box::pin(async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let result = answer(&values, &operation, &argument).await;
            running.fetch_sub(1, Ordering::SeqCst);
            result
        })
    }

    fn log(&self, level: Level, message: String) {
        self.lines.lock().unwrap().push((level, message));
    }
}

async fn answer(
    values: &Mutex<BTreeMap<String, Value>>,
    operation: &str,
    argument: &str,
) -> Result<String, String> {
    let given: Value = serde_json::from_str(argument).map_err(|error| error.to_string())?;
    let key = given["key"].as_str().unwrap_or_default().to_owned();
    let value = match operation {
        "storage.get" => values.lock().unwrap().get(&key).cloned().unwrap_or(Value::Null),
        "storage.set" => {
            values.lock().unwrap().insert(key, given["value"].clone());
            Value::Null
        }
        "storage.increment" => {
            let mut values = values.lock().unwrap();
            let value =
                values.get(&key).and_then(Value::as_i64).unwrap_or(0) + given["by"].as_i64().unwrap_or(1);
            values.insert(key, json!(value));
            json!(value)
        }
        "storage.list" => {
            let all = values.lock().unwrap();
            let after = given["after"].as_str().unwrap_or_default();
            let keys: Vec<&String> = all.keys().filter(|key| key.as_str() > after).take(2).collect();
            let next = keys.last().filter(|last| all.keys().any(|key| key > **last));
            json!({ "keys": keys, "next": next })
        }
        "http.request" => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let content = json!({ "status": 201, "url": given["url"], "headers": {"content-type": "application/json"},
                "body": { "text": argument } });
            return Ok(content.to_string());
        }
        "events.emit" | "connections.call" | "platform.request" => {
            json!({ "status": 200, "headers": {}, "body": { "text": "plain" }, "asked": given })
        }
        "never" => std::future::pending().await,
        "large" => return Ok(format!("\"{}\"", "x".repeat(9 << 20))),
        "panic" => panic!("a host that panics"),
        other => return Err(format!("there is no operation {other}")),
    };
    Ok(value.to_string())
}

pub(crate) fn settings() -> Settings {
    Settings {
        cache_dir: Some(
            std::env::temp_dir().join(format!("jackfield-sandbox-tests-{}", env!("CARGO_PKG_VERSION"))),
        ),
        warm_instances: 20,
        // On a busy machine the slow lane gets little time.
        limits: Limits { wall: Duration::from_mins(1), ..Limits::default() },
        ..Settings::default()
    }
}

/// A sandbox and a host for one test.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) host: Arc<Memory>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let sandbox = Sandbox::new(settings, Ambient::system()).unwrap();
        Self { sandbox, host: Arc::default() }
    }

    /// Calls `handler` of the handlers that `body` lists.
    pub(crate) async fn run(&self, handlers: &str, handler: &str, request: Value) -> Result<Value, Error> {
        self.run_as(&owner("acme"), &script(handlers), handler, request).await
    }

    pub(crate) async fn run_as(
        &self,
        owner: &Owner,
        script: &Script,
        handler: &str,
        request: Value,
    ) -> Result<Value, Error> {
        let host: Arc<dyn Host> = Arc::clone(&self.host) as _;
        let answer = self.sandbox.call(owner, script, host, invocation(handler, &request)).await;
        answer.map(|Answer { json }| serde_json::from_str(&json).unwrap())
    }

    /// What the handler `h` answers, JSON or text.
    pub(crate) async fn body(&self, handlers: &str, request: Value) -> Value {
        let mut answer = self.run(handlers, "h", request).await.unwrap_or_else(|error| panic!("{error}"));
        let body = &mut answer["body"];
        if body.get("text").is_some() { body["text"].take() } else { body["json"].take() }
    }
}

pub(crate) fn owner(tenant: &str) -> Owner {
    Owner { tenant: tenant.into(), plugin: "p".into() }
}

/// A script whose handlers are those that `handlers` lists.
pub(crate) fn script(handlers: &str) -> Script {
    bare(&format!("var __plugin = (function () {{ return {{ handlers: {{ {handlers} }} }} }})();"))
}

pub(crate) fn bare(source: &str) -> Script {
    Script { id: source.into(), source: source.into(), source_map: None }
}

pub(crate) fn invocation(handler: &str, request: &Value) -> Invocation {
    Invocation {
        target: Target::Handler(handler.to_owned()),
        request: request.to_string(),
        context:
            json!({ "tenantId": "acme", "pluginId": "p", "version": "1.0.0", "config": { "a": { "b": 1 } } })
                .to_string(),
        deadline: None,
        incarnation: 1,
    }
}
