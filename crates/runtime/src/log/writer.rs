//! Taking lines without ever holding up the plugin that writes them, and writing them to the database in the background.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Ambient, TenantId};
use registry::Departure;
use storage::Database;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::pending::Pending;
use super::{Line, MAX_KEPT};
use crate::Installations;
use crate::orphans::of_installed;
use crate::store::{Place, lines};

/// How long a line waits for company before it is written.
const INTERVAL: Duration = Duration::from_millis(500);

/// How many waiting lines make the writer begin early.
const EARLY: usize = 2000;

/// How many lines are written at once: each has seven values, and a statement of PostgreSQL takes 65,535 of them.
const BATCH: usize = 500;

/// How long writing one batch may take, or deleting what is too old of one log. What cannot be written is dropped: it is a log,
/// and memory has a bound.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// How long the last lines may take to be written when the program ends.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// After so many lines of an installation, on average, those beyond what is kept are deleted.
const TRIM_AFTER: usize = 100;

/// Takes the lines of all plugins. Cheap to clone.
///
/// Lines wait for half a second at most, 200 of each installation and 20,000 of all; what is more is dropped, counted in
/// `jackfield_plugin_log_dropped_total`, and told in the log where it would have stood.
#[derive(Clone)]
pub struct Log {
    pub(super) shared: Arc<Shared>,
    /// Ends the writer, once it has written what there is, when the last of these goes.
    _open: Arc<DropGuard>,
}

pub(super) struct Shared {
    pub(super) database: Database,
    ambient: Ambient,
    pending: Mutex<Pending>,
    wake: Notify,
    closing: CancellationToken,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
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
        *lock(&shared.writer) = Some(tokio::spawn(write(Arc::clone(&shared))));
        Self { shared, _open: Arc::new(closing.drop_guard()) }
    }

    /// Takes a line. Never waits and never fails.
    pub(crate) fn add(&self, place: &Place, line: Line) {
        let len = {
            let mut pending = lock(&self.shared.pending);
            pending.add(place, line);
            pending.len()
        };
        if len == 1 || len >= EARLY {
            self.shared.wake.notify_one();
        }
    }

    /// Writes what there is and stops, within 5 seconds.
    pub async fn close(&self) {
        self.shared.closing.cancel();
        let writer = lock(&self.shared.writer).take();
        if let Some(mut writer) = writer
            && timeout(CLOSE_DEADLINE, &mut writer).await.is_err()
        {
            writer.abort();
            tracing::warn!("the last lines of plugins' logs could not be written in time");
        }
    }

    /// Deletes all lines that an installation had written until it departed, in small steps, those that wait to be written
    /// among them; nothing if there is another installation by now.
    pub(crate) async fn erase(
        &self,
        place: &Place,
        (installations, departure): (&dyn Installations, &Departure),
    ) -> Result<(), storage::Error> {
        let now = self.shared.ambient.now();
        let mut tx = self.shared.database.begin().await?;
        // In this order: a line of a later installation is written after that is there, and so has a later place.
        let last = lines::last(&mut tx, place).await?;
        if installations.has_successor(&mut tx, departure).await? {
            return Ok(());
        }
        drop(tx);
        lock(&self.shared.pending).forget(place, now);
        loop {
            let mut tx = self.shared.database.begin().await?;
            let deleted = lines::delete_some(&mut tx, place, (last, MAX_KEPT)).await?;
            tx.commit().await?;
            if deleted == 0 {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("pending", &lock(&self.shared.pending).len()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Waits until there is something to write, and a little longer for more.
    async fn gather(&self) {
        let len = || lock(&self.pending).len();
        while len() == 0 && !self.closing.is_cancelled() {
            tokio::select! { () = self.wake.notified() => {}, () = self.closing.cancelled() => {} }
        }
        let due = sleep(INTERVAL);
        tokio::pin!(due);
        while len() < EARLY && !self.closing.is_cancelled() {
            tokio::select! {
                () = &mut due => break,
                () = self.wake.notified() => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    async fn write(&self, batch: &[(&Place, &Line)]) {
        let written = timeout(WRITE_DEADLINE, async {
            let mut tx = self.database.begin().await?;
            let batch = of_installed(&mut tx, batch).await?;
            lines::insert(&mut tx, &batch).await?;
            tx.commit().await
        });
        let trouble = match written.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        let dropped = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        metrics::counter!("jackfield_plugin_log_dropped_total").increment(dropped);
        tracing::warn!(log.lines = dropped, log.trouble = trouble, "lines of plugins' logs are lost");
    }

    /// Deletes the lines of an installation that are too many by now. What fails is made up for another time.
    async fn trim(&self, place: &Place) {
        let trimmed = timeout(WRITE_DEADLINE, async {
            let mut tx = self.database.begin().await?;
            lines::trim(&mut tx, place).await?;
            tx.commit().await
        });
        if let Ok(Err(error)) = trimmed.await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the oldest lines of a log could not be deleted"
            );
        }
    }

    /// Whether it is time to look for lines that are too many, after `count` more: by chance, so that nothing is to be
    /// remembered of any installation.
    fn is_to_trim(&self, count: usize) -> bool {
        let drawn = usize::from(u16::from_be_bytes(self.ambient.bytes()));
        drawn * TRIM_AFTER < count.saturating_mul(usize::from(u16::MAX) + 1)
    }
}

/// Writes what comes until told to stop, and then the rest.
async fn write(shared: Arc<Shared>) {
    loop {
        shared.gather().await;
        let taken = lock(&shared.pending).take(shared.ambient.now());
        if taken.is_empty() {
            break;
        }
        let all: Vec<(&Place, &Line)> =
            taken.iter().flat_map(|(place, lines)| lines.iter().map(move |line| (place, line))).collect();
        for chunk in all.chunks(BATCH) {
            shared.write(chunk).await;
        }
        for (place, lines) in &taken {
            if shared.is_to_trim(lines.len()) {
                shared.trim(place).await;
            }
        }
    }
}

impl Log {
    /// Whose lines these are.
    pub(super) fn place(tenant: &TenantId, plugin_key: &str) -> Place {
        Place { tenant: tenant.clone(), plugin: plugin_key.to_owned() }
    }
}

/// What is locked is whole at any moment, also if a thread ended while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
