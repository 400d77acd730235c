//! A message as Gmail gives it:
//! <https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages#Message>

use serde::Deserialize;

/// A message. What an answer leaves out is empty, but for the id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) id: String,
    #[serde(default)]
    pub(super) thread_id: String,
    #[serde(default)]
    pub(super) label_ids: Vec<String>,
    #[serde(default)]
    pub(super) snippet: String,
    pub(super) history_id: Option<String>,
    /// Milliseconds since the epoch.
    pub(super) internal_date: Option<String>,
    pub(super) size_estimate: Option<u64>,
    #[serde(default)]
    pub(super) payload: Part,
}

/// A part of the tree that a message is (RFC 2045).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Part {
    #[serde(rename = "partId")]
    pub(super) id: String,
    pub(super) mime_type: String,
    pub(super) filename: String,
    pub(super) headers: Vec<Header>,
    pub(super) body: Body,
    pub(super) parts: Vec<Part>,
}

/// A header, decoded or not.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
}

/// What a part holds: bytes, or where they can be had.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Body {
    pub(super) attachment_id: Option<String>,
    pub(super) size: u64,
    /// base64url.
    pub(super) data: Option<String>,
}

impl Part {
    /// The value of its first header of this name; empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map_or("", |header| header.value.as_str())
    }

    /// Whether it is of this media type.
    pub(super) fn is(&self, mime_type: &str) -> bool {
        self.mime_type.eq_ignore_ascii_case(mime_type)
    }

    /// Whether it holds other parts that belong to the same message.
    pub(super) fn is_multipart(&self) -> bool {
        self.mime_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
    }

    /// Whether it is a text that is shown as the message itself.
    pub(super) fn is_shown(&self) -> bool {
        let is_text = self.is("text/plain") || self.is("text/html") || self.mime_type.is_empty();
        is_text && self.filename.is_empty() && !self.is_disposed_as("attachment")
    }

    /// Whether its `Content-Disposition` is this (RFC 2183).
    pub(super) fn is_disposed_as(&self, disposition: &str) -> bool {
        let value = self.header("content-disposition");
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(disposition)
    }

    /// The leaves of the tree, in their order. What is in an attached message is part of the tree, too.
    pub(super) fn leaves(&self) -> Vec<&Part> {
        let is_leaf = self.parts.is_empty() && !self.is_multipart();
        let own = is_leaf || !self.filename.is_empty();
        own.then_some(self).into_iter().chain(self.parts.iter().flat_map(Part::leaves)).collect()
    }

    /// The texts of the message itself, with those that Gmail has left out of its answer because of their size.
    pub(super) fn shown_mut(&mut self) -> Vec<&mut Part> {
        if self.is_multipart() {
            return self.parts.iter_mut().flat_map(Part::shown_mut).collect();
        }
        if self.is_shown() { vec![self] } else { Vec::new() }
    }
}
