//! An OAuth client by hand.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::{Client, Url};
use serde_json::Value;

/// Long enough for RFC 7636, section 4.1.
pub(crate) const VERIFIER: &str = "a-verifier-that-only-this-test-knows-0123456789";

/// The challenge of [`VERIFIER`].
pub(crate) fn challenge() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

/// An authorization request.
pub(crate) fn request(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    Url::parse_with_params(endpoint, parameters).unwrap().into()
}

/// A parameter of an address.
pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// A client that follows no redirects.
pub(crate) fn client() -> Client {
    Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Posts a form; gives the status and the JSON of the answer.
pub(crate) async fn post(url: &str, basic: Option<(&str, &str)>, form: &[(&str, &str)]) -> (u16, Value) {
    let mut request = client().post(url).form(form);
    if let Some((id, secret)) = basic {
        request = request.basic_auth(id, Some(secret));
    }
    json(request).await
}

/// Asks for JSON with a token.
pub(crate) async fn get(url: &str, token: &str) -> (u16, Value) {
    json(client().get(url).bearer_auth(token)).await
}

/// The status and the JSON of an answer.
pub(crate) async fn json(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
