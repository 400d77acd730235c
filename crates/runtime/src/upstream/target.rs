//! Where a request goes, and where an answer says to go on to.

use http::{HeaderValue, Uri};
use outbound::Guard;
use registry::Grants;
use url::{Position, Url, form_urlencoded};

use super::{BackendPath, Error};

/// Parameters of the query by which callers prove who they are: they are this server's alone.
const CREDENTIALS: [&str; 1] = ["session_token"];

/// Judges whether `upstream` may be called: an admin has consented to its host, the guard lets it pass, and nobody can listen on
/// the way there. Where the operator has allowed a host by name, that is the operator's to judge. What a name resolves to is
/// judged when it is connected to.
pub(super) fn may_be_called(upstream: &Url, grants: &Grants, guard: &Guard) -> Result<(), Error> {
    if !is_granted(upstream, grants) {
        return Err(Error::NotConsented);
    }
    guard.check(upstream).map_err(|_| Error::Refused)?;
    if upstream.scheme() == "https" || guard.is_allowed(upstream) { Ok(()) } else { Err(Error::ClearText) }
}

/// Whether the tenant's admin has consented to the upstream's host, as it is written in manifests.
fn is_granted(upstream: &Url, grants: &Grants) -> bool {
    let host = upstream.host_str().unwrap_or_default();
    let port = upstream.port_or_known_default().unwrap_or_default();
    grants.hosts.iter().filter_map(|granted| granted.strip_prefix(host)).any(|rest| {
        match rest.strip_prefix(':') {
            Some(granted) => granted.parse() == Ok(port),
            None => rest.is_empty() && port == 443,
        }
    })
}

/// `path` below the base of `upstream`, with the caller's query.
pub(crate) fn uri(upstream: &Url, path: &BackendPath, query: Option<&str>) -> Result<Uri, Error> {
    let base = base_path(upstream);
    let path = path.as_str();
    let origin = &upstream[..Position::BeforePath];
    let query = query.map(without_credentials).filter(|query| !query.is_empty());
    let mut text = String::with_capacity(
        origin.len() + base.len() + path.len() + 2 + query.as_ref().map_or(0, |query| query.len()),
    );
    text.push_str(origin);
    text.push_str(base);
    text.push_str(path);
    if base.is_empty() && path.is_empty() {
        text.push('/');
    }
    if let Some(query) = &query {
        text.push('?');
        text.push_str(query);
    }
    Uri::try_from(text).map_err(|_| Error::Path("must be a path as RFC 3986 has it"))
}

/// The path that everything is below, without a slash at the end.
fn base_path(upstream: &Url) -> &str {
    upstream.path().trim_end_matches('/')
}

/// The query without what proves who the caller is; all else letter by letter.
fn without_credentials(query: &str) -> std::borrow::Cow<'_, str> {
    let is_credential = |pair: &str| {
        let name = form_urlencoded::parse(pair.as_bytes()).next();
        name.is_some_and(|(name, _)| CREDENTIALS.contains(&name.as_ref()))
    };
    if query.split('&').any(is_credential) {
        let kept: Vec<&str> = query.split('&').filter(|pair| !is_credential(pair)).collect();
        kept.join("&").into()
    } else {
        query.into()
    }
}

/// What a `Location` of the answer to `uri` is for callers: what is below the upstream is below `mount` for them, and what is
/// elsewhere is told in full. `None` for what is no web address.
pub(crate) fn location(value: &HeaderValue, uri: &Uri, upstream: &Url, mount: &str) -> Option<HeaderValue> {
    let asked = Url::parse(&uri.to_string()).ok()?;
    let place = asked.join(value.to_str().ok()?).ok()?;
    if !matches!(place.scheme(), "http" | "https") {
        return None;
    }
    let is_here = place.origin() == upstream.origin();
    let below = is_here.then(|| place.path().strip_prefix(base_path(upstream))).flatten();
    match below.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        Some(rest) => HeaderValue::try_from(format!("{mount}{rest}{}", &place[Position::AfterPath..])).ok(),
        None => HeaderValue::try_from(place.as_str()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_path_stays_below_the_base() {
        let join = |base: &str, path: &str, query: Option<&str>| {
            uri(&url(base), &BackendPath::parse(path).unwrap(), query).unwrap().to_string()
        };
        assert_eq!(join("https://a.example", "", None), "https://a.example/");
        assert_eq!(join("https://a.example/", "/x", Some("a=1")), "https://a.example/x?a=1");
        assert_eq!(join("https://a.example/base", "", None), "https://a.example/base");
        assert_eq!(join("https://a.example/base/", "/", None), "https://a.example/base/");
        assert_eq!(
            join("https://a.example:8443/base", "/x%20y;z/", Some("q=%2F&q=2")),
            "https://a.example:8443/base/x%20y;z/?q=%2F&q=2"
        );
    }

    #[test]
    fn credentials_do_not_go_along() {
        for (query, passed) in [
            ("a=1&session_token=x.y.z&b=2", "a=1&b=2"),
            ("session%5Ftoken=x", ""),
            ("session_token", ""),
            ("session_token=x&session_token=y&c", "c"),
            ("a=session_token=x&%zz=%", "a=session_token=x&%zz=%"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(query), passed, "{query}");
        }
    }

    #[test]
    fn what_is_below_the_upstream_is_below_the_mount() {
        let rewrite = |value: &str| {
            let uri = Uri::from_static("https://a.example/base/dir/x?y");
            let value = HeaderValue::from_str(value).unwrap();
            let place = location(&value, &uri, &url("https://a.example/base"), "/api/plugin-proxy/p")?;
            Some(place.to_str().unwrap().to_owned())
        };
        for (value, place) in [
            ("https://a.example/base/z?q=1#f", Some("/api/plugin-proxy/p/z?q=1#f")),
            ("/base/z", Some("/api/plugin-proxy/p/z")),
            ("/base", Some("/api/plugin-proxy/p")),
            ("z", Some("/api/plugin-proxy/p/dir/z")),
            ("../z", Some("/api/plugin-proxy/p/z")),
            ("?page=2", Some("/api/plugin-proxy/p/dir/x?page=2")),
            ("/basement", Some("https://a.example/basement")),
            ("/login", Some("https://a.example/login")),
            ("../../../x", Some("https://a.example/x")),
            ("https://b.example/base/z", Some("https://b.example/base/z")),
            ("//b.example/z", Some("https://b.example/z")),
            ("http://a.example/base/z", Some("http://a.example/base/z")),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
        ] {
            assert_eq!(rewrite(value).as_deref(), place, "{value}");
        }
    }

    #[test]
    fn consent_is_to_a_host_and_its_port() {
        let grants = |hosts: &[&str]| Grants {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..Grants::default()
        };
        assert!(is_granted(&url("https://a.example/x"), &grants(&["a.example"])));
        assert!(is_granted(&url("https://a.example:8443"), &grants(&["a.example:8443"])));
        assert!(!is_granted(&url("https://a.example:8443"), &grants(&["a.example"])));
        assert!(is_granted(&url("http://a.example"), &grants(&["a.example:80"])));
        assert!(!is_granted(&url("http://a.example"), &grants(&["a.example"])));
        assert!(!is_granted(&url("https://a.example"), &grants(&["b.example"])));
        assert!(!is_granted(&url("https://a.example"), &grants(&["a.example.evil", "a.example:8443"])));
        assert!(!is_granted(&url("https://a.example"), &grants(&[])));
    }

    #[test]
    fn only_where_the_operator_says_so_is_anything_sent_in_clear_text() {
        let guard = Guard::new("api.internal, 10.0.0.0/8".parse().unwrap(), Vec::new()).unwrap();
        let judged = |text: &str| {
            let upstream = url(text);
            let host = upstream.host_str().unwrap();
            let port = upstream.port_or_known_default().unwrap();
            let hosts = [host.to_owned(), format!("{host}:{port}")].into();
            may_be_called(&upstream, &Grants { hosts, ..Grants::default() }, &guard)
        };
        for text in
            ["https://a.example", "https://a.example:8443", "http://api.internal", "http://10.1.2.3:81"]
        {
            assert!(judged(text).is_ok(), "{text}");
        }
        for text in ["http://a.example", "http://a.example:8080", "http://1.1.1.1"] {
            assert!(matches!(judged(text), Err(Error::ClearText)), "{text}");
        }
        assert!(matches!(judged("https://127.0.0.1"), Err(Error::Refused)));
        let nothing = may_be_called(&url("https://a.example"), &Grants::default(), &guard);
        assert!(matches!(nothing, Err(Error::NotConsented)));
    }
}
