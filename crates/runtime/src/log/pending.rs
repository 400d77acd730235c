//! Lines that wait to be written: so many of each installation, and so many of all.

use std::collections::HashMap;

use model::Timestamp;
use sandbox::Level;

use super::Line;
use crate::store::Place;

/// The most lines of one installation that wait. They are written twice a second, so this bounds its rate, too.
pub(super) const MAX_OF_ONE: usize = 200;

/// The most lines of all that wait, and their most bytes.
const MAX_LINES: usize = 20_000;
const MAX_BYTES: usize = 16 << 20;

/// What waits of one installation.
#[derive(Debug, Default)]
struct Queue {
    lines: Vec<Line>,
    dropped: u64,
}

/// What waits of all.
#[derive(Debug, Default)]
pub(super) struct Pending {
    queues: HashMap<Place, Queue>,
    lines: usize,
    bytes: usize,
}

impl Pending {
    /// Takes a line, or counts it as dropped where there is no room.
    pub(super) fn add(&mut self, place: &Place, line: Line) {
        let has_room = self.lines < MAX_LINES && self.bytes + line.message.len() <= MAX_BYTES;
        let queue = match self.queues.get_mut(place) {
            Some(queue) => queue,
            None => self.queues.entry(place.clone()).or_default(),
        };
        if !has_room || queue.lines.len() >= MAX_OF_ONE {
            queue.dropped += 1;
            metrics::counter!("jackfield_plugin_log_dropped_total").increment(1);
            return;
        }
        self.lines += 1;
        self.bytes += line.message.len();
        queue.lines.push(line);
    }

    /// How many lines wait.
    pub(super) fn len(&self) -> usize {
        self.lines
    }

    /// Drops what an installation has written before the moment `until`.
    pub(super) fn forget(&mut self, place: &Place, until: Timestamp) {
        let Some(queue) = self.queues.get_mut(place) else { return };
        for line in queue.lines.extract_if(.., |line| line.at < until) {
            self.lines -= 1;
            self.bytes -= line.message.len();
        }
        if queue.lines.is_empty() {
            self.queues.remove(place);
        }
    }

    /// Takes all that waits, with a line for each installation of which some were dropped.
    pub(super) fn take(&mut self, now: Timestamp) -> Vec<(Place, Vec<Line>)> {
        (self.lines, self.bytes) = (0, 0);
        let queues = std::mem::take(&mut self.queues).into_iter();
        queues
            .map(|(place, Queue { mut lines, dropped })| {
                lines.extend((dropped > 0).then(|| told(dropped, now)));
                (place, lines)
            })
            .collect()
    }
}

fn told(dropped: u64, at: Timestamp) -> Line {
    let message =
        format!("{dropped} lines were left out here: a plugin may write {MAX_OF_ONE} lines in half a second");
    Line { at, level: Level::Warn, message, request_id: None, handler: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(tenant: &str) -> Place {
        Place { tenant: tenant.parse().unwrap(), plugin: "p".into() }
    }

    fn line(message: &str) -> Line {
        let at = Timestamp::from_millisecond(1);
        Line { at, level: Level::Info, message: message.into(), request_id: None, handler: None }
    }

    #[test]
    fn what_is_too_much_is_counted_and_told_where_it_was() {
        let mut pending = Pending::default();
        (0..250).for_each(|_| pending.add(&place("loud"), line("x")));
        pending.add(&place("quiet"), line("y"));
        assert_eq!(pending.len(), 201);
        let taken: HashMap<_, _> = pending.take(Timestamp::from_millisecond(9)).into_iter().collect();
        let loud = &taken[&place("loud")];
        assert_eq!(loud.len(), 201);
        assert!(loud[200].message.starts_with("50 lines were left out"), "{}", loud[200].message);
        assert_eq!(taken[&place("quiet")], [line("y")]);
        assert_eq!((pending.len(), pending.take(Timestamp::from_millisecond(9)).len()), (0, 0));
    }

    #[test]
    fn what_is_forgotten_is_not_written_and_what_comes_after_it_is() {
        let mut pending = Pending::default();
        (0..300).for_each(|_| pending.add(&place("gone"), line("old")));
        pending.add(&place("gone"), Line { at: Timestamp::from_millisecond(2), ..line("new") });
        pending.forget(&place("gone"), Timestamp::from_millisecond(2));
        assert_eq!((pending.len(), pending.bytes), (0, 0), "the new one had no room");
        pending.add(&place("gone"), line("old"));
        pending.add(&place("gone"), Line { at: Timestamp::from_millisecond(2), ..line("new") });
        pending.add(&place("other"), line("old"));
        pending.forget(&place("gone"), Timestamp::from_millisecond(2));
        pending.forget(&place("unknown"), Timestamp::from_millisecond(2));
        assert_eq!((pending.len(), pending.bytes), (2, 6));
        let taken: HashMap<_, _> = pending.take(Timestamp::from_millisecond(9)).into_iter().collect();
        let told: Vec<_> = taken[&place("gone")].iter().map(|line| line.message.as_str()).collect();
        assert_eq!((told, taken[&place("other")].len()), (vec!["new"], 1));
    }

    #[test]
    fn all_together_have_a_bound() {
        let mut pending = Pending::default();
        let long = "x".repeat(8192);
        for tenant in 0..300 {
            (0..100).for_each(|_| pending.add(&place(&format!("t{tenant}")), line(&long)));
        }
        assert!(pending.bytes <= MAX_BYTES && pending.len() <= MAX_LINES);
        let taken = pending.take(Timestamp::from_millisecond(9));
        assert!(taken.iter().flat_map(|(_, lines)| lines).any(|line| line.message.contains("left out")));
    }
}
