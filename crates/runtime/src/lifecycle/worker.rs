//! Reading the log and beginning what is due, again and again, until the process ends.

use std::sync::Arc;
use std::time::Duration;

use storage::Next;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;

use super::store::turns;
use super::turn::{LEASE, Turn};
use super::{AT_WORK, Error, Inner, Lifecycle, intake};

/// How often the log is read and runs are looked for, without being told of any.
const POLL: Duration = Duration::from_secs(1);

/// How many runs of one tenant are at work at once, as far as is known when one is begun: processes that begin some at the same
/// time may go beyond it together.
const PER_TENANT: i64 = 4;

/// How long to wait for more once something was recorded, so that many events at once do not make a round each.
const GATHERING: Duration = Duration::from_millis(50);

/// The longest that leases may take to be released when the process ends, and that what is cut off may take to be gone.
const RELEASE_DEADLINE: Duration = Duration::from_secs(2);

impl Lifecycle {
    /// Makes runs of events and has them done, until [`Lifecycle::close`].
    pub async fn run(self) {
        let mut recorded = self.0.database.recorded();
        let mut interval = tokio::time::interval(POLL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_failing = false;
        loop {
            tokio::select! {
                biased;
                () = self.0.stop.cancelled() => return,
                _ = interval.tick() => {}
                () = self.0.due.notified(), if !was_failing => {}
                Ok(()) = recorded.changed(), if !was_failing => {
                    tokio::select! {
                        () = self.0.stop.cancelled() => return,
                        () = tokio::time::sleep(GATHERING) => recorded.mark_unchanged(),
                    }
                }
            }
            let round = self.round().await;
            if let Err(error) = &round
                && !was_failing
            {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "hooks of plugins cannot be called at the moment; it goes on being tried"
                );
            }
            was_failing = round.is_err();
        }
    }

    /// Makes runs of the events that there are, and begins those that are due, as far as there is room. Tells how many it has
    /// begun; it does not wait for their ends.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn round(&self) -> Result<usize, Error> {
        let read = self.0.read().await;
        // What is due goes on also where the log cannot be read.
        let begun = self.0.begin().await;
        read.and(begun)
    }

    /// Waits until nothing is at work in this process.
    pub async fn idle(&self) {
        // Nobody closes the semaphore.
        drop(self.0.slots.acquire_many(AT_WORK).await);
    }

    /// Begins nothing more, and gives what is at work until `deadline` to end. What is cut off is begun again by another
    /// process, or by the next start of this one. Tells whether all has ended.
    pub async fn close(&self, deadline: Duration) -> bool {
        self.0.stop.cancel();
        let has_ended = tokio::time::timeout(deadline, self.idle()).await.is_ok();
        if !has_ended {
            self.0.cut_off.cancel();
            if tokio::time::timeout(RELEASE_DEADLINE, self.idle()).await.is_err() {
                tracing::warn!("hooks of plugins that were cut off have not ended in time");
            }
        }
        match tokio::time::timeout(RELEASE_DEADLINE, self.0.release()).await {
            Ok(Ok(())) => {}
            // They end by themselves.
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "leases of plugins' hooks could not be released");
            }
            Err(_) => tracing::warn!("leases of plugins' hooks could not be released in time"),
        }
        has_ended
    }
}

impl Inner {
    async fn read(&self) -> Result<(), Error> {
        while !self.stop.is_cancelled()
            && let Next::Batch(mut batch) = self.reader.next().await?
        {
            for event in &batch.events {
                intake::take(&mut batch.tx, event, self.ambient.now()).await?;
            }
            batch.commit().await?;
        }
        Ok(())
    }

    async fn begin(self: &Arc<Self>) -> Result<usize, Error> {
        let mut begun = 0;
        loop {
            let free = self.slots.available_permits();
            if free == 0 {
                return Ok(begun);
            }
            let mut conn = self.database.read().await?;
            let limit = i64::try_from(free).unwrap_or(i64::from(AT_WORK));
            let due = turns::due(&mut conn, self.ambient.now(), PER_TENANT, limit).await?;
            drop(conn);
            let mut claimed = 0;
            for candidate in &due {
                // Of what only a later version can have made the statement gives nothing.
                let Some(turn) = Turn::after_claim_of(candidate) else { continue };
                let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
                    return Ok(begun + claimed);
                };
                // With the slot in hand: whoever ends this process says stop first, and then waits for all slots.
                if self.stop.is_cancelled() {
                    return Ok(begun + claimed);
                }
                if self.claim(candidate).await? {
                    claimed += 1;
                    self.start(turn, slot);
                }
            }
            begun += claimed;
            if claimed == 0 {
                return Ok(begun);
            }
        }
    }

    async fn claim(&self, candidate: &turns::Candidate) -> Result<bool, Error> {
        let until = self.ambient.now().plus(LEASE);
        let mut tx = self.database.begin().await?;
        match turns::claim(&mut tx, candidate, &self.owner, until).await {
            Ok(true) => {
                tx.commit().await?;
                Ok(true)
            }
            // Another process was first, with this run or with another of the plugin.
            Ok(false) | Err(storage::Error::Duplicate(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn start(self: &Arc<Self>, turn: Turn, slot: OwnedSemaphorePermit) {
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = inner.cut_off.cancelled() => {}
                () = inner.take_turn(&turn) => {}
            }
            drop(slot);
            inner.due.notify_one();
        });
    }

    async fn release(&self) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        let released = turns::release(&mut tx, &self.owner, self.ambient.now()).await?;
        tx.commit().await?;
        if released > 0 {
            tracing::info!(runs = released, "hooks of plugins were cut off; they are called again");
        }
        Ok(self.reader.release().await?)
    }
}
