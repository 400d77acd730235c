//! Comments on issues.

use connectors::comments::Comments as _;
use connectors::connector::Listing;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::{World, document, person};
use crate::caller::pages_of;
use crate::http::vendor::{good, status};

fn comment(id: &str, words: &str) -> Value {
    json!({"self": format!("https://acme.atlassian.net/rest/api/3/issue/10007/comment/{id}"), "id": id,
        "author": person("5b10", "Ann"), "updateAuthor": person("5b11", "Bob"), "body": document(words),
        "created": "2026-11-20T09:00:00.000+0000", "updated": "2026-11-20T10:00:00.000+0000", "jsdPublic": true,
        "visibility": {"type": "role", "value": "Developers", "identifier": "Developers"}})
}

#[tokio::test]
async fn comments_are_listed_the_first_of_them_first() {
    let page = |begin: u32, comments: &[Value]| {
        good(&json!({"startAt": begin, "maxResults": 2, "total": 3, "comments": comments}))
    };
    let world =
        World::new([page(0, &[comment("1", "a *b*"), comment("2", "c")]), page(2, &[comment("3", "d")])])
            .await;
    let first = world.jira.comments(&world.raw(), "ACME-7", &pages_of(2)).await.unwrap();
    assert_eq!((first.total, first.next.as_deref()), (Some(3), Some("2")));
    let item = &first.items[0];
    assert_eq!((item.id.as_str(), item.kind, item.text.as_deref()), ("1", "comment", Some("a \\*b\\*")));
    assert_eq!(item.container_id.as_deref(), Some("ACME-7"));
    assert_eq!(item.url.as_deref(), Some("https://acme.atlassian.net/browse/ACME-7?focusedCommentId=1"));
    assert_eq!(item.author.as_ref().unwrap().name.as_deref(), Some("Ann"));
    assert_eq!(
        Value::Object(item.extra.clone()),
        json!({"updated_by": {"id": comment("1", "")["updateAuthor"]["accountId"], "name": "Bob"}, "visible_to": "Developers"})
    );
    assert_eq!(item.raw, Some(comment("1", "a *b*")));
    let next = Listing { cursor: first.next, ..pages_of(2) };
    let last = world.jira.comments(&world.context, "ACME-7", &next).await.unwrap();
    assert_eq!((last.items.len(), last.next, last.items[0].raw.is_none()), (1, None, true));
    assert_eq!(
        world.lines(),
        [
            "GET /issue/ACME-7/comment?orderBy=created&startAt=0&maxResults=2",
            "GET /issue/ACME-7/comment?orderBy=created&startAt=2&maxResults=2",
        ]
    );
}

#[tokio::test]
async fn a_comment_is_added_once() {
    let world = World::new([status(201, &comment("9", "Done"))]).await;
    let item = world.jira.add_comment(&world.context, "10007", "Done, **finally**").await.unwrap();
    assert_eq!((item.id.as_str(), item.text.as_deref(), item.url), ("9", Some("Done"), None));
    assert_eq!(world.lines(), ["POST /issue/10007/comment"]);
    let words = json!([
        {"type": "text", "text": "Done, "}, {"type": "text", "text": "finally", "marks": [{"type": "strong"}]}]);
    let body = json!({"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": words}]});
    assert_eq!(world.sent(0), json!({"body": body}));
    world.vendor.then([status(503, &json!({}))]);
    let error = world.jira.add_comment(&world.context, "10007", "again").await.unwrap_err();
    assert_eq!((error.code(), error.extensions().retryable), (ErrorCode::UpstreamUnavailable, Some(false)));
    let error = world.jira.add_comment(&world.context, "10007", " ").await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::ValidationFailed, 2));
}
