//! Slack's time stamps, which name messages, too: seconds, a point, and six digits.

use model::Timestamp;

/// Whether this can be a message's time stamp.
pub(super) fn is_stamp(text: &str) -> bool {
    let is_number =
        |part: &str| (1..=16).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(seconds, rest)| is_number(seconds) && is_number(rest))
}

/// The moment of a time stamp, to the millisecond.
pub(super) fn moment(stamp: &str) -> Option<Timestamp> {
    let (seconds, rest) = stamp.split_once('.').unwrap_or((stamp, ""));
    let thousandths: String = rest.chars().chain("000".chars()).take(3).collect();
    let millisecond =
        seconds.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(thousandths.parse().ok()?)?;
    // Beyond the year 9999 nothing was sent.
    (0..253_402_300_800_000).contains(&millisecond).then(|| Timestamp::from_millisecond(millisecond))
}

/// The time stamp of what callers write: one of Slack's, or RFC 3339.
pub(super) fn stamp(text: &str) -> Option<String> {
    if is_stamp(text) {
        return Some(text.to_owned());
    }
    // A plus that was not escaped in the query has become a blank.
    let moment = text.replace(' ', "+").parse::<jiff::Timestamp>().ok()?;
    let seconds = moment.as_second();
    (seconds >= 0).then(|| format!("{seconds}.{:06}", moment.subsec_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_told_from_other_texts() {
        for (text, expected) in [
            ("1699999999.000100", true),
            ("0.1", true),
            ("1699999999", false),
            ("1699999999.", false),
            (".5", false),
            ("-1.0", false),
            ("1.0\n", false),
            ("1.2.3", false),
            ("99999999999999999.1", false),
        ] {
            assert_eq!(is_stamp(text), expected, "{text:?}");
        }
    }

    #[test]
    fn moments_are_read_to_the_millisecond() {
        let read = |text: &str| moment(text).map(Timestamp::as_millisecond);
        assert_eq!(read("1699999999.123456"), Some(1_699_999_999_123));
        assert_eq!(read("1699999999.1"), Some(1_699_999_999_100));
        assert_eq!(read("1699999999"), Some(1_699_999_999_000));
        for nonsense in ["", "x", "9999999999999999999.0", "-5.0", "1.x", "99999999999999.0"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn callers_write_moments_in_either_way() {
        assert_eq!(stamp("1699999999.000100").as_deref(), Some("1699999999.000100"));
        assert_eq!(stamp("2023-11-14T22:13:19.000100Z").as_deref(), Some("1699999999.000100"));
        assert_eq!(stamp("2023-11-14T22:13:19.25Z").as_deref(), Some("1699999999.250000"));
        assert_eq!(stamp("yesterday"), None);
        assert_eq!(stamp("1960-01-01T00:00:00Z"), None);
    }
}
