//! What is sent again, and what never is.

use std::time::{Duration, Instant};

use axum::http::HeaderName;
use connectors::http::Request;
use model::{Coded as _, ErrorCode};
use serde_json::json;

use super::vendor::{Turn, good, status, with_headers};
use super::world::World;

/// What is said of a request.
type Build = fn(Request<'_>) -> Request<'_>;

fn fails() -> Turn {
    status(503, &json!({}))
}

#[tokio::test]
async fn reading_is_repeated_until_it_succeeds() {
    for trouble in [fails(), Turn::Cut, Turn::Hang, status(500, &json!({})), status(429, &json!({}))] {
        let world = World::new([trouble, good(&json!({"ok": 1}))]).await;
        let answer = world.upstream.api(&world.context).get(["x"]).value().await;
        assert_eq!(answer.unwrap(), json!({"ok": 1}));
        assert_eq!(world.vendor.calls(), 2);
    }
}

#[tokio::test]
async fn three_attempts_are_all() {
    let world = World::new((0..9).map(|_| fails())).await;
    let error = world.upstream.api(&world.context).get(["x"]).value().await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 3));
    assert_eq!(error.extensions().retryable, Some(true));
    assert_eq!(error.extensions().upstream_status, Some(503));
}

#[tokio::test]
async fn what_does_something_is_sent_once_unless_the_vendor_knows_it_again() {
    let key = HeaderName::from_static("idempotency-key");
    let builds: [(&str, Build, usize); 4] = [
        ("plain", |request| request, 1),
        ("repeatable", |request| request.repeatable(), 3),
        ("keyed", |request| request.idempotency_key(HeaderName::from_static("idempotency-key"), "k1"), 3),
        ("once", |request| request.repeatable().once(), 1),
    ];
    for (name, build, calls) in builds {
        let world = World::new((0..3).map(|_| fails())).await;
        let request = build(world.upstream.api(&world.context).post(["send"]));
        request.body(&json!({"to": "a"})).done().await.unwrap_err();
        let asked = world.vendor.asked();
        assert_eq!(asked.len(), calls, "{name}");
        assert!(asked.iter().all(|asked| asked.body == "{\"to\":\"a\"}"), "{name}");
        assert!(name != "keyed" || asked.iter().all(|asked| asked.headers[&key] == "k1"));
    }
    for trouble in [Turn::Cut, Turn::Hang] {
        let world = World::new([trouble]).await;
        world.upstream.api(&world.context).patch(["x"]).done().await.unwrap_err();
        assert_eq!(world.vendor.calls(), 1);
    }
}

#[tokio::test]
async fn what_was_refused_for_its_number_was_not_done_and_is_sent_again() {
    let world = World::new([with_headers(429, &[("retry-after", "1")], &json!({}))]).await;
    let began = Instant::now();
    world.upstream.api(&world.context).post(["send"]).done().await.unwrap();
    assert_eq!(world.vendor.calls(), 2);
    assert!(began.elapsed() >= Duration::from_secs(1), "as long as the vendor said");
}

#[tokio::test]
async fn a_deletion_that_was_done_before_its_answer_was_lost_has_succeeded() {
    let world = World::new([Turn::Cut, status(404, &json!({}))]).await;
    world.upstream.api(&world.context).delete(["x"]).done().await.unwrap();
    let world = World::new([status(404, &json!({}))]).await;
    let error = world.upstream.api(&world.context).delete(["x"]).done().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn the_operations_time_bounds_it_all() {
    let world = World::new((0..9).map(|_| Turn::Hang)).await;
    let api = world.upstream.api(&world.context).within(Duration::from_millis(600));
    let began = Instant::now();
    let error = api.get(["x"]).value().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamTimeout);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn nobody_waiting_ends_the_call() {
    let world = World::new([Turn::Hang]).await;
    let api = world.upstream.api(&world.context);
    let call = tokio::time::timeout(Duration::from_millis(100), api.get(["x"]).value());
    assert!(call.await.is_err());
    for _ in 0..100 {
        if world.vendor.under_way() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the vendor still has the call");
}
