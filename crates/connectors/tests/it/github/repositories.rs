//! Repositories as items.

use connectors::Author;
use connectors::connector::{Connector as _, Data as _, Listing};
use model::{Coded as _, ErrorCode};
use serde_json::json;

use super::hub::{Hub, repository};
use crate::caller::{fields, filtered, ids, pages_of};
use crate::http::vendor::{good, status, with_headers};

#[tokio::test]
async fn repositories_are_listed_page_by_page() {
    let hub = Hub::new([]).await;
    hub.then_linked(2, &json!([repository("shop"), repository("site")]));
    hub.vendor.then([good(&json!([repository("tools")]))]);
    let first = hub.github.list(&hub.raw(), &pages_of(2)).await.unwrap();
    assert_eq!((ids(&first.items), first.total), (vec!["ann:shop", "ann:site"], None));
    let second = Listing { cursor: first.next, ..pages_of(2) };
    let second = hub.github.list(&hub.context, &second).await.unwrap();
    assert_eq!((ids(&second.items), second.next), (vec!["ann:tools"], None));
    assert_eq!(hub.lines(), ["GET /user/repos?per_page=2&sort=full_name", "GET /x?per_page=2&page=2"]);

    let shop = &first.items[0];
    assert_eq!(
        (shop.kind, shop.title.as_deref(), shop.container_id.as_deref()),
        ("repository", Some("shop"), Some("ann"))
    );
    assert_eq!(shop.text.as_deref(), Some("Bread and apples"));
    assert_eq!(shop.url.as_deref(), Some("https://github.com/ann/shop"));
    let ann = Author { id: Some("ann".into()), name: Some("ann".into()), email: None };
    assert_eq!(shop.author, Some(ann));
    assert_eq!(shop.created_at.unwrap().to_string(), "2026-01-26T19:01:12.000Z");
    assert_eq!(
        json!(shop.extra),
        json!({
            "visibility": "private", "is_private": true, "is_fork": false, "is_archived": false, "has_issues": true,
            "default_branch": "main", "topics": ["food"], "stars": 80, "forks": 0, "pushed_at": "2026-02-26T19:06:43Z",
        })
    );
    assert_eq!(shop.raw, Some(repository("shop")));
    assert_eq!(second.items[0].raw, None);
}

#[tokio::test]
async fn github_is_told_which_version_and_who_asks() {
    let hub = Hub::new([good(&json!({"login": "ann"})), good(&repository("shop"))]).await;
    hub.github.test(&hub.context).await.unwrap();
    hub.github.get(&hub.context, "ann:shop").await.unwrap();
    assert_eq!(hub.lines(), ["GET /user", "GET /repos/ann/shop"]);
    for asked in hub.vendor.asked() {
        assert_eq!(asked.header("accept"), "application/vnd.github+json");
        assert_eq!(asked.header("x-github-api-version"), "2022-11-28");
        assert_eq!(asked.header("authorization"), "Bearer gho_token");
        assert!(asked.header("user-agent").starts_with("jackfield/"), "{}", asked.header("user-agent"));
    }
}

#[tokio::test]
async fn the_next_page_is_asked_for_below_the_root_alone() {
    let evil = "<https://evil.example/api/v3/user/repos?page=2>; rel=\"next\"";
    let hub = Hub::new([with_headers(200, &[("link", evil)], &json!([]))]).await;
    let page = hub.github.list(&hub.context, &pages_of(2)).await.unwrap();
    let error =
        hub.github.list(&hub.context, &Listing { cursor: page.next, ..pages_of(2) }).await.unwrap_err();
    assert_eq!((error.code(), hub.vendor.calls()), (ErrorCode::UpstreamUnavailable, 1), "{error}");
}

#[tokio::test]
async fn a_repository_is_made_changed_and_deleted() {
    let created = || status(201, &repository("shop"));
    let hub = Hub::new([
        created(),
        created(),
        good(&repository("shop")),
        good(&repository("shop")),
        status(204, &json!(null)),
    ])
    .await;
    let draft = json!({"title": "shop", "text": "Bread", "is_private": true, "raw": {"auto_init": true, "name": "x"}});
    let made = hub.github.create(&hub.raw(), &fields(&draft)).await.unwrap();
    assert_eq!((made.id.as_str(), made.raw), ("ann:shop", Some(repository("shop"))));
    let draft = json!({"title": "shop", "organization": "acme", "has_issues": false});
    hub.github.create(&hub.context, &fields(&draft)).await.unwrap();
    let change = json!({"text": "Apples", "is_archived": true, "default_branch": "trunk"});
    hub.github.update(&hub.context, "ann:shop", &fields(&change)).await.unwrap();
    hub.github.update(&hub.context, "ann:shop", &fields(json!({"title": "store"}))).await.unwrap();
    hub.github.delete(&hub.context, "ann:shop").await.unwrap();
    assert_eq!(
        hub.lines(),
        [
            "POST /user/repos",
            "POST /orgs/acme/repos",
            "PATCH /repos/ann/shop",
            "PATCH /repos/ann/shop",
            "DELETE /repos/ann/shop"
        ]
    );
    assert_eq!(
        hub.sent(0),
        json!({"name": "shop", "description": "Bread", "private": true, "auto_init": true})
    );
    assert_eq!(hub.sent(1), json!({"name": "shop", "has_issues": false}));
    assert_eq!(hub.sent(2), json!({"description": "Apples", "archived": true, "default_branch": "trunk"}));
    assert_eq!(hub.sent(3), json!({"name": "store"}));
}

#[tokio::test]
async fn only_what_is_the_same_twice_is_sent_twice() {
    let down = || status(502, &json!({"message": "Server Error"}));
    for (change, calls) in [(json!({"text": "x"}), 2), (json!({"title": "x"}), 1)] {
        let hub = Hub::new([down(), good(&repository("shop"))]).await;
        let changed = hub.github.update(&hub.context, "ann:shop", &fields(&change)).await;
        assert_eq!((changed.is_ok(), hub.vendor.calls()), (calls == 2, calls), "{change}");
    }
    let hub = Hub::new([down()]).await;
    let error = hub.github.create(&hub.context, &fields(json!({"title": "x"}))).await.unwrap_err();
    assert_eq!((error.code(), hub.vendor.calls()), (ErrorCode::UpstreamUnavailable, 1));
}

#[tokio::test]
async fn repositories_are_found_and_narrowed() {
    let found = json!({"total_count": 4000, "incomplete_results": false, "items": [repository("shop")]});
    let hub = Hub::new([good(&found), good(&json!([]))]).await;
    let page = hub.github.search(&hub.raw(), "bread in:name user:ann", &pages_of(5)).await.unwrap();
    assert_eq!((ids(&page.items), page.total, page.next), (vec!["ann:shop"], Some(4000), None));
    assert_eq!(page.items[0].raw, Some(repository("shop")));
    hub.github.list(&hub.context, &filtered(&[("visibility", "public")])).await.unwrap();
    assert_eq!(
        hub.lines(),
        [
            "GET /search/repositories?per_page=5&q=bread+in%3Aname+user%3Aann",
            "GET /user/repos?per_page=50&sort=full_name&visibility=public",
        ]
    );
    for wrong in [filtered(&[("visibility", "secret")]), filtered(&[("state", "open")])] {
        let error = hub.github.list(&hub.context, &wrong).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed);
    }
    assert_eq!(hub.vendor.calls(), 2);
}

/// GitHub counts searches apart from all else.
#[tokio::test]
async fn a_spent_search_stops_no_other_call() {
    let spent =
        [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60"), ("x-ratelimit-resource", "search")];
    let found = json!({"total_count": 0, "incomplete_results": false, "items": []});
    let hub = Hub::new([with_headers(200, &spent, &found), good(&json!([]))]).await;
    hub.github.search(&hub.context, "a", &pages_of(5)).await.unwrap();
    let error = hub.github.search(&hub.context, "b", &pages_of(5)).await.unwrap_err();
    assert_eq!((error.code(), hub.vendor.calls()), (ErrorCode::UpstreamRateLimited, 1));
    hub.github.list(&hub.context, &pages_of(5)).await.unwrap();
}
