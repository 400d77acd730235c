//! What the server does on its own, beside answering requests.

use std::sync::Arc;
use std::time::Duration;

use bundler::Bundler;
use connections::{Connections, vault};
use model::Ambient;
use runtime::Runtime;
use runtime::lifecycle::Lifecycle;
use sandbox::Sandbox;
use storage::{Blobs, Database, Tenants};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::bus::Bus;

/// How often what is no longer needed is forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// How often what was measured is summed up.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);

/// How often tokens that end soon are looked for.
const REFRESH_INTERVAL: Duration = Duration::from_secs(15);

/// How old the blobs of an unfinished publish must be to be removed; longer than any publish may take.
const STAGED_FOR: Duration = Duration::from_hours(24);

/// The parts that have work in the background.
pub(crate) struct Background {
    pub(crate) app: api::App,
    pub(crate) bundler: Bundler,
    /// What plugins' scripts run in.
    pub(crate) sandbox: Sandbox,
    pub(crate) runtime: Runtime,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) connections: Connections,
    pub(crate) bus: Bus,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) database: Database,
    pub(crate) blobs: Arc<dyn Blobs>,
    /// For how long the record of activity is kept.
    pub(crate) activity_retention: Duration,
    pub(crate) ambient: Ambient,
}

impl Background {
    /// Begins all of it; it ends when the set is dropped.
    pub(crate) fn start(self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(warm(self.bundler.clone()));
        tasks.spawn(prepare(self.sandbox.clone()));
        tasks.spawn(vault::refresher::run(self.connections.vault().clone(), REFRESH_INTERVAL));
        tasks.spawn(self.lifecycle.clone().run());
        tasks.spawn(self.bus.feed.clone().run());
        tasks.spawn(self.bus.retention.clone().run());
        tasks.spawn(self.bus.deliveries.clone().run());
        let database = self.database.clone();
        tasks.spawn(async move { database.listen().await });
        tasks.spawn(sum_up_metrics(self.app.clone()));
        tasks.spawn(self.sweep());
        tasks
    }

    async fn sweep(self) {
        let mut interval = tokio::time::interval(SWEEP_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.app.sweep();
            tell("the deletion of a tenant cannot go on", self.tenants.finish_interrupted().await);
            tell("ended flows could not be forgotten", self.connections.sweep_flows().await);
            tell("ended connect sessions could not be forgotten", self.connections.sweep_sessions().await);
            let oldest = self.ambient.now().minus(self.activity_retention);
            tell("old activity could not be forgotten", self.connections.activity().sweep(oldest).await);
            tell("what plugins keep could not be swept", self.runtime.sweep().await);
            tell("old webhooks could not be removed", self.bus.webhooks.sweep().await);
            tell("old deliveries could not be removed", self.bus.deliveries.sweep().await);
            tell("old runs of hooks could not be forgotten", self.lifecycle.sweep().await);
            let swept = storage::sweep(&self.database, self.blobs.as_ref(), STAGED_FOR, &self.ambient).await;
            if let Some(blobs) = tell("leftover blobs could not be removed", swept).filter(|blobs| *blobs > 0)
            {
                tracing::info!(blobs, "removed the blobs of publishes that did not end");
            }
        }
    }
}

async fn sum_up_metrics(app: api::App) {
    let mut interval = tokio::time::interval(METRICS_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        app.sum_up_metrics();
    }
}

/// Starts a worker ahead of the first build, and notices early if none can be started.
async fn warm(bundler: Bundler) {
    if let Err(error) = bundler.warm().await {
        tracing::error!(error = &error as &dyn std::error::Error, "no plugin can be built: no worker starts");
    }
}

/// Compiles what scripts run on ahead of the first call, or loads it.
async fn prepare(sandbox: Sandbox) {
    if let Err(error) = sandbox.prepare().await {
        tracing::error!(error = &error as &dyn std::error::Error, "no plugin's backend can be run");
    }
}

/// Logs a failure: the next round tries again.
fn tell<T, E: std::error::Error + 'static>(failed: &'static str, outcome: Result<T, E>) -> Option<T> {
    outcome.inspect_err(|error| tracing::warn!(error = error as &dyn std::error::Error, "{failed}")).ok()
}
