//! A trusted issuer, and its keys as they change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use model::{Ambient, Timestamp};
use reqwest::Client;
use tokio::sync::watch;

use crate::Error;
use crate::compact::Signed;
use crate::config::IssuerUrl;
use crate::fetch;
use crate::key_set::KeySet;

/// From this age on, a use of the keys has them fetched anew in the background.
const REFRESH_AGE: Duration = Duration::from_mins(5);

/// From this age on, a use of the keys waits until they were fetched anew, or until that failed.
const MAX_AGE: Duration = Duration::from_mins(10);

/// For so long the keys serve while the issuer is away.
const MAX_STALE_AGE: Duration = Duration::from_hours(24);

/// The least time between two attempts, also when a token names an unknown key.
const INTERVAL: Duration = Duration::from_secs(30);

/// The least time between two attempts while there are no keys at all.
const FIRST_INTERVAL: Duration = Duration::from_secs(5);

/// A trusted issuer. Its keys are fetched at their first use.
pub(crate) struct Issuer {
    url: IssuerUrl,
    client: Client,
    ambient: Ambient,
    held: ArcSwapOption<Held>,
    attempt: Mutex<Attempt>,
}

/// The keys, and when they were fetched.
struct Held {
    keys: KeySet,
    fetched: Timestamp,
}

/// The last attempt to fetch keys.
#[derive(Default)]
struct Attempt {
    begun: Option<Timestamp>,
    /// Closed when the attempt has ended, however it ended.
    running: Option<watch::Receiver<()>>,
}

impl Issuer {
    pub(crate) fn new(url: IssuerUrl, client: Client, ambient: Ambient) -> Self {
        Self { url, client, ambient, held: ArcSwapOption::empty(), attempt: Mutex::default() }
    }

    /// The issuer's name, as `iss` must have it.
    pub(crate) fn name(&self) -> &str {
        self.url.as_str()
    }

    /// Checks the signature of `token`, fetching the keys where they are old or do not hold the one named.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        token: &Signed<'_>,
        algorithm: Algorithm,
    ) -> Result<(), Error> {
        let mut held = self.current().await?;
        if token.header.kid.as_ref().is_some_and(|id| !held.keys.names(id)) {
            self.refreshed().await;
            held = self.usable()?;
        }
        held.keys.verify(token, algorithm)
    }

    async fn current(self: &Arc<Self>) -> Result<Arc<Held>, Error> {
        let age = self.held.load().as_ref().map(|held| self.age(held));
        if age.is_none_or(|age| age >= MAX_AGE) {
            self.refreshed().await;
        } else if age.is_some_and(|age| age >= REFRESH_AGE) {
            drop(self.refresh());
        }
        self.usable()
    }

    fn usable(&self) -> Result<Arc<Held>, Error> {
        self.held.load_full().filter(|held| self.age(held) < MAX_STALE_AGE).ok_or(Error::IssuerUnavailable)
    }

    fn age(&self, held: &Held) -> Duration {
        let milliseconds = self.ambient.now().as_millisecond().saturating_sub(held.fetched.as_millisecond());
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    }

    /// Waits for the attempt that runs, or for a new one where it is time for one.
    async fn refreshed(self: &Arc<Self>) {
        if let Some(mut running) = self.refresh() {
            // Nothing is ever sent: the channel closes when the attempt has ended. The attempt has its deadline.
            drop(running.changed().await);
        }
    }

    /// Begins an attempt, or joins the one that runs; `None` where the last one is too recent.
    ///
    /// The attempt is a task of its own: a caller that goes away does not stop it, and others share its outcome.
    fn refresh(self: &Arc<Self>) -> Option<watch::Receiver<()>> {
        let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = attempt.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Some(running.clone());
        }
        let now = self.ambient.now();
        if attempt.begun.is_some_and(|begun| now < begun.plus(self.interval())) {
            return None;
        }
        let (ended, running) = watch::channel(());
        attempt.begun = Some(now);
        attempt.running = Some(running.clone());
        let issuer = Arc::clone(self);
        tokio::spawn(async move {
            issuer.fetch().await;
            drop(ended);
        });
        Some(running)
    }

    /// The least time to the next attempt, with up to a tenth more, so that replicas do not ask in step.
    fn interval(&self) -> Duration {
        let least = if self.held.load().is_some() { INTERVAL } else { FIRST_INTERVAL };
        let [jitter] = self.ambient.bytes();
        least + least * u32::from(jitter) / (10 * 256)
    }

    async fn fetch(&self) {
        let fetched = self.ambient.now();
        match fetch::key_set(&self.client, &self.url).await {
            Ok(keys) => self.held.store(Some(Arc::new(Held { keys, fetched }))),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(issuer.url = self.name(), error, "the keys of an issuer could not be fetched");
            }
        }
    }
}
