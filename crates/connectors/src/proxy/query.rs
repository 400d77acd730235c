//! The query of a call: passed on as it is, without this server's own credential, and without what would make a request of
//! another method of it.

use std::borrow::Cow;

use http::header::{CONTENT_TYPE, HeaderMap};
use url::form_urlencoded;

use crate::Error;

/// Parameters by which frameworks take another method than the request's own: Rails and Laravel, Google's APIs (as the
/// Closure Library writes them), and those that read the header of this name in the query as well.
const OTHER_METHOD: [&str; 4] = ["$httpheaders", "$httpmethod", "_method", "x-http-method-override"];

/// Methods that a parameter `method` would be taken for, as Facebook's API does.
const METHODS: [&str; 7] = ["delete", "get", "head", "options", "patch", "post", "put"];

/// The query without the parameters called `hidden`, all others as they were given.
///
/// # Errors
/// [`Error::OtherMethod`].
pub(super) fn passed(query: &str, hidden: &str) -> Result<String, Error> {
    let mut kept = Vec::new();
    for pair in query.split('&') {
        let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else {
            continue;
        };
        check(&name, &value)?;
        if name != hidden {
            kept.push(pair);
        }
    }
    Ok(kept.join("&"))
}

/// Checks the fields of a form in a body, where it is one.
///
/// # Errors
/// [`Error::OtherMethod`].
pub(super) fn check_form(headers: &HeaderMap, body: &[u8]) -> Result<(), Error> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    form_urlencoded::parse(body)
        .try_for_each(|(name, value): (Cow<'_, str>, Cow<'_, str>)| check(&name, &value))
}

fn check(name: &str, value: &str) -> Result<(), Error> {
    let name = name.to_ascii_lowercase();
    if let Some(known) = OTHER_METHOD.into_iter().find(|known| *known == name) {
        return Err(Error::OtherMethod(known));
    }
    if name == "method" && METHODS.contains(&value.to_ascii_lowercase().as_str()) {
        return Err(Error::OtherMethod("method"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_goes_on_as_it_is_but_for_the_credential() {
        let passed = |query: &str| passed(query, "session_token").map_err(|error| error.to_string());
        for (query, expected) in [
            ("", ""),
            ("a=b%20c+d&a=&%C3%A4=1&flag", "a=b%20c+d&a=&%C3%A4=1&flag"),
            ("session_token=x.y&a=b", "a=b"),
            ("a=b&session%5Ftoken=x&c", "a=b&c"),
            ("session_tokens=1", "session_tokens=1"),
            ("user_email=ann@acme.example", "user_email=ann@acme.example"),
            ("method=flickr.photos.search", "method=flickr.photos.search"),
        ] {
            assert_eq!(passed(query).unwrap(), expected, "{query}");
        }
        for query in [
            "_method=DELETE",
            "a=b&%5Fmethod=x",
            "$httpMethod=DELETE",
            "%24httpHeaders=X",
            "method=delete",
            "METHOD=Post",
            "x-http-method-override=PUT",
        ] {
            assert!(passed(query).unwrap_err().contains("another method"), "{query}");
        }
    }

    #[test]
    fn a_form_is_no_way_around_either() {
        let form = HeaderMap::from_iter([(
            CONTENT_TYPE,
            http::HeaderValue::from_static("Application/X-WWW-Form-Urlencoded; charset=utf-8"),
        )]);
        assert!(check_form(&form, b"a=b&_method=delete").is_err());
        assert!(check_form(&form, b"a=b&text=_method=delete").is_ok());
        assert!(check_form(&HeaderMap::new(), b"_method=delete").is_ok(), "it is a text");
    }
}
