//! The client proves itself at the token endpoint and at the revocation endpoint.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use url::form_urlencoded;

use crate::Sandbox;
use crate::error::{Code, OAuthError};
use crate::parameters::Parameters;
use crate::secret::Digest;

/// Checks the client's id and secret: in the `Authorization` header or in the body, but not both (RFC 6749, section 2.3.1).
pub(crate) fn authenticate(
    sandbox: &Sandbox,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<(), OAuthError> {
    let (id, secret) = match (headers.get(AUTHORIZATION), form.get("client_secret")) {
        (Some(_), Some(_)) => {
            let detail = "the client must prove itself in the header or in the body, not in both";
            return Err(OAuthError::new(Code::InvalidRequest, detail));
        }
        (Some(header), None) => {
            let (id, secret) = basic(header.to_str().unwrap_or_default()).ok_or_else(|| {
                OAuthError::new(
                    Code::InvalidClient,
                    "the Authorization header must be Basic with id and secret",
                )
            })?;
            if form.get("client_id").is_some_and(|other| other != id) {
                return Err(OAuthError::new(Code::InvalidRequest, "the client_id is not that of the header"));
            }
            (id, secret)
        }
        (None, Some(secret)) => (form.get("client_id").unwrap_or_default().to_owned(), secret.to_owned()),
        (None, None) => {
            let detail = "the client must prove itself by client_secret_basic or client_secret_post";
            return Err(OAuthError::new(Code::InvalidClient, detail));
        }
    };
    // Both are looked at whatever the other is, so that the time tells nothing.
    let id_is_right = Digest::of(&sandbox.config.client_id).is_of(&id);
    let secret_is_right = sandbox.secret.is_of(&secret);
    if id_is_right & secret_is_right {
        Ok(())
    } else {
        Err(OAuthError::new(Code::InvalidClient, "the client's id or secret is wrong"))
    }
}

/// Id and secret are form-encoded before they are put together.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then_some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // As the name of a parameter without a value; a bare `=` or `&` cannot be in encoded text, but is taken as it is.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_secrets_are_form_decoded() {
        let header = |text: &str| format!("bAsIc {}", BASE64_STANDARD.encode(text));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(basic(&header("a%3Ab:c+d%2Be&f=")), pair("a:b", "c d+e&f="));
        assert_eq!(basic(&header(":")), pair("", ""));
        assert_eq!(basic(&header("no colon")), None);
        assert_eq!(basic("Basic ###"), None);
        assert_eq!(basic("Bearer abc"), None);
    }
}
