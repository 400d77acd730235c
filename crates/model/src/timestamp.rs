//! A moment in time, kept as the databases keep it.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z; written as RFC 3339 in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millisecond` after the Unix epoch.
    pub const fn from_millisecond(millisecond: i64) -> Self {
        Self(millisecond)
    }

    /// The moment that a text in RFC 3339 names, to the millisecond; `None` where it is none.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_millisecond()))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millisecond(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the unit of JWT claims (RFC 7519, `NumericDate`).
    pub const fn as_second(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment moved `duration` into the future; the far end of time if that cannot be written.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from this moment to `later`; zero if that is past.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// This moment moved `duration` into the past.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::from_millisecond(1_700_000_000_007).to_string(), "2023-11-14T22:13:20.007Z");
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let moment = Timestamp::from_millisecond(1_700_000_000_007);
        assert_eq!(Timestamp::from_rfc3339(&moment.to_string()), Some(moment));
        assert_eq!(Timestamp::from_rfc3339("2023-11-15T00:13:20.007+02:00"), Some(moment));
        assert_eq!(Timestamp::from_rfc3339("yesterday"), None);
    }

    #[test]
    fn seconds_round_down_before_the_epoch() {
        assert_eq!(Timestamp::from_millisecond(-1).as_second(), -1);
    }
}
