//! Which handler answers a request: the routes of a backend, the most specific first.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use registry::Route;

use crate::upstream::BackendPath;

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

/// The route among `routes` that `method` and `path` lead to. Of several that fit, the one that is static where others are not
/// wins, segment by segment; then the one that names the method; then the first. HEAD goes where GET does, if nothing is
/// there for it.
///
/// # Errors
/// [`RouteError`].
pub(crate) fn find(routes: &[Route], method: &str, path: &BackendPath) -> Result<Matched, RouteError> {
    let path = path.segments();
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

/// The segments of a route's path. One slash at the end says nothing.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').skip(usize::from(path.is_empty()))
}

/// What the names of a route stand for in a path that fits it.
fn fit(route: &str, path: &[Cow<'_, str>]) -> Option<BTreeMap<String, String>> {
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
                params.insert(name.to_owned(), rest.next()?.clone().into_owned());
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

    fn path_of(text: &str) -> BackendPath {
        BackendPath::parse(text).unwrap()
    }

    fn handler(method: &str, path: &str) -> Result<String, RouteError> {
        find(&shop(), method, &path_of(path)).map(|matched| matched.handler)
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
            ("POST", "/orders/", "create"),
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
        let matched = find(&shop(), "GET", &path_of("/orders/a%20b%C3%A4/lines/100%25")).unwrap();
        let expected = [("id".to_owned(), "a b\u{e4}".to_owned()), ("line".into(), "100%".into())];
        assert_eq!(matched.params, expected.into());
        let rest = find(&shop(), "GET", &path_of("/x/y%20z")).unwrap();
        assert_eq!(rest.params, [("*".to_owned(), "x/y z".to_owned())].into());
    }

    #[test]
    fn a_wrong_method_is_told_from_a_wrong_path() {
        let routes = routes(&[("GET", "/a", "a"), ("PUT", "/a", "b"), ("GET", "/b/:id", "c")]);
        let methods = ["GET".to_owned(), "PUT".to_owned()].into();
        assert_eq!(find(&routes, "POST", &path_of("/a")), Err(RouteError::Method(methods)));
        assert_eq!(find(&routes, "HEAD", &path_of("/a")).unwrap().handler, "a");
        for path in ["/", "/c", "/a/b", "/b", "/b/1/2", "/A"] {
            assert_eq!(find(&routes, "GET", &path_of(path)), Err(RouteError::NotFound), "{path}");
        }
    }
}
