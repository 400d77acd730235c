//! Revoking many connections, as after a breach: slowly enough for the providers, and from where it was if it is
//! interrupted.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use model::{Coded as _, ErrorCode, TenantId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::store::revocation_runs::{self, RunRow, TargetRow};
use crate::{Connections, Error, Revocation};

/// How many connections are at work at the same time; most of them wait for their provider's turn.
const PAGE: i64 = 100;

/// How long an interrupted run can be continued. Later, a new one begins.
const CONTINUED_FOR: Duration = Duration::from_hours(24);

/// How often a deletion is tried while the database is busy or away.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 300;

/// Which connections a run revokes. What is `None` narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this tenant alone.
    pub tenant: Option<TenantId>,
    /// To this provider alone.
    pub provider: Option<String>,
    /// Of this user alone, in lower case.
    pub user_email: Option<String>,
    /// Only those whose user last consented before this moment.
    pub before: Option<Timestamp>,
}

/// A run that was begun.
#[derive(Debug, Clone)]
pub struct RevocationRun {
    /// Its id, a ULID.
    pub id: String,
    /// What it revokes.
    pub filter: RunFilter,
    /// When it began. Connections that were made or renewed later are left alone.
    pub started_at: Timestamp,
    /// Whether an earlier, interrupted run is continued.
    pub is_continued: bool,
    cursor: (String, String),
}

impl RevocationRun {
    /// The moment before which a user must have consented for the connection to be revoked.
    fn bound(&self) -> Timestamp {
        self.filter.before.map_or(self.started_at, |before| before.min(self.started_at))
    }
}

/// What became of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The provider has confirmed, and it is deleted here.
    AtProvider,
    /// The provider has not confirmed; it is deleted here.
    OnlyHere,
}

impl Outcome {
    /// What became of the connection that `revocation` is of.
    pub(crate) fn of(revocation: &Revocation) -> Self {
        if revocation.is_complete() { Self::AtProvider } else { Self::OnlyHere }
    }

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtProvider => "at_provider",
            Self::OnlyHere => "only_here",
        }
    }
}

/// What came of a run, over all the processes that worked at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunReport {
    /// By provider.
    pub providers: BTreeMap<String, ProviderReport>,
    /// Whether the run has come to its end; otherwise it was interrupted and can be continued.
    pub is_finished: bool,
}

/// What came of the connections to one provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderReport {
    /// How many the provider has confirmed.
    pub at_provider: i64,
    /// How many are deleted here alone, by reason.
    pub only_here: BTreeMap<String, i64>,
    /// How many are still here.
    pub left: i64,
    /// Why this process could not delete some of them, with how many.
    pub not_deleted: BTreeMap<String, i64>,
}

impl RunReport {
    /// How many were revoked at their providers.
    pub fn at_provider(&self) -> i64 {
        self.providers.values().map(|provider| provider.at_provider).sum()
    }

    /// How many were deleted here alone.
    pub fn only_here(&self) -> i64 {
        self.providers.values().flat_map(|provider| provider.only_here.values()).sum()
    }

    /// How many are still here.
    pub fn left(&self) -> i64 {
        self.providers.values().map(|provider| provider.left).sum()
    }
}

/// How a run goes about it.
#[derive(Debug)]
pub struct RunOptions<'a> {
    /// The most revocations that begin in a second, for each provider.
    pub rate: NonZeroU32,
    /// Who revokes, for the record.
    pub by: &'a str,
    /// When cancelled, no further revocation begins, and those that are at work end.
    pub stop: CancellationToken,
}

/// What one connection's turn came to.
enum Turn {
    Done,
    NotDeleted { provider: String, reason: String },
    Stopped,
}

/// A process at work on a run.
struct Worker<'a> {
    connections: &'a Connections,
    run: &'a RevocationRun,
    options: &'a RunOptions<'a>,
    limiter: DefaultKeyedRateLimiter<String>,
    progress: &'a (dyn Fn() + Sync),
}

impl Connections {
    /// Begins a run, or continues the one with the same filter that was interrupted within the last 24 hours.
    pub async fn begin_revocations(&self, filter: RunFilter) -> Result<RevocationRun, Error> {
        let now = self.ambient.now();
        let found = {
            let mut conn = self.database.read().await?;
            revocation_runs::find_unfinished(&mut conn, &filter, now.minus(CONTINUED_FOR)).await?
        };
        if let Some(RunRow { id, cursor_tenant, cursor_id, started_at }) = found {
            let cursor = (cursor_tenant, cursor_id);
            let started_at = Timestamp::from_millisecond(started_at);
            return Ok(RevocationRun { id, filter, started_at, is_continued: true, cursor });
        }
        let id = model::new_id(&self.ambient);
        let mut tx = self.database.begin().await?;
        revocation_runs::insert(&mut tx, &id, &filter, now).await?;
        tx.commit().await?;
        Ok(RevocationRun { id, filter, started_at: now, is_continued: false, cursor: Default::default() })
    }

    /// How many connections a run with this filter, begun now, would revoke, by provider.
    pub async fn count_revocations(&self, filter: &RunFilter) -> Result<BTreeMap<String, i64>, Error> {
        let now = self.ambient.now();
        let bound = filter.before.map_or(now, |before| before.min(now));
        let mut conn = self.database.read().await?;
        let counts = revocation_runs::count_targets(&mut conn, filter, bound).await?;
        Ok(counts.into_iter().collect())
    }

    /// How many connections a run has still before it, those included that it could not delete.
    pub async fn revocations_left(&self, run: &RevocationRun) -> Result<i64, Error> {
        let mut conn = self.database.read().await?;
        let counts = revocation_runs::count_targets(&mut conn, &run.filter, run.bound()).await?;
        Ok(counts.into_iter().map(|(_, count)| count).sum())
    }

    /// Works at a run until its end, or until told to stop; `progress` is called after each connection. What is deleted
    /// is counted in the transaction that deletes it, so that the report holds however often the run was interrupted.
    ///
    /// # Errors
    /// Those of the database, where the run cannot go on. It can be continued.
    pub async fn run_revocations(
        &self,
        run: &RevocationRun,
        options: &RunOptions<'_>,
        progress: &(dyn Fn() + Sync),
    ) -> Result<RunReport, Error> {
        let quota = Quota::per_second(options.rate).allow_burst(NonZeroU32::MIN);
        let limiter = RateLimiter::keyed(quota);
        let worker = Worker { connections: self, run, options, limiter, progress };
        let not_deleted = Mutex::default();
        let is_finished = worker.work(&not_deleted).await?;
        let mut report = self.revocation_report(run).await?;
        report.is_finished = is_finished;
        for ((provider, reason), count) in not_deleted.into_inner().unwrap_or_else(PoisonError::into_inner) {
            report.providers.entry(provider).or_default().not_deleted.insert(reason, count);
        }
        Ok(report)
    }

    async fn revocation_report(&self, run: &RevocationRun) -> Result<RunReport, Error> {
        let mut report = RunReport::default();
        let mut conn = self.database.read().await?;
        for row in revocation_runs::outcomes(&mut conn, &run.id).await? {
            let provider = report.providers.entry(row.provider).or_default();
            if row.outcome == Outcome::AtProvider.as_str() {
                provider.at_provider += row.connections;
            } else {
                *provider.only_here.entry(row.reason).or_default() += row.connections;
            }
        }
        for (provider, left) in revocation_runs::count_targets(&mut conn, &run.filter, run.bound()).await? {
            report.providers.entry(provider).or_default().left = left;
        }
        Ok(report)
    }
}

/// What could not be deleted, by provider and reason.
type Failures = BTreeMap<(String, String), i64>;

impl Worker<'_> {
    /// Whether the run has come to its end.
    async fn work(&self, failures: &Mutex<Failures>) -> Result<bool, Error> {
        let mut cursor = self.run.cursor.clone();
        loop {
            let page = self.page(&cursor).await?;
            let Some(last) = page.last().cloned() else { break };
            let turns = stream::iter(page).map(|target| self.turn(target));
            let turns: Vec<Turn> = turns.buffer_unordered(usize::try_from(PAGE).unwrap_or(1)).collect().await;
            for turn in turns {
                match turn {
                    Turn::Done => {}
                    Turn::Stopped => return Ok(false),
                    Turn::NotDeleted { provider, reason } => {
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        *failures.entry((provider, reason)).or_default() += 1;
                    }
                }
            }
            self.write(async |tx, now| {
                revocation_runs::advance(tx, &self.run.id, (&last.tenant, &last.id), now).await
            })
            .await?;
            cursor = (last.tenant, last.id);
        }
        self.write(async |tx, now| revocation_runs::finish(tx, &self.run.id, now).await).await?;
        Ok(true)
    }

    async fn page(&self, (tenant, id): &(String, String)) -> Result<Vec<TargetRow>, Error> {
        let (filter, bound) = (&self.run.filter, self.run.bound());
        let mut conn = self.connections.database.read().await?;
        Ok(revocation_runs::targets(&mut conn, filter, bound, (tenant, id), PAGE).await?)
    }

    async fn write(
        &self,
        statement: impl AsyncFnOnce(&mut storage::Tx, Timestamp) -> Result<(), storage::Error>,
    ) -> Result<(), Error> {
        let mut tx = self.connections.database.begin().await?;
        statement(&mut tx, self.connections.ambient.now()).await?;
        Ok(tx.commit().await?)
    }

    async fn turn(&self, target: TargetRow) -> Turn {
        tokio::select! {
            biased;
            () = self.options.stop.cancelled() => return Turn::Stopped,
            () = self.limiter.until_key_ready(&target.provider) => {}
        }
        let revoked = self.revoke(&target).await;
        (self.progress)();
        match revoked {
            // Another process, or its user, was first, by ending it or by consenting again.
            Ok(()) | Err(Error::ConnectionNotFound(_) | Error::ChangedMeanwhile(_)) => Turn::Done,
            Err(error) => Turn::NotDeleted { provider: target.provider, reason: error.to_string() },
        }
    }

    async fn revoke(&self, target: &TargetRow) -> Result<(), Error> {
        let tenant: TenantId =
            target.tenant.parse().map_err(|_| Error::NotFound("tenant of this connection"))?;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let revoked =
                self.connections.revoke_in(&tenant, &target.id, self.options.by, Some(&self.run.id)).await;
            match revoked {
                Err(error) if error.code() == ErrorCode::Unavailable && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause.mul_f64(self.jitter())).await;
                    pause *= 2;
                }
                revoked => return revoked.map(drop),
            }
        }
        Ok(())
    }

    /// Between a half and one.
    fn jitter(&self) -> f64 {
        let part = u16::from_be_bytes(self.connections.ambient.bytes());
        0.5 + f64::from(part) / f64::from(u16::MAX) / 2.0
    }
}

/// The reason as it is kept.
pub(crate) fn kept_reason(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(MAX_REASON).collect()
}
