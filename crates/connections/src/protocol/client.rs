//! One provider, as one OAuth app speaks to it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::app::App;
use super::error::CallError;
use super::http::Http;
use crate::catalog::{BodyFormat, Provider, Resolved, TokenAuth};

/// An OAuth client (RFC 6749, section 2) at one provider: everything that is said to it goes through here.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// What it speaks with.
    pub http: &'a Http,
    /// Whom it speaks to.
    pub provider: &'a Provider,
    /// Where, for the connection in question.
    pub resolved: &'a Resolved,
    /// Who speaks.
    pub app: &'a App,
}

/// The parameters of a request. They hold secrets, so there is no `Debug`.
pub(super) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// No parameters yet.
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// The same with one more.
    pub(super) fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.0.push((name, value));
        self
    }

    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// The same with one more, if there is a value.
    pub(super) fn with_some(self, name: &'a str, value: Option<&'a str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl<'a> Client<'a> {
    /// A request for JSON to one of the provider's URLs, with the headers that its entry adds.
    pub(super) fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, CallError> {
        let request = self.http.request(method, url, self.provider.reach())?;
        let headers = self.provider.headers.iter();
        Ok(headers.fold(request, |request, (name, value)| request.header(name, value)))
    }

    /// Adds the client's proof to the request, in its header or its parameters (RFC 6749, section 2.3.1). A client
    /// without a secret only names itself.
    pub(super) fn prove(
        &self,
        request: RequestBuilder,
        fields: Fields<'a>,
        auth: TokenAuth,
    ) -> (RequestBuilder, Fields<'a>) {
        let id = self.app.client_id.as_str();
        match (auth, &self.app.client_secret) {
            (TokenAuth::ClientSecretBasic, Some(secret)) => {
                (request.header(AUTHORIZATION, basic(id, secret)), fields)
            }
            (TokenAuth::ClientSecretPost, Some(secret)) => {
                (request, fields.with("client_id", id).with("client_secret", secret.expose_secret()))
            }
            (TokenAuth::None, _) | (_, None) => (request, fields.with("client_id", id)),
        }
    }

    /// The secrets of this client that an answer might repeat, `other` besides.
    pub(super) fn secrets(&self, other: &[&'a SecretString]) -> Vec<&'a SecretString> {
        self.app.client_secret.iter().chain(other.iter().copied()).collect()
    }
}

/// Writes the parameters into the request's body.
pub(super) fn write(request: RequestBuilder, fields: &Fields<'_>, format: BodyFormat) -> RequestBuilder {
    match format {
        BodyFormat::Form => request.form(&fields.0),
        BodyFormat::Json => {
            let members = fields.0.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
            request.json(&members.collect::<Map<_, _>>())
        }
    }
}

/// Shows `token` as the request's bearer token (RFC 6750, section 2.1).
pub(super) fn bearer(request: RequestBuilder, token: &SecretString) -> Result<RequestBuilder, CallError> {
    let text = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| CallError::TokenRejected)?;
    value.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, value))
}

/// `Basic`, with id and secret form-encoded first, as RFC 6749 has it and RFC 7617 alone does not.
fn basic(id: &str, secret: &SecretString) -> HeaderValue {
    // A space as `%20` is understood also where `+` is taken for itself.
    let encode = |text: &str| {
        Zeroizing::new(
            form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20"),
        )
    };
    let pair = Zeroizing::new(format!("{}:{}", *encode(id), *encode(secret.expose_secret())));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    // Base64 is always a header's value; an empty one would only be refused by the provider.
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_encodes_id_and_secret_before_joining_them() {
        let value = basic("a:b c", &SecretString::from("p@ss:wörd/+%"));
        assert!(value.is_sensitive());
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!(pair, "a%3Ab%20c:p%40ss%3Aw%C3%B6rd%2F%2B%25");
    }
}
