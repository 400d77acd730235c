//! How GitHub says no.

use connectors::Error;
use connectors::connector::Data as _;
use connectors::project::Project as _;
use model::{Ambient, Coded as _, ErrorCode};
use serde_json::json;

use super::hub::Hub;
use crate::caller::{fields, pages_of};
use crate::http::vendor::{Turn, good, status, with_headers};

async fn refused(turn: Turn) -> (Error, Hub) {
    let hub = Hub::new([turn]).await;
    let error = hub.github.get(&hub.context, "ann:shop").await.unwrap_err();
    (error, hub)
}

#[tokio::test]
async fn a_spent_hour_is_waited_for() {
    let body = json!({"message": "API rate limit exceeded for user ID 1."});
    let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800"), ("x-ratelimit-used", "5000")];
    for code in [403, 429] {
        let (error, hub) = refused(with_headers(code, &spent, &body)).await;
        assert_eq!((error.code(), hub.vendor.calls()), (ErrorCode::UpstreamRateLimited, 1));
        let wait = error.retry_after(Ambient::system().now()).unwrap().as_secs();
        assert!((1799..=1800).contains(&wait), "{wait}");
        // Nothing is sent before that.
        let error = hub.github.list(&hub.context, &pages_of(5)).await.unwrap_err();
        assert_eq!((error.code(), hub.vendor.calls()), (ErrorCode::UpstreamRateLimited, 1));
    }
}

#[tokio::test]
async fn a_secondary_limit_is_waited_for() {
    let body = json!({"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."});
    let told = [("retry-after", "47"), ("x-ratelimit-remaining", "4990"), ("x-ratelimit-reset", "1800")];
    for (headers, seconds) in [(&told[..], 47), (&told[1..], 60)] {
        let (error, hub) = refused(with_headers(403, headers, &body)).await;
        assert_eq!((error.code(), hub.vendor.calls()), (ErrorCode::UpstreamRateLimited, 1));
        let wait = error.retry_after(Ambient::system().now()).unwrap().as_secs();
        assert!((seconds - 1..=seconds).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn missing_scopes_are_asked_for() {
    let scopes = [("x-oauth-scopes", "read:user, user:email"), ("x-accepted-oauth-scopes", "repo")];
    let (error, _) = refused(with_headers(404, &scopes, &json!({"message": "Not Found"}))).await;
    let Error::InsufficientScope { scopes, reconnect, .. } = error else { panic!("{error}") };
    assert_eq!(scopes, ["repo"]);
    assert!(reconnect.contains("scopes=repo"), "{reconnect}");

    let scopes = [("x-oauth-scopes", "repo"), ("x-accepted-oauth-scopes", "delete_repo")];
    let body = json!({"message": "Must have admin rights to Repository."});
    let hub = Hub::new([with_headers(403, &scopes, &body)]).await;
    let error = hub.github.delete(&hub.context, "ann:shop").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InsufficientScope);
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_may_not_be_seen() {
    let scopes = [("x-oauth-scopes", "repo"), ("x-accepted-oauth-scopes", "repo")];
    let (error, _) = refused(with_headers(404, &scopes, &json!({"message": "Not Found"}))).await;
    assert_eq!(error.to_string(), "there is no repository ann:shop");
    // To a GitHub App nothing is told of scopes.
    let (error, _) = refused(status(404, &json!({"message": "Not Found"}))).await;
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_permission_that_an_app_lacks_is_named() {
    let permissions = [("x-accepted-github-permissions", "administration=write")];
    let body = json!({"message": "Resource not accessible by integration"});
    let (error, _) = refused(with_headers(403, &permissions, &body)).await;
    assert_eq!(error.code(), ErrorCode::UpstreamRejected);
    assert!(error.to_string().contains("administration=write"), "{error}");
}

#[tokio::test]
async fn what_is_not_valid_or_there_already_is_told() {
    let invalid = json!({"message": "Validation Failed", "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}]});
    let exists = json!({"message": "Repository creation failed.", "errors": [
        {"resource": "Repository", "code": "custom", "field": "name", "message": "name already exists on this account"},
    ]});
    for (body, code, words) in [
        (invalid, ErrorCode::UpstreamRejected, "title missing_field"),
        (exists, ErrorCode::Conflict, "name already exists on this account"),
    ] {
        let hub = Hub::new([status(422, &body)]).await;
        let error = hub.github.create(&hub.context, &fields(json!({"title": "shop"}))).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_repository_without_issues_is_there() {
    let hub =
        Hub::new([status(410, &json!({"message": "Issues has been disabled in this repository."}))]).await;
    let error = hub.github.issues(&hub.context, "ann:shop", &pages_of(5)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamRejected);
    assert!(error.to_string().contains("disabled"), "{error}");
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_renewed_once() {
    let bad = || status(401, &json!({"message": "Bad credentials"}));
    let hub = Hub::new([bad(), bad(), good(&json!({}))]).await;
    let error = hub.github.get(&hub.context, "ann:shop").await.unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error}");
    assert_eq!(hub.vendor.calls(), 2);
}

/// Ids that could lead elsewhere lead nowhere.
#[tokio::test]
async fn no_id_leaves_its_path() {
    let hub = Hub::new([]).await;
    for id in ["..:..", "ann:..", "ann/shop:x", "ann:shop/../../user", "ann:shop?x", "", "ann"] {
        assert_eq!(hub.github.get(&hub.context, id).await.unwrap_err().code(), ErrorCode::NotFound, "{id}");
        let error = hub.github.delete(&hub.context, id).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{id}");
    }
    assert_eq!(hub.vendor.calls(), 0);
}
