//! Blobs: files that are written once and read whole, under a key that is never used twice.

mod folder;
mod s3;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;

pub use folder::Folder;
pub use s3::{S3, S3Config};

use crate::Error;

/// Names a blob: segments of letters, digits and `._-`, joined by `/`; at most 512 characters, no segment beginning
/// with a dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(String);

impl BlobKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_segment = |segment: &str| {
            !segment.is_empty()
                && !segment.starts_with('.')
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if text.len() <= 512 && text.split('/').all(is_segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::BlobKey)
        }
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A store of blobs. A put is all or nothing and durable when it returns; a get returns whole blobs only.
#[async_trait]
pub trait Blobs: Send + Sync + fmt::Debug {
    /// Writes `content` under `key`, in place of whatever was there.
    async fn put(&self, key: &BlobKey, content: Bytes) -> Result<(), Error>;

    /// Reads the blob; `None` where there is none.
    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, Error>;

    /// Deletes the blob, if it is there.
    async fn delete(&self, key: &BlobKey) -> Result<(), Error>;

    /// Answers if the store can be reached and used.
    async fn check(&self) -> Result<(), Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cannot_leave_the_store() {
        for text in
            ["", "/", "a//b", "../a", "a/..", "a/./b", "/a", "a/", ".tmp/a", "a b", "a\\b", "a\0", "é"]
        {
            assert!(text.parse::<BlobKey>().is_err(), "{text:?}");
        }
        assert!("plugins/card/1.0.0-beta.1/01JABC/index-5f.js.br".parse::<BlobKey>().is_ok());
        assert!("x".repeat(513).parse::<BlobKey>().is_err());
    }
}
