//! What handlers answer, and what is made of it.

use sandbox::Error;
use serde_json::{Value, json};

use crate::world::World;

async fn wire(world: &World, code: &str) -> Result<Value, Error> {
    world.run(&format!("h: async (req, ctx) => {{ {code} }}"), "h", json!({})).await
}

#[tokio::test]
async fn a_response_or_a_value_is_answered() {
    let world = World::new();
    for (code, expected) in [
        ("return { a: 1 }", json!({ "status": 200, "headers": {}, "body": { "json": { "a": 1 } } })),
        ("return null", json!({ "status": 200, "headers": {}, "body": { "json": null } })),
        ("return 'hé \\ud800'", json!({ "status": 200, "headers": {}, "body": { "text": "hé \u{fffd}" } })),
        (
            "return new Uint8Array([1, 2])",
            json!({ "status": 200, "headers": {}, "body": { "base64": "AQI=" } }),
        ),
        ("return { status: 204 }", json!({ "status": 204, "headers": {} })),
        (
            "return { status: 201, headers: { 'X-A': 1 }, body: [1] }",
            json!({ "status": 201, "headers": { "x-a": "1" }, "body": { "json": [1] } }),
        ),
        (
            "return { status: 201, other: 1 }",
            json!({ "status": 200, "headers": {}, "body": { "json": { "status": 201, "other": 1 } } }),
        ),
        (
            "return Response.json({ a: 1 }, { status: 202 })",
            json!({ "status": 202, "headers": { "content-type": "application/json" }, "body": { "text": "{\"a\":1}" } }),
        ),
    ] {
        assert_eq!(wire(&world, code).await.unwrap(), expected, "{code}");
    }
}

#[tokio::test]
async fn what_is_no_answer_says_what_would_be() {
    let world = World::new();
    for (code, expected) in [
        ("", "the handler returned nothing"),
        ("return () => 1", "the handler returned a function: return"),
        ("return Symbol('a')", "the handler returned a symbol: return"),
        ("return { a: 1n }", "cannot be written as JSON"),
        ("const a = {}; a.a = a; return a", "cannot be written as JSON"),
        ("return { status: 99 }", "from 200 to 599"),
        ("return { status: NaN }", "from 200 to 599"),
    ] {
        let error = wire(&world, code).await.unwrap_err();
        assert!(matches!(&error, Error::Answer(_)), "{code}: {error:?}");
        assert!(error.to_string().contains(expected), "{code}: {error}");
    }
}
