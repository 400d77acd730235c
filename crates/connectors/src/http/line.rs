//! What is known of one connection's standing with a vendor: until when it is to wait, and whether its calls succeed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Ambient, Timestamp};

use super::circuit::{Circuit, Scope};

/// How long to wait after the first refusal that does not say how long; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Whose line it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LineKey {
    /// Host and port.
    pub(super) host: Arc<str>,
    /// The connection's id.
    pub(super) connection: String,
    /// Which of the vendor's limits, where it has several.
    pub(super) budget: &'static str,
}

/// One connection's standing.
#[derive(Debug)]
pub(super) struct Line {
    /// Whether its calls succeed.
    pub(super) circuit: Arc<Circuit>,
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    until: Option<Timestamp>,
    refusals: u32,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { circuit: Circuit::new(Scope::Connection), standing: Mutex::default() }
    }

    /// How long nothing is to be sent, if so.
    pub(super) fn pause(&self, now: Timestamp) -> Option<Duration> {
        let until = self.standing.lock().unwrap_or_else(PoisonError::into_inner).until?;
        (until > now).then(|| now.until(until))
    }

    /// The vendor has refused a call for there being too many. Tells how long to wait: `told`, or longer with each
    /// refusal.
    pub(super) fn refused(&self, told: Option<Duration>, ambient: &Ambient) -> Duration {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = told.unwrap_or_else(|| {
            let doubled = FIRST_WAIT.saturating_mul(1 << standing.refusals.min(6)).min(LONGEST_WAIT);
            doubled / 2 + ambient.part_of(doubled / 2)
        });
        standing.refusals = standing.refusals.saturating_add(1);
        standing.until = standing.until.max(Some(ambient.now().plus(wait)));
        wait
    }

    /// A call went through. `spent` says that it was the last, and for how long.
    pub(super) fn went_through(&self, spent: Option<Duration>, now: Timestamp) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.refusals = 0;
        if let Some(wait) = spent {
            standing.until = standing.until.max(Some(now.plus(wait)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_are_not_told_grow_to_a_bound_and_begin_anew() {
        let (line, ambient) = (Line::new(), Ambient::system());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let (wait, whole) = (line.refused(None, &ambient), Duration::from_secs(seconds));
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
        assert!(line.pause(ambient.now()).is_some());
        line.went_through(None, ambient.now());
        assert!(line.refused(None, &ambient) <= FIRST_WAIT);
    }

    #[test]
    fn a_shorter_wait_does_not_shorten_a_longer_one() {
        let (line, now) = (Line::new(), Timestamp::from_millisecond(0));
        line.went_through(Some(Duration::from_secs(30)), now);
        line.went_through(Some(Duration::from_secs(10)), now);
        assert_eq!(line.pause(now), Some(Duration::from_secs(30)));
        assert_eq!(line.pause(now.plus(Duration::from_secs(30))), None);
    }
}
