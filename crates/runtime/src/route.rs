//! Which handler answers a request: the routes of a backend, the most specific first.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use registry::Route;

/// The longest path below a plugin that is looked at, in bytes.
const MAX_PATH: usize = 2048;

/// The most segments of a path.
const MAX_SEGMENTS: usize = 64;

/// The handler that a request goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The handler's name.
    pub handler: String,
    /// What stands in the path where the route has `:name`s, decoded; what a last `*` stands for is under `*`.
    pub params: BTreeMap<String, String>,
}

/// Why no handler answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path is none that any reader would read in the same way.
    #[error("the path {0}")]
    Path(&'static str),
    /// No route has this path.
    #[error("the plugin has no route for this path")]
    NotFound,
    /// Routes have the path, for other methods.
    #[error("the plugin has routes for this path with the methods {}", .0.iter().cloned().collect::<Vec<_>>().join(", "))]
    Method(BTreeSet<String>),
}

/// One segment of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment<'a> {
    Static(&'a str),
    Param(&'a str),
    Rest,
}

impl<'a> Segment<'a> {
    fn of(text: &'a str) -> Self {
        match text.strip_prefix(':') {
            Some(name) if !name.is_empty() => Self::Param(name),
            _ if text == "*" => Self::Rest,
            _ => Self::Static(text),
        }
    }

    /// The smaller, the more specific.
    const fn rank(self) -> u8 {
        match self {
            Self::Static(_) => 0,
            Self::Param(_) => 1,
            Self::Rest => 2,
        }
    }
}

/// The route among `routes` that `method` and `path` lead to. `path` is what stands below the plugin's address,
/// percent-encoded, with or without a slash in front. Of several that fit, the one that is static where others are not
/// wins, segment by segment; then the one that names the method; then the first. HEAD goes where GET does, if nothing is
/// there for it.
///
/// # Errors
/// [`RouteError`].
pub(crate) fn find(routes: &[Route], method: &str, path: &str) -> Result<Matched, RouteError> {
    let path = segments(path)?;
    let fitting = routes.iter().filter_map(|route| Some((route, fit(&route.path, &path)?)));
    let mut fitting: Vec<(&Route, BTreeMap<String, String>)> = fitting.collect();
    if fitting.is_empty() {
        return Err(RouteError::NotFound);
    }
    // Stable: among equals the first stays the first.
    fitting.sort_by(|(left, _), (right, _)| compare(left, right));
    let takes = |wanted: &str| {
        let found = fitting.iter().find(|(route, _)| route.method == "*" || route.method == wanted);
        found.map(|(route, params)| Matched { handler: route.handler.clone(), params: params.clone() })
    };
    let found = takes(method).or_else(|| if method == "HEAD" { takes("GET") } else { None });
    found.ok_or_else(|| RouteError::Method(fitting.iter().map(|(route, _)| route.method.clone()).collect()))
}

fn compare(left: &Route, right: &Route) -> Ordering {
    let ranks = |route: &Route| parts(&route.path).map(|part| Segment::of(part).rank()).collect::<Vec<_>>();
    ranks(left).cmp(&ranks(right)).then((left.method == "*").cmp(&(right.method == "*")))
}

/// The segments of a route's or a request's path. One slash at the end says nothing.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').skip(usize::from(path.is_empty()))
}

/// The decoded segments of a request's path.
fn segments(path: &str) -> Result<Vec<String>, RouteError> {
    if path.len() > MAX_PATH {
        return Err(RouteError::Path("must be at most 2048 bytes long"));
    }
    let segments = parts(path).map(segment).collect::<Result<Vec<_>, _>>()?;
    if segments.len() > MAX_SEGMENTS {
        return Err(RouteError::Path("must have at most 64 segments"));
    }
    Ok(segments)
}

/// One segment, decoded: nothing in it that leads elsewhere for whoever decodes it again.
fn segment(text: &str) -> Result<String, RouteError> {
    let wrong = |sentence| Err(RouteError::Path(sentence));
    let Some(decoded) = unescape(text.as_bytes()) else {
        return wrong("must have % only before two hexadecimal digits");
    };
    let Ok(decoded) = String::from_utf8(decoded) else {
        return wrong("must be UTF-8 once it is decoded");
    };
    if decoded.chars().any(char::is_control) {
        return wrong("must not have control characters, escaped or not");
    }
    let mut read = decoded.clone().into_bytes();
    for _ in 0..4 {
        if read.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
            return wrong("must not have slashes or backslashes within a segment, escaped or not");
        }
        let name = read.split(|byte| *byte == b';').next().unwrap_or_default();
        if name.iter().all(|byte| matches!(byte, b'.' | b' ')) {
            return wrong("must not have segments that are empty or lead elsewhere, such as . and ..");
        }
        match unescape(&read) {
            Some(next) if next != read => read = next,
            _ => return Ok(decoded),
        }
    }
    wrong("must not be escaped over and over")
}

/// `None` where a `%` stands before anything but two hexadecimal digits.
fn unescape(bytes: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => bytes.next().and_then(digit)? * 16 + bytes.next().and_then(digit)?,
            other => *other,
        });
    }
    Some(decoded)
}

/// What the names of a route stand for in a path that fits it.
fn fit(route: &str, path: &[String]) -> Option<BTreeMap<String, String>> {
    let mut params = BTreeMap::new();
    let mut rest = path.iter();
    for part in parts(route) {
        match Segment::of(part) {
            Segment::Static(text) => {
                if rest.next()? != text {
                    return None;
                }
            }
            Segment::Param(name) => {
                params.insert(name.to_owned(), rest.next()?.clone());
            }
            Segment::Rest => {
                params.insert("*".to_owned(), rest.as_slice().join("/"));
                return Some(params);
            }
        }
    }
    rest.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(list: &[(&str, &str, &str)]) -> Vec<Route> {
        let route = |(method, path, handler): &(&str, &str, &str)| Route {
            method: (*method).into(),
            path: (*path).into(),
            handler: (*handler).into(),
        };
        list.iter().map(route).collect()
    }

    fn shop() -> Vec<Route> {
        routes(&[
            ("*", "/*", "other"),
            ("GET", "/orders/:id", "get"),
            ("*", "/orders/:id", "any"),
            ("GET", "/orders/mine", "mine"),
            ("POST", "/orders", "create"),
            ("GET", "/orders/:id/lines/:line", "line"),
            ("GET", "/", "home"),
        ])
    }

    fn handler(method: &str, path: &str) -> Result<String, RouteError> {
        find(&shop(), method, path).map(|matched| matched.handler)
    }

    #[test]
    fn the_most_specific_route_wins_whatever_the_order() {
        for (method, path, expected) in [
            ("GET", "/orders/mine", "mine"),
            ("GET", "/orders/7", "get"),
            ("HEAD", "/orders/7", "any"),
            ("PUT", "/orders/7", "any"),
            ("DELETE", "/orders/mine", "any"),
            ("POST", "/orders", "create"),
            ("POST", "orders/", "create"),
            ("GET", "/orders", "other"),
            ("GET", "/", "home"),
            ("GET", "", "home"),
            ("HEAD", "/", "other"),
            ("GET", "/elsewhere/1/2", "other"),
        ] {
            assert_eq!(handler(method, path).as_deref(), Ok(expected), "{method} {path}");
        }
    }

    #[test]
    fn names_stand_for_decoded_segments() {
        let matched = find(&shop(), "GET", "/orders/a%20b%C3%A4/lines/100%25").unwrap();
        let expected = [("id".to_owned(), "a b\u{e4}".to_owned()), ("line".into(), "100%".into())];
        assert_eq!(matched.params, expected.into());
        let rest = find(&shop(), "GET", "/x/y%20z").unwrap();
        assert_eq!(rest.params, [("*".to_owned(), "x/y z".to_owned())].into());
    }

    #[test]
    fn a_wrong_method_is_told_from_a_wrong_path() {
        let routes = routes(&[("GET", "/a", "a"), ("PUT", "/a", "b"), ("GET", "/b/:id", "c")]);
        let methods = ["GET".to_owned(), "PUT".to_owned()].into();
        assert_eq!(find(&routes, "POST", "/a"), Err(RouteError::Method(methods)));
        assert_eq!(find(&routes, "HEAD", "/a").unwrap().handler, "a");
        for path in ["/", "/c", "/a/b", "/b", "/b/1/2", "/A"] {
            assert_eq!(find(&routes, "GET", path), Err(RouteError::NotFound), "{path}");
        }
    }

    #[test]
    fn no_path_leads_to_another_than_it_says() {
        for path in [
            "/orders/..",
            "/orders/%2e%2e",
            "/orders/%252e%252e",
            "/orders/a%2fb",
            "/orders/a%252Fb",
            "/orders/a%5cb",
            "/orders/a\\b",
            "/orders//x",
            "/orders/%00",
            "/orders/%0d%0a",
            "/orders/..;a",
            "/orders/%ff",
            "/orders/%2",
            "/orders/%zz",
            "/orders/%2525252525252e",
            &"/a".repeat(65),
            &format!("/{}", "a".repeat(2048)),
        ] {
            assert!(matches!(handler("GET", path), Err(RouteError::Path(_))), "{path}");
        }
    }
}
