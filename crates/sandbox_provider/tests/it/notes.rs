//! The notes.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::Sandbox;

const BOTH: &str = "notes.read notes.write";

fn titles(listing: &Value) -> Vec<&str> {
    listing["notes"].as_array().unwrap().iter().map(|note| note["title"].as_str().unwrap()).collect()
}

async fn list(sandbox: &Sandbox, token: &str, query: &str) -> Value {
    let answer = sandbox.call(Method::GET, &format!("/notes{query}"), token, None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn notes_are_written_read_changed_and_deleted() {
    let sandbox = Sandbox::new();
    let (token, _) = sandbox.connect("ann", BOTH).await;
    let draft = json!({"title": "Zażółć <b>", "text": "gęślą jaźń"});
    let made = sandbox.call(Method::POST, "/notes", &token, Some(draft)).await;
    assert_eq!(made.status, 201);
    let note = made.json();
    let path = format!("/notes/{}", note["id"].as_str().unwrap());
    assert!(made.header("location").ends_with(&format!("/sandbox{path}")));
    assert_eq!(sandbox.call(Method::GET, &path, &token, None).await.json(), note);

    sandbox.wait(60);
    let changed = sandbox.call(Method::PUT, &path, &token, Some(json!({"title": "Other"}))).await.json();
    assert_eq!((&changed["title"], &changed["text"]), (&"Other".into(), &"".into()));
    assert_eq!(changed["created_at"], note["created_at"]);
    assert_ne!(changed["updated_at"], note["updated_at"]);

    let part = sandbox.call(Method::PATCH, &path, &token, Some(json!({"text": "more"}))).await.json();
    assert_eq!((&part["title"], &part["text"]), (&"Other".into(), &"more".into()));
    for bad in [json!({"title": " "}), json!({"colour": "red"})] {
        assert_eq!(sandbox.call(Method::PATCH, &path, &token, Some(bad)).await.status, 400);
    }

    assert_eq!(sandbox.call(Method::DELETE, &path, &token, None).await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        let answer = sandbox.call(method, &path, &token, None).await;
        assert_eq!((answer.status, &answer.json()["error"]), (404, &"not_found".into()));
    }
    for method in [Method::PUT, Method::PATCH] {
        assert_eq!(sandbox.call(method, &path, &token, Some(json!({"title": "x"}))).await.status, 404);
    }
}

#[tokio::test]
async fn lists_go_page_by_page_and_changes_between_do_no_harm() {
    let sandbox = Sandbox::new();
    let (token, _) = sandbox.connect("ann", BOTH).await;
    let all = list(&sandbox, &token, "").await;
    let everything = titles(&all);
    assert_eq!(everything.len(), 5);
    assert!(all.get("next_cursor").is_none());

    let first = list(&sandbox, &token, "?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    // A newer one and the loss of the one at the cursor change nothing of what follows.
    sandbox.call(Method::POST, "/notes", &token, Some(json!({"title": "Newer"}))).await;
    let last = format!("/notes/{}", first["notes"][1]["id"].as_str().unwrap());
    assert_eq!(sandbox.call(Method::DELETE, &last, &token, None).await.status, 204);
    let second = list(&sandbox, &token, &format!("?limit=2&cursor={cursor}")).await;
    let third =
        list(&sandbox, &token, &format!("?limit=2&cursor={}", second["next_cursor"].as_str().unwrap())).await;
    assert!(third.get("next_cursor").is_none());
    assert_eq!([titles(&first), titles(&second), titles(&third)].concat(), everything);
    assert_eq!(titles(&list(&sandbox, &token, "?limit=1").await), ["Newer"]);
    for query in
        ["?limit=0", "?limit=101", "?limit=x", "?limit=1&limit=2", &format!("?q={}", "x".repeat(201))]
    {
        assert_eq!(
            sandbox.call(Method::GET, &format!("/notes{query}"), &token, None).await.status,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_search_finds_in_titles_and_texts_whatever_the_case() {
    let sandbox = Sandbox::new();
    let (token, _) = sandbox.connect("ann", BOTH).await;
    assert_eq!(titles(&list(&sandbox, &token, "?q=INVOICE").await), ["Call back", "Invoice 2026-118"]);
    assert_eq!(titles(&list(&sandbox, &token, "?q=%C5%BCUREK").await), ["Ideas for the team day"]);
    let first = list(&sandbox, &token, "?q=invoice&limit=1").await;
    let rest = format!("?q=invoice&limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(titles(&list(&sandbox, &token, &rest).await), ["Invoice 2026-118"]);
    assert!(titles(&list(&sandbox, &token, "?q=nowhere").await).is_empty());
}

#[tokio::test]
async fn everybody_has_their_own() {
    let sandbox = Sandbox::new();
    let (ann, _) = sandbox.connect("ann", BOTH).await;
    let (ben, _) = sandbox.connect("ben", BOTH).await;
    let made = sandbox.call(Method::POST, "/notes", &ann, Some(json!({"title": "Ann's"}))).await.json();
    let path = format!("/notes/{}", made["id"].as_str().unwrap());
    assert_eq!(sandbox.call(Method::GET, &path, &ben, None).await.status, 404);
    assert_eq!(sandbox.call(Method::DELETE, &path, &ben, None).await.status, 404);
    assert!(!titles(&list(&sandbox, &ben, "").await).contains(&"Ann's"));
}

#[tokio::test]
async fn scopes_are_enforced() {
    let sandbox = Sandbox::new();
    let (reader, _) = sandbox.connect("ann", "notes.read").await;
    let (writer, _) = sandbox.connect("ann", "notes.write").await;
    let path = "/notes/note-00000001";
    let draft = || Some(json!({"title": "x"}));
    for (method, body) in [(Method::PUT, draft()), (Method::PATCH, draft()), (Method::DELETE, None)] {
        let answer = sandbox.call(method, path, &reader, body).await;
        assert_eq!((answer.status, &answer.json()["error"]), (403, &"insufficient_scope".into()));
        let challenge = "Bearer realm=\"sandbox\", error=\"insufficient_scope\", scope=\"notes.write\"";
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
    assert_eq!(sandbox.call(Method::POST, "/notes", &reader, draft()).await.status, 403);
    for path in ["/notes", path] {
        let answer = sandbox.call(Method::GET, path, &writer, None).await;
        assert_eq!(answer.status, 403);
        assert!(answer.header("www-authenticate").contains("scope=\"notes.read\""));
    }
    assert_eq!(sandbox.call(Method::PUT, path, &writer, draft()).await.status, 200);
}

#[tokio::test]
async fn without_a_token_nothing_is_given() {
    let sandbox = Sandbox::new();
    for path in ["/notes", "/notes/note-00000001", "/userinfo", "/notes?access_token=sba_x_y"] {
        let answer = sandbox.get(path).await;
        // RFC 6750, section 3.1: no error code where there was no token.
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, "Bearer realm=\"sandbox\""),
            "{path}"
        );
        let basic = [("authorization", "Basic YTpi")];
        assert_eq!(sandbox.send(Method::GET, path, &basic, "").await.status, 401);
    }
}

#[tokio::test]
async fn notes_and_their_number_are_bounded() {
    let sandbox = Sandbox::new();
    let (token, _) = sandbox.connect("ann", BOTH).await;
    let post = async |body: Value| sandbox.call(Method::POST, "/notes", &token, Some(body)).await.status;
    let wrong = [
        json!({}),
        json!({"title": " "}),
        json!({"title": "x".repeat(201)}),
        json!({"title": "x", "text": "x".repeat(16_385)}),
        json!({"title": "x", "id": "mine"}),
        json!([1]),
    ];
    for body in wrong {
        assert_eq!(post(body.clone()).await, 400, "{body}");
    }
    assert_eq!(post(json!({"title": "x", "text": "x".repeat(200_000)})).await, 413);
    // The largest note is taken even if every byte of it is escaped.
    assert_eq!(post(json!({"title": "ż".repeat(200), "text": "\u{1}".repeat(16_384)})).await, 201);
    for _ in 6..200 {
        assert_eq!(post(json!({"title": "x"})).await, 201);
    }
    assert_eq!(post(json!({"title": "one too many"})).await, 409);
    let listing = list(&sandbox, &token, "?limit=1").await;
    let path = format!("/notes/{}", listing["notes"][0]["id"].as_str().unwrap());
    assert_eq!(sandbox.call(Method::DELETE, &path, &token, None).await.status, 204);
    assert_eq!(post(json!({"title": "room again"})).await, 201);
}
