//! `Range` (RFC 9110, section 14): one range of bytes. Several at once are answered with the whole, as the RFC allows.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, header};

/// What of the content is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes; never empty.
    Part(Range<usize>),
    /// Bytes that it does not have.
    Nothing,
}

/// Reads `Range`, which counts only while `If-Range`, if any, names the current content.
pub(super) fn wanted(headers: &HeaderMap, etag: &HeaderValue, length: usize) -> Wanted {
    let Some(range) = headers.get(header::RANGE).and_then(|range| range.to_str().ok()) else {
        return Wanted::Whole;
    };
    // A date in If-Range never matches: these answers have no Last-Modified.
    if headers.get(header::IF_RANGE).is_some_and(|known| known != etag) {
        return Wanted::Whole;
    }
    let Some(range) = range.strip_prefix("bytes=") else { return Wanted::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Wanted::Whole };
    match (first.trim(), last.trim()) {
        ("", last) => last.parse().map_or(Wanted::Whole, |count| suffix(count, length)),
        (first, "") => first.parse().map_or(Wanted::Whole, |first| within(first, length, length)),
        (first, last) => match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last => within(first, last.saturating_add(1), length),
            _ => Wanted::Whole,
        },
    }
}

fn suffix(count: usize, length: usize) -> Wanted {
    if count == 0 || length == 0 {
        Wanted::Nothing
    } else {
        Wanted::Part(length.saturating_sub(count)..length)
    }
}

fn within(start: usize, end: usize, length: usize) -> Wanted {
    if start < length { Wanted::Part(start..end.min(length)) } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read() {
        let etag = HeaderValue::from_static("\"a\"");
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=5-99999999999999999", Wanted::Part(5..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes=99999999999999999999999-", Wanted::Whole),
        ] {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]);
            assert_eq!(wanted(&headers, &etag, 10), expected, "{range}");
        }
    }

    #[test]
    fn a_range_of_other_content_is_not_cut_from_this() {
        let etag = HeaderValue::from_static("\"a\"");
        let mut headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=0-0"))]);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"b\""));
        assert_eq!(wanted(&headers, &etag, 10), Wanted::Whole);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"a\""));
        assert_eq!(wanted(&headers, &etag, 10), Wanted::Part(0..1));
    }
}
