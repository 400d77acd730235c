//! The cookie by which a browser that begins a flow is known again when it comes back from the provider.

use std::convert::Infallible;

use axum::extract::{FromRef, FromRequestParts};
use connections::Browser;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::ExposeSecret as _;

use crate::App;

/// Over plain HTTP, which is for development.
const NAME: &str = "jackfield-browser";
/// Over HTTPS: with the prefix no other host and no page without TLS can set it (RFC 6265bis, section 4.1.3.2).
const SECURE_NAME: &str = "__Host-jackfield-browser";
/// Seconds. Several times what a flow may take, so that a second one is begun with the same cookie.
const MAX_AGE: u32 = 3600;

/// The browser that sends the request: known by its cookie, or new.
#[derive(Debug, Clone)]
pub(crate) struct BrowserCookie {
    browser: Browser,
    is_secure: bool,
}

impl BrowserCookie {
    /// The browser behind the headers of a request.
    pub(crate) fn of(app: &App, headers: &HeaderMap) -> Self {
        let is_secure = app.is_https();
        let browser = Browser::from_cookie(value(headers, name(is_secure)), app.ambient());
        Self { browser, is_secure }
    }

    /// Whom a flow is bound to.
    pub(crate) fn browser(&self) -> &Browser {
        &self.browser
    }

    /// What the answer that begins a flow must carry. The cookie is sent along when the provider's page leads back
    /// here (`SameSite=Lax`), and to no script.
    pub(crate) fn header(&self) -> (HeaderName, HeaderValue) {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let nonce = self.browser.nonce().expose_secret();
        let text = format!(
            "{}={nonce}; HttpOnly; SameSite=Lax; Path=/; Max-Age={MAX_AGE}{secure}",
            name(self.is_secure)
        );
        // The nonce is base64url, whether made here or checked on the way in, so the text is always a header's.
        let mut value = HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        (header::SET_COOKIE, value)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BrowserCookie
where
    App: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&App::from_ref(state), &parts.headers))
    }
}

const fn name(is_secure: bool) -> &'static str {
    if is_secure { SECURE_NAME } else { NAME }
}

/// The value of the first cookie of this name.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use model::Ambient;

    use super::*;

    fn cookie(is_secure: bool) -> BrowserCookie {
        BrowserCookie { browser: Browser::from_cookie(None, &Ambient::system()), is_secure }
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let (name, value) = cookie(true).header();
        let text = value.to_str().unwrap();
        assert_eq!(name, "set-cookie");
        assert!(text.starts_with("__Host-jackfield-browser="), "{text}");
        assert!(text.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600; Secure"), "{text}");
        assert!(!format!("{value:?}").contains("jackfield"));
        let (_, plain) = cookie(false).header();
        assert!(!plain.to_str().unwrap().contains("Secure"));
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers
            .append("cookie", HeaderValue::from_static("a=b; xjackfield-browser=no;jackfield-browser2=no"));
        headers.append(
            "cookie",
            HeaderValue::from_static("c=d;  jackfield-browser=yes=1; jackfield-browser=later"),
        );
        assert_eq!(value(&headers, NAME), Some("yes=1"));
        assert_eq!(value(&headers, SECURE_NAME), None);
    }
}
