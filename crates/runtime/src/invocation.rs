//! One call of a handler: what it has, what it has used up, and the door through which it asks for everything else.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use registry::{Deployment, HostRule};
use sandbox::{Host, HostFuture, Level};
use secrecy::SecretString;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::Who;
use crate::call::Shared;
use crate::ctx;
use crate::log::{self, Line};
use crate::redact::Redactor;
use crate::store::Tenure;

/// How many requests to other servers a call may have under way at once.
const AT_ONCE: usize = 8;

/// The longest argument of an operation, in bytes: a body of a mebibyte in base64, and what is around it.
const MAX_ARGUMENT: usize = 2 << 20;

/// A call of a handler that is under way.
pub(crate) struct Invocation {
    pub(crate) shared: Arc<Shared>,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) who: Who,
    pub(crate) handler: String,
    pub(crate) place: Tenure,
    /// When it must have ended.
    pub(crate) deadline: Instant,
    pub(crate) used: Used,
    /// Room for requests to other servers.
    pub(crate) requests: Semaphore,
    /// What former calls may have kept.
    former: Option<Arc<Redactor>>,
    opened: OnceCell<Opened>,
}

/// The secrets of a call, opened once.
pub(crate) struct Opened {
    values: BTreeMap<String, SecretString>,
    redactor: Arc<Redactor>,
}

impl Opened {
    pub(crate) fn get(&self, name: &str) -> Option<&SecretString> {
        self.values.get(name)
    }
}

/// How much of what has a bound a call has used up.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) storage: Counter,
    pub(crate) requests: Counter,
    pub(crate) connections: Counter,
    pub(crate) events: Counter,
}

/// A count that ends somewhere.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU32);

impl Counter {
    /// Counts one more.
    ///
    /// # Errors
    /// A sentence once there were `max`.
    pub(crate) fn take(&self, max: u32, what: &str) -> Result<(), String> {
        if self.0.fetch_add(1, Ordering::Relaxed) < max {
            return Ok(());
        }
        Err(format!("one call of a handler may make at most {max} {what}"))
    }
}

impl Invocation {
    pub(crate) fn new(
        shared: Arc<Shared>,
        deployment: Arc<Deployment>,
        (who, handler): (Who, String),
        deadline: Instant,
    ) -> Self {
        let place = Tenure::of(&deployment);
        // Asked for at each call, so that it is remembered for as long as there are calls.
        let former = shared.redactors.get(&place);
        Self {
            shared,
            deployment,
            who,
            handler,
            place,
            deadline,
            used: Used::default(),
            requests: Semaphore::new(AT_ONCE),
            former,
            opened: OnceCell::new(),
        }
    }

    /// The secrets that this plugin may read or have put into its requests, as far as they are set. They are opened when the
    /// first of them is needed.
    pub(crate) async fn secrets(&self) -> Result<&Opened, String> {
        let opened = self.opened.get_or_try_init(|| async {
            let names = self.secret_names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let values = self.shared.installations.secrets(&self.deployment, &names).await?;
            let redactor = self.shared.remember(&self.place, Redactor::new(values.values()));
            Ok::<_, registry::Error>(Opened { values, redactor })
        });
        opened.await.map_err(|error| {
            tracing::warn!(
                plugin.id = %self.deployment.plugin,
                error = &error as &dyn std::error::Error,
                "the secrets of a plugin cannot be opened"
            );
            "the secrets cannot be opened at the moment: try again".to_owned()
        })
    }

    fn secret_names(&self) -> BTreeSet<String> {
        let injected = self.deployment.hosts.iter().flat_map(ctx::http::secrets_of);
        self.deployment.grants.secrets.iter().cloned().chain(injected.map(str::to_owned)).collect()
    }

    /// The text without the values of the secrets that were opened, in this call or in a former one: the program may have
    /// kept them in its memory.
    pub(crate) fn redacted(&self, text: String) -> String {
        let own = self.opened.get().map(|opened| Arc::clone(&opened.redactor));
        // Another call may have opened some meanwhile.
        let known = own.or_else(|| self.shared.redactors.get(&self.place)).or_else(|| self.former.clone());
        let Some(redactor) = known else { return text };
        match redactor.text(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(redacted) => redacted,
        }
    }

    /// Writes a line into the plugin's log.
    pub(crate) fn write(&self, level: Level, message: String) {
        let line = Line {
            at: self.shared.ambient.now(),
            level,
            message: log::fit(self.redacted(message), log::MAX_MESSAGE),
            request_id: self.who.request_id.clone(),
            handler: Some(self.handler.clone()),
        };
        self.shared.log.add(&self.place, line);
    }

    /// The rule by which a host was consented to; of several the one that names most of it.
    pub(crate) fn rule_for(&self, host: &str, port: u16) -> Option<&HostRule> {
        let fitting = self.deployment.hosts.iter().filter(|rule| ctx::http::covers(&rule.host, host, port));
        fitting.max_by_key(|rule| (!rule.host.starts_with("*."), rule.host.len()))
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("tenant", &self.deployment.tenant)
            .field("plugin", &self.deployment.plugin)
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}

/// The door of one call.
#[derive(Debug, Clone)]
pub(crate) struct Door(pub(crate) Arc<Invocation>);

impl Host for Door {
    fn call(&self, operation: &str, argument: String) -> HostFuture {
        let (invocation, operation) = (Arc::clone(&self.0), operation.to_owned());
        Box::pin(async move {
            if argument.len() > MAX_ARGUMENT {
                return Err(format!(
                    "{}: the argument has {} bytes; at most {MAX_ARGUMENT} are taken",
                    shown(&operation),
                    argument.len()
                ));
            }
            let work = ctx::dispatch(&invocation, &operation, &argument);
            let done = timeout_at(invocation.deadline, work).await;
            let done = done.unwrap_or_else(|_| Err("the time of this call is over".to_owned()));
            done.map_err(|sentence| invocation.redacted(sentence))
        })
    }

    fn log(&self, level: Level, message: String) {
        self.0.write(level, message);
    }
}

/// As much of a text that a plugin chose as is fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_ends() {
        let counter = Counter::default();
        assert!(counter.take(2, "x").is_ok() && counter.take(2, "x").is_ok());
        assert_eq!(counter.take(2, "events").unwrap_err(), "one call of a handler may make at most 2 events");
    }
}
