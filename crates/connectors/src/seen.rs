//! What a listing has given out, kept in mind within bounds: nothing is given twice, and no circle is gone round for ever.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The most pages of one listing, five million items at the usual page size. Each costs eight bytes of memory or so.
pub(crate) const MAX_PAGES: usize = 100_000;

/// How many items a listing remembers of those that it gave out last, at the least; twice as many at the most, which are
/// some 200 KB whatever its length.
const MEMORY: usize = 5_000;

/// What was given out, as numbers that stand for it: all pages, and the latest items in two lots, of which the older one
/// goes when the newer one is full.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pages: HashSet<u64>,
    latest: HashSet<u64>,
    before: HashSet<u64>,
}

/// Why a listing is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endless {
    /// The page was there before.
    Circle,
    /// There were [`MAX_PAGES`] before it.
    TooLong,
}

impl Seen {
    /// Takes in the page of these items, and tells of each whether it is new. `place` is where the page was had, for
    /// vendors of whom the same items elsewhere are another page.
    pub(crate) fn note(&mut self, place: u64, items: &[u64]) -> Result<Vec<bool>, Endless> {
        if self.pages.len() >= MAX_PAGES {
            return Err(Endless::TooLong);
        }
        if !self.pages.insert(of_page(place, items)) {
            return Err(Endless::Circle);
        }
        Ok(items.iter().map(|item| self.remember(*item)).collect())
    }

    /// Keeps in mind that this item was given out. Whether it is new.
    pub(crate) fn remember(&mut self, item: u64) -> bool {
        // One that comes again is remembered longer.
        let is_new = self.latest.insert(item) && !self.before.contains(&item);
        if self.latest.len() >= MEMORY {
            self.before = std::mem::take(&mut self.latest);
        }
        is_new
    }
}

/// The same number for the same items at the same place, in whatever order.
fn of_page(place: u64, items: &[u64]) -> u64 {
    let sum = items.iter().copied().fold(0, u64::wrapping_add);
    let mut hasher = DefaultHasher::new();
    (place, sum, items.len()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_new_once() {
        let mut seen = Seen::default();
        assert_eq!(seen.note(0, &[1, 2, 1]), Ok(vec![true, true, false]));
        assert_eq!(seen.note(1, &[2, 3]), Ok(vec![false, true]));
        assert!(!seen.remember(3) && seen.remember(4));
    }

    #[test]
    fn a_page_is_the_same_in_any_order_and_at_its_place_alone() {
        let mut seen = Seen::default();
        seen.note(0, &[1, 2]).unwrap();
        assert_eq!(seen.note(1, &[1, 2]), Ok(vec![false, false]));
        assert_eq!(seen.note(0, &[2, 1]), Err(Endless::Circle));
        assert_eq!(seen.note(2, &[]), Ok(vec![]));
        assert_eq!(seen.note(2, &[]), Err(Endless::Circle));
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_pages_are_known_for_ever() {
        let mut seen = Seen::default();
        let count = u64::try_from(MEMORY * 4).unwrap();
        for number in 0..count {
            assert_eq!(seen.note(0, &[number]), Ok(vec![true]));
            assert!(seen.latest.len() + seen.before.len() <= MEMORY * 2);
        }
        for number in count - u64::try_from(MEMORY).unwrap()..count {
            assert!(!seen.remember(number), "{number}");
        }
        assert_eq!(seen.note(0, &[0]), Err(Endless::Circle));
        assert_eq!(seen.note(1, &[0]), Ok(vec![true]), "that long ago is forgotten");
    }

    #[test]
    fn a_listing_without_an_end_is_ended() {
        let mut seen = Seen::default();
        for number in 0..u64::try_from(MAX_PAGES).unwrap() {
            seen.note(number, &[]).unwrap();
        }
        assert_eq!(seen.note(u64::MAX, &[]), Err(Endless::TooLong));
    }
}
