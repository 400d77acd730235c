//! What came of a redemption, and how it is written down: in one transaction, and only over the row that it was made
//! for.

use std::sync::Arc;
use std::time::Duration;

use model::{Event, EventKind, TenantId, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use storage::{Sealed, Tx};

use super::decision::{self, RATE_LIMITED, REAUTHORIZE, TIMEOUT, UNAVAILABLE};
use super::schedule::{self, PROBE_INTERVAL, Repeat, Term};
use super::stored::{Stored, access_purpose, refresh_purpose};
use super::token::AccessToken;
use super::{Error, Inner};
use crate::activity::{self, ACTOR, Action, Entry};
use crate::connection::{CredentialKey, Tokens, named_user};
use crate::protocol::{CallError, Sent};
use crate::store::broken_apps;
use crate::store::credentials::{self, Hold, NewTokens, Setback};

/// Told where the provider answered `invalid_grant`.
const REFUSED: &str = "the provider no longer accepts the grant: it was revoked, or has expired";

/// What came of a redemption.
pub(super) enum Conclusion {
    /// The provider gave new tokens.
    Renewed(Renewal),
    /// It did not, or nobody knows; it is to be left alone for a while.
    SetBack(Setback),
    /// It no longer accepts the grant.
    GrantRefused,
    /// It does not accept the OAuth app.
    AppRefused,
    /// Nothing was sent, though the row may say so.
    Unsent,
}

/// New tokens.
pub(super) struct Renewal {
    pub(super) token: Arc<AccessToken>,
    pub(super) term: Term,
    refresh: Option<SecretString>,
}

/// What became of writing it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It stands.
    Done,
    /// The row is no longer the one that the redemption was made for.
    Overtaken,
}

impl Conclusion {
    /// What `answer` means for the credential that was sent at `sent_at`.
    pub(super) fn new(
        answer: Result<Tokens, CallError>,
        stored: &Stored,
        sent_at: Timestamp,
        now: Timestamp,
        random: u64,
    ) -> Self {
        let setback = |failure, retry_after| {
            let retry_at = now.plus(schedule::backoff(stored.failures, retry_after, random));
            // An earlier attempt of unknown outcome stays one, whatever came of this.
            Self::SetBack(Setback {
                failure,
                failures: stored.failures.saturating_add(1),
                retry_at: Some(retry_at),
                refresh_at: Some(retry_at),
                sent_at: stored.sent_at,
            })
        };
        match answer {
            Ok(tokens) => Self::Renewed(Renewal::new(tokens, stored, sent_at)),
            Err(CallError::InvalidGrant) => Self::GrantRefused,
            // Where the client's id and secret are the grant, it is the grant that is refused.
            Err(CallError::InvalidClient) if stored.own_grant => Self::GrantRefused,
            Err(CallError::InvalidClient) => Self::AppRefused,
            Err(CallError::RateLimited { retry_after }) => setback(RATE_LIMITED, retry_after),
            Err(CallError::Unavailable { retry_after, .. }) => setback(UNAVAILABLE, retry_after),
            Err(CallError::Unreachable(Sent::No) | CallError::Refused { .. } | CallError::TokenRejected) => {
                setback(UNAVAILABLE, None)
            }
            Err(CallError::Unreachable(Sent::Maybe)) => {
                Self::SetBack(unknown(TIMEOUT, stored, sent_at, now, random))
            }
            Err(CallError::Malformed(_)) => Self::SetBack(unknown(UNAVAILABLE, stored, sent_at, now, random)),
        }
    }

    /// The word for it in metrics and logs.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Renewed(_) => "renewed",
            Self::SetBack(setback) => setback.failure,
            Self::GrantRefused => "grant_refused",
            Self::AppRefused => "app_refused",
            Self::Unsent => "unsent",
        }
    }

    /// Until when the provider is better left alone altogether.
    pub(super) fn trouble_until(&self) -> Option<Timestamp> {
        match self {
            Self::SetBack(setback) => setback.retry_at,
            Self::Renewed(_) | Self::GrantRefused | Self::AppRefused | Self::Unsent => None,
        }
    }

    /// What a caller is told who has no other token.
    pub(super) fn error(&self, now: Timestamp) -> Error {
        match self {
            Self::Renewed(_) | Self::Unsent => Error::Interrupted,
            Self::SetBack(setback) => {
                decision::trouble(Some(setback.failure), setback.retry_at.unwrap_or(now))
            }
            Self::GrantRefused => Error::ReauthorizationRequired(REFUSED.to_owned()),
            Self::AppRefused => Error::AppBroken { retry_at: now.plus(PROBE_INTERVAL) },
        }
    }

    /// Writes it down, once. `is_late` where others may have given the grant up meanwhile.
    pub(super) async fn write(
        &self,
        vault: &Inner,
        key: &CredentialKey,
        stored: &Stored,
        hold: Hold,
        is_late: bool,
    ) -> Result<Written, storage::Error> {
        let mut tx = vault.database.begin().await?;
        let is_ours = match self {
            Self::Renewed(renewal) => renewal.write(vault, &mut tx, key, stored, hold, is_late).await?,
            Self::SetBack(setback) => credentials::set_back(&mut tx, key, hold, setback).await?,
            Self::GrantRefused => bury(vault, &mut tx, key, hold, REFUSED).await?,
            Self::AppRefused => refuse_app(vault, &mut tx, key, stored, hold).await?,
            Self::Unsent => credentials::release(&mut tx, key, hold, stored.sent_at).await?,
        };
        if !is_ours {
            return Ok(Written::Overtaken);
        }
        tx.commit().await?;
        Ok(Written::Done)
    }
}

/// Nobody knows whether the refresh token was redeemed. It is tried again only where, and for as long as, that is
/// allowed; otherwise the end of the access token is waited for.
fn unknown(
    failure: &'static str,
    stored: &Stored,
    sent_at: Timestamp,
    now: Timestamp,
    random: u64,
) -> Setback {
    let sent_at = stored.sent_at.unwrap_or(sent_at);
    let repeat = Repeat::new(stored.rotation, stored.own_grant, sent_at);
    let next = now.plus(schedule::backoff(stored.failures, None, random));
    let retry_at = match repeat {
        Repeat::Always => Some(next),
        // One last attempt at the end of the leeway, if the next would come after it.
        Repeat::Until(end) if end > now.plus(Duration::from_secs(1)) => Some(next.min(end)),
        Repeat::Until(_) | Repeat::Never => None,
    };
    Setback {
        failure,
        failures: stored.failures.saturating_add(1),
        retry_at,
        refresh_at: retry_at.or(stored.state.term.expires_at),
        sent_at: Some(sent_at),
    }
}

impl Renewal {
    fn new(tokens: Tokens, stored: &Stored, asked_at: Timestamp) -> Self {
        // Counted from before the call, so that a slow answer does not lengthen it.
        let term = Term::new(asked_at, tokens.expires_in);
        let token = AccessToken {
            secret: tokens.access,
            expires_at: term.expires_at,
            scopes: tokens.scopes.unwrap_or_else(|| stored.token.scopes.clone()),
            version: stored.hold.version + 1,
        };
        // The client's own grant is redeemed with the client's secret, which no answer replaces (RFC 6749, section
        // 4.4.3).
        let refresh = tokens.refresh.filter(|_| !stored.own_grant);
        Self { token: Arc::new(token), term, refresh }
    }

    async fn write(
        &self,
        vault: &Inner,
        tx: &mut Tx,
        key: &CredentialKey,
        stored: &Stored,
        hold: Hold,
        is_late: bool,
    ) -> Result<bool, storage::Error> {
        if is_late {
            credentials::lock_connection(tx, &key.tenant, &key.connection).await?;
        }
        let now = vault.ambient.now();
        let is_in_use = schedule::is_in_use(stored.last_used_at, stored.authorized_at, now);
        let idle_ttl = stored.rotation.idle_ttl;
        let tokens = NewTokens {
            sealed_access: seal(vault, tx, key, &access_purpose(key), &self.token.secret).await?,
            sealed_refresh: match &self.refresh {
                Some(refresh) => Some(seal(vault, tx, key, &refresh_purpose(key), refresh).await?),
                None => None,
            },
            scopes: json!(self.token.scopes).to_string(),
            issued_at: self.term.issued_at,
            expires_at: self.term.expires_at,
            dies_at: schedule::dies_at(&self.term, true, stored.authorized_at, stored.rotation),
            refresh_at: schedule::refresh_at(&self.term, true, is_in_use, idle_ttl, vault.random()),
        };
        if !credentials::renew(tx, key, hold, &tokens).await? {
            return Ok(false);
        }
        if stored.state.probe_at.is_some() {
            broken_apps::unmark(tx, &stored.app).await?;
        }
        if is_late
            && let Some((provider, user_email)) =
                credentials::unmark_connection(tx, &key.tenant, &key.connection, now).await?
        {
            tx.record(event(key, EventKind::ConnectionUpdated, &provider, &user_email));
        }
        Ok(true)
    }
}

/// Seals a token of `key`.
pub(super) async fn seal(
    vault: &Inner,
    tx: &mut Tx,
    key: &CredentialKey,
    purpose: &str,
    secret: &SecretString,
) -> Result<Sealed, storage::Error> {
    vault.sealer.seal(tx, &key.tenant, purpose, secret.expose_secret().as_bytes()).await
}

/// Marks the grant as dead, and its connection with the one event that tells of it.
pub(super) async fn bury(
    vault: &Inner,
    tx: &mut Tx,
    key: &CredentialKey,
    hold: Hold,
    reason: &str,
) -> Result<bool, storage::Error> {
    credentials::lock_connection(tx, &key.tenant, &key.connection).await?;
    if !credentials::bury(tx, key, hold, REAUTHORIZE).await? {
        return Ok(false);
    }
    let now = vault.ambient.now();
    let marked = credentials::mark_connection(tx, &key.tenant, &key.connection, reason, now).await?;
    if let Some((provider, user_email)) = marked {
        tx.record(event(key, EventKind::ConnectionNeedsReauth, &provider, &user_email));
        activity::record_in(tx, needs_reauth(key, reason), now).await?;
    }
    Ok(true)
}

fn needs_reauth(key: &CredentialKey, reason: &str) -> Entry {
    Entry::new(&key.tenant, ACTOR, Action::NeedsReauth).connection(&key.connection).detail(reason)
}

async fn refuse_app(
    vault: &Inner,
    tx: &mut Tx,
    key: &CredentialKey,
    stored: &Stored,
    hold: Hold,
) -> Result<bool, storage::Error> {
    let now = vault.ambient.now();
    let probe_at = now.plus(PROBE_INTERVAL);
    let setback = Setback {
        failure: UNAVAILABLE,
        failures: stored.failures,
        retry_at: None,
        refresh_at: Some(probe_at.plus(schedule::part(PROBE_INTERVAL, vault.random()))),
        sent_at: stored.sent_at,
    };
    if !credentials::set_back(tx, key, hold, &setback).await? {
        return Ok(false);
    }
    if broken_apps::mark(tx, &stored.app, now, probe_at).await? {
        let owner: Option<TenantId> = stored.app.owner.parse().ok();
        tracing::error!(
            provider = stored.app.provider,
            client_id = stored.app.client_id,
            "the provider does not accept an OAuth app's client id and secret"
        );
        tx.record(Event {
            tenant: owner,
            kind: EventKind::OauthAppBroken,
            subject: stored.app.provider.clone(),
            data: json!({"provider": stored.app.provider, "client_id": stored.app.client_id}),
        });
    }
    Ok(true)
}

/// An event about the connection of `key`.
pub(super) fn event(key: &CredentialKey, kind: EventKind, provider: &str, user_email: &str) -> Event {
    Event {
        tenant: Some(key.tenant.clone()),
        kind,
        subject: key.connection.clone(),
        data: json!({"provider": provider, "user_email": named_user(user_email), "credential": key.name}),
    }
}
