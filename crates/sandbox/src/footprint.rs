//! How much memory instances have: each, those that run for one tenant, and all together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use wasmtime::ResourceLimiter;

/// Instances, tables and memories that a store may have.
const MOST_PARTS: usize = 100;
const MOST_TABLE_ELEMENTS: usize = 20_000;

/// Tenants that are remembered before those that have nothing any more are looked for.
const TENANTS: usize = 256;

/// Gives back so many bytes at least of what nobody uses at the moment, as far as there are any.
type Relieve = Box<dyn Fn(usize) + Send + Sync>;

/// Bytes, with a bound.
#[derive(Debug)]
pub(crate) struct Tally {
    bytes: AtomicUsize,
    most: usize,
}

impl Tally {
    fn new(most: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), most }
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.most;
        if !fits {
            self.give(bytes);
        }
        fits
    }

    /// Takes them though there may be no room.
    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The memory of all instances.
pub(crate) struct Total {
    all: Tally,
    /// Of what runs for one tenant.
    tenant_most: usize,
    tenants: Mutex<Tenants>,
    relieve: OnceLock<Relieve>,
}

struct Tenants {
    shares: HashMap<Arc<str>, Weak<Tally>>,
    /// How many there may be before those are forgotten that nothing runs for.
    sweep_at: usize,
}

impl Total {
    /// Room for `most` bytes, of which what runs for one tenant may have `tenant_most`.
    pub(crate) fn new(most: usize, tenant_most: usize) -> Arc<Self> {
        let tenants = Mutex::new(Tenants { shares: HashMap::new(), sweep_at: TENANTS });
        Arc::new(Self { all: Tally::new(most), tenant_most, tenants, relieve: OnceLock::new() })
    }

    /// From now on, `relieve` is called when there is no room. It is called while an instance runs.
    pub(crate) fn relieve_by(&self, relieve: Relieve) {
        // There is one sandbox for a total.
        self.relieve.set(relieve).ok();
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.all.bytes.load(Ordering::Relaxed)
    }

    /// The share of a tenant, as long as anything runs for it.
    pub(crate) fn share(&self, tenant: &Arc<str>) -> Arc<Tally> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = tenants.shares.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        if tenants.shares.len() >= tenants.sweep_at {
            tenants.shares.retain(|_, share| share.strong_count() > 0);
            tenants.sweep_at = tenants.shares.len().saturating_mul(2).max(TENANTS);
        }
        let share = Arc::new(Tally::new(self.tenant_most));
        tenants.shares.insert(Arc::clone(tenant), Arc::downgrade(&share));
        share
    }

    fn take(&self, bytes: usize) -> bool {
        if self.all.take(bytes) {
            return true;
        }
        let Some(relieve) = self.relieve.get() else { return false };
        relieve(bytes);
        self.all.take(bytes)
    }
}

/// Whose memory it is.
#[derive(Clone)]
struct Account {
    total: Arc<Total>,
    /// Nothing while it runs for no tenant.
    share: Option<Arc<Tally>>,
}

impl Account {
    fn take(&self, bytes: usize) -> Result<(), Refused> {
        if self.share.as_ref().is_some_and(|share| !share.take(bytes)) {
            return Err(Refused::Tenants);
        }
        if self.total.take(bytes) {
            return Ok(());
        }
        if let Some(share) = &self.share {
            share.give(bytes);
        }
        Err(Refused::Everybodys)
    }

    fn give(&self, bytes: usize) {
        self.total.all.give(bytes);
        if let Some(share) = &self.share {
            share.give(bytes);
        }
    }
}

/// The memory of one instance, which it gives back when it is dropped.
pub(crate) struct Footprint {
    account: Account,
    bytes: usize,
    most: usize,
    refused: Option<Refused>,
}

/// Why memory was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The instance has all that it may have.
    Own,
    /// What runs for its tenant has.
    Tenants,
    /// All instances together have.
    Everybodys,
}

impl Footprint {
    /// Of an instance that may have `most` bytes and runs for no tenant yet.
    pub(crate) fn new(total: &Arc<Total>, most: usize) -> Self {
        let account = Account { total: Arc::clone(total), share: None };
        Self { account, bytes: 0, most, refused: None }
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it ever asked for more than it got, and why it did not.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// From now on it runs for the tenant of this share, or for none.
    pub(crate) fn belong_to(&mut self, share: Option<Arc<Tally>>) {
        if let Some(former) = &self.account.share {
            former.give(self.bytes);
        }
        // What it has already it keeps: beyond the bound it gets no more.
        if let Some(share) = &share {
            share.add(self.bytes);
        }
        self.account.share = share;
    }

    /// Whether it may have `more` bytes; it has them then.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let granted = if self.bytes.saturating_add(more) <= self.most {
            self.account.take(more)
        } else {
            Err(Refused::Own)
        };
        match granted {
            Ok(()) => self.bytes += more,
            Err(refused) => self.refused = Some(refused),
        }
        granted.is_ok()
    }

    /// By which bytes on this side are counted that wait for the instance.
    pub(crate) fn lender(&self) -> Lender {
        Lender(self.account.clone())
    }
}

/// Counts what waits on this side for an instance as memory of its tenant, and of all.
#[derive(Clone)]
pub(crate) struct Lender(Account);

/// Bytes that are counted until this is dropped.
pub(crate) struct Loan {
    account: Account,
    bytes: usize,
}

impl Lender {
    /// Counts `bytes`, if there is room.
    pub(crate) fn lend(&self, bytes: usize) -> Option<Loan> {
        self.0.take(bytes).ok()?;
        Some(Loan { account: self.0.clone(), bytes })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.account.give(self.bytes);
    }
}

impl ResourceLimiter for Footprint {
    fn memory_growing(&mut self, now: usize, wanted: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(wanted.saturating_sub(now)))
    }

    fn table_growing(&mut self, _now: usize, wanted: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= MOST_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MOST_PARTS
    }

    fn tables(&self) -> usize {
        MOST_PARTS
    }

    fn memories(&self) -> usize {
        MOST_PARTS
    }
}

impl Drop for Footprint {
    fn drop(&mut self) {
        self.account.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_bounded_by_itself_and_by_all() {
        let total = Total::new(100, 100);
        let (mut one, mut other) = (Footprint::new(&total, 60), Footprint::new(&total, 60));
        assert!(one.grow(60));
        assert!(!one.grow(1));
        assert_eq!(one.refused(), Some(Refused::Own));
        assert!(!other.grow(41));
        assert_eq!(other.refused(), Some(Refused::Everybodys));
        drop(one);
        assert!(other.grow(41));
        assert_eq!((total.bytes(), other.bytes()), (41, 41));
    }

    #[test]
    fn what_runs_for_a_tenant_is_bounded_together() {
        let total = Total::new(100, 30);
        let running = |tenant: &str| {
            let mut footprint = Footprint::new(&total, 100);
            footprint.belong_to(Some(total.share(&tenant.into())));
            footprint
        };
        let (mut one, mut two, mut other) = (running("a"), running("a"), running("b"));
        assert!(one.grow(20) && !two.grow(11));
        assert_eq!(two.refused(), Some(Refused::Tenants));
        assert!(other.grow(30), "another tenant has a share of its own");
        assert!(one.lender().lend(11).is_none());
        let waiting = one.lender().lend(10).unwrap();
        assert!(!two.grow(1), "what waits for an instance counts");
        drop(waiting);
        one.belong_to(None);
        assert!(two.grow(30), "what rests is nobody's share");
        drop((one, two, other));
        assert_eq!(total.bytes(), 0);
    }

    #[test]
    fn what_nobody_uses_makes_room_for_what_runs() {
        let total = Total::new(100, 100);
        let mut idle = Footprint::new(&total, 90);
        assert!(idle.grow(90));
        let idle = Mutex::new(Some(idle));
        total.relieve_by(Box::new(move |_| drop(idle.lock().unwrap().take())));
        let mut running = Footprint::new(&total, 200);
        assert!(running.grow(60));
        assert_eq!(total.bytes(), 60);
        assert!(!running.grow(60), "nothing is left that nobody uses");
    }

    #[test]
    fn tenants_for_whom_nothing_runs_are_forgotten() {
        let total = Total::new(100, 100);
        let kept = total.share(&"kept".into());
        for index in 0..10 * TENANTS {
            total.share(&index.to_string().into());
        }
        assert!(total.tenants.lock().unwrap().shares.len() <= TENANTS);
        assert!(Arc::ptr_eq(&kept, &total.share(&"kept".into())));
    }
}
