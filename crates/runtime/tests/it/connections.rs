//! Whose connections a plugin reaches.

use serde_json::{Value, json};

use crate::bench::{Bench, Call, plugin, with_connection};
use crate::place::Place;

async fn ask(call: &Call, operation: &str, user: Value) -> Result<Value, String> {
    let argument =
        json!({"connector": "notes", "operation": operation, "user": user, "arguments": {"id": "7"}});
    call.ask("connections.call", argument).await
}

#[tokio::test]
async fn the_callers_own_are_the_callers_own() {
    let bench = Bench::new(Place::sqlite()).await;
    let shop = with_connection(plugin("acme", "shop"), json!({"connector": "notes"}));
    let call = bench.call_by(shop.clone(), Some("ann@acme.example"));
    assert_eq!(ask(&call, "get", Value::Null).await, Ok(json!({"items": []})));
    assert_eq!(ask(&call, "get", json!("Ann@ACME.example")).await, Ok(json!({"items": []})));
    let error = ask(&call, "get", json!("bob@acme.example")).await.unwrap_err();
    assert!(error.contains("of the user who calls it alone"), "{error}");
    assert!(error.contains(r#""whose": "tenant""#), "{error}");
    let error = ask(&bench.call(shop), "get", Value::Null).await.unwrap_err();
    assert!(error.contains("no user calls the plugin now"), "{error}");
    let asked = bench.asked.0.lock().unwrap();
    assert_eq!(asked.len(), 2);
    for (connector, operation, user, arguments, actor) in &*asked {
        assert_eq!(
            (&**connector, &**operation, &**user, &**actor),
            ("notes", "get", "ann@acme.example", "plugin:shop")
        );
        assert_eq!(arguments.get("id"), Some(&json!("7")));
    }
}

#[tokio::test]
async fn looking_is_not_changing() {
    let bench = Bench::new(Place::sqlite()).await;
    let shop = with_connection(
        plugin("acme", "shop"),
        json!({"connector": "notes", "access": "read", "whose": "tenant"}),
    );
    let call = bench.call(shop.clone());
    ask(&call, "list", json!("bob@acme.example")).await.unwrap();
    for operation in ["create", "update", "delete", "send"] {
        let error = ask(&call, operation, json!("bob@acme.example")).await.unwrap_err();
        assert!(error.contains(r#"add {"connector": "notes", "access": "write"}"#), "{error}");
    }
    // Changing was consented to for the caller's own: not for others'.
    let both = with_connection(shop, json!({"connector": "notes", "access": "write"}));
    let call = bench.call_by(both, Some("ann@acme.example"));
    ask(&call, "delete", Value::Null).await.unwrap();
    let error = ask(&call, "delete", json!("bob@acme.example")).await.unwrap_err();
    assert!(error.contains(r#""access": "write", "whose": "tenant""#), "{error}");
    let users: Vec<String> = bench.asked.0.lock().unwrap().iter().map(|asked| asked.2.clone()).collect();
    assert_eq!(users, ["bob@acme.example", "ann@acme.example"]);
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_reached() {
    let bench = Bench::new(Place::sqlite()).await;
    let call = bench.call_by(plugin("acme", "shop"), Some("ann@acme.example"));
    let error = ask(&call, "list", Value::Null).await.unwrap_err();
    assert!(error.contains("add \"notes\" to connections in the manifest"), "{error}");
    let jira = with_connection(plugin("acme", "shop"), json!({"connector": "atlassian"}));
    let call = bench.call_by(jira, Some("ann@acme.example"));
    ask(&call, "list", Value::Null).await.unwrap_err();
    let by_alias = json!({"connector": "jira", "operation": "projects"});
    call.ask("connections.call", by_alias).await.unwrap();
    for (connector, operation, named) in
        [("nothing", "list", "no connector nothing"), ("jira", "raw", "no operation raw of connections")]
    {
        let argument = json!({"connector": connector, "operation": operation});
        let error = call.ask("connections.call", argument).await.unwrap_err();
        assert!(error.contains(named), "{error}");
    }
    assert_eq!(bench.asked.0.lock().unwrap().len(), 1);
}
