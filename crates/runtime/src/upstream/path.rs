//! The part of a request's path that is the plugin's own.

use connectors::http::RawPath;

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
        if !rest.is_empty() {
            RawPath::parse(rest).map_err(|error| match error {
                connectors::Error::Path(sentence) => Error::Path(sentence),
                _ => Error::Path("must be a path"),
            })?;
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was sent: empty, or from a slash on.
    pub fn as_str(&self) -> &str {
        &self.0
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
        ];
        for text in paths {
            assert!(matches!(BackendPath::parse(text), Err(Error::Path(_))), "{text}");
        }
    }
}
