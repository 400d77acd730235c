//! Renewing in the background what is in use and ends soon, and what would die of idleness; telling of grants that will
//! die whatever is done.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use futures::StreamExt as _;
use model::{Event, EventKind, Timestamp};
use serde_json::json;

use super::decision::Demand;
use super::schedule::{self, FOREWARNING, Term};
use super::troubles::Line;
use super::{Error, Inner, Vault, uses};
use crate::catalog::ProviderId;
use crate::connection::{CredentialKey, named_user};
use crate::store::due_credentials::{self, DueRow, DyingRow};

/// How many renewals are under way at a time.
const CONCURRENCY: usize = 8;
/// The most renewals that may begin in a second, whatever the settings say.
const MAX_PER_SECOND: u32 = 10_000;
/// How many credentials are looked for at a time.
const BATCH: usize = 500;
/// How many times in one round.
const MAX_BATCHES: usize = 100;
/// How many grants' ends are told in one round.
const FOREWARNINGS: i64 = 500;
/// When to look again at what could not be renewed, where nothing says when.
const LOOK_AGAIN: Duration = Duration::from_mins(2);

/// Works every `interval`, for ever: the program spawns it, and aborts it when it ends.
pub async fn run(vault: Vault, interval: Duration) {
    loop {
        let spread = schedule::part(interval / 4, vault.0.random());
        tokio::time::sleep(interval.saturating_sub(spread)).await;
        for _ in 0..MAX_BATCHES {
            if vault.refresh_due(BATCH).await.unwrap_or_else(|error| tell("renewing", &error)) < BATCH {
                break;
            }
        }
        vault.forewarn().await.unwrap_or_else(|error| tell("telling of ends", &error));
        vault.write_uses().await.unwrap_or_else(|error| tell("noting uses", &error));
        vault.0.tokens.tidy();
    }
}

fn tell<T: Default>(what: &'static str, error: &Error) -> T {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the vault's work in the background failed: {what}"
    );
    T::default()
}

impl Vault {
    /// Renews up to `limit` credentials that are due, and tells how many were. Several replicas may do so at the same
    /// time: each credential is renewed once.
    pub async fn refresh_due(&self, limit: usize) -> Result<usize, Error> {
        let vault = &self.0;
        let now = vault.ambient.now();
        let mut conn = vault.database.read().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut due = due_credentials::due(&mut conn, now, limit).await?;
        drop(conn);
        let found = due.len();
        // Each replica in an order of its own, so that they seldom meet at the same row.
        let order = vault.random();
        due.sort_by_cached_key(|row| {
            let mut hasher = DefaultHasher::new();
            (order, &row.tenant, &row.connection_id).hash(&mut hasher);
            hasher.finish()
        });
        let mut pace = tokio::time::interval(
            Duration::from_secs(1) / vault.settings.background_per_second.clamp(1, MAX_PER_SECOND),
        );
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let paced = futures::stream::unfold((due.into_iter(), pace), |(mut rows, mut pace)| async {
            let row = rows.next()?;
            pace.tick().await;
            Some((row, (rows, pace)))
        });
        paced
            .for_each_concurrent(CONCURRENCY, |row| async move {
                if let Err(error) = self.attend(&row).await {
                    tell::<()>("renewing one", &error);
                }
            })
            .await;
        Ok(found)
    }

    async fn attend(&self, row: &DueRow) -> Result<(), Error> {
        let vault = &self.0;
        let now = vault.ambient.now();
        let tenant = row.tenant.parse().map_err(|_| Error::Corrupt)?;
        let key = CredentialKey { tenant, connection: row.connection_id.clone(), name: row.name.clone() };
        match vault.turn(row, now) {
            Turn::Now => {}
            Turn::At(later) => return postpone(vault, &key, row.refresh_at, Some(later)).await,
            Turn::WhenUsed => return postpone(vault, &key, row.refresh_at, None).await,
        }
        let outcome = vault.renew(&key, Demand::Background).await;
        let next = match &outcome {
            Ok(token) if token.version != row.version => return Ok(()),
            Err(Error::ConnectionRequired | Error::ReauthorizationRequired(_)) => return Ok(()),
            Ok(_) => None,
            Err(error) => error.retry_at(),
        };
        let spread = schedule::part(LOOK_AGAIN, vault.random());
        // Without effect where the attempt itself has said when to try again.
        postpone(vault, &key, row.refresh_at, Some(next.unwrap_or(now.plus(LOOK_AGAIN)).plus(spread)))
            .await?;
        match outcome {
            Err(error) if error.retry_at().is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// Records the coming end of grants that die whatever is done, once for each. Tells how many there were.
    pub async fn forewarn(&self) -> Result<usize, Error> {
        let vault = &self.0;
        let mut conn = vault.database.read().await?;
        let dying = due_credentials::dying(&mut conn, vault.ambient.now(), FOREWARNINGS).await?;
        drop(conn);
        for row in &dying {
            forewarn(vault, row).await?;
        }
        Ok(dying.len())
    }

    /// Writes down which connections were used since the last time.
    pub async fn write_uses(&self) -> Result<(), Error> {
        Ok(uses::write_down(&self.0).await?)
    }
}

/// When a due credential is better renewed.
enum Turn {
    Now,
    At(Timestamp),
    /// When somebody uses it: nobody has for a day.
    WhenUsed,
}

impl Inner {
    fn turn(&self, row: &DueRow, now: Timestamp) -> Turn {
        if !row.is_redeemable {
            return Turn::Now;
        }
        let line = Line {
            provider: row.provider.clone(),
            variables: row.variables.clone(),
            client_id: row.client_id.clone(),
        };
        if let Some(until) = self.troubles.until(&line, now) {
            return Turn::At(until.plus(schedule::part(LOOK_AGAIN, self.random())));
        }
        let moment = Timestamp::from_millisecond;
        if schedule::is_in_use(row.last_used_at.map(moment), moment(row.authorized_at), now) {
            return Turn::Now;
        }
        let term = Term { issued_at: moment(row.issued_at), expires_at: row.expires_at.map(moment) };
        let provider = row.provider.parse().ok();
        let idle_ttl = provider.and_then(|provider: ProviderId| self.redeem.rotation(&provider).idle_ttl);
        match schedule::refresh_at(&term, true, false, idle_ttl, self.random()) {
            Some(at) if at <= now => Turn::Now,
            Some(at) => Turn::At(at),
            None => Turn::WhenUsed,
        }
    }
}

async fn postpone(vault: &Inner, key: &CredentialKey, seen: i64, to: Option<Timestamp>) -> Result<(), Error> {
    let mut tx = vault.database.begin().await?;
    due_credentials::postpone(&mut tx, key, seen, to).await?;
    tx.commit().await?;
    Ok(())
}

async fn forewarn(vault: &Inner, row: &DyingRow) -> Result<(), Error> {
    let tenant: model::TenantId = row.tenant.parse().map_err(|_| Error::Corrupt)?;
    let key = CredentialKey {
        tenant: tenant.clone(),
        connection: row.connection_id.clone(),
        name: row.name.clone(),
    };
    let mut tx = vault.database.begin().await?;
    if !due_credentials::forewarned(&mut tx, &key, row.forewarn_at).await? {
        return Ok(());
    }
    let dies_at = Timestamp::from_millisecond(row.forewarn_at).plus(FOREWARNING);
    tx.record(Event {
        tenant: Some(tenant),
        kind: EventKind::ConnectionExpiring,
        subject: row.connection_id.clone(),
        data: json!({
            "provider": row.provider,
            "user_email": named_user(&row.user_email),
            "credential": row.name,
            "dies_at": dies_at.to_string(),
        }),
    });
    tx.commit().await?;
    Ok(())
}
