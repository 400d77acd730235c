//! Issues that are listed, searched and read.

use connectors::Context;
use connectors::connector::{Connector as _, Data as _, Listing};
use connectors::project::Project as _;
use model::{Coded as _, ErrorCode, Timestamp};
use serde_json::{Value, json};

use super::world::{World, issue};
use crate::caller::{filtered, pages_of};
use crate::http::vendor::good;

#[tokio::test]
async fn an_issue_is_read_as_an_item() {
    let world = World::new([good(&issue(7, "Checkout fails")), good(&issue(7, "Checkout fails"))]).await;
    let item = world.jira.get(&world.context, "ACME-7").await.unwrap();
    assert_eq!(
        (item.id.as_str(), item.kind, item.title.as_deref()),
        ("10007", "issue", Some("Checkout fails"))
    );
    assert_eq!(item.text.as_deref(), Some("It **fails**"));
    assert_eq!(item.url.as_deref(), Some("https://acme.atlassian.net/browse/ACME-7"));
    let author = item.author.unwrap();
    assert_eq!(
        (author.id.as_deref(), author.name.as_deref(), author.email),
        (Some("5b11"), Some("Bob"), None)
    );
    assert_eq!(item.container_id.as_deref(), Some("10000"));
    let moment =
        |text: &str| Timestamp::from_millisecond(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    assert_eq!(item.created_at, Some(moment("2026-11-20T08:00:00Z")));
    assert_eq!(item.updated_at, Some(moment("2026-11-21T10:30:00.250Z")));
    assert_eq!(
        Value::Object(item.extra),
        json!({
            "key": "ACME-7", "project": "ACME", "project_name": "Acme shop", "status": "In Arbeit",
            "status_category": "indeterminate", "issue_type": "Bug", "priority": "High", "due_date": "2026-12-01",
            "parent": "ACME-1", "parent_title": "Checkout", "is_subtask": false, "labels": ["checkout", "eu"],
            "components": ["Payments"], "assignee": {"id": "5b10", "name": "Ann"}, "reporter": {"id": "5b11", "name": "Bob"},
        })
    );
    assert_eq!(item.raw, None);
    let whole = world.jira.issue(&world.raw(), "10007").await.unwrap();
    assert_eq!(whole.raw, Some(issue(7, "Checkout fails")));
    let lines = world.lines();
    assert!(lines[0].starts_with("GET /issue/ACME-7?fields=summary%2Cdescription%2C"), "{}", lines[0]);
    assert_eq!(lines[1], "GET /issue/10007?fields=*all");
    assert_eq!(world.vendor.asked()[0].header("accept"), "application/json");
}

#[tokio::test]
async fn pages_follow_the_vendors_token_whatever_their_length() {
    let page = |issues: &[u32], more: Value| {
        let issues: Vec<Value> = issues.iter().map(|number| issue(*number, "x")).collect();
        let mut body = json!({"issues": issues});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        good(&body)
    };
    let world = World::new([
        page(&[1, 2], json!({"nextPageToken": "t/1=", "isLast": false})),
        page(&[], json!({"nextPageToken": "t2"})),
        page(&[3], json!({"nextPageToken": "t2", "isLast": true})),
    ])
    .await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = world.jira.list(&world.raw(), &Listing { cursor, ..pages_of(2) }).await.unwrap();
        assert_eq!(page.total, None);
        seen.extend(page.items.into_iter().map(|item| (item.id, item.raw.is_some())));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [("10001".into(), true), ("10002".into(), true), ("10003".into(), true)]);
    assert_eq!(world.lines(), ["POST /search/jql"; 3]);
    let jql = "created >= \"1970-01-01\" ORDER BY updated DESC";
    assert_eq!(world.sent(0), json!({"jql": jql, "fields": ["*all"], "maxResults": 2}));
    assert_eq!(world.sent(1)["nextPageToken"], "t/1=");
    assert_eq!(world.sent(2)["nextPageToken"], "t2");
}

#[tokio::test]
async fn what_is_asked_for_becomes_a_query() {
    let world = World::new((0..5).map(|_| good(&json!({"issues": [issue(1, "x")], "isLast": true})))).await;
    let (jira, context) = (&world.jira, &world.context);
    jira.list(context, &filtered(&[("project", "AC\"ME"), ("assignee", "me")])).await.unwrap();
    jira.issues(context, "ACME", &filtered(&[("status", "Done")])).await.unwrap();
    let mine = jira.my_issues(context, &pages_of(20)).await.unwrap();
    assert_eq!(mine.items[0].extra["key"], "ACME-1");
    jira.search(context, "status = Done order by rank", &filtered(&[("labels", "eu")])).await.unwrap();
    jira.search(context, "card declined?", &pages_of(20)).await.unwrap();
    let queries: Vec<Value> = (0..5).map(|call| world.sent(call)["jql"].clone()).collect();
    assert_eq!(
        queries,
        [
            "project = \"AC\\\"ME\" AND assignee = currentUser() ORDER BY updated DESC",
            "project = \"ACME\" AND status = \"Done\" ORDER BY updated DESC",
            "assignee = currentUser() AND statusCategory != Done ORDER BY updated DESC",
            "(status = Done) AND labels = \"eu\" ORDER BY rank",
            "text ~ \"card declined\"",
        ]
    );
    let names = world.sent(0)["fields"].clone();
    assert!(names.as_array().unwrap().contains(&"description".into()) && !names.to_string().contains('*'));
    let refused = jira.search(context, "status = \"Done", &pages_of(20)).await.unwrap_err();
    assert_eq!((refused.code(), world.vendor.calls()), (ErrorCode::ValidationFailed, 5));
}

#[tokio::test]
async fn an_id_is_one_segment_of_the_path() {
    let world = World::new([good(&issue(7, "x"))]).await;
    world.jira.get(&world.context, "A/myself?x#y").await.unwrap();
    let asked = world.vendor.asked();
    assert!(asked[0].uri.path().ends_with("/issue/A%2Fmyself%3Fx%23y"), "{}", asked[0].uri);
    for id in ["..", "A/../myself", "A%2f..%2fmyself"] {
        assert_eq!(world.jira.get(&world.context, id).await.unwrap_err().code(), ErrorCode::NotFound);
    }
    assert_eq!(world.vendor.calls(), 1);
}

#[tokio::test]
async fn what_is_written_is_read_once_and_searches_are_repeated() {
    let world =
        World::new([crate::http::vendor::status(503, &json!({})), good(&json!({"issues": []}))]).await;
    let page = world.jira.list(&world.context, &pages_of(5)).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none() && world.vendor.calls() == 2);
}

#[tokio::test]
async fn nothing_is_called_before_a_site_is_chosen() {
    let world = World::new([]).await;
    let mut connection = world.context.connection.clone();
    connection.site = None;
    let context = Context { connection, ..world.context.clone() };
    let errors = [
        world.jira.test(&context).await.unwrap_err(),
        world.jira.list(&context, &pages_of(5)).await.unwrap_err(),
        world.jira.project(&context, "ACME").await.map(drop).unwrap_err(),
        world.jira.surfaces().raw.unwrap().api(&context).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code(), ErrorCode::Conflict);
        assert!(error.to_string().contains("99aa, 1324a887"), "{error}");
    }
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn the_raw_api_begins_at_the_sites_root() {
    let world = World::new([]).await;
    let api = world.jira.surfaces().raw.unwrap().api(&world.context).unwrap();
    api.get(["rest", "agile", "1.0", "board"]).done().await.unwrap();
    assert_eq!(world.vendor.asked()[0].uri, "/ex/jira/1324a887/rest/agile/1.0/board");
}
