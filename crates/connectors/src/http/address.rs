//! Addresses at a vendor: made of segments that nothing can leave, or given by the vendor and held against its root.

use url::{Host, Url};

use super::path::{RawPath, unescaped};

/// The longest segment that is sent, in bytes.
const MAX_SEGMENT: usize = 2048;

/// An id that cannot be one segment of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSegment(pub(super) String);

/// The root of an API. Its path has no slash at the end.
#[derive(Debug, Clone)]
pub(super) struct Base(Url);

impl Base {
    /// The root at `url`, if that can be the root of an API.
    pub(super) fn new(mut url: Url) -> Option<Self> {
        let is_root = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_root {
            return None;
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(Self(url))
    }

    /// The same without `path` at its end, where that stands there.
    pub(super) fn without(mut self, path: &str) -> Self {
        let root =
            self.0.path().strip_suffix(path).and_then(|root| root.strip_suffix('/')).map(str::to_owned);
        if let Some(root) = root {
            self.0.set_path(&root);
        }
        self
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// The address below this one that the segments lead to.
    ///
    /// # Errors
    /// [`NoSegment`] where one of them is empty, would lead upwards, or is none that a vendor could have given out.
    pub(super) fn at<I>(&self, segments: I) -> Result<Url, NoSegment>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut url = self.0.clone();
        // A URL with a host has segments.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            for segment in segments {
                let segment = segment.as_ref();
                if !is_segment(segment) {
                    return Err(NoSegment(segment.to_owned()));
                }
                path.push(segment);
            }
        }
        Ok(url)
    }

    /// The root that the segments lead to.
    pub(super) fn below<I>(&self, segments: I) -> Result<Self, NoSegment>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.at(segments).map(Self)
    }

    /// The address below this one that `path` leads to, with `query` as it was given.
    ///
    /// `None` where the path would not stay as it is: it is looked at again because a token goes with it.
    pub(super) fn under(&self, path: &RawPath, query: Option<&str>) -> Option<Url> {
        let depth = |url: &Url| url.path_segments().map_or(0, Iterator::count);
        let root = self.0.path().trim_end_matches('/');
        let mut url = self.0.clone();
        url.set_path(&format!("{root}/{}", path.as_str()));
        url.set_query(query.filter(|query| !query.is_empty()));
        let is_below = url.path().strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        let root_depth = if root.is_empty() { 0 } else { depth(&self.0) };
        let is_whole = depth(&url) == root_depth + path.segments().len();
        (is_below && is_whole && is_same_origin(&self.0, &url)).then_some(url)
    }

    /// An address that the vendor gave, whole or without a host, if it is below this root: same scheme, host, port and
    /// beginning of the path.
    pub(super) fn given(&self, text: &str) -> Option<Url> {
        if text.is_empty() {
            return None;
        }
        let mut url = self.0.join(text).ok()?;
        url.set_fragment(None);
        let (root, path) = (self.0.path().trim_end_matches('/'), url.path());
        let is_below = path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_ours = is_same_origin(&self.0, &url) && url.username().is_empty() && url.password().is_none();
        (is_ours && is_below).then_some(url)
    }

    /// Host and port.
    pub(super) fn authority(&self) -> String {
        let port = self.0.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.0.host_str().unwrap_or_default())
    }

    /// Whether it is on this machine, by its literal address or the reserved name (RFC 6761, section 6.3).
    pub(super) fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

/// Same scheme, host and port.
pub(super) fn is_same_origin(left: &Url, right: &Url) -> bool {
    left.scheme() == right.scheme()
        && left.host() == right.host()
        && left.port_or_known_default() == right.port_or_known_default()
}

/// Dots lead elsewhere, also behind a slash, for those who decode a path before they go along it, and be it twice; control
/// characters would be dropped and so name another thing.
fn is_segment(segment: &str) -> bool {
    let once = unescaped(segment.as_bytes());
    !segment.is_empty()
        && segment.len() <= MAX_SEGMENT
        && !segment.chars().any(char::is_control)
        && !leads_elsewhere(segment.as_bytes())
        && !leads_elsewhere(&unescaped(&once))
        && !leads_elsewhere(&once)
}

/// Whether a part of it is dots alone, or dots before what some servers drop: blanks, and what follows a semicolon.
fn leads_elsewhere(segment: &[u8]) -> bool {
    let mut parts = segment.split(|byte| matches!(byte, b'/' | b'\\'));
    parts.any(|part| {
        let name = part.split(|byte| *byte == b';').next().unwrap_or_default();
        name.contains(&b'.') && name.iter().all(|byte| matches!(byte, b'.' | b' '))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Base {
        Base::new(Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn an_id_stays_in_its_segment() {
        for root in ["https://api.example/v1", "https://api.example/v1/"] {
            let at = |id: &str| base(root).at(["items", id]).map(String::from);
            for (id, expected) in [
                ("a", "a"),
                ("a/b", "a%2Fb"),
                ("..b/c..", "..b%2Fc.."),
                ("50%25", "50%2525"),
                ("a?b#c", "a%3Fb%23c"),
                ("a\\b", "a%5Cb"),
                ("ä b", "%C3%A4%20b"),
                ("@x:y", "@x:y"),
            ] {
                assert_eq!(at(id), Ok(format!("https://api.example/v1/items/{expected}")));
            }
            let longest = "x".repeat(MAX_SEGMENT + 1);
            for none in [
                "", ".", "..", "a\nb", "a\tb", "\0", &longest, "../b", "a/../b", "a\\..\\b", "a/.", "...",
                "..;x/b",
            ] {
                assert_eq!(at(none), Err(NoSegment(none.to_owned())));
            }
        }
        for none in ["%2e%2e", "..%2Fb", "a%2f%2E%2e%2fb", "%252e%252e%252fb", ".. /b"] {
            assert!(base("https://api.example").at([none]).is_err(), "{none}");
        }
        assert_eq!(base("https://api.example").at(["x"]).unwrap().as_str(), "https://api.example/x");
    }

    #[test]
    fn a_path_goes_below_the_root_as_it_is() {
        for root in ["https://api.example/v1", "https://api.example/v1/"] {
            let under =
                |path: &str, query| base(root).under(&RawPath::parse(path).unwrap(), query).map(String::from);
            for (path, query, expected) in [
                ("a/b%23c", None, "a/b%23c"),
                ("a/%3F%40/", Some(""), "a/%3F%40/"),
                ("ä b", Some("q=a b&x=%20#y"), "%C3%A4%20b?q=a%20b&x=%20%23y"),
                ("a:b@c;d", Some("?x"), "a:b@c;d??x"),
                ("http:", None, "http:"),
            ] {
                assert_eq!(under(path, query), Some(format!("https://api.example/v1/{expected}")), "{path}");
            }
        }
        let bare = base("https://api.example").under(&RawPath::parse("x/").unwrap(), Some("y"));
        assert_eq!(bare.unwrap().as_str(), "https://api.example/x/?y");
    }

    #[test]
    fn a_given_address_must_be_below_the_root() {
        let base = base("https://api.example/2.0");
        for (given, expected) in [
            ("https://api.example/2.0/items?page=2", Some("https://api.example/2.0/items?page=2")),
            ("https://api.example:443/2.0?a=b#c", Some("https://api.example/2.0?a=b")),
            ("/2.0/items?page=2", Some("https://api.example/2.0/items?page=2")),
            ("https://API.example/2.0/x/../y", Some("https://api.example/2.0/y")),
            ("https://api.example/2.0/../admin", None),
            ("https://api.example/2.0/%2e%2e/admin", None),
            ("https://api.example/2.0evil", None),
            ("https://api.example/", None),
            ("http://api.example/2.0/items", None),
            ("https://api.example:8443/2.0/items", None),
            ("https://api.example.evil.example/2.0/items", None),
            ("https://api.example@evil.example/2.0/items", None),
            ("https://u:p@api.example/2.0/items", None),
            ("//evil.example/2.0/items", None),
            ("https:\\\\evil.example/2.0/", None),
            ("javascript:alert(1)", None),
            ("", None),
        ] {
            assert_eq!(base.given(given).as_ref().map(Url::as_str), expected, "{given}");
        }
    }

    #[test]
    fn only_roots_are_roots() {
        for text in [
            "ftp://h/",
            "https://u@h/",
            "https://:p@h/",
            "https://h/?a",
            "https://h/#a",
            "data:,x",
            "file:///etc",
        ] {
            assert!(Base::new(Url::parse(text).unwrap()).is_none(), "{text}");
        }
        for (named, root) in [
            ("http://h/gmail/v1/", "http://h/"),
            ("http://h/x/gmail/v1", "http://h/x"),
            ("http://h/x", "http://h/x"),
            ("http://h/hotgmail/v1", "http://h/hotgmail/v1"),
        ] {
            assert_eq!(base(named).without("gmail/v1").url().as_str(), root);
        }
        assert_eq!(base("https://h").authority(), "h:443");
        assert_eq!(base("http://[::1]:81/x/").authority(), "[::1]:81");
    }
}
