//! A file as an item: <https://developers.google.com/workspace/drive/api/reference/rest/v3/files#File>

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::{moment, put};
use crate::{Author, Item};

/// The media type of folders.
const FOLDER: &str = "application/vnd.google-apps.folder";

/// What is asked for where the whole answer is not wanted: all that items tell.
pub(super) const FIELDS: &str = "id,name,mimeType,description,starred,trashed,parents,version,webViewLink,\
    createdTime,modifiedTime,owners,lastModifyingUser,driveId,shared,size,md5Checksum,headRevisionId,\
    originalFilename,shortcutDetails,exportLinks";

/// A file. What an answer leaves out is empty, but for the id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) id: String,
    name: Option<String>,
    #[serde(default)]
    mime_type: String,
    description: Option<String>,
    starred: Option<bool>,
    trashed: Option<bool>,
    shared: Option<bool>,
    #[serde(default)]
    parents: Vec<String>,
    /// A number in text.
    version: Option<String>,
    web_view_link: Option<String>,
    created_time: Option<String>,
    modified_time: Option<String>,
    #[serde(default)]
    owners: Vec<User>,
    last_modifying_user: Option<User>,
    drive_id: Option<String>,
    /// A number in text.
    size: Option<String>,
    md5_checksum: Option<String>,
    head_revision_id: Option<String>,
    original_filename: Option<String>,
    shortcut_details: Option<Shortcut>,
    #[serde(default)]
    export_links: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct User {
    permission_id: Option<String>,
    display_name: Option<String>,
    email_address: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Shortcut {
    target_id: Option<String>,
    target_mime_type: Option<String>,
}

/// The item that a file is.
pub(super) fn item(file: &File, raw: Option<Value>) -> Item {
    Item {
        id: file.id.clone(),
        kind: if file.mime_type == FOLDER { "folder" } else { "file" },
        title: file.name.clone(),
        text: file.description.clone().filter(|text| !text.is_empty()),
        url: file.web_view_link.clone(),
        author: file.owners.first().map(author),
        container_id: file.parents.first().or(file.drive_id.as_ref()).cloned(),
        created_at: file.created_time.as_deref().and_then(moment),
        updated_at: file.modified_time.as_deref().and_then(moment),
        etag: file.version.clone(),
        extra: extra(file),
        raw,
    }
}

fn author(user: &User) -> Author {
    Author {
        id: user.permission_id.clone(),
        name: user.display_name.clone(),
        email: user.email_address.clone(),
    }
}

fn extra(file: &File) -> Map<String, Value> {
    let mut extra = Map::new();
    put(&mut extra, "mime_type", file.mime_type.as_str());
    put(&mut extra, "size_bytes", file.size.as_deref().and_then(|size| size.parse::<u64>().ok()));
    put(&mut extra, "md5_checksum", file.md5_checksum.as_deref());
    put(&mut extra, "revision_id", file.head_revision_id.as_deref());
    put(&mut extra, "original_filename", file.original_filename.as_deref());
    put(&mut extra, "parent_ids", file.parents.clone());
    put(&mut extra, "drive_id", file.drive_id.as_deref());
    put(&mut extra, "is_starred", file.starred);
    put(&mut extra, "is_trashed", file.trashed);
    put(&mut extra, "is_shared", file.shared);
    if let Some(user) = &file.last_modifying_user {
        let mut by = Map::new();
        put(&mut by, "id", user.permission_id.as_deref());
        put(&mut by, "name", user.display_name.as_deref());
        put(&mut by, "email", user.email_address.as_deref());
        put(&mut extra, "updated_by", by);
    }
    if let Some(shortcut) = &file.shortcut_details {
        put(&mut extra, "target_id", shortcut.target_id.as_deref());
        put(&mut extra, "target_mime_type", shortcut.target_mime_type.as_deref());
    }
    put(&mut extra, "export_types", file.export_links.keys().map(String::as_str).collect::<Vec<_>>());
    extra
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_items_tell_is_asked_for() {
        let user = json!({"displayName": "Ann", "emailAddress": "ann@example.com", "permissionId": "7"});
        let file = json!({
            "id": "f", "name": "A", "mimeType": "application/vnd.google-apps.shortcut", "description": "d",
            "starred": false, "trashed": true, "shared": true, "parents": ["p"], "version": "9",
            "webViewLink": "https://drive.google.com/f", "createdTime": "2026-11-01T00:00:00Z",
            "modifiedTime": "2026-11-02T00:00:00Z", "owners": [user], "lastModifyingUser": user, "driveId": "d1",
            "size": "12", "md5Checksum": "m", "headRevisionId": "r", "originalFilename": "a.txt",
            "shortcutDetails": {"targetId": "t"}, "exportLinks": {"text/plain": "https://x"},
        });
        for name in file.as_object().unwrap().keys() {
            assert!(FIELDS.split(',').any(|field| field == name), "{name}");
        }
        let item = item(&serde_json::from_value(file).unwrap(), None);
        assert_eq!(
            (item.kind, item.etag.as_deref(), item.container_id.as_deref()),
            ("file", Some("9"), Some("p"))
        );
        assert_eq!(item.author.unwrap().email.as_deref(), Some("ann@example.com"));
        assert_eq!(
            Value::Object(item.extra),
            json!({
                "mime_type": "application/vnd.google-apps.shortcut", "size_bytes": 12, "md5_checksum": "m",
                "revision_id": "r", "original_filename": "a.txt", "parent_ids": ["p"], "drive_id": "d1",
                "is_starred": false, "is_trashed": true, "is_shared": true,
                "updated_by": {"id": "7", "name": "Ann", "email": "ann@example.com"}, "target_id": "t",
                "export_types": ["text/plain"],
            })
        );
    }
}
