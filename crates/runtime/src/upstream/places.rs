//! How many WebSockets may be open: of one tenant, and in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;

use super::Error;

/// The places of all WebSockets.
#[derive(Debug)]
pub(super) struct Sockets {
    each: usize,
    all: usize,
    open: Mutex<HashMap<TenantId, usize>>,
}

/// The place of one. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    sockets: Arc<Sockets>,
    tenant: TenantId,
}

impl Sockets {
    /// Places for `each` of one tenant, and for `all` together.
    pub(super) fn new(each: usize, all: usize) -> Self {
        Self { each, all, open: Mutex::default() }
    }

    /// A place for one more.
    ///
    /// # Errors
    /// [`Error::ManySockets`].
    pub(super) fn take(self: &Arc<Self>, tenant: &TenantId) -> Result<Place, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(tenant).is_some_and(|count| *count >= self.each) {
            return Err(Error::ManySockets { max: self.each });
        }
        if open.values().sum::<usize>() >= self.all {
            return Err(Error::ManySockets { max: self.all });
        }
        *open.entry(tenant.clone()).or_default() += 1;
        Ok(Place { sockets: Arc::clone(self), tenant: tenant.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.sockets.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tenant_takes_the_places_of_others() {
        let sockets = Arc::new(Sockets::new(2, 3));
        let take = |tenant: &str| sockets.take(&tenant.parse().unwrap());
        let mut taken: Vec<_> = (0..2).map(|_| take("acme").unwrap()).collect();
        assert!(matches!(take("acme"), Err(Error::ManySockets { max: 2 })));
        let other = take("globex").unwrap();
        assert!(matches!(take("initech"), Err(Error::ManySockets { max: 3 })));
        drop(taken.pop());
        drop(take("acme").unwrap());
        drop(take("initech").unwrap());
        drop((taken, other));
        assert!(sockets.open.lock().unwrap().is_empty(), "nothing is kept of who has none");
    }
}
