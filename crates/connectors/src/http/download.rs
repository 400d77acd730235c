//! An answer that is read as it comes.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, StatusCode};
use model::ErrorCode;
use reqwest::Response;

use super::answer::media_type;
use super::gate::Permit;
use super::trouble::upstream;
use super::vendor::Vendor;
use crate::Error;

/// An answer whose body has not been read. It counts as a call that is under way until it is read or dropped.
#[derive(Debug)]
pub struct Download {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    pub(super) rest: Rest,
}

/// The part of an answer that has not been read.
#[derive(Debug)]
pub(super) struct Rest {
    /// What was read already, to see whether it is a refusal.
    pub(super) read: Bytes,
    /// `None` where there is no more.
    pub(super) response: Option<Response>,
    /// Whether it has broken off after that.
    pub(super) is_broken: bool,
    /// That it is under way.
    pub(super) permit: Option<Permit>,
    pub(super) vendor: &'static Vendor,
    /// How long it may stand still.
    pub(super) patience: Duration,
}

impl Download {
    /// A header as text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Its media type, without parameters; empty where it says none.
    pub fn content_type(&self) -> &str {
        media_type(&self.headers)
    }

    /// How many bytes it has, as far as it says.
    pub fn content_length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.parse().ok()
    }

    /// The bytes, each piece asked for when the one before is taken. What fails is the last that it gives: an answer that
    /// breaks off, or stands still for longer than an attempt may take.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        stream::unfold(Some(self.rest), |rest| async {
            let mut rest = rest?;
            match rest.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(rest))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

impl Rest {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.read.is_empty() {
            return Ok(Some(std::mem::take(&mut self.read)));
        }
        if self.is_broken {
            return Err(self.broken());
        }
        let Some(response) = self.response.as_mut() else { return Ok(None) };
        match tokio::time::timeout(self.patience, response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(_)) => Err(self.broken()),
            Err(_) => {
                let detail = format!("it sent nothing for {} s", self.patience.as_secs());
                Err(upstream(self.vendor, ErrorCode::UpstreamTimeout, &detail))
            }
        }
    }

    fn broken(&self) -> Error {
        let detail = "it broke off in the middle of what it was sending";
        upstream(self.vendor, ErrorCode::UpstreamUnavailable, detail)
    }
}
