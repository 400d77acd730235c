//! Lifecycle hooks: a script is told when a tenant installs, uninstalls, switches on or switches off its plugin.
//!
//! The log says what has happened. A reader of it (`intake`) makes a run of each event and hook, once; runs of a plugin are
//! done in order (`turn`), each with a lease, until the hook has ended well or has failed for good. Nobody waits for them: an
//! install is done when it is in the log, and an uninstall as well.
//!
//! A hook is called at least once: where a process ends between the hook's end and its being written down, it is called
//! again, with the same event's id. It runs on what is installed at that time, with nobody as its caller. What keeps the server
//! itself from calling it is no attempt. Installing calls `onInstall`, then `onEnable`, because installing switches on.
//! Uninstalling calls `onUninstall` alone; runs that still wait are skipped, that of an earlier uninstall among them. Then what
//! the plugin had kept in the tenant is deleted, whatever became of the hook, unless the plugin is installed again. An upgrade
//! calls nothing. Deleting a tenant calls nothing either. Upstreams and components have no hooks.

mod error;
mod hook;
mod intake;
mod schema;
mod seams;
mod store;
mod turn;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Ambient, PluginId, TenantId, Timestamp};
use storage::{Database, LogReader};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use hook::{Hook, State};
pub use schema::{MIGRATIONS, TENANT_DATA};
pub use seams::{Found, HookError, Hooks, Installed};

use store::{RunRow, runs};

/// How many hooks this process has at work at once.
const AT_WORK: u32 = 8;

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// How long finished runs are kept.
const RETENTION: Duration = Duration::from_hours(30 * 24);

/// How many runs one transaction deletes.
const SWEPT_AT_ONCE: i64 = 500;

/// What lifecycle hooks are called with.
pub struct Parts {
    /// Where the log and the runs are.
    pub database: Database,
    /// What tenants have installed.
    pub installed: Arc<dyn Installed>,
    /// Calls hooks.
    pub hooks: Arc<dyn Hooks>,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// Has hooks called. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Lifecycle(Arc<Inner>);

/// What all runs share.
pub(crate) struct Inner {
    database: Database,
    installed: Arc<dyn Installed>,
    hooks: Arc<dyn Hooks>,
    reader: LogReader,
    /// Names this process in leases.
    owner: String,
    /// Told when there may be something to do.
    due: Notify,
    slots: Arc<Semaphore>,
    /// Nothing more is begun.
    stop: CancellationToken,
    /// What is at work is given up.
    cut_off: CancellationToken,
    ambient: Ambient,
}

/// A run: a hook's being told of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number. Later runs have larger ones.
    pub id: i64,
    /// The plugin's id.
    pub plugin: String,
    /// What tells the plugin from all others of this id.
    pub plugin_key: String,
    /// The version that was installed at the event.
    pub version: String,
    /// The id of the event.
    pub event: String,
    /// The event's type.
    pub event_kind: String,
    /// Which hook.
    pub hook: Hook,
    /// How far it has come.
    pub state: State,
    /// How many attempts were begun, since it was last asked for.
    pub attempts: i64,
    /// When the next attempt is due at the earliest, for a run that waits.
    pub next_attempt_at: Option<Timestamp>,
    /// What the last attempt failed with, or why it was skipped.
    pub error: Option<String>,
    /// When the event happened.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
}

/// A page of runs.
#[derive(Debug)]
pub struct Page {
    /// The runs, newest first.
    pub runs: Vec<Run>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
}

impl Lifecycle {
    /// Hooks over `parts`. None is called before [`Lifecycle::run`].
    pub fn new(parts: Parts) -> Self {
        let Parts { database, installed, hooks, ambient } = parts;
        let reader = LogReader::new(schema::READER, Hook::EVENTS, database.clone(), ambient.clone());
        Self(Arc::new(Inner {
            reader,
            owner: model::new_id(&ambient),
            due: Notify::new(),
            slots: Arc::new(Semaphore::new(AT_WORK as usize)),
            stop: CancellationToken::new(),
            cut_off: CancellationToken::new(),
            database,
            installed,
            hooks,
            ambient,
        }))
    }

    /// The runs of a plugin in a tenant, newest first: 50 where `limit` is left out, 200 at most. Those of a plugin that was
    /// uninstalled are among them.
    ///
    /// # Errors
    /// [`Error::Cursor`] for a cursor that no page gave; `NotInstalled` where there is neither an installation nor a run.
    pub async fn list(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page, Error> {
        let limit = limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
        let before = cursor.map_or(Ok(i64::MAX), place)?;
        let mut conn = self.0.database.read().await?;
        let wanted = (before, i64::from(limit) + 1);
        let rows = runs::list(&mut conn, tenant, plugin.as_str(), wanted).await?;
        drop(conn);
        let has_more = rows.len() > limit as usize;
        if rows.is_empty()
            && cursor.is_none()
            && matches!(self.0.installed.current(tenant, plugin).await?, Found::Nothing)
        {
            return Err(registry::Error::NotInstalled(plugin.to_string()).into());
        }
        let mut runs: Vec<Run> = rows.into_iter().filter_map(RunRow::into_run).collect();
        runs.truncate(limit as usize);
        let next_cursor = runs.last().filter(|_| has_more).map(|run| run.id.to_string());
        Ok(Page { runs, next_cursor })
    }

    /// Has a run that waits made at once; one that has failed or was skipped, once more, with all of its attempts before it.
    /// It still waits for an earlier run of the same plugin.
    ///
    /// # Errors
    /// [`Error::NoSuchRun`], [`Error::NotRepeatable`], [`Error::Departed`].
    pub async fn retry(&self, tenant: &TenantId, plugin: &PluginId, run: i64) -> Result<Run, Error> {
        let mut tx = self.0.database.begin().await?;
        let found = runs::find(&mut tx, tenant, plugin.as_str(), run).await?.and_then(RunRow::into_run);
        let found = found.ok_or(Error::NoSuchRun)?;
        match found.state {
            State::Running | State::Done => return Err(Error::NotRepeatable(found.state)),
            State::Failed | State::Skipped if found.hook == Hook::Uninstall => return Err(Error::Departed),
            State::Pending | State::Failed | State::Skipped => {}
        }
        if !runs::make_due(&mut tx, tenant, run, found.state, self.0.ambient.now()).await? {
            return Err(Error::NotRepeatable(State::Running));
        }
        let changed = runs::find(&mut tx, tenant, plugin.as_str(), run).await?.and_then(RunRow::into_run);
        tx.commit().await?;
        self.0.due.notify_one();
        changed.ok_or(Error::NoSuchRun)
    }

    /// Deletes runs that were finished 30 days ago. To be called now and then.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let oldest = self.0.ambient.now().minus(RETENTION);
        let mut tx = self.0.database.begin().await?;
        let swept = runs::sweep(&mut tx, oldest, SWEPT_AT_ONCE).await?;
        tx.commit().await?;
        Ok(swept)
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").field("owner", &self.0.owner).finish_non_exhaustive()
    }
}

fn place(cursor: &str) -> Result<i64, Error> {
    let is_plain = !cursor.is_empty() && cursor.bytes().all(|byte| byte.is_ascii_digit());
    cursor.parse().ok().filter(|_| is_plain).ok_or(Error::Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_page_gave_is_no_cursor() {
        assert_eq!(place("42").unwrap(), 42);
        for text in ["", "-1", "+1", " 1", "1 ", "٣", "x", &"9".repeat(40)] {
            assert!(matches!(place(text), Err(Error::Cursor)), "{text:?}");
        }
    }
}
