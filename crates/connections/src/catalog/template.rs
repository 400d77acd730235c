//! URLs in which variables stand, and what may stand where: nothing that a tenant gives can leave the place in the URL
//! that the catalog gives it.

use std::collections::BTreeMap;

use url::Url;

use super::provider::{Variable, VariablePattern};

/// Stands for the client id of the OAuth app that is used; needs no declaration.
pub(super) const CLIENT_ID: &str = "client_id";

/// A text with `{name}` in it.
#[derive(Debug)]
pub(super) struct Template<'a>(Vec<Piece<'a>>);

#[derive(Debug)]
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

impl<'a> Template<'a> {
    /// The pieces of `text`; `None` where its braces are not pairs around a name.
    pub(super) fn parse(mut text: &'a str) -> Option<Self> {
        let mut pieces = Vec::new();
        while let Some((before, after)) = text.split_once('{') {
            let (name, rest) = after.split_once('}')?;
            if before.contains('}') || !is_name(name) {
                return None;
            }
            pieces.extend([Piece::Text(before), Piece::Name(name)]);
            text = rest;
        }
        pieces.push(Piece::Text(text));
        (!text.contains('}')).then_some(Self(pieces))
    }

    /// The names in it, in order, repeated where they are.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(*name),
            Piece::Text(_) => None,
        })
    }

    /// The text with the names put in; `None` if one has no value.
    pub(super) fn fill<'v>(
        &self,
        mut value: impl FnMut(&str) -> Option<std::borrow::Cow<'v, str>>,
    ) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Name(name) => text.push_str(&value(name)?),
            }
        }
        Some(text)
    }
}

/// Whether `text` can name a variable: lower-case letters, digits and `_`, beginning with a letter, 32 at most.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// What is wrong with a URL of the catalog, as the end of a sentence that begins with its key.
pub(super) type Wrong = String;

/// Checks a URL template: what it comes to with any values is a URL whose host and structure the catalog decides.
pub(super) fn check(text: &str, variables: &BTreeMap<String, Variable>) -> Result<Url, Wrong> {
    let must =
        || format!("must be an http or https URL without user, password and fragment; {text:?} is not");
    let template = Template::parse(text)
        .ok_or_else(|| format!("must have variables as {{name}} in lower case; {text:?} has not"))?;
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return Err(must());
    }
    let (mut index, mut unknown) = (0, None);
    let filled = template.fill(|name| {
        index += 1;
        match variables.get(name).map(|variable| variable.pattern) {
            Some(VariablePattern::HostName) => Some(marker(index - 1, ".example").into()),
            Some(VariablePattern::HostLabel | VariablePattern::PathSegment) => {
                Some(marker(index - 1, "").into())
            }
            None if name == CLIENT_ID => Some(marker(index - 1, "").into()),
            None => {
                unknown = Some(name.to_owned());
                None
            }
        }
    });
    let Some(filled) = filled else {
        let name = unknown.unwrap_or_default();
        return Err(format!("has {{{name}}}, which must be declared under variables"));
    };
    let url = Url::parse(&filled).map_err(|_| must())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|host| plain && !host.is_empty()).ok_or_else(must)?;
    for (index, name) in template.names().enumerate() {
        check_place(
            &marker(index, ""),
            name,
            host,
            &url,
            variables.get(name).map(|variable| variable.pattern),
        )?;
    }
    Ok(url)
}

/// What stands for the occurrence of a variable while its place is looked for.
fn marker(index: usize, end: &str) -> String {
    format!("jfvariable{index}x{end}")
}

fn check_place(
    marker: &str,
    name: &str,
    host: &str,
    url: &Url,
    pattern: Option<VariablePattern>,
) -> Result<(), Wrong> {
    if !host.contains(marker) {
        let is_placed =
            url.path().contains(marker) || url.query().is_some_and(|query| query.contains(marker));
        return if is_placed { Ok(()) } else { Err(format!("may have {{{name}}} in its host or path only")) };
    }
    match pattern {
        Some(VariablePattern::HostLabel) => {
            let last = host.rsplit_once('.').map(|(_, last)| last);
            if last.is_some_and(|last| !last.contains(marker)) {
                Ok(())
            } else {
                Err(format!("has {{{name}}} as the end of its host; there it must be a host_name"))
            }
        }
        Some(VariablePattern::HostName) if host == format!("{marker}.example") => Ok(()),
        Some(VariablePattern::HostName) => {
            Err(format!("has {{{name}}} in a part of its host; there it must be a host_label"))
        }
        Some(VariablePattern::PathSegment) | None => {
            Err(format!("has {{{name}}} in its host, where a host_label or host_name alone may stand"))
        }
    }
}

/// Whether the host that `text` leads to is wholly the choice of whoever gives the variables.
pub(super) fn is_free_host(text: &str, variables: &BTreeMap<String, Variable>) -> bool {
    let host = text
        .split_once("://")
        .map_or(text, |(_, rest)| rest)
        .split(['/', '?', ':'])
        .next()
        .unwrap_or_default();
    Template::parse(host).is_some_and(|host| {
        host.names().any(|name| {
            variables.get(name).is_some_and(|variable| variable.pattern == VariablePattern::HostName)
        })
    })
}

impl VariablePattern {
    /// Whether `value` keeps to the pattern.
    pub fn accepts(self, value: &str) -> bool {
        match self {
            Self::HostLabel => is_label(value),
            Self::HostName => is_public_name(value),
            Self::PathSegment => {
                let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
                (1..=128).contains(&value.len())
                    && value.bytes().all(is_sound)
                    && !matches!(value, "." | "..")
            }
        }
    }

    /// What a value must be, as the end of a sentence that begins "must be".
    pub fn expects(self) -> &'static str {
        match self {
            Self::HostLabel => {
                "one part of a host name: 1 to 63 letters, digits and hyphens, no hyphen at either end"
            }
            Self::HostName => "a public host name such as shop.example.com, without scheme, port and path",
            Self::PathSegment => "1 to 128 letters, digits, hyphens, underscores and dots",
        }
    }
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The ends of names that no public DNS answers for (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`, and habit).
const PRIVATE_ENDS: &[&str] = &[
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
];

/// A name of at least two labels whose last can neither be part of an address nor be private. What the name resolves
/// to is looked at where the connection is made, by the guard.
fn is_public_name(text: &str) -> bool {
    let last = text.rsplit_once('.').map(|(_, last)| last.to_ascii_lowercase());
    text.len() <= 253
        && text.split('.').all(is_label)
        && last.is_some_and(|last| {
            last.len() > 1
                && last.starts_with(|first: char| first.is_ascii_lowercase())
                && !PRIVATE_ENDS.contains(&last.as_str())
        })
}

/// `text` as one segment of a path: everything but letters, digits, `-`, `_`, `.`, `~` percent-encoded (RFC 3986,
/// section 2.3). `None` for what a parser would take for a step upwards.
pub(super) fn path_segment(text: &str) -> Option<String> {
    use std::fmt::Write as _;
    if matches!(text, "" | "." | "..") {
        return None;
    }
    let mut segment = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            segment.push(char::from(byte));
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    Some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pattern: VariablePattern) -> BTreeMap<String, Variable> {
        BTreeMap::from([("v".to_owned(), Variable { label: "V".into(), pattern, default: None })])
    }

    #[test]
    fn a_variable_stands_where_its_pattern_is_safe() {
        use VariablePattern::{HostLabel, HostName, PathSegment};
        for (text, pattern, sound) in [
            ("https://{v}.shop.example/oauth", HostLabel, true),
            ("https://x-{v}.shop.example:8443/oauth", HostLabel, true),
            ("https://shop.example/{v}/oauth", HostLabel, true),
            ("https://{v}/oauth", HostLabel, false),
            ("https://shop.{v}/oauth", HostLabel, false),
            ("https://{v}/oauth", HostName, true),
            ("https://{v}:8443/oauth", HostName, true),
            ("https://{v}.example/oauth", HostName, false),
            ("https://a.{v}/oauth", HostName, false),
            ("https://shop.example/{v}/token?tenant={v}", PathSegment, true),
            ("https://{v}.shop.example/", PathSegment, false),
            ("https://shop.example:{v}/", PathSegment, false),
            ("https://{v}@shop.example/", HostLabel, false),
            ("https://shop.example/#{v}", PathSegment, false),
            ("{v}://shop.example/", HostLabel, false),
            ("https://shop.example/{w}", HostLabel, false),
            ("https://shop.example/{v", HostLabel, false),
            ("https://shop.example/v}", HostLabel, false),
            ("https://shop.example/{V}", HostLabel, false),
            ("https://{client_id}.shop.example/", HostLabel, false),
            ("https://shop.example/{client_id}", HostLabel, true),
            ("ftp://shop.example/", HostLabel, false),
            ("https://", HostLabel, false),
        ] {
            assert_eq!(check(text, &variables(pattern)).is_ok(), sound, "{text} {pattern:?}");
        }
    }

    #[test]
    fn values_that_would_leave_their_place_are_refused() {
        use VariablePattern::{HostLabel, HostName, PathSegment};
        for value in ["acme", "a", "A-1", "xn--bcher-kva"] {
            assert!(HostLabel.accepts(value), "{value}");
        }
        for value in
            ["", "-a", "a-", "a.b", "a/b", "a@b", "a:1", "a#", "a?b", "ä", "a b", "a\n", "a%2f", "a_b", "{a}"]
        {
            assert!(!HostLabel.accepts(value), "{value}");
        }
        assert!(!HostLabel.accepts(&"a".repeat(64)));
        for value in ["shop.example", "a.b.co", "x.xn--p1ai", "1.2.3.com"] {
            assert!(HostName.accepts(value), "{value}");
        }
        for value in [
            "localhost",
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "1.0x7f",
            "a.localhost",
            "metadata.google.internal",
            "a.local",
            "a.LOCAL",
            "[::1]",
            "a..b",
            ".a.b",
            "a.b.",
            "a.b:80",
            "u@a.b",
            "a.b/c",
            "router.lan",
            "1.168.192.in-addr.arpa",
        ] {
            assert!(!HostName.accepts(value), "{value}");
        }
        for value in ["common", "1b2c-3d", "acme.onmicrosoft.com", "a_b", "..."] {
            assert!(PathSegment.accepts(value), "{value}");
        }
        for value in ["", ".", "..", "a/b", "%2e%2e", "a?b", "a#b", "a\\b", "a b"] {
            assert!(!PathSegment.accepts(value), "{value}");
        }
    }

    #[test]
    fn a_client_id_is_one_segment() {
        assert_eq!(path_segment("Iv1.8a61~x").as_deref(), Some("Iv1.8a61~x"));
        assert_eq!(path_segment("a/../b?c#d ä").as_deref(), Some("a%2F..%2Fb%3Fc%23d%20%C3%A4"));
        assert_eq!([".", "..", ""].map(path_segment), [None, None, None]);
    }
}
