//! Keeping the values of secrets out of what leaves: log lines, errors, and what servers send back of what was sent to them.

use std::borrow::Cow;
use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;
use zeroize::Zeroizing;

/// What stands in a value's place.
const MARK: &str = "[secret]";

/// Shorter values stand in too much that has nothing to do with them.
const MIN_LEN: usize = 4;

/// The most bytes of former values that are remembered beside those of now.
const MAX_REMEMBERED: usize = 256 * 1024;

/// From this size on a body is searched where nobody waits behind it.
const LARGE: usize = 256 * 1024;

/// A text that must not leave.
#[derive(Clone, PartialEq, Eq)]
struct Needle {
    text: Zeroizing<String>,
    /// How many times the values had changed when it was last one of them.
    change: u32,
}

/// Texts that must not leave.
#[derive(Default)]
pub(crate) struct Redactor {
    /// The longest first, so that none is cut by a shorter one within it.
    needles: Vec<Needle>,
    changes: u32,
}

impl Redactor {
    /// Replaces these values, also where they are escaped for JSON or for a URL, or in base64.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let values = secrets.into_iter().map(ExposeSecret::expose_secret);
        let texts = values
            .filter(|value| value.len() >= MIN_LEN)
            .flat_map(|value| std::iter::once(value.to_owned()).chain(forms(value)).map(Zeroizing::new));
        let mut needles: Vec<_> = texts.map(|text| Needle { text, change: 0 }).collect();
        sort(&mut needles);
        Self { needles, changes: 0 }
    }

    /// What knows these values and the `former` ones, of those the newest as long as there is room; `None` where the former
    /// have all of these.
    pub(crate) fn with(&self, former: &Self) -> Option<Self> {
        let is_known = |text: &Zeroizing<String>| former.needles.iter().any(|needle| needle.text == *text);
        if self.needles.iter().all(|needle| is_known(&needle.text)) {
            return None;
        }
        let changes = former.changes.saturating_add(1);
        let mut needles: Vec<_> =
            self.needles.iter().map(|needle| Needle { text: needle.text.clone(), change: changes }).collect();
        let is_own = |text: &Zeroizing<String>| self.needles.iter().any(|needle| needle.text == *text);
        let mut others: Vec<&Needle> = former.needles.iter().filter(|needle| !is_own(&needle.text)).collect();
        others.sort_by_key(|needle| Reverse(needle.change));
        let mut room = MAX_REMEMBERED;
        needles.extend(others.into_iter().map_while(|needle| {
            room = room.checked_sub(needle.text.len())?;
            Some(needle.clone())
        }));
        sort(&mut needles);
        Some(Self { needles, changes })
    }

    /// How many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        self.needles.iter().map(|needle| size_of::<Needle>() + needle.text.len()).sum()
    }

    /// The text without the values.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for needle in &self.needles {
            if memmem::find(text.as_bytes(), needle.text.as_bytes()).is_some() {
                text = Cow::Owned(text.replace(needle.text.as_str(), MARK));
            }
        }
        text
    }

    /// The bytes without the values. Where there are many, the worker's other tasks go on elsewhere meanwhile.
    pub(crate) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let is_large = bytes.len() >= LARGE;
        let search =
            || self.needles.iter().fold(bytes, |bytes, needle| replaced(bytes, needle.text.as_bytes()));
        // Only the runtime of many threads has others to hand its tasks to.
        let has_others =
            Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
        if is_large && has_others { block_in_place(search) } else { search() }
    }
}

fn sort(needles: &mut Vec<Needle>) {
    needles.sort_by(|left, right| {
        right.text.len().cmp(&left.text.len()).then_with(|| left.text.cmp(&right.text))
    });
    needles.dedup_by(|left, right| left.text == right.text);
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

/// In time linear to both, whatever they are.
fn replaced(bytes: Vec<u8>, needle: &[u8]) -> Vec<u8> {
    let finder = memmem::Finder::new(needle);
    let mut out = Vec::new();
    let mut rest = &bytes[..];
    while let Some((before, behind)) =
        finder.find(rest).and_then(|at| Some((rest.get(..at)?, rest.get(at + needle.len()..)?)))
    {
        out.extend_from_slice(before);
        out.extend_from_slice(MARK.as_bytes());
        rest = behind;
    }
    if out.is_empty() {
        return bytes;
    }
    out.extend_from_slice(rest);
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
        assert_eq!(redactor.bytes(b"\xffkey-1234key-1234".to_vec()), b"\xff[secret][secret]");
    }

    /// Looking at each place for the whole of a long value would take hours here.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_large_body_is_searched_once_for_each_text() {
        let value = format!("{}b", "a".repeat(60 * 1024));
        let redactor = redactor(&[&value]);
        let mut body = vec![b'a'; 4 << 20];
        body.push(0xff);
        assert_eq!(redactor.bytes(body.clone()), body);
        body.extend_from_slice(value.as_bytes());
        let cleaned = redactor.bytes(body);
        assert_eq!((cleaned.len(), cleaned.ends_with(b"\xff[secret]")), ((4 << 20) + 9, true));
    }

    #[test]
    fn former_values_are_remembered_the_newest_as_long_as_there_is_room() {
        let value = |index: usize| format!("{index:04}{}", "x".repeat(20 * 1024));
        let mut known = redactor(&[&value(0)]);
        assert!(redactor(&[&value(0)]).with(&known).is_none(), "nothing new is said");
        for index in 1..10 {
            known = redactor(&[&value(index)]).with(&known).unwrap();
            assert!(known.size() < MAX_REMEMBERED + 400 * 1024, "{}", known.size());
        }
        let hides = |index| known.text(&value(index)) == MARK;
        assert!(hides(9) && hides(8) && !hides(0));
        known = redactor(&["short"]).with(&known).unwrap();
        assert_eq!(known.text("short"), MARK);
    }
}
