//! Fetching an issuer's metadata and keys, within stated limits.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use serde::Deserialize;
use url::Url;

use crate::config::{IssuerUrl, is_safe};
use crate::key_set::KeySet;

/// How long metadata and keys together may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The most bytes of a document that are read.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Why the keys could not be had. For the log alone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no answer within {} seconds", DEADLINE.as_secs())]
    Deadline,
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    #[error("the answer was {0}; redirects are not followed")]
    Status(u16),
    #[error("the document is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("the document is not the JSON that it should be")]
    Format,
    #[error("the metadata belong to another issuer")]
    OtherIssuer,
    #[error("the jwks_uri is neither https nor, for an issuer on loopback, loopback")]
    UnsafeKeysUrl,
}

/// The members of the metadata that are looked at (OpenID Connect Discovery, section 3; RFC 8414, section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// A client for issuers: no redirects, no cookies, 5 seconds, the system's authorities and `extra_roots`.
///
/// An issuer on this machine is never asked through a proxy.
pub(crate) fn client(is_loopback: bool, extra_roots: &[Certificate]) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(DEADLINE)
        .timeout(DEADLINE)
        .user_agent("jackfield")
        .tls_certs_merge(extra_roots.iter().cloned());
    if is_loopback { builder.no_proxy().build() } else { builder.https_only(true).build() }
}

/// The keys that `issuer` publishes now.
pub(crate) async fn key_set(client: &Client, issuer: &IssuerUrl) -> Result<KeySet, FetchError> {
    let keys = async {
        let url = keys_url(client, issuer).await?;
        KeySet::parse(&document(client, url).await?).ok_or(FetchError::Format)
    };
    tokio::time::timeout(DEADLINE, keys).await.map_err(|_| FetchError::Deadline)?
}

/// The `jwks_uri` of the first metadata document that exists, which must name this very issuer.
async fn keys_url(client: &Client, issuer: &IssuerUrl) -> Result<Url, FetchError> {
    let [openid, oauth] = issuer.metadata_urls();
    let json = match document(client, openid).await {
        Err(FetchError::Status(404)) => document(client, oauth).await?,
        other => other?,
    };
    let metadata: Metadata = serde_json::from_slice(&json).map_err(|_| FetchError::Format)?;
    if metadata.issuer != issuer.as_str() {
        return Err(FetchError::OtherIssuer);
    }
    let url = Url::parse(&metadata.jwks_uri).map_err(|_| FetchError::Format)?;
    let allowed = url.scheme() == "https" || issuer.is_loopback();
    if allowed && is_safe(&url) { Ok(url) } else { Err(FetchError::UnsafeKeysUrl) }
}

async fn document(client: &Client, url: Url) -> Result<Vec<u8>, FetchError> {
    let mut response = client.get(url).header("accept", "application/json").send().await?;
    if !response.status().is_success() {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_DOCUMENT_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
