//! What messages carry, and messages whole.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::connector::{GmailConnector, fetch, path};
use super::decoding::decoded;
use super::header::parameter;
use super::message::Part;
use crate::answer::url_base64;
use crate::content::{BINARY, Content, File, WantedContent};
use crate::http::Api;
use crate::{Context, Error};

/// The name by which errors call Gmail.
const GMAIL: &str = "Gmail";

#[async_trait]
impl Content for GmailConnector {
    /// An attachment, by its `part_id` or its `id`; without `part`, the whole message as it was sent (RFC 5322).
    async fn content(&self, context: &Context, id: &str, wanted: &WantedContent) -> Result<File, Error> {
        if wanted.media_type.is_some() {
            let detail = "media_type must be left out: Gmail converts nothing";
            return Err(Error::invalid("", detail));
        }
        let api = self.api(context);
        match wanted.part.as_deref() {
            Some(part) => attached(&api, id, part).await,
            None => whole(&api, id).await,
        }
    }
}

async fn whole(api: &Api<'_>, id: &str) -> Result<File, Error> {
    let request = api.get(path(&["messages", id])).query("format", "raw").query("fields", "raw");
    let download = request.about("message", id).download().await?;
    Ok(File {
        name: Some(format!("{id}.eml")),
        media_type: "message/rfc822".to_owned(),
        length: None,
        bytes: decoded(download, GMAIL, "raw"),
    })
}

/// Gmail gives an attachment another id each time that its message is read, and takes all of them; so one that is not
/// found in the message is asked for all the same, and its name and type are then not known.
async fn attached(api: &Api<'_>, message: &str, wanted: &str) -> Result<File, Error> {
    let whole = fetch(api, message).await?.known;
    let leaves = whole.payload.leaves();
    let is_meant = |part: &&&Part| part.id == wanted || part.body.attachment_id.as_deref() == Some(wanted);
    let part = leaves.iter().find(is_meant);
    let (name, media_type) = part.map_or_else(|| (None, BINARY.to_owned()), |part| told(part));
    let held = part.and_then(|part| held(part));
    if let Some(bytes) = held {
        let length = u64::try_from(bytes.len()).ok();
        let bytes = stream::iter([Ok(bytes)]).boxed();
        return Ok(File { name, media_type, length, bytes });
    }
    let id = part.and_then(|part| part.body.attachment_id.as_deref()).unwrap_or(wanted);
    let request = api.get(path(&["messages", message, "attachments", id])).query("fields", "data");
    let download = request.about("attachment", wanted).download().await?;
    Ok(File { name, media_type, length: None, bytes: decoded(download, GMAIL, "data") })
}

/// What a part is called, and its media type with the encoding of its letters.
fn told(part: &Part) -> (Option<String>, String) {
    let name = Some(part.filename.clone()).filter(|name| !name.is_empty());
    let media_type = match parameter(part.header("content-type"), "charset") {
        _ if part.mime_type.is_empty() => BINARY.to_owned(),
        Some(charset) => format!("{}; charset={charset}", part.mime_type),
        None => part.mime_type.clone(),
    };
    (name, media_type)
}

/// The bytes that stand in the message itself.
fn held(part: &Part) -> Option<Bytes> {
    match (&part.body.data, &part.body.attachment_id) {
        (Some(data), _) => url_base64(data).map(Bytes::from),
        (None, None) if part.body.size == 0 && part.parts.is_empty() => Some(Bytes::new()),
        (None, _) => None,
    }
}
