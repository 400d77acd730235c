//! Answers that are read, and answers that cannot be.

use axum::http::header::{ETAG, IF_MATCH};
use bytes::Bytes;
use connectors::http::Part;
use futures::TryStreamExt as _;
use model::{Coded as _, ErrorCode};
use serde::Deserialize;
use serde_json::json;

use super::vendor::{FakeVendor, Turn, good, with_headers};
use super::world::{World, settings};

#[derive(Debug, PartialEq, Deserialize)]
struct Page {
    items: Vec<String>,
}

#[tokio::test]
async fn what_is_built_is_what_is_sent() {
    let world = World::new([]).await;
    let api = world.upstream.api(&world.context);
    let read = api.get(["users", "me", "a b"]).query("q", "x&y=z").query_opt("page", None::<u8>);
    read.query_each("id", [1, 2]).value().await.unwrap();
    let write = api.put(["events", "1"]).header(IF_MATCH, "\"7\"").body(&json!({"a": "ä"}));
    write.done().await.unwrap();
    api.post(["f"]).form(&[("a", "b c&d".to_owned())]).done().await.unwrap();
    api.patch(["f"]).bytes("text/plain", "x").done().await.unwrap();
    let file = Part::new("text/csv", Bytes::from_static(b"1,2")).named("file").file("a \"b\".csv");
    api.post(["f"])
        .multipart(vec![Part::new("text/plain", "hello").named("note"), file])
        .done()
        .await
        .unwrap();
    api.below(["ex", "site"]).unwrap().delete(["x"]).done().await.unwrap();

    let asked = world.vendor.asked();
    let lines: Vec<String> = asked.iter().map(|asked| format!("{} {}", asked.method, asked.uri)).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/users/me/a%20b?q=x%26y%3Dz&id=1&id=2",
            "PUT /v1/events/1",
            "POST /v1/f",
            "PATCH /v1/f",
            "POST /v1/f",
            "DELETE /v1/ex/site/x",
        ]
    );
    assert_eq!(asked[0].header("accept"), "application/json");
    assert_eq!(asked[0].header("x-version"), "3");
    assert_eq!(asked[0].header("authorization"), "Bearer token-1");
    assert_eq!((asked[1].header("if-match"), &asked[1].body[..]), ("\"7\"", "{\"a\":\"ä\"}".as_bytes()));
    assert_eq!(asked[2].header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(&asked[2].body[..], b"a=b+c%26d");
    assert_eq!((asked[3].header("content-type"), &asked[3].body[..]), ("text/plain", &b"x"[..]));
    assert!(asked[4].header("content-type").starts_with("multipart/form-data; boundary="));
    let form = String::from_utf8(asked[4].body.to_vec()).unwrap();
    assert!(form.contains("name=\"note\"") && form.contains("1,2") && form.contains("text/csv"), "{form}");
}

#[tokio::test]
async fn a_header_that_would_be_two_is_not_sent() {
    let world = World::new([]).await;
    let request = world.upstream.api(&world.context).patch(["x"]).header(IF_MATCH, "1\r\nx-evil: 2");
    assert_eq!(request.done().await.unwrap_err().code(), ErrorCode::ValidationFailed);
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn typed_answers_and_their_headers() {
    let page = json!({"items": ["a"]});
    let world = World::new([good(&page), with_headers(200, &[("etag", "\"1\"")], &page)]).await;
    let api = world.upstream.api(&world.context);
    assert_eq!(api.get(["x"]).json::<Page>().await.unwrap(), Page { items: vec!["a".into()] });
    let answer = api.get(["x"]).send().await.unwrap();
    assert_eq!((answer.header(ETAG), answer.json::<Page>().unwrap().items.len()), (Some("\"1\""), 1));
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_is_the_vendors_fault() {
    let text = |kind: &str, body: &str| {
        Turn::Answer(200, vec![("content-type", kind.to_owned())], body.to_owned().into())
    };
    for (turn, sentence) in [
        (text("text/html", "<html>Sign in</html>"), "its answer is not the JSON that was asked for"),
        (text("application/json", "<html>"), "its answer is not the JSON that it says it is"),
        (text("application/json", "{\"items\": ["), "its answer ends in the middle"),
        (text("application/json", "{\"items\": 7}"), "its answer is not as its API is documented"),
        (text("application/json", ""), "its answer ends in the middle"),
        (
            good(&json!({"items": ["x".repeat(64 * 1024)]})),
            "its answer is larger than is read: ask for less at once",
        ),
    ] {
        let world = World::new([turn]).await;
        let error = world.upstream.api(&world.context).get(["x"]).json::<Page>().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamUnavailable);
        assert_eq!(error.to_string(), format!("Fake: {sentence}"));
        assert_eq!(error.extensions().retryable, Some(false));
        assert_eq!(world.vendor.calls(), 1, "the same would come again");
    }
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_host_alone() {
    let elsewhere = FakeVendor::new([]).await;
    let to = |place: &str| with_headers(302, &[("location", place)], &json!({}));
    let world = World::new([to("/v1/y"), good(&json!({"ok": 1})), to(elsewhere.url.as_str())]).await;
    let api = world.upstream.api(&world.context);
    assert_eq!(api.get(["x"]).value().await.unwrap(), json!({"ok": 1}));
    let error = api.get(["x"]).value().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamUnavailable);
    assert!(error.to_string().contains("redirects to another host"), "{error}");
    assert_eq!((world.vendor.calls(), elsewhere.calls()), (3, 0));
    // In a circle.
    world.vendor.then((0..9).map(|_| to("/v1/x")));
    assert_eq!(api.get(["x"]).value().await.unwrap_err().code(), ErrorCode::UpstreamUnavailable);
}

#[tokio::test]
async fn a_next_page_is_followed_on_the_same_host_alone() {
    let elsewhere = FakeVendor::new([]).await;
    let world = World::new([]).await;
    let api = world.upstream.api(&world.context);
    let next = format!("{}/items?page=2", world.vendor.url);
    api.follow(&next).query("pagelen", 5).value().await.unwrap();
    assert_eq!(world.vendor.asked()[0].uri, "/v1/items?page=2&pagelen=5");
    let outside = next.replace("/v1/", "/admin/");
    for other in [&format!("{}/items?page=2", elsewhere.url), &outside, "//evil.example/v1/x", ""] {
        let error = api.follow(other).value().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamUnavailable, "{other}");
    }
    assert_eq!((world.vendor.calls(), elsewhere.calls()), (1, 0));
}

#[tokio::test]
async fn a_download_comes_as_it_is_read_and_counts_until_then() {
    let large = Bytes::from(vec![7; 200 * 1024]);
    let file = Turn::Answer(200, vec![("content-type", "image/png; x=y".to_owned())], large.clone());
    let settings = connectors::http::Settings { calls_per_connection: 1, ..settings() };
    let world =
        World::with(settings, [file, Turn::Cut, Turn::Stall, super::vendor::status(404, &json!({}))]).await;
    let api = world.upstream.api(&world.context);
    let download = api.get(["f"]).download().await.unwrap();
    assert_eq!((download.content_type(), download.content_length()), ("image/png", Some(200 * 1024)));
    let mut next = Box::pin(api.get(["f"]).download());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(100), &mut next).await;
    assert!(waited.is_err() && world.vendor.calls() == 1, "the first is not read yet");
    let pieces: Vec<Bytes> = download.into_stream().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), large);
    for code in [ErrorCode::UpstreamUnavailable, ErrorCode::UpstreamTimeout] {
        let rest = next.await.unwrap().into_stream().try_collect::<Vec<_>>().await;
        assert_eq!(rest.unwrap_err().code(), code);
        next = Box::pin(api.get(["f"]).download());
    }
    assert_eq!(next.await.unwrap_err().code(), ErrorCode::NotFound);
}
