//! Putting events of the log into the queues of those who want them. One process does so at a time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::{EventPattern, TenantId};
use storage::{Batch, LoggedEvent, Next, Tx};

use super::store::{events, rows};
use super::{Inner, MAX_UNFINISHED, NewDelivery, Payload, Queue, enqueue};
use crate::subscription::targets;
use crate::{Error, Hook};

/// For how many queues it is remembered how many they may still take, and of how many tenants who wants what.
const REMEMBERED: usize = 20_000;

/// Somebody who wants events.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) queue: Queue,
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
    pub(crate) fn of_hook(tenant: &TenantId, hook: &Hook) -> Self {
        Self {
            queue: Queue::Hooks {
                tenant: tenant.clone(),
                plugin: hook.plugin.clone(),
                plugin_key: hook.plugin_key.clone(),
            },
            patterns: vec![hook.pattern.clone()],
            handler: hook.handler.clone(),
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

/// What the process that reads the log remembers.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    hooks: HashMap<TenantId, Arc<Vec<Hook>>>,
    /// How many a queue may still take, as far as this process knows: there may be room for more.
    room: HashMap<String, i64>,
}

impl Memory {
    /// Forgets what an event shows to have changed.
    fn heed(&mut self, event: &LoggedEvent) {
        let concerns_plugins =
            event.kind.starts_with("jackfield.installation.") || event.kind.starts_with("jackfield.plugin.");
        if !concerns_plugins {
            return;
        }
        match event.tenant.as_deref().and_then(|tenant| tenant.parse::<TenantId>().ok()) {
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

impl Inner {
    /// Reads some of what is new in the log. Tells whether there may be more.
    pub(crate) async fn read_log(&self) -> Result<bool, Error> {
        if self.stop.is_cancelled() {
            return Ok(false);
        }
        let mut memory = self.memory.lock().await;
        let batch = match self.reader.next().await? {
            Next::Batch(batch) => batch,
            Next::Nothing => return Ok(false),
            Next::Elsewhere => {
                *memory = Memory::default();
                return Ok(false);
            }
        };
        memory.bound();
        let fanned_out = self.fan_out(&mut memory, batch).await;
        if fanned_out.is_err() {
            // What was counted was not written.
            *memory = Memory::default();
        }
        drop(memory);
        self.wake_names(fanned_out?);
        Ok(true)
    }

    /// Writes deliveries of a batch, and takes it. Tells into which queues.
    async fn fan_out(&self, memory: &mut Memory, mut batch: Batch) -> Result<BTreeSet<String>, Error> {
        let events = std::mem::take(&mut batch.events);
        let tenants: BTreeSet<TenantId> =
            events.iter().filter_map(|event| event.tenant.as_deref()?.parse().ok()).collect();
        let mut by_tenant: HashMap<TenantId, Vec<Target>> = HashMap::new();
        let mut platform = Vec::new();
        for target in targets::of_tenants(&mut batch.tx, &tenants).await? {
            if target.is_platform {
                platform.push(target);
            } else {
                by_tenant.entry(target.queue.tenant().clone()).or_default().push(target);
            }
        }
        let mut chosen = Chosen::default();
        for event in events {
            memory.heed(&event);
            let tenant = event.tenant.as_deref().and_then(|tenant| tenant.parse::<TenantId>().ok());
            let mut wanting: Vec<Target> = Vec::new();
            if let Some(tenant) = &tenant {
                let own = by_tenant.get(tenant).map(Vec::as_slice).unwrap_or_default();
                wanting.extend(own.iter().filter(|target| target.wants(&event.kind, event.seq)).cloned());
                for hook in self.hooks(memory, tenant).await?.iter() {
                    let target = Target::of_hook(tenant, hook);
                    if target.wants(&event.kind, event.seq) {
                        wanting.push(target);
                    }
                }
            }
            wanting.extend(platform.iter().filter(|target| target.wants(&event.kind, event.seq)).cloned());
            if wanting.is_empty() {
                continue;
            }
            for target in wanting {
                chosen.wanting.push((event.seq, event.key.clone(), target));
            }
            self.payloads.remember(event).await;
        }
        let queues = self.put(memory, &mut batch.tx, chosen).await?;
        batch.commit().await?;
        Ok(queues)
    }

    /// Puts what is wanted into queues that have room; notes of the others where they are behind.
    async fn put(&self, memory: &mut Memory, tx: &mut Tx, chosen: Chosen) -> Result<BTreeSet<String>, Error> {
        let now = self.ambient.now();
        let names: BTreeSet<String> =
            chosen.wanting.iter().map(|(_, _, target)| target.queue.name()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let mut behind: BTreeSet<String> =
            events::places_behind(tx, &names).await?.into_iter().map(|(name, _)| name).collect();
        count_room(memory, tx, &names).await?;
        let (mut new, mut touched) = (Vec::new(), BTreeSet::new());
        for (seq, key, target) in chosen.wanting {
            let name = target.queue.name();
            if behind.contains(&name) {
                continue;
            }
            let room = memory.room.entry(name.clone()).or_insert(0);
            if *room == 0 && !target.is_halted {
                // It may have been emptied meanwhile.
                *room = room_of(tx, &name).await?.saturating_sub(pending(&new, &name));
            }
            if target.is_halted || *room <= 0 {
                events::fall_behind(tx, &target.queue, seq - 1, target.is_halted).await?;
                behind.insert(name);
                continue;
            }
            *room -= 1;
            new.push(target.delivery(seq, &key, now));
            touched.insert(name);
        }
        enqueue(tx, &new, now).await?;
        Ok(touched)
    }

    /// The handlers that want events in `tenant`.
    pub(crate) async fn hooks(
        &self,
        memory: &mut Memory,
        tenant: &TenantId,
    ) -> Result<Arc<Vec<Hook>>, Error> {
        let Some(plugins) = &self.plugins else { return Ok(Arc::default()) };
        if let Some(hooks) = memory.hooks.get(tenant) {
            return Ok(Arc::clone(hooks));
        }
        let hooks = Arc::new(plugins.hooks(tenant).await.map_err(Error::Plugins)?);
        memory.hooks.insert(tenant.clone(), Arc::clone(&hooks));
        Ok(hooks)
    }
}

/// Events, and who wants them.
#[derive(Debug, Default)]
struct Chosen {
    /// Place, key, and target.
    wanting: Vec<(i64, String, Target)>,
}

/// Finds out of queues that nothing is known of how many they may take.
async fn count_room(memory: &mut Memory, tx: &mut Tx, names: &[String]) -> Result<(), Error> {
    let unknown: Vec<&str> =
        names.iter().filter(|name| !memory.room.contains_key(*name)).map(String::as_str).collect();
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
