//! Searches, limits and refusals, against answers that are told.

use std::collections::BTreeMap;

use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::workspace::{BOT, Workspace};
use crate::caller::{ann, wanted};
use crate::http::vendor::{Asked, FakeVendor, good, status, with_headers};

fn form(asked: &Asked) -> BTreeMap<String, String> {
    form_urlencoded::parse(&asked.body).into_owned().collect()
}

fn error(word: &str) -> Value {
    json!({"ok": false, "error": word})
}

#[tokio::test]
async fn a_user_searches_with_numbered_pages() {
    let vendor = FakeVendor::new([]).await;
    let found = |ts: &str, page: u64| {
        good(
            &json!({"ok": true, "messages": {"total": 2, "paging": {"count": 1, "page": page, "pages": 2, "total": 2},
            "matches": [{"channel": {"id": "C1", "name": "general"}, "user": "U1", "username": "ann", "ts": ts,
                "text": "the *release*", "permalink": "https://example.slack.com/archives/C1/p1"}]}}),
        )
    };
    vendor.then([found("2.000001", 1), found("1.000001", 2)]);
    let world = Workspace::at(Some(&vendor.url), BOT, &["search:read"]).await;
    let first = world.connectors.search(&ann(), "slack", "release", &wanted(500)).await.unwrap().result;
    assert_eq!((first.items[0].id.as_str(), first.total), ("C1:2.000001", Some(2)));
    assert_eq!(first.items[0].url.as_deref(), Some("https://example.slack.com/archives/C1/p1"));
    assert_eq!(first.items[0].author.as_ref().unwrap().name.as_deref(), Some("ann"));
    // Pages of another size would be others: the second begins where the first ended, whatever is asked for then.
    let next = connectors::Wanted { page_token: first.next, ..wanted(7) };
    let last = world.connectors.search(&ann(), "slack", "release", &next).await.unwrap().result;
    assert_eq!((last.items[0].id.as_str(), last.next), ("C1:1.000001", None));
    let asked = vendor.asked();
    for (asked, page) in asked.iter().zip(["1", "2"]) {
        assert_eq!((asked.method.as_str(), asked.uri.path()), ("POST", "/v1/search.messages"));
        assert!(asked.header("authorization").starts_with("Bearer xoxp-"), "the user's token, not the bot's");
        let form = form(asked);
        assert_eq!(
            (form["query"].as_str(), form["count"].as_str(), form["page"].as_str()),
            ("release", "100", page)
        );
    }
    let narrowed = connectors::Wanted { parameters: vec![("channel".into(), "C1".into())], ..wanted(5) };
    let refused = world.connectors.search(&ann(), "slack", "x", &narrowed).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ValidationFailed, "it is not left out in silence");
}

#[tokio::test]
async fn a_user_searches_as_slack_recommends_where_that_was_granted() {
    let vendor = FakeVendor::new([good(&json!({
        "ok": true, "response_metadata": {"next_cursor": "abc"}, "results": {"messages": [
            {"author_user_id": "U1", "author_name": "Ann", "team_id": "T1", "channel_id": "C1", "message_ts": "1.000001",
                "content": "hello", "permalink": "https://x.example", "is_author_bot": false}]},
    }))])
    .await;
    // The emulated authorization grants what its app has; the rest is asked for at the fake one.
    let world = Workspace::at(Some(&vendor.url), BOT, &["search:read", "search:read.public"]).await;
    let raw = connectors::Wanted { raw: true, ..wanted(50) };
    let page = world.connectors.search(&ann(), "slack", "hello?", &raw).await.unwrap().result;
    assert_eq!((page.items[0].id.as_str(), page.items[0].text.as_deref()), ("C1:1.000001", Some("hello")));
    assert_eq!(page.items[0].raw.as_ref().unwrap()["content"], "hello");
    assert!(page.next.is_some());
    let asked = &vendor.asked()[0];
    assert_eq!(asked.uri.path(), "/v1/assistant.search.context");
    let form = form(asked);
    assert_eq!((form["limit"].as_str(), form["channel_types"].as_str()), ("20", "public_channel"));
}

#[tokio::test]
async fn an_answer_is_found_behind_what_began_its_thread() {
    let message =
        |ts: &str, text: &str| json!({"type": "message", "ts": ts, "thread_ts": "1.000001", "text": text});
    let history = good(&json!({"ok": true, "messages": [], "has_more": false}));
    let messages = [message("1.000001", "who?"), message("2.000001", "I.")];
    let vendor = FakeVendor::new([history, good(&json!({"ok": true, "messages": messages}))]).await;
    let world = Workspace::at(Some(&vendor.url), BOT, &[]).await;
    let answer = world.connectors.item(&ann(), "slack", "C1:2.000001", false).await.unwrap().result;
    assert_eq!((answer.id.as_str(), answer.text.as_deref()), ("C1:2.000001", Some("I.")));
    assert_eq!(vendor.lines("/v1"), ["POST /conversations.history", "POST /conversations.replies"]);
    let forms: Vec<_> = vendor.asked().iter().map(form).collect();
    let limits: Vec<_> = forms.iter().map(|form| form["limit"].as_str()).collect();
    assert_eq!(limits, ["1", "2"], "there is room for both");
    for form in &forms {
        let named = ["channel", "oldest", "latest", "inclusive"].map(|name| form[name].as_str());
        assert_eq!(named, ["C1", "2.000001", "2.000001", "true"]);
    }
    assert_eq!(forms[1]["ts"], "2.000001");
}

#[tokio::test]
async fn short_and_empty_pages_are_not_the_end() {
    let page = |ids: &[&str], next: &str| {
        let channels: Vec<Value> = ids.iter().map(|id| json!({"id": id, "name": id})).collect();
        good(&json!({"ok": true, "channels": channels, "response_metadata": {"next_cursor": next}}))
    };
    let turns = [page(&["C1"], "a"), page(&[], "b"), page(&["C2", "C3"], "")];
    let vendor = FakeVendor::new(turns).await;
    let world = Workspace::at(Some(&vendor.url), BOT, &[]).await;
    let (mut seen, mut page_token) = (Vec::new(), None);
    loop {
        let three = connectors::Wanted { page_token, ..wanted(3) };
        let page = world.connectors.channels(&ann(), "slack", &three).await.unwrap().result;
        seen.extend(page.items.into_iter().map(|channel| channel.id));
        page_token = page.next;
        if page_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["C1", "C2", "C3"]);
    let forms: Vec<_> = vendor.asked().iter().map(form).collect();
    assert_eq!(forms[0]["types"], "public_channel,private_channel");
    let cursors: Vec<_> = forms.iter().map(|form| form.get("cursor").map(String::as_str)).collect();
    assert_eq!(cursors, [None, Some("a"), Some("b")]);
}

#[tokio::test]
async fn one_methods_limit_stops_no_other() {
    let vendor = FakeVendor::new([with_headers(429, &[("retry-after", "60")], &error("ratelimited"))]).await;
    let world = Workspace::at(Some(&vendor.url), BOT, &[]).await;
    for _ in 0..2 {
        let error = world.messages("C1", None).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamRateLimited, "{error}");
        assert!(error.retry_after(model::Timestamp::from_millisecond(0)).unwrap().as_secs() >= 59);
    }
    assert_eq!(vendor.calls(), 1, "the second waits without asking");
    vendor.then([good(&json!({"ok": true, "members": []}))]);
    world.connectors.users(&ann(), "slack", &wanted(5)).await.unwrap();
}

#[tokio::test]
async fn refusals_in_good_answers_are_told_as_what_they_are() {
    let vendor = FakeVendor::new([]).await;
    let world = Workspace::at(Some(&vendor.url), BOT, &[]).await;
    for (word, code) in [
        ("channel_not_found", ErrorCode::NotFound),
        ("not_in_channel", ErrorCode::UpstreamRejected),
        ("missing_scope", ErrorCode::InsufficientScope),
    ] {
        vendor.then([good(&error(word))]);
        let error = world.messages("C1", None).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    vendor.then([good(&error("token_revoked")), good(&error("token_revoked"))]);
    let error = world.messages("C1", None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ReauthorizationRequired, "{error}");
}

#[tokio::test]
async fn what_may_have_been_sent_is_not_sent_again() {
    let vendor = FakeVendor::new([status(503, &json!({}))]).await;
    let world = Workspace::at(Some(&vendor.url), BOT, &[]).await;
    let error = world.send("C1", "x", None).await.unwrap_err();
    assert_eq!((error.code(), vendor.calls()), (ErrorCode::UpstreamUnavailable, 1));
    assert_eq!(error.extensions().retryable, Some(false));
    // Reading is repeated.
    vendor.then([status(503, &json!({})), good(&json!({"ok": true, "messages": []}))]);
    world.messages("C1", None).await.unwrap();
    assert_eq!(vendor.calls(), 3);
}
