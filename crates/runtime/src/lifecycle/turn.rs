//! One attempt of a run: whether its hook is to be called, calling it, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use model::{Event, EventKind, PluginId, TenantId, Timestamp};
use registry::{BackendKind, Departure, Deployment};
use serde_json::{Value, json};
use storage::Tx;

use super::store::Of;
use super::store::turns::{self, Candidate, Hold, Wait};
use super::{Found, Hook, HookError, Inner, State, hook};
use crate::log::fit;

/// How long an attempt may take at least, and how much longer than the hook: its program must be read. What takes longer has
/// failed.
const LEAST_DEADLINE: Duration = Duration::from_mins(2);
const READING: Duration = Duration::from_secs(30);

/// How long a run stays taken where its process has ended.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// How often the lease of a run that is at work begins anew.
const HEARTBEAT: Duration = Duration::from_secs(8);

/// How long that may take.
const RENEWAL_DEADLINE: Duration = Duration::from_secs(5);

/// The pauses before what came of an attempt is written again.
const WRITING: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// The longest error that is kept, in bytes.
const MAX_ERROR: usize = 2048;

/// Why what an uninstall has overtaken is skipped.
pub(crate) const UNINSTALLED: &str = "the plugin was uninstalled meanwhile";

/// A run that this process has taken.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    hold: Hold,
    tenant: TenantId,
    plugin: PluginId,
    plugin_key: String,
    version: String,
    event_id: String,
    event_kind: String,
    hook: Hook,
    /// How the hook has ended, where only the rest is left to be done.
    outcome: Option<State>,
    last_error: Option<String>,
    /// Which attempt this is.
    attempt: i64,
    /// How often none could be made since the last.
    put_off: i64,
    created_at: i64,
    uninstalled_at: Option<i64>,
}

impl Turn {
    /// The turn that taking `candidate` gives; `None` for what only a later version of this program can have made.
    pub(crate) fn after_claim_of(candidate: &Candidate) -> Option<Self> {
        let outcome = candidate.outcome.as_deref().map(str::parse).transpose().ok()?;
        Some(Self {
            hold: Hold { seq: candidate.seq, fence: candidate.fence + 1 },
            tenant: candidate.tenant.parse().ok()?,
            plugin: candidate.plugin_id.parse().ok()?,
            plugin_key: candidate.plugin_key.clone(),
            version: candidate.version.clone(),
            event_id: candidate.event_id.clone(),
            event_kind: candidate.event_kind.clone(),
            hook: candidate.hook.parse().ok()?,
            outcome,
            last_error: candidate.last_error.clone(),
            attempt: candidate.attempts + i64::from(outcome.is_none()),
            put_off: candidate.put_off,
            created_at: candidate.created_at,
            uninstalled_at: candidate.uninstalled_at,
        })
    }

    fn of(&self) -> Of<'_> {
        Of { tenant: &self.tenant, plugin_key: &self.plugin_key }
    }

    /// Which departure an uninstall was.
    fn departure(&self) -> Departure {
        Departure {
            tenant: self.tenant.clone(),
            plugin_key: self.plugin_key.clone(),
            at: Timestamp::from_millisecond(self.uninstalled_at.unwrap_or(self.created_at)),
        }
    }

    /// What the hook finds as `ctx.event`. Its id is the same at each attempt.
    fn told(&self) -> Value {
        json!({
            "id": self.event_id,
            "type": self.event_kind,
            "time": Timestamp::from_millisecond(self.created_at),
            "version": self.version,
            "attempt": self.attempt,
        })
    }
}

/// What came of an attempt.
#[derive(Debug, Clone)]
enum End {
    /// The run is over.
    Over(State, Option<String>),
    /// The hook has failed, and is tried again after the pause.
    Again(Duration, String),
    /// Nobody knows yet, and this was no attempt. It waits for so long at least, and may tell why.
    NotNow(Duration, Option<String>),
}

impl End {
    fn skipped(reason: impl Into<String>) -> Self {
        Self::Over(State::Skipped, Some(reason.into()))
    }
}

impl Inner {
    /// Does what is to be done for a run that was taken, for as long as this process has its lease.
    pub(crate) async fn take_turn(&self, turn: &Turn) {
        tokio::select! {
            biased;
            () = self.work(turn) => {}
            () = self.lose(turn) => tracing::warn!(run.id = turn.hold.seq, "the lease of a run was lost"),
        }
    }

    /// Returns when the lease cannot be held any longer.
    async fn lose(&self, turn: &Turn) {
        let mut missed = 0;
        // The second beat that is missed in a row ends before the lease does.
        while missed < 2 {
            tokio::time::sleep(HEARTBEAT).await;
            let until = self.ambient.now().plus(LEASE);
            let renewed = async {
                let mut tx = self.database.begin().await?;
                let is_ours = turns::renew(&mut tx, turn.hold, until).await?;
                tx.commit().await?;
                Ok::<_, storage::Error>(is_ours)
            };
            match tokio::time::timeout(RENEWAL_DEADLINE, renewed).await {
                Ok(Ok(true)) => missed = 0,
                Ok(Ok(false)) => return,
                Ok(Err(_)) | Err(_) => missed += 1,
            }
        }
    }

    async fn work(&self, turn: &Turn) {
        let end = match turn.outcome {
            Some(outcome) => End::Over(outcome, turn.last_error.clone()),
            None => self.attempt(turn).await,
        };
        for pause in WRITING {
            tokio::time::sleep(pause).await;
            match self.conclude(turn, &end).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    run.id = turn.hold.seq,
                    "what came of a plugin's hook cannot be written down yet"
                ),
            }
        }
        // The lease ends, and another goes on: with the hook, unless its end could be noted.
    }

    async fn attempt(&self, turn: &Turn) -> End {
        if hook::is_beyond_the_last(turn.attempt) {
            let cut_off = "the server ended each time while the hook was at work";
            let error = match &turn.last_error {
                Some(former) => format!("{former}; after that {cut_off}"),
                None => cut_off.into(),
            };
            return End::Over(State::Failed, Some(fit(error, MAX_ERROR)));
        }
        let deployment = match self.callable(turn).await {
            Ok(Ok(deployment)) => deployment,
            Ok(Err(end)) => return end,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    run.id = turn.hold.seq,
                    "a plugin's hook cannot be called at the moment"
                );
                return End::NotNow(Duration::ZERO, Some("the server could not call the hook".into()));
            }
        };
        let call = self.hooks.call(deployment, turn.hook, turn.told());
        let deadline = LEAST_DEADLINE.max(self.hooks.longest() + READING);
        let error = match tokio::time::timeout(deadline, call).await {
            Ok(Ok(())) => return End::Over(State::Done, None),
            Ok(Err(error)) => error,
            Err(_) => {
                HookError { message: "the hook took too long".into(), retry_after: None, is_ours: false }
            }
        };
        let (message, least) = (fit(error.message, MAX_ERROR), error.retry_after.unwrap_or_default());
        if error.is_ours {
            return End::NotNow(least, Some(message));
        }
        match hook::pause_after(turn.attempt, &self.ambient) {
            Some(pause) => End::Again(pause.max(least), message),
            None => End::Over(State::Failed, Some(message)),
        }
    }

    /// The deployment whose hook is to be called, or how the run ends without.
    async fn callable(&self, turn: &Turn) -> Result<Result<Arc<Deployment>, End>, registry::Error> {
        if turn.hook == Hook::Uninstall {
            let departed = self.installed.departed(&turn.tenant, &turn.plugin_key).await?;
            return Ok(departed.map(Arc::new).ok_or_else(|| End::skipped(no_hook(Hook::Uninstall))));
        }
        let mut conn = self.database.read().await?;
        let is_overtaken = turns::is_overtaken(&mut conn, turn.of(), turn.hold.seq).await?;
        drop(conn);
        if is_overtaken {
            return Ok(Err(End::skipped(UNINSTALLED)));
        }
        let (deployment, lacks_consent) = match self.installed.current(&turn.tenant, &turn.plugin).await? {
            Found::Changing => return Ok(Err(End::NotNow(Duration::ZERO, None))),
            Found::Installed { deployment, lacks_consent } if deployment.plugin_key == turn.plugin_key => {
                (deployment, lacks_consent)
            }
            Found::Nothing | Found::Installed { .. } => {
                return Ok(Err(End::skipped("the plugin is not installed")));
            }
        };
        Ok(match reason_against(&deployment, lacks_consent, turn.hook) {
            Some(reason) => Err(End::skipped(reason)),
            None => Ok(deployment),
        })
    }

    async fn conclude(&self, turn: &Turn, end: &End) -> Result<(), super::Error> {
        let now = self.ambient.now();
        let (wait, outcome) = match end {
            End::Over(state, error) => return self.finish(turn, (*state, error.as_deref())).await,
            End::Again(pause, error) => {
                let until = now.plus(*pause);
                (Wait { until, error: Some(error), attempts: turn.attempt, put_off: 0 }, "retried")
            }
            End::NotNow(least, reason) => {
                let pause = hook::pause_put_off(turn.put_off, &self.ambient).max(*least);
                let error = reason.as_deref().or(turn.last_error.as_deref());
                let (attempts, put_off) = (turn.attempt - 1, turn.put_off.saturating_add(1));
                (Wait { until: now.plus(pause), error, attempts, put_off }, "put_off")
            }
        };
        let mut tx = self.database.begin().await?;
        let is_ours = turns::postpone(&mut tx, turn.hold, wait).await?;
        tx.commit().await?;
        if is_ours {
            count(turn.hook, outcome);
        }
        Ok(())
    }

    async fn finish(&self, turn: &Turn, (state, error): (State, Option<&str>)) -> Result<(), super::Error> {
        if turn.hook == Hook::Uninstall {
            let mut tx = self.database.begin().await?;
            if !turns::note_outcome(&mut tx, turn.hold, state, error).await? {
                return Ok(());
            }
            tx.commit().await?;
            self.clear(turn).await?;
        }
        let mut tx = self.database.begin().await?;
        if turns::finish(&mut tx, turn.hold, (state, error), self.ambient.now()).await? {
            if state == State::Failed {
                record_failure(&mut tx, turn);
            }
            tx.commit().await?;
            count(turn.hook, state.as_str());
        }
        Ok(())
    }

    /// Deletes what an uninstalled plugin had kept, unless it is installed again: then it goes on with it.
    async fn clear(&self, turn: &Turn) -> Result<(), super::Error> {
        let departure = turn.departure();
        self.hooks.erase(&departure).await?;
        Ok(self.installed.forget_departed(&departure).await?)
    }
}

/// Why the hook of an installation is not to be called.
fn reason_against(deployment: &Deployment, lacks_consent: bool, hook: Hook) -> Option<String> {
    let begins = matches!(hook, Hook::Install | Hook::Enable);
    match &deployment.kind {
        None => return Some("the plugin has no backend".into()),
        Some(BackendKind::Component | BackendKind::Upstream(_)) => {
            return Some("the plugin's backend is no script, and only scripts have hooks".into());
        }
        Some(BackendKind::Script) => {}
    }
    if !deployment.handlers.contains(hook.as_str()) {
        return Some(no_hook(hook));
    }
    if hook == Hook::Enable && !deployment.enabled {
        return Some("the plugin was switched off meanwhile".into());
    }
    if hook == Hook::Disable && deployment.enabled {
        return Some("the plugin was switched on meanwhile".into());
    }
    let waits_for_consent = begins && lacks_consent;
    waits_for_consent.then(|| "an admin has yet to consent to what this version asks for".into())
}

fn no_hook(hook: Hook) -> String {
    format!("the backend has no {}", hook.as_str())
}

fn record_failure(tx: &mut Tx, turn: &Turn) {
    tracing::warn!(
        tenant = %turn.tenant, plugin.id = %turn.plugin, hook = turn.hook.as_str(), run.id = turn.hold.seq,
        "a plugin's hook has failed for good"
    );
    let data = json!({
        "hook": turn.hook.as_str(), "run": turn.hold.seq, "event": turn.event_id, "attempts": turn.attempt,
        "version": turn.version, "pluginKey": turn.plugin_key,
    });
    let (tenant, kind) = (Some(turn.tenant.clone()), EventKind::PluginHookFailed);
    tx.record(Event { tenant, kind, subject: turn.plugin.to_string(), data });
}

fn count(hook: Hook, outcome: &'static str) {
    metrics::counter!("jackfield_lifecycle_attempts_total", "hook" => hook.as_str(), "outcome" => outcome)
        .increment(1);
}
