//! Putting events of the log into the queues of those who want them. One process does so at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::{EventPattern, TenantId};
use storage::{Batch, LoggedEvent, Look, Next, Tx};

use super::store::{events, queues, rows};
use super::{Inner, MAX_UNFINISHED, NewDelivery, Payload, Queue, enqueue};
use crate::subscription::targets;
use crate::{Error, Hook};

/// For how many queues it is remembered how many they may still take, and of how many tenants who wants what.
const REMEMBERED: usize = 20_000;

/// How many rows one transaction writes, about: it ends with the event that goes beyond.
const ROWS: usize = 5000;

/// How long may be asked what plugins want, before a transaction; those of whom it is not known then lack the events for now.
const ASKING: Duration = Duration::from_secs(10);

/// Somebody who wants events.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) queue: Queue,
    /// The queue's name.
    pub(crate) name: String,
    pub(crate) patterns: Vec<EventPattern>,
    /// The handler of a plugin; empty where an endpoint gets them.
    pub(crate) handler: String,
    /// It wants what comes after this place.
    pub(crate) from_seq: i64,
    /// It is given nothing for now.
    pub(crate) is_halted: bool,
    /// It wants every tenant's events.
    pub(crate) is_platform: bool,
}

impl Target {
    /// The target that a plugin's handler is.
    fn of_hook(tenant: &TenantId, hook: Hook) -> Self {
        let Hook { plugin, plugin_key, pattern, handler } = hook;
        let queue = Queue::Hooks { tenant: tenant.clone(), plugin, plugin_key };
        Self {
            name: queue.name(),
            queue,
            patterns: vec![pattern],
            handler,
            from_seq: 0,
            is_halted: false,
            is_platform: false,
        }
    }

    /// Whether it wants an event of this type at this place.
    pub(crate) fn wants(&self, kind: &str, seq: i64) -> bool {
        seq > self.from_seq && self.patterns.iter().any(|pattern| pattern.matches(kind))
    }

    /// What is put into its queue.
    pub(crate) fn delivery(&self, seq: i64, key: &str, now: model::Timestamp) -> NewDelivery {
        NewDelivery {
            queue: self.queue.clone(),
            key: key.to_owned(),
            payload: Payload::Event { seq, handler: self.handler.clone() },
            due_at: now,
        }
    }
}

/// The place of an event, its index among those that were taken, and who wants it.
type Wanting = (i64, usize, Arc<Target>);

/// What plugins of a tenant want.
type Hooks = Arc<Vec<Arc<Target>>>;

/// What the process that reads the log remembers.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    hooks: HashMap<TenantId, Hooks>,
    /// How many a queue may still take, as far as this process knows: there may be room for more.
    room: HashMap<String, i64>,
    /// Through here this process knows the log, and what it remembers fits.
    through: Option<i64>,
}

impl Memory {
    /// Forgets all if another process has read the log on since, which stands at `cursor` now. Tells whether it did.
    pub(crate) fn fit(&mut self, cursor: i64) -> bool {
        let has_missed = self.through != Some(cursor);
        if has_missed {
            *self = Self { through: Some(cursor), ..Self::default() };
        }
        has_missed
    }

    /// Forgets what an event shows to have changed.
    fn heed(&mut self, event: &LoggedEvent) {
        let concerns_plugins =
            event.kind.starts_with("jackfield.installation.") || event.kind.starts_with("jackfield.plugin.");
        if !concerns_plugins {
            return;
        }
        match tenant_of(event) {
            Some(tenant) => drop(self.hooks.remove(&tenant)),
            // Of the shared catalog: of whoever has it.
            None => self.hooks.clear(),
        }
    }

    /// Forgets how many a queue may take.
    pub(crate) fn forget_room(&mut self, name: &str) {
        self.room.remove(name);
    }

    fn bound(&mut self) {
        if self.hooks.len() > REMEMBERED {
            self.hooks.clear();
        }
        if self.room.len() > REMEMBERED {
            self.room.clear();
        }
    }
}

/// What reading the log has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There may be more.
    Some,
    /// All was read.
    All,
    /// Another process reads.
    Elsewhere,
}

impl Inner {
    /// Reads some of what is new in the log.
    pub(crate) async fn read_log(&self) -> Result<Progress, Error> {
        if self.stop.is_cancelled() {
            return Ok(Progress::Elsewhere);
        }
        let mut memory = self.memory.lock().await;
        let read = self.read_some(&mut memory).await;
        if !matches!(read, Ok((_, Progress::Some | Progress::All))) {
            // What was counted was not written, or another has written.
            *memory = Memory::default();
        }
        drop(memory);
        let (queues, progress) = read?;
        if !queues.is_empty() {
            self.wake_names(queues);
        }
        Ok(progress)
    }

    async fn read_some(&self, memory: &mut Memory) -> Result<(BTreeSet<String>, Progress), Error> {
        let seen = match self.reader.look().await? {
            Look::Events(seen) => seen,
            Look::Nothing => return Ok((BTreeSet::new(), Progress::All)),
            Look::Elsewhere => return Ok((BTreeSet::new(), Progress::Elsewhere)),
        };
        memory.fit(seen.cursor);
        memory.bound();
        for event in &seen.events {
            memory.heed(event);
        }
        let tenants: BTreeSet<TenantId> = seen.events.iter().filter_map(tenant_of).collect();
        // Before the transaction: what is asked here reads the database, too.
        let unknown = self.ask(memory, &tenants).await;
        let batch = match self.reader.take(seen).await? {
            Next::Batch(batch) => *batch,
            Next::Nothing => return Ok((BTreeSet::new(), Progress::Some)),
            Next::Elsewhere => return Ok((BTreeSet::new(), Progress::Elsewhere)),
        };
        Ok((self.fan_out(memory, batch, (tenants, unknown)).await?, Progress::Some))
    }

    /// Finds out what the plugins of these tenants want, as far as it is not known. Gives the tenants of whom it cannot be told.
    async fn ask(&self, memory: &mut Memory, tenants: &BTreeSet<TenantId>) -> BTreeSet<TenantId> {
        let until = tokio::time::Instant::now() + ASKING;
        let mut unknown = BTreeSet::new();
        for tenant in tenants {
            let asked = tokio::time::timeout_at(until, self.hooks(memory, tenant)).await;
            let error = match asked {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            tracing::warn!(
                error = error.as_ref().map(|error| error as &dyn std::error::Error),
                %tenant,
                "what a tenant's plugins want cannot be told: they are given what happens later"
            );
            unknown.insert(tenant.clone());
        }
        unknown
    }

    /// Writes deliveries of a batch, and takes it, or as much of it as one transaction writes. Tells into which queues.
    async fn fan_out(
        &self,
        memory: &mut Memory,
        mut batch: Batch,
        (tenants, unknown): (BTreeSet<TenantId>, BTreeSet<TenantId>),
    ) -> Result<BTreeSet<String>, Error> {
        let mut by_tenant: HashMap<TenantId, Vec<Arc<Target>>> = HashMap::new();
        let mut platform = Vec::new();
        for target in targets::of_tenants(&mut batch.tx, &tenants).await?.into_iter().map(Arc::new) {
            if target.is_platform {
                platform.push(target);
            } else {
                by_tenant.entry(target.queue.tenant().clone()).or_default().push(target);
            }
        }
        let mut lacking: BTreeMap<TenantId, i64> = BTreeMap::new();
        let (mut wanting, mut taken, mut through) = (Vec::new(), Vec::new(), batch.through);
        for event in std::mem::take(&mut batch.events) {
            if wanting.len() >= ROWS {
                through = event.seq - 1;
                break;
            }
            let tenant = tenant_of(&event);
            let own = tenant.as_ref().and_then(|tenant| by_tenant.get(tenant)).into_iter().flatten();
            let hooks =
                tenant.as_ref().and_then(|tenant| memory.hooks.get(tenant)).cloned().unwrap_or_default();
            let before = wanting.len();
            let all = own.chain(hooks.iter()).chain(&platform);
            let those = all.filter(|target| target.wants(&event.kind, event.seq));
            wanting.extend(those.map(|target| (event.seq, taken.len(), Arc::clone(target))));
            if let Some(tenant) = tenant.filter(|tenant| unknown.contains(tenant)) {
                lacking.entry(tenant).or_insert(event.seq - 1);
            }
            if wanting.len() > before {
                taken.push(event);
            }
        }
        if through < batch.through {
            batch.only_through(through).await?;
        }
        let queues = self.put(memory, &mut batch.tx, (&taken, wanting), lacking).await?;
        batch.commit().await?;
        memory.through = Some(through);
        for event in taken {
            self.payloads.remember(event).await;
        }
        Ok(queues)
    }

    /// Puts what is wanted into queues that have room; notes of the others where they are behind.
    async fn put(
        &self,
        memory: &mut Memory,
        tx: &mut Tx,
        (taken, wanting): (&[LoggedEvent], Vec<Wanting>),
        lacking: BTreeMap<TenantId, i64>,
    ) -> Result<BTreeSet<String>, Error> {
        let now = self.ambient.now();
        let mut names: BTreeSet<&str> = wanting.iter().map(|(_, _, target)| target.name.as_str()).collect();
        // Those of whom it was not known once what they want lack what comes now, too, until they have caught up.
        let tenants =
            wanting.iter().map(|(_, _, target)| &target.queue).filter(|queue| queue.kind() == "hooks");
        let of_tenants: BTreeSet<String> = tenants.map(|queue| events::hooks_of(queue.tenant())).collect();
        names.extend(of_tenants.iter().map(String::as_str));
        let names: Vec<&str> = names.into_iter().collect();
        queues::lock(tx, &names).await?;
        for (tenant, place) in lacking {
            events::all_fall_behind(tx, &tenant, place).await?;
        }
        let mut behind = events::behind_of(tx, &names).await?;
        count_room(memory, tx, &names).await?;
        let (mut new, mut touched) = (Vec::new(), BTreeSet::new());
        for (seq, event, target) in &wanting {
            let (seq, name) = (*seq, &target.name);
            if behind.contains(name)
                || (target.queue.kind() == "hooks"
                    && behind.contains(&events::hooks_of(target.queue.tenant())))
            {
                continue;
            }
            let room = memory.room.entry(name.clone()).or_insert(0);
            if *room == 0 && !target.is_halted {
                // It may have been emptied meanwhile.
                *room = room_of(tx, name).await?.saturating_sub(pending(&new, name));
            }
            if target.is_halted || *room <= 0 {
                events::fall_behind(tx, &target.queue, seq - 1, target.is_halted).await?;
                behind.insert(name.clone());
                continue;
            }
            *room -= 1;
            let Some(event) = taken.get(*event) else { continue };
            new.push(target.delivery(seq, &event.key, now));
            if !touched.contains(name) {
                touched.insert(name.clone());
            }
        }
        enqueue(tx, &new, now).await?;
        Ok(touched)
    }

    /// The handlers that want events in `tenant`.
    pub(crate) async fn hooks(&self, memory: &mut Memory, tenant: &TenantId) -> Result<Hooks, Error> {
        let Some(plugins) = &self.plugins else { return Ok(Arc::default()) };
        if let Some(hooks) = memory.hooks.get(tenant) {
            return Ok(Arc::clone(hooks));
        }
        let hooks = plugins.hooks(tenant).await.map_err(Error::Plugins)?;
        let hooks = hooks.into_iter().map(|hook| Arc::new(Target::of_hook(tenant, hook)));
        let hooks: Hooks = Arc::new(hooks.collect());
        memory.hooks.insert(tenant.clone(), Arc::clone(&hooks));
        Ok(hooks)
    }
}

fn tenant_of(event: &LoggedEvent) -> Option<TenantId> {
    event.tenant.as_deref()?.parse().ok()
}

/// Finds out of queues that nothing is known of how many they may take.
async fn count_room(memory: &mut Memory, tx: &mut Tx, names: &[&str]) -> Result<(), Error> {
    let unknown: Vec<&str> = names.iter().filter(|name| !memory.room.contains_key(**name)).copied().collect();
    for name in &unknown {
        memory.room.insert((*name).to_owned(), MAX_UNFINISHED);
    }
    for (name, count) in rows::count_unfinished(tx, &unknown).await? {
        memory.room.insert(name, (MAX_UNFINISHED - count).max(0));
    }
    Ok(())
}

async fn room_of(tx: &mut Tx, name: &str) -> Result<i64, Error> {
    let counted = rows::count_unfinished(tx, &[name]).await?;
    Ok((MAX_UNFINISHED - counted.first().map_or(0, |(_, count)| *count)).max(0))
}

/// How many of `new` are for this queue: they are counted, and not written yet.
fn pending(new: &[NewDelivery], name: &str) -> i64 {
    let count = new.iter().filter(|delivery| delivery.queue.name() == name).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}
