//! Each trouble in the words of the API.

use std::sync::atomic::Ordering;
use std::time::Duration;

use connections::connection::Site;
use connectors::Error;
use model::{Coded as _, ErrorCode, Extensions, Timestamp};
use serde_json::{Value, json};

use super::vendor::{Turn, good, status, with_headers};
use super::world::World;

const NOW: Timestamp = Timestamp::from_millisecond(0);

/// The error of a call that is sent once.
async fn refused(turn: Turn) -> Error {
    let world = World::new([turn]).await;
    let error = world.upstream.api(&world.context).post(["x"]).value().await.unwrap_err();
    assert_eq!(world.vendor.calls(), 1);
    assert!(!error.to_string().contains("token-1"), "{error}");
    error
}

fn reason(reason: &str, message: &str) -> Value {
    json!({"error": {"code": 403, "message": message, "errors": [{"reason": reason}]}})
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let world = World::new([status(401, &json!({})), good(&json!({"ok": 1}))]).await;
    let answer = world.upstream.api(&world.context).post(["x"]).value().await.unwrap();
    assert_eq!(answer, json!({"ok": 1}));
    let asked = world.vendor.asked();
    let bearers: Vec<&str> = asked.iter().map(|asked| asked.header("authorization")).collect();
    assert_eq!(bearers, ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(world.tokens.rejected.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_in_a_good_answer_is_renewed_too() {
    let expired = good(&json!({"ok": false, "error": "token_expired"}));
    let world = World::new([expired, good(&json!({"ok": true}))]).await;
    world.upstream.api(&world.context).post(["x"]).done().await.unwrap();
    assert_eq!(world.vendor.calls(), 2);
}

#[tokio::test]
async fn a_renewed_token_that_is_refused_needs_the_user() {
    let world = World::new([status(401, &json!({})), status(401, &json!({})), good(&json!({}))]).await;
    let error = world.upstream.api(&world.context).get(["x"]).value().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ReauthorizationRequired);
    assert_eq!(world.vendor.calls(), 2);
    let reconnect = "/api/v1/unified/auth/google/url?user_email=ann%40acme.example";
    assert_eq!(error.extensions().reconnect.as_deref(), Some(reconnect));
    assert_eq!(error.extensions().retryable, Some(false));
}

#[tokio::test]
async fn a_403_is_a_limit_or_a_scope_or_a_refusal() {
    let error = refused(status(403, &reason("forbidden", "Only the\nowner may; Bearer token-1"))).await;
    assert_eq!(error.code(), ErrorCode::UpstreamRejected);
    assert_eq!(error.to_string(), "Fake: it refused this: Only the owner may; Bearer …");
    let told = Extensions { retryable: Some(false), upstream_status: Some(403), ..Extensions::default() };
    assert_eq!(error.extensions(), told);

    for turn in [
        status(403, &reason("insufficientPermissions", "")),
        good(&json!({"ok": false, "error": "missing_scope", "needed": "mail.send"})),
        with_headers(
            403,
            &[("www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"mail.send\"")],
            &json!({}),
        ),
    ] {
        let error = refused(turn).await;
        assert_eq!(error.code(), ErrorCode::InsufficientScope);
        let told = error.extensions();
        assert_eq!(told.missing_scopes, ["mail.send"]);
        // What was granted is asked for again, or it would be lost.
        let reconnect = told.reconnect.unwrap();
        assert!(reconnect.ends_with("&scopes=mail.read&scopes=mail.send"), "{reconnect}");
    }
    let unnamed =
        with_headers(403, &[("www-authenticate", "Bearer error=\"insufficient_scope\"")], &json!({}));
    let error = refused(unnamed).await;
    assert_eq!(error.code(), ErrorCode::InsufficientScope);
    assert!(error.extensions().missing_scopes.is_empty());
}

#[tokio::test]
async fn each_status_has_its_code() {
    let body = json!({"error": {"message": "why"}});
    for (number, code, retryable) in [
        (400, ErrorCode::UpstreamRejected, false),
        (404, ErrorCode::NotFound, false),
        (409, ErrorCode::Conflict, false),
        (410, ErrorCode::NotFound, false),
        (412, ErrorCode::Conflict, false),
        (422, ErrorCode::UpstreamRejected, false),
        // A POST that has perhaps been done is not to be repeated.
        (500, ErrorCode::UpstreamUnavailable, false),
        (501, ErrorCode::UpstreamUnavailable, true),
    ] {
        let error = refused(status(number, &body)).await;
        assert_eq!(error.code(), code, "{number}");
        assert_eq!(error.extensions().upstream_status, Some(number), "{number}");
        assert_eq!(error.extensions().retryable, Some(retryable), "{number}");
        assert!(number == 404 || number == 410 || error.to_string().ends_with("why"), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::new([status(404, &json!({}))]).await;
    let request = world.upstream.api(&world.context).get(["messages", "m/1"]).about("message", "m/1");
    let error = request.value().await.unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::NotFound, "there is no message m/1"));
    assert_eq!(world.vendor.asked()[0].uri.path(), "/v1/messages/m%2F1");
}

#[tokio::test]
async fn an_id_that_leads_elsewhere_is_not_sent() {
    let world = World::new([]).await;
    for id in ["..", ".", "", "a\r\nb"] {
        let error = world.upstream.api(&world.context).get(["messages", id]).value().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{id:?}");
    }
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn an_unreachable_vendor_is_unavailable() {
    let world = World::new([]).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{free}/").parse().unwrap();
    let (_, upstream) = super::world::upstream(super::world::settings(), &url, model::Ambient::system());
    let error = upstream.api(&world.context).post(["x"]).value().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamUnavailable);
    assert_eq!(error.extensions().retryable, Some(true), "nothing was sent");
}

#[tokio::test]
async fn who_does_not_answer_is_timed_out() {
    for turn in [Turn::Hang, Turn::Stall] {
        let error = refused(turn).await;
        assert_eq!(error.code(), ErrorCode::UpstreamTimeout);
        assert!(error.to_string().ends_with("whether this was done is not known"), "{error}");
        assert_eq!(error.extensions().retryable, Some(false));
    }
    let error = refused(Turn::Slow(Duration::from_secs(2), Box::new(good(&json!({}))))).await;
    assert_eq!(error.code(), ErrorCode::UpstreamTimeout);
    assert_eq!(error.retry_after(NOW), None);
}

#[tokio::test]
async fn a_site_must_be_chosen_where_there_are_several() {
    let mut context = World::new([]).await.context;
    let site = |id: &str| Site { id: id.into(), name: id.to_uppercase(), address: None };
    context.connection.sites = vec![site("one"), site("two")];
    let error = context.site().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    let told = error.to_string();
    assert!(told.contains("PATCH /api/v1/unified/connections/c1") && told.contains("one, two"), "{told}");
    context.connection.site = Some("two".into());
    assert_eq!(context.site().unwrap().name, "TWO");
}
