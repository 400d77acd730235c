//! How much may be at work at once: in this process, and of one tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many tenants are remembered before those that have nothing at work are forgotten.
const REMEMBERED: usize = 256;

/// Places for attempts.
#[derive(Debug)]
pub(crate) struct Room {
    all: Arc<Semaphore>,
    per_tenant: usize,
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _of_tenant: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Room {
    pub(crate) fn new(all: usize, per_tenant: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_tenant, tenants: Mutex::default() }
    }

    /// Waits for a place of `tenant`'s. `None` never comes: nobody closes the semaphores.
    pub(crate) async fn of(&self, tenant: &TenantId) -> Option<Place> {
        // First of the tenant's: who waits for its own takes nothing from others meanwhile.
        let of_tenant = self.tenant(tenant).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _of_tenant: of_tenant, _of_all: of_all })
    }

    fn tenant(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= REMEMBERED && !tenants.contains_key(tenant) {
            tenants.retain(|_, places| {
                Arc::strong_count(places) > 1 || places.available_permits() < self.per_tenant
            });
        }
        Arc::clone(tenants.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.per_tenant))))
    }
}
