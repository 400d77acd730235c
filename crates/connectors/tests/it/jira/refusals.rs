//! How Jira says no, and what callers are told.

use connectors::Error;
use connectors::connector::Data as _;
use connectors::http::Http;
use connectors::project::Project as _;
use model::{Coded as _, ErrorCode, Timestamp};
use serde_json::json;

use super::world::World;
use crate::caller::pages_of;
use crate::http::vendor::{Turn, good, status, with_headers};

async fn refused(turn: Turn) -> Error {
    // A token that is not accepted is renewed, and tried again.
    let world = World::new([turn.clone(), turn]).await;
    world.jira.issue(&world.context, "ACME-7").await.unwrap_err()
}

#[tokio::test]
async fn refusals_are_told_as_what_they_are() {
    let said = |words: &str| json!({"errorMessages": [words], "errors": {}});
    for (turn, code, text) in [
        (
            status(401, &json!({"code": 401, "message": "Unauthorized; scope does not match"})),
            ErrorCode::InsufficientScope,
            "jira needs a further scope for this",
        ),
        (
            status(401, &json!({"code": 401, "message": "Unauthorized"})),
            ErrorCode::ReauthorizationRequired,
            "Jira",
        ),
        (
            status(403, &said("You do not have permission to view issues.")),
            ErrorCode::UpstreamRejected,
            "Jira: it refused this: You do not have permission to view issues.",
        ),
        (
            status(404, &said("Issue does not exist or you do not have permission to see it.")),
            ErrorCode::NotFound,
            "there is no issue ACME-7",
        ),
        (status(409, &said("Conflicting update")), ErrorCode::Conflict, "Conflicting update"),
        (
            status(410, &said("Gone")),
            ErrorCode::UpstreamRejected,
            "Jira: it refused this: it has taken this out of its API",
        ),
    ] {
        let error = refused(turn).await;
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_query_that_is_refused_is_explained() {
    let words = "Error in the JQL Query: Expecting operator but got 'x'. (line 1, character 5)";
    let world = World::new([status(400, &json!({"errorMessages": [words], "warningMessages": []}))]).await;
    let error = world.jira.search(&world.context, "a = 1 x", &pages_of(5)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamRejected);
    assert!(error.to_string().ends_with(words) && world.vendor.calls() == 1, "{error}");
}

#[tokio::test]
async fn one_methods_limit_stops_no_other() {
    let headers =
        [("retry-after", "30"), ("ratelimit-reason", "jira-burst-based"), ("x-ratelimit-nearlimit", "true")];
    let world = World::new([with_headers(429, &headers, &json!({"message": "Rate limit exceeded"}))]).await;
    for _ in 0..2 {
        let error = world.jira.list(&world.context, &pages_of(5)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamRateLimited);
        let wait = error.retry_after(Timestamp::from_millisecond(0)).unwrap().as_secs();
        assert!((29..=30).contains(&wait), "{wait}");
    }
    assert_eq!(world.vendor.calls(), 1, "the second waits without asking");
    world.vendor.then([good(&json!({"values": [], "isLast": true}))]);
    world.jira.projects(&world.context, &pages_of(5)).await.unwrap();
}

#[tokio::test]
async fn an_hours_quota_ends_when_it_says() {
    let reset = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10);
    let reset = reset.strftime("%Y-%m-%dT%H:%MZ").to_string();
    let headers = [("x-ratelimit-reset", reset.as_str()), ("ratelimit-reason", "jira-quota-tenant-based")];
    let error = refused(with_headers(429, &headers, &json!({}))).await;
    assert_eq!(error.code(), ErrorCode::UpstreamRateLimited);
    let wait = error.retry_after(Timestamp::from_millisecond(0)).unwrap().as_secs();
    assert!((8 * 60..=10 * 60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn answers_in_other_shapes_are_no_panic() {
    for body in
        [json!([]), json!(7), json!({"issues": 7}), json!({"issues": [7, null, {"fields": []}]}), json!(null)]
    {
        let world = World::new([good(&body), good(&body), good(&body)]).await;
        let listed = world.jira.list(&world.context, &pages_of(5)).await;
        assert!(listed.is_ok_and(|page| page.items.len() == 3) || !body["issues"].is_array());
        let _read = world.jira.get(&world.context, "ACME-7").await;
        let projects = world.jira.projects(&world.context, &pages_of(5)).await.unwrap();
        assert!(projects.items.is_empty());
    }
}

#[test]
fn it_is_at_atlassians_own_address_unless_told() {
    let http = Http::new(connectors::http::Settings::default(), model::Ambient::system()).unwrap();
    let shown = format!("{:?}", connectors::jira::JiraConnector::new(&http));
    assert!(shown.contains("https://api.atlassian.com"), "{shown}");
}
