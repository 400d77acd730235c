//! Listing and reading pages.

use connectors::Author;
use connectors::connector::{Data as _, Listing};
use model::{Coded as _, ErrorCode, Timestamp};
use serde_json::{Value, json};

use super::site::{World, listed, page, pages_of, wrong};
use crate::http::vendor::good;

#[tokio::test]
async fn a_page_is_read_with_all_that_is_known_of_it() {
    let body = "<h2>Dates</h2><p>We ship on <strong>Friday</strong>.</p><ac:structured-macro ac:name=\"code\">\
        <ac:plain-text-body><![CDATA[make ship]]></ac:plain-text-body></ac:structured-macro>";
    let answer = page("131180", 7, body);
    let world = World::new([good(&answer), good(&answer)]).await;
    let item = world.confluence.get(&world.raw(), "131180").await.unwrap();
    assert_eq!(
        (item.id.as_str(), item.kind, item.title.as_deref()),
        ("131180", "page", Some("Release plan"))
    );
    assert_eq!(item.text.as_deref(), Some("## Dates\n\nWe ship on **Friday**.\n\n```\nmake ship\n```"));
    assert_eq!(
        item.url.as_deref(),
        Some("https://acme.atlassian.net/wiki/spaces/DOCS/pages/131180/Release+plan")
    );
    assert_eq!(
        item.author,
        Some(Author { id: Some("5b10a2844c20165700ede21g".into()), ..Author::default() })
    );
    assert_eq!((item.container_id.as_deref(), item.etag.as_deref()), (Some("98306"), Some("7")));
    assert_eq!(item.created_at.map(Timestamp::as_millisecond), Some(1_793_520_000_000));
    assert_eq!(item.updated_at.map(Timestamp::as_millisecond), Some(1_795_167_000_123));
    assert_eq!(
        Value::Object(item.extra),
        json!({
            "space_id": "98306", "parent_id": "131179", "parent_type": "page", "status": "current",
            "owner_id": "5b10ac8d82e05b22cc7d4ef5", "version": 7, "version_message": "dates",
            "updated_by_id": "5b10ac8d82e05b22cc7d4ef5",
        })
    );
    assert_eq!(item.raw, Some(answer));
    assert_eq!(world.confluence.get(&world.context, "131180").await.unwrap().raw, None);
    assert_eq!(world.lines()[0], "GET /api/v2/pages/131180?body-format=storage");
}

#[tokio::test]
async fn an_id_is_one_segment() {
    let world = World::new([good(&page("1", 1, ""))]).await;
    world.confluence.get(&world.context, "1/spaces?x").await.unwrap();
    assert_eq!(world.lines(), ["GET /api/v2/pages/1%2Fspaces%3Fx?body-format=storage"]);
    for id in ["..", "1/../../spaces"] {
        let error = world.confluence.get(&world.context, id).await.unwrap_err();
        assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::NotFound, 1));
    }
}

#[tokio::test]
async fn pages_are_listed_until_nothing_is_next() {
    let next = |cursor: &str| format!("/wiki/api/v2/pages?limit=2&body-format=storage&cursor={cursor}");
    let world = World::new([
        listed(&[page("1", 1, "<p>a</p>"), page("2", 4, "<p>b</p>")], Some(&next("eyJ%2B%3D"))),
        // Short and empty pages are not the end.
        listed(&[page("3", 1, "<p>c</p>")], Some(&next("e+/2"))),
        listed(&[], Some("https://elsewhere.example/wiki/api/v2/pages?cursor=last")),
        listed(&[page("4", 1, "<p>d</p>")], None),
    ])
    .await;
    let (mut seen, mut listing) = (Vec::new(), pages_of(2, &[]));
    loop {
        let page = world.confluence.list(&world.context, &listing).await.unwrap();
        assert_eq!(page.total, None);
        seen.extend(page.items.into_iter().map(|item| (item.id, item.text.unwrap())));
        let Some(next) = page.next else { break };
        listing = Listing { cursor: Some(next), ..listing };
    }
    let expected = [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")];
    assert_eq!(seen, expected.map(|(id, text)| (id.to_owned(), text.to_owned())));
    let cursors = ["", "&cursor=eyJ%2B%3D", "&cursor=e%2B%2F2", "&cursor=last"];
    let lines = cursors.map(|cursor| format!("GET /api/v2/pages?body-format=storage&limit=2{cursor}"));
    assert_eq!(world.lines(), lines, "all of the same site, whatever the addresses say");
}

#[tokio::test]
async fn lists_are_narrowed_and_ordered() {
    let world = World::new([listed(&[], None), listed(&[], None)]).await;
    let all = [
        ("space_id", "98306"),
        ("title", "Plan & more"),
        ("status", "trashed"),
        ("order_by", "-modified-date"),
    ];
    world.confluence.list(&world.context, &pages_of(250, &all)).await.unwrap();
    world.confluence.list(&world.context, &pages_of(250, &[("include_text", "false")])).await.unwrap();
    assert_eq!(
        world.lines(),
        [
            "GET /api/v2/pages?body-format=storage&space-id=98306&title=Plan+%26+more&status=trashed&sort=-modified-date&limit=50",
            "GET /api/v2/pages?limit=250",
        ]
    );
}

#[tokio::test]
async fn filters_that_mean_nothing_are_refused_before_anything_is_asked() {
    let world = World::new([]).await;
    for (name, value, said) in [
        ("space_id", "DOCS", "space_id must be the id of a space, which is a number"),
        ("status", "draft", "status must be current or archived or trashed or deleted"),
        (
            "order_by",
            "rank",
            "order_by must be id or -id or title or -title or created-date or -created-date or modified-date or -modified-date",
        ),
        ("include_text", "no", "include_text must be true or false"),
    ] {
        let error = world.confluence.list(&world.context, &pages_of(5, &[(name, value)])).await.unwrap_err();
        assert_eq!(wrong(&error), [said]);
    }
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn a_page_without_its_text_has_none() {
    let mut bare = page("1", 1, "");
    bare.as_object_mut().unwrap().remove("body");
    let lasting = json!({"id": "2", "_links": {"webui": "https://evil.example/"}});
    let world = World::new([listed(&[bare, lasting], None)]).await;
    let page =
        world.confluence.list(&world.context, &pages_of(5, &[("include_text", "false")])).await.unwrap();
    assert_eq!(page.items[0].text, None);
    let little = &page.items[1];
    assert_eq!((little.title.as_deref(), little.url.as_deref(), little.etag.as_deref()), (None, None, None));
}

#[tokio::test]
async fn a_next_page_without_a_cursor_is_not_taken_for_the_end() {
    let world = World::new([listed(&[], Some("/wiki/api/v2/pages?limit=2"))]).await;
    let error = world.confluence.list(&world.context, &pages_of(2, &[])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamUnavailable, "{error}");
}
