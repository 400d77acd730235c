//! Answers that are passed on as they are.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::Bytes;
use connectors::http::{Download, RawPath, Settings};
use connectors::{Context, Error};
use futures::{StreamExt as _, TryStreamExt as _};
use model::{Ambient, Coded as _, ErrorCode};
use serde_json::json;

use super::vendor::{FakeVendor, Turn, good, status, with_headers};
use super::world::{World, settings};

async fn send_with(world: &World, context: &Context, method: Method, path: &str) -> Result<Download, Error> {
    let path = RawPath::parse(path).unwrap();
    world.upstream.api(context).raw(method, &path, None).pass_on().await
}

async fn send(world: &World, method: Method) -> Result<Download, Error> {
    send_with(world, &world.context, method, "x").await
}

async fn whole(answer: Download) -> Bytes {
    answer.into_stream().try_collect::<Vec<_>>().await.unwrap().concat().into()
}

#[tokio::test]
async fn what_is_given_is_what_is_sent() {
    let world = World::new([]).await;
    let api = world.upstream.api(&world.context);
    let path = RawPath::parse("a/%C3%A4%20b%3F/c;d=1/").unwrap();
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("content-type"), HeaderValue::from_static("text/csv")),
        (HeaderName::from_static("x-version"), HeaderValue::from_static("4")),
    ]);
    let request =
        api.raw(Method::PATCH, &path, Some("q=a%20b+c&$x[]=%22'&flag")).passed(headers, "1,2".into());
    whole(request.pass_on().await.unwrap()).await;
    let asked = world.vendor.asked().remove(0);
    assert_eq!(asked.method, Method::PATCH);
    assert_eq!(asked.uri, "/v1/a/%C3%A4%20b%3F/c;d=1/?q=a%20b+c&$x[]=%22%27&flag");
    assert_eq!((asked.header("content-type"), &asked.body[..]), ("text/csv", &b"1,2"[..]));
    assert_eq!((asked.header("authorization"), asked.header("x-version")), ("Bearer token-1", "4"));
}

#[tokio::test]
async fn a_refusal_is_an_answer_like_others() {
    for number in [400, 403, 404, 409, 410, 412, 418, 422, 501] {
        let body = json!({"error": "no", "of": number});
        let world = World::new([with_headers(number, &[("x-left", "7")], &body)]).await;
        let answer = send(&world, Method::GET).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.headers["x-left"].to_str().unwrap()), (number, "7"));
        assert_eq!(whole(answer).await, body.to_string());
        assert_eq!(world.vendor.calls(), 1, "{number}");
    }
    // Slack's way to say no, too, and what is no JSON at all.
    let refused = json!({"ok": false, "error": "channel_not_found"});
    let page = Turn::Answer(500, vec![("content-type", "text/html".into())], "<h1>Oops</h1>".into());
    let world = World::new([good(&refused), page]).await;
    assert_eq!(whole(send(&world, Method::POST).await.unwrap()).await, refused.to_string());
    let answer = send(&world, Method::POST).await.unwrap();
    assert_eq!((answer.status.as_u16(), whole(answer).await), (500, Bytes::from("<h1>Oops</h1>")));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_is_no_matter_of_the_caller() {
    let expired = good(&json!({"ok": false, "error": "token_expired"}));
    for refused in [status(401, &json!({})), expired] {
        let world = World::new([refused.clone(), good(&json!({"ok": true}))]).await;
        assert_eq!(send(&world, Method::POST).await.unwrap().status, 200);
        let asked = world.vendor.asked();
        let bearers: Vec<&str> = asked.iter().map(|asked| asked.header("authorization")).collect();
        assert_eq!(bearers, ["Bearer token-1", "Bearer token-2"]);
        let world = World::new([refused.clone(), refused, good(&json!({}))]).await;
        let error = send(&world, Method::GET).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ReauthorizationRequired);
        assert!(error.extensions().reconnect.is_some());
        assert_eq!((world.vendor.calls(), world.tokens.rejected.load(Ordering::SeqCst)), (2, 1));
    }
}

#[tokio::test]
async fn what_may_be_repeated_is_and_the_last_refusal_is_the_answer() {
    let away = |number: u8| status(503, &json!({"number": number}));
    let one_call = Settings { calls_per_connection: 1, ..settings() };
    for (method, turns, expected, calls) in [
        (Method::GET, vec![away(1), good(&json!({"number": 2}))], (200, 2), 2),
        (Method::GET, vec![away(1), away(2), away(3)], (503, 3), 3),
        (Method::DELETE, vec![Turn::Hang, away(2), away(3)], (503, 3), 3),
        (Method::POST, vec![away(1)], (503, 1), 1),
        (Method::PATCH, vec![away(1)], (503, 1), 1),
        (Method::POST, vec![with_headers(429, &[("retry-after", "0")], &json!({})), away(2)], (503, 2), 2),
    ] {
        // Each refusal makes room for the call after it.
        let world = World::with(one_call.clone(), turns).await;
        let answer = send(&world, method.clone()).await.unwrap();
        let number = answer.status.as_u16();
        let body: serde_json::Value = serde_json::from_slice(&whole(answer).await).unwrap();
        assert_eq!((number, body["number"].as_i64().unwrap()), expected, "{method}");
        assert_eq!(world.vendor.calls(), calls, "{method}");
    }
}

#[tokio::test]
async fn a_limit_is_passed_on_once_and_then_kept_here() {
    let world = World::new([with_headers(429, &[("retry-after", "60")], &json!({"slow": "down"}))]).await;
    let answer = send(&world, Method::GET).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.headers["retry-after"].to_str().unwrap()), (429, "60"));
    assert_eq!(whole(answer).await, json!({"slow": "down"}).to_string());
    let error = send(&world, Method::GET).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamRateLimited);
    assert_eq!(error.retry_after(Ambient::system().now()), Some(Duration::from_mins(1)));
    assert_eq!(world.vendor.calls(), 1);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = FakeVendor::new([]).await;
    for place in ["/v1/y", "/admin", elsewhere.url.as_str()] {
        let world = World::new([with_headers(307, &[("location", place)], &json!({}))]).await;
        let answer = send(&world, Method::POST).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (307, place));
        assert_eq!((world.vendor.calls(), elsewhere.calls()), (1, 0));
    }
}

#[tokio::test]
async fn answers_of_any_size_go_by() {
    let large = Bytes::from(vec![b'x'; 8 * 1024 * 1024]);
    for number in [200, 403, 404] {
        let turn = Turn::Answer(number, vec![("content-type", "application/json".into())], large.clone());
        let world = World::new([turn]).await;
        let answer = send(&world, Method::GET).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.content_length()), (number, Some(8 * 1024 * 1024)));
        let mut count = 0;
        let mut stream = std::pin::pin!(answer.into_stream());
        while let Some(piece) = stream.next().await {
            count += piece.unwrap().len();
        }
        assert_eq!(count, large.len(), "{number}");
    }
}

#[tokio::test]
async fn what_breaks_off_never_looks_whole() {
    for (turn, expected) in
        [(Turn::Cut, ErrorCode::UpstreamUnavailable), (Turn::Stall, ErrorCode::UpstreamTimeout)]
    {
        let world = World::new([turn]).await;
        let answer = send(&world, Method::POST).await.unwrap();
        let pieces: Vec<_> = answer.into_stream().collect().await;
        let (last, before) = pieces.split_last().unwrap();
        assert_eq!(last.as_ref().unwrap_err().code(), expected);
        let text: Vec<u8> = before.iter().flat_map(|piece| piece.as_ref().unwrap().to_vec()).collect();
        assert_eq!(text, b"{\"items\": [");
    }
}

#[tokio::test]
async fn who_goes_away_makes_room() {
    let one_call = Settings { calls_per_connection: 1, ..settings() };
    let world = World::with(one_call, [Turn::Stall, Turn::Stall, good(&json!({}))]).await;
    drop(send(&world, Method::POST).await.unwrap());
    let mut stream = Box::pin(send(&world, Method::POST).await.unwrap().into_stream());
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(send(&world, Method::POST).await.unwrap().status, 200);
}
