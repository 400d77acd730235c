//! Lists and searches: what is asked, page after page, and what comes back.

use connectors::Error;
use connectors::connector::{Connector as _, Data as _, Listing};
use connectors::containers::Containers as _;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::{World, filtered, pull_request, repository};
use crate::caller::{after, fields, ids};
use crate::http::vendor::{Turn, good};

fn page(values: &[Value], next: Option<&str>) -> Turn {
    // Only the last page says nothing of a next one.
    let next = next.map(|next| ("next".to_owned(), next.into()));
    let mut page = fields(json!({"pagelen": 100, "page": 1, "size": 7, "values": values}));
    page.extend(next);
    good(&page.into())
}

fn workspaces(slugs: &[&str], next: Option<&str>) -> Turn {
    let access = |slug: &&str| {
        json!({"type": "workspace_access", "administrator": *slug == "acme", "workspace": {"type": "workspace_base",
            "slug": slug, "uuid": format!("{{{slug}}}"), "links": {
                "self": {"href": format!("https://api.bitbucket.org/2.0/workspaces/{slug}")}}}})
    };
    page(&slugs.iter().map(access).collect::<Vec<_>>(), next)
}

#[tokio::test]
async fn a_workspaces_repositories_are_listed_page_by_page() {
    let world = World::new([]).await;
    let next = format!("{}/repositories/acme?pagelen=100&page=2", world.vendor.url);
    world.vendor.then([page(&[repository("acme", "site"), repository("acme", "app")], Some(&next))]);
    world.vendor.then([page(&[repository("acme", "docs")], None)]);
    let listing = filtered(&[("workspace", "acme"), ("role", "contributor"), ("order_by", "-updated_on")]);
    let first = world.bitbucket.list(&world.raw(), &listing).await.unwrap();
    assert_eq!((ids(&first.items), first.total), (vec!["acme:site", "acme:app"], Some(7)));
    let site = &first.items[0];
    assert_eq!((site.kind, site.title.as_deref()), ("repository", Some("site")));
    assert_eq!((site.container_id.as_deref(), &site.extra["main_branch"]), (Some("acme"), &json!("main")));
    assert_eq!(site.raw, Some(repository("acme", "site")));
    let last = world.bitbucket.list(&world.context, &after(&listing, first.next)).await.unwrap();
    assert_eq!((ids(&last.items), last.next, last.items[0].raw.clone()), (vec!["acme:docs"], None, None));
    assert_eq!(
        world.lines(),
        [
            "GET /v1/repositories/acme?pagelen=100&sort=-updated_on&role=contributor",
            "GET /v1/repositories/acme?pagelen=100&page=2",
        ]
    );
    assert_eq!(world.vendor.asked()[0].header("authorization"), "Bearer token-1");
}

#[tokio::test]
async fn a_page_elsewhere_is_not_followed() {
    let next = "https://api.bitbucket.org.evil.example/2.0/repositories/acme?page=2";
    let world = World::new([page(&[repository("acme", "site")], Some(next))]).await;
    let listing = filtered(&[("workspace", "acme")]);
    let first = world.bitbucket.list(&world.context, &listing).await.unwrap();
    let error = world.bitbucket.list(&world.context, &after(&listing, first.next)).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 1));
}

#[tokio::test]
async fn without_a_workspace_all_of_them_are_gone_through() {
    let world = World::new([
        workspaces(&["acme", "empty"], Some("/v1/user/workspaces?page=2")),
        page(&[repository("acme", "site")], Some("/v1/repositories/acme?page=2")),
        page(&[repository("acme", "app")], None),
        page(&[], None),
        workspaces(&["other"], None),
        page(&[repository("other", "lib")], None),
    ])
    .await;
    let (mut seen, mut listing) = (Vec::new(), filtered(&[("role", "member")]));
    loop {
        let page = world.bitbucket.list(&world.context, &listing).await.unwrap();
        assert_eq!(page.total, None, "one workspace's count is not all's");
        seen.extend(page.items.into_iter().map(|item| item.id));
        let Some(next) = page.next else { break };
        listing = Listing { cursor: Some(next), ..listing };
    }
    assert_eq!(seen, ["acme:site", "acme:app", "other:lib"]);
    assert_eq!(
        world.lines(),
        [
            "GET /v1/user/workspaces?pagelen=25&sort=slug",
            "GET /v1/repositories/acme?pagelen=100&role=member",
            "GET /v1/repositories/acme?page=2",
            "GET /v1/repositories/empty?pagelen=100&role=member",
            "GET /v1/user/workspaces?page=2",
            "GET /v1/repositories/other?pagelen=100&role=member",
        ]
    );
}

#[tokio::test]
async fn the_only_workspace_is_as_if_it_were_named() {
    let world = World::new([workspaces(&["acme"], None), page(&[repository("acme", "site")], None)]).await;
    let all = world.bitbucket.list(&world.context, &filtered(&[])).await.unwrap();
    assert_eq!((ids(&all.items), all.total, all.next), (vec!["acme:site"], Some(7), None));
    // An account in no workspace has nothing.
    world.vendor.then([workspaces(&[], None)]);
    let none = world.bitbucket.list(&world.context, &filtered(&[])).await.unwrap();
    assert_eq!((none.items.len(), none.next), (0, None));
    let forged = Listing { cursor: Some("acme".into()), ..filtered(&[]) };
    let error = world.bitbucket.list(&world.context, &forged).await.unwrap_err();
    assert!(matches!(error, Error::PageToken { .. }), "{error}");
}

#[tokio::test]
async fn pull_requests_are_listed_by_repository() {
    let next = "/v1/repositories/acme/site/pullrequests?pagelen=50&state=OPEN&page=2";
    let world = World::new([
        page(&[pull_request(12, "OPEN")], Some(next)),
        page(&[pull_request(11, "OPEN")], None),
        page(&[], None),
    ])
    .await;
    let listing = filtered(&[("repository", "acme:site"), ("state", "open"), ("order_by", "created_on")]);
    let first = world.bitbucket.list(&world.raw(), &listing).await.unwrap();
    let footer = &first.items[0];
    assert_eq!((footer.id.as_str(), footer.kind), ("acme:site:12", "pull_request"));
    assert_eq!((&footer.extra["state"], &footer.extra["comment_count"]), (&json!("open"), &json!(2)));
    assert_eq!(footer.raw, Some(pull_request(12, "OPEN")));
    let last = world.bitbucket.list(&world.context, &after(&listing, first.next)).await.unwrap();
    assert_eq!((ids(&last.items), last.next), (vec!["acme:site:11"], None));
    let all = filtered(&[("workspace", "acme"), ("repository", "site"), ("state", "all")]);
    world.bitbucket.list(&world.context, &all).await.unwrap();
    let path = "GET /v1/repositories/acme/site/pullrequests";
    assert_eq!(
        world.lines(),
        [
            format!("{path}?pagelen=50&sort=created_on&state=OPEN"),
            format!("{path}?pagelen=50&state=OPEN&page=2"),
            format!("{path}?pagelen=50&state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED"),
        ]
    );
}

#[tokio::test]
async fn words_are_sought_and_queries_stay_as_they_are() {
    let world = World::new((0..4).map(|_| page(&[], None))).await;
    let (acme, site) = (filtered(&[("workspace", "acme")]), filtered(&[("repository", "acme:site")]));
    let hostile = "x\" OR is_private = true OR name ~ \"";
    world.bitbucket.search(&world.context, hostile, &acme).await.unwrap();
    world.bitbucket.search(&world.context, "language = \"rust\" AND size > 10", &acme).await.unwrap();
    world.bitbucket.search(&world.context, "footer", &site).await.unwrap();
    world.bitbucket.search(&world.context, "state = \"MERGED\"", &site).await.unwrap();
    let states = "state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED";
    assert_eq!(
        world.lines(),
        [
            r#"GET /v1/repositories/acme?pagelen=100&q=name ~ "x\" OR is_private = true OR name ~ \"""#
                .to_owned(),
            r#"GET /v1/repositories/acme?pagelen=100&q=language = "rust" AND size > 10"#.to_owned(),
            format!(r#"GET /v1/repositories/acme/site/pullrequests?pagelen=50&q=title ~ "footer"&{states}"#),
            format!(r#"GET /v1/repositories/acme/site/pullrequests?pagelen=50&q=state = "MERGED"&{states}"#),
        ]
    );
}

#[tokio::test]
async fn workspaces_are_containers() {
    let world = World::new([
        workspaces(&["acme"], Some("/v1/user/workspaces?pagelen=100&page=2")),
        workspaces(&["other"], None),
    ])
    .await;
    let listing = filtered(&[]);
    let first = world.bitbucket.containers(&world.raw(), &listing).await.unwrap();
    let acme = &first.items[0];
    assert_eq!((acme.id.as_str(), acme.kind, acme.name.as_str()), ("acme", "workspace", "acme"));
    let extra = json!({"uuid": "{acme}", "is_administrator": true});
    assert_eq!(Value::Object(acme.extra.clone()), extra);
    assert_eq!(acme.raw.as_ref().unwrap()["type"], "workspace_access");
    let last = world.bitbucket.containers(&world.context, &after(&listing, first.next)).await.unwrap();
    assert_eq!((last.items[0].id.as_str(), last.next), ("other", None));
    assert_eq!(
        world.lines(),
        ["GET /v1/user/workspaces?pagelen=100&sort=slug", "GET /v1/user/workspaces?pagelen=100&page=2"]
    );
}

#[tokio::test]
async fn a_filter_that_is_wrong_asks_nothing() {
    let world = World::new([]).await;
    for filters in
        [&[("workspace", "a/b")][..], &[("repository", "site")], &[("role", "x")], &[("state", "open")]]
    {
        let error = world.bitbucket.list(&world.context, &filtered(filters)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed, "{filters:?}");
    }
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn the_smallest_call_tells_whether_it_works() {
    let user = json!({"type": "user", "uuid": "{a}", "display_name": "Ann", "account_id": "712020:a"});
    let world = World::new([good(&user)]).await;
    world.bitbucket.test(&world.context).await.unwrap();
    assert_eq!(world.lines(), ["GET /v1/user"]);
}
