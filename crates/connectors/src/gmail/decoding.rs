//! The bytes that a text of an answer in JSON holds as base64, as they come: whole, they would be in memory several times.

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use model::ErrorCode;

use crate::Error;
use crate::answer::url_base64;
use crate::http::Download;

/// What a text that is kept may have: names of fields are shorter.
const MAX_NAME: usize = 32;

/// The bytes in the field `name` of the object that is coming. An answer without that field, or one that ends before
/// it, fails as one that breaks off.
pub(super) fn decoded(
    download: Download,
    vendor: &'static str,
    name: &'static str,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let wrong = move || {
        let detail = "it sent no content where its API documents some";
        Error::upstream(vendor, ErrorCode::UpstreamUnavailable, detail)
    };
    let pieces = download.into_stream().boxed();
    let bytes = stream::unfold(Some((pieces, Field::named(name))), move |state| async move {
        let (mut pieces, mut field) = state?;
        loop {
            let piece = match pieces.next().await {
                None if field.is_whole() => return None,
                None => return Some((Err(wrong()), None)),
                Some(Err(error)) => return Some((Err(error), None)),
                Some(Ok(piece)) => piece,
            };
            match field.take(&piece) {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => return Some((Ok(Bytes::from(bytes)), Some((pieces, field)))),
                None => return Some((Err(wrong()), None)),
            }
        }
    });
    bytes.boxed()
}

/// Where in the JSON the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    /// In a text that is not sought.
    Text,
    /// Behind a backslash in one.
    TextEscape,
    /// In the one that is.
    Sought,
    /// Behind a backslash in that: Google writes the padding as `\u003d`.
    SoughtEscape,
    /// Behind the end of it.
    Behind,
}

/// Looks for a field of the outermost object, and decodes its text.
#[derive(Debug)]
struct Field {
    name: &'static str,
    place: Place,
    depth: usize,
    /// The text that was last, as far as it may be a name.
    text: Vec<u8>,
    /// Whether what comes is the value that is sought.
    is_next: bool,
    /// What of an escape has come.
    escape: Vec<u8>,
    /// What is still to be decoded: less than four letters between two pieces.
    letters: Vec<u8>,
}

impl Field {
    fn named(name: &'static str) -> Self {
        let (text, escape, letters) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, place: Place::Between, depth: 0, text, is_next: false, escape, letters }
    }

    fn is_whole(&self) -> bool {
        self.place == Place::Behind
    }

    /// What `piece` has of the bytes; `None` where it is not base64.
    fn take(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        for byte in piece {
            self.step(*byte)?;
        }
        let whole = if self.is_whole() { self.letters.len() } else { self.letters.len() / 4 * 4 };
        let letters: Vec<u8> = self.letters.drain(..whole).collect();
        url_base64(std::str::from_utf8(&letters).ok()?)
    }

    fn step(&mut self, byte: u8) -> Option<()> {
        match (self.place, byte) {
            (Place::Between, b'"') if self.is_next => self.place = Place::Sought,
            (Place::Between, b'"') => {
                self.text.clear();
                self.place = Place::Text;
            }
            (Place::Between, _) => self.between(byte),
            (Place::Text, b'"') => self.place = Place::Between,
            (Place::Text, b'\\') => {
                // No name that is sought has one.
                self.text.push(byte);
                self.place = Place::TextEscape;
            }
            (Place::Text, _) if self.text.len() < MAX_NAME => self.text.push(byte),
            (Place::TextEscape, _) => self.place = Place::Text,
            (Place::Sought, b'"') => self.place = Place::Behind,
            (Place::Sought, b'\\') => self.place = Place::SoughtEscape,
            // The padding says nothing that the end does not.
            (Place::Sought, letter) if letter != b'=' => self.letters.push(letter),
            (Place::SoughtEscape, _) => self.unescape(byte)?,
            (Place::Sought | Place::Text | Place::Behind, _) => {}
        }
        Some(())
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => (self.depth, self.is_next) = (self.depth + 1, false),
            b'}' | b']' => (self.depth, self.is_next) = (self.depth.saturating_sub(1), false),
            b':' => self.is_next = self.depth == 1 && self.text == self.name.as_bytes(),
            b',' => self.is_next = false,
            _ => {}
        }
    }

    fn unescape(&mut self, byte: u8) -> Option<()> {
        self.escape.push(byte);
        let letter = match self.escape.as_slice() {
            b"/" => Some(b'/'),
            [b'u', digits @ ..] if digits.len() == 4 => {
                Some(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?)
            }
            [b'u', ..] => None,
            _ => return None,
        };
        if let Some(letter) = letter {
            self.escape.clear();
            self.place = Place::Sought;
            if letter != b'=' {
                self.letters.push(letter);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that `json` gives where it comes in pieces of `size`.
    fn of(json: &str, size: usize) -> Option<Vec<u8>> {
        let mut field = Field::named("data");
        let pieces: Option<Vec<Vec<u8>>> =
            json.as_bytes().chunks(size).map(|piece| field.take(piece)).collect();
        pieces.filter(|_| field.is_whole()).map(|pieces| pieces.concat())
    }

    #[test]
    fn the_text_of_one_field_is_decoded_however_it_comes() {
        for (json, bytes) in [
            (r#"{"size": 3, "data": "YWJj"}"#, &b"abc"[..]),
            (r#"{"data":"YWJjZA\u003d\u003d","size":4}"#, b"abcd"),
            (r#"{"data":"YWJjZA==","size":4}"#, b"abcd"),
            (r#"{"data":"_-8_-_8"}"#, b"\xff\xef\x3f\xfb\xff"),
            (r#"{"data":"\/+8\/"}"#, b"\xff\xef\x3f"),
            (r#"{"data":""}"#, b""),
            // The same name further in, in a text, and as a value.
            (r#"{"a":{"data":"eHh4"},"b":["data"],"c":"\"data\":\"eHh4","d":"data","data":"YWJj"}"#, b"abc"),
        ] {
            for size in [1, 2, 3, 5, 7, 1000] {
                assert_eq!(of(json, size).as_deref(), Some(bytes), "{json} by {size}");
            }
        }
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        for json in [
            "",
            "<html>",
            r#"{"size": 3}"#,
            r#"{"data": "YWJj"#,
            r#"{"data": 7}"#,
            r#"{"data": null, "x": "YWJj"}"#,
            r#"{"data": "Y*Jj"}"#,
            r#"{"data": "YWJj\n"}"#,
            r#"{"data": "YWJjZ"}"#,
        ] {
            assert_eq!(of(json, 4), None, "{json}");
        }
    }
}
