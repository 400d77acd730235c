//! Forms of the pages, taken from this server's own pages alone.

use std::collections::BTreeMap;

use axum::extract::{FromRef, FromRequest, Request};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::html;
use crate::App;

/// The most fields that are read.
const MAX_FIELDS: usize = 100;
/// What the names of fields for a provider's variables begin with.
pub(super) const VARIABLE: &str = "variable.";

/// The fields of a form that one of this server's own pages has sent.
pub(super) struct Form(BTreeMap<String, Zeroizing<String>>);

impl Form {
    /// A field; `None` where it is absent or blank.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = self.0.get(name)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A field that is nobody's to see.
    pub(super) fn secret(&self, name: &str) -> SecretString {
        self.0.get(name).map(|text| text.trim()).unwrap_or_default().into()
    }

    /// The values of the provider's variables, without those left blank.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let named = self.0.keys().filter_map(|name| name.strip_prefix(VARIABLE));
        named.filter_map(|name| Some((name.to_owned(), self.text(&format!("{VARIABLE}{name}"))?))).collect()
    }
}

impl<S: Send + Sync> FromRequest<S> for Form
where
    App: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let app = App::from_ref(state);
        if !is_own_page(request.headers(), &app.options().public_url) {
            let sentence = "This must be sent from the page itself. Open the link again and repeat it there.";
            return Err(html::refusal(&app, StatusCode::FORBIDDEN, sentence));
        }
        let Ok(bytes) = Bytes::from_request(request, state).await else {
            let sentence = "What was sent did not arrive, or is too long. Go back and try again.";
            return Err(html::refusal(&app, StatusCode::BAD_REQUEST, sentence));
        };
        let pairs = form_urlencoded::parse(&bytes).take(MAX_FIELDS);
        // PostgreSQL takes no NUL in a text.
        let pairs = pairs.filter(|(name, value)| !name.contains('\0') && !value.contains('\0'));
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned()))).collect()))
    }
}

/// Whether no other site's page has sent the request. The token in the path, which no other page knows, is the proof;
/// this stands behind it.
///
/// The pages' referrer policy makes browsers send `Origin: null`, so `Sec-Fetch-Site` is asked first, which all send
/// since 2023 to hosts that they trust (HTTPS and loopback).
pub(crate) fn is_own_page(headers: &HeaderMap, public_url: &Url) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match text(header::ORIGIN.as_str()) {
        None | Some("null") => true,
        Some(origin) => {
            let origin = Url::parse(origin).map(|url| url.origin());
            let host = text(header::HOST.as_str()).unwrap_or_default();
            origin.is_ok_and(|origin| {
                origin == public_url.origin()
                    || ["http", "https"].iter().any(|scheme| {
                        Url::parse(&format!("{scheme}://{host}")).is_ok_and(|own| own.origin() == origin)
                    })
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_this_servers_own_pages_send_forms() {
        let public: Url = "https://jackfield.example/".parse().unwrap();
        for (pairs, is_own) in [
            (
                &[("host", "jackfield.example"), ("origin", "null"), ("sec-fetch-site", "same-origin")][..],
                true,
            ),
            (&[("host", "jackfield.example"), ("origin", "https://jackfield.example")], true),
            (&[("host", "10.0.0.7:4000"), ("origin", "http://10.0.0.7:4000")], true),
            (&[("host", "jackfield.example"), ("origin", "null")], true),
            (&[("host", "jackfield.example")], true),
            (&[("host", "jackfield.example"), ("origin", "https://evil.example")], false),
            (&[("host", "jackfield.example"), ("origin", "https://jackfield.example:8443")], false),
            (&[("host", "jackfield.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "jackfield.example"), ("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://jackfield.example"), ("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(is_own_page(&headers(pairs), &public), is_own, "{pairs:?}");
        }
    }

    #[test]
    fn blank_fields_are_absent() {
        let fields = [("variable.site", " acme "), ("variable.other", "  "), ("label", ""), ("key", " k ")];
        let fields =
            fields.into_iter().map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())));
        let form = Form(fields.collect());
        assert_eq!(form.variables(), BTreeMap::from([("site".to_owned(), "acme".to_owned())]));
        assert_eq!(form.text("label"), None);
        assert_eq!(secrecy::ExposeSecret::expose_secret(&form.secret("key")), "k");
    }
}
