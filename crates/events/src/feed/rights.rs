//! What users may read in a tenant: read once for all of them that follow its log.

use std::sync::Arc;

use model::{EventPattern, TenantId};
use moka::future::Cache;
use tokio::sync::Mutex;

use crate::Error;

/// Of how many tenants they are kept.
const KEPT: u64 = 10_000;

/// What users of a tenant may read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rights {
    /// Each change that the log has through here is counted in. Some behind it may be.
    pub(super) through: i64,
    /// What plugins listen to, and what of it the tenant's policy lets users follow.
    pub(super) lists: Vec<Vec<EventPattern>>,
}

/// The rights that are known, by tenant. Who holds a lock is reading them.
pub(super) struct KnownRights(Cache<TenantId, Arc<Mutex<Option<Arc<Rights>>>>>);

impl KnownRights {
    pub(super) fn new() -> Self {
        Self(Cache::new(KEPT))
    }

    /// The rights in `tenant` with every change through `place` counted in: by `read`, unless another who asked has read them since.
    /// Those who ask at the same time wait for each other.
    pub(super) async fn counting(
        &self,
        tenant: &TenantId,
        place: i64,
        read: impl Future<Output = Result<Rights, Error>>,
    ) -> Result<Arc<Rights>, Error> {
        let known = self.0.get_with_by_ref(tenant, async { Arc::default() }).await;
        let mut known = known.lock().await;
        if let Some(rights) = known.as_ref().filter(|rights| rights.through >= place) {
            return Ok(Arc::clone(rights));
        }
        let rights = Arc::new(read.await?);
        *known = Some(Arc::clone(&rights));
        Ok(rights)
    }
}
