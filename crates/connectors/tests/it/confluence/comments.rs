//! The comments at the foot of pages.

use connectors::comments::Comments as _;
use model::{Coded as _, ErrorCode, Timestamp};
use serde_json::{Value, json};

use super::site::{World, listed, pages_of, refused, wrong};
use crate::http::vendor::{good, status};

fn comment(id: &str, version: u64, storage: &str) -> Value {
    json!({
        "id": id, "status": "current", "title": "Re: Release plan", "pageId": "131180",
        "version": {
            "createdAt": "2026-11-20T10:00:00.000Z", "message": "", "number": version, "minorEdit": false,
            "authorId": "5b10ac8d82e05b22cc7d4ef5",
        },
        "body": {"storage": {"representation": "storage", "value": storage}},
        "_links": {"webui": format!("/spaces/DOCS/pages/131180/Release+plan?focusedCommentId={id}")},
    })
}

#[tokio::test]
async fn comments_are_listed_the_first_first() {
    let first = comment("11", 1, "<p>Is <em>Friday</em> fixed?</p>");
    let next = "/wiki/api/v2/pages/131180/footer-comments?cursor=c2&limit=2";
    let world = World::new([
        listed(&[first.clone(), comment("12", 3, "<p>Yes.</p>")], Some(next)),
        refused(404, "NOT_FOUND", "Cannot find a page with id [9]"),
    ])
    .await;
    let page = world.confluence.comments(&world.raw(), "131180", &pages_of(2, &[])).await.unwrap();
    assert_eq!(
        world.lines(),
        ["GET /api/v2/pages/131180/footer-comments?body-format=storage&sort=created-date&limit=2"]
    );
    assert_eq!(page.next.as_deref(), Some("c2"));
    let item = &page.items[0];
    assert_eq!(
        (item.id.as_str(), item.kind, item.text.as_deref()),
        ("11", "comment", Some("Is *Friday* fixed?"))
    );
    assert_eq!((item.container_id.as_deref(), item.etag.as_deref()), (Some("131180"), Some("1")));
    let url = "https://acme.atlassian.net/wiki/spaces/DOCS/pages/131180/Release+plan?focusedCommentId=11";
    assert_eq!((item.url.as_deref(), item.raw.as_ref()), (Some(url), Some(&first)));
    assert_eq!(item.author.as_ref().unwrap().id.as_deref(), Some("5b10ac8d82e05b22cc7d4ef5"));
    assert_eq!(item.created_at.map(Timestamp::as_millisecond), Some(1_795_168_800_000));
    // A later version does not tell when the first was.
    assert_eq!((page.items[1].created_at, page.items[1].updated_at), (None, item.updated_at));
    let error = world.confluence.comments(&world.context, "9", &pages_of(2, &[])).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no page 9");
}

#[tokio::test]
async fn a_comment_is_added_in_markdown_and_once() {
    let world =
        World::new([good(&comment("13", 1, "<p>See <code>x</code></p>")), status(502, &json!({}))]).await;
    let item = world.confluence.add_comment(&world.context, "131180", "See `x` & <b>").await.unwrap();
    assert_eq!((item.id.as_str(), item.text.as_deref(), item.raw), ("13", Some("See `x`"), None));
    let body = json!({"representation": "storage", "value": "<p>See <code>x</code> &amp; &lt;b&gt;</p>"});
    assert_eq!(
        (world.sent(0), world.lines()[0].as_str()),
        (json!({"pageId": "131180", "body": body}), "POST /api/v2/footer-comments")
    );
    let error = world.confluence.add_comment(&world.context, "131180", "again").await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 2));
    let error = world.confluence.add_comment(&world.context, "131180", " ").await.unwrap_err();
    assert_eq!((wrong(&error), world.vendor.calls()), (vec!["must say something".to_owned()], 2));
}
