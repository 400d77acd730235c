//! What events are called, and which of them somebody wants.

use std::fmt;
use std::str::FromStr;

/// The longest type and the longest pattern, in bytes.
const MAX: usize = 128;

/// Why a text is no type of an event that others than this server may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventTypeError {
    /// Not of the alphabet, or too long.
    #[error("an event type is 1 to 128 of letters, digits and . _ - after a first letter")]
    Format,
    /// Of those that only this server records.
    #[error(
        "event types that begin with jackfield. are this server's own: begin with a name of yours, as in acme.order.paid"
    )]
    Reserved,
}

/// The type of an event that a plugin emits or a product publishes: 1 to 128 of letters, digits and `._-`, beginning with a
/// letter, and not with `jackfield.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(String);

impl EventType {
    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventType {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, EventTypeError> {
        if !is_of_the_alphabet(text) {
            return Err(EventTypeError::Format);
        }
        let own = text.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("jackfield."));
        if own { Err(EventTypeError::Reserved) } else { Ok(Self(text.to_owned())) }
    }
}

/// Why a text is no pattern of event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern is an event type such as order.created, the beginning of some with .* after it, such as order.*, or * for all"
)]
pub struct EventPatternError;

/// Which types somebody wants: one (`order.created`), all that begin with some words (`order.*` is `order.created` and
/// `order.line.added`, not `order`), or all (`*`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPattern(String);

impl EventPattern {
    /// The pattern that wants all events.
    pub fn all() -> Self {
        Self("*".to_owned())
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it wants events of this type.
    pub fn matches(&self, kind: &str) -> bool {
        match self.prefix() {
            Some(prefix) => kind.len() > prefix.len() && kind.starts_with(prefix),
            None => self.0 == kind,
        }
    }

    /// Whether it wants all that `other` does.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.prefix(), other.prefix()) {
            (Some(wide), Some(narrow)) => narrow.starts_with(wide),
            (_, None) => self.matches(&other.0),
            (None, Some(_)) => false,
        }
    }

    /// How the types begin that it wants, where it wants more than one; empty for all.
    pub fn prefix(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }
}

impl FromStr for EventPattern {
    type Err = EventPatternError;

    fn from_str(text: &str) -> Result<Self, EventPatternError> {
        let is_known = match text.strip_suffix('*') {
            Some("") => true,
            Some(prefix) => prefix.strip_suffix('.').is_some_and(is_of_the_alphabet),
            None => is_of_the_alphabet(text),
        };
        if is_known && text.len() <= MAX { Ok(Self(text.to_owned())) } else { Err(EventPatternError) }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_of_the_alphabet(text: &str) -> bool {
    let begins_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    begins_well && is_plain && text.len() <= MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> EventPattern {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_else_speaks_in_the_servers_name() {
        for text in ["jackfield.plugin.created", "Jackfield.x", "JACKFIELD."] {
            assert_eq!(text.parse::<EventType>(), Err(EventTypeError::Reserved), "{text}");
        }
        for text in ["", ".a", "1a", "a b", "a\0", "\u{e4}", "a.*", "*", &"a".repeat(129)] {
            assert_eq!(text.parse::<EventType>(), Err(EventTypeError::Format), "{text:?}");
        }
        for text in ["a", "payment.succeeded", "acme.order-paid_2", "jackfieldish", &"a".repeat(128)] {
            assert_eq!(text.parse::<EventType>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_pattern_wants_one_type_or_what_begins_with_its_words() {
        let cases = [
            ("order.created", "order.created", true),
            ("order.created", "order.created.late", false),
            ("order.created", "order", false),
            ("order.*", "order.created", true),
            ("order.*", "order.line.added", true),
            ("order.*", "order", false),
            ("order.*", "order.", false),
            ("order.*", "orders.created", false),
            ("*", "order", true),
            ("*", "jackfield.plugin.created", true),
        ];
        for (wanted, kind, expected) in cases {
            assert_eq!(pattern(wanted).matches(kind), expected, "{wanted} {kind}");
        }
    }

    #[test]
    fn a_pattern_covers_what_is_narrower() {
        for (wide, narrow) in
            [("*", "*"), ("*", "a.*"), ("*", "a"), ("a.*", "a.*"), ("a.*", "a.b.*"), ("a.b", "a.b")]
        {
            assert!(pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
        }
        for (narrow, wide) in
            [("a.*", "*"), ("a", "*"), ("a.b.*", "a.*"), ("a.*", "a"), ("a", "a.*"), ("a.*", "ab.*")]
        {
            assert!(!pattern(narrow).covers(&pattern(wide)), "{narrow} {wide}");
        }
    }

    #[test]
    fn an_asterisk_stands_for_whole_words_at_the_end_alone() {
        for text in
            ["", "*.created", "order*", "order.*.x", "order.**", "**", ".*", "1.*", "a b", &"a".repeat(129)]
        {
            assert_eq!(text.parse::<EventPattern>(), Err(EventPatternError), "{text:?}");
        }
    }
}
