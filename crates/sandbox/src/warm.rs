//! Instances that wait for their owner's next call, as many as there is room for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// An instance with more bytes of memory is not kept: a fresh one is had for less than what it keeps from others.
const MOST_EACH: usize = 8 << 20;

/// The part of all bytes that one tenant's instances may have, unless it is one alone.
const TENANTS_PART: usize = 16;

/// Instances by owner and script; when there are too many, of a tenant or of all, those go first that were used longest ago.
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
    tenants: HashMap<Arc<str>, Part>,
    bytes: usize,
    next: u64,
}

/// What a tenant has there.
#[derive(Default)]
struct Part {
    ages: BTreeSet<u64>,
    bytes: usize,
}

impl<I> Warm<I> {
    /// Room for `most` instances of `most_bytes` together.
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        let (by_key, by_age, tenants) = (HashMap::new(), BTreeMap::new(), HashMap::new());
        Self { shelf: Mutex::new(Shelf { by_key, by_age, tenants, bytes: 0, next: 0 }), most, most_bytes }
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
        if bytes > MOST_EACH {
            metrics::counter!("jackfield_sandbox_evictions_total").increment(1);
            return;
        }
        let mut dropped = Vec::new();
        let mut room = self.lock();
        let tenant = Arc::clone(&key.owner.tenant);
        room.insert(key, instance, bytes);
        while let Some(oldest) = room.oldest_of(&tenant, self.most_bytes / TENANTS_PART) {
            dropped.push(oldest);
        }
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
    fn insert(&mut self, key: Key, instance: I, bytes: usize) {
        let since = self.next;
        self.next += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let part = self.tenants.entry(Arc::clone(&key.owner.tenant)).or_default();
        part.bytes = part.bytes.saturating_add(bytes);
        part.ages.insert(since);
        self.by_age.insert(since, key.clone());
        self.by_key.entry(key).or_default().push(Kept { since, bytes, instance });
    }

    fn oldest(&mut self) -> Option<I> {
        let since = self.by_age.first_key_value().map(|(since, _)| *since)?;
        self.remove(since)
    }

    /// The tenant's oldest, if it has more than `most` bytes and more than one.
    fn oldest_of(&mut self, tenant: &str, most: usize) -> Option<I> {
        let part = self.tenants.get(tenant).filter(|part| part.bytes > most && part.ages.len() > 1)?;
        let since = *part.ages.first()?;
        self.remove(since)
    }

    fn remove(&mut self, since: u64) -> Option<I> {
        let key = self.by_age.get(&since).cloned()?;
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
        if let Some(part) = self.tenants.get_mut(&key.owner.tenant) {
            part.ages.remove(&kept.since);
            part.bytes = part.bytes.saturating_sub(kept.bytes);
            if part.ages.is_empty() {
                self.tenants.remove(&key.owner.tenant);
            }
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
        warm.put(key("d", "1"), "large", 95);
        assert_eq!(warm.size(), (1, 95));
        warm.put(key("e", "1"), "too large for all", 101);
        assert_eq!(warm.size(), (0, 0));
    }

    #[test]
    fn a_tenant_that_has_its_part_makes_room_among_its_own() {
        let warm = Warm::new(100, 160);
        warm.put(key("other", "1"), "other", 5);
        for script in ["1", "2", "3"] {
            warm.put(key("a", script), script, 5);
        }
        assert_eq!(warm.size(), (3, 15), "two of them have all of its part");
        assert_eq!(warm.take(&key("a", "1")), None);
        warm.put(key("a", "4"), "alone", 20);
        assert_eq!(warm.size(), (2, 25), "one alone may have more");
        assert_eq!(warm.take(&key("other", "1")), Some("other"));
        warm.put(key("a", "4"), "huge", MOST_EACH + 1);
        assert_eq!(warm.take(&key("a", "4")), Some("alone"), "what has very much is not kept at all");
        assert!(warm.lock().tenants.is_empty());
    }

    #[test]
    fn an_instance_serves_its_owner_and_script_alone() {
        let warm = Warm::new(10, 1_000);
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
