//! What an answer's headers say of the vendor's limits.

use std::time::Duration;

use connections::protocol::retry_after;
use http::HeaderMap;
use model::{Ambient, Timestamp};

/// The longest wait that is believed.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// Numbers from here on are moments, not lengths of time: seconds since the epoch, in 2001.
const FIRST_MOMENT: u64 = 1_000_000_000;

/// Numbers from here on are moments in milliseconds.
const FIRST_MILLISECOND: u64 = 100_000_000_000;

/// Names of the headers with what is left, each with that of when there is more again: GitHub, Atlassian and many
/// others; the drafts of the IETF up to the seventh; Bitbucket and others without a hyphen.
const REMAINING: [(&str, &str); 3] = [
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
];

/// How long to wait after a refusal, as far as it says: `Retry-After`, else when there is more again.
pub(super) fn told(headers: &HeaderMap, ambient: &Ambient) -> Option<Duration> {
    let resets = || REMAINING.iter().find_map(|(_, reset)| moment(text(headers, reset)?, ambient.now()));
    retry_after(headers, ambient).or_else(resets).or_else(|| spent(headers, ambient))
}

/// For how long nothing is left, if this answer was the last that the vendor gives for now.
pub(super) fn spent(headers: &HeaderMap, ambient: &Ambient) -> Option<Duration> {
    let pair = REMAINING.iter().find_map(|(remaining, reset)| {
        let is_spent = text(headers, remaining)? == "0";
        is_spent.then(|| moment(text(headers, reset)?, ambient.now())).flatten()
    });
    pair.or_else(|| structured(text(headers, "ratelimit")?, ambient.now())).filter(|wait| !wait.is_zero())
}

/// `RateLimit: "default";r=0;t=30` (draft-ietf-httpapi-ratelimit-headers-08 and later), or `limit=10, remaining=0,
/// reset=30` (07). Of several limits, the longest wait of those that are spent.
fn structured(field: &str, now: Timestamp) -> Option<Duration> {
    let value = |item: &str, names: [&str; 2]| {
        let mut pairs = item.split([';', ',']).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| names.contains(name)).map(|(_, value)| value.to_owned())
    };
    let limits: Vec<&str> =
        if field.trim_start().starts_with('"') { field.split(',').collect() } else { vec![field] };
    let waits = limits.into_iter().filter_map(|limit| {
        let is_spent = value(limit, ["r", "remaining"])? == "0";
        is_spent.then(|| moment(&value(limit, ["t", "reset"])?, now)).flatten()
    });
    waits.max()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The time until what vendors write as a length in seconds, as seconds or milliseconds since the epoch, or as RFC 3339.
fn moment(text: &str, now: Timestamp) -> Option<Duration> {
    let until = |millisecond: i64| now.until(Timestamp::from_millisecond(millisecond));
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        match text.parse::<u64>().unwrap_or(u64::MAX) {
            number if number >= FIRST_MILLISECOND => until(i64::try_from(number).unwrap_or(i64::MAX)),
            number if number >= FIRST_MOMENT => {
                until(i64::try_from(number.saturating_mul(1000)).unwrap_or(i64::MAX))
            }
            number => Duration::from_secs(number),
        }
    } else {
        until(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())
    };
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        pairs.collect()
    }

    fn spent_for(pairs: &[(&'static str, &str)]) -> Option<u64> {
        spent(&headers(pairs), &Ambient::system()).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_last_call_tells_when_there_are_more() {
        let now = Ambient::system().now();
        let in_a_minute = now.plus(Duration::from_millis(60_500));
        let (seconds, milliseconds) =
            ((in_a_minute.as_second() + 1).to_string(), in_a_minute.as_millisecond().to_string());
        for reset in ["60", &seconds, &milliseconds, &in_a_minute.to_string()] {
            let wait = spent_for(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)]).unwrap();
            assert!((59..=61).contains(&wait), "{reset}: {wait}");
            assert_eq!(spent_for(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", reset)]), None);
        }
        assert_eq!(spent_for(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "7")]), Some(7));
        assert_eq!(spent_for(&[("ratelimit", "limit=10, remaining=0, reset=8")]), Some(8));
        assert_eq!(spent_for(&[("ratelimit", "\"default\";r=0;t=9")]), Some(9));
        assert_eq!(spent_for(&[("ratelimit", "\"a\";r=0;t=9, \"b\";r=5;t=99, \"c\";r=0;t=11")]), Some(11));
        assert_eq!(spent_for(&[("ratelimit", "\"default\";r=1;t=9")]), None);
    }

    #[test]
    fn nonsense_is_no_limit_and_nothing_waits_for_ever() {
        for pairs in [
            &[("x-ratelimit-remaining", "0")][..],
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "soon")],
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "0")],
            &[("x-ratelimit-remaining", "-1"), ("x-ratelimit-reset", "60")],
            &[("ratelimit", "r=0")],
            &[("ratelimit", ";;,,==")],
        ] {
            assert_eq!(spent_for(pairs), None, "{pairs:?}");
        }
        let endless = "99999999999999999999999";
        assert_eq!(spent_for(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", endless)]), Some(3600));
    }

    #[test]
    fn a_refusal_tells_by_whichever_header_it_has() {
        let told = |pairs: &[(&'static str, &str)]| {
            told(&headers(pairs), &Ambient::system()).map(|wait| wait.as_secs())
        };
        assert_eq!(told(&[("retry-after", "3"), ("x-ratelimit-reset", "9")]), Some(3));
        assert_eq!(told(&[("x-ratelimit-reset", "9")]), Some(9));
        assert_eq!(told(&[]), None);
    }
}
