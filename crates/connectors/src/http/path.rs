//! A path that a caller gives for a vendor's API: it stays below the API's root, however the vendor reads it.

use std::borrow::Cow;

use crate::Error;

/// The longest path that is sent, in bytes.
pub const MAX_PATH: usize = 4096;

/// How often a path may be escaped over and over.
const MAX_ESCAPED: usize = 4;

/// A path below the root of an API. No part of it leads upwards, to another host, or to another place once it is decoded
/// again, by itself or by what stands before the vendor's servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPath {
    text: String,
    segments: Vec<String>,
}

impl RawPath {
    /// The path in `text`, percent-encoded and without the slash in front, as it stands in a request (RFC 3986).
    ///
    /// # Errors
    /// [`Error::Path`], which says what would be right.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::Path("must name something below the root of the API"));
        }
        if text.len() > MAX_PATH {
            return Err(Error::Path("must be at most 4096 bytes long"));
        }
        let segments = segments(text).map(|segment| segment.map(Cow::into_owned));
        let segments = segments.collect::<Result<_, _>>().map_err(Error::Path)?;
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The segments, decoded. The last is empty where there is a slash at the end, and no other ever is.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// As it was given.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// The segments of a path, percent-encoded and without the slash in front, decoded as those of [`RawPath`] are, or what is
/// wrong with them.
pub fn segments(text: &str) -> impl Iterator<Item = Result<Cow<'_, str>, &'static str>> {
    let last = text.matches('/').count();
    text.split('/').enumerate().map(move |(index, part)| {
        // A slash at the end names another thing at some vendors.
        if part.is_empty() && index == last && index > 0 { Ok(Cow::Borrowed("")) } else { segment(part) }
    })
}

/// One segment, decoded.
fn segment(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if !text.contains('%') {
        check(text.as_bytes())?;
        return if text.chars().any(char::is_control) { Err(CONTROL) } else { Ok(Cow::Borrowed(text)) };
    }
    if !is_well_escaped(text) {
        return Err("must have % only before two hexadecimal digits");
    }
    let first = unescaped(text.as_bytes());
    let mut bytes = first.clone();
    for _ in 0..MAX_ESCAPED {
        check(&bytes)?;
        let next = unescaped(&bytes);
        if next == bytes {
            let decoded = String::from_utf8(first).map_err(|_| "must be UTF-8 once it is decoded")?;
            let is_clean = !decoded.chars().any(char::is_control);
            return if is_clean { Ok(Cow::Owned(decoded)) } else { Err(CONTROL) };
        }
        bytes = next;
    }
    Err("must not be escaped over and over")
}

const CONTROL: &str = "must not have control characters, escaped or not";

/// What none of a path's readers may find in a segment, whether it decodes once or twice.
fn check(segment: &[u8]) -> Result<(), &'static str> {
    if segment.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
        return Err("must not have slashes or backslashes within a segment, escaped or not");
    }
    if segment.iter().any(u8::is_ascii_control) {
        return Err(CONTROL);
    }
    // Some servers drop what follows a semicolon, and dots and blanks at the end: `..;x` and `.. ` then lead upwards.
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    if name.iter().all(|byte| matches!(byte, b'.' | b' ')) {
        return Err("must not have segments that are empty or lead elsewhere, such as . and ..");
    }
    Ok(())
}

/// Whether each `%` stands before two hexadecimal digits.
fn is_well_escaped(text: &str) -> bool {
    let mut after = text.split('%').skip(1).map(str::as_bytes);
    after.all(|rest| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

/// `bytes` with each escape in place of what it stands for. What is none stays.
pub(super) fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let escape = match after {
            [high, low, after @ ..] if *first == b'%' => digit(*high).zip(digit(*low)).zip(Some(after)),
            _ => None,
        };
        if let Some(((high, low), after)) = escape {
            decoded.push(high * 16 + low);
            rest = after;
        } else {
            decoded.push(*first);
            rest = after;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_stands() {
        for (text, segments) in [
            ("chat.postMessage", &["chat.postMessage"][..]),
            ("users/me/messages", &["users", "me", "messages"]),
            ("src/master/", &["src", "master", ""]),
            (
                "calendars/en.usa%23holiday%40group.v.calendar.google.com",
                &["calendars", "en.usa#holiday@group.v.calendar.google.com"],
            ),
            ("a/%C3%A4%20b", &["a", "ä b"]),
            ("users/ann@acme.example:x", &["users", "ann@acme.example:x"]),
            ("100%25", &["100%"]),
            ("100%2525", &["100%25"]),
            ("v1.0/...x", &["v1.0", "...x"]),
            ("a;v=1/b", &["a;v=1", "b"]),
            (".well-known/x", &[".well-known", "x"]),
        ] {
            assert_eq!(RawPath::parse(text).unwrap().segments(), segments, "{text}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_root() {
        for text in [
            "",
            "/",
            "//",
            "/a",
            "//evil.example/a",
            "a//b",
            "a//",
            ".",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "a/./b",
            "%2e",
            "%2e%2e",
            "%2E%2e/a",
            "a/%2e%2e/b",
            ".%2e",
            "a/..%2fb",
            "..%2f",
            "%2f",
            "a%2Fb",
            "%2f%2fevil.example",
            "a\\b",
            "..\\a",
            "\\\\evil.example",
            "a%5cb",
            "%5c%5cevil.example",
            "%252e%252e/a",
            "a%252fb",
            "%25252e%25252e",
            "%252525252e",
            "%2525252525252525252f",
            "..;/a",
            "..;x=1/a",
            "a/;/b",
            ";",
            "a/..%3b/b",
            "%20",
            "a/..%20/b",
            "...",
            "a/. ./b",
            "a%00",
            "%00",
            "a%0a",
            "a%0d%0aHost:%20evil.example",
            "a%09b",
            "a%7f",
            "a\tb",
            "a\nb",
            "a%c2%85",
            "%",
            "a%",
            "a%2",
            "a%zz",
            "%ff",
            "a%c0%ae%c0%ae",
            "%c0%af",
            "%u002e",
        ] {
            assert!(matches!(RawPath::parse(text), Err(Error::Path(_))), "{text:?}");
        }
        assert!(RawPath::parse(&"a".repeat(MAX_PATH)).is_ok());
        assert!(RawPath::parse(&"a".repeat(MAX_PATH + 1)).is_err());
    }
}
