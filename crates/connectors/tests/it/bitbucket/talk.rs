//! Comments on pull requests.

use connectors::comments::Comments as _;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::{World, filtered};
use crate::caller::after;
use crate::http::vendor::{good, status};

fn comment(id: u64, text: &str) -> Value {
    json!({
        "type": "pullrequest_comment", "id": id, "deleted": false, "pending": false,
        "content": {"type": "rendered", "raw": text, "markup": "markdown", "html": format!("<p>{text}</p>")},
        "user": {"type": "user", "uuid": "{b}", "display_name": "Ben", "nickname": "ben"},
        "created_on": "2026-11-02T09:00:00.000000+00:00", "updated_on": "2026-11-02T09:05:00.000000+00:00",
        "pullrequest": {"type": "pullrequest", "id": 12, "title": "Add a footer"},
        "links": {"html": {"href": format!("https://bitbucket.org/acme/site/pull-requests/12/_/diff#comment-{id}")}},
    })
}

#[tokio::test]
async fn what_is_said_is_listed_page_by_page() {
    let mut inline = comment(2, "Why *here*?");
    inline["inline"] = json!({"path": "src/footer.rs", "from": null, "to": 7});
    inline["parent"] = json!({"id": 1, "links": {}});
    inline["resolution"] = json!({"type": "comment_resolution", "created_on": "2026-11-03T09:00:00+00:00"});
    let mut gone = comment(3, "");
    gone["deleted"] = true.into();
    let next = "/v1/repositories/acme/site/pullrequests/12/comments?pagelen=100&page=2";
    let world = World::new([
        good(&json!({"pagelen": 100, "size": 3, "values": [comment(1, "Nice"), inline], "next": next})),
        good(&json!({"pagelen": 100, "size": 3, "values": [gone]})),
    ])
    .await;
    let listing = filtered(&[]);
    let first = world.bitbucket.comments(&world.raw(), "acme:site:12", &listing).await.unwrap();
    let [nice, why] = first.items.as_slice() else { panic!("two") };
    assert_eq!(
        (nice.id.as_str(), nice.kind, nice.text.as_deref()),
        ("acme:site:12:1", "comment", Some("Nice"))
    );
    assert_eq!((nice.container_id.as_deref(), first.total), (Some("acme:site:12"), Some(3)));
    assert_eq!(nice.author.as_ref().unwrap().name.as_deref(), Some("Ben"));
    assert!(nice.url.as_ref().unwrap().ends_with("#comment-1") && nice.extra.is_empty());
    assert_eq!(nice.raw, Some(comment(1, "Nice")));
    let extra =
        json!({"parent_id": "acme:site:12:1", "path": "src/footer.rs", "line": 7, "is_resolved": true});
    assert_eq!(Value::Object(why.extra.clone()), extra);
    let last =
        world.bitbucket.comments(&world.context, "acme:site:12", &after(&listing, first.next)).await.unwrap();
    assert_eq!((last.items[0].text.as_deref(), &last.items[0].extra["is_deleted"]), (None, &json!(true)));
    let path = "GET /v1/repositories/acme/site/pullrequests/12/comments";
    assert_eq!(world.lines(), [format!("{path}?pagelen=100"), format!("{path}?pagelen=100&page=2")]);
}

#[tokio::test]
async fn something_is_said() {
    let world = World::new([status(201, &comment(4, "Please *look*"))]).await;
    let said = world.bitbucket.add_comment(&world.raw(), "acme:site:12", "Please *look*").await.unwrap();
    assert_eq!((said.id.as_str(), said.text.as_deref()), ("acme:site:12:4", Some("Please *look*")));
    assert_eq!(said.raw, Some(comment(4, "Please *look*")));
    assert_eq!(world.lines(), ["POST /v1/repositories/acme/site/pullrequests/12/comments"]);
    assert_eq!(world.sent(0), json!({"type": "pullrequest_comment", "content": {"raw": "Please *look*"}}));
    // Not a second time.
    world.vendor.then([status(502, &json!({}))]);
    let error = world.bitbucket.add_comment(&world.context, "acme:site:12", "x").await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 2));
}

#[tokio::test]
async fn only_pull_requests_are_talked_about() {
    let world = World::new([]).await;
    let listed = world.bitbucket.comments(&world.context, "acme:site", &filtered(&[])).await.unwrap_err();
    assert_eq!(listed.code(), ErrorCode::ValidationFailed);
    let said = world.bitbucket.add_comment(&world.context, "acme:site:12", " \n").await.unwrap_err();
    assert_eq!(said.violations()[0].pointer, "/text");
    let nowhere = world.bitbucket.add_comment(&world.context, "acme", "x").await.unwrap_err();
    assert_eq!((nowhere.code(), world.vendor.calls()), (ErrorCode::NotFound, 0));
    world.vendor.then([status(404, &json!({"type": "error", "error": {"message": "Not found"}}))]);
    let none = world.bitbucket.add_comment(&world.context, "acme:site:99", "x").await.unwrap_err();
    assert_eq!(none.to_string(), "there is no pull request acme:site:99");
}
