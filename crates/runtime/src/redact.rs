//! Keeping the values of secrets out of what leaves: log lines, errors, and what servers send back of what was sent to them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// What stands in a value's place.
const MARK: &str = "[secret]";

/// Shorter values stand in too much that has nothing to do with them.
const MIN_LEN: usize = 4;

/// The most texts that are looked for where former values are remembered, too.
const MAX_NEEDLES: usize = 1000;

/// Texts that must not leave.
#[derive(Default)]
pub(crate) struct Redactor {
    /// The longest first, so that none is cut by a shorter one within it.
    needles: Vec<Zeroizing<String>>,
}

impl Redactor {
    /// Replaces these values, also where they are escaped for JSON or for a URL, or in base64.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut needles: Vec<Zeroizing<String>> = Vec::new();
        for secret in secrets {
            let value = secret.expose_secret();
            if value.len() < MIN_LEN {
                continue;
            }
            needles.push(Zeroizing::new(value.to_owned()));
            needles.extend(forms(value).into_iter().map(Zeroizing::new));
        }
        sort(&mut needles);
        Self { needles }
    }

    /// What knows the values of both, as long as they are not too many.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut needles: Vec<_> = self.needles.iter().chain(&other.needles).cloned().collect();
        sort(&mut needles);
        if needles.len() > MAX_NEEDLES { Self { needles: self.needles.clone() } } else { Self { needles } }
    }

    /// The text without the values.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for needle in &self.needles {
            if text.contains(needle.as_str()) {
                text = Cow::Owned(text.replace(needle.as_str(), MARK));
            }
        }
        text
    }

    /// The bytes without the values.
    pub(crate) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(bytes) {
            Ok(text) => match self.text(&text) {
                Cow::Borrowed(_) => text.into_bytes(),
                Cow::Owned(text) => text.into_bytes(),
            },
            Err(error) => {
                let bytes = error.into_bytes();
                self.needles.iter().fold(bytes, |bytes, needle| replaced(bytes, needle.as_bytes()))
            }
        }
    }
}

fn sort(needles: &mut Vec<Zeroizing<String>>) {
    needles.sort_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
    needles.dedup();
}

/// How a value is written in JSON and in URLs, and in base64.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let path = form.replace('+', "%20");
    let base64 = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|engine| engine.encode(value));
    [json, form.clone(), form.to_lowercase(), path.clone(), path.to_lowercase()]
        .into_iter()
        .chain(base64)
        .filter(|text| text.len() >= MIN_LEN && text != value)
        .collect()
}

fn replaced(bytes: Vec<u8>, needle: &[u8]) -> Vec<u8> {
    if needle.is_empty() || !bytes.windows(needle.len()).any(|window| window == needle) {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while let Some((first, after)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(needle) {
            out.extend_from_slice(MARK.as_bytes());
            rest = behind;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(values: &[&str]) -> Redactor {
        let secrets: Vec<SecretString> = values.iter().map(|value| SecretString::from(*value)).collect();
        Redactor::new(&secrets)
    }

    #[test]
    fn a_value_is_found_in_every_usual_form() {
        let redactor = redactor(&["s\"k/1 \u{e9}"]);
        for text in [
            "s\"k/1 \u{e9}",
            "s\\\"k/1 \u{e9}",
            "s%22k%2F1+%C3%A9",
            "s%22k%2f1%20%c3%a9",
            "cyJrLzEgw6k=",
            "cyJrLzEgw6k",
        ] {
            assert_eq!(redactor.text(&format!("a {text} b")), "a [secret] b", "{text}");
        }
        assert!(matches!(redactor.text("nothing of it"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_value_within_another_does_not_leave_the_rest() {
        assert_eq!(redactor(&["abcd", "abcdefgh"]).text("xabcdefghx abcd"), "x[secret]x [secret]");
        assert_eq!(redactor(&["abc"]).text("abc"), "abc", "too short to be told from other text");
    }

    #[test]
    fn bytes_that_are_no_text_are_searched_too() {
        let redactor = redactor(&["key-1234"]);
        assert_eq!(redactor.bytes(b"\xffkey-1234\xfe".to_vec()), b"\xff[secret]\xfe");
        assert_eq!(redactor.bytes(b"\xffkey-123\xfe".to_vec()), b"\xffkey-123\xfe");
        assert_eq!(redactor.bytes(b"key-1234".to_vec()), b"[secret]");
    }
}
