//! Instances that wait for their owner's next call, as many as there is room for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Owner;

/// What an instance may be used for: its owner's calls of this very script.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) owner: Owner,
    /// See [`Invocation::incarnation`](crate::Invocation::incarnation).
    pub(crate) incarnation: i64,
    pub(crate) script: Arc<str>,
}

/// Instances by owner and script; when there are too many, those go first that were used longest ago.
pub(crate) struct Warm<I> {
    shelf: Mutex<Shelf<I>>,
    most: usize,
    most_bytes: usize,
}

struct Kept<I> {
    since: u64,
    bytes: usize,
    instance: I,
}

struct Shelf<I> {
    /// Each list in the order in which they were put there.
    by_key: HashMap<Key, Vec<Kept<I>>>,
    by_age: BTreeMap<u64, Key>,
    bytes: usize,
    next: u64,
}

impl<I> Warm<I> {
    /// Room for `most` instances of `most_bytes` together.
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        let room = Shelf { by_key: HashMap::new(), by_age: BTreeMap::new(), bytes: 0, next: 0 };
        Self { shelf: Mutex::new(room), most, most_bytes }
    }

    /// Takes the one that was used last: its memory is likeliest in the caches.
    pub(crate) fn take(&self, key: &Key) -> Option<I> {
        let mut room = self.lock();
        let kept = room.by_key.get_mut(key)?.pop()?;
        room.removed(key, &kept);
        Some(kept.instance)
    }

    /// Keeps an instance. Those for which there is no room any more are dropped.
    pub(crate) fn put(&self, key: Key, instance: I, bytes: usize) {
        let mut dropped = Vec::new();
        let mut room = self.lock();
        let since = room.next;
        room.next += 1;
        room.bytes = room.bytes.saturating_add(bytes);
        room.by_age.insert(since, key.clone());
        room.by_key.entry(key).or_default().push(Kept { since, bytes, instance });
        while (room.by_age.len() > self.most || room.bytes > self.most_bytes)
            && let Some(oldest) = room.oldest()
        {
            dropped.push(oldest);
        }
        room.measure();
        drop(room);
        metrics::counter!("jackfield_sandbox_evictions_total").increment(dropped.len() as u64);
    }

    /// Drops the oldest until `bytes` are free.
    pub(crate) fn relieve(&self, bytes: usize) {
        let mut dropped = Vec::new();
        let mut room = self.lock();
        let wanted = room.bytes.saturating_sub(bytes);
        while room.bytes > wanted
            && let Some(oldest) = room.oldest()
        {
            dropped.push(oldest);
        }
        drop(room);
    }

    /// Drops every instance of the owners that are meant.
    pub(crate) fn forget(&self, is_meant: impl Fn(&Owner) -> bool) {
        let mut dropped = Vec::new();
        let mut room = self.lock();
        let keys: Vec<Key> = room.by_key.keys().filter(|key| is_meant(&key.owner)).cloned().collect();
        for key in keys {
            while let Some(kept) = room.by_key.get_mut(&key).and_then(Vec::pop) {
                room.removed(&key, &kept);
                dropped.push(kept);
            }
        }
        drop(room);
    }

    /// How many there are, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let room = self.lock();
        (room.by_age.len(), room.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<I>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Shelf<I> {
    fn oldest(&mut self) -> Option<I> {
        let (since, key) = self.by_age.first_key_value().map(|(since, key)| (*since, key.clone()))?;
        let list = self.by_key.get_mut(&key)?;
        let at = list.iter().position(|kept| kept.since == since)?;
        let kept = list.remove(at);
        self.removed(&key, &kept);
        Some(kept.instance)
    }

    /// Counts one less, that was taken from its list.
    fn removed(&mut self, key: &Key, kept: &Kept<I>) {
        self.by_age.remove(&kept.since);
        self.bytes = self.bytes.saturating_sub(kept.bytes);
        if self.by_key.get(key).is_some_and(Vec::is_empty) {
            self.by_key.remove(key);
        }
        self.measure();
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    fn measure(&self) {
        metrics::gauge!("jackfield_sandbox_warm_instances").set(self.by_age.len() as f64);
        metrics::gauge!("jackfield_sandbox_warm_bytes").set(self.bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, script: &str) -> Key {
        let owner = Owner { tenant: tenant.into(), plugin: "p".into() };
        Key { owner, incarnation: 1, script: script.into() }
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let warm = Warm::new(2, 100);
        warm.put(key("a", "1"), "a", 10);
        warm.put(key("b", "1"), "b", 10);
        let taken = warm.take(&key("a", "1")).unwrap();
        warm.put(key("a", "1"), taken, 10);
        warm.put(key("c", "1"), "c", 10);
        assert_eq!(warm.take(&key("b", "1")), None);
        assert_eq!(warm.size(), (2, 20));
        warm.put(key("c", "1"), "large", 95);
        assert_eq!(warm.size(), (1, 95));
        warm.put(key("c", "1"), "too large", 101);
        assert_eq!(warm.size(), (0, 0));
    }

    #[test]
    fn an_instance_serves_its_owner_and_script_alone() {
        let warm = Warm::new(10, 100);
        warm.put(key("a", "1"), "first", 10);
        warm.put(key("a", "1"), "second", 10);
        warm.put(key("a", "2"), "other", 10);
        assert_eq!(warm.take(&key("b", "1")), None);
        assert_eq!(warm.take(&key("a", "1")), Some("second"));
        warm.relieve(5);
        assert_eq!(warm.take(&key("a", "1")), None);
        warm.put(key("b", "2"), "another's", 10);
        warm.forget(|owner| *owner.tenant == *"a");
        assert_eq!(warm.size(), (1, 10));
        assert_eq!(warm.take(&key("b", "2")), Some("another's"));
    }
}
