//! Making, changing and deleting pages.

use connectors::connector::Data as _;
use model::{Coded as _, ErrorCode};
use serde_json::json;

use super::site::{World, page, refused};
use crate::caller::fields;
use crate::http::vendor::{Turn, good, status};

#[tokio::test]
async fn a_page_is_made_of_markdown() {
    let world = World::new([good(&page("1", 1, "<h1>A</h1>"))]).await;
    let new = fields(json!({
        "title": "A & B", "space_id": "98306", "parent_id": "131179",
        "text": "# A\n\n<script>x</script>\n\n```sh\nls && echo ]]>\n```",
    }));
    let item = world.confluence.create(&world.raw(), &new).await.unwrap();
    assert_eq!((item.id.as_str(), item.text.as_deref(), item.raw.is_some()), ("1", Some("# A"), true));
    assert_eq!(world.lines(), ["POST /api/v2/pages"]);
    let value = "<h1>A</h1><p>&lt;script&gt;x&lt;/script&gt;\n</p><ac:structured-macro ac:name=\"code\" ac:schema-version=\"1\">\
        <ac:parameter ac:name=\"language\">sh</ac:parameter><ac:plain-text-body><![CDATA[ls && echo ]]]]><![CDATA[>]]>\
        </ac:plain-text-body></ac:structured-macro>";
    assert_eq!(
        world.sent(0),
        json!({
            "spaceId": "98306", "status": "current", "title": "A & B", "parentId": "131179",
            "body": {"representation": "storage", "value": value},
        })
    );
}

#[tokio::test]
async fn a_page_that_may_have_been_made_is_not_made_again() {
    let world = World::new([status(503, &json!({})), good(&page("1", 1, ""))]).await;
    let new = fields(json!({"title": "A", "space_id": "98306", "storage": "<p />"}));
    let error = world.confluence.create(&world.context, &new).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 1));
    assert_eq!(error.extensions().retryable, Some(false));
}

#[tokio::test]
async fn a_title_that_is_taken_is_a_conflict() {
    let title =
        "A page with this title already exists: A page already exists with the same TITLE in this space";
    let world = World::new([refused(400, "INVALID_REQUEST_PARAMETER", title)]).await;
    let new = fields(json!({"title": "A", "space_id": "98306", "storage": "<p />"}));
    let error = world.confluence.create(&world.context, &new).await.unwrap_err();
    assert!(
        error.code() == ErrorCode::Conflict && error.to_string().contains("title already exists"),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_change_does_not_give_stays() {
    let macros = "<p>old</p><ac:structured-macro ac:name=\"toc\" />";
    let world = World::new([
        good(&page("1", 7, macros)),
        good(&page("1", 8, macros)),
        good(&page("1", 8, macros)),
        good(&page("1", 9, "<p>new</p>")),
    ])
    .await;
    let title = fields(json!({"title": "New title"}));
    let item = world.confluence.update(&world.context, "1", &title).await.unwrap();
    assert_eq!(item.etag.as_deref(), Some("8"));
    let text = fields(json!({"text": "*new*", "parent_id": "5", "message": "moved", "etag": "8"}));
    let item = world.confluence.update(&world.raw(), "1", &text).await.unwrap();
    assert_eq!((item.text.as_deref(), item.raw.is_some()), (Some("new"), true));
    let read = "GET /api/v2/pages/1?body-format=storage";
    assert_eq!(world.lines(), [read, "PUT /api/v2/pages/1", read, "PUT /api/v2/pages/1"]);
    assert_eq!(
        world.sent(1),
        json!({
            "id": "1", "status": "current", "title": "New title",
            "body": {"representation": "storage", "value": macros}, "version": {"number": 8},
        })
    );
    assert_eq!(
        world.sent(3),
        json!({
            "id": "1", "status": "current", "title": "Release plan", "parentId": "5",
            "body": {"representation": "storage", "value": "<p><em>new</em></p>"},
            "version": {"number": 9, "message": "moved"},
        })
    );
}

#[tokio::test]
async fn a_page_that_says_nothing_yet_can_be_renamed() {
    let world = World::new([good(&page("1", 1, "")), good(&page("1", 2, ""))]).await;
    world.confluence.update(&world.context, "1", &fields(json!({"title": "B"}))).await.unwrap();
    assert_eq!(world.sent(1)["body"], json!({"representation": "storage", "value": ""}));
}

#[tokio::test]
async fn a_stale_change_is_a_conflict_that_says_what_to_do() {
    // Known before anything is sent.
    let world = World::new([good(&page("1", 9, "<p>x</p>"))]).await;
    let change = fields(json!({"storage": "<p>y</p>", "version": 7}));
    let error = world.confluence.update(&world.context, "1", &change).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::Conflict, 1));
    let said = "the page is at version 9, not 7: read it again and send the change with its new version";
    assert!(error.to_string().ends_with(said), "{error}");

    // Changed by somebody in between.
    let title =
        "Version must be incremented when updating a page. Current Version: [9]. Provided version: [9]";
    let world = World::new([good(&page("1", 8, "<p>x</p>")), refused(409, "CONFLICT", title)]).await;
    let change = fields(json!({"storage": "<p>y</p>", "version": 8}));
    let error = world.confluence.update(&world.context, "1", &change).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::Conflict, 2));
    let said = error.to_string();
    assert!(said.contains("read it again") && said.contains("Current Version: [9]"), "{said}");
}

#[tokio::test]
async fn a_change_whose_outcome_is_not_known_is_not_sent_again() {
    let world =
        World::new([good(&page("1", 8, "<p>x</p>")), Turn::Cut, good(&page("1", 9, "<p>y</p>"))]).await;
    let change = fields(json!({"storage": "<p>y</p>"}));
    let error = world.confluence.update(&world.context, "1", &change).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 2), "{error}");
}

#[tokio::test]
async fn what_cannot_be_read_is_not_overwritten() {
    let mut bare = page("1", 8, "");
    bare.as_object_mut().unwrap().remove("body");
    let world = World::new([good(&bare), refused(404, "NOT_FOUND", "Cannot find a page with id [2]")]).await;
    let error =
        world.confluence.update(&world.context, "1", &fields(json!({"title": "B"}))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamUnavailable, "{error}");
    let error =
        world.confluence.update(&world.context, "2", &fields(json!({"title": "B"}))).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no page 2");
    assert!(world.lines().iter().all(|line| line.starts_with("GET ")), "{:?}", world.lines());
}

#[tokio::test]
async fn deleting_moves_to_the_trash() {
    let gone = || Turn::Answer(204, Vec::new(), "".into());
    let missing = || refused(404, "NOT_FOUND", "Cannot find a page with id [1]");
    let world = World::new([gone(), missing(), status(503, &json!({})), missing()]).await;
    world.confluence.delete(&world.context, "1").await.unwrap();
    let error = world.confluence.delete(&world.context, "1").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no page 1");
    // Sent again after an unknown outcome, it finds nothing: that is what was wanted.
    world.confluence.delete(&world.context, "1").await.unwrap();
    assert_eq!(world.lines(), ["DELETE /api/v2/pages/1"; 4], "neither purged nor as a draft");
}
