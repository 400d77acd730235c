//! Gmail where it is in trouble, or where the emulator is simpler than Gmail is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use connectors::connector::Data as _;
use connectors::gmail::GmailConnector;
use mail_parser::{MessageParser, MimeHeaders as _};
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::World;
use crate::caller::{fields, ids, pages_of};
use crate::http::vendor::{FakeVendor, Turn, good, status, with_headers};

async fn gmail(turns: impl IntoIterator<Item = Turn>) -> (World<FakeVendor>, GmailConnector) {
    let world = World::fake(turns).await;
    let gmail = GmailConnector::new(&world.http);
    (world, gmail)
}

fn refusal(reason: &str) -> Value {
    json!({"error": {"code": 403, "message": "No.", "errors": [{"domain": "usageLimits", "reason": reason}]}})
}

fn message(id: &str) -> Value {
    json!({"id": id, "threadId": "t", "payload": {"mimeType": "text/plain", "body": {"data": "YQ==", "size": 1}}})
}

#[tokio::test]
async fn a_403_is_a_limit_a_scope_or_a_permission() {
    let limited = || status(403, &refusal("userRateLimitExceeded"));
    for (turns, code) in [
        (vec![limited(), limited(), limited()], ErrorCode::UpstreamRateLimited),
        (vec![status(403, &refusal("insufficientPermissions"))], ErrorCode::InsufficientScope),
        (vec![status(403, &refusal("delegationDenied"))], ErrorCode::UpstreamRejected),
        (vec![status(400, &json!({"error": {"message": "Invalid id value"}}))], ErrorCode::NotFound),
    ] {
        let (world, gmail) = gmail(turns).await;
        assert_eq!(gmail.get(&world.context, "m").await.unwrap_err().code(), code);
    }
    let scope = "https://www.googleapis.com/auth/gmail.readonly";
    let challenge = format!("Bearer realm=\"x\", error=\"insufficient_scope\", scope=\"{scope}\"");
    let told = with_headers(403, &[("www-authenticate", &challenge)], &refusal("insufficientPermissions"));
    let (world, gmail) = gmail([told]).await;
    let error = gmail.get(&world.context, "m").await.unwrap_err();
    assert_eq!(error.extensions().missing_scopes, [scope]);
}

#[tokio::test]
async fn a_limit_that_passes_is_not_noticed() {
    let (world, gmail) = gmail([status(403, &refusal("rateLimitExceeded")), good(&message("m"))]).await;
    assert_eq!(gmail.get(&world.context, "m").await.unwrap().id, "m");
    assert_eq!(world.vendor.calls(), 2);
}

#[tokio::test]
async fn a_page_may_be_short_or_empty_and_not_the_last() {
    let page = json!({"messages": [{"id": "gone", "threadId": "t"}], "nextPageToken": "p2"});
    let empty = json!({"resultSizeEstimate": 0, "nextPageToken": "p3"});
    let (world, gmail) = gmail([good(&page), status(404, &json!({})), good(&empty)]).await;
    for next in ["p2", "p3"] {
        let page = gmail.list(&world.context, &pages_of(10)).await.unwrap();
        assert_eq!(
            (page.items.len(), page.next.as_deref()),
            (0, Some(next)),
            "deleted meanwhile, or filtered"
        );
    }
    assert_eq!(
        world.lines(),
        [
            "GET /gmail/v1/users/me/messages?maxResults=10",
            "GET /gmail/v1/users/me/messages/gone?format=full",
            "GET /gmail/v1/users/me/messages?maxResults=10",
        ]
    );
}

#[tokio::test]
async fn details_are_fetched_a_few_at_a_time() {
    let names: Vec<String> = (0..30).map(|number| format!("m{number}")).collect();
    let page = json!({"messages": names.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()});
    let slow = |id: &String| Turn::Slow(std::time::Duration::from_millis(20), Box::new(good(&message(id))));
    let (world, gmail) = gmail([good(&page)].into_iter().chain(names.iter().map(slow))).await;
    let page = gmail.list(&world.context, &pages_of(30)).await.unwrap();
    assert_eq!(page.items.len(), 30);
    let most = world.vendor.most_under_way();
    assert!((2..=8).contains(&most), "{most}");
    let mut asked: Vec<String> = world.lines().split_off(1);
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), 30, "each once");
}

#[tokio::test]
async fn one_message_in_trouble_is_the_pages_trouble() {
    let page = json!({"messages": [{"id": "a"}]});
    let (world, gmail) = gmail([good(&page), status(403, &refusal("forbidden"))]).await;
    let error = gmail.list(&world.context, &pages_of(10)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamRejected);
}

#[tokio::test]
async fn a_long_text_is_fetched() {
    let long = json!({"id": "m", "payload": {"mimeType": "multipart/mixed", "parts": [
        {"mimeType": "text/plain", "body": {"attachmentId": "A1", "size": 3}},
        {"mimeType": "application/pdf", "filename": "a.pdf", "body": {"attachmentId": "A2", "size": 9}},
    ]}});
    let (world, gmail) = gmail([good(&long), good(&json!({"size": 3, "data": "YWJj"}))]).await;
    let item = gmail.get(&world.raw(), "m").await.unwrap();
    assert_eq!((item.text.as_deref(), item.raw), (Some("abc"), Some(long)));
    assert_eq!(item.extra["attachments"].as_array().unwrap().len(), 1);
    assert_eq!(world.lines()[1], "GET /gmail/v1/users/me/messages/m/attachments/A1");
}

#[tokio::test]
async fn a_mail_is_written_as_others_read_it() {
    let (world, gmail) = gmail([good(&json!({"id": "s", "threadId": "t", "labelIds": ["SENT"]}))]).await;
    let long = "Zażółć gęślą jaźń ".repeat(12);
    let mail = fields(json!({
        "to": "\"Lee, Ann\" <ann@example.com>, ben@example.com", "bcc": "b@example.com", "reply_to": "r@example.com",
        "subject": long, "body": ".\nFrom here\n", "thread_id": "t1",
        "attachments": [{"filename": "zażółć \"1\".pdf", "mime_type": "application/pdf", "content": "JVBERi0="}],
    }));
    gmail.create(&world.context, &mail).await.unwrap();
    let sent = world.sent(0);
    assert_eq!(sent["threadId"], "t1");
    let mime = URL_SAFE.decode(sent["raw"].as_str().unwrap()).unwrap();
    assert!(mime.is_ascii() && mime.split(|byte| *byte == b'\n').all(|line| line.len() <= 998));
    let read = MessageParser::default().parse(&mime).unwrap();
    assert_eq!(read.subject().map(str::trim), Some(long.trim()));
    let to: Vec<_> = read.to().unwrap().iter().map(|each| (each.name(), each.address())).collect();
    assert_eq!(to, [(Some("Lee, Ann"), Some("ann@example.com")), (None, Some("ben@example.com"))]);
    assert_eq!(read.from().unwrap().first().unwrap().address(), Some("ann@example.com"));
    assert_eq!(read.bcc().unwrap().first().unwrap().address(), Some("b@example.com"));
    assert_eq!(read.reply_to().unwrap().first().unwrap().address(), Some("r@example.com"));
    assert_eq!(
        read.body_text(0).as_deref().map(|text| text.replace("\r\n", "\n")),
        Some(".\nFrom here\n".into())
    );
    let file = read.attachment(0).unwrap();
    assert_eq!((file.attachment_name(), file.contents()), (Some("zażółć \"1\".pdf"), &b"%PDF-"[..]));
}

#[tokio::test]
async fn a_large_mail_is_uploaded() {
    let (world, gmail) = gmail([good(&json!({"id": "s", "threadId": "t1"}))]).await;
    let content = URL_SAFE.encode(vec![7; 1024 * 1024]);
    let mail = fields(json!({
        "to": "ben@example.com", "subject": "Large", "body": "", "thread_id": "t1",
        "attachments": [{"filename": "a.bin", "content": content}],
    }));
    let sent = gmail.create(&world.context, &mail).await.unwrap();
    assert_eq!((sent.id.as_str(), sent.title.as_deref()), ("s", Some("Large")));
    assert_eq!(world.lines(), ["POST /upload/gmail/v1/users/me/messages/send?uploadType=multipart"]);
    let asked = &world.vendor.asked()[0];
    assert!(asked.header("content-type").starts_with("multipart/related; boundary="));
    let body = String::from_utf8_lossy(&asked.body);
    assert!(body.contains("{\"threadId\":\"t1\"}") && body.contains("Content-Type: message/rfc822"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_not() {
    for (mail, pointers) in [
        (json!({}), vec!["/to", "/body"]),
        (json!({"to": "nobody", "body": ""}), vec!["/to", "/to"]),
        (json!({"to": "a@b.example>\r\nX: y <c@d", "body": ""}), vec!["/to", "/to"]),
        (json!({"to": [{"email": "a@b.example", "name": "x\r\nBcc: c@d"}], "body": ""}), vec!["/to", "/to"]),
        (json!({"to": "a@b.example", "body": "", "subject": "x\r\nBcc: c@d.example"}), vec!["/subject"]),
        (json!({"to": "a@b.example", "body": "", "from": "a@b.example, c@d.example"}), vec!["/from"]),
        (json!({"to": "a@b.example", "bodi": ""}), vec!["/bodi", "/body"]),
        (
            json!({"to": "a@b.example", "body": "", "attachments": [
                {"filename": "a", "content": "no base64"}, {"filename": "a\nb", "content": ""},
                {"filename": "a", "content": "", "mime_type": "text/plain\r\nX: y"},
                {"filename": "a", "content": "", "mime_type": "multipart/mixed"}, {"filename": "a", "content": ""},
            ]}),
            vec!["/attachments/0", "/attachments/1", "/attachments/2", "/attachments/3"],
        ),
    ] {
        let (world, gmail) = gmail([]).await;
        let error = gmail.create(&world.context, &fields(mail.clone())).await.unwrap_err();
        let told = error.violations();
        let told: Vec<&str> = told.iter().map(|each| each.pointer.as_str()).collect();
        assert_eq!((told, world.vendor.calls()), (pointers, 0), "{mail}");
    }
    let (world, gmail) = gmail([]).await;
    for change in
        [json!({}), json!({"is_unread": true, "remove_label_ids": ["UNREAD"]}), json!({"label": "x"})]
    {
        let error = gmail.update(&world.context, "m", &fields(change)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed);
    }
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn sending_is_not_repeated_and_labelling_is() {
    let down = || status(503, &json!({"error": {"message": "backend"}}));
    let (world, gmail) = gmail([down()]).await;
    let mail = fields(json!({"to": "a@b.example", "body": ""}));
    let error = gmail.create(&world.context, &mail).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 1));
    world.vendor.then([good(&json!({}))]);
    let error = gmail.create(&world.context, &mail).await.unwrap_err();
    assert_eq!(error.to_string(), "Gmail: its answer is not as its API is documented", "it has no id");
    world.vendor.then([down(), good(&message("m")), down(), down(), down()]);
    let changed = gmail.update(&world.context, "m", &fields(json!({"is_starred": true}))).await.unwrap();
    assert_eq!(ids(&[changed]), ["m"], "though it could not be read again");
}

#[tokio::test]
async fn an_answer_to_a_hostile_mail_has_no_headers_of_its_writers() {
    let encoded = "=?utf-8?B?YQ0KQmNjOiB4QHkuZXhhbXBsZQ==?=";
    let headers = json!([
        {"name": "Subject", "value": encoded},
        {"name": "From", "value": format!("{encoded} <ben@example.com>")},
        {"name": "Message-ID", "value": "<a\r\nBcc: x@y.example>"},
    ]);
    let hostile = json!({"id": "m", "threadId": "t", "payload": {"headers": headers}});
    let (world, gmail) = gmail([good(&hostile), good(&message("s"))]).await;
    let answer = fields(json!({"reply_to_message_id": "m", "body": "No."}));
    gmail.create(&world.context, &answer).await.unwrap();
    let mime = URL_SAFE.decode(world.sent(1)["raw"].as_str().unwrap()).unwrap();
    let read = MessageParser::default().parse(&mime).unwrap();
    let text = String::from_utf8_lossy(&mime);
    assert!(read.bcc().is_none() && !text.contains("\r\nBcc:"), "{text}");
    assert_eq!(read.to().unwrap().first().unwrap().address(), Some("ben@example.com"));
    assert_eq!(world.sent(1)["threadId"], "t");
}
