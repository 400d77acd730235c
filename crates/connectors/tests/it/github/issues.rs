//! Repositories as projects, their issues, and what is said about them.

use connectors::comments::Comments as _;
use connectors::connector::Listing;
use connectors::project::{Assignment, IssueChanges, NewIssue, Project as _};
use model::{Coded as _, ErrorCode};
use serde_json::json;

use super::hub::{Hub, comment, issue, pull_request, repository};
use crate::caller::{fields, filtered, ids, pages_of};
use crate::http::vendor::{good, status};

#[tokio::test]
async fn projects_are_repositories() {
    let hub = Hub::new([]).await;
    hub.then_linked(3, &json!([repository("shop")]));
    hub.vendor.then([good(&repository("shop"))]);
    let page = hub.github.projects(&hub.context, &pages_of(2)).await.unwrap();
    assert!(page.next.unwrap().ends_with("page=3"));
    let project = hub.github.project(&hub.raw(), "ann:shop").await.unwrap();
    assert_eq!((project.id.as_str(), project.name.as_str(), project.key), ("ann:shop", "ann/shop", None));
    assert_eq!(project.text.as_deref(), Some("Bread and apples"));
    assert_eq!((project.raw, page.items[0].raw.as_ref()), (Some(repository("shop")), None));
    assert_eq!(hub.lines(), ["GET /user/repos?per_page=2&sort=full_name", "GET /repos/ann/shop"]);
}

#[tokio::test]
async fn issues_are_listed_without_pull_requests() {
    let hub = Hub::new([]).await;
    hub.then_linked(2, &json!([issue(9, "A"), pull_request(8)]));
    hub.then_linked(3, &json!([pull_request(7), pull_request(6)]));
    hub.vendor.then([good(&json!([issue(5, "B")]))]);
    let (mut seen, mut listing) = (Vec::new(), pages_of(2));
    loop {
        let page = hub.github.issues(&hub.raw(), "ann:shop", &listing).await.unwrap();
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        listing = Listing { cursor: Some(next), ..listing };
    }
    assert_eq!(ids(&seen), ["ann:shop:9", "ann:shop:5"]);
    assert_eq!(
        hub.lines(),
        [
            "GET /repos/ann/shop/issues?per_page=2&state=all&sort=updated&direction=desc",
            "GET /x?per_page=2&page=2",
            "GET /x?per_page=2&page=3",
        ]
    );
    let first = &seen[0];
    assert_eq!(
        (first.kind, first.title.as_deref(), first.text.as_deref()),
        ("issue", Some("A"), Some("It **fails**."))
    );
    assert_eq!(first.container_id.as_deref(), Some("ann:shop"));
    assert_eq!(first.author.as_ref().unwrap().id.as_deref(), Some("ben"));
    assert_eq!(
        json!(first.extra),
        json!({
            "number": 9, "status": "open", "type": "Bug", "labels": ["bug"], "assignees": [{"id": "ann", "name": "ann"}], "milestone": "v1.0",
            "comment_count": 2, "is_locked": false,
        })
    );
    assert_eq!(first.raw, Some(issue(9, "A")));
}

#[tokio::test]
async fn issues_are_narrowed() {
    let hub = Hub::new([good(&json!([])), good(&json!([]))]).await;
    let listing = filtered(&[("state", "closed"), ("labels", "bug,p1"), ("assignee", "*")]);
    hub.github.issues(&hub.context, "ann:shop", &listing).await.unwrap();
    hub.github.my_issues(&hub.context, &filtered(&[("labels", "bug")])).await.unwrap();
    assert_eq!(
        hub.lines(),
        [
            "GET /repos/ann/shop/issues?per_page=50&state=closed&sort=updated&direction=desc&labels=bug%2Cp1&assignee=*",
            "GET /issues?per_page=50&filter=assigned&state=open&sort=updated&direction=desc&labels=bug",
        ]
    );
    let wrong = hub.github.my_issues(&hub.context, &filtered(&[("assignee", "ben")])).await.unwrap_err();
    assert_eq!((wrong.code(), hub.vendor.calls()), (ErrorCode::ValidationFailed, 2));
}

#[tokio::test]
async fn my_issues_are_of_any_repository() {
    let hub = Hub::new([good(&json!([pull_request(3), issue(2, "A")]))]).await;
    let page = hub.github.my_issues(&hub.context, &pages_of(20)).await.unwrap();
    assert_eq!((ids(&page.items), page.next), (vec!["ann:shop:2"], None));
}

#[tokio::test]
async fn an_issue_is_read() {
    let hub = Hub::new([
        good(&issue(7, "A")),
        good(&pull_request(8)),
        status(404, &json!({"message": "Not Found"})),
    ])
    .await;
    let found = hub.github.issue(&hub.raw(), "ann:shop:7").await.unwrap();
    assert_eq!((found.id.as_str(), found.raw), ("ann:shop:7", Some(issue(7, "A"))));
    assert_eq!(hub.github.issue(&hub.context, "ann:shop:8").await.unwrap().kind, "pull_request");
    let error = hub.github.issue(&hub.context, "ann:shop:9").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no issue ann:shop:9");
    let error = hub.github.issue(&hub.context, "ann:shop").await.unwrap_err();
    assert_eq!((error.code(), hub.vendor.calls()), (ErrorCode::NotFound, 3));
    assert_eq!(hub.lines()[0], "GET /repos/ann/shop/issues/7");
}

#[tokio::test]
async fn an_issue_is_made() {
    let hub = Hub::new([status(201, &issue(7, "A")), status(502, &json!(null))]).await;
    let new = NewIssue {
        project: "ann:shop".into(),
        kind: Some("Bug".into()),
        title: "A".into(),
        text: Some("It **fails**.".into()),
        assignee: Some("ann".into()),
        labels: vec!["bug".into()],
        extra: fields(json!({"milestone": 1, "title": "not this"})),
        ..NewIssue::default()
    };
    assert_eq!(hub.github.create_issue(&hub.context, &new).await.unwrap().id, "ann:shop:7");
    assert_eq!(hub.lines(), ["POST /repos/ann/shop/issues"]);
    assert_eq!(
        hub.sent(0),
        json!({"title": "A", "body": "It **fails**.", "type": "Bug", "assignees": ["ann"], "labels": ["bug"], "milestone": 1})
    );
    let error = hub.github.create_issue(&hub.context, &new).await.unwrap_err();
    assert_eq!(
        (error.code(), hub.vendor.calls()),
        (ErrorCode::UpstreamUnavailable, 2),
        "it is not made twice"
    );
}

#[tokio::test]
async fn an_issue_is_changed_and_then_commented_on() {
    let hub = Hub::new([good(&issue(7, "B")), status(201, &comment(1))]).await;
    let changes = IssueChanges {
        title: Some("B".into()),
        text: Some(String::new()),
        assignee: Some(Assignment::Nobody),
        labels: Some(Vec::new()),
        status: Some("Completed".into()),
        comment: Some("Done.".into()),
        ..IssueChanges::default()
    };
    let after = hub.github.update_issue(&hub.context, "ann:shop:7", &changes).await.unwrap();
    assert_eq!(after.title.as_deref(), Some("B"));
    assert_eq!(hub.lines(), ["PATCH /repos/ann/shop/issues/7", "POST /repos/ann/shop/issues/7/comments"]);
    assert_eq!(
        hub.sent(0),
        json!({"title": "B", "body": "", "assignees": [], "labels": [], "state": "closed", "state_reason": "completed"})
    );
    assert_eq!(hub.sent(1), json!({"body": "Done."}));
}

#[tokio::test]
async fn an_issue_may_only_be_commented_on_or_assigned() {
    let hub = Hub::new([status(201, &comment(1)), good(&issue(7, "A")), good(&issue(7, "A"))]).await;
    let comment = IssueChanges { comment: Some("Hm.".into()), ..IssueChanges::default() };
    assert_eq!(hub.github.update_issue(&hub.context, "ann:shop:7", &comment).await.unwrap().id, "ann:shop:7");
    let assign = IssueChanges { assignee: Some(Assignment::To("ben".into())), ..IssueChanges::default() };
    hub.github.update_issue(&hub.context, "ann:shop:7", &assign).await.unwrap();
    assert_eq!(
        hub.lines(),
        [
            "POST /repos/ann/shop/issues/7/comments",
            "GET /repos/ann/shop/issues/7",
            "PATCH /repos/ann/shop/issues/7"
        ]
    );
    assert_eq!(hub.sent(2), json!({"assignees": ["ben"]}));
}

#[tokio::test]
async fn comments_are_listed_and_added() {
    let hub = Hub::new([]).await;
    hub.then_linked(2, &json!([comment(1), comment(2)]));
    hub.vendor.then([status(201, &comment(3)), status(404, &json!({"message": "Not Found"}))]);
    let page = hub.github.comments(&hub.raw(), "ann:shop:7", &pages_of(2)).await.unwrap();
    assert_eq!(ids(&page.items), ["1", "2"]);
    assert!(page.next.unwrap().ends_with("page=2"));
    let first = &page.items[0];
    assert_eq!((first.kind, first.text.as_deref()), ("comment", Some("Me *too*")));
    assert_eq!((first.container_id.as_deref(), first.raw.clone()), (Some("ann:shop:7"), Some(comment(1))));
    let added = hub.github.add_comment(&hub.context, "ann:shop:7", "Me *too*").await.unwrap();
    assert_eq!((added.id.as_str(), added.raw), ("3", None));
    assert_eq!(
        hub.lines(),
        ["GET /repos/ann/shop/issues/7/comments?per_page=2", "POST /repos/ann/shop/issues/7/comments"]
    );
    assert_eq!(hub.sent(1), json!({"body": "Me *too*"}));
    let error = hub.github.comments(&hub.context, "ann:shop:8", &pages_of(2)).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no issue ann:shop:8");
}

#[tokio::test]
async fn a_repository_is_summed_up() {
    let counted = |count: u64, incomplete: bool| {
        good(&json!({"total_count": count, "incomplete_results": incomplete, "items": []}))
    };
    let hub = Hub::new([good(&repository("shop")), counted(3, false), counted(3, false)]).await;
    let summary = hub.github.summary(&hub.context, "ann:shop").await.unwrap();
    assert_eq!((summary.project.id.as_str(), summary.issues), ("ann:shop", Some(6)));
    assert_eq!(summary.by_status, [("closed".to_owned(), 3), ("open".to_owned(), 3)].into());
    let mut lines = hub.lines();
    // Both are under way at once.
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "GET /repos/ann/shop",
            "GET /search/issues?q=repo%3Aann%2Fshop+is%3Aissue+state%3Aclosed&per_page=1",
            "GET /search/issues?q=repo%3Aann%2Fshop+is%3Aissue+state%3Aopen&per_page=1",
        ]
    );

    let hub = Hub::new([good(&repository("shop")), counted(3, true), counted(3, true)]).await;
    let summary = hub.github.summary(&hub.context, "ann:shop").await.unwrap();
    assert_eq!((summary.issues, summary.by_status.len()), (None, 0), "a count that was given up is none");
}
