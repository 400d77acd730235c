//! How much may be at work at once: in this process, and of one tenant; of what goes to receivers that fail, half of that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many tenants are remembered before those that have nothing at work are forgotten.
const REMEMBERED: usize = 256;

/// Places for attempts.
#[derive(Debug)]
pub(crate) struct Room {
    all: Places,
    per_tenant: usize,
    tenants: Mutex<HashMap<TenantId, Places>>,
}

/// Places of one kind.
#[derive(Debug, Clone)]
struct Places {
    all: Arc<Semaphore>,
    /// Those of them that may be taken for receivers that fail.
    failing: Arc<Semaphore>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// In the order in which they were taken.
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Places {
    fn new(count: usize) -> Self {
        let all = Arc::new(Semaphore::new(count));
        Self { all, failing: Arc::new(Semaphore::new(count.div_ceil(2))) }
    }
}

impl Room {
    pub(crate) fn new(all: usize, per_tenant: usize) -> Self {
        Self { all: Places::new(all), per_tenant, tenants: Mutex::default() }
    }

    /// Waits for a place of `tenant`'s, for a receiver that fails or another.
    pub(crate) async fn of(&self, tenant: &TenantId, is_failing: bool) -> Place {
        let of_tenant = self.tenant(tenant);
        // First those of which there are the fewest: who waits for its own takes nothing from others meanwhile.
        let failing = [&of_tenant.failing, &self.all.failing].into_iter().filter(|_| is_failing);
        let mut permits = Vec::with_capacity(4);
        for places in failing.chain([&of_tenant.all, &self.all.all]) {
            // Nobody closes them.
            permits.extend(Arc::clone(places).acquire_owned().await.ok());
        }
        Place { _permits: permits }
    }

    fn tenant(&self, tenant: &TenantId) -> Places {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= REMEMBERED && !tenants.contains_key(tenant) {
            tenants.retain(|_, places| {
                Arc::strong_count(&places.all) > 1 || places.all.available_permits() < self.per_tenant
            });
        }
        tenants.entry(tenant.clone()).or_insert_with(|| Places::new(self.per_tenant)).clone()
    }
}
