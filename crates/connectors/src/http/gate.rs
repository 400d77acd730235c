//! How many calls are under way at a vendor at once, and who is next: the tenants take turns.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::TenantId;
use tokio::sync::oneshot;

/// How many calls at once, and how many wait for that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Under way at a vendor.
    pub(super) calls: usize,
    /// Of them, for one tenant.
    pub(super) calls_per_tenant: usize,
    /// Of them, with one connection.
    pub(super) calls_per_connection: usize,
    /// Waiting, of one tenant.
    pub(super) waiting_per_tenant: usize,
    /// Waiting, of all.
    pub(super) waiting: usize,
}

/// Lets calls through.
#[derive(Debug)]
pub(super) struct Gate {
    bounds: Bounds,
    state: Mutex<State>,
}

/// That a call is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Arc<Gate>,
    tenant: TenantId,
    connection: String,
    is_held: bool,
}

/// There are too many who wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Debug, Default)]
struct State {
    calls: usize,
    waiting: usize,
    next_number: u64,
    connections: HashMap<String, usize>,
    tenants: HashMap<TenantId, Tenant>,
    /// The tenants of whom somebody waits, the next one first.
    turns: VecDeque<TenantId>,
}

#[derive(Debug, Default)]
struct Tenant {
    calls: usize,
    queue: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    connection: String,
    sender: oneshot::Sender<Permit>,
}

/// Takes a waiter out of the queue who goes away.
struct Waiting<'a> {
    gate: &'a Gate,
    tenant: &'a TenantId,
    number: u64,
}

impl Gate {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, state: Mutex::default() })
    }

    /// Waits for its turn. Who stops waiting leaves no trace.
    ///
    /// # Errors
    /// [`Full`], at once.
    pub(super) async fn enter(self: &Arc<Self>, tenant: &TenantId, connection: &str) -> Result<Permit, Full> {
        let (receiver, waiting) = {
            let mut state = self.lock();
            if state.may_go(&self.bounds, tenant, connection) && !state.is_awaited(tenant) {
                return Ok(state.go(self, tenant, connection));
            }
            self.wait(&mut state, tenant, connection)?
        };
        let permit = receiver.await;
        drop(waiting);
        permit.map_err(|_| Full)
    }

    fn wait<'a>(
        self: &'a Arc<Self>,
        state: &mut State,
        tenant: &'a TenantId,
        connection: &str,
    ) -> Result<(oneshot::Receiver<Permit>, Waiting<'a>), Full> {
        let queued = state.tenants.get(tenant).map_or(0, |tenant| tenant.queue.len());
        if queued >= self.bounds.waiting_per_tenant || state.waiting >= self.bounds.waiting {
            return Err(Full);
        }
        let (sender, receiver) = oneshot::channel();
        let number = state.next_number;
        state.next_number += 1;
        state.waiting += 1;
        if queued == 0 {
            state.turns.push_back(tenant.clone());
        }
        let waiter = Waiter { number, connection: connection.to_owned(), sender };
        state.tenants.entry(tenant.clone()).or_default().queue.push_back(waiter);
        self.let_go(state);
        Ok((receiver, Waiting { gate: self, tenant, number }))
    }

    /// Lets all go who may, in turn.
    fn let_go(self: &Arc<Self>, state: &mut State) {
        while let Some((tenant, waiter)) = state.next(&self.bounds) {
            let permit = state.go(self, &tenant, &waiter.connection);
            if let Err(mut permit) = waiter.sender.send(permit) {
                // It is going away. Dropping the permit would lock what is locked.
                permit.is_held = false;
                state.ended(&tenant, &waiter.connection);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_go(&self, bounds: &Bounds, tenant: &TenantId, connection: &str) -> bool {
        self.calls < bounds.calls
            && self.tenants.get(tenant).is_none_or(|tenant| tenant.calls < bounds.calls_per_tenant)
            && self.connections.get(connection).is_none_or(|calls| *calls < bounds.calls_per_connection)
    }

    /// Whether somebody of this tenant waits already.
    fn is_awaited(&self, tenant: &TenantId) -> bool {
        self.tenants.get(tenant).is_some_and(|tenant| !tenant.queue.is_empty())
    }

    fn go(&mut self, gate: &Arc<Gate>, tenant: &TenantId, connection: &str) -> Permit {
        self.calls += 1;
        *self.connections.entry(connection.to_owned()).or_default() += 1;
        self.tenants.entry(tenant.clone()).or_default().calls += 1;
        Permit {
            gate: Arc::clone(gate),
            tenant: tenant.clone(),
            connection: connection.to_owned(),
            is_held: true,
        }
    }

    /// Takes the one out whose turn it is: the first of the first tenant that may go. That tenant's next turn is the last.
    fn next(&mut self, bounds: &Bounds) -> Option<(TenantId, Waiter)> {
        let found = self.turns.iter().enumerate().find_map(|(turn, tenant)| {
            let queue = &self.tenants.get(tenant)?.queue;
            let place = queue.iter().position(|waiter| self.may_go(bounds, tenant, &waiter.connection))?;
            Some((turn, place))
        });
        let (turn, place) = found?;
        let tenant = self.turns.remove(turn)?;
        let waiter = self.take(&tenant, place)?;
        if self.is_awaited(&tenant) {
            self.turns.push_back(tenant.clone());
        }
        Some((tenant, waiter))
    }

    fn take(&mut self, tenant: &TenantId, place: usize) -> Option<Waiter> {
        let waiter = self.tenants.get_mut(tenant)?.queue.remove(place)?;
        self.waiting = self.waiting.saturating_sub(1);
        Some(waiter)
    }

    fn ended(&mut self, tenant: &TenantId, connection: &str) {
        self.calls = self.calls.saturating_sub(1);
        if let Some(calls) = self.connections.get_mut(connection) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.connections.remove(connection);
            }
        }
        if let Some(of_tenant) = self.tenants.get_mut(tenant) {
            of_tenant.calls = of_tenant.calls.saturating_sub(1);
        }
        self.forget(tenant);
    }

    /// Keeps nothing of a tenant that has no call.
    fn forget(&mut self, tenant: &TenantId) {
        if self.tenants.get(tenant).is_some_and(|tenant| tenant.calls == 0 && tenant.queue.is_empty()) {
            self.tenants.remove(tenant);
        }
    }

    fn leave(&mut self, tenant: &TenantId, number: u64) {
        let queue = self.tenants.get(tenant).map(|tenant| &tenant.queue);
        let place = queue.and_then(|queue| queue.iter().position(|waiter| waiter.number == number));
        let Some(place) = place else { return };
        self.take(tenant, place);
        if !self.is_awaited(tenant) {
            self.turns.retain(|each| each != tenant);
        }
        self.forget(tenant);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_held {
            let mut state = self.gate.lock();
            state.ended(&self.tenant, &self.connection);
            self.gate.let_go(&mut state);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.lock().leave(self.tenant, self.number);
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
