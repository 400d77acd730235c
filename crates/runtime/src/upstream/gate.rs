//! How many requests to one plugin of one tenant may be under way, and when its server is left alone.
//!
//! Each tenant's installation has a gate of its own: what one tenant does to a server that several use closes no gate of
//! another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use model::{Ambient, TenantId};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Error;

/// After how many failures of one kind in a row the server is left alone.
const THRESHOLD: u32 = 5;

/// How long it is left alone at first; twice as long each time after.
const FIRST_REST: Duration = Duration::from_secs(10);

/// The longest that it is left alone.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// For how many installations it is remembered.
const MAX_GATES: u64 = 20_000;

/// How long it is remembered of one that nobody calls.
const MEMORY: Duration = Duration::from_mins(15);

/// Why the server is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody was reached.
    #[error("could not be reached")]
    Unreachable,
    /// It was reached, and did not begin to answer.
    #[error("did not begin to answer in time")]
    Slow,
}

/// The gates of all installations.
#[derive(Debug)]
pub(super) struct Gates {
    known: Cache<(TenantId, String), Arc<Gate>>,
    /// All that still stand: one through which a long answer is under way is not made a second time when `known` forgets it.
    standing: Mutex<HashMap<(TenantId, String), Weak<Gate>>>,
    places: usize,
    /// How long a request that is to find out whether the server is there again may keep others from it.
    first_byte: Duration,
    ambient: Ambient,
}

#[derive(Debug)]
struct Gate {
    places: Arc<Semaphore>,
    circuit: Mutex<Circuit>,
}

#[derive(Debug, Default)]
struct Circuit {
    /// Failures in a row, each kind by itself.
    unreachable: u32,
    slow: u32,
    /// Rests in a row.
    rests: u32,
    /// Rests since the gate was made: what fails that was begun before the last one says nothing new.
    generation: u64,
    /// Until when nobody is let through and why; from then on one at a time, to see.
    rest: Option<(Instant, Failure)>,
    /// When that one was let through.
    probed: Option<Instant>,
}

/// One request that was let through. It holds its place until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    gate: Arc<Gate>,
    generation: u64,
    /// When it was let through, if it is to see whether the server is there again.
    probe: Option<Instant>,
    _place: OwnedSemaphorePermit,
}

#[derive(Hash)]
struct Key<'a>(&'a TenantId, &'a str);

impl moka::Equivalent<(TenantId, String)> for Key<'_> {
    fn equivalent(&self, key: &(TenantId, String)) -> bool {
        *self.0 == key.0 && self.1 == key.1
    }
}

impl Gates {
    /// Gates through which `places` requests may go at once, each, to servers that may take `first_byte` to begin to answer.
    pub(super) fn new(places: usize, first_byte: Duration, ambient: Ambient) -> Self {
        let known = Cache::builder().max_capacity(MAX_GATES).time_to_idle(MEMORY);
        // A new one is always kept, which the default policy does not promise.
        let known = known.eviction_policy(EvictionPolicy::lru()).build();
        Self { known, standing: Mutex::default(), places, first_byte, ambient }
    }

    /// Lets a request of `tenant` to `plugin` through.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Resting`].
    pub(super) fn enter(&self, tenant: &TenantId, plugin: &str) -> Result<Entry, Error> {
        let gate = self.known.get(&Key(tenant, plugin)).unwrap_or_else(|| self.gate(tenant, plugin));
        let place = Arc::clone(&gate.places).try_acquire_owned();
        let place = place.map_err(|_| Error::Busy { max: self.places })?;
        let (generation, probe) = gate.pass(self.first_byte)?;
        Ok(Entry { gate, generation, probe, _place: place })
    }

    fn gate(&self, tenant: &TenantId, plugin: &str) -> Arc<Gate> {
        let key = (tenant.clone(), plugin.to_owned());
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if u64::try_from(standing.len()).unwrap_or(u64::MAX) > 2 * MAX_GATES {
            standing.retain(|_, gate| gate.strong_count() > 0);
        }
        let gate = standing.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let gate = Arc::new(Gate::new(self.places));
            standing.insert(key.clone(), Arc::downgrade(&gate));
            gate
        });
        self.known.insert(key, Arc::clone(&gate));
        gate
    }

    /// The server was reached.
    pub(super) fn succeeded(entry: &mut Entry) {
        entry.probe = None;
        let mut circuit = entry.gate.lock();
        *circuit = Circuit { generation: circuit.generation, ..Circuit::default() };
    }

    /// The server was not reached, or did not begin to answer.
    pub(super) fn failed(&self, entry: &mut Entry, failure: Failure) {
        let mut circuit = entry.gate.lock();
        if circuit.generation != entry.generation {
            return;
        }
        let failures = match failure {
            Failure::Unreachable => &mut circuit.unreachable,
            Failure::Slow => &mut circuit.slow,
        };
        *failures = failures.saturating_add(1);
        if entry.probe.is_some() || *failures >= THRESHOLD {
            let rest = FIRST_REST.saturating_mul(1 << circuit.rests.min(10)).min(LONGEST_REST);
            let rest = rest + self.ambient.part_of(rest / 5);
            circuit.rests = circuit.rests.saturating_add(1);
            circuit.generation += 1;
            circuit.rest = Some((Instant::now() + rest, failure));
            circuit.probed = None;
            metrics::counter!("jackfield_upstream_rests_total").increment(1);
        }
    }
}

impl Gate {
    fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), circuit: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generation of the request that is let through, and the time if it is to find out whether the server is there again.
    fn pass(&self, first_byte: Duration) -> Result<(u64, Option<Instant>), Error> {
        let mut circuit = self.lock();
        let Some((until, failure)) = circuit.rest else { return Ok((circuit.generation, None)) };
        let now = Instant::now();
        let wait = until.saturating_duration_since(now);
        if !wait.is_zero() {
            return Err(Error::Resting { wait, failure });
        }
        // One that takes longer than an answer may, because its caller is slow, is not waited for.
        if circuit.probed.is_some_and(|at| now.duration_since(at) < first_byte) {
            return Err(Error::Resting { wait: Duration::from_secs(1), failure });
        }
        circuit.probed = Some(now);
        Ok((circuit.generation, Some(now)))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.probe.is_some() {
            let mut circuit = self.gate.lock();
            if circuit.probed == self.probe {
                // The caller went away before anything was known: the next one is to find out.
                circuit.probed = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_BYTE: Duration = Duration::from_secs(30);

    fn gates() -> Gates {
        Gates::new(6, FIRST_BYTE, Ambient::system())
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn enter(gates: &Gates) -> Result<Entry, Error> {
        gates.enter(&tenant("acme"), "p")
    }

    fn fail(gates: &Gates) {
        gates.failed(&mut enter(gates).unwrap(), Failure::Unreachable);
    }

    fn rest(gates: &Gates) -> Duration {
        match enter(gates) {
            Err(Error::Resting { wait, .. }) => wait,
            other => panic!("it is to rest: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_each_installations_own() {
        let gates = gates();
        let entries: Vec<_> = (0..6).map(|_| enter(&gates).unwrap()).collect();
        assert!(matches!(enter(&gates), Err(Error::Busy { max: 6 })));
        assert!(gates.enter(&tenant("acme"), "q").is_ok());
        assert!(gates.enter(&tenant("globex"), "p").is_ok());
        drop(entries);
        assert!(enter(&gates).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_be_reached_is_left_alone_longer_each_time() {
        let gates = gates();
        for _ in 0..THRESHOLD {
            fail(&gates);
        }
        let first = rest(&gates);
        assert!((10.0..=12.0).contains(&first.as_secs_f64()), "{first:?}");
        assert!(gates.enter(&tenant("globex"), "p").is_ok(), "another tenant's goes on");
        tokio::time::advance(first).await;
        // One is let through to see, and no other until that is known.
        let mut probe = enter(&gates).unwrap();
        assert_eq!(rest(&gates), Duration::from_secs(1));
        gates.failed(&mut probe, Failure::Unreachable);
        drop(probe);
        let second = rest(&gates);
        assert!((20.0..=24.0).contains(&second.as_secs_f64()), "{second:?}");
        tokio::time::advance(second).await;
        drop(enter(&gates).unwrap());
        let mut probe = enter(&gates).expect("one that learned nothing leaves the turn to the next");
        Gates::succeeded(&mut probe);
        drop(probe);
        assert!(enter(&gates).is_ok() && enter(&gates).is_ok());
        for _ in 1..THRESHOLD {
            fail(&gates);
        }
        assert!(enter(&gates).is_ok(), "failures are counted from the last success on");
    }

    #[tokio::test(start_paused = true)]
    async fn rests_have_an_end() {
        let gates = gates();
        for _ in 0..THRESHOLD {
            fail(&gates);
        }
        for _ in 0..20 {
            tokio::time::advance(rest(&gates)).await;
            fail(&gates);
        }
        assert!(rest(&gates) <= LONGEST_REST.mul_f32(1.2));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_finds_nothing_out_holds_up_nobody_for_long() {
        let gates = gates();
        for _ in 0..THRESHOLD {
            fail(&gates);
        }
        tokio::time::advance(rest(&gates)).await;
        let slow = enter(&gates).unwrap();
        assert_eq!(rest(&gates), Duration::from_secs(1));
        tokio::time::advance(FIRST_BYTE).await;
        let mut next = enter(&gates).expect("another is to find out");
        drop(slow);
        assert_eq!(rest(&gates), Duration::from_secs(1), "the first one's end is not the second one's");
        gates.failed(&mut next, Failure::Unreachable);
        assert!(rest(&gates) > Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_before_a_rest_makes_it_no_longer() {
        let gates = gates();
        let mut early: Vec<_> = (0..=THRESHOLD).map(|_| enter(&gates).unwrap()).collect();
        let mut last = early.pop().unwrap();
        for entry in &mut early {
            gates.failed(entry, Failure::Unreachable);
        }
        drop(early);
        let first = rest(&gates);
        tokio::time::advance(first).await;
        gates.failed(&mut last, Failure::Unreachable);
        let mut probe = enter(&gates).expect("the rest is over");
        gates.failed(&mut probe, Failure::Unreachable);
        drop(probe);
        assert!(rest(&gates) <= FIRST_REST * 2 * 12 / 10, "it is the second rest, not the third");
    }

    #[tokio::test(start_paused = true)]
    async fn slowness_and_absence_are_counted_apart() {
        let gates = gates();
        for _ in 1..THRESHOLD {
            fail(&gates);
            gates.failed(&mut enter(&gates).unwrap(), Failure::Slow);
        }
        gates.failed(&mut enter(&gates).unwrap(), Failure::Slow);
        let error = enter(&gates).unwrap_err();
        assert!(error.to_string().contains("did not begin to answer in time several times"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_counted_for_as_long_as_it_is() {
        let gates = gates();
        let entries: Vec<_> = (0..6).map(|_| enter(&gates).unwrap()).collect();
        // As after a long time in which nobody came.
        gates.known.invalidate_all();
        assert!(matches!(enter(&gates), Err(Error::Busy { max: 6 })));
        drop(entries);
        assert!(enter(&gates).is_ok());
    }
}
