//! The bytes of files and the shared drives, where the emulator is simpler than Drive is.

use bytes::Bytes;
use connectors::connector::{Connector as _, Listing};
use connectors::containers::Containers as _;
use connectors::content::{Content as _, WantedContent};
use connectors::drive::DriveConnector;
use futures::TryStreamExt as _;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};

use super::world::{World, bytes, part};
use crate::caller::pages_of;
use crate::http::vendor::{FakeVendor, Turn, good, status};

async fn fake(turns: impl IntoIterator<Item = Turn>) -> (World<FakeVendor>, DriveConnector) {
    let world = World::fake(turns).await;
    let drive = DriveConnector::new(&world.http);
    (world, drive)
}

fn exported_to(media_type: &str) -> WantedContent {
    WantedContent { part: None, media_type: Some(media_type.to_owned()) }
}

fn document() -> Turn {
    let links = json!({"application/pdf": "https://x.example/1", "text/markdown": "https://x.example/2"});
    good(&json!({"name": "Plan", "mimeType": "application/vnd.google-apps.document", "exportLinks": links}))
}

fn of_type(media_type: &str, body: &'static [u8]) -> Turn {
    Turn::Answer(200, vec![("content-type", media_type.to_owned())], Bytes::from_static(body))
}

const ABOUT: &str =
    "supportsAllDrives=true&fields=name%2CmimeType%2CexportLinks%2CshortcutDetails%28targetId%29";

#[tokio::test]
async fn a_document_is_exported() {
    let too_large = json!({"error": {"code": 403, "message": "Too large.", "errors": [{"reason": "exportSizeLimitExceeded"}]}});
    let turns = [document(), of_type("application/pdf", b"%PDF-"), document(), status(403, &too_large)];
    let (world, drive) = fake(turns).await;
    let file = drive.content(&world.context, "d", &exported_to("application/pdf")).await.unwrap();
    assert_eq!(
        world.lines(),
        [
            format!("GET /drive/v3/files/d?{ABOUT}"),
            "GET /drive/v3/files/d/export?mimeType=application%2Fpdf".to_owned(),
        ]
    );
    assert_eq!((file.name.as_deref(), file.media_type.as_str()), (Some("Plan.pdf"), "application/pdf"));
    assert_eq!(bytes(file).await, b"%PDF-");
    let error = drive.content(&world.context, "d", &exported_to("application/pdf")).await.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().ends_with("Too large.")),
        (ErrorCode::UpstreamRejected, true)
    );
}

#[tokio::test]
async fn a_document_without_a_media_type_names_those_there_are() {
    for wanted in [WantedContent::default(), exported_to("image/png")] {
        let (world, drive) = fake([document()]).await;
        let error = drive.content(&world.context, "d", &wanted).await.unwrap_err();
        assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::ValidationFailed, 1));
        let told = &error.violations()[0].detail;
        assert!(told.contains("media_type") && told.ends_with("application/pdf, text/markdown"), "{told}");
    }
    let (world, drive) = fake([]).await;
    let error = drive.content(&world.context, "d", &part("1")).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::ValidationFailed, 0));
}

#[tokio::test]
async fn a_file_is_downloaded_as_it_is() {
    let about = || good(&json!({"name": "zażółć.csv", "mimeType": "text/csv"}));
    let (world, drive) =
        fake([about(), of_type("text/csv; charset=utf-8", b"a,b\n"), about(), Turn::Cut]).await;
    let file = drive.content(&world.context, "f", &WantedContent::default()).await.unwrap();
    assert_eq!((file.name.as_deref(), file.media_type.as_str()), (Some("zażółć.csv"), "text/csv"));
    assert_eq!(file.length, Some(4));
    assert_eq!(bytes(file).await, b"a,b\n");
    assert_eq!(
        world.lines(),
        [
            format!("GET /drive/v3/files/f?{ABOUT}"),
            "GET /drive/v3/files/f?supportsAllDrives=true&alt=media".to_owned(),
        ]
    );
    let file = drive.content(&world.context, "f", &WantedContent::default()).await.unwrap();
    let read: Result<Vec<Bytes>, _> = file.bytes.try_collect().await;
    assert_eq!(read.unwrap_err().code(), ErrorCode::UpstreamUnavailable, "it broke off");
}

#[tokio::test]
async fn shared_drives_are_listed() {
    let shared = json!({
        "kind": "drive#drive", "id": "0A1", "name": "Sales", "colorRgb": "#ff0000", "hidden": false,
        "createdTime": "2026-01-02T03:04:05Z", "orgUnitId": "7", "capabilities": {"canEdit": true},
    });
    let turns = [good(&json!({"drives": [shared], "nextPageToken": "p2"})), good(&json!({}))];
    let (world, drive) = fake(turns).await;
    let first = drive.containers(&world.context, &pages_of(1000)).await.unwrap();
    let told = &first.items[0];
    assert_eq!(
        (told.id.as_str(), told.kind, told.name.as_str(), told.raw.as_ref()),
        ("0A1", "drive", "Sales", None)
    );
    assert_eq!(
        Value::Object(told.extra.clone()),
        json!({"color": "#ff0000", "created_at": "2026-01-02T03:04:05Z", "is_hidden": false, "org_unit_id": "7"})
    );
    let last = Listing { cursor: first.next, ..pages_of(2) };
    let last = drive.containers(&world.raw(), &last).await.unwrap();
    assert_eq!((last.items.len(), last.next), (0, None));
    assert_eq!(
        world.lines(),
        [
            "GET /drive/v3/drives?pageSize=100&fields=nextPageToken%2Cdrives%28id%2Cname%2CcolorRgb%2C\
             createdTime%2Chidden%2CorgUnitId%29",
            "GET /drive/v3/drives?pageSize=2&pageToken=p2&fields=nextPageToken%2Cdrives%28*%29",
        ]
    );
    world.vendor.then([good(&json!({"drives": [shared]})), good(&json!({}))]);
    let whole = drive.containers(&world.raw(), &pages_of(2)).await.unwrap();
    assert_eq!(whole.items[0].raw, Some(shared));
    let api = drive.surfaces().raw.unwrap().api(&world.context).unwrap();
    api.get(["about"]).query("fields", "user").done().await.unwrap();
    assert_eq!(world.lines()[3], "GET /drive/v3/about?fields=user");
}

#[tokio::test]
async fn troubles_of_content_are_told_apart() {
    let reason =
        |reason: &str| json!({"error": {"code": 403, "message": "No.", "errors": [{"reason": reason}]}});
    let about = || good(&json!({"name": "a", "mimeType": "text/plain"}));
    for (turns, code) in [
        (vec![status(404, &reason("notFound"))], ErrorCode::NotFound),
        (vec![about(), status(404, &reason("notFound"))], ErrorCode::NotFound),
        (vec![about(), status(403, &reason("cannotDownloadFile"))], ErrorCode::UpstreamRejected),
        (vec![about(), status(403, &reason("insufficientPermissions"))], ErrorCode::InsufficientScope),
    ] {
        let (world, drive) = fake(turns).await;
        let error = drive.content(&world.context, "f", &WantedContent::default()).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
}
