//! Providers that were lately in trouble, or wanted fewer calls of an OAuth app: the background leaves all credentials of
//! that app there alone, not only those that it has tried.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::Timestamp;

/// The most that are remembered.
const CAPACITY: usize = 1_000;

/// Who speaks to whom. Variables are part of it, and the app is: what a tenant's own host does, or what it has to say to a
/// tenant's own app, is nothing to the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) provider: String,
    pub(super) variables: String,
    pub(super) client_id: String,
}

/// Until when which line is left alone.
#[derive(Default)]
pub(super) struct Troubles(Mutex<HashMap<Line, Timestamp>>);

impl Troubles {
    /// Until when the provider is left alone, if it is.
    pub(super) fn until(&self, line: &Line, now: Timestamp) -> Option<Timestamp> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.get(line).copied().filter(|until| *until > now)
    }

    /// Notes what the provider answered last: until when to leave it alone, or nothing where it worked.
    pub(super) fn note(&self, line: Line, until: Option<Timestamp>, now: Timestamp) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match until {
            None => drop(troubles.remove(&line)),
            Some(until) => {
                if troubles.len() >= CAPACITY {
                    troubles.retain(|_, until| *until > now);
                }
                if troubles.len() < CAPACITY {
                    troubles.insert(line, until);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_app_meets_is_nothing_to_another() {
        let troubles = Troubles::default();
        let line = |client_id: &str| Line {
            provider: "notes".into(),
            variables: "{}".into(),
            client_id: client_id.into(),
        };
        let moment = Timestamp::from_millisecond;
        troubles.note(line("own"), Some(moment(9)), moment(0));
        assert_eq!(troubles.until(&line("own"), moment(8)), Some(moment(9)));
        assert_eq!(troubles.until(&line("own"), moment(9)), None);
        assert_eq!(troubles.until(&line("platform"), moment(8)), None);
        troubles.note(line("own"), None, moment(1));
        assert_eq!(troubles.until(&line("own"), moment(8)), None);
    }
}
