//! Tenants that install plugins, whose hooks do what the test says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use model::{Ambient, Event, EventKind, PluginId, TenantId, Timestamp};
use registry::{BackendKind, Departure, Deployment, Grants};
use runtime::lifecycle::{Found, Hook, HookError, Hooks, Installed, Lifecycle, Parts, Run, State};
use serde_json::{Value, json};
use storage::{Database, on};
use testkit::ManualClock;
use tokio::sync::Semaphore;

use crate::place::Place;

/// How long a hook may take.
pub(super) const LONGEST: Duration = Duration::from_secs(200);

/// A call of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) tenant: String,
    pub(super) plugin: String,
    pub(super) hook: &'static str,
    pub(super) attempt: i64,
    pub(super) event: String,
}

#[derive(Default)]
struct Known {
    installed: BTreeMap<(String, String), (Deployment, bool)>,
    departed: BTreeMap<(String, String), (Deployment, Timestamp)>,
    calls: Vec<Call>,
    /// How often the hooks of a plugin fail, by id and hook.
    failures: BTreeMap<(String, &'static str), u32>,
    /// How often the server cannot call the hooks of a plugin.
    troubles: BTreeMap<String, u32>,
    /// How often what is installed is not known as it is.
    changing: u32,
    /// The plugins whose hooks wait until told.
    held: BTreeSet<String>,
    at_work: BTreeSet<(String, String)>,
    overlaps: u32,
    erased: Vec<(String, String)>,
    erase_failures: u32,
}

/// What tenants have installed, and what has come of it.
pub(super) struct World {
    known: Mutex<Known>,
    /// What lets a held hook go.
    pub(super) release: Semaphore,
    pub(super) database: Database,
    pub(super) clock: Arc<ManualClock>,
    pub(super) ambient: Ambient,
    pub(super) place: Place,
}

pub(super) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(super) fn plugin(id: &str) -> PluginId {
    id.parse().unwrap()
}

/// A script with all hooks, switched on.
pub(super) fn script(tenant: &TenantId, id: &str) -> Deployment {
    let hooks = ["onInstall", "onUninstall", "onEnable", "onDisable"];
    Deployment {
        tenant: tenant.clone(),
        plugin: plugin(id),
        plugin_key: format!("key-{id}"),
        version_key: format!("version-{id}"),
        version: "1.0.0".into(),
        enabled: true,
        departed: false,
        incarnation: 1,
        kind: Some(BackendKind::Script),
        routes: Vec::new(),
        hooks: Vec::new(),
        listeners: [].into(),
        handlers: hooks.into_iter().map(str::to_owned).collect(),
        hosts: Vec::new(),
        emits: BTreeSet::new(),
        webhook: None,
        grants: Grants::default(),
        configuration: serde_json::Map::new(),
        sensitive: [].into(),
    }
}

impl World {
    pub(super) async fn new(place: Place) -> Arc<Self> {
        let (clock, ambient) = ManualClock::ambient();
        let database = place.open(&ambient).await;
        let release = Semaphore::new(0);
        Arc::new(Self { known: Mutex::default(), release, database, clock, ambient, place })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// A process with a connection of its own.
    pub(super) async fn process(self: &Arc<Self>) -> Lifecycle {
        self.on(self.place.open(&self.ambient).await)
    }

    pub(super) fn on(self: &Arc<Self>, database: Database) -> Lifecycle {
        let (installed, hooks) = (Arc::clone(self) as Arc<dyn Installed>, Arc::clone(self) as Arc<dyn Hooks>);
        Lifecycle::new(Parts { database, installed, hooks, ambient: self.ambient.clone() })
    }

    async fn record(&self, kind: EventKind, deployment: &Deployment) {
        let mut tx = self.database.begin().await.unwrap();
        let uninstalled_at = deployment.departed.then(|| self.ambient.now().as_millisecond());
        let data = json!({
            "pluginKey": deployment.plugin_key, "versionKey": deployment.version_key, "version": deployment.version,
            "uninstalledAt": uninstalled_at,
        });
        let (tenant, subject) = (Some(deployment.tenant.clone()), deployment.plugin.to_string());
        tx.record(Event { tenant, kind, subject, data });
        tx.commit().await.unwrap();
    }

    pub(super) async fn install(&self, name: &str, id: &str) {
        self.install_as(script(&tenant(name), id), false).await;
    }

    pub(super) async fn install_as(&self, deployment: Deployment, lacks_consent: bool) {
        let key = (deployment.tenant.to_string(), deployment.plugin.to_string());
        self.known().installed.insert(key, (deployment.clone(), lacks_consent));
        self.record(EventKind::InstallationCreated, &deployment).await;
    }

    pub(super) async fn uninstall(&self, name: &str, id: &str) {
        let (mut deployment, _) = self.known().installed.remove(&(name.to_owned(), id.to_owned())).unwrap();
        deployment.departed = true;
        if deployment.handlers.contains("onUninstall") {
            let key = (name.to_owned(), deployment.plugin_key.clone());
            self.known().departed.insert(key, (deployment.clone(), self.ambient.now()));
        }
        self.record(EventKind::InstallationRemoved, &deployment).await;
    }

    pub(super) async fn set_enabled(&self, name: &str, id: &str, enabled: bool) {
        let deployment = {
            let mut known = self.known();
            let (deployment, _) = known.installed.get_mut(&(name.to_owned(), id.to_owned())).unwrap();
            deployment.enabled = enabled;
            deployment.clone()
        };
        let kind = if enabled { EventKind::InstallationEnabled } else { EventKind::InstallationDisabled };
        self.record(kind, &deployment).await;
    }

    pub(super) fn consent(&self, name: &str, id: &str) {
        self.known().installed.get_mut(&(name.to_owned(), id.to_owned())).unwrap().1 = false;
    }

    /// Has a hook of a plugin fail so often.
    pub(super) fn fail(&self, id: &str, hook: &'static str, times: u32) {
        self.known().failures.insert((id.to_owned(), hook), times);
    }

    /// Has the server be unable to call hooks of a plugin so often.
    pub(super) fn trouble(&self, id: &str, times: u32) {
        self.known().troubles.insert(id.to_owned(), times);
    }

    /// Has what is installed be unknown so often.
    pub(super) fn change(&self, times: u32) {
        self.known().changing = times;
    }

    pub(super) fn fail_erasing(&self, times: u32) {
        self.known().erase_failures = times;
    }

    /// Has the hooks of a plugin wait for `release`.
    pub(super) fn hold(&self, id: &str) {
        self.known().held.insert(id.to_owned());
    }

    pub(super) fn let_go(&self, id: &str) {
        self.known().held.remove(id);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.known().calls.clone()
    }

    /// The hooks that were called, of all plugins, in their order.
    pub(super) fn called(&self) -> Vec<&'static str> {
        self.known().calls.iter().map(|call| call.hook).collect()
    }

    /// How often two hooks of one installation were at work at once.
    pub(super) fn overlaps(&self) -> u32 {
        self.known().overlaps
    }

    pub(super) fn erased(&self) -> Vec<(String, String)> {
        self.known().erased.clone()
    }

    pub(super) fn has_departed(&self) -> bool {
        !self.known().departed.is_empty()
    }

    /// Waits until so many hooks were called in all.
    pub(super) async fn until_called(&self, count: usize) {
        let waited = async {
            while self.known().calls.len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waited).await.unwrap();
    }

    /// The runs of a plugin, oldest first: hook, state, attempts and error.
    pub(super) async fn runs(&self, process: &Lifecycle, name: &str, id: &str) -> Vec<Run> {
        let mut page = process.list(&tenant(name), &plugin(id), None, Some(200)).await.unwrap();
        page.runs.reverse();
        page.runs
    }

    /// The hooks and states of the runs of a plugin, oldest first.
    pub(super) async fn states(&self, process: &Lifecycle, name: &str, id: &str) -> Vec<(Hook, State)> {
        self.runs(process, name, id).await.into_iter().map(|run| (run.hook, run.state)).collect()
    }

    /// The data of the events of this kind that the log has.
    pub(super) async fn logged(&self, kind: EventKind) -> Vec<Value> {
        let mut conn = self.database.read().await.unwrap();
        let rows: Vec<(String,)> =
            on!(conn, |c| sqlx::query_as("SELECT data FROM event WHERE kind = $1 ORDER BY seq")
                .bind(kind.as_str())
                .fetch_all(c)
                .await)
            .unwrap();
        rows.iter().map(|(data,)| serde_json::from_str(data).unwrap()).collect()
    }

    pub(super) async fn count(&self) -> i64 {
        let mut conn = self.database.read().await.unwrap();
        let (count,): (i64,) =
            on!(conn, |c| sqlx::query_as("SELECT COUNT(*) FROM lifecycle_run").fetch_one(c).await).unwrap();
        count
    }

    /// Whether a statement waits for the table of runs, on PostgreSQL.
    pub(super) async fn is_somebody_waiting(&self) -> bool {
        let mut conn = self.database.read().await.unwrap();
        let (count,): (i64,) = on!(conn, |c| sqlx::query_as(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = to_regclass('lifecycle_run')::oid AND NOT granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        .fetch_one(c)
        .await)
        .unwrap();
        count > 0
    }

    pub(super) async fn execute(&self, sql: &'static str) {
        let mut tx = self.database.begin().await.unwrap();
        on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
    }
}

/// Works until nothing is due.
pub(super) async fn settle(process: &Lifecycle) {
    while process.round().await.unwrap() > 0 {
        process.idle().await;
    }
}

#[async_trait]
impl Installed for World {
    async fn current(&self, tenant: &TenantId, plugin: &PluginId) -> Result<Found, registry::Error> {
        let mut known = self.known();
        if known.changing > 0 {
            known.changing -= 1;
            return Ok(Found::Changing);
        }
        let found = known.installed.get(&(tenant.to_string(), plugin.to_string())).cloned();
        Ok(match found {
            Some((deployment, lacks_consent)) => {
                Found::Installed { deployment: Arc::new(deployment), lacks_consent }
            }
            None => Found::Nothing,
        })
    }

    async fn departed(
        &self,
        tenant: &TenantId,
        plugin_key: &str,
    ) -> Result<Option<Deployment>, registry::Error> {
        let departed = self.known().departed.get(&(tenant.to_string(), plugin_key.to_owned())).cloned();
        Ok(departed.map(|(deployment, _)| deployment))
    }

    async fn forget_departed(&self, departure: &Departure) -> Result<(), registry::Error> {
        let key = (departure.tenant.to_string(), departure.plugin_key.clone());
        let mut known = self.known();
        if known.departed.get(&key).is_some_and(|(_, at)| *at == departure.at) {
            known.departed.remove(&key);
        }
        Ok(())
    }
}

#[async_trait]
impl Hooks for World {
    async fn call(&self, deployment: Arc<Deployment>, hook: Hook, data: Value) -> Result<(), HookError> {
        let (tenant, plugin) = (deployment.tenant.to_string(), deployment.plugin.to_string());
        let place = (tenant.clone(), plugin.clone());
        let is_held = {
            let mut known = self.known();
            assert!(data["type"].as_str().unwrap().starts_with("jackfield.installation."));
            known.calls.push(Call {
                tenant,
                plugin: plugin.clone(),
                hook: hook.as_str(),
                attempt: data["attempt"].as_i64().unwrap(),
                event: data["id"].as_str().unwrap().to_owned(),
            });
            if !known.at_work.insert(place.clone()) {
                known.overlaps += 1;
            }
            known.held.contains(&plugin)
        };
        if is_held {
            self.release.acquire().await.unwrap().forget();
        } else {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut known = self.known();
        known.at_work.remove(&place);
        if let Some(left @ 1..) = known.troubles.get_mut(&plugin) {
            *left -= 1;
            let message = "the server could not run the hook".into();
            return Err(HookError { message, retry_after: None, is_ours: true });
        }
        match known.failures.get_mut(&(plugin, hook.as_str())) {
            Some(left) if *left > 0 => {
                *left -= 1;
                let message = format!("{} is broken", hook.as_str());
                Err(HookError { message, retry_after: None, is_ours: false })
            }
            _ => Ok(()),
        }
    }

    fn longest(&self) -> Duration {
        LONGEST
    }

    async fn erase(&self, departure: &Departure) -> Result<(), storage::Error> {
        let Departure { tenant, plugin_key, at } = departure;
        let mut known = self.known();
        if known.erase_failures > 0 {
            known.erase_failures -= 1;
            return Err(storage::Error::TenantDeleted);
        }
        let is_back = known.installed.iter().any(|((owner, _), (deployment, _))| {
            *owner == tenant.as_str() && deployment.plugin_key == *plugin_key
        });
        let later = known.departed.get(&(tenant.to_string(), plugin_key.clone()));
        if is_back || later.is_some_and(|(_, later)| later != at) {
            return Ok(());
        }
        known.erased.push((tenant.to_string(), plugin_key.clone()));
        Ok(())
    }
}
