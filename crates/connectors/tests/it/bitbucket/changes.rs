//! Reading, making, changing and deleting.

use bytes::Bytes;
use connectors::connector::Data as _;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::{World, pull_request, repository};
use crate::caller::fields;
use crate::http::vendor::{Turn, good, status};

const SITE: &str = "/v1/repositories/acme/site";

fn empty(status: u16) -> Turn {
    Turn::Answer(status, Vec::new(), Bytes::new())
}

fn error(message: &str) -> Value {
    json!({"type": "error", "error": {"message": message}})
}

#[tokio::test]
async fn items_are_read_by_their_ids() {
    let world = World::new([good(&repository("acme", "site")), good(&pull_request(12, "OPEN"))]).await;
    world.vendor.then([good(&repository("acme", "site"))]);
    let site = world.bitbucket.get(&world.raw(), "acme:site").await.unwrap();
    assert_eq!((site.id.as_str(), site.raw), ("acme:site", Some(repository("acme", "site"))));
    let footer = world.bitbucket.get(&world.context, "acme:site:12").await.unwrap();
    assert_eq!((footer.id.as_str(), footer.raw), ("acme:site:12", None));
    assert_eq!(footer.extra["reviewers"], json!([{"id": "{b}", "name": "Ben"}]));
    let by_uuid = world.bitbucket.get(&world.context, "{ws-1}:{r-1}").await.unwrap();
    assert_eq!(by_uuid.id, "acme:site", "an item has one id");
    let lines = world.lines();
    assert_eq!(lines[..2], [format!("GET {SITE}"), format!("GET {SITE}/pullrequests/12")]);
    assert_eq!(lines[2], "GET /v1/repositories/%7Bws-1%7D/%7Br-1%7D");
    for id in ["acme", "acme:..", "acme:site:x", "acme:site:1/decline", "../user:x"] {
        let error = world.bitbucket.get(&world.context, id).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{id}");
    }
    assert_eq!(world.vendor.calls(), 3);
}

#[tokio::test]
async fn a_repository_is_made() {
    let world = World::new([good(&repository("acme", "my-site"))]).await;
    let given =
        json!({"type": "repository", "workspace": "acme", "title": "My Site", "text": "x", "project": "WEB"});
    let made = world.bitbucket.create(&world.raw(), &fields(given)).await.unwrap();
    assert_eq!((made.id.as_str(), made.raw), ("acme:my-site", Some(repository("acme", "my-site"))));
    assert_eq!(world.lines(), ["POST /v1/repositories/acme/my-site"]);
    let body = json!({"type": "repository", "name": "My Site", "description": "x", "project": {"type": "project", "key": "WEB"}, "is_private": true, "scm": "git"});
    assert_eq!(world.sent(0), body);
}

#[tokio::test]
async fn a_pull_request_is_made() {
    let world = World::new([status(201, &pull_request(13, "OPEN"))]).await;
    let given = json!({"type": "pull_request", "repository": "acme:site", "title": "Add a footer", "text": "With *links*.",
        "source_branch": "footer", "destination_branch": "main", "close_source_branch": true,
        "reviewers": ["{504c3b62-8120-4f0c-a7bc-87800b9d6f70}"]});
    let made = world.bitbucket.create(&world.context, &fields(given)).await.unwrap();
    assert_eq!((made.id.as_str(), made.kind), ("acme:site:13", "pull_request"));
    assert_eq!(world.lines(), [format!("POST {SITE}/pullrequests")]);
    let body = json!({"type": "pullrequest", "title": "Add a footer", "description": "With *links*.", "close_source_branch": true,
        "source": {"branch": {"name": "footer"}}, "destination": {"branch": {"name": "main"}},
        "reviewers": [{"type": "user", "uuid": "{504c3b62-8120-4f0c-a7bc-87800b9d6f70}"}]});
    assert_eq!(world.sent(0), body);
}

#[tokio::test]
async fn what_is_made_is_made_once() {
    let world = World::new([status(503, &error("Service unavailable"))]).await;
    let given = json!({"type": "repository", "workspace": "acme", "title": "x"});
    let error = world.bitbucket.create(&world.context, &fields(given)).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 1));
    assert_eq!(error.extensions().retryable, Some(false));
    for given in
        [json!({}), json!({"type": "issue"}), json!({"type": "repository"}), json!({"type": "pull_request"})]
    {
        let error = world.bitbucket.create(&world.context, &fields(given)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed);
    }
    assert_eq!(world.vendor.calls(), 1);
}

#[tokio::test]
async fn a_repository_is_changed_only_where_there_is_one() {
    let world = World::new([good(&repository("acme", "site")), good(&repository("acme", "site"))]).await;
    let change = fields(json!({"text": "New", "is_private": false}));
    let changed = world.bitbucket.update(&world.raw(), "acme:site", &change).await.unwrap();
    assert_eq!((changed.id.as_str(), changed.raw.is_some()), ("acme:site", true));
    assert_eq!(world.lines(), [format!("GET {SITE}"), format!("PUT {SITE}")]);
    assert_eq!(world.sent(1), json!({"type": "repository", "description": "New", "is_private": false}));

    let world = World::new([status(404, &error("Repository acme/site not found"))]).await;
    let error = world.bitbucket.update(&world.context, "acme:site", &change).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no repository acme:site");
    assert_eq!(world.lines(), [format!("GET {SITE}")], "a PUT would make it");
}

#[tokio::test]
async fn a_repository_moves_with_its_title_and_is_changed_where_it_is() {
    // The old address still leads to it.
    let world = World::new([good(&repository("acme", "website")), good(&repository("acme", "home"))]).await;
    let change = fields(json!({"title": "Home"}));
    let moved = world.bitbucket.update(&world.context, "acme:site", &change).await.unwrap();
    assert_eq!(moved.id, "acme:home");
    assert_eq!(world.lines(), [format!("GET {SITE}"), "PUT /v1/repositories/acme/website".to_owned()]);
    // A second time it would not be there any more.
    world.vendor.then([good(&repository("acme", "site")), status(503, &error("x"))]);
    world.bitbucket.update(&world.context, "acme:site", &change).await.unwrap_err();
    assert_eq!(world.vendor.calls(), 4);
}

#[tokio::test]
async fn a_change_of_a_pull_request_keeps_the_rest() {
    let world = World::new([good(&pull_request(12, "OPEN")), good(&pull_request(12, "OPEN"))]).await;
    let change = fields(json!({"title": "Footer", "destination_branch": "next"}));
    let changed = world.bitbucket.update(&world.raw(), "acme:site:12", &change).await.unwrap();
    assert_eq!((changed.id.as_str(), changed.raw.is_some()), ("acme:site:12", true));
    let path = format!("{SITE}/pullrequests/12");
    assert_eq!(world.lines(), [format!("GET {path}"), format!("PUT {path}")]);
    assert_eq!(
        world.sent(1),
        json!({"type": "pullrequest", "title": "Footer", "description": "With *links*.", "close_source_branch": true, "draft": false,
            "destination": {"branch": {"name": "next"}}, "reviewers": [{"type": "user", "uuid": "{b}"}]})
    );
}

#[tokio::test]
async fn a_pull_request_is_merged_or_declined() {
    let world = World::new([good(&pull_request(12, "MERGED")), good(&pull_request(12, "DECLINED"))]).await;
    let merge = fields(json!({"state": "merged", "merge_strategy": "squash", "message": "Add a footer"}));
    let merged = world.bitbucket.update(&world.context, "acme:site:12", &merge).await.unwrap();
    assert_eq!((&merged.extra["state"], merged.extra.get("is_merging")), (&json!("merged"), None));
    let decline = fields(json!({"state": "declined"}));
    let declined = world.bitbucket.update(&world.context, "acme:site:12", &decline).await.unwrap();
    assert_eq!(declined.extra["state"], "declined");
    let path = format!("POST {SITE}/pullrequests/12");
    assert_eq!(world.lines(), [format!("{path}/merge"), format!("{path}/decline")]);
    assert_eq!(
        world.sent(0),
        json!({"type": "pullrequest_merge_parameters", "merge_strategy": "squash", "message": "Add a footer"})
    );
    assert!(world.vendor.asked()[1].body.is_empty());
}

#[tokio::test]
async fn a_merge_that_goes_on_is_told_as_such() {
    let started = Turn::Answer(
        202,
        vec![(
            "location",
            "https://api.bitbucket.org/2.0/repositories/acme/site/pullrequests/12/merge/task-status/t".into(),
        )],
        Bytes::new(),
    );
    let world = World::new([started.clone(), good(&pull_request(12, "OPEN"))]).await;
    let merge = fields(json!({"state": "merged"}));
    let item = world.bitbucket.update(&world.context, "acme:site:12", &merge).await.unwrap();
    assert_eq!((&item.extra["state"], &item.extra["is_merging"]), (&json!("open"), &json!(true)));
    world.vendor.then([started, good(&pull_request(12, "MERGED"))]);
    let item = world.bitbucket.update(&world.context, "acme:site:12", &merge).await.unwrap();
    assert_eq!((&item.extra["state"], item.extra.get("is_merging")), (&json!("merged"), None));
    // It took too long, and is not begun a second time.
    world.vendor.then([status(555, &error("The merge took too long"))]);
    let calls = world.vendor.calls();
    let error = world.bitbucket.update(&world.context, "acme:site:12", &merge).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, calls + 1));
}

#[tokio::test]
async fn an_approval_is_given_and_taken_back() {
    let mut approved = pull_request(12, "OPEN");
    approved["participants"][0]["approved"] = true.into();
    let participant = json!({"type": "participant", "approved": true, "role": "REVIEWER"});
    let world = World::new([good(&participant), good(&approved)]).await;
    // Already so, and already not so.
    world.vendor.then([status(409, &error("You already approved this pull request.")), good(&approved)]);
    world.vendor.then([empty(204), good(&pull_request(12, "OPEN"))]);
    world.vendor.then([
        status(404, &error("You haven't approved this pull request.")),
        good(&pull_request(12, "OPEN")),
    ]);
    for (is_approved, times) in [(true, 2), (false, 2)] {
        for _ in 0..times {
            let change = fields(json!({"is_approved": is_approved}));
            let item = world.bitbucket.update(&world.context, "acme:site:12", &change).await.unwrap();
            assert_eq!(item.extra.contains_key("approved_by"), is_approved);
        }
    }
    let (path, read) = (format!("{SITE}/pullrequests/12/approve"), format!("GET {SITE}/pullrequests/12"));
    let (post, delete) = (format!("POST {path}"), format!("DELETE {path}"));
    assert_eq!(world.lines(), [&post, &read, &post, &read, &delete, &read, &delete, &read].map(Clone::clone));
}

#[tokio::test]
async fn repositories_are_deleted_and_pull_requests_are_not() {
    let world = World::new([empty(204)]).await;
    world.bitbucket.delete(&world.context, "acme:site").await.unwrap();
    assert_eq!(world.lines(), [format!("DELETE {SITE}")]);
    let error = world.bitbucket.delete(&world.context, "acme:site:12").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationFailed);
    assert!(error.violations()[0].detail.contains("declined"), "{error}");
    assert_eq!(world.vendor.calls(), 1);
}
