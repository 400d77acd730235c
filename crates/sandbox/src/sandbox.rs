//! The sandbox: who may run what, where, and what is kept of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use model::Ambient;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::component::ScriptComponent;
use crate::engine::engine;
use crate::footprint::Total;
use crate::http_component::{self, Component, ComponentHost, Components};
use crate::instance::{After, Instance};
use crate::lane::{Lane, Lanes};
use crate::meter::{Allowance, Meter};
use crate::rest::{Conduct, Pass, Records};
use crate::turn::Turns;
use crate::warm::{Key, Warm};
use crate::{Answer, Definition, Error, Host, Invocation, Limits, Owner, Script, Settings};

/// Scripts that are examined at once.
const EXAMINED_AT_ONCE: usize = 2;

/// Runs scripts, each owner's in instances of its own. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    limits: Arc<Limits>,
    component: ScriptComponent,
    components: Components,
    lanes: Lanes,
    warm: Warm<Instance>,
    total: Arc<Total>,
    turns: Arc<Turns>,
    records: Arc<Records>,
    examining: Semaphore,
}

impl Sandbox {
    /// A sandbox set up by `settings`. Compiles nothing yet: see [`prepare`](Self::prepare).
    ///
    /// # Errors
    /// [`Error::Internal`], where the machine gives no address space or threads.
    pub fn new(settings: Settings, ambient: Ambient) -> Result<Self, Error> {
        let engine = engine(&settings)?;
        let inner = Inner {
            limits: Arc::new(settings.limits.clone()),
            components: Components::new(engine.clone(), &settings, ambient.clone()),
            component: ScriptComponent::new(engine, settings.cache_dir.clone()),
            lanes: Lanes::new(settings.slow_threads)?,
            warm: Warm::new(settings.warm_instances, settings.warm_memory),
            total: Total::new(settings.total_memory),
            turns: Turns::new(settings.admission.clone()),
            records: Records::new(settings.rest.clone(), ambient),
            examining: Semaphore::new(EXAMINED_AT_ONCE),
            settings,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Compiles what scripts run on, or loads it from the cache, so that the first call need not wait for that.
    pub async fn prepare(&self) -> Result<(), Error> {
        self.inner.component.get().await.map(drop)
    }

    /// Loads `script` in an instance of its own, within the limits of a call and without a host, and tells what it has.
    ///
    /// # Errors
    /// Why it cannot be used: [`Error::DoesNotLoad`], [`Error::Definition`], or a limit.
    pub async fn examine(&self, script: &Script) -> Result<Definition, Error> {
        let permit =
            tokio::time::timeout(self.inner.settings.admission.queue_wait, self.inner.examining.acquire());
        let _permit =
            permit.await.map_err(|_| Error::Busy(Duration::from_secs(1)))?.map_err(Error::engine)?;
        self.check_size(script)?;
        let (inner, script) = (Arc::clone(&self.inner), script.clone());
        inner.component.get().await?;
        let meter = Arc::new(Meter::default());
        let work = {
            let (inner, meter) = (Arc::clone(&inner), Arc::clone(&meter));
            async move {
                let mut instance = inner.load(&script, &meter).await?;
                instance.define(&script).await
            }
        };
        let wall = self.inner.limits.wall;
        inner.lanes.run(within(wall, work), meter, Lane::Fast).await?
    }

    /// Calls a function of `script` for `owner`, in a warm instance if there is one.
    ///
    /// If the future is dropped, the call ends and its instance is thrown away. So is one that failed, and one whose call
    /// left something under way.
    pub async fn call(
        &self,
        owner: &Owner,
        script: &Script,
        host: Arc<dyn Host>,
        invocation: Invocation,
    ) -> Result<Answer, Error> {
        let started = Instant::now();
        let result = self.admitted(owner, script, host, invocation).await;
        count(&result, "script", started);
        result
    }

    async fn admitted(
        &self,
        owner: &Owner,
        script: &Script,
        host: Arc<dyn Host>,
        invocation: Invocation,
    ) -> Result<Answer, Error> {
        self.check_size(script)?;
        let pass = self.inner.records.admit(owner)?;
        let turn = self.inner.turns.take(owner).await?;
        self.inner.component.get().await?;
        let key =
            Key { owner: owner.clone(), incarnation: invocation.incarnation, script: Arc::clone(&script.id) };
        let warm = self.inner.warm.take(&key);
        let meter = warm.as_ref().map_or_else(Arc::default, Instance::meter);
        let wall =
            invocation.deadline.map_or(self.inner.limits.wall, |each| each.min(self.inner.limits.wall));
        let inner = Arc::clone(&self.inner);
        let work = inner.work(warm, script.clone(), host, invocation, Arc::clone(&meter), Handle::current());
        let (json, kept) = self.inner.run(pass, meter, wall, work).await?;
        if let Some(instance) = kept {
            let bytes = instance.bytes();
            self.inner.warm.put(key, instance, bytes);
        }
        drop(turn);
        Ok(Answer { json })
    }

    /// Has `component` answer a request for `owner`, in an instance of its own that is thrown away. What it has answered is whole,
    /// and within the bound of an answer.
    ///
    /// The request's URI must have an authority, which the component sees as its own. If the future is dropped, the call ends.
    ///
    /// # Errors
    /// [`Error::Component`] for what cannot be run at all, and those of [`call`](Self::call).
    pub async fn serve(
        &self,
        owner: &Owner,
        component: &Component,
        host: Arc<dyn ComponentHost>,
        request: Request<Bytes>,
        deadline: Option<Duration>,
    ) -> Result<Response<Bytes>, Error> {
        let started = Instant::now();
        let result = self.served(owner, component, host, (request, deadline)).await;
        count(&result, "component", started);
        result
    }

    async fn served(
        &self,
        owner: &Owner,
        component: &Component,
        host: Arc<dyn ComponentHost>,
        (request, deadline): (Request<Bytes>, Option<Duration>),
    ) -> Result<Response<Bytes>, Error> {
        let inner = &self.inner;
        let pass = inner.records.admit(owner)?;
        // Who waits for it to be compiled has no turn, which others could use.
        let made = inner.components.get(component).await?;
        let _turn = inner.turns.take(owner).await?;
        inner.make_room();
        let (limits, meter) = (Arc::clone(&inner.limits), Arc::<Meter>::default());
        let wall = deadline.map_or(limits.wall, |each| each.min(limits.wall));
        let allowance = inner.allowance(inner.settings.slow_after);
        let call = http_component::Call {
            request,
            host,
            runtime: Handle::current(),
            limits,
            meter: Arc::clone(&meter),
            total: Arc::clone(&inner.total),
        };
        let work = async move {
            call.meter.restart(allowance);
            http_component::serve(made, call).await
        };
        inner.run(pass, meter, wall, work).await
    }

    /// Checks that `component` can be run: it is looked at, and compiled.
    ///
    /// # Errors
    /// [`Error::Component`] with a sentence for its author; [`Error::Busy`].
    pub async fn check_component(&self, component: &Bytes) -> Result<(), Error> {
        self.inner.components.check(component).await
    }

    /// Drops the warm instances of an owner, such as one whose plugin was uninstalled.
    pub fn forget(&self, owner: &Owner) {
        self.inner.warm.forget(|each| each == owner);
    }

    /// Drops the warm instances of all programs of a tenant.
    pub fn forget_tenant(&self, tenant: &str) {
        self.inner.warm.forget(|owner| *owner.tenant == *tenant);
    }

    /// How many instances are kept warm, and their bytes of memory.
    pub fn warm(&self) -> (usize, usize) {
        self.inner.warm.size()
    }

    /// Bytes of memory of all instances, warm or running.
    pub fn memory(&self) -> usize {
        self.inner.total.bytes()
    }

    fn check_size(&self, script: &Script) -> Result<(), Error> {
        let most = self.inner.limits.script;
        if script.source.len() > most { Err(Error::ScriptTooLarge(most)) } else { Ok(()) }
    }
}

impl Inner {
    /// Runs `work`, which `meter` counts, for at most `wall`, and notes how it went.
    async fn run<T: Send + 'static>(
        &self,
        pass: Pass,
        meter: Arc<Meter>,
        wall: Duration,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let done = self.lanes.run(within(wall, work), Arc::clone(&meter), pass.lane).await?;
        let conduct = if done.as_ref().is_err_and(Error::is_burden) { Conduct::Bad } else { Conduct::Good };
        pass.done(conduct, meter.is_heavy());
        done
    }

    /// Drops warm instances if there is no memory for another one.
    fn make_room(&self) {
        if self.total.bytes().saturating_add(self.limits.memory) > self.settings.total_memory {
            self.warm.relieve(self.limits.memory);
        }
    }

    async fn work(
        self: Arc<Self>,
        warm: Option<Instance>,
        script: Script,
        host: Arc<dyn Host>,
        invocation: Invocation,
        meter: Arc<Meter>,
        runtime: Handle,
    ) -> Result<(String, Option<Instance>), Error> {
        let start = if warm.is_some() { "warm" } else { "cold" };
        metrics::counter!("jackfield_sandbox_starts_total", "start" => start).increment(1);
        let mut instance = match warm {
            Some(instance) => instance,
            None => self.load(&script, &meter).await?,
        };
        meter.restart(self.allowance(self.settings.slow_after));
        let (json, after) = instance.call(&script, invocation, host, runtime).await?;
        Ok((json, (after == After::Keep).then_some(instance)))
    }

    fn allowance(&self, patience: Duration) -> Allowance {
        Allowance { limit: self.limits.cpu, patience }
    }

    /// A fresh instance with the script loaded.
    async fn load(&self, script: &Script, meter: &Arc<Meter>) -> Result<Instance, Error> {
        let component = self.component.get().await?;
        self.make_room();
        meter.restart(self.allowance(self.settings.slow_load_after));
        let mut instance = Instance::new(component, &self.limits, meter, &self.total).await?;
        instance.load(script).await?;
        Ok(instance)
    }
}

/// `work`, given up after `wall`.
fn within<T: Send + 'static>(
    wall: Duration,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> BoxFuture<'static, Result<T, Error>> {
    Box::pin(async move { tokio::time::timeout(wall, work).await.unwrap_or(Err(Error::WallDeadline(wall))) })
}

/// Counts a call that began at `started`, and tells the log of the server what is its own fault.
fn count<T>(result: &Result<T, Error>, kind: &'static str, started: Instant) {
    let outcome = result.as_ref().map_or_else(Error::kind, |_| "answered");
    metrics::counter!("jackfield_sandbox_calls_total", "kind" => kind, "outcome" => outcome).increment(1);
    metrics::histogram!("jackfield_sandbox_call_duration_seconds", "kind" => kind)
        .record(started.elapsed().as_secs_f64());
    if let Err(Error::Internal(fault)) = result {
        tracing::error!(%fault, "the sandbox failed");
    }
}
