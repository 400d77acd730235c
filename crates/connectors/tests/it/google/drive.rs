//! Google Drive: as it is emulated, with files in it, and for its gaps as told.

use connectors::connector::{Connector as _, Data as _, Listing};
use connectors::content::{Content as _, WantedContent};
use connectors::drive::DriveConnector;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};
use testkit::Emulate;

use super::world::{World, bytes};
use crate::caller::{fields, filtered, ids, pages_of};
use crate::http::vendor::{FakeVendor, Turn, good, status};

async fn emulated() -> (World<Emulate>, DriveConnector) {
    let world = World::emulated().await;
    let drive = DriveConnector::new(&world.http);
    (world, drive)
}

async fn fake(turns: impl IntoIterator<Item = Turn>) -> (World<FakeVendor>, DriveConnector) {
    let world = World::fake(turns).await;
    let drive = DriveConnector::new(&world.http);
    (world, drive)
}

/// As it is.
fn plain() -> WantedContent {
    WantedContent::default()
}

#[tokio::test]
async fn files_are_listed_page_by_page() {
    let (world, drive) = emulated().await;
    drive.test(&world.context).await.unwrap();
    let all = drive.list(&world.raw(), &pages_of(50)).await.unwrap();
    let mut seen = ids(&all.items);
    seen.sort_unstable();
    assert_eq!(seen, ["file-1", "file-2", "folder-1"]);
    let table = all.items.iter().find(|item| item.id == "file-1").unwrap();
    assert_eq!((table.kind, table.title.as_deref()), ("file", Some("2026-118.csv")));
    assert_eq!(table.container_id.as_deref(), Some("folder-1"));
    assert_eq!(table.extra["mime_type"], "text/csv");
    assert!(table.created_at.is_some() && table.updated_at.is_some());
    assert_eq!(table.raw.as_ref().unwrap()["kind"], "drive#file");
    assert_eq!(all.items.iter().find(|item| item.id == "folder-1").unwrap().kind, "folder");

    let mut paged = Vec::new();
    let mut listing = pages_of(2);
    loop {
        let page = drive.list(&world.context, &listing).await.unwrap();
        paged.extend(page.items.into_iter().map(|item| item.id));
        let Some(next) = page.next else { break };
        listing = Listing { cursor: Some(next), ..listing };
    }
    assert_eq!(paged, ids(&all.items));
}

#[tokio::test]
async fn files_are_found_and_narrowed() {
    let (world, drive) = emulated().await;
    let folder = drive.list(&world.context, &filtered(&[("folder_id", "folder-1")])).await.unwrap();
    assert_eq!(ids(&folder.items), ["file-1"]);
    let found = drive.search(&world.context, "mimeType = 'text/plain'", &pages_of(50)).await.unwrap();
    assert_eq!(ids(&found.items), ["file-2"]);
    let nonsense = drive.list(&world.context, &filtered(&[("include_trashed", "yes")])).await.unwrap_err();
    assert_eq!(nonsense.code(), ErrorCode::ValidationFailed);
}

#[tokio::test]
async fn a_file_is_read_and_downloaded() {
    let (world, drive) = emulated().await;
    let item = drive.get(&world.raw(), "file-2").await.unwrap();
    assert_eq!(
        (item.title.as_deref(), item.raw.unwrap()["name"].clone()),
        (Some("Notes.txt"), json!("Notes.txt"))
    );
    let download = drive.content(&world.context, "file-2", &plain()).await.unwrap();
    assert_eq!((download.media_type.as_str(), download.name.as_deref()), ("text/plain", Some("Notes.txt")));
    assert_eq!(bytes(download).await, b"Call Ben about the invoice.\n");
    assert_eq!(drive.get(&world.context, "none").await.unwrap_err().to_string(), "there is no file none");
    let error = drive.content(&world.context, "none", &plain()).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no file none");
}

#[tokio::test]
async fn what_is_uploaded_is_downloaded() {
    let (world, drive) = emulated().await;
    let folder = fields(json!({"title": "Plans", "mime_type": "application/vnd.google-apps.folder"}));
    let folder = drive.create(&world.context, &folder).await.unwrap();
    assert_eq!(folder.kind, "folder");
    // The emulator reads names beside an upload as Latin-1.
    let file = fields(json!({
        "title": "a.bin", "mime_type": "application/x-test", "parent_ids": [folder.id], "content": "AAEC/w0KDQo=",
    }));
    let file = drive.create(&world.context, &file).await.unwrap();
    assert_eq!((file.title.as_deref(), &file.extra["size_bytes"]), (Some("a.bin"), &json!(8)));
    let within = drive.list(&world.context, &filtered(&[("folder_id", &folder.id)])).await.unwrap();
    assert_eq!(ids(&within.items), [file.id.as_str()]);
    let download = drive.content(&world.context, &file.id, &plain()).await.unwrap();
    assert_eq!(bytes(download).await, [0, 1, 2, 255, 13, 10, 13, 10]);

    let moved =
        fields(json!({"title": "b", "add_parent_ids": ["folder-1"], "remove_parent_ids": [folder.id]}));
    let moved = drive.update(&world.context, &file.id, &moved).await.unwrap();
    assert_eq!((moved.title.as_deref(), moved.container_id.as_deref()), (Some("b"), Some("folder-1")));
    let error = drive.update(&world.context, "none", &fields(json!({"title": "b"}))).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no file none");
}

#[tokio::test]
async fn what_is_sent_is_what_drive_documents() {
    let file = json!({"id": "f", "name": "a", "trashed": true});
    let (world, drive) = fake((0..5).map(|_| good(&file))).await;
    let change = fields(
        json!({"text": "x", "is_starred": true, "is_trashed": false, "raw": {"writersCanShare": false}}),
    );
    drive.update(&world.context, "f", &change).await.unwrap();
    let content = fields(json!({"title": "zażółć", "content": "YWJj", "mime_type": "text/plain"}));
    drive.update(&world.raw(), "f", &content).await.unwrap();
    drive.delete(&world.context, "f").await.unwrap();
    let listing = Listing { cursor: Some("p2".into()), ..filtered(&[("drive_id", "d1")]) };
    drive.search(&world.raw(), "Ben's plan", &listing).await.unwrap();
    drive.get(&world.raw(), "f").await.unwrap();

    let lines: Vec<String> =
        world.lines().iter().map(|line| line.split("&fields=").next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "PATCH /drive/v3/files/f?supportsAllDrives=true",
            "PATCH /upload/drive/v3/files/f?supportsAllDrives=true",
            "PATCH /drive/v3/files/f?supportsAllDrives=true",
            "GET /drive/v3/files?q=fullText+contains+%27Ben%5C%27s+plan%27+and+trashed+%3D+false&pageSize=50\
             &pageToken=p2&corpora=drive&driveId=d1&supportsAllDrives=true&includeItemsFromAllDrives=true",
            "GET /drive/v3/files/f?supportsAllDrives=true",
        ]
    );
    assert_eq!(
        world.sent(0),
        json!({"writersCanShare": false, "description": "x", "starred": true, "trashed": false})
    );
    assert!(world.lines()[1].ends_with("&fields=*&uploadType=multipart"), "{:?}", world.lines());
    let upload = String::from_utf8(world.vendor.asked()[1].body.to_vec()).unwrap();
    assert!(
        upload.contains("{\"name\":\"zażółć\",\"mimeType\":\"text/plain\"}")
            && upload.contains("\r\n\r\nabc\r\n"),
        "{upload}"
    );
    assert_eq!(world.sent(2), json!({"trashed": true}));
    assert!(world.lines()[3].ends_with("&fields=nextPageToken%2Cfiles%28*%29"), "{:?}", world.lines());
}

#[tokio::test]
async fn troubles_are_told_apart() {
    let reason =
        |reason: &str| json!({"error": {"code": 403, "message": "No.", "errors": [{"reason": reason}]}});
    let limited = || status(403, &reason("userRateLimitExceeded"));
    for (turns, code) in [
        (vec![limited(), limited(), limited()], ErrorCode::UpstreamRateLimited),
        (vec![status(403, &reason("insufficientPermissions"))], ErrorCode::InsufficientScope),
        (vec![status(403, &reason("insufficientFilePermissions"))], ErrorCode::UpstreamRejected),
        (vec![status(404, &reason("notFound"))], ErrorCode::NotFound),
    ] {
        let (world, drive) = fake(turns).await;
        assert_eq!(drive.get(&world.context, "f").await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn a_page_may_be_empty_and_not_the_last() {
    let (world, drive) = fake([good(&json!({"files": [], "nextPageToken": "p2"}))]).await;
    let page = drive.list(&world.context, &pages_of(10)).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("p2")));
}

#[tokio::test]
async fn an_upload_is_not_repeated_and_throwing_away_is() {
    let (world, drive) =
        fake([status(503, &json!({})), status(503, &json!({})), good(&json!({"id": "f"}))]).await;
    let file: Value = json!({"title": "a", "content": "YQ"});
    let error = drive.create(&world.context, &fields(file)).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 1));
    drive.delete(&world.context, "f").await.unwrap();
    assert_eq!(world.vendor.calls(), 3);
}

#[tokio::test]
async fn a_root_may_be_named_as_the_vendor_documents_it() {
    for path in ["/", "/drive/v3", "/drive/v3/"] {
        let world = World::fake_at(path, (0..2).map(|_| good(&json!({"id": "f"})))).await;
        let drive = DriveConnector::new(&world.http);
        drive.get(&world.context, "f").await.unwrap();
        drive.update(&world.context, "f", &fields(json!({"content": "YQ"}))).await.unwrap();
        let asked = world.vendor.asked();
        let paths: Vec<&str> = asked.iter().map(|asked| asked.uri.path()).collect();
        assert_eq!(paths, ["/drive/v3/files/f", "/upload/drive/v3/files/f"], "{path}");
    }
}
