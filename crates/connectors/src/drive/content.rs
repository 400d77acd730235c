//! The bytes of files: <https://developers.google.com/workspace/drive/api/guides/manage-downloads>

use async_trait::async_trait;
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::connector::DriveConnector;
use crate::content::{BINARY, Content, File, WantedContent};
use crate::http::{Api, Download, Request};
use crate::{Context, Error};

/// What Google's own documents have before their kind. They have no bytes of their own.
const OWN: &str = "application/vnd.google-apps.";

/// What files are called that Google's own documents are exported to:
/// <https://developers.google.com/workspace/drive/api/guides/ref-export-formats>
const ENDINGS: [(&str, &str); 17] = [
    ("application/epub+zip", ".epub"),
    ("application/pdf", ".pdf"),
    ("application/rtf", ".rtf"),
    ("application/vnd.google-apps.script+json", ".json"),
    ("application/vnd.oasis.opendocument.presentation", ".odp"),
    ("application/vnd.oasis.opendocument.spreadsheet", ".ods"),
    ("application/vnd.oasis.opendocument.text", ".odt"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", ".pptx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
    ("application/zip", ".zip"),
    ("image/jpeg", ".jpg"),
    ("image/png", ".png"),
    ("image/svg+xml", ".svg"),
    ("text/csv", ".csv"),
    ("text/markdown", ".md"),
    ("text/plain", ".txt"),
];

/// What decides how a file's bytes are had.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    name: Option<String>,
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    export_links: Map<String, Value>,
    #[serde(default)]
    shortcut_details: Target,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Target {
    target_id: Option<String>,
}

#[async_trait]
impl Content for DriveConnector {
    /// A file as it is, or one of Google's own documents as a file of `media_type`, then at most 10 MB.
    async fn content(&self, context: &Context, id: &str, wanted: &WantedContent) -> Result<File, Error> {
        if wanted.part.is_some() {
            return Err(refused("part must be left out: a file is one piece"));
        }
        let api = self.api(context);
        let known: Known = file(&api, id)
            .query("fields", "name,mimeType,exportLinks,shortcutDetails(targetId)")
            .json()
            .await?;
        if let Some(media_type) = exported(&known, wanted.media_type.as_deref())? {
            let request = api.get(["drive", "v3", "files", id, "export"]).about("file", id);
            let download = request.query("mimeType", media_type).download().await?;
            let name = known.name.map(|name| with_ending(name, media_type));
            return Ok(read(download, name, media_type));
        }
        let download = file(&api, id).query("alt", "media").download().await?;
        Ok(read(download, known.name, &known.mime_type))
    }
}

fn file<'a>(api: &Api<'a>, id: &str) -> Request<'a> {
    api.get(["drive", "v3", "files", id]).about("file", id).query("supportsAllDrives", true)
}

/// The media type that a file is exported to; `None` where it is downloaded as it is.
///
/// # Errors
/// [`Error::Invalid`] with what would be right.
fn exported<'a>(known: &Known, wanted: Option<&'a str>) -> Result<Option<&'a str>, Error> {
    let Some(kind) = known.mime_type.strip_prefix(OWN) else {
        return match wanted {
            Some(wanted) if !wanted.eq_ignore_ascii_case(&known.mime_type) => {
                let detail = format!(
                    "media_type must be left out, or be {}: Drive converts Google's own documents alone",
                    known.mime_type
                );
                Err(refused(detail))
            }
            _ => Ok(None),
        };
    };
    let types: Vec<&str> = known.export_links.keys().map(String::as_str).collect();
    match (kind, wanted) {
        ("folder", _) => Err(refused("a folder has no content: list the files in it by folder_id")),
        ("shortcut", _) => {
            let target = known.shortcut_details.target_id.as_deref().unwrap_or("its target_id");
            Err(refused(format!("a shortcut has no content of its own: ask for that of {target}")))
        }
        _ if types.is_empty() => Err(refused(format!("Drive exports no document of the kind {kind}"))),
        (_, Some(wanted)) if types.contains(&wanted) => Ok(Some(wanted)),
        _ => {
            let types = types.join(", ");
            Err(refused(format!("media_type must say what this document is exported to: {types}")))
        }
    }
}

fn refused(detail: impl Into<String>) -> Error {
    Error::invalid("", detail)
}

fn read(download: Download, name: Option<String>, media_type: &str) -> File {
    let media_type = [media_type, download.content_type(), BINARY].into_iter().find(|each| !each.is_empty());
    File {
        name,
        media_type: media_type.unwrap_or(BINARY).to_owned(),
        length: download.content_length(),
        bytes: download.into_stream().boxed(),
    }
}

fn with_ending(name: String, media_type: &str) -> String {
    let ending = ENDINGS.iter().find(|(known, _)| *known == media_type).map_or("", |(_, ending)| ending);
    if name.to_lowercase().ends_with(ending) { name } else { name + ending }
}

#[cfg(test)]
mod tests {
    use model::Coded as _;
    use serde_json::json;

    use super::*;

    fn of(known: Value, wanted: Option<&str>) -> Result<Option<String>, String> {
        let known: Known = serde_json::from_value(known).unwrap();
        let decided = exported(&known, wanted).map(|exported| exported.map(str::to_owned));
        decided.map_err(|error| error.violations()[0].detail.clone())
    }

    #[test]
    fn own_documents_are_exported_and_others_are_not() {
        let links = json!({"application/pdf": "https://x", "text/plain": "https://y"});
        let document = json!({"mimeType": "application/vnd.google-apps.document", "exportLinks": links});
        assert_eq!(of(document.clone(), Some("text/plain")), Ok(Some("text/plain".into())));
        for wanted in [None, Some("image/png")] {
            let told = of(document.clone(), wanted).unwrap_err();
            assert!(told.ends_with("exported to: application/pdf, text/plain"), "{told}");
        }
        let table = json!({"mimeType": "text/csv"});
        assert_eq!(of(table.clone(), None), Ok(None));
        assert_eq!(of(table.clone(), Some("Text/CSV")), Ok(None));
        assert!(of(table, Some("application/pdf")).unwrap_err().contains("be text/csv"));
        for (kind, told) in
            [("folder", "folder_id"), ("shortcut", "that of f2"), ("form", "no document of the kind form")]
        {
            let known = json!({"mimeType": format!("{OWN}{kind}"), "shortcutDetails": {"targetId": "f2"}});
            assert!(of(known, Some("text/plain")).unwrap_err().contains(told), "{kind}");
        }
    }

    #[test]
    fn what_is_exported_is_called_after_what_it_is() {
        assert_eq!(with_ending("Plan".into(), "application/pdf"), "Plan.pdf");
        assert_eq!(with_ending("Plan.PDF".into(), "application/pdf"), "Plan.PDF");
        assert_eq!(with_ending("Plan".into(), "application/x-new"), "Plan");
    }
}
