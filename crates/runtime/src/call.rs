//! Calling handlers.

use std::fmt;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use model::{Ambient, Coded as _, ErrorCode, TenantId, Timestamp};
use moka::Entry;
use outbound::Guard;
use registry::{BackendKind, Departure, Deployment};
use reqwest::Certificate;
use sandbox::{Host, Level, Lifecycle, Owner, Sandbox, Target};
use serde::Serialize;
use serde_json::{Map, Value};
use storage::Database;
use tokio::time::Instant;
use url::Url;

use crate::ctx::shares::Shares;
use crate::ctx::{PlatformApi, platform_client};
use crate::invocation::{Door, Invocation, shown};
use crate::log::Log;
use crate::orphans::Orphans;
use crate::redact::Redactor;
use crate::scripts::{Components, Scripts};
use crate::store::{Place, Tenure};
use crate::upstream::BackendPath;
use crate::values::{Quota, Values};
use crate::{
    Error, HandlerRequest, HandlerResponse, Installations, Matched, Sign, Unified, Who, examine, refusal,
    route,
};

/// How long reaching another server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes of the values of opened secrets are remembered, so that no log line tells them.
const MAX_REDACTED: u64 = 64 << 20;

/// How long they are where the plugin is not called.
const REDACTED_FOR: Duration = Duration::from_mins(10);

/// The longest that a call waits for its turn in the sandbox.
const QUEUE_WAIT: Duration = Duration::from_secs(3);

/// How backends are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much one installation may keep.
    pub quota: Quota,
    /// How long a handler may take.
    pub deadline: Duration,
    /// Where the host product's API begins.
    pub platform: Option<Url>,
    /// Authorities that are trusted there besides the system's.
    pub platform_roots: Vec<Certificate>,
}

impl Default for Settings {
    fn default() -> Self {
        let deadline = Duration::from_secs(5);
        Self { quota: Quota::default(), deadline, platform: None, platform_roots: Vec::new() }
    }
}

/// What the runtime is made of.
pub struct Parts {
    /// Where values and logs are kept.
    pub database: Database,
    /// Where scripts run.
    pub sandbox: Sandbox,
    /// Where programs and secrets are had.
    pub installations: Arc<dyn Installations>,
    /// Judges what handlers call.
    pub guard: Guard,
    /// What users have connected elsewhere.
    pub unified: Arc<dyn Unified>,
    /// Signs the tokens with which the host product is called.
    pub signer: Arc<dyn Sign>,
    /// Takes what handlers log.
    pub log: Log,
    /// How backends are run.
    pub settings: Settings,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) installations: Arc<dyn Installations>,
    pub(crate) outbound: outbound::Client,
    pub(crate) unified: Arc<dyn Unified>,
    pub(crate) signer: Arc<dyn Sign>,
    pub(crate) log: Log,
    pub(crate) values: Values,
    pub(crate) shares: Shares,
    pub(crate) platform: Option<PlatformApi>,
    pub(crate) orphans: Orphans,
    pub(crate) redactors: moka::sync::Cache<Tenure, Arc<Redactor>>,
    pub(crate) ambient: Ambient,
}

impl Shared {
    /// Remembers what the values of an installation's secrets are, besides those that were known before: the program may
    /// have kept them.
    pub(crate) fn remember(&self, place: &Tenure, redactor: Redactor) -> Arc<Redactor> {
        let entry = self.redactors.entry_by_ref(place);
        let entry = entry.and_upsert_with(|former| match former.map(Entry::into_value) {
            Some(former) => redactor.with(&former).map_or(former, Arc::new),
            None => Arc::new(redactor),
        });
        entry.into_value()
    }
}

/// What is remembered of secrets. Where that becomes too much, the instances that may have kept them go with it.
fn redactors(sandbox: &Sandbox) -> moka::sync::Cache<Tenure, Arc<Redactor>> {
    let sandbox = sandbox.clone();
    moka::sync::Cache::builder()
        .max_capacity(MAX_REDACTED)
        .weigher(|_: &Tenure, redactor: &Arc<Redactor>| u32::try_from(redactor.size()).unwrap_or(u32::MAX))
        .time_to_idle(REDACTED_FOR)
        .eviction_listener(move |place: Arc<Tenure>, _, cause| {
            if cause.was_evicted() {
                sandbox.forget(&owner(&place));
            }
        })
        .support_invalidation_closures()
        .build()
}

/// Runs the backends of plugins. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sandbox: Sandbox,
    scripts: Arc<Scripts>,
    pub(crate) components: Arc<Components>,
    pub(crate) deadline: Duration,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Runtime {
    /// A runtime over `parts`.
    ///
    /// # Errors
    /// [`Error::Outbound`], [`Error::Platform`] where this system's authorities cannot be read.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { database, sandbox, installations, guard, unified, signer, log, settings, ambient } =
            parts;
        let deadline = settings.deadline;
        let outbound = guard.client(&outbound::Settings {
            connect_timeout: CONNECT_TIMEOUT,
            deadline: Some(deadline),
            ..outbound::Settings::default()
        })?;
        let client = platform_client(settings.platform_roots, deadline).map_err(Error::Platform)?;
        let platform = settings.platform.map(|base| PlatformApi { base, client });
        let shared = Shared {
            shares: Shares::new(),
            values: Values::new(database.clone(), settings.quota, ambient.clone()),
            redactors: redactors(&sandbox),
            orphans: Orphans::default(),
            database,
            installations,
            outbound,
            unified,
            signer,
            log,
            platform,
            ambient,
        };
        Ok(Self {
            shared: Arc::new(shared),
            sandbox,
            scripts: Arc::new(Scripts::new()),
            components: Arc::new(Components::new()),
            deadline,
        })
    }

    /// The handler that answers `method` at `path` below the plugin.
    ///
    /// # Errors
    /// [`Error::Route`].
    pub fn route(deployment: &Deployment, method: &str, path: &BackendPath) -> Result<Matched, Error> {
        Ok(route::find(&deployment.routes, method, path)?)
    }

    /// Has the handler that `request` names answer it.
    ///
    /// # Errors
    /// What [`Error`] has; a failure of the handler is in the plugin's log, too, with its stack.
    pub async fn call(
        &self,
        deployment: &Arc<Deployment>,
        who: Who,
        request: HandlerRequest,
    ) -> Result<HandlerResponse, Error> {
        check(deployment)?;
        if examine::is_lifecycle(&request.handler) || !deployment.handlers.contains(&request.handler) {
            return Err(no_handler(deployment, &request.handler));
        }
        let json = request.to_json(&who);
        let call = self.invocation(deployment, who, request.handler.clone());
        let answer = self.run(&call, Target::Handler(request.handler), json).await?;
        HandlerResponse::from_json(&answer).map_err(|reason| {
            let reason = call.redacted(reason);
            call.write(Level::Error, reason.clone());
            Error::Answer { handler: call.handler.clone(), reason }
        })
    }

    /// Refuses a handler that is told of events or takes webhooks to whoever asks for it by its name: what it is given is true
    /// because this server gives it.
    ///
    /// # Errors
    /// [`Error::Disabled`], [`Error::NoSuchHandler`].
    pub fn refuse_told(deployment: &Deployment, handler: &str) -> Result<(), Error> {
        if !is_told(deployment, handler) {
            return Ok(());
        }
        check(deployment)?;
        Err(no_handler(deployment, handler))
    }

    /// Tells a handler of an event. What it returns says nothing.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub async fn hook(
        &self,
        deployment: &Arc<Deployment>,
        (handler, event): (&str, &Value),
        who: Who,
    ) -> Result<(), Error> {
        check(deployment)?;
        let call = self.invocation(deployment, who, handler.to_owned());
        self.run(&call, Target::Hook(handler.to_owned()), event.to_string()).await.map(drop)
    }

    /// Tells the backend what has become of its installation, if it wants to be told; also where it is switched off. `event`
    /// is what it finds as `ctx.event`. Gives whether it did.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub async fn lifecycle(
        &self,
        deployment: &Arc<Deployment>,
        what: Lifecycle,
        event: &Value,
    ) -> Result<bool, Error> {
        let name = examine::lifecycle_name(what);
        if deployment.kind != Some(BackendKind::Script) || !deployment.handlers.contains(name) {
            return Ok(false);
        }
        let call = self.invocation(deployment, Who::default(), name.to_owned());
        self.run_told(&call, Target::Lifecycle(what), "null".to_owned(), Some(event)).await?;
        Ok(true)
    }

    pub(crate) fn invocation(
        &self,
        deployment: &Arc<Deployment>,
        who: Who,
        handler: String,
    ) -> Arc<Invocation> {
        // What waits for its turn has not begun: the sandbox counts from when it runs.
        let deadline = Instant::now() + self.longest();
        Arc::new(Invocation::new(Arc::clone(&self.shared), Arc::clone(deployment), (who, handler), deadline))
    }

    async fn run(&self, call: &Arc<Invocation>, target: Target, request: String) -> Result<String, Error> {
        self.run_told(call, target, request, None).await
    }

    /// `event` is for what gets nothing but its context.
    async fn run_told(
        &self,
        call: &Arc<Invocation>,
        target: Target,
        request: String,
        event: Option<&Value>,
    ) -> Result<String, Error> {
        let deployment = &call.deployment;
        let script = self.scripts.get(self.shared.installations.as_ref(), deployment).await;
        let script = script?;
        let owner = owner(&call.place);
        let invocation = sandbox::Invocation {
            target,
            request,
            context: context(deployment, event),
            deadline: Some(self.deadline),
            incarnation: deployment.incarnation,
        };
        let door = Arc::new(Door(Arc::clone(call)));
        let answered = refusal::paced(self.sandbox.call(&owner, &script, door, invocation)).await;
        answered.map(|answer| answer.json).map_err(|error| failed(call, error))
    }

    /// The door through which a program that runs for `who` asks for everything but computing: from now on for as long as a
    /// handler may take.
    pub fn host(&self, deployment: &Arc<Deployment>, who: Who, handler: &str) -> Arc<dyn Host> {
        let (shared, deployment) = (Arc::clone(&self.shared), Arc::clone(deployment));
        let deadline = Instant::now() + self.deadline;
        Arc::new(Door(Arc::new(Invocation::new(shared, deployment, (who, handler.to_owned()), deadline))))
    }

    /// How long a call may take at most, its waiting for its turn included.
    pub(crate) fn longest(&self) -> Duration {
        self.deadline + QUEUE_WAIT
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.ambient.now()
    }

    /// What plugins have logged.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Drops what this process remembers of a tenant.
    pub fn forget(&self, tenant: &TenantId) {
        self.sandbox.forget_tenant(tenant.as_str());
        let tenant = tenant.clone();
        // Refused only without support for closures, which there is.
        let _ = self.shared.redactors.invalidate_entries_if(move |place, _| place.tenant == tenant);
    }

    /// Deletes values that have expired, and tells how many; and what is left of installations that there are not any more. To
    /// be called now and then.
    pub async fn sweep(&self) -> Result<u64, storage::Error> {
        self.shared.redactors.run_pending_tasks();
        let Shared { database, values, orphans, .. } = &*self.shared;
        orphans.sweep(database).await?;
        values.sweep().await
    }

    /// Deletes all that a plugin had kept and logged in a tenant until it departed, unless
    /// [that is needed again](Installations::has_successor).
    pub async fn erase(&self, departure: &Departure) -> Result<(), storage::Error> {
        let Departure { tenant, plugin_key, .. } = departure;
        let place = Place { tenant: tenant.clone(), plugin: plugin_key.clone() };
        let installations = self.shared.installations.as_ref();
        self.sandbox.forget(&owner(&place));
        let gone = place.clone();
        // Refused only without support for closures, which there is.
        let _ = self.shared.redactors.invalidate_entries_if(move |tenure, _| **tenure == gone);
        self.shared.values.erase(&place, (installations, departure)).await?;
        self.shared.log.erase(&place, (installations, departure)).await
    }
}

/// Whose instances run what is installed there.
pub(crate) fn owner(place: &Place) -> Owner {
    Owner { tenant: place.tenant.as_str().into(), plugin: place.plugin.as_str().into() }
}

/// Refuses what is switched off or has no script.
fn check(deployment: &Deployment) -> Result<(), Error> {
    if !deployment.enabled {
        return Err(Error::Disabled(deployment.plugin.to_string()));
    }
    match &deployment.kind {
        Some(BackendKind::Script) => Ok(()),
        Some(BackendKind::Component | BackendKind::Upstream(_)) => {
            Err(Error::NoHandlers(deployment.plugin.to_string()))
        }
        None => Err(Error::NoBackend(deployment.plugin.to_string())),
    }
}

/// Whether a handler is told of events, or takes webhooks.
fn is_told(deployment: &Deployment, handler: &str) -> bool {
    deployment.listeners.contains(handler)
        || deployment.webhook.as_ref().is_some_and(|webhook| registry::webhook_handler(webhook) == handler)
}

/// What a handler finds in its context beside what it may do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    tenant_id: &'a str,
    plugin_id: &'a str,
    version: &'a str,
    config: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a Value>,
}

/// The same as JSON.
fn context(deployment: &Deployment, event: Option<&Value>) -> String {
    let context = Context {
        tenant_id: deployment.tenant.as_str(),
        plugin_id: deployment.plugin.as_str(),
        version: &deployment.version,
        config: &deployment.configuration,
        event,
    };
    // Texts, and values that can always be written.
    serde_json::to_string(&context).unwrap_or_default()
}

fn no_handler(deployment: &Deployment, name: &str) -> Error {
    let known = deployment.handlers.iter();
    let known = known.filter(|name| !examine::is_lifecycle(name) && !is_told(deployment, name));
    Error::NoSuchHandler { name: shown(name), known: known.cloned().collect() }
}

/// What became of a call that has no answer, with a line in the plugin's log where that is the plugin's to know.
fn failed(call: &Invocation, error: sandbox::Error) -> Error {
    let handler = call.handler.clone();
    match error {
        sandbox::Error::Threw(thrown) => {
            let lines: Vec<String> = iter::once(thrown.text()).chain(thrown.stack.clone()).collect();
            call.write(Level::Error, lines.join("\n    "));
            let message = if thrown.message.is_empty() { thrown.text() } else { thrown.message };
            Error::Threw { handler, message: call.redacted(message) }
        }
        sandbox::Error::NoHandler(_) => no_handler(&call.deployment, &handler),
        error => {
            let reason = call.redacted(error.to_string());
            let is_ours = matches!(error.code(), ErrorCode::Internal | ErrorCode::Unavailable);
            if !is_ours && !refusal::is_one(&error) {
                call.write(Level::Error, reason.clone());
            }
            Error::Sandbox { handler, reason, source: error }
        }
    }
}
