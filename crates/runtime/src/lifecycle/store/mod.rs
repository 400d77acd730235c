//! The SQL of runs: `runs` reads and makes them, `turns` has them done.

pub(crate) mod runs;
pub(crate) mod turns;

use model::{TenantId, Timestamp};
use sqlx::FromRow;

use super::{Hook, Run, State};

/// Whose runs are meant: a plugin in a tenant, by the key that tells it from all others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) plugin_key: &'a str,
}

/// The columns of a [`RunRow`].
macro_rules! run_columns {
    () => {
        "seq, plugin_id, plugin_key, version, event_id, event_kind, hook, state, attempts, next_attempt_at, last_error, \
         created_at, finished_at"
    };
}
pub(crate) use run_columns;

/// A run as it stands in the database.
#[derive(Debug, FromRow)]
pub(crate) struct RunRow {
    seq: i64,
    plugin_id: String,
    plugin_key: String,
    version: String,
    event_id: String,
    event_kind: String,
    hook: String,
    state: String,
    attempts: i64,
    next_attempt_at: i64,
    last_error: Option<String>,
    created_at: i64,
    finished_at: Option<i64>,
}

impl RunRow {
    /// The run; `None` for a hook or state of a later version of this program.
    pub(crate) fn into_run(self) -> Option<Run> {
        let state: State = self.state.parse().ok()?;
        let next_attempt_at = Some(self.next_attempt_at).filter(|_| state == State::Pending);
        Some(Run {
            id: self.seq,
            plugin: self.plugin_id,
            plugin_key: self.plugin_key,
            version: self.version,
            event: self.event_id,
            event_kind: self.event_kind,
            hook: self.hook.parse::<Hook>().ok()?,
            state,
            attempts: self.attempts,
            next_attempt_at: next_attempt_at.map(Timestamp::from_millisecond),
            error: self.last_error,
            created_at: Timestamp::from_millisecond(self.created_at),
            finished_at: self.finished_at.map(Timestamp::from_millisecond),
        })
    }
}
