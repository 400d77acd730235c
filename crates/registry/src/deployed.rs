//! Deployments and programs that were asked for lately.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use equivalent::Equivalent;
use model::{PluginId, TenantId};
use moka::future::Cache as Memory;

use crate::Error;
use crate::backend::{Deployment, Program};

/// How long a deployment is kept in memory: so long may it be after another process changed it.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// The most deployments kept in memory.
const MAX_KEPT: u64 = 100_000;
/// How long a program is kept in memory, for those who start it at the same time.
const PROGRAM_KEPT_FOR: Duration = Duration::from_secs(5);
/// The most bytes of programs kept in memory.
const MAX_PROGRAM_BYTES: u64 = 64 * 1024 * 1024;
/// How many counts of changes there are. Deployments that share one are at worst read once more than need be.
const COUNTS: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key(TenantId, PluginId);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.as_str(), self.1.as_str()).hash(state);
    }
}

/// A [`Key`] that borrows, so that looking up copies nothing.
#[derive(Hash)]
struct Asked<'a>(&'a str, &'a str);

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0.as_str() && self.1 == key.1.as_str()
    }
}

/// A deployment as it was read.
#[derive(Clone)]
struct Seen {
    deployment: Arc<Deployment>,
    /// How many changes there had been before it was read.
    after: u64,
}

/// What was read lately, and never before a change that this process has made itself.
pub(crate) struct Cache {
    deployments: Memory<Key, Seen>,
    programs: Memory<String, Program>,
    /// How often all was forgotten, and how often one of those deployments that share a count.
    all: AtomicU64,
    some: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            deployments: Memory::builder().max_capacity(MAX_KEPT).time_to_live(KEPT_FOR).build(),
            programs: Memory::builder()
                .max_capacity(MAX_PROGRAM_BYTES)
                .time_to_live(PROGRAM_KEPT_FOR)
                .weigher(|_: &String, program: &Program| {
                    let map = program.source_map.as_ref().map_or(0, bytes::Bytes::len);
                    u32::try_from(program.bytes.len() + map).unwrap_or(u32::MAX)
                })
                .build(),
            all: AtomicU64::new(0),
            some: (0..COUNTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The deployment as `load` reads it, or has read it lately. A read that had begun before the last change that this process
    /// made before it asks is not good enough, also where it is under way.
    pub(crate) async fn deployment<F>(
        &self,
        tenant: &TenantId,
        id: &PluginId,
        load: impl Fn() -> F,
    ) -> Result<Arc<Deployment>, Error>
    where
        F: Future<Output = Result<Arc<Deployment>, Error>>,
    {
        let asked = Asked(tenant.as_str(), id.as_str());
        let since = self.changes(&asked);
        if let Some(found) = self.deployments.get(&asked).await
            && found.after >= since
        {
            return Ok(found.deployment);
        }
        loop {
            let read = async {
                let after = self.changes(&asked);
                Ok(Seen { deployment: load().await?, after })
            };
            let key = Key(tenant.clone(), id.clone());
            // Boxed, as it is seldom needed and would make every request's future larger.
            let found = Box::pin(self.deployments.try_get_with(key, read)).await.map_err(shared)?;
            if found.after >= since {
                return Ok(found.deployment);
            }
            self.deployments.invalidate(&asked).await;
        }
    }

    /// The program of a version, likewise.
    pub(crate) async fn program(
        &self,
        version_key: &str,
        load: impl Future<Output = Result<Program, Error>>,
    ) -> Result<Program, Error> {
        self.programs.try_get_with_by_ref(version_key, load).await.map_err(shared)
    }

    pub(crate) async fn forget(&self, tenant: &TenantId, id: &PluginId) {
        let asked = Asked(tenant.as_str(), id.as_str());
        if let Some(count) = self.count(&asked) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        self.deployments.invalidate(&asked).await;
    }

    pub(crate) fn forget_deployments(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
        self.deployments.invalidate_all();
    }

    pub(crate) fn forget_all(&self) {
        self.forget_deployments();
        self.programs.invalidate_all();
    }

    fn count(&self, asked: &Asked<'_>) -> Option<&AtomicU64> {
        let hash = usize::try_from(self.hasher.hash_one(asked) % COUNTS as u64).ok()?;
        self.some.get(hash)
    }

    /// How many changes this process has made that may concern it. Never becomes less.
    fn changes(&self, asked: &Asked<'_>) -> u64 {
        let some = self.count(asked).map_or(0, |count| count.load(Ordering::SeqCst));
        self.all.load(Ordering::SeqCst) + some
    }
}

/// A failure that several waited for, for each of them.
fn shared(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| error.for_another())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;

    use futures::poll;
    use tokio::sync::oneshot;

    use super::*;
    use crate::Grants;

    fn deployment(version: &str) -> Arc<Deployment> {
        Arc::new(Deployment {
            tenant: "acme".parse().unwrap(),
            plugin: "card".parse().unwrap(),
            plugin_key: "p".into(),
            version_key: "v".into(),
            version: version.into(),
            enabled: true,
            departed: false,
            incarnation: 1,
            kind: None,
            routes: Vec::new(),
            hooks: Vec::new(),
            listeners: [].into(),
            handlers: [].into(),
            hosts: Vec::new(),
            emits: [].into(),
            webhook: None,
            grants: Grants::default(),
            configuration: serde_json::Map::new(),
            sensitive: [].into(),
        })
    }

    #[tokio::test]
    async fn who_comes_after_a_change_is_not_told_of_before() {
        let (tenant, id) = ("acme".parse().unwrap(), "card".parse().unwrap());
        for all in [false, true] {
            let cache = Cache::new();
            let (go, gone) = oneshot::channel::<()>();
            let held = Cell::new(Some(gone));
            let mut before = pin!(cache.deployment(&tenant, &id, || {
                let gone = held.take().unwrap();
                async move {
                    gone.await.unwrap();
                    Ok(deployment("1.0.0"))
                }
            }));
            assert!(poll!(&mut before).is_pending());
            if all {
                cache.forget_deployments();
            } else {
                cache.forget(&tenant, &id).await;
            }
            let mut after = pin!(cache.deployment(&tenant, &id, || async { Ok(deployment("2.0.0")) }));
            assert!(poll!(&mut after).is_pending(), "it waits for the read that is under way");
            go.send(()).unwrap();
            assert_eq!(before.await.unwrap().version, "1.0.0");
            let late = cache.deployment(&tenant, &id, || async { Ok(deployment("2.0.0")) }).await.unwrap();
            assert_eq!(late.version, "2.0.0", "what the former read has put there is passed over");
            assert_eq!(after.await.unwrap().version, "2.0.0");
        }
    }
}
