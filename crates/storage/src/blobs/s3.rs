//! Blobs in an S3 bucket, or in what speaks S3's protocol.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{BlobKey, Blobs};
use crate::Error;

/// Deadline of one call, its retries not counted.
const CALL_DEADLINE: Duration = Duration::from_secs(15);
/// Deadline of one operation with all its retries.
const OPERATION_DEADLINE: Duration = Duration::from_secs(25);

/// Which bucket, and by what right.
#[derive(Clone)]
pub struct S3Config {
    /// The server, where it is not AWS itself. Plain `http:` is allowed: the operator wrote it.
    pub endpoint: Option<Url>,
    /// The region, `us-east-1` for most other servers.
    pub region: String,
    /// The bucket. It must exist.
    pub bucket: String,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key.
    pub secret_access_key: SecretString,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config")
            .field("endpoint", &self.endpoint.as_ref().map(Url::as_str))
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// A bucket. Failed calls are repeated with backoff and jitter, within a deadline of 25 s for each operation.
#[derive(Debug)]
pub struct S3 {
    bucket: AmazonS3,
}

impl S3 {
    /// Prepares the client; no call is made yet.
    pub fn new(config: &S3Config) -> Result<Self, Error> {
        let mut builder = AmazonS3Builder::new()
            .with_region(&config.region)
            .with_bucket_name(&config.bucket)
            .with_access_key_id(&config.access_key_id)
            .with_secret_access_key(config.secret_access_key.expose_secret())
            .with_client_options(
                ClientOptions::new().with_connect_timeout(Duration::from_secs(3)).with_timeout(CALL_DEADLINE),
            )
            .with_retry(RetryConfig {
                max_retries: 4,
                retry_timeout: OPERATION_DEADLINE,
                ..RetryConfig::default()
            });
        if let Some(endpoint) = &config.endpoint {
            builder = builder
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_allow_http(endpoint.scheme() == "http");
        }
        Ok(Self { bucket: builder.build().map_err(failed)? })
    }
}

#[async_trait]
impl Blobs for S3 {
    async fn put(&self, key: &BlobKey, content: Bytes) -> Result<(), Error> {
        self.bucket.put(&path(key), content.into()).await.map(drop).map_err(failed)
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, Error> {
        let answer = match self.bucket.get(&path(key)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            answer => answer.map_err(failed)?,
        };
        answer.bytes().await.map(Some).map_err(failed)
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), Error> {
        match self.bucket.delete(&path(key)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            answer => answer.map_err(failed),
        }
    }

    async fn check(&self) -> Result<(), Error> {
        // One page of a listing proves the bucket, the key and the right to use it, and writes nothing.
        self.bucket.list_with_delimiter(Some(&Path::from("health"))).await.map(drop).map_err(failed)
    }
}

fn path(key: &BlobKey) -> Path {
    Path::from(key.as_str())
}

fn failed(error: object_store::Error) -> Error {
    Error::Blobs(Box::new(error))
}
