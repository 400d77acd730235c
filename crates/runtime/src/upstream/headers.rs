//! Which headers go on to a plugin's server, and which of its answer come back.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The header by which a plugin's server is told who is calling.
pub const X_JACKFIELD_CONTEXT: HeaderName = HeaderName::from_static("x-jackfield-context");

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A page of a plugin's server must do nothing and be nobody where a browser shows it: it comes from this server's origin.
const POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// What this server says of a request besides what the caller does.
pub(super) struct Added {
    /// The token that says who is calling.
    pub(super) context: HeaderValue,
    /// Where the caller is.
    pub(super) client: Option<HeaderValue>,
    /// Where this server is to be reached from outside.
    pub(super) host: HeaderValue,
    pub(super) scheme: HeaderValue,
    pub(super) request_id: Option<HeaderValue>,
}

/// The caller's headers that go on, and what is added to them. `upgrade` where a WebSocket is asked for.
pub(super) fn to_upstream(mut headers: HeaderMap, added: Added, upgrade: bool) -> HeaderMap {
    let options = connection_options(&headers);
    let takes_trailers = takes_trailers(&headers);
    keep(&mut headers, |name| goes_up(name) && !options.contains(name));
    if upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    } else {
        for name in SOCKET {
            headers.remove(name);
        }
        if takes_trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }
    headers.insert(X_JACKFIELD_CONTEXT, added.context);
    headers.insert(X_FORWARDED_HOST.clone(), added.host);
    headers.insert(X_FORWARDED_PROTO.clone(), added.scheme);
    if let Some(client) = added.client {
        headers.insert(X_FORWARDED_FOR.clone(), client);
    }
    if let Some(id) = added.request_id {
        headers.insert(X_REQUEST_ID.clone(), id);
    }
    headers
}

/// The headers of an answer that come back. Its length is told anew, from what is sent.
pub(super) fn to_caller(mut headers: HeaderMap, upgrade: bool) -> HeaderMap {
    let options = connection_options(&headers);
    keep(&mut headers, |name| comes_back(name) && !options.contains(name));
    if upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return headers;
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // What is answered to one caller must not be kept for the next, whatever the plugin's server thinks of it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers
}

/// The headers of a request that a plugin may see: no credential, and nothing that only this server may say.
pub fn without_credentials(headers: HeaderMap) -> HeaderMap {
    going_up(headers)
}

/// The headers of an answer that a plugin has made, as callers may get them: nothing that would act on this server's origin, and
/// what keeps a page from acting in its name.
pub fn fit_for_callers(given: HeaderMap) -> HeaderMap {
    to_caller(given, false)
}

/// The trailers of a request that go on.
pub(super) fn trailers_to_upstream(trailers: HeaderMap) -> HeaderMap {
    going_up(trailers)
}

/// The trailers of an answer that come back.
pub(super) fn trailers_to_caller(mut trailers: HeaderMap) -> HeaderMap {
    keep(&mut trailers, comes_back);
    trailers
}

fn going_up(mut headers: HeaderMap) -> HeaderMap {
    keep(&mut headers, |name| goes_up(name) && !SOCKET.contains(name));
    headers
}

/// Takes away the headers that do not go: few of many, mostly.
fn keep(headers: &mut HeaderMap, goes: impl Fn(&HeaderName) -> bool) {
    let refused: Vec<HeaderName> = headers.keys().filter(|name| !goes(name)).cloned().collect();
    for name in &refused {
        headers.remove(name);
    }
}

/// Headers of the handshake of a WebSocket (RFC 6455, section 4.1).
const SOCKET: [HeaderName; 4] = [
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION,
];

/// Whether a header of a request goes on. What proves who the caller is, and what only this server or one before it may say,
/// does not; nor does a name with more than letters, digits and hyphens in it, because many servers read `X_Tenant_Id` as
/// `X-Tenant-Id` (RFC 3875, section 4.1.18).
fn goes_up(name: &HeaderName) -> bool {
    let name = name.as_str();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_plain || is_of_one_hop(name) || name.starts_with("proxy-") || is_ours(name) || steers_a_proxy(name)
    {
        return false;
    }
    !matches!(
        name,
        "authorization"
            | "cf-connecting-ip"
            | "cf-connecting-ipv6"
            | "cookie"
            | "cookie2"
            | "content-length"
            | "expect"
            | "fastly-client-ip"
            | "forwarded"
            | "host"
            | "max-forwards"
            // The address of the calling page may hold its session token.
            | "referer"
            | "true-client-ip"
            | "via"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-forwarded"
            | "x-real-ip"
            | "x-request-id"
            | "x-rewrite-url"
            | "x-tenant-id"
    )
}

/// Whether a header of an answer comes back. What would act on this server's origin, or on what a browser keeps of it, does
/// not.
fn comes_back(name: &HeaderName) -> bool {
    let name = name.as_str();
    if is_of_one_hop(name)
        || name.starts_with("proxy-")
        || is_ours(name)
        || steers_a_proxy(name)
        || name.starts_with("access-control-")
    {
        return false;
    }
    !matches!(
        name,
        "age"
            | "alt-svc"
            | "cache-control"
            | "clear-site-data"
            | "content-length"
            | "content-location"
            | "content-security-policy"
            | "content-security-policy-report-only"
            | "cross-origin-embedder-policy"
            | "cross-origin-opener-policy"
            | "cross-origin-resource-policy"
            | "expect-ct"
            | "expires"
            | "location"
            | "nel"
            | "origin-agent-cluster"
            | "permissions-policy"
            | "pragma"
            | "public-key-pins"
            | "ratelimit"
            | "ratelimit-policy"
            | "referrer-policy"
            | "refresh"
            | "report-to"
            | "reporting-endpoints"
            | "service-worker-allowed"
            | "set-cookie"
            | "set-cookie2"
            | "set-login"
            | "sourcemap"
            | "speculation-rules"
            | "strict-transport-security"
            | "supports-loading-mode"
            | "via"
            // A browser would ask for a password in this server's name.
            | "www-authenticate"
            | "x-content-type-options"
            | "x-frame-options"
            | "x-request-id"
            | "x-sourcemap"
    )
}

/// Headers for the next server alone (RFC 9110, section 7.6.1, and what older servers use).
fn is_of_one_hop(name: &str) -> bool {
    matches!(name, "connection" | "http2-settings" | "keep-alive" | "te" | "transfer-encoding" | "upgrade")
}

/// Headers that say what only this server may say, or a proxy before it.
fn is_ours(name: &str) -> bool {
    ["x-jackfield-", "x-forwarded-", "x-original-", "x-envoy-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Headers by which a server and the proxy or the CDN before it agree on what that does: send a file or the answer of another
/// address in place of this one, or keep it in spite of `Cache-Control` (RFC 9213).
fn steers_a_proxy(name: &str) -> bool {
    let prefixes = ["surrogate-", "x-accel-", "x-lighttpd-", "x-litespeed-", "x-reproxy-", "x-sendfile"];
    name.ends_with("-cache-control")
        || prefixes.iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "cache-tag" | "edge-cache-tag" | "edge-control")
}

/// The headers that a `Connection` names as being for the next server alone, besides those that always are.
struct Options(Vec<HeaderName>);

impl Options {
    fn contains(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }
}

fn connection_options(headers: &HeaderMap) -> Options {
    let usual = ["close", "keep-alive", "te", "upgrade"];
    let named = tokens(headers, &header::CONNECTION)
        .filter(|token| !usual.iter().any(|usual| token.eq_ignore_ascii_case(usual)));
    Options(named.filter_map(|token| token.parse().ok()).collect())
}

/// Whether the sender takes trailers.
fn takes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// The words of a header that is a list. What is not plain ASCII has none.
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        list.iter().map(pair).collect()
    }

    fn added() -> Added {
        Added {
            context: HeaderValue::from_static("signed"),
            client: Some(HeaderValue::from_static("203.0.113.9")),
            host: HeaderValue::from_static("plugins.example"),
            scheme: HeaderValue::from_static("https"),
            request_id: Some(HeaderValue::from_static("r1")),
        }
    }

    fn sent(list: &[(&'static str, &'static str)]) -> Vec<String> {
        let sent = to_upstream(headers(list), added(), false);
        let own = [
            "x-jackfield-context",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id",
        ];
        for (name, value) in own.iter().zip(["signed", "203.0.113.9", "plugins.example", "https", "r1"]) {
            let values: Vec<_> = sent.get_all(*name).iter().collect();
            assert_eq!(values, [value], "{name}");
        }
        let lines = sent.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        lines.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn credentials_and_what_only_this_server_says_stay_here() {
        let kept = [
            ("authorization", "Bearer x"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("cookie", "a=1"),
            ("host", "plugins.example"),
            ("x-tenant-id", "other"),
            ("x-jackfield-context", "forged"),
            ("x-jackfield-anything", "forged"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-client-cert", "x"),
            ("forwarded", "for=127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("true-client-ip", "127.0.0.1"),
            ("cf-connecting-ip", "127.0.0.1"),
            ("x-cluster-client-ip", "127.0.0.1"),
            ("x-original-url", "/admin"),
            ("x-original-forwarded-for", "127.0.0.1"),
            ("x-envoy-original-path", "/admin"),
            ("x-sendfile-type", "X-Accel-Redirect"),
            ("x-accel-mapping", "/=/"),
            ("x_jackfield_context", "forged"),
            ("x_forwarded_for", "127.0.0.1"),
            ("x_tenant_id", "other"),
            ("x-tenant_id", "other"),
            ("x.tenant.id", "other"),
            ("x-request-id", "theirs"),
            ("referer", "https://shop.example/?session_token=x"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("expect", "100-continue"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("keep-alive", "timeout=5"),
            ("sec-websocket-key", "x"),
        ];
        assert_eq!(sent(&kept), Vec::<String>::new());
        let passed = [
            ("accept", "*/*"),
            ("content-type", "text/plain"),
            ("x-api-key", "the plugin's"),
            ("accept", "b"),
        ];
        assert_eq!(
            sent(&passed),
            ["accept: */*", "accept: b", "content-type: text/plain", "x-api-key: the plugin's"]
        );
    }

    #[test]
    fn what_connection_names_stays_here_and_cannot_take_away_what_is_added() {
        let given = [
            ("connection", "close, X-Hop, x-jackfield-context"),
            ("connection", "x-forwarded-for"),
            ("x-hop", "1"),
            ("x-other", "2"),
        ];
        assert_eq!(sent(&given), ["x-other: 2"]);
    }

    #[test]
    fn trailers_are_asked_for_where_the_caller_takes_them() {
        assert_eq!(sent(&[("te", "gzip, Trailers")]), ["te: trailers", "connection: te"]);
        assert_eq!(sent(&[("te", "gzip")]), Vec::<String>::new());
    }

    #[test]
    fn what_would_act_on_this_origin_does_not_come_back() {
        let given = headers(&[
            ("set-cookie", "next-auth.session-token=x"),
            ("set-cookie", "b=2"),
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("strict-transport-security", "max-age=0"),
            ("alt-svc", "h3=\":443\""),
            ("clear-site-data", "\"*\""),
            ("service-worker-allowed", "/"),
            ("content-security-policy", "default-src *"),
            ("cache-control", "public, max-age=31536000"),
            ("cdn-cache-control", "max-age=31536000"),
            ("cloudflare-cdn-cache-control", "max-age=31536000"),
            ("surrogate-control", "max-age=31536000"),
            ("edge-control", "max-age=31536000"),
            ("x-accel-redirect", "/internal/secret"),
            ("x-accel-expires", "31536000"),
            ("x-sendfile", "/etc/passwd"),
            ("x-lighttpd-send-file", "/etc/passwd"),
            ("x-reproxy-url", "http://127.0.0.1/"),
            ("x-litespeed-location", "/admin"),
            ("x-envoy-immediate-health-check-fail", "1"),
            ("www-authenticate", "Basic"),
            ("x-jackfield-context", "x"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("content-type", "text/html"),
            ("etag", "\"a\""),
            ("trailer", "x-sum"),
            ("x-own", "1"),
            ("x-own", "2"),
        ]);
        let back = to_caller(given, false);
        let mut lines: Vec<String> =
            back.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "cache-control: no-store",
                "content-security-policy: default-src 'none'; sandbox; frame-ancestors 'none'",
                "content-type: text/html",
                "cross-origin-resource-policy: same-origin",
                "etag: \"a\"",
                "trailer: x-sum",
                "x-content-type-options: nosniff",
                "x-own: 1",
                "x-own: 2",
            ]
        );
    }
}
