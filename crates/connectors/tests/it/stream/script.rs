//! Lists as vendors may give them: pages of any size, with items that come again, and troubles on the way.

use std::collections::VecDeque;
use std::ops::Range;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, prop_oneof};

/// What goes wrong once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Status 503.
    Unavailable,
    /// Status 429, to be asked again at once.
    TooMany,
    /// No answer.
    Silence,
    /// The connection ends in the middle of the answer.
    Cut,
    /// An answer that is no JSON.
    Torn,
}

/// A page, as it is made up.
#[derive(Debug, Clone)]
struct Segment {
    /// How many items it has that were on no page before.
    fresh: usize,
    /// How many come before them that were the last on earlier pages.
    again: usize,
    /// What goes wrong before it is had.
    faults: Vec<Fault>,
}

/// A list: items from 0 on, and after the last page an earlier one, where it goes in a circle.
#[derive(Debug, Clone)]
pub(super) struct Script {
    segments: Vec<Segment>,
    circle: Option<usize>,
}

impl Script {
    /// How many items there are.
    pub(super) fn count(&self) -> usize {
        self.segments.iter().map(|segment| segment.fresh).sum()
    }

    pub(super) fn is_circle(&self) -> bool {
        self.circle.is_some()
    }

    pub(super) fn play(&self) -> Played {
        let faults = self.segments.iter().map(|segment| segment.faults.iter().copied().collect());
        Played { script: self.clone(), faults: faults.collect() }
    }
}

/// A script that is being played.
pub(super) struct Played {
    script: Script,
    faults: Vec<VecDeque<Fault>>,
}

impl Played {
    /// The items of a page and the number of the next, or what goes wrong.
    pub(super) fn page(&mut self, number: usize) -> Result<(Range<usize>, Option<usize>), Fault> {
        if let Some(fault) = self.faults.get_mut(number).unwrap().pop_front() {
            return Err(fault);
        }
        let segments = &self.script.segments;
        let from: usize = segments.iter().take(number).map(|segment| segment.fresh).sum();
        let Segment { fresh, again, .. } = segments.get(number).unwrap();
        let next = Some(number + 1).filter(|next| *next < segments.len());
        Ok((from.saturating_sub(*again)..from + fresh, next.or(self.script.circle)))
    }
}

/// Lists of up to 84 items on up to 12 pages; `most` is how often a page may fail in a row.
pub(super) fn scripts(most: usize) -> impl Strategy<Value = Script> {
    let fault = prop_oneof![
        4 => Just(Fault::Unavailable),
        2 => Just(Fault::TooMany),
        1 => Just(Fault::Silence),
        2 => Just(Fault::Cut),
        1 => Just(Fault::Torn),
    ];
    let faults = prop_oneof![3 => Just(Vec::new()), 1 => vec(fault, 1..=most)];
    let fresh = prop_oneof![1 => Just(0), 4 => 1..8_usize];
    let segment = (fresh, 0..4_usize, faults);
    let segment = segment.prop_map(|(fresh, again, faults)| Segment { fresh, again, faults });
    (vec(segment, 1..=12), option::weighted(0.2, 0..12_usize)).prop_map(|(segments, circle)| {
        let circle = circle.map(|to| to % segments.len());
        Script { segments, circle }
    })
}
