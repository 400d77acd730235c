//! Finding pages with CQL.

use connectors::connector::{Data as _, Listing};
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::site::{World, listed, page, pages_of, wrong};
use crate::caller::fields;
use crate::http::vendor::{Turn, good, status};

/// What version 1 gives: its addresses lack `/wiki`, and its count is a guess.
fn found(ids: &[&str], next: Option<&str>) -> Turn {
    let results = ids.iter().map(|id| {
        json!({
            "content": {"id": id, "type": "page", "status": "current", "title": "Release plan",
                "_links": {"webui": "/spaces/DOCS/pages/1", "self": "https://acme.atlassian.net/wiki/rest/api/content/1"}},
            "title": "@@@hl@@@Release@@@endhl@@@ plan", "excerpt": "The @@@hl@@@release@@@endhl@@@ &amp; its dates",
            "url": "/spaces/DOCS/pages/1", "entityType": "content", "lastModified": "2026-11-20T09:30:00.000Z", "score": 1.5,
        })
    });
    let mut links = fields(json!({"base": "https://acme.atlassian.net/wiki", "context": "/wiki"}));
    if let Some(next) = next {
        links.insert("next".to_owned(), next.into());
    }
    let results: Vec<Value> = results.collect();
    good(&json!({"results": results, "start": 0, "limit": 25, "size": 2, "totalSize": 294, "_links": links}))
}

#[tokio::test]
async fn words_find_pages_which_are_then_read() {
    let next = "/rest/api/search?next=true&cursor=_f_MjU%3D_sa_WyJ0%3D&limit=50&start=25&cql=type+%3D+page";
    let world = World::new([
        found(&["3", "1", "2"], Some(next)),
        // In another order, and one is gone.
        listed(&[page("1", 1, "<p>one</p>"), page("3", 2, "<p>three</p>")], None),
        found(&[], None),
    ])
    .await;
    let listing = pages_of(250, &[]);
    let first = world.confluence.search(&world.raw(), "Ben's \"release\" plan", &listing).await.unwrap();
    let items: Vec<(&str, Option<&str>)> =
        first.items.iter().map(|item| (item.id.as_str(), item.text.as_deref())).collect();
    assert_eq!(items, [("3", Some("three")), ("1", Some("one"))], "in the order of the search");
    let item = &first.items[0];
    assert_eq!((item.etag.as_deref(), item.container_id.as_deref()), (Some("2"), Some("98306")));
    assert_eq!(item.extra["excerpt"], "The release & its dates");
    assert_eq!(item.raw, Some(page("3", 2, "<p>three</p>")));
    assert_eq!(first.total, None, "its count is a guess");

    let second = Listing { cursor: first.next, ..listing };
    let last = world.confluence.search(&world.context, "Ben's \"release\" plan", &second).await.unwrap();
    assert!(last.items.is_empty() && last.next.is_none());
    let cql = "cql=type+%3D+page+and+text+%7E+%22Ben%27s+%5C%22release%5C%22+plan%22";
    assert_eq!(
        world.lines(),
        [
            format!("GET /rest/api/search?{cql}&limit=50"),
            "GET /api/v2/pages?body-format=storage&id=3%2C1%2C2&limit=3".to_owned(),
            format!("GET /rest/api/search?{cql}&limit=50&next=true&cursor=_f_MjU%3D_sa_WyJ0%3D"),
        ]
    );
}

#[tokio::test]
async fn cql_is_passed_on_and_the_vendors_no_with_it() {
    let no = json!({"statusCode": 400, "data": {}, "message": "com.atlassian.confluence.api.service.exceptions.BadRequestException: Could not parse cql : spcae = X"});
    let world = World::new([found(&["1"], None), listed(&[page("1", 1, "")], None), status(400, &no)]).await;
    let listing = pages_of(250, &[("include_text", "false")]);
    let query = "space = DOCS and label in (\"a\", \"b\") order by lastmodified desc";
    let page = world.confluence.search(&world.context, query, &listing).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(
        world.lines(),
        [
            "GET /rest/api/search?cql=type+%3D+page+and+%28space+%3D+DOCS+and+label+in+%28%22a%22%2C+%22b%22%29%29\
             +order+by+lastmodified+desc&limit=250",
            "GET /api/v2/pages?id=1&limit=1",
        ]
    );
    let error = world.confluence.search(&world.context, "label =", &listing).await.unwrap_err();
    assert!(
        error.code() == ErrorCode::UpstreamRejected && error.to_string().contains("Could not parse cql"),
        "{error}"
    );
}

#[tokio::test]
async fn only_ids_of_pages_are_asked_for() {
    let odd = good(&json!({
        "results": [{"content": {"id": "att5"}}, {"content": null}, {"user": {}}, {"content": {"id": "1,2"}}],
        "_links": {},
    }));
    let world = World::new([odd]).await;
    let page = world.confluence.search(&world.context, "x", &pages_of(5, &[])).await.unwrap();
    assert_eq!((page.items.len(), world.vendor.calls()), (0, 1));
}

#[tokio::test]
async fn what_narrows_lists_is_said_in_the_query() {
    let world = World::new([]).await;
    for name in ["space_id", "title", "status", "order_by"] {
        let listing = pages_of(5, &[(name, "1")]);
        let error = world.confluence.search(&world.context, "x", &listing).await.unwrap_err();
        assert!(wrong(&error)[0].starts_with(&format!("{name} narrows other lists")), "{error}");
    }
    assert_eq!(world.vendor.calls(), 0);
}
