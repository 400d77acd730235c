//! The text of a message, out of the tree of its parts.

use mail_parser::decoders::charsets::map::charset_decoder;

use super::header::parameter;
use super::message::Part;
use crate::answer::url_base64;

/// Charsets whose bytes look like UTF-8 and are none.
const ASCII_LOOKALIKES: [&str; 4] = ["iso-2022", "utf-7", "hz-gb", "utf-16"];

/// What people read: plain text where there is any, else the text of the HTML.
pub(super) fn text(part: &Part) -> Option<String> {
    if part.is_multipart() {
        let is_choice = part.is("multipart/alternative");
        let plain = part.parts.iter().find(|each| is_choice && each.is("text/plain") && each.is_shown());
        let mut texts = part.parts.iter().filter_map(text);
        let found = match plain.and_then(text) {
            Some(plain) => Some(plain),
            None if is_choice => texts.next(),
            None => Some(texts.collect::<Vec<_>>().join("\n")),
        };
        return found.filter(|text| !text.is_empty());
    }
    if !part.is_shown() {
        return None;
    }
    let decoded = decoded(part)?;
    let text = if part.is("text/html") { crate::html::text(&decoded) } else { decoded.replace("\r\n", "\n") };
    Some(text).filter(|text| !text.is_empty())
}

/// The HTML, where there is any.
pub(super) fn html(part: &Part) -> Option<String> {
    if part.is_multipart() {
        return part.parts.iter().find_map(html);
    }
    if part.is("text/html") && part.is_shown() { decoded(part) } else { None }
}

/// The text of one part. Gmail recodes most texts as UTF-8 without changing what the part says of itself.
fn decoded(part: &Part) -> Option<String> {
    let bytes = url_base64(part.body.data.as_deref()?)?;
    let charset = parameter(part.header("content-type"), "charset").unwrap_or_default().to_ascii_lowercase();
    let is_lookalike = ASCII_LOOKALIKES.iter().any(|name| charset.starts_with(name));
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if !is_lookalike => return Some(text),
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    Some(match charset_decoder(charset.as_bytes()) {
        Some(decode) => decode(&bytes),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE;
    use serde_json::{Value, json};

    use super::*;

    fn part(value: Value) -> Part {
        serde_json::from_value(value).unwrap()
    }

    fn leaf(mime_type: &str, charset: &str, bytes: &[u8]) -> Value {
        let content_type = format!("{mime_type}; charset=\"{charset}\"");
        json!({
            "mimeType": mime_type,
            "headers": [{"name": "Content-Type", "value": content_type}],
            "body": {"data": URL_SAFE.encode(bytes), "size": bytes.len()},
        })
    }

    fn tree(mime_type: &str, parts: &[Value]) -> Value {
        json!({"mimeType": mime_type, "parts": parts})
    }

    #[test]
    fn charsets_are_heeded() {
        for (charset, bytes, expected) in [
            ("utf-8", "żółw".as_bytes(), "żółw"),
            ("iso-8859-2", &[0xbf, 0xf3, 0xb3, 0x77][..], "żółw"),
            // Recoded by Gmail already.
            ("iso-8859-2", "żółw".as_bytes(), "żółw"),
            ("windows-1252", &[0x80, 0x31], "€1"),
            ("iso-2022-jp", b"\x1b$B$\"\x1b(B", "あ"),
            ("", b"plain", "plain"),
            ("no-such", &[0xff], "\u{fffd}"),
        ] {
            assert_eq!(
                text(&part(leaf("text/plain", charset, bytes))).as_deref(),
                Some(expected),
                "{charset}"
            );
        }
    }

    #[test]
    fn of_alternatives_the_plain_one_is_read() {
        let (plain, html_part) =
            (leaf("text/plain", "utf-8", b"a\r\nb"), leaf("text/html", "utf-8", b"<p>c &amp; d</p>"));
        let both = tree("multipart/alternative", &[html_part.clone(), plain.clone()]);
        assert_eq!(text(&part(both.clone())).as_deref(), Some("a\nb"));
        assert_eq!(html(&part(both.clone())).as_deref(), Some("<p>c &amp; d</p>"));
        let alone = tree("multipart/alternative", &[tree("multipart/related", &[html_part])]);
        assert_eq!(text(&part(alone)).map(|text| text.trim().to_owned()).as_deref(), Some("c & d"));
        // A footer that a list has added is part of the text.
        let footer = leaf("text/plain", "utf-8", b"footer");
        assert_eq!(text(&part(tree("multipart/mixed", &[both, footer]))).as_deref(), Some("a\nb\nfooter"));
    }

    #[test]
    fn attachments_are_no_text() {
        let mut file = leaf("text/plain", "utf-8", b"file");
        file["filename"] = json!("a.txt");
        let disposed = json!({"name": "Content-Disposition", "value": "Attachment; size=4"});
        let mut nameless = leaf("text/plain", "utf-8", b"file");
        nameless["headers"].as_array_mut().unwrap().push(disposed);
        let inner = tree("message/rfc822", &[leaf("text/plain", "utf-8", b"forwarded")]);
        let mixed = part(tree("multipart/mixed", &[file, nameless, inner]));
        assert_eq!((text(&mixed), html(&mixed)), (None, None));
        assert_eq!(text(&Part::default()), None);
    }
}
