//! A provider's metadata document (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2), fetched within limits.

use std::time::Duration;

use http::Method;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use url::Url;

/// How long looking in both places together may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// The most bytes of a document that are read.
const MAX_BYTES: usize = 256 * 1024;

/// Where a provider says that its endpoints are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) authorization: Option<Url>,
    pub(super) token: Option<Url>,
    pub(super) userinfo: Option<Url>,
    pub(super) revocation: Option<Url>,
    pub(super) promises_iss: bool,
}

/// Why there are no metadata. For the log alone.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {} seconds", DEADLINE.as_secs())]
    Deadline,
    #[error("the issuer is no URL")]
    Issuer,
    #[error("there is no way to an issuer that a user names")]
    NoWay,
    #[error("the issuer may not be asked")]
    Refused(#[from] outbound::Error),
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    #[error("the answer was {0}; redirects are not followed")]
    Status(u16),
    #[error("the document is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the document is not the JSON that it should be")]
    Format,
    #[error("the metadata belong to another issuer")]
    OtherIssuer,
    #[error("{0} is neither https nor, for an issuer on http, http")]
    UnsafeUrl(&'static str),
}

/// How an issuer is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'a> {
    /// Wherever it is.
    Open(&'a Client),
    /// Where the guard lets it through, if there is one.
    Guarded(Option<&'a outbound::Client>),
}

impl Way<'_> {
    fn get(self, url: Url) -> Result<RequestBuilder, FetchError> {
        match self {
            Self::Open(client) => Ok(client.get(url)),
            Self::Guarded(client) => Ok(client.ok_or(FetchError::NoWay)?.request(Method::GET, url)?),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The metadata of `issuer`, from the first place that has them.
pub(super) async fn fetch(way: Way<'_>, issuer: &str) -> Result<Metadata, FetchError> {
    let url = Url::parse(issuer).map_err(|_| FetchError::Issuer)?;
    let found = async {
        let [openid, oauth] = places(&url);
        match document(way, openid).await {
            // Servers without a page there answer in many ways, some by redirecting to their login.
            Err(FetchError::Status(300..=499)) => document(way, oauth).await,
            other => other,
        }
    };
    let body = tokio::time::timeout(DEADLINE, found).await.map_err(|_| FetchError::Deadline)??;
    parse(&body, issuer, url.scheme() == "http")
}

/// OpenID Connect Discovery, section 4.1, and RFC 8414, section 3.1.
fn places(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    [
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

async fn document(way: Way<'_>, url: Url) -> Result<Vec<u8>, FetchError> {
    let request = way.get(url.clone())?.timeout(DEADLINE).header("accept", "application/json");
    let mut response = request.send().await?;
    // Should the client follow redirects, the answer is still none of the issuer's.
    if !response.status().is_success() || *response.url() != url {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse(body: &[u8], issuer: &str, may_be_http: bool) -> Result<Metadata, FetchError> {
    let document: Document = serde_json::from_slice(body).map_err(|_| FetchError::Format)?;
    if document.issuer != issuer {
        return Err(FetchError::OtherIssuer);
    }
    let endpoint = |name, text: Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let url = Url::parse(&text).map_err(|_| FetchError::Format)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let allowed = url.scheme() == "https" || (url.scheme() == "http" && may_be_http);
        if bare && allowed && url.has_host() { Ok(Some(url)) } else { Err(FetchError::UnsafeUrl(name)) }
    };
    Ok(Metadata {
        authorization: endpoint("authorization_endpoint", document.authorization_endpoint)?,
        token: endpoint("token_endpoint", document.token_endpoint)?,
        userinfo: endpoint("userinfo_endpoint", document.userinfo_endpoint)?,
        revocation: endpoint("revocation_endpoint", document.revocation_endpoint)?,
        promises_iss: document.authorization_response_iss_parameter_supported,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_sought_in_both_places() {
        let urls = |issuer: &str| places(&Url::parse(issuer).unwrap()).map(String::from);
        assert_eq!(
            urls("https://idp.example/realms/a/"),
            [
                "https://idp.example/realms/a/.well-known/openid-configuration",
                "https://idp.example/.well-known/oauth-authorization-server/realms/a",
            ]
        );
        assert_eq!(
            urls("https://idp.example")[1],
            "https://idp.example/.well-known/oauth-authorization-server"
        );
    }

    #[test]
    fn metadata_of_another_issuer_and_unsafe_endpoints_are_refused() {
        let read = |json: &str| parse(json.as_bytes(), "https://idp.example", false);
        assert!(
            read(r#"{"issuer": "https://idp.example", "token_endpoint": "https://x.example/t"}"#).is_ok()
        );
        assert!(matches!(read(r#"{"issuer": "https://idp.example/"}"#), Err(FetchError::OtherIssuer)));
        for endpoint in
            ["http://idp.example/t", "file:///etc/passwd", "https://u:p@idp.example/", "https://a/#x"]
        {
            let json = format!(r#"{{"issuer": "https://idp.example", "token_endpoint": "{endpoint}"}}"#);
            assert!(matches!(read(&json), Err(FetchError::UnsafeUrl("token_endpoint"))), "{endpoint}");
        }
        for json in [
            "",
            "<html>",
            "[]",
            r#"{"issuer": 1}"#,
            r#"{"issuer": "https://idp.example", "token_endpoint": "x"}"#,
        ] {
            assert!(matches!(read(json), Err(FetchError::Format)), "{json}");
        }
    }
}
