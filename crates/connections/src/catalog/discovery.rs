//! Metadata of issuers as they are asked for: kept for an hour, fetched once for all who wait, served on while the
//! provider is away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Ambient, Timestamp};
use moka::sync::Cache;
use reqwest::Client;
use tokio::sync::watch;

use super::metadata::{self, Metadata, Way};
use crate::protocol::Reach;

/// From this age on, a use of the metadata waits until they were fetched anew, or until that failed.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The least time to the next attempt after one that failed; it doubles with each, up to `MAX_PAUSE`.
const MIN_PAUSE: Duration = Duration::from_secs(10);
const MAX_PAUSE: Duration = Duration::from_mins(10);

/// How many issuers are remembered. Tenants may name issuers, so the number must have a bound.
const MAX_ISSUERS: u64 = 1_000;

/// The endpoints that issuers publish (OpenID Connect Discovery 1.0, RFC 8414). Cheap to clone; clones share what they
/// know.
#[derive(Clone)]
pub struct Discovery {
    client: Client,
    guarded: Option<outbound::Client>,
    ambient: Ambient,
    issuers: Cache<String, Arc<Issuer>>,
}

struct Issuer {
    name: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Metadata>>,
    /// When the metadata are to be fetched next, if they are asked for.
    due: Option<Timestamp>,
    failures: u32,
    /// Closed when the attempt that runs has ended, however it ended.
    running: Option<watch::Receiver<()>>,
}

impl Discovery {
    /// Asks issuers by way of `client`, which should follow no redirects: an answer that came by one is not believed.
    /// A document may take 5 seconds and 256 KiB. Issuers that users name are not asked.
    pub fn new(client: Client, ambient: Ambient) -> Self {
        Self { client, guarded: None, ambient, issuers: Cache::new(MAX_ISSUERS) }
    }

    /// The same, which asks issuers that users name by way of `guarded`.
    #[must_use]
    pub fn with_guarded(self, guarded: outbound::Client) -> Self {
        Self { guarded: Some(guarded), ..self }
    }

    /// What `issuer` publishes; `None` if that cannot be had now and was not known before.
    pub(super) async fn metadata(&self, issuer: &str, reach: Reach) -> Option<Arc<Metadata>> {
        let issuer = self.issuers.get_with_by_ref(issuer, || {
            Arc::new(Issuer { name: issuer.to_owned(), state: Mutex::default() })
        });
        if let Some(mut running) = self.attempt(&issuer, reach) {
            // Nothing is ever sent: the channel closes when the attempt has ended. The attempt has its deadline.
            drop(running.changed().await);
        }
        issuer.state().held.clone()
    }

    /// Begins an attempt where one is due, or joins the one that runs. It is a task of its own: a caller that goes away
    /// does not stop it, and others share its outcome.
    fn attempt(&self, issuer: &Arc<Issuer>, reach: Reach) -> Option<watch::Receiver<()>> {
        let mut state = issuer.state();
        if let Some(running) = state.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Some(running.clone());
        }
        if state.due.is_some_and(|due| self.ambient.now() < due) {
            return None;
        }
        let (ended, running) = watch::channel(());
        state.running = Some(running.clone());
        let (discovery, issuer) = (self.clone(), Arc::clone(issuer));
        tokio::spawn(async move {
            discovery.fetch(&issuer, reach).await;
            drop(ended);
        });
        Some(running)
    }

    async fn fetch(&self, issuer: &Issuer, reach: Reach) {
        let way = match reach {
            Reach::Anywhere => Way::Open(&self.client),
            Reach::Guarded => Way::Guarded(self.guarded.as_ref()),
        };
        let outcome = metadata::fetch(way, &issuer.name).await;
        let now = self.ambient.now();
        let mut state = issuer.state();
        match outcome {
            Ok(metadata) => {
                state.held = Some(Arc::new(metadata));
                state.failures = 0;
                state.due = Some(now.plus(self.jittered(MAX_AGE)));
            }
            Err(error) => {
                let pause = MIN_PAUSE.saturating_mul(1 << state.failures.min(16)).min(MAX_PAUSE);
                state.failures = state.failures.saturating_add(1);
                state.due = Some(now.plus(self.jittered(pause)));
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    issuer.url = issuer.name,
                    error,
                    "the metadata of a provider could not be fetched"
                );
            }
        }
    }

    /// Up to a tenth more, so that replicas do not ask in step.
    fn jittered(&self, duration: Duration) -> Duration {
        let [jitter] = self.ambient.bytes();
        duration + duration * u32::from(jitter) / (10 * 256)
    }
}

impl Issuer {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").field("issuers", &self.issuers.entry_count()).finish_non_exhaustive()
    }
}
