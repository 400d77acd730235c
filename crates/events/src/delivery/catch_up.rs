//! Giving queues what they lack: those that were paused, or had as much as they may have.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Event, EventKind, TenantId};
use serde_json::json;
use storage::Tx;

use super::fan_out::Target;
use super::store::events::{self, Behind};
use super::store::rows;
use super::{Inner, MAX_UNFINISHED, Queue, enqueue};
use crate::Error;
use crate::subscription::targets;

/// How many queues are looked at in one round.
const QUEUES: i64 = 64;

/// A queue is given more once it has no more unfinished ones than this.
const LOW: i64 = 1000;

/// How many events of the log are looked at for one queue in one transaction.
const EXAMINED: i64 = 10_000;

impl Inner {
    /// Gives some of the queues that lack events some of them. Tells whether there may be more to give.
    pub(crate) async fn catch_up(&self) -> Result<bool, Error> {
        let mut memory = self.memory.lock().await;
        let mut conn = self.database.read().await?;
        let after = std::mem::take(&mut *self.caught_up.lock().await);
        let behind = events::behind(&mut conn, &after, QUEUES).await?;
        let names: Vec<&str> = behind.iter().map(|behind| behind.queue.as_str()).collect();
        let counts = rows::count_unfinished(&mut conn, &names).await?;
        drop(conn);
        if let Some(last) = behind.last().filter(|_| count(names.len()) >= QUEUES) {
            // The others come in the next round.
            self.caught_up.lock().await.clone_from(&last.queue);
        }
        let mut has_more = false;
        for one in &behind {
            let unfinished =
                counts.iter().find(|(name, _)| *name == one.queue).map_or(0, |(_, count)| *count);
            let Some(queue) = one.read().filter(|_| unfinished <= LOW) else { continue };
            let hooks = match &queue {
                Queue::Hooks { tenant, .. } => self.hooks(&mut memory, tenant).await?,
                Queue::Subscription { .. } | Queue::Webhooks { .. } => Arc::default(),
            };
            let mut tx = self.database.begin().await?;
            let Some(cursor) = self.reader.hold(&mut tx).await? else { return Ok(false) };
            let targets = match &queue {
                Queue::Subscription { id, .. } => {
                    targets::of_subscription(&mut tx, id).await?.into_iter().collect()
                }
                Queue::Hooks { tenant, .. } => {
                    let of_it = hooks.iter().map(|hook| Target::of_hook(tenant, hook));
                    of_it.filter(|target| target.queue.name() == one.queue).collect()
                }
                Queue::Webhooks { .. } => Vec::new(),
            };
            let (given, is_level) =
                self.give(&mut tx, (one, &queue), targets, (cursor, MAX_UNFINISHED - unfinished)).await?;
            tx.commit().await?;
            memory.forget_room(&one.queue);
            if given {
                self.wake_names([one.queue.clone()]);
            }
            has_more |= !is_level;
        }
        Ok(has_more)
    }

    /// Puts what a queue lacks into it, as far as there is room. Tells whether something was put in, and whether that was all.
    async fn give(
        &self,
        tx: &mut Tx,
        (one, queue): (&Behind, &Queue),
        targets: Vec<Target>,
        (cursor, room): (i64, i64),
    ) -> Result<(bool, bool), Error> {
        let now = self.ambient.now();
        if targets.is_empty() {
            // Who wanted them is gone, or wants nothing any more.
            events::catch_up(tx, &one.queue, (one.from, None)).await?;
            return Ok((false, true));
        }
        let from = self.note_expired(tx, queue, one.from).await?;
        let is_platform = targets.iter().any(|target| target.is_platform);
        let tenant: Option<&TenantId> = if is_platform { None } else { Some(queue.tenant()) };
        let examined = events::kinds_between(tx, tenant, (from, cursor, EXAMINED)).await?;
        let is_last = count(examined.len()) < EXAMINED;
        let (mut new, mut through) = (Vec::new(), from);
        let mut is_full = false;
        for (seq, kind, key) in &examined {
            let wanting: BTreeSet<usize> = (0..targets.len())
                .filter(|index| targets.get(*index).is_some_and(|target| target.wants(kind, *seq)))
                .collect();
            if count(new.len() + wanting.len()) > room {
                is_full = true;
                break;
            }
            for target in wanting.into_iter().filter_map(|index| targets.get(index)) {
                new.push(target.delivery(*seq, key, now));
            }
            through = *seq;
        }
        let is_level = is_last && !is_full;
        let place = (!is_level).then_some(through);
        if events::catch_up(tx, &one.queue, (one.from, place)).await? {
            enqueue(tx, &new, now).await?;
        }
        Ok((!new.is_empty(), is_level || is_full))
    }

    /// Tells a subscription's tenant where the log no longer has all that it lacks. Tells from where on it does.
    async fn note_expired(&self, tx: &mut Tx, queue: &Queue, from: i64) -> Result<i64, Error> {
        let expired = crate::feed::expired_through(tx).await?;
        if expired <= from {
            return Ok(from);
        }
        tracing::warn!(
            tenant = %queue.tenant(), queue = queue.name(), from, to = expired,
            "the log no longer has some of the events that a queue was to be given"
        );
        if let Queue::Subscription { tenant, id } = queue {
            let data = json!({"from": from.to_string(), "to": expired.to_string()});
            let (kind, subject) = (EventKind::SubscriptionEventsExpired, id.clone());
            tx.record(Event { tenant: Some(tenant.clone()), kind, subject, data });
        }
        Ok(expired)
    }
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
