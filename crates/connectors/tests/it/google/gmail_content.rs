//! What messages carry, where the emulator is simpler than Gmail is.

use bytes::Bytes;
use connectors::connector::{Connector as _, Listing};
use connectors::containers::Containers as _;
use connectors::content::{Content as _, WantedContent};
use connectors::gmail::GmailConnector;
use futures::TryStreamExt as _;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::{World, bytes, part};
use crate::http::vendor::{FakeVendor, Turn, good, status};

async fn gmail(turns: impl IntoIterator<Item = Turn>) -> (World<FakeVendor>, GmailConnector) {
    let world = World::fake(turns).await;
    let gmail = GmailConnector::new(&world.http);
    (world, gmail)
}

fn mail() -> Value {
    json!({"id": "m", "threadId": "t", "payload": {"partId": "", "mimeType": "multipart/mixed", "parts": [
        {"partId": "0", "mimeType": "text/plain", "body": {"data": "YQ==", "size": 1}},
        {"partId": "1", "mimeType": "text/csv", "filename": "zażółć.csv", "body": {"attachmentId": "A1", "size": 5},
         "headers": [{"name": "Content-Type", "value": "text/csv; charset=\"iso-8859-2\""}]},
        {"partId": "2", "mimeType": "", "filename": "small.bin", "body": {"data": "AAEC_w==", "size": 4}},
        {"partId": "3", "mimeType": "text/plain", "filename": "empty.txt", "body": {"size": 0}},
    ]}})
}

fn plain(body: &str) -> Turn {
    let json = ("content-type", "application/json; charset=UTF-8".to_owned());
    Turn::Answer(200, vec![json], Bytes::copy_from_slice(body.as_bytes()))
}

#[tokio::test]
async fn an_attachment_is_fetched_by_either_of_its_ids() {
    for wanted in ["1", "A1"] {
        // The padding as Google writes it.
        let content = plain("{\n  \"size\": 4,\n  \"data\": \"YSxiCg\\u003d\\u003d\"\n}\n");
        let (world, gmail) = gmail([good(&mail()), content]).await;
        let file = gmail.content(&world.context, "m", &part(wanted)).await.unwrap();
        assert_eq!((file.name.as_deref(), file.length), (Some("zażółć.csv"), None));
        assert_eq!(file.media_type, "text/csv; charset=iso-8859-2");
        assert_eq!(bytes(file).await, b"a,b\n");
        assert_eq!(
            world.lines(),
            [
                "GET /gmail/v1/users/me/messages/m?format=full",
                "GET /gmail/v1/users/me/messages/m/attachments/A1?fields=data",
            ]
        );
        assert_eq!(world.vendor.asked()[1].header("authorization"), "Bearer token-1");
    }
}

#[tokio::test]
async fn an_id_that_the_message_had_before_is_asked_for() {
    let (world, gmail) =
        gmail([good(&mail()), good(&json!({"data": "YQ"})), good(&mail()), status(404, &json!({}))]).await;
    let file = gmail.content(&world.context, "m", &part("A1-of-yesterday")).await.unwrap();
    assert_eq!((file.name.as_deref(), file.media_type.as_str()), (None, "application/octet-stream"));
    assert_eq!(bytes(file).await, b"a");
    let none = gmail.content(&world.context, "m", &part("none")).await.unwrap_err();
    assert_eq!(
        (none.code(), none.to_string().as_str()),
        (ErrorCode::NotFound, "there is no attachment none")
    );
}

#[tokio::test]
async fn what_stands_in_the_message_is_not_fetched() {
    let (world, gmail) = gmail([good(&mail()), good(&mail())]).await;
    for (wanted, media_type, content) in
        [("2", "application/octet-stream", &[0, 1, 2, 255][..]), ("3", "text/plain", &[])]
    {
        let file = gmail.content(&world.context, "m", &part(wanted)).await.unwrap();
        assert_eq!((file.media_type.as_str(), file.length), (media_type, u64::try_from(content.len()).ok()));
        assert_eq!(bytes(file).await, content);
    }
    assert_eq!(world.vendor.calls(), 2);
}

#[tokio::test]
async fn a_message_is_had_whole() {
    let (world, gmail) = gmail([good(&json!({"raw": "U3ViamVjdDogYQ0KDQpiDQo"}))]).await;
    let file = gmail.content(&world.context, "m", &WantedContent::default()).await.unwrap();
    assert_eq!((file.name.as_deref(), file.media_type.as_str()), (Some("m.eml"), "message/rfc822"));
    assert_eq!(bytes(file).await, b"Subject: a\r\n\r\nb\r\n");
    assert_eq!(world.lines(), ["GET /gmail/v1/users/me/messages/m?format=raw&fields=raw"]);
    let converted = WantedContent { media_type: Some("application/pdf".into()), ..WantedContent::default() };
    let refused = gmail.content(&world.context, "m", &converted).await.unwrap_err();
    assert_eq!((refused.code(), world.vendor.calls()), (ErrorCode::ValidationFailed, 1));
}

#[tokio::test]
async fn content_that_breaks_off_fails() {
    for turn in
        [plain("{\"raw\": \"YWJj"), plain("{}"), plain("<html>"), plain("{\"raw\": \"Y W J j\"}"), Turn::Cut]
    {
        let (world, gmail) = gmail([turn.clone()]).await;
        let file = gmail.content(&world.context, "m", &WantedContent::default()).await.unwrap();
        let read: Result<Vec<Bytes>, _> = file.bytes.try_collect().await;
        assert_eq!(read.unwrap_err().code(), ErrorCode::UpstreamUnavailable, "{turn:?}");
    }
}

#[tokio::test]
async fn labels_are_told_with_all_that_gmail_tells() {
    let label = json!({
        "id": "Label_7", "name": "Zażółć/Ü", "type": "user", "messageListVisibility": "show",
        "labelListVisibility": "labelShow", "messagesTotal": 9, "messagesUnread": 0, "threadsTotal": 4,
        "threadsUnread": 1, "color": {"textColor": "#000000", "backgroundColor": "#ffffff"}, "new": [1],
    });
    let (world, gmail) = gmail([good(&json!({"labels": [label, {"id": "INBOX"}]})), good(&json!({}))]).await;
    let labels = gmail.containers(&world.raw(), &Listing::default()).await.unwrap().items;
    assert_eq!(world.lines(), ["GET /gmail/v1/users/me/labels"]);
    assert_eq!((labels[0].name.as_str(), labels[0].raw.as_ref()), ("Zażółć/Ü", Some(&label)));
    assert_eq!(
        Value::Object(labels[0].extra.clone()),
        json!({
            "type": "user", "message_list_visibility": "show", "label_list_visibility": "labelShow",
            "messages": 9, "unread_messages": 0, "threads": 4, "unread_threads": 1,
            "text_color": "#000000", "background_color": "#ffffff",
        })
    );
    assert_eq!((labels[1].id.as_str(), labels[1].extra.len()), ("INBOX", 0));
    assert!(gmail.containers(&world.context, &Listing::default()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn the_api_itself_can_be_called() {
    let (world, gmail) = gmail([good(&json!({"emailAddress": "ann@example.com"}))]).await;
    let api = gmail.surfaces().raw.unwrap().api(&world.context).unwrap();
    let profile: Value = api.get(["users", "me", "profile"]).json().await.unwrap();
    assert_eq!(profile["emailAddress"], "ann@example.com");
    assert_eq!(world.lines(), ["GET /gmail/v1/users/me/profile"]);
}
