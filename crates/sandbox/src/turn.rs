//! Turns: how many calls run at once, shared fairly among tenants.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::settings::Admission;
use crate::{Error, Owner};

/// What those are told who come when the queue is full.
const RETRY: Duration = Duration::from_secs(1);

/// Gives turns, first come first served within a tenant, one tenant after the other among them.
pub(crate) struct Turns {
    queue: Mutex<Queue>,
    settings: Admission,
}

#[derive(Default)]
struct Queue {
    running: usize,
    next: u64,
    tenants: HashMap<Arc<str>, Tenant>,
    /// Tenants with calls that wait, the next first.
    ring: VecDeque<Arc<str>>,
}

#[derive(Default)]
struct Tenant {
    running: usize,
    owners: HashMap<Arc<str>, Counts>,
    waiting: VecDeque<Waiter>,
}

#[derive(Default)]
struct Counts {
    running: usize,
    waiting: usize,
}

struct Waiter {
    id: u64,
    plugin: Arc<str>,
    grant: oneshot::Sender<()>,
}

/// That a call may run, until it is dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    owner: Owner,
}

/// A call that waits, until it is dropped.
struct Waiting {
    turns: Arc<Turns>,
    owner: Owner,
    id: u64,
    granted: oneshot::Receiver<()>,
}

impl Turns {
    pub(crate) fn new(settings: Admission) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::default(), settings })
    }

    /// Waits for a turn of `owner`.
    ///
    /// # Errors
    /// [`Error::Busy`], at once when too many wait already, and when it takes too long.
    pub(crate) async fn take(self: &Arc<Self>, owner: &Owner) -> Result<Turn, Error> {
        let mut waiting = match self.enter(owner)? {
            Entered::Runs => return Ok(Turn { turns: Arc::clone(self), owner: owner.clone() }),
            Entered::Waits(waiting) => waiting,
        };
        match tokio::time::timeout(self.settings.queue_wait, &mut waiting.granted).await {
            Ok(Ok(())) => Ok(Turn { turns: Arc::clone(self), owner: owner.clone() }),
            _ => Err(Error::Busy(RETRY)),
        }
    }

    fn enter(self: &Arc<Self>, owner: &Owner) -> Result<Entered, Error> {
        let mut queue = self.lock();
        let global = queue.running < self.settings.running;
        let tenant = queue.tenants.entry(Arc::clone(&owner.tenant)).or_default();
        let free = global && tenant.running < self.settings.tenant_running;
        let counts = tenant.owners.entry(Arc::clone(&owner.plugin)).or_default();
        if free && counts.waiting == 0 && counts.running < self.settings.owner_running {
            queue.start(owner);
            return Ok(Entered::Runs);
        }
        if counts.waiting >= self.settings.owner_queue {
            return Err(Error::Busy(RETRY));
        }
        counts.waiting += 1;
        let (grant, granted) = oneshot::channel();
        let is_first = tenant.waiting.is_empty();
        let id = queue.next;
        queue.next += 1;
        if let Some(tenant) = queue.tenants.get_mut(&owner.tenant) {
            tenant.waiting.push_back(Waiter { id, plugin: Arc::clone(&owner.plugin), grant });
        }
        if is_first {
            queue.ring.push_back(Arc::clone(&owner.tenant));
        }
        Ok(Entered::Waits(Waiting { turns: Arc::clone(self), owner: owner.clone(), id, granted }))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Entered {
    Runs,
    Waits(Waiting),
}

impl Queue {
    fn start(&mut self, owner: &Owner) {
        self.running += 1;
        metrics::gauge!("jackfield_sandbox_running").increment(1.0);
        let tenant = self.tenants.entry(Arc::clone(&owner.tenant)).or_default();
        tenant.running += 1;
        tenant.owners.entry(Arc::clone(&owner.plugin)).or_default().running += 1;
    }

    fn stop(&mut self, owner: &Owner, settings: &Admission) {
        self.take_back(owner);
        self.dispatch(settings);
        self.forget(owner);
    }

    /// Gives the turns that are free: each tenant in the ring one, and so on round.
    fn dispatch(&mut self, settings: &Admission) {
        let mut passed_over = 0;
        while self.running < settings.running && passed_over < self.ring.len() {
            let Some(name) = self.ring.pop_front() else { return };
            let Some(tenant) = self.tenants.get_mut(&name) else { continue };
            match tenant.next(settings) {
                Some(waiter) => {
                    passed_over = 0;
                    let owner = Owner { tenant: Arc::clone(&name), plugin: waiter.plugin };
                    // Who no longer waits has removed itself, or is about to find its turn and give it back.
                    self.start(&owner);
                    if waiter.grant.send(()).is_err() {
                        self.take_back(&owner);
                    }
                }
                None => passed_over += 1,
            }
            if self.tenants.get(&name).is_some_and(|tenant| !tenant.waiting.is_empty()) {
                self.ring.push_back(name);
            }
        }
    }

    /// Counts one less that runs.
    fn take_back(&mut self, owner: &Owner) {
        self.running = self.running.saturating_sub(1);
        metrics::gauge!("jackfield_sandbox_running").decrement(1.0);
        if let Some(tenant) = self.tenants.get_mut(&owner.tenant) {
            tenant.running = tenant.running.saturating_sub(1);
            if let Some(counts) = tenant.owners.get_mut(&owner.plugin) {
                counts.running = counts.running.saturating_sub(1);
            }
        }
    }

    /// Forgets what nobody runs in or waits for.
    fn forget(&mut self, owner: &Owner) {
        let Some(tenant) = self.tenants.get_mut(&owner.tenant) else { return };
        if tenant.owners.get(&owner.plugin).is_some_and(|counts| counts.running + counts.waiting == 0) {
            tenant.owners.remove(&owner.plugin);
        }
        if tenant.owners.is_empty() {
            self.tenants.remove(&owner.tenant);
        }
    }
}

impl Tenant {
    /// The first that may run.
    fn next(&mut self, settings: &Admission) -> Option<Waiter> {
        if self.running >= settings.tenant_running {
            return None;
        }
        let runs = |waiter: &Waiter| {
            self.owners.get(&waiter.plugin).is_some_and(|counts| counts.running < settings.owner_running)
        };
        let at = self.waiting.iter().position(runs)?;
        let waiter = self.waiting.remove(at)?;
        if let Some(counts) = self.owners.get_mut(&waiter.plugin) {
            counts.waiting = counts.waiting.saturating_sub(1);
        }
        Some(waiter)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().stop(&self.owner, &self.turns.settings);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut queue = self.turns.lock();
        let Some(tenant) = queue.tenants.get_mut(&self.owner.tenant) else { return };
        if let Some(at) = tenant.waiting.iter().position(|waiter| waiter.id == self.id) {
            tenant.waiting.remove(at);
            if let Some(counts) = tenant.owners.get_mut(&self.owner.plugin) {
                counts.waiting = counts.waiting.saturating_sub(1);
            }
            if tenant.waiting.is_empty() {
                queue.ring.retain(|name| *name != self.owner.tenant);
            }
            queue.forget(&self.owner);
        } else if self.granted.try_recv().is_ok() {
            // The turn came just when it was given up.
            queue.stop(&self.owner, &self.turns.settings);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn owner(tenant: &str, plugin: &str) -> Owner {
        Owner { tenant: tenant.into(), plugin: plugin.into() }
    }

    fn turns(running: usize, tenant_running: usize, owner_running: usize, owner_queue: usize) -> Arc<Turns> {
        Turns::new(Admission { running, tenant_running, owner_running, owner_queue, queue_wait: LONG })
    }

    const LONG: Duration = Duration::from_mins(1);

    fn is_empty(turns: &Turns) -> bool {
        let queue = turns.lock();
        queue.running == 0 && queue.tenants.is_empty() && queue.ring.is_empty()
    }

    #[tokio::test]
    async fn tenants_take_turns_however_many_calls_one_has() {
        let turns = turns(1, 9, 9, 9);
        let (busy, quiet) = (owner("busy", "p"), owner("quiet", "p"));
        let first = turns.take(&busy).await.unwrap();
        let mut queued: Vec<_> = (0..3).map(|_| Box::pin(turns.take(&busy))).collect();
        for each in &mut queued {
            assert!(each.now_or_never().is_none());
        }
        let mut other = Box::pin(turns.take(&quiet));
        assert!((&mut other).now_or_never().is_none());
        drop(first);
        let second = (&mut queued[0]).now_or_never().unwrap().unwrap();
        assert!((&mut other).now_or_never().is_none());
        drop(second);
        let third = other.now_or_never().expect("the quiet tenant is next").unwrap();
        assert!((&mut queued[1]).now_or_never().is_none());
        drop(third);
        drop(queued);
        assert!(is_empty(&turns), "those who gave up are not counted");
    }

    #[tokio::test]
    async fn an_owner_at_its_bound_does_not_hold_up_its_tenants_others() {
        let turns = turns(9, 2, 1, 1);
        let (one, two, three) = (owner("t", "1"), owner("t", "2"), owner("t", "3"));
        let running = turns.take(&one).await.unwrap();
        let mut waiting = Box::pin(turns.take(&one));
        assert!((&mut waiting).now_or_never().is_none());
        assert!(matches!(turns.take(&one).await, Err(Error::Busy(_))), "its queue is full");
        let other = turns.take(&two).await.unwrap();
        let mut third = Box::pin(turns.take(&three));
        assert!((&mut third).now_or_never().is_none(), "the tenant has its share");
        drop(other);
        assert!((&mut waiting).now_or_never().is_none());
        drop((&mut third).now_or_never().unwrap().unwrap());
        drop(running);
        drop(waiting.now_or_never().unwrap().unwrap());
        drop(third);
        assert!(is_empty(&turns));
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_so() {
        let queue_wait = Duration::from_millis(5);
        let turns = Turns::new(Admission { running: 1, queue_wait, ..Admission::default() });
        let running = turns.take(&owner("t", "p")).await.unwrap();
        assert!(matches!(turns.take(&owner("u", "p")).await, Err(Error::Busy(_))));
        drop(running);
        assert!(is_empty(&turns));
    }

    #[tokio::test]
    async fn a_turn_that_came_too_late_goes_on_to_the_next() {
        let turns = turns(1, 1, 1, 1);
        let running = turns.take(&owner("t", "p")).await.unwrap();
        let (first, second) = (owner("u", "p"), owner("v", "p"));
        let (mut one, mut other) = (Box::pin(turns.take(&first)), Box::pin(turns.take(&second)));
        assert!((&mut one).now_or_never().is_none() && (&mut other).now_or_never().is_none());
        drop(running);
        drop(one);
        drop(other.now_or_never().unwrap().unwrap());
        assert!(is_empty(&turns));
    }
}
