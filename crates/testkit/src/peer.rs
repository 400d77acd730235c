//! What providers that others wrote are asked about themselves.

use std::time::Duration;

use anyhow::ensure;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

/// A request that a provider got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which endpoint: a word for `oidc-provider`, a path for the emulated ones.
    pub endpoint: String,
    /// The `grant_type` of a token request.
    pub grant_type: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The `error` of the answer, if it was an OAuth error.
    pub error: Option<String>,
}

impl Asked {
    /// Whether it is a token request of this grant type.
    pub fn is_of_grant_type(&self, grant_type: &str) -> bool {
        self.grant_type.as_deref() == Some(grant_type)
    }
}

/// A client for the test routes.
pub(crate) fn client() -> anyhow::Result<Client> {
    let no_redirects = reqwest::redirect::Policy::none();
    Ok(Client::builder().timeout(Duration::from_secs(30)).redirect(no_redirects).build()?)
}

/// Sends a request and reads the JSON of a good answer.
pub(crate) async fn ask(request: RequestBuilder) -> anyhow::Result<Value> {
    let answer = request.send().await?;
    let (status, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await?;
    ensure!(status.is_success(), "{url} answered {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}

/// What the provider at `base` was asked so far.
pub(crate) async fn asked(client: &Client, base: &str) -> anyhow::Result<Vec<Asked>> {
    let log = ask(client.get(format!("{base}/test/log"))).await?;
    let entries = log.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(entries
        .iter()
        .map(|entry| Asked {
            endpoint: text(entry, "endpoint").unwrap_or_default(),
            grant_type: text(entry, "grant_type"),
            status: entry.get("status").and_then(Value::as_u64).and_then(|s| s.try_into().ok()).unwrap_or(0),
            error: text(entry, "error"),
        })
        .collect())
}
