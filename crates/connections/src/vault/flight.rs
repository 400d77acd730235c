//! One piece of work per credential at a time: whoever wants the same shares its result, and whoever goes away cancels
//! nothing.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::Error;
use crate::connection::CredentialKey;

type Outcome<T> = Result<T, Error>;

/// Work in flight, and what it was begun for.
pub(super) struct Flight<T, D> {
    pub(super) demand: D,
    pub(super) outcome: Shared<BoxFuture<'static, Outcome<T>>>,
    /// Whether this caller began it.
    pub(super) is_own: bool,
}

struct Flying<T, D> {
    demand: D,
    outcome: Shared<BoxFuture<'static, Outcome<T>>>,
}

/// The work in flight by credential. Each entry is a running task, so that there are no more than callers.
pub(super) struct Flights<T, D>(Arc<Mutex<HashMap<CredentialKey, Flying<T, D>>>>);

impl<T, D> Flights<T, D>
where
    T: Clone + Send + Sync + 'static,
    D: Copy + Send + 'static,
{
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// The work on `key` that is in flight; else `work` is begun, as a task of its own.
    pub(super) fn join<F>(
        &self,
        key: &CredentialKey,
        demand: D,
        tasks: &TaskTracker,
        work: impl FnOnce() -> F,
    ) -> Flight<T, D>
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let mut flying = lock(&self.0);
        if let Some(found) = flying.get(key) {
            return Flight { demand: found.demand, outcome: found.outcome.clone(), is_own: false };
        }
        let (tell, told) = oneshot::channel();
        let outcome = told.map(|told| told.unwrap_or(Err(Error::Interrupted))).boxed().shared();
        flying.insert(key.clone(), Flying { demand, outcome: outcome.clone() });
        drop(flying);
        let landing = Landing { flights: Arc::clone(&self.0), key: key.clone() };
        let work = work();
        tasks.spawn(async move {
            let outcome = work.await;
            // Out of the way first: who comes from now on begins anew, or finds the result in the cache.
            drop(landing);
            // Nobody may be waiting any more.
            let _ = tell.send(outcome);
        });
        Flight { demand, outcome, is_own: true }
    }
}

/// Takes the work off the list, even if it panicked.
struct Landing<T, D> {
    flights: Arc<Mutex<HashMap<CredentialKey, Flying<T, D>>>>,
    key: CredentialKey,
}

impl<T, D> Drop for Landing<T, D> {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
