//! The id of an event as an item: Google's own alone in the user's main calendar, else behind its calendar's.

/// The word for the main calendar of whoever the token is for.
pub(super) const PRIMARY: &str = "primary";

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventId<'a> {
    pub(super) calendar: &'a str,
    pub(super) event: &'a str,
}

impl<'a> EventId<'a> {
    /// Reads `event`, or `calendar:event`. Ids of events have no colon in them: they are base32hex (RFC 4648, section 7), and `_`.
    pub(super) fn parse(id: &'a str) -> Self {
        match id.rsplit_once(':') {
            Some((calendar, event)) => Self { calendar, event },
            None => Self { calendar: PRIMARY, event: id },
        }
    }

    /// The id as items have it.
    pub(super) fn joined(self) -> String {
        if self.calendar == PRIMARY {
            self.event.to_owned()
        } else {
            format!("{}:{}", self.calendar, self.event)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_as_it_went() {
        for (id, calendar, event) in [
            ("abc_20261124T090000Z", "primary", "abc_20261124T090000Z"),
            ("team@group.calendar.google.com:abc", "team@group.calendar.google.com", "abc"),
            ("a:b:c", "a:b", "c"),
        ] {
            let read = EventId::parse(id);
            assert_eq!((read, read.joined().as_str()), (EventId { calendar, event }, id));
        }
    }
}
