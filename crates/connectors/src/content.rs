//! The bytes of items.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Context, Error};

/// The media type of bytes of which nothing else is known (RFC 2046, section 4.5.1).
pub const BINARY: &str = "application/octet-stream";

/// Files, and what messages carry.
#[async_trait]
pub trait Content: Send + Sync {
    /// The bytes of the item of this id.
    async fn content(&self, context: &Context, id: &str, wanted: &WantedContent) -> Result<File, Error>;
}

/// Which bytes of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedContent {
    /// One of the things that the item carries, by its id: an attachment.
    pub part: Option<String>,
    /// The media type that it is to be converted to, where the vendor does that.
    pub media_type: Option<String>,
}

/// Bytes, as they come.
pub struct File {
    /// What it is called, where that is known.
    pub name: Option<String>,
    /// Its media type; `application/octet-stream` where the vendor tells none.
    pub media_type: String,
    /// How many bytes there are, where that is known.
    pub length: Option<u64>,
    /// The bytes, each piece asked for when the one before is taken.
    pub bytes: BoxStream<'static, Result<Bytes, Error>>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("File");
        debug.field("media_type", &self.media_type).field("length", &self.length).finish_non_exhaustive()
    }
}
