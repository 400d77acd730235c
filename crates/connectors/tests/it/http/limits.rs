//! Limits that are learned, turns that are taken, and vendors that are left alone.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use connectors::http::{RawPath, Settings, Upstream};
use connectors::{Context, Error};
use futures::future::join_all;
use model::{Coded as _, ErrorCode, Timestamp};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::vendor::{Turn, good, status, with_headers};
use super::world::{VENDOR, World, settings};

const NOW: Timestamp = Timestamp::from_millisecond(0);

async fn get(upstream: &Upstream, context: &Context) -> Result<Value, Error> {
    upstream.api(context).get(["x"]).value().await
}

fn wait(error: &Error) -> Option<u64> {
    error.retry_after(NOW).map(|wait| wait.as_secs())
}

#[tokio::test]
async fn a_wait_that_does_not_fit_is_passed_on_and_kept() {
    for (turn, seconds) in [
        (with_headers(429, &[("retry-after", "30")], &json!({})), 30),
        (
            with_headers(
                429,
                &[
                    ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"),
                ],
                &json!({}),
            ),
            60,
        ),
        (with_headers(429, &[("x-ratelimit-reset", "45")], &json!({})), 45),
        (
            with_headers(
                403,
                &[("retry-after", "20")],
                &json!({"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}),
            ),
            20,
        ),
    ] {
        let world = World::new([turn]).await;
        let error = get(&world.upstream, &world.context).await.unwrap_err();
        assert_eq!((error.code(), wait(&error)), (ErrorCode::UpstreamRateLimited, Some(seconds)));
        assert_eq!(error.extensions().retryable, Some(true));
        world.clock.advance(Duration::from_secs(seconds - 1));
        let error = get(&world.upstream, &world.context).await.unwrap_err();
        assert_eq!((error.code(), wait(&error)), (ErrorCode::UpstreamRateLimited, Some(1)));
        assert_eq!(world.vendor.calls(), 1, "nothing was sent meanwhile");
        // The limit is that of the connection.
        get(&world.upstream, &world.other("acme", "c2")).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        get(&world.upstream, &world.context).await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_that_tells_no_wait_is_passed_on_with_one() {
    let world = World::new((0..3).map(|_| status(429, &json!({})))).await;
    let error = world.upstream.api(&world.context).get(["x"]).value().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamRateLimited);
    assert!(error.retry_after(NOW).is_some());
}

#[tokio::test]
async fn the_last_call_that_is_granted_is_the_last() {
    let last = with_headers(200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")], &json!({}));
    let world = World::new([last]).await;
    let api = world.upstream.api(&world.context);
    api.get(["x"]).budget("search").value().await.unwrap();
    let error = api.get(["x"]).budget("search").value().await.unwrap_err();
    assert_eq!((error.code(), wait(&error)), (ErrorCode::UpstreamRateLimited, Some(9)));
    api.get(["x"]).budget("list").value().await.unwrap();
    world.clock.advance(Duration::from_secs(9));
    api.get(["x"]).budget("search").value().await.unwrap();
    assert_eq!(world.vendor.calls(), 3);
}

fn slow() -> Turn {
    Turn::Slow(Duration::from_millis(50), Box::new(good(&json!({}))))
}

#[tokio::test]
async fn so_many_calls_are_under_way_and_no_more() {
    let bounded = Settings { calls_per_host: 3, calls_per_tenant: 3, calls_per_connection: 2, ..settings() };
    let world = World::with(bounded, (0..18).map(|_| slow())).await;
    let one = (0..6).map(|_| get(&world.upstream, &world.context));
    for result in join_all(one).await {
        result.unwrap();
    }
    assert_eq!(world.vendor.most_under_way(), 2, "with one connection");
    // Another connector of the same host shares its bound.
    let (second, contexts) = (Upstream::new(&world.http, &VENDOR), ["c1", "c2", "c3", "c4"]);
    let contexts = contexts.map(|id| world.other("acme", id));
    let both = contexts.iter().flat_map(|context| [get(&world.upstream, context), get(&second, context)]);
    for result in join_all(both).await {
        result.unwrap();
    }
    assert_eq!(world.vendor.most_under_way(), 3, "at one host");
}

#[tokio::test]
async fn a_tenant_that_floods_does_not_keep_others_out() {
    let bounded = Settings {
        calls_per_host: 1,
        calls_per_tenant: 1,
        waiting_per_tenant: 30,
        operation_timeout: Duration::from_secs(20),
        ..settings()
    };
    let world = World::with(bounded, (0..60).map(|_| slow())).await;
    let flood = Arc::new((world.upstream.clone(), world.context.clone()));
    let calls: Vec<_> = (0..31)
        .map(|_| {
            let flood = Arc::clone(&flood);
            tokio::spawn(async move { get(&flood.0, &flood.1).await })
        })
        .collect();
    while world.vendor.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Its own queue is full.
    let error = get(&world.upstream, &world.context).await.unwrap_err();
    assert_eq!((error.code(), wait(&error)), (ErrorCode::UpstreamRateLimited, Some(1)));
    let other = world.other("other", "c9");
    let before = world.vendor.calls();
    get(&world.upstream, &other).await.unwrap();
    let passed = world.vendor.calls() - before;
    assert!(passed <= 3, "{passed} calls of the other went before");
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn waiting_for_a_turn_ends_with_the_operations_time() {
    let bounded = Settings { calls_per_connection: 1, attempt_timeout: Duration::from_secs(3), ..settings() };
    let world = World::with(bounded, [Turn::Hang]).await;
    let (upstream, context) = (world.upstream.clone(), world.context.clone());
    let hanging = tokio::spawn(async move { get(&upstream, &context).await });
    while world.vendor.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let api = world.upstream.api(&world.context).within(Duration::from_millis(100));
    let error = timeout(Duration::from_secs(2), api.get(["x"]).value()).await.unwrap().unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamRateLimited, 1));
    hanging.abort();
}

/// One call of each tenant in turn that is sent once and fails.
async fn fail(world: &World, count: usize) {
    for number in 0..count {
        let tenant = if number % 2 == 0 { "acme" } else { "other" };
        let context = world.other(tenant, tenant);
        world.upstream.api(&context).post(["x"]).done().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_vendor_that_fails_is_left_alone_until_a_trial_succeeds() {
    let world = World::new((0..11).map(|_| status(502, &json!({})))).await;
    fail(&world, 10).await;
    let third = world.other("third", "c3");
    let error = get(&world.upstream, &third).await.unwrap_err();
    assert_eq!((error.code(), wait(&error)), (ErrorCode::UpstreamUnavailable, Some(15)));
    assert_eq!(error.extensions().retryable, Some(true));
    assert_eq!(world.vendor.calls(), 10);
    // The trial fails.
    world.clock.advance(Duration::from_secs(15));
    let trial = world.upstream.api(&third).post(["x"]).done().await.unwrap_err();
    assert_eq!(trial.extensions().upstream_status, Some(502));
    let error = get(&world.upstream, &third).await.unwrap_err();
    assert_eq!((wait(&error), world.vendor.calls()), (Some(30), 11));
    // One succeeds.
    world.clock.advance(Duration::from_secs(30));
    get(&world.upstream, &third).await.unwrap();
    get(&world.upstream, &world.other("fourth", "c4")).await.unwrap();
    assert_eq!(world.vendor.calls(), 13);
}

#[tokio::test]
async fn one_tenant_alone_closes_a_vendor_for_itself() {
    let world = World::new((0..10).map(|_| status(500, &json!({})))).await;
    for _ in 0..10 {
        world.upstream.api(&world.context).post(["x"]).done().await.unwrap_err();
    }
    let error = get(&world.upstream, &world.context).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 10));
    get(&world.upstream, &world.other("other", "c2")).await.unwrap();
}

#[tokio::test]
async fn refusals_are_no_failures_of_the_vendor() {
    let world = World::new((0..30).map(|_| status(400, &json!({})))).await;
    fail(&world, 30).await;
    get(&world.upstream, &world.context).await.unwrap();
}

#[tokio::test]
async fn what_has_no_time_left_after_its_turn_says_nothing_of_the_vendor() {
    let slower = || Turn::Slow(Duration::from_millis(100), Box::new(good(&json!({}))));
    let world = World::new((0..24).map(|_| slower())).await;
    for number in 0..12 {
        let tenant = if number % 2 == 0 { "acme" } else { "other" };
        let context = world.other(tenant, tenant);
        // As where the wait for a turn has taken nearly all of an operation's time.
        let late = world.upstream.api(&context).within(Duration::from_millis(30));
        let error = late.post(["x"]).done().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamTimeout);
        assert_eq!(error.extensions().retryable, Some(false), "it may have been done");
    }
    get(&world.upstream, &world.other("third", "c3")).await.unwrap();
    get(&world.upstream, &world.other("acme", "acme")).await.unwrap();
}

#[tokio::test]
async fn slow_readers_keep_no_calls_out() {
    let bounded = Settings { calls_per_host: 2, calls_per_tenant: 2, calls_per_connection: 2, ..settings() };
    let world = World::with(bounded, [Turn::Stall, Turn::Stall]).await;
    let api = world.upstream.api(&world.context);
    let read = api.get(["f"]).download().await.unwrap();
    let passed = api.raw(Method::GET, &RawPath::parse("f").unwrap(), None).pass_on().await.unwrap();
    for context in [&world.context, &world.other("other", "c2")] {
        timeout(Duration::from_secs(1), get(&world.upstream, context)).await.unwrap().unwrap();
    }
    // They are bounded themselves.
    let third = api.clone().within(Duration::from_millis(100)).get(["f"]).download().await.unwrap_err();
    assert_eq!(third.code(), ErrorCode::UpstreamRateLimited);
    drop((read, passed));
    api.get(["f"]).download().await.unwrap();
}
