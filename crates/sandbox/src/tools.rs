//! What scripts get computed on this side: URLs, text, digests.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use serde::Serializer as _;
use serde_json::json;
use url::{Url, form_urlencoded, quirks};

use crate::bounds::TooLarge;

/// Longer URLs are none, and longer forms neither: what comes of them has many times their memory.
const LONGEST_URL: usize = 64 * 1024;
const LONGEST_FORM: usize = 64 * 1024;

/// The most bytes that anything else takes: the largest answer of another server, in base64.
const MOST: usize = 6 << 20;

/// Takes padding or none, as `atob` does.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn parts(url: &Url) -> String {
    json!({
        "href": quirks::href(url),
        "origin": quirks::origin(url),
        "protocol": quirks::protocol(url),
        "username": quirks::username(url),
        "password": quirks::password(url),
        "host": quirks::host(url),
        "hostname": quirks::hostname(url),
        "port": quirks::port(url),
        "pathname": quirks::pathname(url),
        "search": quirks::search(url),
        "hash": quirks::hash(url),
    })
    .to_string()
}

pub(crate) fn url_parse(input: &str, base: Option<&str>) -> Option<String> {
    if input.len() > LONGEST_URL || base.is_some_and(|base| base.len() > LONGEST_URL) {
        return None;
    }
    let url = match base {
        Some(base) => Url::parse(base).ok()?.join(input),
        None => Url::parse(input),
    };
    url.ok().as_ref().map(parts)
}

/// A setter of the standard: what is no value for the part changes nothing.
pub(crate) fn url_set(href: &str, part: &str, value: &str) -> Option<String> {
    if href.len() > LONGEST_URL || value.len() > LONGEST_URL {
        return None;
    }
    let mut url = Url::parse(href).ok()?;
    match part {
        "href" => quirks::set_href(&mut url, value).ok()?,
        "protocol" => quirks::set_protocol(&mut url, value).unwrap_or(()),
        "username" => quirks::set_username(&mut url, value).unwrap_or(()),
        "password" => quirks::set_password(&mut url, value).unwrap_or(()),
        "host" => quirks::set_host(&mut url, value).unwrap_or(()),
        "hostname" => quirks::set_hostname(&mut url, value).unwrap_or(()),
        "port" => quirks::set_port(&mut url, value).unwrap_or(()),
        "pathname" => quirks::set_pathname(&mut url, value),
        "search" => quirks::set_search(&mut url, value),
        "hash" => quirks::set_hash(&mut url, value),
        _ => return None,
    }
    Some(parts(&url))
}

/// The pairs as JSON; nothing if the form is too long.
pub(crate) fn form_parse(input: &str) -> Option<String> {
    if input.len() > LONGEST_FORM {
        return None;
    }
    let mut json = Vec::new();
    let pairs = form_urlencoded::parse(input.as_bytes());
    serde_json::Serializer::new(&mut json).collect_seq(pairs).ok()?;
    String::from_utf8(json).ok()
}

/// The form; nothing if the pairs are too long. What is not pairs of texts is no form, and empty.
pub(crate) fn form_serialize(pairs: &str) -> Option<String> {
    if pairs.len() > LONGEST_FORM {
        return None;
    }
    let pairs: Vec<(String, String)> = serde_json::from_str(pairs).unwrap_or_default();
    Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// Refuses more bytes than any tool takes.
pub(crate) fn bounded(bytes: &[u8]) -> Result<&[u8], TooLarge> {
    if bytes.len() > MOST { Err(TooLarge(MOST)) } else { Ok(bytes) }
}

/// See `utf8-decode` of the WIT.
pub(crate) fn utf8_decode(bytes: &[u8], flush: bool) -> (String, u32, bool) {
    let rest = if flush { 0 } else { unfinished(bytes) };
    let whole = bytes.get(..bytes.len() - rest).unwrap_or_default();
    match std::str::from_utf8(whole) {
        Ok(text) => (text.to_owned(), u32::try_from(rest).unwrap_or(0), false),
        Err(_) => (String::from_utf8_lossy(whole).into_owned(), u32::try_from(rest).unwrap_or(0), true),
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default();
    (0..tail.len())
        .filter_map(|from| tail.get(from..))
        .find(|end| matches!(std::str::from_utf8(end), Err(error) if error.valid_up_to() == 0 && error.error_len().is_none()))
        .map_or(0, <[u8]>::len)
}

pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    if text.contains(|each: char| each.is_ascii_whitespace()) {
        let text: String = text.chars().filter(|each| !each.is_ascii_whitespace()).collect();
        return FORGIVING.decode(text).ok();
    }
    FORGIVING.decode(text).ok()
}

pub(crate) fn digest(algorithm: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match algorithm {
        "SHA-1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => &digest::SHA256,
        "SHA-384" => &digest::SHA384,
        "SHA-512" => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, bytes).as_ref().to_vec())
}

pub(crate) fn hmac_sign(hash: &str, key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match hash {
        "SHA-1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => hmac::HMAC_SHA256,
        "SHA-384" => hmac::HMAC_SHA384,
        "SHA-512" => hmac::HMAC_SHA512,
        _ => return None,
    };
    Some(hmac::sign(&hmac::Key::new(algorithm, key), bytes).as_ref().to_vec())
}

/// In constant time.
pub(crate) fn hmac_verify(hash: &str, key: &[u8], bytes: &[u8], signature: &[u8]) -> Option<bool> {
    let right = hmac_sign(hash, key, bytes)?;
    Some(constant_time::verify_slices_are_equal(&right, signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_character_is_kept_for_the_next_bytes() {
        let euro = "a€".as_bytes();
        assert_eq!(utf8_decode(&euro[..3], false), ("a".to_owned(), 2, false));
        assert_eq!(utf8_decode(&euro[..3], true), ("a\u{fffd}".to_owned(), 0, true));
        assert_eq!(utf8_decode(euro, false), ("a€".to_owned(), 0, false));
        assert_eq!(utf8_decode(b"\xff", false), ("\u{fffd}".to_owned(), 0, true));
    }

    #[test]
    fn a_part_that_is_set_to_no_value_for_it_stays() {
        let parts = url_parse("http://a.test:81/b", None).unwrap();
        assert!(parts.contains(r#""port":"81""#), "{parts}");
        assert_eq!(url_set("http://a.test:81/b", "port", "x").unwrap(), parts);
        assert_eq!(url_set("http://a.test/", "nothing", "x"), None);
        assert_eq!(url_parse("/b", None), None);
    }

    #[test]
    fn forms_have_a_bound() {
        assert_eq!(form_parse("a=1&b=%C3%A4+%22").unwrap(), json!([["a", "1"], ["b", "ä \""]]).to_string());
        assert_eq!(form_serialize(r#"[["a","1&"],["b"," "]]"#).as_deref(), Some("a=1%26&b=+"));
        assert!(form_parse(&"&".repeat(LONGEST_FORM)).is_some());
        assert_eq!(form_parse(&"&".repeat(LONGEST_FORM + 1)), None);
        assert_eq!(form_serialize(&" ".repeat(LONGEST_FORM + 1)), None);
        assert!(bounded(&vec![0; MOST]).is_ok() && bounded(&vec![0; MOST + 1]).is_err());
    }

    #[test]
    fn base64_is_read_as_browsers_read_it() {
        assert_eq!(base64_decode(" Y Q = =\n").unwrap(), b"a");
        assert_eq!(base64_decode("YQ").unwrap(), b"a");
        assert_eq!(base64_decode("*"), None);
    }

    #[test]
    fn a_signature_is_verified_by_its_hash_and_key() {
        // RFC 4231, test case 2.
        let signature = hmac_sign("SHA-256", b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(
            hex::encode(&signature),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(hmac_verify("SHA-256", b"Jefe", b"what", &signature), Some(false));
        assert_eq!(hmac_sign("MD5", b"", b""), None);
    }
}
