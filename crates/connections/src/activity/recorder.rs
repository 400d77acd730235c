//! Taking entries without ever holding up whoever brings them, and writing them in the background.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Ambient, Coded as _, ErrorCode, Timestamp};
use storage::{Database, Tx};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::entry::{Entry, Fact};
use super::pending::{Pending, Tally};
use crate::store::activity;

/// How long an entry waits for company before it is written.
const INTERVAL: Duration = Duration::from_millis(500);

/// How many different entries are written at once, and make the writer begin early.
const BATCH: usize = 500;

/// How long writing one batch may take.
const WRITE_DEADLINE: Duration = Duration::from_secs(15);

/// The pauses after a failed write: the first, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often a batch is tried that the database refuses, though it works.
const MAX_REFUSALS: u32 = 5;

/// How long the last entries may take to be written when the program ends.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// Takes note of what is done with connections. Cheap to clone.
///
/// Entries that say the same within half a second are written as one with a count. While the database is away they
/// wait, up to 10,000 different ones; then the oldest are dropped and counted in `jackfield_activity_dropped_total`.
#[derive(Clone)]
pub struct Activity {
    shared: Arc<Shared>,
    /// Ends the writer, once it has written what there is, when the last of these goes.
    _open: Arc<DropGuard>,
}

struct Shared {
    database: Database,
    ambient: Ambient,
    pending: Mutex<Pending>,
    wake: Notify,
    closing: CancellationToken,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Activity {
    /// Begins to write into `database`, in a task of the runtime that this is called in.
    pub fn start(database: Database, ambient: Ambient) -> Self {
        let closing = CancellationToken::new();
        let shared = Arc::new(Shared {
            database,
            ambient,
            pending: Mutex::default(),
            wake: Notify::new(),
            closing: closing.clone(),
            writer: Mutex::default(),
        });
        let writer = tokio::spawn(write(Arc::clone(&shared)));
        *lock(&shared.writer) = Some(writer);
        Self { shared, _open: Arc::new(closing.drop_guard()) }
    }

    /// Notes an entry of this moment. Never waits for the database and never fails.
    pub fn record(&self, entry: Entry) {
        let now = self.shared.ambient.now();
        let len = {
            let mut pending = lock(&self.shared.pending);
            pending.add(entry, now);
            pending.len()
        };
        if len == 1 || len >= BATCH {
            self.shared.wake.notify_one();
        }
    }

    /// Notes an entry if and when `tx` commits.
    pub async fn record_in(&self, tx: &mut Tx, entry: Entry) -> Result<(), storage::Error> {
        record_in(tx, entry, self.shared.ambient.now()).await
    }

    /// Writes what there is and stops; within 5 seconds, or what could not be written is counted as dropped.
    pub async fn close(&self) {
        self.shared.closing.cancel();
        let writer = lock(&self.shared.writer).take();
        if let Some(mut writer) = writer
            && timeout(CLOSE_DEADLINE, &mut writer).await.is_err()
        {
            writer.abort();
            let _ = writer.await;
            self.shared.give_up();
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.shared.database
    }
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity").field("pending", &self.shared.len()).finish_non_exhaustive()
    }
}

impl Shared {
    fn len(&self) -> usize {
        lock(&self.pending).len()
    }

    /// Waits until there is something to write, and a little longer for more.
    async fn gather(&self) {
        while self.len() == 0 && !self.closing.is_cancelled() {
            tokio::select! { () = self.wake.notified() => {}, () = self.closing.cancelled() => {} }
        }
        let due = sleep(INTERVAL);
        tokio::pin!(due);
        while self.len() < BATCH && !self.closing.is_cancelled() {
            tokio::select! {
                () = &mut due => break,
                () = self.wake.notified() => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    /// Writes one batch, however long the database is away; gives it up when the program ends meanwhile.
    async fn write_batch(&self, batch: Vec<(Fact, Tally)>) {
        let mut pause = FIRST_PAUSE;
        let mut refusals = 0;
        loop {
            let Err(error) = self.try_write(&batch).await else { return };
            refusals += u32::from(error.code() != ErrorCode::Unavailable);
            if pause == FIRST_PAUSE {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "activity cannot be written at the moment and is kept in memory"
                );
            }
            if self.closing.is_cancelled() || refusals >= MAX_REFUSALS {
                self.count_dropped(batch.iter().map(|(_, tally)| tally.count).sum());
                return;
            }
            tokio::select! { () = sleep(self.jittered(pause)) => {}, () = self.closing.cancelled() => {} }
            self.count_dropped(0);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A batch whose commit was answered by silence is written again: better twice than not at all.
    async fn try_write(&self, batch: &[(Fact, Tally)]) -> Result<(), storage::Error> {
        let written = timeout(WRITE_DEADLINE, async {
            let mut tx = self.database.begin().await?;
            activity::insert(&mut tx, batch).await?;
            tx.commit().await
        });
        written.await.unwrap_or_else(|_| {
            Err(storage::Error::DatabaseUnavailable(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
        })
    }

    /// Between half of `pause` and all of it.
    fn jittered(&self, pause: Duration) -> Duration {
        let part = f64::from(u16::from_be_bytes(self.ambient.bytes())) / f64::from(u16::MAX);
        pause.mul_f64(0.5 + part / 2.0)
    }

    /// Counts what is still there as dropped.
    fn give_up(&self) {
        let left = lock(&self.pending).take(usize::MAX);
        self.count_dropped(left.iter().map(|(_, tally)| tally.count).sum());
    }

    fn count_dropped(&self, more: u64) {
        let dropped = lock(&self.pending).take_dropped() + more;
        if dropped > 0 {
            metrics::counter!("jackfield_activity_dropped_total").increment(dropped);
            tracing::error!(
                activity.dropped = dropped,
                "entries of activity are lost, because the database could not take them"
            );
        }
    }
}

/// Notes an entry of the moment `now` if and when `tx` commits.
pub(crate) async fn record_in(tx: &mut Tx, entry: Entry, now: Timestamp) -> Result<(), storage::Error> {
    let tally = Tally { first_at: now, last_at: now, count: 1, duration: entry.duration };
    activity::insert(tx, &[(entry.fact, tally)]).await
}

/// Writes what comes until told to stop, and then the rest.
async fn write(shared: Arc<Shared>) {
    loop {
        shared.gather().await;
        let batch = lock(&shared.pending).take(BATCH);
        if batch.is_empty() {
            break;
        }
        shared.write_batch(batch).await;
        shared.count_dropped(0);
    }
}

/// What is locked is whole at any moment, also if a thread ended while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
