//! Providers that were lately in trouble: the background leaves all of their credentials alone, not only those that it
//! has tried.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::Timestamp;

/// The most that are remembered.
const CAPACITY: usize = 1_000;

/// Until when which provider is left alone. Variables are part of the name: what a tenant's own host does is nothing to
/// the others.
#[derive(Default)]
pub(super) struct Troubles(Mutex<HashMap<(String, String), Timestamp>>);

impl Troubles {
    /// Until when the provider is left alone, if it is.
    pub(super) fn until(&self, provider: &str, variables: &str, now: Timestamp) -> Option<Timestamp> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.get(&(provider.to_owned(), variables.to_owned())).copied().filter(|until| *until > now)
    }

    /// Notes what the provider answered last: until when to leave it alone, or nothing where it worked.
    pub(super) fn note(&self, provider: &str, variables: &str, until: Option<Timestamp>, now: Timestamp) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (provider.to_owned(), variables.to_owned());
        match until {
            None => drop(troubles.remove(&name)),
            Some(until) => {
                if troubles.len() >= CAPACITY {
                    troubles.retain(|_, until| *until > now);
                }
                if troubles.len() < CAPACITY {
                    troubles.insert(name, until);
                }
            }
        }
    }
}
