//! Which web pages may call: the origins of CORS, and the checks that keep other pages out.

use std::net::IpAddr;
use std::time::Duration;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use tower_http::cors::{AllowCredentials, AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};
use url::{Host, Origin, Url};

/// A text that is no web origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no origin: write scheme, host and port only, as in https://shop.example or http://localhost:3000"
)]
pub struct OriginError(String);

/// The pages that may call from a browser.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    listed: Vec<String>,
    any: bool,
    loopback: bool,
    own: Option<String>,
}

impl Origins {
    /// The origins in `texts`; `*` allows every origin to call without credentials.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        let mut origins = Self::default();
        for text in texts {
            if text == "*" {
                origins.any = true;
            } else {
                origins.listed.push(normalize(text)?);
            }
        }
        Ok(origins)
    }

    /// The same, and pages served from this machine too, for development.
    #[must_use]
    pub fn and_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// The same, and the pages that this server itself serves under its public URL.
    #[must_use]
    pub fn and_own(mut self, public_url: &Url) -> Self {
        self.own = Some(public_url.origin().ascii_serialization());
        self
    }

    /// Whether a page of `origin` may call with the credentials that its browser holds. `*` does not reach so far:
    /// it would let every page act in the name of every user.
    pub fn trusts(&self, origin: &str) -> bool {
        let Ok(origin) = normalize(origin) else { return false };
        self.listed.contains(&origin)
            || self.own.as_ref() == Some(&origin)
            || (self.loopback && Url::parse(&origin).is_ok_and(|url| is_loopback_url(&url)))
    }

    /// Whether the request may act by a cookie, which a browser sends along unasked: not where another site's page
    /// made the browser send it (cross-site request forgery). Methods that change nothing pass.
    pub fn permits_cookie(&self, parts: &Parts) -> bool {
        matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS)
            || self.permits_change(&parts.headers)
    }

    /// Whether what a request proves by being sent from a certain browser may change something: no page of another
    /// site made the browser send it.
    pub(crate) fn permits_change(&self, headers: &HeaderMap) -> bool {
        match text(headers, &header::ORIGIN) {
            Some(origin) => self.trusts(origin) || is_same_host(origin, headers),
            None => matches!(text(headers, &SEC_FETCH_SITE), None | Some("same-origin" | "none")),
        }
    }

    /// Whether a request without a credential may act in development: it names this machine as its host, and comes
    /// from no page or from one on this machine or in the list. A page elsewhere that rebinds its name to 127.0.0.1
    /// still sends its own name as host.
    pub fn permits_development(&self, parts: &Parts) -> bool {
        let host =
            text(&parts.headers, &header::HOST).or_else(|| parts.uri.authority().map(Authority::as_str));
        if !host.is_some_and(is_loopback_authority) {
            return false;
        }
        match parts.headers.get(header::ORIGIN) {
            None => true,
            Some(origin) => {
                origin.to_str().is_ok_and(|origin| self.trusts(origin) || is_loopback_origin(origin))
            }
        }
    }

    /// The layer for routes that act for a caller: listed origins with credentials, `*` without.
    pub(crate) fn cors(&self) -> CorsLayer {
        let (any, origins) = (self.any, self.clone());
        self.layer(AllowOrigin::predicate(move |origin, _| any || trusts_header(&origins, origin)))
    }

    /// The layer for routes that anybody may read: every origin, with credentials only where listed.
    pub(crate) fn public_cors(&self) -> CorsLayer {
        self.layer(AllowOrigin::predicate(|_, _| true))
    }

    fn layer(&self, allowed: AllowOrigin) -> CorsLayer {
        let origins = self.clone();
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_credentials(AllowCredentials::predicate(move |origin, _| trusts_header(&origins, origin)))
            .allow_methods(AllowMethods::list([
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ]))
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(ExposeHeaders::list([
                header::ETAG,
                header::LINK,
                header::LOCATION,
                header::RETRY_AFTER,
                HeaderName::from_static("x-request-id"),
                HeaderName::from_static("ratelimit"),
                HeaderName::from_static("ratelimit-policy"),
            ]))
            .max_age(Duration::from_hours(1))
    }
}

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn trusts_header(origins: &Origins, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| origins.trusts(origin))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The origin as browsers write it: lower case, no default port.
fn normalize(text: &str) -> Result<String, OriginError> {
    let wrong = || OriginError(text.to_owned());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    match url.origin() {
        Origin::Tuple(..) if bare && anonymous => Ok(url.origin().ascii_serialization()),
        _ => Err(wrong()),
    }
}

/// Whether the page was served by the host that the request goes to.
fn is_same_host(origin: &str, headers: &HeaderMap) -> bool {
    let authority = Url::parse(origin).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    });
    authority.is_some() && authority.as_deref() == text(headers, &header::HOST)
}

fn is_loopback_origin(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| is_loopback_url(&url))
}

fn is_loopback_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a `Host` header names this machine.
fn is_loopback_authority(authority: &str) -> bool {
    let Ok(uri) = Uri::builder().scheme("http").authority(authority).path_and_query("/").build() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(method: Method, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/plugins/install");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn origins_are_compared_as_browsers_write_them() {
        let origins = Origins::parse(["https://Shop.example:443/", "http://localhost:3000"]).unwrap();
        assert!(origins.trusts("https://shop.example"));
        assert!(origins.trusts("http://localhost:3000"));
        for other in ["http://shop.example", "https://shop.example:8443", "https://evil.example", "null", ""]
        {
            assert!(!origins.trusts(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in
            ["shop.example", "https://shop.example/path", "https://u:p@shop.example", "null", "file:///x", ""]
        {
            assert!(Origins::parse([text]).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_trusts_nobody_with_credentials() {
        let origins = Origins::parse(["*"]).unwrap();
        assert!(!origins.trusts("https://evil.example"));
    }

    #[test]
    fn another_sites_page_cannot_act_by_a_cookie() {
        let origins = Origins::parse(["https://shop.example"]).unwrap();
        for (headers, permitted) in [
            (&[("host", "api.example"), ("origin", "https://shop.example")][..], true),
            (&[("host", "api.example"), ("origin", "https://api.example")], true),
            (&[("host", "api.example"), ("origin", "https://evil.example")], false),
            (&[("host", "api.example"), ("origin", "null")], false),
            (&[("host", "api.example"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "api.example"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "api.example"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "api.example")], true),
        ] {
            assert_eq!(origins.permits_cookie(&parts(Method::POST, headers)), permitted, "{headers:?}");
        }
        assert!(origins.permits_cookie(&parts(Method::GET, &[("origin", "https://evil.example")])));
    }

    #[test]
    fn development_is_for_this_machine() {
        let origins = Origins::parse(["https://shop.example"]).unwrap();
        for (headers, permitted) in [
            (&[("host", "127.0.0.1:4000")][..], true),
            (&[("host", "localhost:4000"), ("origin", "http://localhost:3000")], true),
            (&[("host", "[::1]:4000"), ("origin", "https://shop.example")], true),
            (&[("host", "localhost:4000"), ("origin", "https://evil.example")], false),
            (&[("host", "evil.example:4000")], false),
            (&[("host", "localhost.evil.example")], false),
            (&[("host", "127.0.0.1:4000"), ("origin", "null")], false),
            (&[], false),
        ] {
            assert_eq!(origins.permits_development(&parts(Method::GET, headers)), permitted, "{headers:?}");
        }
    }
}
