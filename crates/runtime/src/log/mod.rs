//! The log of plugins: what handlers write by `console` and `ctx.logger`, kept for the tenant's admins, within bounds.

mod list;
mod pending;
mod writer;

pub use list::{LogQuery, Logged, Logs};
pub use writer::Log;

use model::Timestamp;
use sandbox::Level;

/// How many lines of an installation are kept.
pub(crate) const MAX_KEPT: i64 = 1000;

/// The longest message, in bytes. What is longer is cut.
pub(crate) const MAX_MESSAGE: usize = 8192;

/// A line to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    pub(crate) handler: Option<String>,
}

/// How grave a level is, as a number of the database.
pub(crate) const fn rank(level: Level) -> u8 {
    match level {
        Level::Debug => 0,
        Level::Info => 1,
        Level::Warn => 2,
        Level::Error => 3,
    }
}

const LEVELS: [Level; 4] = [Level::Debug, Level::Info, Level::Warn, Level::Error];

/// The word of a level on the wire.
pub const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// The level of this word.
pub fn level_of(word: &str) -> Option<Level> {
    LEVELS.into_iter().find(|level| level_name(*level) == word)
}

/// The level of this number, or the one for what nobody knows.
fn level_from(rank: i64) -> Level {
    LEVELS.into_iter().find(|level| i64::from(self::rank(*level)) == rank).unwrap_or(Level::Info)
}

/// `message` as it can be kept: of at most `max` bytes, and without the one character that PostgreSQL does not take.
pub(crate) fn fit(mut message: String, max: usize) -> String {
    if message.contains('\0') {
        message = message.replace('\0', "\u{fffd}");
    }
    if message.len() > max {
        message.truncate(message.floor_char_boundary(max.saturating_sub('\u{2026}'.len_utf8())));
        message.push('\u{2026}');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_lead_back_to_levels() {
        for level in LEVELS {
            assert_eq!(level_of(level_name(level)), Some(level));
            assert_eq!(level_from(i64::from(rank(level))), level);
        }
        assert_eq!(level_of("WARN"), None);
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(fit("a\0b".into(), MAX_MESSAGE), "a\u{fffd}b");
        let cut = fit("\u{e9}".repeat(5000), MAX_MESSAGE);
        assert!(cut.len() <= MAX_MESSAGE && cut.ends_with('\u{2026}'), "{}", cut.len());
        assert_eq!(fit("x".repeat(MAX_MESSAGE), MAX_MESSAGE).len(), MAX_MESSAGE);
    }
}
