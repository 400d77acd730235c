//! `ctx.platform`: the host product's API, called with a token that says for which tenant and plugin, for whom, and with
//! which permissions.

use std::collections::BTreeMap;
use std::time::Duration;

use connectors::http::RawPath;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use url::Url;

use super::argument::read;
use super::http::Failure;
use super::message::{self, Answered, SentBody, admit, time_left};
use crate::invocation::Invocation;
use crate::redact::Redactor;

/// How long a token lives.
const LIFETIME: Duration = Duration::from_mins(1);

/// What kind of token it is (RFC 8725, section 3.11).
const KIND: &str = "jackfield-platform+jwt";

/// How long reaching the product may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The host product's API.
#[derive(Debug, Clone)]
pub(crate) struct PlatformApi {
    /// Where it begins.
    pub(crate) base: Url,
    /// Follows no redirect: the token is for this place alone.
    pub(crate) client: Client,
}

/// A client for the host product alone, whose address the operator has set: no guard, no redirects.
pub(crate) fn platform_client(extra_roots: Vec<Certificate>, deadline: Duration) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(deadline)
        .pool_idle_timeout(Duration::from_secs(4))
        .user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION")));
    extra_roots.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate).build()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<SentBody>,
    /// In milliseconds.
    timeout: Option<f64>,
}

/// Sends a request to the host product.
pub(super) async fn request(call: &Invocation, argument: &str) -> Result<String, String> {
    let Request { method, path, headers, body, timeout: wanted } = read("platform.request", argument)?;
    let Some(platform) = &call.shared.platform else {
        return Err("this server knows no API of the product: its operator sets PLATFORM_API_URL".to_owned());
    };
    if call.deployment.grants.permissions.is_empty() {
        return Err("the plugin has no permission in the product: add what it needs to requiredPermissions in the manifest, \
                    and have an admin consent to it"
            .to_owned());
    }
    let method = message::method(&method)?;
    let url = below(&platform.base, &path)?;
    let mut headers = message::headers(&headers, is_ours)?;
    let body = body.map(SentBody::bytes).transpose()?;
    let _room = admit(call).await?;

    let token = token(call, &platform.base).await?;
    headers.insert(AUTHORIZATION, bearer(&token)?);
    // The product may echo what it was sent.
    let redactor = Redactor::new([&token]);
    let sent = platform.client.request(method, url).headers(headers);
    let sent = match body {
        Some(body) => sent.body(body),
        None => sent,
    };
    let work = async {
        let response = sent.send().await.map_err(trouble)?;
        let answered = Answered::of(&response);
        let (body, _room) = message::body_of(call, response).await.map_err(Failure::sentence)?;
        answered.to_json(body.into(), Some(&redactor))
    };
    timeout(time_left(call, message::milliseconds(wanted)), work)
        .await
        .map_err(|_| "the product did not answer in time".to_owned())?
}

fn trouble(error: reqwest::Error) -> String {
    // Its query is the plugin's, and what stands there is not the log's to know.
    let error = error.without_url();
    tracing::warn!(error = &error as &dyn std::error::Error, "the product's API cannot be reached");
    "the product cannot be reached at the moment".to_owned()
}

/// Headers that would speak for somebody else than the token does.
fn is_ours(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "forwarded" | "x-tenant-id")
        || name.starts_with("x-forwarded-")
}

/// What `path`, with or without a query, stands for below `base`.
fn below(base: &Url, path: &str) -> Result<Url, String> {
    let wrong = |detail: &dyn std::fmt::Display| format!("platform.request: {detail}");
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    if path.contains('#')
        || query.is_some_and(|query| query.contains('#') || query.chars().any(char::is_control))
    {
        return Err(wrong(&"the path must have no fragment and no control characters"));
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut url = base.clone();
    url.set_query(query);
    url.set_fragment(None);
    if path.is_empty() {
        return Ok(url);
    }
    RawPath::parse(path).map_err(|error| wrong(&error))?;
    let whole = format!("{}/{path}", base.path().trim_end_matches('/'));
    url.set_path(&whole);
    Ok(url)
}

/// The token with which the product is called.
async fn token(call: &Invocation, base: &Url) -> Result<SecretString, String> {
    let claims = claims(call, base);
    call.shared.signer.sign(KIND, LIFETIME, &claims).await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "no token for the product can be signed");
        "no token for the product can be had at the moment: try again".to_owned()
    })
}

fn bearer(token: &SecretString) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| "no token for the product can be had".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// What the token says besides who has signed it and when.
fn claims(call: &Invocation, base: &Url) -> Map<String, Value> {
    let deployment = &call.deployment;
    let claims = json!({
        "aud": base.origin().ascii_serialization(),
        "sub": format!("plugin:{}", deployment.plugin),
        "tenantId": deployment.tenant,
        "pluginId": deployment.plugin,
        "permissions": deployment.grants.permissions,
    });
    let mut claims = match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    };
    if let Some(user) = &call.who.user {
        claims.insert("user".to_owned(), json!(user));
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, path: &str) -> Result<String, String> {
        below(&Url::parse(base).unwrap(), path).map(String::from)
    }

    #[test]
    fn paths_stay_below_the_base() {
        let base = "https://api.example/v1/";
        for (path, expected) in [
            ("/orders/7", "https://api.example/v1/orders/7"),
            ("orders?since=2026-01-01&x=%2F..", "https://api.example/v1/orders?since=2026-01-01&x=%2F.."),
            ("/", "https://api.example/v1/"),
            ("?a=1", "https://api.example/v1/?a=1"),
            ("/orders/a%20b/", "https://api.example/v1/orders/a%20b/"),
        ] {
            assert_eq!(url(base, path).as_deref(), Ok(expected), "{path}");
        }
        for path in [
            "/../admin",
            "/%2e%2e/admin",
            "//evil.example/a",
            "/a/%2fb",
            "/a\\..\\b",
            "/a#b",
            "/a%0d%0ab",
            "/a?b#c",
            "/..;/a",
        ] {
            assert!(url(base, path).is_err(), "{path}");
        }
        assert_eq!(
            url("http://127.0.0.1:1", "@evil.example/").as_deref(),
            Ok("http://127.0.0.1:1/@evil.example/")
        );
    }
}
