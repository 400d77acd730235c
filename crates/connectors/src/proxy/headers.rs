//! Which headers are passed on, and which stay here: lists of what may go, so that what nobody thought of stays.

use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};
use url::Url;

/// Headers of requests that go on. The last is no credential, in spite of its name: Atlassian wants it for uploads.
const TO_VENDOR: [&str; 16] = [
    "accept",
    "accept-language",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "prefer",
    "range",
    "x-atlassian-token",
];

/// What no `x-…` header may begin with: those of proxies, and those that are for this server.
const KEPT_BEGINNINGS: [&str; 17] = [
    "x-amzn-",
    "x-api-host",
    "x-b3-",
    "x-client-ip",
    "x-cloud-trace",
    "x-cluster-",
    "x-connection-id",
    "x-envoy-",
    "x-host",
    "x-http-",
    "x-original-",
    "x-proxy",
    "x-real-",
    "x-request-id",
    "x-rewrite-",
    "x-tenant-id",
    "x-user-email",
];

/// What no `x-…` header may have in its name: it would be a credential, or make another request of this one.
const KEPT_WORDS: [&str; 13] = [
    "api-key",
    "apikey",
    "auth",
    "cookie",
    "credential",
    "csrf",
    "forwarded",
    "override",
    "password",
    "secret",
    "session",
    "token",
    "xsrf",
];

/// Headers of answers that go on.
const TO_CALLER: [&str; 15] = [
    "accept-ranges",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "deprecation",
    "etag",
    "last-modified",
    "link",
    "preference-applied",
    "retry-after",
    "sunset",
    "warning",
];

/// What further headers of answers begin with that go on: what is left of the vendor's limits. `RateLimit` itself and its
/// policy are about this server's own.
const TO_CALLER_BEGINNINGS: [&str; 3] = ["ratelimit-", "x-ratelimit-", "x-rate-limit-"];

/// The headers of a caller's request that go on to the vendor.
pub(super) fn to_vendor(headers: &HeaderMap) -> HeaderMap {
    let hop: Vec<String> = connection_options(headers).collect();
    let goes = |name: &HeaderName| {
        let name = name.as_str();
        !hop.iter().any(|option| option == name)
            && (TO_VENDOR.contains(&name) || is_version(name) || is_vendors_own(name))
    };
    only(headers, goes)
}

/// Whether `name` is that of an API's version, as `Notion-Version`, and not one of a browser's.
fn is_version(name: &str) -> bool {
    name.ends_with("-version") && !name.starts_with("sec-") && !name.starts_with("x-")
}

/// Whether `name` is an extension that is none of those that stay here.
fn is_vendors_own(name: &str) -> bool {
    name.starts_with("x-")
        && !KEPT_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        && !KEPT_WORDS.iter().any(|word| name.contains(word))
}

/// The headers that a `Connection` says are for the next server alone (RFC 9110, section 7.6.1).
fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|option| option.trim().to_ascii_lowercase())
}

/// The headers of a vendor's answer to a request for `url` that go on to the caller. Where the answer leads elsewhere is
/// told in full: it is told from the vendor's address and not from this server's.
pub(super) fn to_caller(status: StatusCode, headers: &HeaderMap, url: &Url) -> HeaderMap {
    let goes = |name: &HeaderName| {
        let name = name.as_str();
        let is_limit = TO_CALLER_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning));
        TO_CALLER.contains(&name) || (is_limit && name != "ratelimit-policy")
    };
    let mut passed = only(headers, goes);
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        passed.remove(header::CONTENT_LENGTH);
    }
    if let Some(place) = headers.get(header::LOCATION).and_then(|place| absolute(place, url)) {
        passed.insert(header::LOCATION, place);
    }
    passed
}

fn absolute(place: &HeaderValue, url: &Url) -> Option<HeaderValue> {
    let place = url.join(place.to_str().ok()?).ok()?;
    let is_web = matches!(place.scheme(), "http" | "https");
    is_web.then(|| HeaderValue::from_str(place.as_str()).ok()).flatten()
}

fn only(headers: &HeaderMap, goes: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let passed = headers.iter().filter(|(name, _)| goes(name));
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(names: &[&'static str]) -> HeaderMap {
        names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("v"))).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn what_is_not_for_the_vendor_stays_here() {
        let kept = [
            "authorization",
            "cookie",
            "host",
            "origin",
            "referer",
            "user-agent",
            "forwarded",
            "via",
            "te",
            "upgrade",
            "content-length",
            "transfer-encoding",
            "connection",
            "expect",
            "proxy-authorization",
            "accept-encoding",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-access-token",
            "x-real-ip",
            "x-client-ip",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method",
            "x-http-method-override",
            "x-method-override",
            "x-api-key",
            "x-apikey",
            "x-auth-token",
            "x-access-token",
            "x-amz-security-token",
            "x-goog-api-key",
            "x-csrf-token",
            "x-session-id",
            "x-tenant-id",
            "x-user-email",
            "x-connection-id",
            "x-credential",
            "x-api-host",
            "x-request-id",
            "x-envoy-peer",
            "sec-fetch-site",
            "sec-websocket-version",
            "x-auth-version",
            "traceparent",
        ];
        assert_eq!(names(&to_vendor(&headers(&kept))), Vec::<&str>::new());
        let passed = [
            "accept",
            "content-type",
            "if-match",
            "range",
            "prefer",
            "idempotency-key",
            "notion-version",
            "x-github-api-version",
            "x-atlassian-token",
            "x-goog-user-project",
            "x-restli-protocol-version",
        ];
        assert_eq!(names(&to_vendor(&headers(&passed))), passed);
        for list in [&TO_VENDOR[..], &TO_CALLER, &KEPT_BEGINNINGS, &KEPT_WORDS] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }

    #[test]
    fn what_is_for_the_next_server_alone_stays_here() {
        let mut given = headers(&["x-hop", "x-other", "range"]);
        given.insert(header::CONNECTION, HeaderValue::from_static("close, X-Hop , Range"));
        assert_eq!(names(&to_vendor(&given)), ["x-other"]);
    }

    #[test]
    fn what_an_answer_does_to_browsers_stays_here() {
        let kept = [
            "set-cookie",
            "access-control-allow-origin",
            "strict-transport-security",
            "content-security-policy",
            "alt-svc",
            "clear-site-data",
            "www-authenticate",
            "refresh",
            "server",
            "x-request-id",
            "x-frame-options",
            "cache-control",
            "service-worker-allowed",
            "connection",
            "transfer-encoding",
            "authorization",
            "x-oauth-scopes",
            "ratelimit",
            "ratelimit-policy",
        ];
        let url = Url::parse("https://api.example/v1/a/b").unwrap();
        let told =
            |status: u16, given: &HeaderMap| to_caller(StatusCode::from_u16(status).unwrap(), given, &url);
        assert_eq!(names(&told(200, &headers(&kept))), Vec::<&str>::new());
        let passed = [
            "content-type",
            "content-length",
            "etag",
            "link",
            "retry-after",
            "ratelimit-remaining",
            "x-ratelimit-reset",
        ];
        assert_eq!(names(&told(200, &headers(&passed))), passed);
        assert!(!told(204, &headers(&passed)).contains_key("content-length"));
        for (place, expected) in [
            ("../c", Some("https://api.example/v1/c")),
            ("/x?y", Some("https://api.example/x?y")),
            ("//files.example/z", Some("https://files.example/z")),
            ("https://files.example/z", Some("https://files.example/z")),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
        ] {
            let given = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(place))]);
            assert_eq!(told(302, &given).get("location").map(|place| place.to_str().unwrap()), expected);
        }
    }
}
