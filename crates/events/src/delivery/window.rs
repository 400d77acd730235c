//! What of a queue is not finished, as its holder sees it: of each key in order, and which may run next.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A delivery that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    /// Stands for the ordering key; `None` where it waits for nothing. Two keys with the same number wait for each other, which
    /// is rare and does no harm.
    pub(crate) key: Option<u64>,
    /// Not before this moment, in milliseconds since the Unix epoch.
    pub(crate) due_at: i64,
    pub(crate) attempts: i64,
    pub(crate) created_at: i64,
    pub(crate) event_seq: Option<i64>,
    pub(crate) webhook_seq: Option<i64>,
    pub(crate) handler: String,
}

/// The number that stands for a key.
pub(crate) fn key_of(text: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (!text.is_empty()).then(|| hasher.finish())
}

/// Unfinished deliveries in order.
#[derive(Debug, Default)]
pub(crate) struct Window {
    rows: HashMap<i64, Row>,
    /// Of each key the unfinished ones in order; the first of them may run or is running.
    keys: HashMap<u64, VecDeque<i64>>,
    /// Those that may run once they are due.
    ready: BTreeSet<(i64, i64)>,
    running: HashSet<i64>,
}

impl Window {
    /// Adds a row that comes after all others of its key; nothing if it is there.
    pub(crate) fn add(&mut self, row: Row) {
        if self.rows.contains_key(&row.seq) {
            return;
        }
        let waits = row.key.is_some_and(|key| {
            let line = self.keys.entry(key).or_default();
            line.push_back(row.seq);
            line.len() > 1
        });
        if !waits {
            self.ready.insert((row.due_at, row.seq));
        }
        self.rows.insert(row.seq, row);
    }

    /// Takes one that is due, the longest due first.
    pub(crate) fn take(&mut self, now: i64) -> Option<Row> {
        let (due_at, seq) = self.ready.first().copied().filter(|(due_at, _)| *due_at <= now)?;
        self.ready.remove(&(due_at, seq));
        self.running.insert(seq);
        self.rows.get(&seq).cloned()
    }

    /// One that was taken is finished: the next of its key may run.
    pub(crate) fn finish(&mut self, seq: i64) {
        self.running.remove(&seq);
        let Some(row) = self.rows.remove(&seq) else { return };
        let Some(key) = row.key else { return };
        let Some(line) = self.keys.get_mut(&key) else { return };
        line.retain(|other| *other != seq);
        let next = line.front().and_then(|next| self.rows.get(next));
        match next {
            Some(next) => {
                self.ready.insert((next.due_at, next.seq));
            }
            None => {
                self.keys.remove(&key);
            }
        }
    }

    /// One that was taken is to run again.
    pub(crate) fn again(&mut self, seq: i64, due_at: i64, attempts: i64) {
        self.running.remove(&seq);
        if let Some(row) = self.rows.get_mut(&seq) {
            (row.due_at, row.attempts) = (due_at, attempts);
            self.ready.insert((due_at, seq));
        }
    }

    /// Forgets what is not running, so that it can be read anew.
    pub(crate) fn clear(&mut self) {
        let running: Vec<Row> = self.running.iter().filter_map(|seq| self.rows.get(seq)).cloned().collect();
        self.rows.clear();
        self.keys.clear();
        self.ready.clear();
        for row in running {
            if let Some(key) = row.key {
                self.keys.entry(key).or_default().push_back(row.seq);
            }
            self.rows.insert(row.seq, row);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// When the next may run, of those that are not running.
    pub(crate) fn earliest(&self) -> Option<i64> {
        self.ready.first().map(|(due_at, _)| *due_at)
    }

    /// What [`Window::earliest`] will be once the one that was taken has ended: finished, or to run again.
    pub(crate) fn earliest_after(&self, seq: i64, again: Option<i64>) -> Option<i64> {
        let freed = again.or_else(|| {
            let key = self.rows.get(&seq)?.key?;
            let next = self.keys.get(&key)?.iter().find(|other| **other != seq)?;
            self.rows.get(next).map(|next| next.due_at)
        });
        self.earliest().into_iter().chain(freed).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i64, key: &str, due_at: i64) -> Row {
        Row {
            seq,
            key: key_of(key),
            due_at,
            attempts: 0,
            created_at: 0,
            event_seq: Some(seq),
            webhook_seq: None,
            handler: String::new(),
        }
    }

    fn taken(window: &mut Window, now: i64) -> Vec<i64> {
        std::iter::from_fn(|| window.take(now)).map(|row| row.seq).collect()
    }

    #[test]
    fn of_each_key_one_runs_and_the_next_once_it_is_finished() {
        let mut window = Window::default();
        for (seq, key) in [(1, "a"), (2, "a"), (3, "b"), (4, ""), (5, ""), (6, "a")] {
            window.add(row(seq, key, 0));
            window.add(row(seq, key, 0));
        }
        assert_eq!(taken(&mut window, 0), [1, 3, 4, 5]);
        window.finish(1);
        assert_eq!(taken(&mut window, 0), [2]);
        window.finish(3);
        window.finish(4);
        assert_eq!(taken(&mut window, 0), [0; 0]);
        window.finish(2);
        assert_eq!(taken(&mut window, 0), [6]);
    }

    #[test]
    fn what_is_to_run_again_keeps_its_key_waiting() {
        let mut window = Window::default();
        for (seq, key) in [(1, "a"), (2, "a"), (3, "")] {
            window.add(row(seq, key, 0));
        }
        assert_eq!(taken(&mut window, 0), [1, 3]);
        assert_eq!(window.earliest_after(1, Some(50)), Some(50));
        assert_eq!(window.earliest_after(1, None), Some(0), "the next of its key");
        assert_eq!(window.earliest_after(3, None), None);
        window.again(1, 50, 1);
        window.finish(3);
        assert_eq!((taken(&mut window, 49), window.earliest()), (Vec::new(), Some(50)));
        let again = window.take(50).unwrap();
        assert_eq!((again.seq, again.attempts), (1, 1));
    }

    #[test]
    fn what_runs_stays_first_of_its_key_when_the_rest_is_read_anew() {
        let mut window = Window::default();
        for (seq, key) in [(1, "a"), (2, "a"), (3, "b")] {
            window.add(row(seq, key, 0));
        }
        assert_eq!(window.take(0).unwrap().seq, 1);
        window.clear();
        for (seq, key) in [(1, "a"), (2, "a"), (3, "b")] {
            window.add(row(seq, key, 0));
        }
        assert_eq!(taken(&mut window, 0), [3]);
        window.finish(1);
        assert_eq!(taken(&mut window, 0), [2]);
    }
}
