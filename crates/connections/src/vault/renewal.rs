//! Renewing one credential: looking, taking the lease, redeeming, writing down. Runs as a task that nobody's going away
//! ends.
//!
//! No database connection is held while the provider is asked. The steps are traced as `refresh.step`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Timestamp;

use super::conclusion::{self, Conclusion, Written};
use super::decision::{Demand, Step};
use super::redeem::Grant;
use super::schedule::{self, HTTP_DEADLINE, LEASE, PROBE_INTERVAL};
use super::stored::Stored;
use super::token::AccessToken;
use super::troubles::Line;
use super::{Error, Inner, unsaved};
use crate::connection::CredentialKey;
use crate::protocol::{CallError, Sent};
use crate::store::broken_apps;
use crate::store::credentials::{self, Hold};

/// How long anybody waits, all in all: another's lease, and a redemption of one's own after it.
const PATIENCE: Duration = Duration::from_secs(40);
/// What the caller's own clock allows beyond the deadline that the redemption promises to keep.
const GRACE: Duration = Duration::from_secs(1);
const POLL_MIN: Duration = Duration::from_millis(20);
const POLL_MAX: Duration = Duration::from_millis(500);

/// The token that `demand` asks for.
pub(super) async fn obtain(
    vault: Arc<Inner>,
    key: CredentialKey,
    demand: Demand,
) -> Result<Arc<AccessToken>, Error> {
    let started = Instant::now();
    let mut refused = demand.refused();
    for polls in 0.. {
        let epoch = vault.tokens.epoch();
        if let Some(token) = vault.unsaved.get(&key, vault.ambient.now()) {
            return unsaved_or_error(token, refused, vault.ambient.now());
        }
        let Some(stored) = Stored::load(&vault, &key).await? else {
            vault.tokens.forget(&key);
            return Err(Error::ConnectionRequired);
        };
        let now = vault.ambient.now();
        if demand == Demand::Forced(None) && refused.is_none() {
            refused = Some(stored.hold.version);
        }
        match stored.state.decide(demand, refused, now) {
            Step::Serve => {
                vault.keep(&key, &stored, Some(demand), epoch);
                return Ok(stored.token);
            }
            Step::Fail(error) => return Err(error),
            Step::Wait => tokio::time::sleep(pause(polls, vault.random())).await,
            Step::GiveUp(reason) => give_up(&vault, &key, stored.hold, reason).await?,
            Step::Redeem => match redeem(&vault, &key, &stored, demand).await {
                Ok(Some(token)) => return Ok(token),
                Ok(None) => {}
                Err(error @ Error::ReauthorizationRequired(_)) => return Err(error),
                Err(_) if stored.state.may_serve(refused, now) => return Ok(stored.token),
                Err(error) => return Err(error),
            },
        }
        if started.elapsed() > PATIENCE {
            break;
        }
    }
    Err(Error::UpstreamTimeout { retry_at: vault.ambient.now().plus(HTTP_DEADLINE) })
}

fn unsaved_or_error(
    token: Arc<AccessToken>,
    refused: Option<i64>,
    now: Timestamp,
) -> Result<Arc<AccessToken>, Error> {
    if refused == Some(token.version) {
        // Nothing newer can be had before this one is written down.
        return Err(Error::UpstreamUnavailable { retry_at: now.plus(HTTP_DEADLINE) });
    }
    Ok(token)
}

/// A pause before the `polls`th look at a lease of another process, with jitter.
pub(super) fn pause(polls: u32, random: u64) -> Duration {
    let ceiling = POLL_MIN.saturating_mul(1 << polls.min(8)).min(POLL_MAX);
    POLL_MIN / 2 + schedule::part(ceiling, random)
}

fn step(name: &'static str, key: &CredentialKey) {
    tracing::trace!(refresh.step = name, connection.id = key.connection, credential = key.name);
}

/// One attempt. `None` where the row is to be looked at again, because somebody else was first or because nothing came
/// of it.
async fn redeem(
    vault: &Arc<Inner>,
    key: &CredentialKey,
    stored: &Stored,
    demand: Demand,
) -> Result<Option<Arc<AccessToken>>, Error> {
    let Some(hold) = lease(vault, key, stored.hold).await? else { return Ok(None) };
    step("leased", key);
    // The fence says that the row is as it was read: nobody was between the reading and the lease.
    let refresh = match stored.refresh_token(vault, key).await {
        Ok(refresh) => refresh,
        Err(error) => {
            unsaved::insist(vault, key, stored, hold, Conclusion::Unsent);
            return Err(error);
        }
    };
    let grant = Grant {
        tenant: key.tenant.clone(),
        connection: key.connection.clone(),
        provider: stored.provider.clone(),
        client_id: stored.app.client_id.clone(),
        variables: stored.variables.clone(),
        credential: key.name.clone(),
        refresh,
    };
    let sent_at = match mark_sent(vault, key, stored, hold).await {
        Ok(Some(sent_at)) => sent_at,
        Ok(None) => return Ok(None),
        Err(error) => {
            // The mark may stand though its commit failed; taken for true, it could cost the grant.
            unsaved::insist(vault, key, stored, hold, Conclusion::Unsent);
            return Err(error);
        }
    };
    step("marked", key);
    let began = Instant::now();
    let answer = tokio::time::timeout(HTTP_DEADLINE + GRACE, vault.redeem.redeem(&grant)).await;
    let answer = answer.unwrap_or(Err(CallError::Unreachable(Sent::Maybe)));
    step("redeemed", key);
    // A word about this one grant says nothing of the others.
    let is_refusal = matches!(answer, Err(CallError::Refused { .. } | CallError::TokenRejected));
    let conclusion = Conclusion::new(answer, stored, sent_at, vault.ambient.now(), vault.random());
    metrics::counter!("jackfield_credential_refreshes_total", "outcome" => conclusion.word()).increment(1);
    metrics::histogram!("jackfield_credential_refresh_duration_seconds")
        .record(began.elapsed().as_secs_f64());
    let line = Line {
        provider: stored.provider.to_string(),
        variables: stored.variables_text.clone(),
        client_id: stored.app.client_id.clone(),
    };
    vault.troubles.note(line, conclusion.trouble_until().filter(|_| !is_refusal), vault.ambient.now());
    conclude(vault, key, stored, demand, hold, conclusion).await
}

async fn lease(vault: &Inner, key: &CredentialKey, seen: Hold) -> Result<Option<Hold>, Error> {
    let now = vault.ambient.now();
    let mut tx = vault.database.begin().await?;
    let hold = credentials::lease(&mut tx, key, seen, &vault.replica, now, now.plus(LEASE)).await?;
    tx.commit().await?;
    Ok(hold)
}

/// Marks the attempt as sent, right before it is: a death before this loses nothing, one after it leaves the outcome
/// unknown. Where the OAuth app is broken, this takes the one trial that is due. `None` if the lease was lost, or the
/// trial is another's.
async fn mark_sent(
    vault: &Inner,
    key: &CredentialKey,
    stored: &Stored,
    hold: Hold,
) -> Result<Option<Timestamp>, Error> {
    let began = Instant::now();
    let now = vault.ambient.now();
    let mut tx = vault.database.begin().await?;
    if !credentials::mark_sent(&mut tx, key, hold, now, now.plus(LEASE)).await? {
        return Ok(None);
    }
    let may_try = stored.state.probe_at.is_none()
        || broken_apps::claim_probe(&mut tx, &stored.app, now, now.plus(PROBE_INTERVAL)).await?;
    if !may_try {
        drop(tx);
        release(vault, key, stored, hold).await?;
        return Ok(None);
    }
    tx.commit().await?;
    // The lease must outlast the redemption, however long the database took to answer.
    if began.elapsed() > HTTP_DEADLINE {
        release(vault, key, stored, hold).await?;
        return Ok(None);
    }
    Ok(Some(now))
}

async fn release(vault: &Inner, key: &CredentialKey, stored: &Stored, hold: Hold) -> Result<(), Error> {
    let mut tx = vault.database.begin().await?;
    credentials::release(&mut tx, key, hold, stored.sent_at).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes `conclusion` down. Where that cannot be done now, it goes on being tried, and new tokens are served from
/// memory meanwhile.
async fn conclude(
    vault: &Arc<Inner>,
    key: &CredentialKey,
    stored: &Stored,
    demand: Demand,
    hold: Hold,
    conclusion: Conclusion,
) -> Result<Option<Arc<AccessToken>>, Error> {
    let now = vault.ambient.now();
    let epoch = vault.tokens.epoch();
    let written = conclusion.write(vault, key, stored, hold, false).await;
    if matches!(written, Ok(Written::Done)) {
        step("written", key);
    }
    match (written, &conclusion) {
        (Ok(Written::Done), Conclusion::Renewed(renewal)) => {
            vault.keep_renewed(key, stored, demand, renewal, epoch);
            Ok(Some(Arc::clone(&renewal.token)))
        }
        (Ok(Written::Done), Conclusion::GrantRefused) => {
            vault.tokens.forget(key);
            Err(conclusion.error(now))
        }
        (Ok(Written::Overtaken), Conclusion::Renewed(_)) => {
            // Whoever has the lease now does not have these tokens. If the row is still of the version that they were
            // got with, they are the newest that there are.
            unsaved::rescue(vault, key, stored, hold, conclusion).await
        }
        (Ok(_), _) => Ok(None),
        (Err(error), Conclusion::Renewed(renewal)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                connection.id = key.connection,
                "renewed tokens could not be written down; they are kept in memory, and writing goes on being tried"
            );
            let token = Arc::clone(&renewal.token);
            unsaved::insist(vault, key, stored, hold, conclusion);
            Ok(Some(token))
        }
        (Err(error), _) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                connection.id = key.connection,
                "what came of a renewal could not be written down; it goes on being tried"
            );
            let told = conclusion.error(now);
            unsaved::insist(vault, key, stored, hold, conclusion);
            Err(told)
        }
    }
}

async fn give_up(vault: &Inner, key: &CredentialKey, hold: Hold, reason: &'static str) -> Result<(), Error> {
    let mut tx = vault.database.begin().await?;
    if conclusion::bury(vault, &mut tx, key, hold, reason).await? {
        tx.commit().await?;
        vault.tokens.forget(key);
        metrics::counter!("jackfield_credential_refreshes_total", "outcome" => "given_up").increment(1);
    }
    Ok(())
}
