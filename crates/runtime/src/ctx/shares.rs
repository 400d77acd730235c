//! What all calls share, so that no tenant has all of it: the database, and memory for what other servers answer.

use std::sync::Arc;
use std::time::Duration;

use model::TenantId;
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::Place;

/// Operations of storage at once of one tenant. Writes of one installation are done one after the other: they would wait for
/// each other in the database, with a connection each.
const TENANT_OPERATIONS: usize = 4;

/// Memory for answers, in KiB: of all tenants, and of one.
const ANSWERS: usize = 256 << 10;
const TENANT_ANSWERS: usize = 64 << 10;

/// Tenants and installations that are remembered, and for how long after they have asked for nothing.
const MOST: u64 = 10_000;
const IDLE: Duration = Duration::from_mins(5);

/// What all calls share.
pub(crate) struct Shares {
    writes: Cache<Place, Arc<Semaphore>>,
    tenants: Cache<TenantId, Arc<Tenant>>,
    answers: Arc<Semaphore>,
}

struct Tenant {
    operations: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// That something may be done, or has room, until this is dropped.
pub(crate) struct Share {
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Shares {
    pub(crate) fn new() -> Self {
        Self {
            writes: Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build(),
            tenants: Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build(),
            answers: Arc::new(Semaphore::new(ANSWERS)),
        }
    }

    /// Waits until an installation may look something up in its storage.
    pub(crate) async fn read(&self, place: &Place) -> Share {
        let operation = self.tenant(&place.tenant).operations.clone().acquire_owned().await;
        // No semaphore here is ever closed.
        Share { _permits: [operation.ok(), None] }
    }

    /// Waits until an installation may change something in its storage.
    pub(crate) async fn write(&self, place: &Place) -> Share {
        let writes = self.writes.get_with_by_ref(place, || Arc::new(Semaphore::new(1)));
        // First this, so that those who wait for one installation do not keep the tenant's others out.
        let write = writes.acquire_owned().await;
        let operation = self.tenant(&place.tenant).operations.clone().acquire_owned().await;
        Share { _permits: [write.ok(), operation.ok()] }
    }

    /// Room for so many bytes of answers, if there is any now.
    pub(super) fn room(&self, tenant: &TenantId, bytes: usize) -> Option<Share> {
        let kib = u32::try_from(bytes.div_ceil(1024)).ok()?;
        let own = Arc::clone(&self.tenant(tenant).answers).try_acquire_many_owned(kib).ok()?;
        let all = Arc::clone(&self.answers).try_acquire_many_owned(kib).ok()?;
        Some(Share { _permits: [Some(own), Some(all)] })
    }

    fn tenant(&self, tenant: &TenantId) -> Arc<Tenant> {
        self.tenants.get_with_by_ref(tenant, || {
            Arc::new(Tenant {
                operations: Arc::new(Semaphore::new(TENANT_OPERATIONS)),
                answers: Arc::new(Semaphore::new(TENANT_ANSWERS)),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn place(tenant: &str, plugin: &str) -> Place {
        Place { tenant: tenant.parse().unwrap(), plugin: plugin.to_owned() }
    }

    #[tokio::test]
    async fn an_installation_writes_one_thing_at_a_time_and_a_tenant_does_a_few() {
        let shares = Shares::new();
        let (one, two, other) = (place("a", "1"), place("a", "2"), place("b", "1"));
        let writing = shares.write(&one).await;
        let mut next = Box::pin(shares.write(&one));
        assert!((&mut next).now_or_never().is_none());
        let second = shares.write(&two).now_or_never().expect("another installation writes");
        let reading = [shares.read(&one).await, shares.read(&one).await];
        assert!(shares.read(&two).now_or_never().is_none(), "the tenant does as many as it may");
        assert!(shares.write(&other).now_or_never().is_some(), "another tenant does its own");
        drop((writing, second, reading));
        assert!(next.now_or_never().is_some());
    }

    #[test]
    fn there_is_so_much_room_for_answers() {
        let shares = Shares::new();
        let tenants: Vec<TenantId> = (0..5).map(|index| format!("t{index}").parse().unwrap()).collect();
        let held: Vec<_> =
            tenants[..4].iter().map(|tenant| shares.room(tenant, TENANT_ANSWERS << 10).unwrap()).collect();
        assert!(shares.room(&tenants[0], 1).is_none(), "a tenant has its part");
        assert!(shares.room(&tenants[4], 1).is_none(), "and all together all of it");
        drop(held);
        assert!(shares.room(&tenants[0], 1).is_some());
    }
}
