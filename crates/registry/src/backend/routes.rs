//! The routes, hooks and handlers of a backend: how they may be written.

use std::collections::BTreeSet;

use model::{EventPattern, Violation};

use super::{Hook, Route};

/// The most routes, and the most hooks, that a manifest or a program may have.
pub(super) const MAX_LIST: usize = 100;
/// The most handlers of a program.
pub(super) const MAX_HANDLERS: usize = 200;
const MAX_PATH: usize = 512;
const MAX_SEGMENTS: usize = 32;
const METHODS: [&str; 8] = ["*", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Checks routes and hooks that stand at `pointer`.
pub(super) fn check(routes: &[Route], hooks: &[Hook], pointer: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (list, length) in [("routes", routes.len()), ("hooks", hooks.len())] {
        if length > MAX_LIST {
            let detail = format!("must have at most {MAX_LIST} entries");
            found.push(Violation::new(format!("{pointer}/{list}"), detail));
        }
    }
    let mut known = BTreeSet::new();
    for (index, route) in routes.iter().enumerate().take(MAX_LIST) {
        let at = |key: &str| format!("{pointer}/routes/{index}/{key}");
        if !METHODS.contains(&route.method.as_str()) {
            let detail = format!("must be one of {}, in capitals", METHODS.join(", "));
            found.push(Violation::new(at("method"), detail));
        }
        match shape(&route.path) {
            Err(detail) => found.push(Violation::new(at("path"), detail)),
            Ok(shape) => {
                if !known.insert((route.method.as_str(), shape)) {
                    let method: String = route.method.chars().take(20).collect();
                    let detail = format!("{method} {} has a handler already", route.path);
                    found.push(Violation::new(at("path"), detail));
                }
            }
        }
        found.extend(check_handler(&route.handler).err().map(|detail| Violation::new(at("handler"), detail)));
    }
    for (index, hook) in hooks.iter().enumerate().take(MAX_LIST) {
        let at = |key: &str| format!("{pointer}/hooks/{index}/{key}");
        found.extend(check_pattern(&hook.event).err().map(|detail| Violation::new(at("event"), detail)));
        found.extend(check_handler(&hook.handler).err().map(|detail| Violation::new(at("handler"), detail)));
        if hooks.iter().take(index).any(|other| other == hook) {
            found.push(Violation::new(at("event"), "the handler gets this event already"));
        }
    }
    found
}

/// A handler's name: a name of a property that can be written after a dot, with dots and hyphens.
pub(super) fn check_handler(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_$".contains(&byte));
    if begins && name.len() <= 64 && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_$.-".contains(&byte))
    {
        Ok(())
    } else {
        Err("must be the name of a handler: 1 to 64 letters, digits and _ $ . -, beginning with a letter, _ or $"
            .to_owned())
    }
}

/// A type of events: words separated by dots.
pub(super) fn check_event(text: &str) -> Result<(), String> {
    let mut words = text.split('.');
    let is_word = |word: &str, also: &[u8]| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || also.contains(&byte);
        !word.is_empty() && word.bytes().all(allowed)
    };
    let first = words.next().is_some_and(|word| is_word(word, b"_"));
    let rest: Vec<&str> = words.collect();
    if text.len() <= 128 && first && !rest.is_empty() && rest.iter().all(|word| is_word(word, b"_-")) {
        Ok(())
    } else {
        Err("must be a type of events such as orders.order_paid: lower-case words separated by dots"
            .to_owned())
    }
}

/// A pattern of types of events.
pub(super) fn check_pattern(text: &str) -> Result<(), String> {
    text.parse::<EventPattern>().map(drop).map_err(|error| format!("must be of the right form: {error}"))
}

/// The path with every parameter alike, by which two routes are told to be the same.
fn shape(path: &str) -> Result<String, String> {
    let Some(rest) = path.strip_prefix('/') else { return Err("must begin with /".to_owned()) };
    if path.len() > MAX_PATH {
        return Err(format!("must have at most {MAX_PATH} characters"));
    }
    if rest.is_empty() {
        return Ok(path.to_owned());
    }
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.len() > MAX_SEGMENTS {
        return Err(format!("must have at most {MAX_SEGMENTS} segments"));
    }
    let mut names = BTreeSet::new();
    let mut shape = String::new();
    for (index, segment) in segments.iter().enumerate() {
        shape.push('/');
        if *segment == "*" {
            if index + 1 != segments.len() {
                return Err("may have * as its last segment alone".to_owned());
            }
            shape.push('*');
        } else if let Some(name) = segment.strip_prefix(':') {
            if !is_parameter(name) {
                return Err(format!("{segment} is no parameter: write : and letters, digits or _"));
            }
            if !names.insert(name) {
                return Err(format!("has two parameters that are called {name}"));
            }
            shape.push(':');
        } else {
            check_segment(segment)?;
            shape.push_str(segment);
        }
    }
    Ok(shape)
}

fn is_parameter(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A literal segment, which every server and proxy on the way reads alike.
fn check_segment(segment: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=@".contains(&byte);
    match segment {
        "" => Err("must not have an empty segment: no // and no / at the end".to_owned()),
        "." | ".." => Err("must not contain . or .. as a segment".to_owned()),
        _ if segment.bytes().all(allowed) => Ok(()),
        _ => Err("may contain letters, digits and - . _ ~ ! $ & ' ( ) + , = @, :parameters and a last *"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_one_way() {
        for path in ["/", "/a", "/a/:id", "/a/:id/*", "/*", "/v1.2/users@x/:user_id"] {
            assert!(shape(path).is_ok(), "{path}");
        }
        for path in [
            "", "a", "//", "/a/", "/a//b", "/..", "/a/../b", "/./a", "/%2e%2e", "/a%2Fb", "/a?b", "/a#b",
            "/a b", "/*/a", "/:", "/:a-b", "/:a/:a", "/a\\b", "/ä", "/a;b", "/a\r\n",
        ] {
            assert!(shape(path).is_err(), "{path}");
        }
        assert_eq!(shape("/a/:id").unwrap(), shape("/a/:other").unwrap());
    }

    #[test]
    fn a_route_that_is_there_twice_is_told() {
        let route = |method: &str, path: &str| Route {
            method: method.to_owned(),
            path: path.to_owned(),
            handler: "handle".to_owned(),
        };
        let routes =
            [route("GET", "/a/:id"), route("POST", "/a/:id"), route("GET", "/a/:name"), route("get", "/b")];
        let pointers: Vec<String> =
            check(&routes, &[], "/backend").into_iter().map(|each| each.pointer).collect();
        assert_eq!(pointers, ["/backend/routes/2/path", "/backend/routes/3/method"]);
    }

    #[test]
    fn event_types_are_words_with_dots() {
        for text in ["orders.paid", "a_1.b-c.d"] {
            assert_eq!(check_event(text), Ok(()), "{text}");
        }
        for text in
            ["", "orders", "orders.", ".paid", "orders..paid", "Orders.paid", "or-ders.paid", "orders.p aid"]
        {
            assert!(check_event(text).is_err(), "{text}");
        }
    }
}
