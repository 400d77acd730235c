//! The query of a call: passed on as it is, without this server's own credential, and without what would make a request of
//! another method of it.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
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
        let Some((name, _)) = form_urlencoded::parse(pair.as_bytes()).next() else {
            continue;
        };
        check_pairs(pair.as_bytes())?;
        if name != hidden {
            kept.push(pair);
        }
    }
    Ok(kept.join("&"))
}

/// Checks the fields of a form in a body, where it is one. Frameworks take a body for one, too, that is said to be nothing.
///
/// # Errors
/// [`Error::OtherMethod`].
pub(super) fn check_form(headers: &HeaderMap, body: &[u8]) -> Result<(), Error> {
    if body.is_empty() {
        return Ok(());
    }
    // Of several, nobody knows which one the vendor heeds.
    let types: Vec<String> = headers.get_all(CONTENT_TYPE).iter().map(media_type).collect();
    let is_pairs = types.is_empty() || types.iter().any(|each| each == "application/x-www-form-urlencoded");
    let is_parts = types.iter().any(|each| each.starts_with("multipart/"));
    if (is_pairs || is_parts) && headers.contains_key(CONTENT_ENCODING) {
        return Err(Error::OtherMethod("a form behind Content-Encoding"));
    }
    if is_pairs {
        check_pairs(body)?;
    }
    if is_parts { check_parts(body) } else { Ok(()) }
}

fn media_type(value: &http::HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Checks pairs, also those that only some take for such: what a semicolon parts.
fn check_pairs(pairs: &[u8]) -> Result<(), Error> {
    let pieces = pairs.split(|byte| matches!(byte, b'&' | b';'));
    let mut pairs = pieces.flat_map(form_urlencoded::parse).chain(form_urlencoded::parse(pairs));
    pairs.try_for_each(|(name, value)| check(&name, &value))
}

/// Checks the names of a form's parts (RFC 7578, section 4.2), wherever in the body they may stand.
fn check_parts(body: &[u8]) -> Result<(), Error> {
    for line in body.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("name") {
            rest = after;
            let Some(value) = after.trim_start().strip_prefix('=') else { continue };
            // A backslash in quotes stands for what is after it. No name that matters is longer.
            let value = value.trim_start().chars().take(64).filter(|letter| *letter != '\\');
            let value: String = value.collect();
            let name = value.trim_start_matches('"').split(['"', ';', '\r']).next().unwrap_or_default();
            check(name, "")?;
        }
    }
    Ok(())
}

fn check(name: &str, value: &str) -> Result<(), Error> {
    let name = name.to_ascii_lowercase();
    // PHP reads `.method`, ` _method` and `_method[` as `_method`.
    let as_php = name.trim_start().replace(['.', ' ', '['], "_");
    let is = |known: &&str| *known == name || (known.starts_with('_') && *known == as_php);
    if let Some(known) = OTHER_METHOD.into_iter().find(|known| is(known)) {
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
            "a=b;_method=DELETE",
            "a=b;c=d;method=delete",
            ".method=DELETE",
            "+_method=DELETE",
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
        assert!(check_form(&types(&["text/plain"]), b"_method=delete").is_ok(), "it is a text");
    }

    fn types(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (CONTENT_TYPE, http::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn neither_is_a_form_of_another_kind() {
        let parts =
            |head: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\nDELETE\r\n--b--\r\n");
        let multipart = types(&["Multipart/Form-Data; boundary=b"]);
        for head in [
            "name=\"_method\"",
            "name=_method",
            "x=\"y\"; NAME = \"_METHOD\"",
            "\r\n name=\"_method\"",
            "name=\"\\_method\"",
            "name=\".method\"; filename=\"a\"",
        ] {
            assert!(check_form(&multipart, parts(head).as_bytes()).is_err(), "{head}");
        }
        for head in ["name=\"file\"; filename=\"my_method.txt\"", "name=\"method\"", "name=\"methods\""] {
            assert!(check_form(&multipart, parts(head).as_bytes()).is_ok(), "{head}");
        }
        let none = HeaderMap::new();
        assert!(
            check_form(&none, b"_method=delete").is_err(),
            "what is said to be nothing is a form to some"
        );
        assert!(check_form(&none, b"{\"text\": \"_method=delete\"}").is_ok());
        let either = types(&["application/json", "application/x-www-form-urlencoded"]);
        assert!(check_form(&either, b"_method=delete").is_err());
        let mut packed = types(&["application/x-www-form-urlencoded"]);
        packed.insert(CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
        assert!(check_form(&packed, b"\x1f\x8b").is_err());
        assert!(check_form(&packed, b"").is_ok());
    }
}
