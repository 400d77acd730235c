//! What the attributes of an event may be (CloudEvents 1.0.2, sections 3 and 5).
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>

/// The longest `id` and `partitionkey`, in bytes.
pub(super) const MAX_ID: usize = 256;
/// The longest `source`, `subject`, `dataschema` and `datacontenttype`, in bytes.
pub(super) const MAX_TEXT: usize = 1024;
/// The longest name of an extension, in bytes. Twenty are recommended.
const MAX_NAME: usize = 64;

/// A rule about a text, and what to say where it is broken.
pub(super) type Rule = (fn(&str) -> bool, &'static str);

/// An `id`, or a `partitionkey`.
pub(super) const ID: Rule =
    (|text| is_text(text, MAX_ID), "must be a text of 1 to 256 bytes without control characters");
/// A `subject`.
pub(super) const SUBJECT: Rule =
    (|text| is_text(text, MAX_TEXT), "must be a text of 1 to 1024 bytes without control characters");
/// A `source`.
pub(super) const SOURCE: Rule = (
    is_uri_reference,
    "must be a URI-reference of 1 to 1024 bytes, such as /orders or https://shop.example/orders",
);
/// A `dataschema`.
pub(super) const URI: Rule = (is_uri, "must be an absolute URI of at most 1024 bytes");
/// A `time`.
pub(super) const TIME: Rule = (is_time, "must be a moment as in RFC 3339, such as 2026-11-21T09:30:00Z");
/// A `datacontenttype`.
pub(super) const MEDIA_TYPE: Rule = (is_media_type, "must be a media type, such as application/json");

/// Whether this is one of the texts that attributes may be: of bounded length, and without control characters and such as are no
/// characters.
pub(super) fn is_text(text: &str, max: usize) -> bool {
    let is_forbidden = |c: char| {
        c.is_control() || (u32::from(c) & 0xfffe) == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c)
    };
    (1..=max).contains(&text.len()) && !text.contains(is_forbidden)
}

/// Whether an extension may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    is_plain && (1..=MAX_NAME).contains(&name.len()) && name != "data"
}

/// Whether a `source` is for this server's own events.
pub(super) fn is_own_source(source: &str) -> bool {
    const OWN: &str = "jackfield";
    source.split_at_checked(OWN.len()).is_some_and(|(start, rest)| {
        let goes_on = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        start.eq_ignore_ascii_case(OWN) && !goes_on
    })
}

/// Whether data of this media type is JSON.
pub(super) fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

/// Whether each character may be in a URI (RFC 3986, section 2), and each `%` stands before two hexadecimal digits.
fn is_uri_reference(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_of_uris = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(byte);
    let mut escapes = text.match_indices('%');
    let are_escapes = escapes
        .all(|(at, _)| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)));
    (1..=MAX_TEXT).contains(&bytes.len()) && bytes.iter().all(is_of_uris) && are_escapes
}

fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_plain = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_uri_reference(text) && is_plain && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// RFC 3339, of which jiff reads more forms than there are.
fn is_time(text: &str) -> bool {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'd' => byte.is_ascii_digit(),
        b'T' => byte.eq_ignore_ascii_case(&b'T'),
        _ => byte == form,
    };
    let (bytes, rest) = (text.as_bytes(), text.get(FORM.len()..).unwrap_or_default());
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let is_zone =
        zone.eq_ignore_ascii_case("z") || (zone.len() == 6 && zone.as_bytes().get(3) == Some(&b':'));
    let is_formed = bytes.len() <= 64 && bytes.iter().zip(FORM).all(fits) && is_zone;
    is_formed && text.to_ascii_uppercase().parse::<jiff::Timestamp>().is_ok()
}

/// RFC 9110, section 8.3.1.
fn is_media_type(text: &str) -> bool {
    let is_token = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_essence = essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    is_essence && text.len() <= MAX_TEXT && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: Rule, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(rule.0(text), "{text:?}");
        }
        for text in bad {
            assert!(!rule.0(text), "{text:?}");
        }
    }

    #[test]
    fn ids_are_short_texts() {
        let (longest, longer) = ("a".repeat(256), "a".repeat(257));
        check(
            ID,
            &["1", "a b", "\u{e4}/\u{1f600}", &longest],
            &["", "a\nb", "\0", "\u{85}", "\u{ffff}", "\u{fdd0}", &longer],
        );
    }

    #[test]
    fn sources_are_uri_references() {
        check(
            SOURCE,
            &[
                "/orders",
                "https://shop.example/a?b#c",
                "urn:uuid:1",
                "a%20b",
                "//host/x",
                "mailto:a@b.example",
            ],
            &["", "a b", "\u{e4}", "a%2", "a%zz", "<a>", "a\\b"],
        );
        check(URI, &["https://a.example/s.json", "urn:x:1"], &["/s.json", "1x:a", ":a", "a b:c"]);
    }

    #[test]
    fn what_is_the_servers_own_is_told_from_what_sounds_like_it() {
        for own in ["jackfield", "jackfield/plugins/a", "Jackfield:x", "JACKFIELD?x", "jackfield.x"] {
            assert!(is_own_source(own), "{own}");
        }
        for other in ["/jackfield", "jackfields", "jackfield-shop", "https://jackfield.example", "", "j"] {
            assert!(!is_own_source(other), "{other}");
        }
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        check(
            TIME,
            &["2018-04-05T17:31:00Z", "2018-04-05t17:31:00.123456z", "2018-04-05T17:31:00+02:00"],
            &[
                "",
                "2018-04-05",
                "2018-04-05 17:31:00Z",
                "2018-04-05T17:31:00",
                "20180405T173100Z",
                "2018-13-05T17:31:00Z",
                "now",
            ],
        );
    }

    #[test]
    fn media_types_have_two_halves() {
        check(
            MEDIA_TYPE,
            &["application/json", "text/plain; charset=utf-8", "application/vnd.x+json;a=\"b\""],
            &["", "json", "a/", "/b", "a b/c", "text/plain;\u{e4}"],
        );
        assert!(
            is_json("application/json; charset=utf-8")
                && is_json("Application/X+JSON")
                && is_json("text/json")
        );
        assert!(!is_json("text/plain") && !is_json("application/jsonp"));
    }

    #[test]
    fn names_of_extensions_are_letters_and_digits() {
        for name in ["a", "traceparent", "x1", &"a".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "A", "a_b", "a-b", "data", "\u{e4}", &"a".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
