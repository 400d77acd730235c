//! Gmail as it is emulated, with mails in it.

use connectors::connector::{Connector as _, Data as _, Listing};
use connectors::containers::Containers as _;
use connectors::content::{Content as _, WantedContent};
use connectors::gmail::GmailConnector;
use mail_parser::MessageParser;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};
use testkit::Emulate;

use super::world::{World, bytes, part};
use crate::caller::{fields, filtered, ids, pages_of};

const BINARY: &str = "application/octet-stream";

async fn mailbox() -> (World<Emulate>, GmailConnector) {
    let world = World::emulated().await;
    let gmail = GmailConnector::new(&world.http);
    (world, gmail)
}

#[tokio::test]
async fn messages_are_listed_with_what_they_say() {
    let (world, gmail) = mailbox().await;
    let all = gmail.list(&world.context, &pages_of(50)).await.unwrap();
    assert_eq!(ids(&all.items), ["mail-3", "mail-2", "mail-1"]);
    assert_eq!((all.next, all.total), (None, None));

    let lunch = &all.items[0];
    assert_eq!((lunch.kind, lunch.title.as_deref()), ("message", Some("Zażółć gęślą jaźń – lunch?")));
    assert_eq!(lunch.text.as_deref(), Some("Are you free on Thursday?"));
    let author = lunch.author.as_ref().unwrap();
    assert_eq!(
        (author.name.as_deref(), author.email.as_deref()),
        (Some("Łukasz Żak"), Some("lukasz@example.org"))
    );
    assert_eq!(lunch.container_id.as_deref(), Some("thread-2"));
    assert_eq!(lunch.created_at.unwrap().to_string(), "2026-11-03T11:05:00.000Z");
    assert_eq!(
        lunch.url.as_deref(),
        Some("https://mail.google.com/mail/?authuser=ann%40example.com#all/mail-3")
    );
    assert_eq!(lunch.extra["html"], "<p>Are you free on <b>Thursday</b>?</p>");
    assert_eq!(lunch.extra["to"], json!([{"email": "ann@example.com"}]));
    assert_eq!((&lunch.extra["is_unread"], &lunch.extra["label_ids"]), (&json!(false), &json!(["INBOX"])));
    assert_eq!(all.items[2].extra["is_unread"], true);

    let mut seen = Vec::new();
    let mut listing = pages_of(1);
    loop {
        let page = gmail.list(&world.context, &listing).await.unwrap();
        seen.extend(page.items.into_iter().map(|item| item.id));
        let Some(next) = page.next else { break };
        listing = Listing { cursor: Some(next), ..listing };
    }
    assert_eq!(seen, ["mail-3", "mail-2", "mail-1"]);
}

#[tokio::test]
async fn messages_are_found_and_narrowed() {
    let (world, gmail) = mailbox().await;
    let found = gmail.search(&world.context, "subject:invoice from:ben", &pages_of(50)).await.unwrap();
    assert_eq!(ids(&found.items), ["mail-1"]);
    let labelled =
        gmail.list(&world.context, &filtered(&[("label_ids", "INBOX, Label_invoices")])).await.unwrap();
    assert_eq!(ids(&labelled.items), ["mail-1"]);
    let nonsense = gmail.list(&world.context, &filtered(&[("include_spam_trash", "yes")])).await.unwrap_err();
    assert_eq!(nonsense.code(), ErrorCode::ValidationFailed);
}

#[tokio::test]
async fn a_message_is_complete_where_all_is_wanted() {
    let (world, gmail) = mailbox().await;
    let item = gmail.get(&world.raw(), "mail-1").await.unwrap();
    assert_eq!(item.text.as_deref(), Some("Hello Ann,\n\nThe invoice for October is attached.\n\nBen"));
    let raw = item.raw.unwrap();
    assert_eq!((&raw["id"], &raw["threadId"]), (&json!("mail-1"), &json!("thread-1")));
    assert!(raw["payload"]["headers"].is_array() && raw["sizeEstimate"].is_number(), "{raw}");
    assert_eq!(gmail.get(&world.context, "mail-1").await.unwrap().raw, None);
    let error = gmail.get(&world.context, "mail-9").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no message mail-9");
    // Another one's.
    assert_eq!(gmail.get(&world.context, "mail-4").await.unwrap_err().code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn what_is_sent_is_read_again() {
    let (world, gmail) = mailbox().await;
    let mail = fields(json!({
        "to": "Ben Baker <ben@example.com>",
        "cc": ["Żaneta <zaneta@example.com>", {"email": "c@example.com"}],
        "bcc": "secret@example.com",
        "subject": "Zażółć",
        "body": "Dzień dobry\nAnn",
        "html": "<p>Dzień dobry</p>",
        "attachments": [
            {"filename": "a.txt", "mime_type": "text/plain", "content": "Zmlyc3QKc2Vjb25kCg=="},
            {"filename": "b.bin", "content": "AAEC_w"},
        ],
    }));
    let sent = gmail.create(&world.context, &mail).await.unwrap();
    assert_eq!((sent.title.as_deref(), sent.extra["label_ids"].clone()), (Some("Zażółć"), json!(["SENT"])));
    let item = gmail.get(&world.context, &sent.id).await.unwrap();
    assert_eq!(item.text.as_deref().map(str::trim), Some("Dzień dobry\nAnn"));
    assert_eq!(item.title.as_deref(), Some("Zażółć"));
    assert_eq!(item.extra["html"].as_str().map(str::trim), Some("<p>Dzień dobry</p>"));
    assert_eq!(item.author.unwrap().email.as_deref(), Some(Emulate::ANN));
    assert_eq!(item.extra["to"], json!([{"name": "Ben Baker", "email": "ben@example.com"}]));
    assert_eq!(
        item.extra["cc"],
        json!([{"name": "Żaneta", "email": "zaneta@example.com"}, {"email": "c@example.com"}])
    );
    let attachments = item.extra["attachments"].as_array().unwrap();
    let told: Vec<_> = attachments.iter().map(|each| (&each["filename"], &each["size_bytes"])).collect();
    assert_eq!(told, [(&json!("a.txt"), &json!(13)), (&json!("b.bin"), &json!(4))]);
    let texts = [("a.txt", "text/plain", &b"first\nsecond\n"[..]), ("b.bin", BINARY, &[0, 1, 2, 255])];
    for (told, (name, media_type, content)) in attachments.iter().zip(texts) {
        for id in ["id", "part_id"] {
            let wanted = part(told[id].as_str().unwrap());
            let file = gmail.content(&world.context, &sent.id, &wanted).await.unwrap();
            assert_eq!((file.name.as_deref(), file.media_type.as_str()), (Some(name), media_type), "{id}");
            assert_eq!(bytes(file).await, content, "{id}");
        }
    }
    let none = gmail.content(&world.context, &sent.id, &part("none")).await.unwrap_err();
    assert_eq!(none.to_string(), "there is no attachment none");
    let whole = gmail.content(&world.context, &sent.id, &WantedContent::default()).await.unwrap();
    assert_eq!(whole.media_type, "message/rfc822");
    let whole = bytes(whole).await;
    let read = MessageParser::default().parse(&whole).unwrap();
    assert_eq!((read.subject(), read.attachment_count()), (Some("Zażółć"), 2));
    let none = gmail.content(&world.context, "mail-9", &WantedContent::default()).await.unwrap_err();
    assert_eq!(none.to_string(), "there is no message mail-9");
}

#[tokio::test]
async fn an_answer_goes_to_whoever_wrote_and_into_the_thread() {
    let (world, gmail) = mailbox().await;
    let first = gmail.get(&world.context, "mail-1").await.unwrap();
    let answer = fields(json!({"reply_to_message_id": "mail-1", "body": "Thank you."}));
    let sent = gmail.create(&world.context, &answer).await.unwrap();
    let item = gmail.get(&world.context, &sent.id).await.unwrap();
    assert_eq!(item.title.as_deref(), Some("Re: Invoice 2026-118"));
    assert_eq!(item.container_id.as_deref(), Some("thread-1"));
    assert_eq!(item.extra["to"], json!([{"name": "Ben Baker", "email": "ben@example.com"}]));
    assert_eq!(item.extra["in_reply_to"], json!([first.extra["message_id"]]));
    assert_eq!(item.extra["references"], json!([first.extra["message_id"]]));

    // An answer to one's own goes to the same people once more.
    let more = fields(json!({"reply_to_message_id": sent.id, "body": "And more."}));
    let sent = gmail.create(&world.context, &more).await.unwrap();
    let item = gmail.get(&world.context, &sent.id).await.unwrap();
    assert_eq!(item.title.as_deref(), Some("Re: Invoice 2026-118"));
    assert_eq!(item.extra["to"][0]["email"], "ben@example.com");
    let lost = fields(json!({"reply_to_message_id": "mail-9", "body": ""}));
    assert_eq!(gmail.create(&world.context, &lost).await.unwrap_err().code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn labels_are_put_on_and_off_and_messages_thrown_away() {
    let (world, gmail) = mailbox().await;
    gmail.test(&world.context).await.unwrap();
    let change =
        fields(json!({"is_unread": false, "is_starred": true, "remove_label_ids": ["Label_invoices"]}));
    let changed = gmail.update(&world.context, "mail-1", &change).await.unwrap();
    assert_eq!(changed.title.as_deref(), Some("Invoice 2026-118"));
    let has = |label: &str| changed.extra["label_ids"].as_array().unwrap().contains(&Value::from(label));
    assert!(
        has("INBOX") && has("STARRED") && !has("UNREAD") && !has("Label_invoices"),
        "{:?}",
        changed.extra
    );
    let unknown = fields(json!({"add_label_ids": ["Label_none"]}));
    let error = gmail.update(&world.context, "mail-1", &unknown).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamRejected);

    gmail.delete(&world.context, "mail-1").await.unwrap();
    let left = gmail.list(&world.context, &pages_of(50)).await.unwrap();
    assert_eq!(ids(&left.items), ["mail-3", "mail-2"]);
    let trash = gmail.list(&world.context, &filtered(&[("include_spam_trash", "true")])).await.unwrap();
    assert!(ids(&trash.items).contains(&"mail-1"));
    let error = gmail.delete(&world.context, "mail-9").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no message mail-9");
}

#[tokio::test]
async fn labels_are_listed() {
    let (world, gmail) = mailbox().await;
    let labels = gmail.containers(&world.raw(), &pages_of(1)).await.unwrap();
    assert_eq!((labels.next, labels.total), (None, u64::try_from(labels.items.len()).ok()), "all at once");
    let invoices = labels.items.iter().find(|label| label.id == "Label_invoices").unwrap();
    assert_eq!((invoices.kind, invoices.name.as_str()), ("label", "Invoices"));
    assert_eq!((&invoices.extra["type"], &invoices.extra["messages"]), (&json!("user"), &json!(1)));
    assert_eq!(invoices.raw.as_ref().unwrap()["messagesTotal"], 1);
    let inbox = labels.items.iter().find(|label| label.id == "INBOX").unwrap();
    assert_eq!(inbox.extra["type"], "system");
    let bare = gmail.containers(&world.context, &pages_of(1)).await.unwrap();
    assert!(bare.items.iter().all(|label| label.raw.is_none()));
}
