//! Entries that wait to be written: those that say the same as one with a count, and never more than a bound.

use std::collections::HashMap;
use std::time::Duration;

use model::Timestamp;

use super::entry::{Entry, Fact};

/// The most different entries that wait. At about half a kilobyte each: 5 MB.
pub(super) const MAX_PENDING: usize = 10_000;

/// How many of the oldest go at once when there are too many, so that finding them costs little for each.
const DROPPED_AT_ONCE: usize = MAX_PENDING / 10;

/// How often a fact came about, when, and how long it took in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    pub(crate) count: u64,
    /// `None` where no entry told.
    pub(crate) duration: Option<Duration>,
}

/// Facts with their tallies.
#[derive(Debug, Default)]
pub(super) struct Pending {
    tallies: HashMap<Fact, Tally>,
    /// How many entries were dropped since [`Pending::take_dropped`].
    dropped: u64,
}

impl Pending {
    /// How many different entries wait.
    pub(super) fn len(&self) -> usize {
        self.tallies.len()
    }

    /// Adds an entry; the oldest make room if there is none.
    pub(super) fn add(&mut self, entry: Entry, now: Timestamp) {
        let Entry { fact, duration } = entry;
        if let Some(tally) = self.tallies.get_mut(&fact) {
            tally.count = tally.count.saturating_add(1);
            tally.first_at = tally.first_at.min(now);
            tally.last_at = tally.last_at.max(now);
            tally.duration = match (tally.duration, duration) {
                (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
                (sum, more) => sum.or(more),
            };
            return;
        }
        if self.tallies.len() >= MAX_PENDING {
            self.drop_oldest();
        }
        self.tallies.insert(fact, Tally { first_at: now, last_at: now, count: 1, duration });
    }

    /// Takes up to `limit` facts, in no order.
    pub(super) fn take(&mut self, limit: usize) -> Vec<(Fact, Tally)> {
        if self.tallies.len() <= limit {
            return std::mem::take(&mut self.tallies).into_iter().collect();
        }
        self.tallies.extract_if(|_, _| true).take(limit).collect()
    }

    /// How many entries were dropped since this was last asked.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn drop_oldest(&mut self) {
        let mut moments: Vec<Timestamp> = self.tallies.values().map(|tally| tally.last_at).collect();
        let place = DROPPED_AT_ONCE.min(moments.len()).saturating_sub(1);
        let (_, oldest_kept_not, _) = moments.select_nth_unstable(place);
        let bound = *oldest_kept_not;
        let mut room = DROPPED_AT_ONCE;
        let dropped = self.tallies.extract_if(|_, tally| {
            let goes = tally.last_at <= bound && room > 0;
            room -= usize::from(goes);
            goes
        });
        self.dropped += dropped.map(|(_, tally)| tally.count).sum::<u64>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{Action, Outcome};
    use model::ErrorCode;

    fn entry(actor: &str) -> Entry {
        Entry::new(&"acme".parse().unwrap(), actor, Action::Use).connection("c1")
    }

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond)
    }

    #[test]
    fn what_says_the_same_is_counted() {
        let mut pending = Pending::default();
        pending.add(entry("u").took(Duration::from_millis(5)), at(10));
        pending.add(entry("u"), at(30));
        pending.add(entry("u").took(Duration::from_millis(7)), at(20));
        let [(_, tally)] = pending.take(500).try_into().unwrap();
        let duration = Some(Duration::from_millis(12));
        assert_eq!(tally, Tally { first_at: at(10), last_at: at(30), count: 3, duration });
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn what_differs_is_kept_apart() {
        let mut pending = Pending::default();
        let failed = Outcome::Failed(ErrorCode::UpstreamTimeout);
        for entry in [entry("u"), entry("v"), entry("u").outcome(failed), entry("u").operation("gmail.list")]
        {
            pending.add(entry, at(1));
        }
        assert_eq!(pending.len(), 4);
    }

    #[test]
    fn no_more_are_taken_than_asked_for() {
        let mut pending = Pending::default();
        (0..1200).for_each(|index| pending.add(entry(&index.to_string()), at(index)));
        let taken: Vec<usize> = (0..4).map(|_| pending.take(500).len()).collect();
        assert_eq!(taken, [500, 500, 200, 0]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_and_are_counted() {
        let mut pending = Pending::default();
        for index in 0..25_000 {
            pending.add(entry(&index.to_string()), at(index));
        }
        assert!(pending.len() <= MAX_PENDING, "{}", pending.len());
        let dropped = pending.take_dropped();
        assert_eq!(dropped + pending.len() as u64, 25_000);
        let oldest = pending.take(MAX_PENDING).into_iter().map(|(_, tally)| tally.last_at).min();
        assert_eq!(
            oldest,
            Some(at(i64::try_from(dropped).unwrap())),
            "a younger one went before an older one"
        );
    }

    #[test]
    fn entries_of_one_moment_go_too() {
        let mut pending = Pending::default();
        (0..10_001).for_each(|index| pending.add(entry(&index.to_string()), at(7)));
        assert_eq!(pending.take_dropped(), 1000);
        assert_eq!(pending.len(), 9001);
    }
}
