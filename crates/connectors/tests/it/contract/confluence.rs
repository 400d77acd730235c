//! Confluence, whose vendor describes version 2 of its API on pages for people alone: a site that has what those pages name
//! (<https://developer.atlassian.com/cloud/confluence/rest/v2/>, and the search of version 1), and nothing else.

use axum::extract::{Path, Request};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::exercise::{Samples, page};
use super::{SITE, connected, twice};
use crate::confluence::site::page as told;

fn listed(results: &Value) -> Json<Value> {
    Json(json!({"results": results, "_links": {"base": "https://acme.atlassian.net/wiki"}}))
}

/// What is done with one page.
async fn one(Path(id): Path<String>, request: Request) -> Response {
    match *request.method() {
        Method::DELETE => StatusCode::NO_CONTENT.into_response(),
        Method::PUT => Json(told(&id, 2, "<p>y</p>")).into_response(),
        _ => Json(told(&id, 1, "<p>x</p>")).into_response(),
    }
}

fn comment() -> Value {
    json!({"id": "11", "status": "current", "title": "Re: Release plan", "pageId": "131180",
        "version": {"createdAt": "2026-11-20T10:00:00.000Z", "number": 1, "authorId": "5b10"},
        "body": {"storage": {"representation": "storage", "value": "<p>Yes.</p>"}},
        "_links": {"webui": "/spaces/DOCS/pages/131180/Release+plan?focusedCommentId=11"}})
}

fn space() -> Value {
    json!({"id": "98306", "key": "DOCS", "name": "Documentation", "type": "global", "status": "current",
        "_links": {"webui": "/spaces/DOCS"}})
}

fn site() -> Router {
    let found = || json!([{"content": {"id": "131180", "type": "page"}, "excerpt": "x"}]);
    let pages = || async { listed(&json!([told("131180", 1, "<p>x</p>")])) };
    let wiki = Router::new()
        .route("/api/v2/pages", get(pages).post(async || Json(told("1", 1, "<p>x</p>"))))
        .route("/api/v2/pages/{id}", get(one).put(one).delete(one))
        .route("/api/v2/pages/{id}/footer-comments", get(async || listed(&json!([comment()]))))
        .route("/api/v2/footer-comments", post(async || Json(comment())))
        .route("/api/v2/spaces", get(async || listed(&json!([space()]))))
        .route("/rest/api/search", get(async move || listed(&found())));
    Router::new().nest(&format!("/ex/confluence/{SITE}/wiki"), wiki)
}

pub(super) async fn does_all_that_it_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, site()).await.unwrap() });
    let (connectors, context, _folder) = connected("confluence", &root, |_| ()).await;
    let samples = Samples {
        lists: vec![
            page(&[]),
            page(&[("space_id", "98306"), ("title", "Plan"), ("status", "current"), ("order_by", "-title")]),
            page(&[("include_text", "false")]),
        ],
        searches: vec![("release plan", page(&[])), ("space = \"DOCS\"", page(&[("include_text", "false")]))],
        items: vec!["131180"],
        made: vec![json!({"title": "A", "space_id": "98306", "parent_id": "1", "text": "# A"})],
        changes: vec![
            ("131180", json!({"title": "B", "version": 1})),
            ("131180", json!({"storage": "<p>y</p>", "message": "dates"})),
        ],
        spoken_about: "131180",
        ..Samples::default()
    };
    let failed = twice(connectors.get("confluence").unwrap(), &context, &samples).await;
    assert!(failed.is_empty(), "{failed:#?}");
}
