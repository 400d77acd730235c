//! The CloudEvents SDKs of two languages as clients.

use model::Role;
use serde_json::{Value, json};
use testkit::{cloud_events_of_node, cloud_events_of_python, token};

use crate::server;

fn told<'a>(answer: &'a Value, id: &str) -> &'a Value {
    answer["told"].as_array().unwrap().iter().find(|event| event["id"] == id).unwrap()
}

#[test]
fn the_sdk_for_javascript_publishes_and_reads() {
    let server = server().start().unwrap();
    let answer = cloud_events_of_node(server.base(), &token("acme", Role::Admin)).unwrap();
    assert_eq!(answer["statuses"], json!({"binary": 202, "text": 202, "structured": 202, "batch": 202}));
    assert_eq!(answer["told"].as_array().unwrap().len(), 5, "{answer:#}");
    let binary = told(&answer, "binary");
    assert_eq!((&binary["data"], &binary["subject"]), (&json!({"total": 7}), &json!("order 1")));
    assert_eq!((&binary["comexample"], &binary["partitionkey"]), (&json!("a b%c"), &json!("k1")));
    assert_eq!(told(&answer, "text")["data"], "plain \u{e9}");
    assert_eq!(told(&answer, "structured")["data"], json!({"total": 8}));
    assert_eq!(told(&answer, "batch-2")["data"], 2);
}

#[test]
fn the_sdk_for_python_publishes_and_reads() {
    let server = server().start().unwrap();
    let answer = cloud_events_of_python(server.base(), &token("acme", Role::Admin)).unwrap();
    assert_eq!(answer["statuses"], json!({"binary": 202, "bytes": 202, "structured": 202}));
    let binary = told(&answer, "binary");
    assert_eq!((&binary["data"], &binary["subject"]), (&json!({"total": 7}), &json!("\u{dc}trecht 1")));
    assert_eq!(binary["comexample"], "a b%c");
    assert_eq!(told(&answer, "bytes")["data"], "00ff");
    assert_eq!(told(&answer, "structured")["source"], "https://python.example/orders");
}
