//! Projects, and how they stand.

use connectors::connector::{Connector as _, Listing};
use connectors::project::Project as _;
use serde_json::{Value, json};

use super::world::{World, person};
use crate::caller::pages_of;
use crate::http::vendor::good;

fn project(id: u32, key: &str) -> Value {
    json!({"expand": "description,lead", "id": id.to_string(), "key": key, "name": format!("Project {key}"),
        "description": "What it is about", "lead": person("5b10", "Ann"), "projectTypeKey": "software"})
}

#[tokio::test]
async fn projects_are_paged_by_their_number() {
    let page = |begin: u32, projects: &[Value], is_last: bool| {
        good(&json!({"startAt": begin, "maxResults": 2, "total": 5, "isLast": is_last, "values": projects}))
    };
    let turns = [
        page(0, &[project(1, "A"), project(2, "B")], false),
        page(2, &[project(3, "C")], false),
        page(4, &[], true),
    ];
    let world = World::new(turns).await;
    let first = world.jira.projects(&world.raw(), &pages_of(50)).await.unwrap();
    assert_eq!((first.total, first.next.as_deref()), (Some(5), Some("2")));
    let told = &first.items[0];
    assert_eq!((told.id.as_str(), told.key.as_deref(), told.name.as_str()), ("1", Some("A"), "Project A"));
    assert_eq!((told.text.as_deref(), told.lead.as_deref()), (Some("What it is about"), Some("Ann")));
    assert_eq!(told.url.as_deref(), Some("https://acme.atlassian.net/browse/A"));
    assert_eq!(told.raw, Some(project(1, "A")));
    let next = Listing { cursor: first.next, ..pages_of(50) };
    let second = world.jira.projects(&world.context, &next).await.unwrap();
    assert_eq!((second.items.len(), second.next.as_deref()), (1, Some("4")), "a short page is not the end");
    let next = Listing { cursor: second.next, ..pages_of(50) };
    assert_eq!(world.jira.projects(&world.context, &next).await.unwrap().next, None);
    let query = |begin: u32| {
        format!("GET /project/search?expand=description%2Clead&orderBy=key&startAt={begin}&maxResults=50")
    };
    assert_eq!(world.lines(), [query(0), query(2), query(4)]);
}

#[tokio::test]
async fn a_project_is_read_by_its_key() {
    let world = World::new([good(&project(1, "A"))]).await;
    let told = world.jira.project(&world.context, "A").await.unwrap();
    assert_eq!((told.id.as_str(), told.raw), ("1", None));
    assert_eq!(world.lines(), ["GET /project/A?expand=description%2Clead"]);
}

#[tokio::test]
async fn the_test_is_the_smallest_call() {
    let world = World::new([]).await;
    world.jira.test(&world.context).await.unwrap();
    assert_eq!(world.lines(), ["GET /project/search?maxResults=1"]);
}

#[tokio::test]
async fn a_summary_counts_by_status_and_type() {
    let status = |id: &str, name: &str| json!({"id": id, "name": name});
    let types = json!([
        {"id": "10001", "name": "Task", "subtask": false, "statuses": [status("1", "Open"), status("2", "Done")]},
        {"id": "10002", "name": "Bug", "subtask": false, "statuses": [status("1", "Open"), status("3", "Open")]},
    ]);
    let world = World::new([good(&project(10000, "ACME")), good(&types), good(&json!({"count": 42}))]).await;
    world.vendor.then([5, 30, 7, 20, 22].map(|count| good(&json!({"count": count}))));
    let summary = world.jira.summary(&world.context, "ACME").await.unwrap();
    assert_eq!((summary.project.key.as_deref(), summary.issues), (Some("ACME"), Some(42)));
    assert_eq!(world.lines()[1], "GET /project/10000/statuses");
    let asked = world.vendor.asked();
    assert_eq!(asked.len(), 8);
    let queries: Vec<Value> = (2..8).map(|call| world.sent(call)["jql"].clone()).collect();
    assert_eq!(queries[0], "project = \"10000\"");
    // Those of a kind are asked for together, in whichever order they arrive.
    let mut narrowed: Vec<&str> = queries[1..].iter().map(|jql| jql.as_str().unwrap()).collect();
    narrowed.sort_unstable();
    let term = |field: &str, id: u32| format!("project = \"10000\" AND {field} = \"{id}\"");
    assert_eq!(
        narrowed,
        [
            term("issuetype", 10001),
            term("issuetype", 10002),
            term("status", 1),
            term("status", 2),
            term("status", 3)
        ]
    );
    assert_eq!(summary.by_status.values().sum::<u64>(), 42);
    assert_eq!(
        summary.by_status.keys().collect::<Vec<_>>(),
        ["Done", "Open"],
        "two statuses of one name count as one"
    );
    assert_eq!(summary.by_kind.values().sum::<u64>(), 42);
    assert!(asked[2..].iter().all(|asked| asked.uri.path().ends_with("/search/approximate-count")));
}
