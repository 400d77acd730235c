//! How Bitbucket says no, what is needed for what, and the API as it is.

use connections::connection::Connection;
use connectors::Error;
use connectors::connector::{Connector as _, Data as _, Operation};
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::{World, filtered, pull_request, repository};
use crate::caller::fields;
use crate::http::vendor::{good, status, with_headers};

fn error(message: &str) -> Value {
    json!({"type": "error", "error": {"message": message}})
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named_with_where_it_is_asked_for() {
    let message = "Your credentials lack one or more required privilege scopes.";
    let lacks = json!({"type": "error", "error": {"message": message,
        "detail": {"required": ["pullrequest"], "granted": ["repository", "account"]}}});
    let world = World::new([status(403, &lacks)]).await;
    let error =
        world.bitbucket.list(&world.context, &filtered(&[("repository", "acme:site")])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InsufficientScope);
    let told = error.extensions();
    assert_eq!(told.missing_scopes, ["pullrequest"]);
    assert!(told.reconnect.unwrap().contains("scopes=pullrequest"));
    assert_eq!(world.vendor.calls(), 1);
}

#[tokio::test]
async fn each_refusal_is_told_as_what_it_is() {
    let world = World::new([]).await;
    for (code, body, expected, words) in [
        (
            403,
            error("You do not have access to view this workspace."),
            ErrorCode::UpstreamRejected,
            "this workspace",
        ),
        (400, error("Invalid field \"x\""), ErrorCode::UpstreamRejected, "Invalid field"),
        (
            410,
            error("CHANGE-3022 - Functionality has been deprecated"),
            ErrorCode::UpstreamRejected,
            "CHANGE-3022",
        ),
        (
            404,
            error("No workspace with identifier 'acme'."),
            ErrorCode::NotFound,
            "there is no workspace acme",
        ),
    ] {
        world.vendor.then([status(code, &body)]);
        let listing = filtered(&[("workspace", "acme")]);
        let error = world.bitbucket.list(&world.context, &listing).await.unwrap_err();
        assert_eq!(error.code(), expected, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let taken = "Repository with this Slug and Owner already exists.";
    let taken = json!({"type": "error", "error": {"message": taken, "fields": {"slug": [taken]}}});
    world.vendor.then([status(400, &taken)]);
    let given = fields(json!({"type": "repository", "workspace": "acme", "title": "site"}));
    let error = world.bitbucket.create(&world.context, &given).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict, "{error}");
}

#[tokio::test]
async fn a_merge_that_cannot_be_is_told() {
    let world = World::new([status(409, &error("The destination branch changed"))]).await;
    let merge = fields(json!({"state": "merged"}));
    let told = world.bitbucket.update(&world.context, "acme:site:12", &merge).await.unwrap_err();
    assert_eq!(told.code(), ErrorCode::Conflict, "{told}");
    world.vendor.then([status(400, &error("3 merge checks have not passed"))]);
    let told = world.bitbucket.update(&world.context, "acme:site:12", &merge).await.unwrap_err();
    assert_eq!(told.code(), ErrorCode::UpstreamRejected);
    assert!(told.to_string().contains("3 merge checks"), "{told}");
}

#[tokio::test]
async fn its_limit_is_heeded() {
    let body = error("Rate limit for this resource has been exceeded");
    let world = World::new([with_headers(429, &[("retry-after", "60")], &body)]).await;
    for _ in 0..2 {
        let error = world.bitbucket.get(&world.context, "acme:site").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamRateLimited, "{error}");
    }
    assert_eq!(world.vendor.calls(), 1, "the second waits without asking");
}

#[tokio::test]
async fn a_token_that_has_ended_is_renewed_once() {
    let ended = error("Access token expired. Use your refresh token to obtain a new access token.");
    let world = World::new([status(401, &ended), good(&repository("acme", "site"))]).await;
    world.bitbucket.get(&world.context, "acme:site").await.unwrap();
    assert_eq!((world.rejected(), world.vendor.calls()), (1, 2));
    assert_eq!(world.vendor.asked()[1].header("authorization"), "Bearer token-2");
    world.vendor.then([status(401, &ended), status(401, &ended)]);
    let error = world.bitbucket.get(&world.context, "acme:site").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ReauthorizationRequired, "{error}");
}

#[tokio::test]
async fn answers_that_are_none_are_told_as_such() {
    let world = World::new([good(&json!({"values": [{"type": "pullrequest"}]})), good(&json!([]))]).await;
    let of_site = filtered(&[("repository", "acme:site")]);
    for _ in 0..2 {
        let error = world.bitbucket.list(&world.context, &of_site).await.unwrap_err();
        assert!(matches!(error, Error::Upstream { retryable: false, .. }), "{error}");
    }
    // What is not told is left out.
    let (mut bare, nothing) = (pull_request(1, "OPEN"), Value::Null);
    for field in ["description", "author", "source", "destination", "links", "participants", "reviewers"] {
        bare.as_object_mut().unwrap().remove(field);
    }
    bare["state"] = nothing;
    world.vendor.then([good(&bare)]);
    let item = world.bitbucket.get(&world.context, "acme:site:1").await.unwrap();
    assert_eq!((item.id.as_str(), item.text, item.author), ("acme:site:1", None, None));
}

#[tokio::test]
async fn the_stronger_scope_stands_for_the_weaker_one() {
    let world = World::new([]).await;
    let description = world.bitbucket.description();
    let can = |scopes: &[&str], operation: Operation| {
        let mut connection: Connection = world.context.connection.clone();
        connection.credentials[0].scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        description.is_granted(description.ability(operation).unwrap(), &connection)
    };
    for operation in [Operation::List, Operation::Get, Operation::Search] {
        for scope in ["repository", "repository:write", "pullrequest", "pullrequest:write"] {
            assert!(can(&[scope], operation), "{scope}");
        }
        for scope in ["repository:admin", "repository:delete", "account", "webhook"] {
            assert!(!can(&[scope], operation), "{scope}");
        }
    }
    assert!(
        can(&["pullrequest"], Operation::AddComment) && !can(&["repository:write"], Operation::AddComment)
    );
    assert!(can(&["pullrequest:write"], Operation::Create) && can(&["repository:admin"], Operation::Update));
    assert!(!can(&["repository:write", "pullrequest"], Operation::Update));
    assert!(can(&["repository:delete"], Operation::Delete));
    assert!(!can(&["repository:admin", "repository:write"], Operation::Delete));
    assert!(can(&["account"], Operation::Containers) && !can(&["repository"], Operation::Containers));
}

#[tokio::test]
async fn the_api_as_it_is_begins_at_its_root() {
    let world = World::new([good(&json!({"values": []}))]).await;
    let api = world.bitbucket.surfaces().raw.unwrap().api(&world.context).unwrap();
    api.get(["repositories", "acme", "site", "refs", "branches"]).value().await.unwrap();
    assert_eq!(world.lines(), ["GET /v1/repositories/acme/site/refs/branches"]);
}
