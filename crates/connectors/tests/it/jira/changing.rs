//! Issues that are made, changed and deleted.

use connectors::connector::Data as _;
use connectors::project::{Assignment, IssueChanges, NewIssue, Project as _};
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::{World, document, empty, issue};
use crate::caller::fields;
use crate::http::vendor::{Turn, good, status};

fn made(number: u32) -> Turn {
    let id = (10000 + number).to_string();
    status(201, &json!({"id": id, "key": format!("ACME-{number}"), "self": "https://x.invalid"}))
}

fn types() -> Turn {
    let kind = |id: &str, name: &str, level: i32| json!({"id": id, "name": name, "subtask": level < 0, "hierarchyLevel": level});
    good(&json!({"startAt": 0, "maxResults": 200, "total": 4, "issueTypes": [
        kind("1", "Epic", 1), kind("2", "Bug", 0), kind("3", "Task", 0), kind("4", "Sub-task", -1)]}))
}

fn ways() -> Turn {
    good(&json!({"expand": "transitions", "transitions": [
        {"id": "11", "name": "Start work", "to": {"id": "3", "name": "In Progress"}, "fields": {}},
        {"id": "31", "name": "Done", "to": {"id": "5", "name": "Closed"},
            "fields": {"resolution": {"required": true, "operations": ["set"]}}}]}))
}

#[tokio::test]
async fn an_issue_is_made_of_all_its_fields_and_read() {
    let world = World::new([made(8), good(&issue(8, "Checkout fails"))]).await;
    let body = json!({"project": "ACME", "issue_type": "Bug", "title": "Checkout fails", "text": "It fails", "assignee": "5b10",
        "priority": "High", "labels": ["eu"], "parent": "ACME-1", "due_date": "2026-12-01", "raw": {"customfield_10016": 5}});
    let item = world.jira.create(&world.context, &fields(body)).await.unwrap();
    assert_eq!((item.id.as_str(), item.title.as_deref()), ("10008", Some("Checkout fails")));
    assert_eq!(world.lines()[0], "POST /issue");
    assert!(world.lines()[1].starts_with("GET /issue/10008?fields="));
    assert_eq!(
        world.sent(0),
        json!({"fields": {
            "customfield_10016": 5, "duedate": "2026-12-01", "project": {"key": "ACME"}, "summary": "Checkout fails",
            "description": document("It fails"), "assignee": {"accountId": "5b10"}, "priority": {"name": "High"},
            "labels": ["eu"], "parent": {"key": "ACME-1"}, "issuetype": {"name": "Bug"}}})
    );
    let wrong =
        world.jira.create(&world.context, &fields(json!({"project": "ACME", "due_date": "soon"}))).await;
    let pointers: Vec<String> =
        wrong.unwrap_err().violations().into_iter().map(|each| each.pointer).collect();
    assert_eq!((pointers, world.vendor.calls()), (vec!["/due_date".to_owned(), "/title".to_owned()], 2));
}

#[tokio::test]
async fn a_type_that_is_left_out_is_chosen() {
    let new = NewIssue { project: "10000".into(), title: "T".into(), ..NewIssue::default() };
    let world = World::new([types(), made(8), good(&issue(8, "T"))]).await;
    world.jira.create_issue(&world.context, &new).await.unwrap();
    assert_eq!(world.lines()[0], "GET /issue/createmeta/10000/issuetypes?maxResults=200");
    let made_of = json!({"fields": {"project": {"id": "10000"}, "summary": "T", "issuetype": {"id": "3"}}});
    assert_eq!(world.sent(1), made_of);

    let part = NewIssue { parent: Some("ACME-7".into()), ..new.clone() };
    let world = World::new([good(&issue(7, "x")), types(), made(8), good(&issue(8, "T"))]).await;
    world.jira.create_issue(&world.context, &part).await.unwrap();
    assert_eq!(world.lines()[0], "GET /issue/ACME-7?fields=issuetype");
    assert_eq!(world.sent(2)["fields"]["issuetype"], json!({"id": "4"}), "a part of a bug");

    let world =
        World::new([good(&json!({"issueTypes": [{"id": "1", "name": "Epic", "hierarchyLevel": 1}]}))]).await;
    let error = world.jira.create_issue(&world.context, &new).await.unwrap_err();
    let told = error.violations().remove(0);
    assert_eq!((told.pointer.as_str(), told.detail.as_str()), ("/issue_type", "must be given: one of Epic"));
}

#[tokio::test]
async fn an_issue_that_was_made_is_told_though_it_cannot_be_read() {
    let world = World::new([made(8), status(404, &json!({"errorMessages": ["No"]}))]).await;
    let new = NewIssue {
        project: "ACME".into(),
        kind: Some("10002".into()),
        title: "T".into(),
        ..NewIssue::default()
    };
    let item = world.jira.create_issue(&world.context, &new).await.unwrap();
    assert_eq!((item.id.as_str(), item.title), ("10008", None));
    assert_eq!(item.url.as_deref(), Some("https://acme.atlassian.net/browse/ACME-8"));
    assert_eq!(world.sent(0)["fields"]["issuetype"], json!({"id": "10002"}));
}

#[tokio::test]
async fn making_is_not_repeated_when_its_end_is_unknown() {
    let new = NewIssue {
        project: "ACME".into(),
        kind: Some("Bug".into()),
        title: "T".into(),
        ..NewIssue::default()
    };
    let world = World::new([status(502, &json!({}))]).await;
    let error = world.jira.create_issue(&world.context, &new).await.unwrap_err();
    assert_eq!((error.code(), error.extensions().retryable), (ErrorCode::UpstreamUnavailable, Some(false)));
    assert_eq!(world.vendor.calls(), 1);
}

#[tokio::test]
async fn a_change_writes_fields_then_status_then_comment() {
    let world =
        World::new([ways(), empty(), empty(), status(201, &json!({"id": "1"})), good(&issue(7, "New"))])
            .await;
    let body = json!({"title": "New", "text": "It *works*", "assignee": null, "labels": [], "status": "closed",
        "comment": "Fixed", "raw": {"resolution": {"name": "Fixed"}, "customfield_1": 1}});
    let item = world.jira.update(&world.context, "ACME-7", &fields(body)).await.unwrap();
    assert_eq!(item.title.as_deref(), Some("New"));
    assert_eq!(
        world.lines()[..4],
        [
            "GET /issue/ACME-7/transitions?expand=transitions.fields",
            "PUT /issue/ACME-7",
            "POST /issue/ACME-7/transitions",
            "POST /issue/ACME-7/comment",
        ]
    );
    assert!(world.lines()[4].starts_with("GET /issue/ACME-7?fields="));
    let words = json!([{"type": "text", "text": "It "}, {"type": "text", "text": "works", "marks": [{"type": "em"}]}]);
    let description =
        json!({"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": words}]});
    assert_eq!(
        world.sent(1),
        json!({"fields": {"customfield_1": 1, "summary": "New", "description": description, "assignee": null, "labels": []}})
    );
    let call = json!({"transition": {"id": "31"}, "fields": {"resolution": {"name": "Fixed"}}});
    assert_eq!(world.sent(2), call, "the way asks for the resolution");
    assert_eq!(world.sent(3), json!({"body": document("Fixed")}));
}

#[tokio::test]
async fn a_status_is_found_by_either_name_and_nothing_is_written_without_a_way() {
    let to = |status: &str| IssueChanges {
        status: Some(status.into()),
        title: Some("T".into()),
        ..IssueChanges::default()
    };
    let now = |name: &str| good(&json!({"id": "10007", "fields": {"status": {"name": name}}}));
    for (status, id) in [("start WORK", "11"), ("in progress", "11"), ("Done", "31")] {
        let world = World::new([ways(), empty(), empty(), good(&issue(7, "T"))]).await;
        world.jira.update_issue(&world.context, "ACME-7", &to(status)).await.unwrap();
        assert_eq!(world.sent(2)["transition"]["id"], id, "{status}");
    }
    // It is there already, as where the same is asked for again.
    let world = World::new([ways(), now("Blocked"), empty(), good(&issue(7, "T"))]).await;
    world.jira.update_issue(&world.context, "ACME-7", &to("blocked")).await.unwrap();
    assert_eq!(world.lines()[1..3], ["GET /issue/ACME-7?fields=status", "PUT /issue/ACME-7"]);
    assert_eq!(world.vendor.calls(), 4);

    let world = World::new([ways(), now("Open")]).await;
    let error = world.jira.update_issue(&world.context, "ACME-7", &to("Doen")).await.unwrap_err();
    let told = error.violations().remove(0);
    assert_eq!(told.pointer, "/status");
    assert_eq!(
        told.detail,
        "must be one of the ways on from Open: Start work (to In Progress), Done (to Closed)"
    );
    assert!(world.vendor.asked().iter().all(|asked| asked.method == "GET"));
    let world = World::new([good(&json!({"transitions": []})), now("Open")]).await;
    let error = world.jira.update_issue(&world.context, "ACME-7", &to("Done")).await.unwrap_err();
    assert!(error.violations()[0].detail.starts_with("there is no way on from Open"));
}

#[tokio::test]
async fn a_change_that_breaks_off_says_what_was_done() {
    let refused =
        status(400, &json!({"errorMessages": [], "errors": {"resolution": "Resolution is required."}}));
    let world = World::new([ways(), empty(), refused]).await;
    let changes = IssueChanges {
        assignee: Some(Assignment::To("5b10".into())),
        priority: Some("3".into()),
        status: Some("Done".into()),
        comment: Some("x".into()),
        ..IssueChanges::default()
    };
    let error = world.jira.update_issue(&world.context, "ACME-7", &changes).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamRejected);
    assert_eq!(
        error.to_string(),
        "Jira: it refused this: resolution: Resolution is required. (before that, its fields were changed)"
    );
    assert_eq!(
        world.sent(1),
        json!({"fields": {"assignee": {"accountId": "5b10"}, "priority": {"id": "3"}}})
    );
    assert_eq!(world.vendor.calls(), 3, "and no comment");

    let nothing: Value = json!({});
    let error = world.jira.update(&world.context, "ACME-7", &fields(nothing)).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::ValidationFailed, 3));
}

#[tokio::test]
async fn a_comment_alone_changes_no_field() {
    let world = World::new([status(201, &json!({"id": "1"})), good(&issue(7, "x"))]).await;
    let changes = IssueChanges { comment: Some("Seen".into()), ..IssueChanges::default() };
    world.jira.update_issue(&world.context, "ACME-7", &changes).await.unwrap();
    assert_eq!(world.lines()[0], "POST /issue/ACME-7/comment");
}

#[tokio::test]
async fn an_issue_is_deleted_without_its_parts() {
    let world = World::new([empty(), status(404, &json!({"errorMessages": ["Issue does not exist"]}))]).await;
    world.jira.delete(&world.context, "ACME-7").await.unwrap();
    assert_eq!(world.lines(), ["DELETE /issue/ACME-7"]);
    let error = world.jira.delete(&world.context, "ACME-7").await.unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::NotFound, "there is no issue ACME-7"));
}
