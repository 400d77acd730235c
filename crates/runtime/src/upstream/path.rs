//! The part of a request's path that is the plugin's own.

use std::borrow::Cow;

use connectors::http::{MAX_PATH, segments};

use super::Error;

/// What stands in a path behind the plugin's id, as it was sent: nothing, or a slash and what is below. No part of it leads
/// upwards, or elsewhere once it is decoded, however often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendPath(String);

impl BackendPath {
    /// The path in `text`, percent-encoded as it stands in a request (RFC 3986): empty, or from a slash on.
    ///
    /// # Errors
    /// [`Error::Path`]: segments that are empty, `.` or `..`, and slashes, backslashes and control characters within one,
    /// escaped once or several times.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let rest = match text.strip_prefix('/') {
            Some(rest) => rest,
            None if text.is_empty() => "",
            None => return Err(Error::Path("must begin with a slash")),
        };
        if rest.len() > MAX_PATH {
            return Err(Error::Path("must be at most 4096 bytes long"));
        }
        if !rest.is_empty() {
            segments(rest).try_for_each(|segment| segment.map(drop)).map_err(Error::Path)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was sent: empty, or from a slash on.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, decoded. A slash at the end begins none.
    pub(crate) fn segments(&self) -> Vec<Cow<'_, str>> {
        let rest = self.0.strip_prefix('/').unwrap_or_default();
        // They were all looked at when this was made.
        segments(rest).map_while(Result::ok).filter(|segment| !segment.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_the_plugin_is_kept_letter_by_letter() {
        for text in ["", "/", "/a", "/a/", "/a%20b/c;v=1", "/caf%C3%A9", "/100%25", "/a:b@c,d!$&'()*+="] {
            assert_eq!(BackendPath::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn segments_are_decoded_once() {
        let segments = |text| BackendPath::parse(text).unwrap().segments().join("|");
        for (text, expected) in [
            ("", ""),
            ("/", ""),
            ("/a", "a"),
            ("/a/", "a"),
            ("/a%20b/c;v=1/%C3%A4/100%2525", "a b|c;v=1|ä|100%25"),
        ] {
            assert_eq!(segments(text), expected, "{text}");
        }
    }

    #[test]
    fn what_could_be_read_as_another_path_is_refused() {
        let paths = [
            "a",
            "//",
            "//evil.example",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/%2e%2e/b",
            "/%2E./b",
            "/.%2e",
            "/%252e%252e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%252Fb",
            "/a\\b",
            "/a%5cb",
            "/a%255Cb",
            "/..;/b",
            "/a%00",
            "/a%0d%0aX-Evil:%201",
            "/a%250d%250a",
            "/%",
            "/%zz",
            "/a%c0%af",
            "/%ff",
            "/%2525252525252e",
            &format!("/{}", "a".repeat(4097)),
        ];
        for text in paths {
            assert!(matches!(BackendPath::parse(text), Err(Error::Path(_))), "{text}");
        }
    }
}
