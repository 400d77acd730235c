//! Putting events of others into the log.

mod attributes;
mod binary;
mod cloud_event;
mod json;
mod policy;
#[cfg(test)]
mod wire_tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::{Ambient, EventType, PluginId, Published, Sender, TenantId, new_id};
use serde_json::Value;
use storage::{Database, Group, GroupBounds, Tx, WriteTogether};

pub use binary::{binary, is_binary};
pub use cloud_event::{CloudEvent, MAX_EVENT_BYTES, after_hops};
pub use json::{AsCloudEvent, BATCH, MAX_BATCH, STRUCTURED, batch, structured};
pub use policy::EventPolicy;

pub(crate) use policy::{delete as delete_policy, read as read_policy};

use crate::Error;
use attributes::SUBJECT;

/// How many requests one transaction writes, and how many wait.
const BOUNDS: GroupBounds = GroupBounds { batch: 100, waiting: 1000 };

/// Puts events into the log for those who may. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    database: Database,
    log: Arc<Group<Log>>,
    ambient: Ambient,
}

/// Writes what several publish at the same time: a commit costs the same for all of them.
struct Log;

#[async_trait]
impl WriteTogether for Log {
    type Item = Vec<Published>;
    type Outcome = ();

    fn weight(events: &Self::Item) -> usize {
        events.iter().map(|event| memory(&event.data) + memory(&event.attributes)).sum()
    }

    async fn write(&self, tx: &mut Tx, items: &[Self::Item]) -> Result<Vec<()>, storage::Error> {
        items.iter().flatten().for_each(|event| tx.publish(event.clone()));
        Ok(vec![(); items.len()])
    }
}

/// About how much memory a value takes, in bytes. `[0,0]` takes many times as much as its text.
fn memory(value: &Value) -> usize {
    let within = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(memory).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + memory(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + within
}

/// What a page wants to say.
#[derive(Debug, Clone, PartialEq)]
pub struct PageEvent {
    /// Its type.
    pub kind: String,
    /// The particulars.
    pub data: Value,
    /// What it is about.
    pub subject: Option<String>,
    /// The hops of the event that has led to it.
    pub hops: Option<u32>,
}

/// What an event is known by once it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
}

impl Publisher {
    /// What publishes into the log of `database`. Must be called within a tokio runtime.
    pub fn new(database: Database, ambient: Ambient) -> Self {
        let log = Arc::new(Group::new(database.clone(), BOUNDS, Log));
        Self { database, log, ambient }
    }

    /// Takes nothing more, and waits until all that was handed in is written: to be called when the server ends.
    pub async fn close(&self) {
        self.log.close().await;
    }

    /// Takes all of `events` into the log of `tenant`, or none. One that was taken before, by its source and id, stays as it is.
    pub async fn publish(
        &self,
        tenant: &TenantId,
        sender: &Sender,
        events: Vec<CloudEvent>,
    ) -> Result<Vec<Taken>, Error> {
        let taken = |event: &CloudEvent| Taken { id: event.id().into(), source: event.source().into() };
        let told = events.iter().map(taken).collect();
        let published = events.into_iter().map(|event| event.published(tenant.clone(), sender.clone()));
        self.log.submit(published.collect()).await?;
        Ok(told)
    }

    /// Takes what a page of `plugin` says, if the plugin `emits` it and the tenant lets pages do so.
    ///
    /// # Errors
    /// [`Error::NotDeclared`], [`Error::NotAllowed`], and what is wrong with the event.
    pub async fn emit_from_page(
        &self,
        tenant: &TenantId,
        (plugin, emits): (&PluginId, impl Fn(&str) -> bool),
        event: PageEvent,
    ) -> Result<Taken, Error> {
        let kind: EventType = event.kind.parse()?;
        if event.subject.as_deref().is_some_and(|subject| !SUBJECT.0(subject)) {
            return Err(Error::invalid("/subject", SUBJECT.1));
        }
        let Some(hops) = event.hops.map_or(Some(0), after_hops) else {
            return Err(Error::invalid(
                "/hops",
                "must be less than 8: events that lead to one another as often go in a circle",
            ));
        };
        if event.data.to_string().len() > MAX_EVENT_BYTES {
            return Err(Error::TOO_LARGE_EVENT);
        }
        if !emits(kind.as_str()) {
            return Err(Error::NotDeclared(kind.as_str().into()));
        }
        if !self.policy(tenant).await?.lets_emit(kind.as_str()) {
            return Err(Error::NotAllowed(kind.as_str().into()));
        }
        let (id, source) = (new_id(&self.ambient), format!("jackfield/plugins/{plugin}"));
        let event = Published {
            tenant: tenant.clone(),
            kind,
            source: source.clone(),
            id: id.clone(),
            subject: event.subject,
            key: None,
            sender: Sender::Page(plugin.clone()),
            hops,
            attributes: Value::Null,
            data: event.data,
        };
        self.log.submit(vec![event]).await?;
        Ok(Taken { id, source })
    }

    /// What `tenant` lets pages do.
    pub async fn policy(&self, tenant: &TenantId) -> Result<EventPolicy, Error> {
        Ok(read_policy(&self.database, tenant).await?)
    }

    /// Has `policy` hold in `tenant` from now on; `by` is noted in the log.
    pub async fn set_policy(&self, tenant: &TenantId, policy: &EventPolicy, by: &str) -> Result<(), Error> {
        Ok(policy::write(&self.database, tenant, policy, (by, self.ambient.now())).await?)
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Publisher")
    }
}
