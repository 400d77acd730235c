//! How many requests to one plugin of one tenant may be under way, and when its server is left alone.
//!
//! Each tenant's installation has a gate of its own: what one tenant does to a server that several use closes no gate of
//! another's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Ambient, TenantId};
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Error;

/// After how many failures in a row the server is left alone.
const THRESHOLD: u32 = 5;

/// How long it is left alone at first; twice as long each time after.
const FIRST_REST: Duration = Duration::from_secs(10);

/// The longest that it is left alone.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// For how many installations it is remembered.
const MAX_GATES: u64 = 20_000;

/// How long it is remembered of one that nobody calls.
const MEMORY: Duration = Duration::from_mins(15);

/// The gates of all installations.
#[derive(Debug)]
pub(super) struct Gates {
    known: Cache<(TenantId, String), Arc<Gate>>,
    places: usize,
    ambient: Ambient,
}

#[derive(Debug)]
struct Gate {
    places: Arc<Semaphore>,
    circuit: Mutex<Circuit>,
}

#[derive(Debug, Default)]
struct Circuit {
    /// Failures in a row.
    failures: u32,
    /// Rests in a row.
    rests: u32,
    /// Until when nobody is let through; from then on one, to see.
    until: Option<Instant>,
    is_probed: bool,
}

/// One request that was let through. It holds its place until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    gate: Arc<Gate>,
    is_probe: bool,
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
    /// Gates through which `places` requests may go at once, each.
    pub(super) fn new(places: usize, ambient: Ambient) -> Self {
        let known = Cache::builder().max_capacity(MAX_GATES).time_to_idle(MEMORY).build();
        Self { known, places, ambient }
    }

    /// Lets a request of `tenant` to `plugin` through.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Resting`].
    pub(super) fn enter(&self, tenant: &TenantId, plugin: &str) -> Result<Entry, Error> {
        let gate = self.known.get(&Key(tenant, plugin)).unwrap_or_else(|| {
            self.known.get_with((tenant.clone(), plugin.to_owned()), || Arc::new(Gate::new(self.places)))
        });
        let place = Arc::clone(&gate.places).try_acquire_owned();
        let place = place.map_err(|_| Error::Busy { max: self.places })?;
        let is_probe = gate.pass()?;
        Ok(Entry { gate, is_probe, _place: place })
    }

    /// The server was reached.
    pub(super) fn succeeded(entry: &mut Entry) {
        entry.is_probe = false;
        *entry.gate.lock() = Circuit::default();
    }

    /// The server was not reached, or did not begin to answer.
    pub(super) fn failed(&self, entry: &mut Entry) {
        let mut circuit = entry.gate.lock();
        circuit.failures = circuit.failures.saturating_add(1);
        circuit.is_probed &= !entry.is_probe;
        let is_resting = circuit.until.is_some_and(|until| Instant::now() < until);
        if (entry.is_probe || circuit.failures >= THRESHOLD) && !is_resting {
            let rest = FIRST_REST.saturating_mul(1 << circuit.rests.min(10)).min(LONGEST_REST);
            let rest = rest + self.ambient.part_of(rest / 5);
            circuit.rests = circuit.rests.saturating_add(1);
            circuit.until = Some(Instant::now() + rest);
            metrics::counter!("jackfield_upstream_rests_total").increment(1);
        }
        entry.is_probe = false;
    }
}

impl Gate {
    fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), circuit: Mutex::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the request that is let through is to find out whether the server is there again.
    fn pass(&self) -> Result<bool, Error> {
        let mut circuit = self.lock();
        let Some(until) = circuit.until else { return Ok(false) };
        let left = until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Err(Error::Resting(left));
        }
        if circuit.is_probed {
            return Err(Error::Resting(Duration::from_secs(1)));
        }
        circuit.is_probed = true;
        Ok(true)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.is_probe {
            // The caller went away before anything was known: the next one is to find out.
            self.gate.lock().is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gates() -> Gates {
        Gates::new(3, Ambient::system())
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn enter(gates: &Gates) -> Result<Entry, Error> {
        gates.enter(&tenant("acme"), "p")
    }

    fn rest(gates: &Gates) -> Duration {
        match enter(gates) {
            Err(Error::Resting(left)) => left,
            other => panic!("it is to rest: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_each_installations_own() {
        let gates = gates();
        let entries: Vec<_> = (0..3).map(|_| enter(&gates).unwrap()).collect();
        assert!(matches!(enter(&gates), Err(Error::Busy { max: 3 })));
        assert!(gates.enter(&tenant("acme"), "q").is_ok());
        assert!(gates.enter(&tenant("globex"), "p").is_ok());
        drop(entries);
        assert!(enter(&gates).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_be_reached_is_left_alone_longer_each_time() {
        let gates = gates();
        for _ in 0..THRESHOLD {
            gates.failed(&mut enter(&gates).unwrap());
        }
        let first = rest(&gates);
        assert!((10.0..=12.0).contains(&first.as_secs_f64()), "{first:?}");
        assert!(gates.enter(&tenant("globex"), "p").is_ok(), "another tenant's goes on");
        tokio::time::advance(first).await;
        // One is let through to see, and no other until that is known.
        let mut probe = enter(&gates).unwrap();
        assert_eq!(rest(&gates), Duration::from_secs(1));
        gates.failed(&mut probe);
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
            gates.failed(&mut enter(&gates).unwrap());
        }
        assert!(enter(&gates).is_ok(), "failures are counted from the last success on");
    }

    #[tokio::test(start_paused = true)]
    async fn rests_have_an_end() {
        let gates = gates();
        for _ in 0..THRESHOLD {
            gates.failed(&mut enter(&gates).unwrap());
        }
        for _ in 0..20 {
            tokio::time::advance(rest(&gates)).await;
            gates.failed(&mut enter(&gates).unwrap());
        }
        assert!(rest(&gates) <= LONGEST_REST.mul_f32(1.2));
    }
}
