//! Giving queues what they lack: those that were paused, or had as much as they may have.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Event, EventKind, TenantId};
use serde_json::json;
use storage::Tx;

use super::fan_out::{Memory, Target};
use super::store::events::{self, Behind};
use super::store::{queues, rows};
use super::{Inner, MAX_UNFINISHED, Queue, enqueue};
use crate::Error;
use crate::subscription::targets;

/// How many queues are looked at in one round.
const QUEUES: u32 = 64;

/// A queue is given more once it has no more unfinished ones than this.
const LOW: i64 = 1000;

/// How many events of the log are looked at for one queue in one transaction.
const EXAMINED: i64 = 10_000;

/// How far catching up has come: round after round, of each of which one step gives one queue something.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// The queue that was looked at last.
    after: String,
    /// How many may still be looked at.
    left: u32,
}

/// What a step has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It has come further.
    Further,
    /// There was nothing to be done for now.
    Nothing,
    /// Another process reads the log.
    Elsewhere,
}

impl Inner {
    /// Gives one of the queues that lack events some of them; where `is_new`, a round begins. Tells whether it did.
    pub(crate) async fn catch_up(&self, is_new: bool) -> Result<bool, Error> {
        let (mut memory, mut round) = (self.memory.lock().await, self.round.lock().await);
        if is_new {
            round.left = QUEUES;
        }
        while round.left > 0 && !self.stop.is_cancelled() {
            round.left -= 1;
            let mut conn = self.database.read().await?;
            let Some(one) = events::behind(&mut conn, &round.after, 1).await?.pop() else {
                (round.after, round.left) = (String::new(), 0);
                break;
            };
            round.after.clone_from(&one.queue);
            let unfinished = rows::count_some(&mut conn, &one.queue, LOW + 1).await?;
            drop(conn);
            if unfinished > LOW {
                continue;
            }
            match self.give_one(&mut memory, &one, MAX_UNFINISHED - unfinished).await {
                Ok(Step::Further) => return Ok(true),
                Ok(Step::Nothing) => {}
                Ok(Step::Elsewhere) => break,
                // Others do not wait for it.
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    queue = one.queue,
                    "a queue cannot be given the events that it lacks at the moment"
                ),
            }
        }
        Ok(false)
    }

    async fn give_one(&self, memory: &mut Memory, one: &Behind, room: i64) -> Result<Step, Error> {
        let (queue, of_all) = (one.read(), one.all_hooks_of());
        // Before the transaction: what is asked here reads the database, too.
        let hooks = match (&queue, &of_all) {
            (_, Some(tenant)) | (Some(Queue::Hooks { tenant, .. }), None) => {
                self.hooks(memory, tenant).await?
            }
            _ => Arc::default(),
        };
        let mut tx = self.database.begin().await?;
        let Some(cursor) = self.reader.hold(&mut tx).await? else { return Ok(Step::Elsewhere) };
        if memory.fit(cursor) && queue.as_ref().is_none_or(|queue| queue.kind() == "hooks") {
            // Another process has read the log meanwhile: what is remembered of plugins may be old. They come again.
            tx.commit().await?;
            return Ok(Step::Nothing);
        }
        if of_all.is_some() {
            let targets: BTreeMap<&str, &Queue> =
                hooks.iter().map(|target| (target.name.as_str(), &target.queue)).collect();
            queues::lock(&mut tx, &targets.keys().copied().collect::<Vec<_>>()).await?;
            for target in targets.values() {
                events::fall_behind(&mut tx, target, one.from, false).await?;
            }
            events::each_falls_behind(&mut tx, &one.queue).await?;
            tx.commit().await?;
            return Ok(Step::Further);
        }
        let targets = match &queue {
            Some(Queue::Subscription { id, .. }) => {
                targets::of_subscription(&mut tx, id).await?.map(Arc::new).into_iter().collect()
            }
            Some(Queue::Hooks { .. }) => {
                hooks.iter().filter(|target| target.name == one.queue).cloned().collect()
            }
            Some(Queue::Webhooks { .. }) => Vec::new(),
            // Of a later version of this program.
            None => return Ok(Step::Nothing),
        };
        if targets.iter().any(|target| target.is_halted) {
            // It was paused meanwhile, and is given all that it lacks once it is resumed.
            return Ok(Step::Nothing);
        }
        let Some(queue) = queue else { return Ok(Step::Nothing) };
        let given = self.give(&mut tx, (one, &queue), targets, (cursor, room)).await?;
        tx.commit().await?;
        memory.forget_room(&one.queue);
        if given {
            self.wake_names([one.queue.clone()]);
        }
        Ok(Step::Further)
    }

    /// Puts what a queue lacks into it, as far as there is room, and notes from where on it still lacks some. Tells whether something
    /// was put in.
    async fn give(
        &self,
        tx: &mut Tx,
        (one, queue): (&Behind, &Queue),
        targets: Vec<Arc<Target>>,
        (cursor, room): (i64, i64),
    ) -> Result<bool, Error> {
        let now = self.ambient.now();
        if targets.is_empty() {
            // Who wanted them is gone, or wants nothing any more.
            events::catch_up(tx, &one.queue, (one.from, None)).await?;
            return Ok(false);
        }
        let from = self.note_expired(tx, queue, one.from).await?;
        let is_platform = targets.iter().any(|target| target.is_platform);
        let tenant: Option<&TenantId> = if is_platform { None } else { Some(queue.tenant()) };
        let examined = events::kinds_between(tx, tenant, (from, cursor, EXAMINED)).await?;
        let is_last = count(examined.len()) < EXAMINED;
        let (mut new, mut through) = (Vec::new(), from);
        let mut is_full = false;
        for (seq, kind, key) in &examined {
            let wanting = || targets.iter().filter(|target| target.wants(kind, *seq));
            if count(new.len() + wanting().count()) > room {
                is_full = true;
                break;
            }
            new.extend(wanting().map(|target| target.delivery(*seq, key, now)));
            through = *seq;
        }
        let place = (!is_last || is_full).then_some(through);
        let is_still_there = events::catch_up(tx, &one.queue, (one.from, place)).await?;
        if is_still_there {
            enqueue(tx, &new, now).await?;
        }
        Ok(is_still_there && !new.is_empty())
    }

    /// Tells a subscription's tenant where the log no longer has all that it lacks. Tells from where on it does.
    async fn note_expired(&self, tx: &mut Tx, queue: &Queue, from: i64) -> Result<i64, Error> {
        let expired = events::expired_through(tx).await?;
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
