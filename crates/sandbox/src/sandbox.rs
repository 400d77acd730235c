//! The sandbox: who may run what, where, and what is kept of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use model::Ambient;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::component::ScriptComponent;
use crate::engine::engine;
use crate::footprint::{Footprint, Total};
use crate::http_component::{self, Component, ComponentHost, Components};
use crate::instance::{After, Instance};
use crate::lane::{Lane, Lanes};
use crate::meter::{Allowance, Meter};
use crate::rest::{Conduct, Pass, Records};
use crate::turn::Turns;
use crate::warm::{Key, Warm};
use crate::{Answer, Definition, Error, Host, Invocation, Limits, Owner, Script, Settings};

/// Scripts that are examined at once, and the part of a call's computing that each may do: others wait for that.
const EXAMINED_AT_ONCE: u32 = 2;
const EXAMINED_PART: u32 = 2;

/// The part of the memory for what runs that one tenant may have, and the instances that it may in any case.
const TENANTS_PART: usize = 4;
const TENANTS_INSTANCES: usize = 2;

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
    warm: Arc<Warm<Instance>>,
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
        let for_running = settings.total_memory.saturating_sub(settings.warm_memory);
        let of_tenant = settings.limits.memory.saturating_mul(TENANTS_INSTANCES);
        let total = Total::new(settings.total_memory, (for_running / TENANTS_PART).max(of_tenant));
        let warm = Arc::new(Warm::<Instance>::new(settings.warm_instances, settings.warm_memory));
        let idle = Arc::downgrade(&warm);
        total.relieve_by(Box::new(move |bytes| idle.upgrade().iter().for_each(|idle| idle.relieve(bytes))));
        let inner = Inner {
            limits: Arc::new(settings.limits.clone()),
            components: Components::new(engine.clone(), &settings, ambient.clone()),
            component: ScriptComponent::new(engine, settings.cache_dir.clone()),
            lanes: Lanes::new(settings.slow_threads)?,
            warm,
            total,
            turns: Turns::new(settings.admission.clone()),
            records: Records::new(settings.rest.clone(), ambient),
            examining: Semaphore::new(EXAMINED_AT_ONCE as usize),
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
        self.check_size(script)?;
        let (inner, script) = (Arc::clone(&self.inner), script.clone());
        let Limits { wall, cpu, .. } = *inner.limits;
        // Who comes while others are examined that take as long as they may has a turn after them.
        let wait = inner.settings.admission.queue_wait.max(wall * EXAMINED_AT_ONCE);
        let permit = tokio::time::timeout(wait, self.inner.examining.acquire());
        let _permit =
            permit.await.map_err(|_| Error::Busy(Duration::from_secs(1)))?.map_err(Error::engine)?;
        inner.component.get().await?;
        let meter = Arc::new(Meter::default());
        let work = {
            let (inner, meter) = (Arc::clone(&inner), Arc::clone(&meter));
            async move {
                let footprint = Footprint::new(&inner.total, inner.limits.memory);
                let mut instance = inner.load(&script, &meter, (footprint, cpu / EXAMINED_PART)).await?;
                instance.define(&script).await
            }
        };
        inner.within(wall, work, meter, Lane::Fast).await
    }

    /// Calls a function of `script` for `owner`, in a warm instance if there is one.
    ///
    /// If the future is dropped, the call ends and its instance is thrown away. So is one that has met a limit, one whose call
    /// has left something under way, and one that has changed the language's own prototypes.
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
        let inner = &self.inner;
        let pass = inner.records.admit(owner, &script.id)?;
        let _turn = inner.turns.take(owner).await?;
        inner.component.get().await?;
        let key =
            Key { owner: owner.clone(), incarnation: invocation.incarnation, script: Arc::clone(&script.id) };
        let warm = inner.warm.take(&key);
        let meter = warm.as_ref().map_or_else(Arc::default, Instance::meter);
        let wall = invocation.deadline.map_or(inner.limits.wall, |each| each.min(inner.limits.wall));
        let call = Call { key, script: script.clone(), host, invocation, runtime: Handle::current() };
        let work = Arc::clone(inner).work(warm, call, Arc::clone(&meter));
        inner.run(pass, meter, wall, work).await.map(|json| Answer { json })
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
        let result = Box::pin(self.served(owner, component, host, (request, deadline))).await;
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
        let pass = inner.records.admit(owner, &component.id)?;
        // Who waits for it to be compiled has no turn, which others could use.
        let made = inner.components.get(component).await?;
        let _turn = inner.turns.take(owner).await?;
        let (limits, meter) = (Arc::clone(&inner.limits), Arc::<Meter>::default());
        let wall = deadline.map_or(limits.wall, |each| each.min(limits.wall));
        let allowance = Allowance { limit: limits.cpu, patience: inner.settings.slow_after };
        let call = http_component::Call {
            request,
            host,
            runtime: Handle::current(),
            limits,
            meter: Arc::clone(&meter),
            footprint: inner.footprint(&owner.tenant),
        };
        let work = async move {
            call.meter.restart(allowance);
            http_component::serve(made, call).await
        };
        inner.run(pass, meter, wall, work).await
    }

    /// Compiles `component`, or loads what was compiled before, so that [`serve`](Self::serve) need not wait for that.
    ///
    /// # Errors
    /// [`Error::Component`] for what cannot be run at all, and [`Error::Busy`].
    pub async fn prepare_component(&self, component: &Component) -> Result<(), Error> {
        self.inner.components.get(component).await.map(drop)
    }

    /// Checks that `component` can be run: it is looked at, and compiled.
    ///
    /// # Errors
    /// [`Error::Component`] with a sentence for its author; [`Error::Busy`].
    pub async fn check_component(&self, component: &Bytes) -> Result<(), Error> {
        self.inner.components.check(component).await
    }

    /// Drops the warm instances of an owner, such as one whose plugin was uninstalled, and what is remembered of its calls.
    pub fn forget(&self, owner: &Owner) {
        self.inner.warm.forget(|each| each == owner);
        self.inner.records.forget(|each| each == owner);
    }

    /// Does the same for all programs of a tenant.
    pub fn forget_tenant(&self, tenant: &str) {
        self.inner.warm.forget(|owner| *owner.tenant == *tenant);
        self.inner.records.forget(|owner| *owner.tenant == *tenant);
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

/// A call of a script.
struct Call {
    key: Key,
    script: Script,
    host: Arc<dyn Host>,
    invocation: Invocation,
    /// Where the host's operations run.
    runtime: Handle,
}

impl Inner {
    /// Runs `work`, which `meter` counts, for at most `wall`, and notes how it went.
    async fn run<T: Send + 'static>(
        &self,
        mut pass: Pass,
        meter: Arc<Meter>,
        wall: Duration,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        pass.watch(&meter);
        let done = self.within(wall, work, Arc::clone(&meter), pass.lane).await;
        let effort = meter.effort();
        let is_burden = done.as_ref().is_err_and(|error| error.is_burden(effort));
        pass.done(if is_burden { Conduct::Bad } else { Conduct::Good }, effort);
        done
    }

    /// Runs `work`, which `meter` counts, and gives it up after `wall`, however busy the slow lane is.
    async fn within<T: Send + 'static>(
        &self,
        wall: Duration,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        meter: Arc<Meter>,
        lane: Lane,
    ) -> Result<T, Error> {
        let done = tokio::time::timeout(wall, self.lanes.run(Box::pin(work), meter, lane));
        done.await.map_err(|_| Error::WallDeadline(wall))??
    }

    async fn work(
        self: Arc<Self>,
        warm: Option<Instance>,
        call: Call,
        meter: Arc<Meter>,
    ) -> Result<String, Error> {
        let start = if warm.is_some() { "warm" } else { "cold" };
        metrics::counter!("jackfield_sandbox_starts_total", "start" => start).increment(1);
        let Call { key, script, host, invocation, runtime } = call;
        let mut instance = if let Some(mut instance) = warm {
            meter.skip_load();
            instance.belong_to(Some(self.total.share(&key.owner.tenant)));
            instance
        } else {
            let footprint = self.footprint(&key.owner.tenant);
            self.load(&script, &meter, (footprint, self.limits.cpu)).await?
        };
        meter.restart(Allowance { limit: self.limits.cpu, patience: self.settings.slow_after });
        let (answer, after) = instance.call(&script, invocation, host, runtime).await;
        if after == After::Keep {
            instance.belong_to(None);
            let bytes = instance.bytes();
            self.warm.put(key, instance, bytes);
        }
        answer
    }

    /// Of an instance that runs for a tenant.
    fn footprint(&self, tenant: &Arc<str>) -> Footprint {
        let mut footprint = Footprint::new(&self.total, self.limits.memory);
        footprint.belong_to(Some(self.total.share(tenant)));
        footprint
    }

    /// A fresh instance with the script loaded, which may take so much computing.
    async fn load(
        &self,
        script: &Script,
        meter: &Arc<Meter>,
        (footprint, limit): (Footprint, Duration),
    ) -> Result<Instance, Error> {
        let component = self.component.get().await?;
        meter.restart(Allowance { limit, patience: self.settings.slow_load_after });
        let mut instance = Instance::new(component, &self.limits, meter, footprint).await?;
        let loaded = instance.load(script).await;
        meter.end_load(self.settings.slow_after);
        loaded.map(|()| instance)
    }
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
