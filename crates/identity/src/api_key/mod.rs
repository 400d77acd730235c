//! API keys: made once, shown once, kept only as a hash.

mod form;
mod rules;
mod store;

use std::time::Duration;

use model::{
    Ambient, Caller, CredentialKind, Event, EventKind, Principal, Role, Scope, TenantId, Timestamp, new_id,
};
use moka::sync::Cache;
use secrecy::SecretString;
use serde_json::json;
use storage::{Database, Tx};

use crate::Error;

pub(crate) use store::{MIGRATION, TENANT_DATA};

/// The most keys that may be live at once within one tenant, or for the platform. Two that are made at the same
/// moment may overstep it by one.
pub const MAX_LIVE_KEYS: u32 = 100;

/// How long a revoked or expired key stays in the list before it is forgotten; the event log keeps its story.
const KEEP_DEAD: Duration = Duration::from_hours(90 * 24);

/// `last_used_at` is this exact, so that a busy key does not mean a write for each request.
const LAST_USED_STEP: Duration = Duration::from_mins(1);

/// For how many keys the time of the last write of `last_used_at` is remembered.
const TOUCHED_KEYS: u64 = 10_000;

/// How an API key begins.
pub(crate) const PREFIX: &str = form::PREFIX;

/// An API key, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The part of the key that is no secret, by which it is revoked.
    pub id: String,
    /// Where it holds.
    pub scope: Scope,
    /// What it may do there.
    pub role: Role,
    /// What it is for, in its maker's words.
    pub name: String,
    /// The `sub` or API key id of the one who made it; `None` if the operator did at the command line.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute; `None` if never.
    pub last_used_at: Option<Timestamp>,
    /// From when on it is refused; `None` if never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// What a new key is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Where it holds. One for the platform acts, in its role, in whichever tenant the request names.
    pub scope: Scope,
    /// What it may do there; `platform_admin` is for keys of the platform alone.
    pub role: Role,
    /// What it is for: 1 to 100 characters.
    pub name: String,
    /// From when on it is refused; `None` for a key that lives until it is revoked.
    pub expires_at: Option<Timestamp>,
}

/// Who makes a key, which bounds what the key may be.
#[derive(Debug, Clone, Copy)]
pub enum Maker<'a> {
    /// The operator at the command line, who may make any.
    Operator,
    /// A caller of the API: the key holds in the caller's tenant, or for the platform if the caller is its admin, and
    /// its role is not above the caller's.
    Caller(&'a Caller),
}

/// The API keys of every tenant and of the platform. Cheap to clone.
#[derive(Clone)]
pub struct ApiKeys {
    database: Database,
    ambient: Ambient,
    touched: Cache<String, Timestamp>,
}

impl ApiKeys {
    /// The keys kept in `database`, whose schema must include [`MIGRATIONS`].
    pub fn new(database: Database, ambient: Ambient) -> Self {
        Self { database, ambient, touched: Cache::new(TOUCHED_KEYS) }
    }

    /// Makes a key, and returns it with the text that its user must send. The text cannot be had again.
    pub async fn create(&self, new: NewApiKey, maker: Maker<'_>) -> Result<(ApiKey, SecretString), Error> {
        let now = self.ambient.now();
        rules::check(&new, maker, now)?;
        let id = new_id(&self.ambient);
        let (text, hash) = form::generate(&id, &self.ambient);
        let created_by = match maker {
            Maker::Operator => None,
            Maker::Caller(caller) => Some(caller.principal().subject.clone()),
        };
        let NewApiKey { scope, role, name, expires_at } = new;
        let (last_used_at, revoked_at) = (None, None);
        let key = ApiKey {
            id,
            scope,
            role,
            name,
            created_by,
            created_at: now,
            last_used_at,
            expires_at,
            revoked_at,
        };
        let mut tx = self.database.begin().await?;
        store::forget_dead(&mut tx, &key.scope, now.minus(KEEP_DEAD)).await?;
        if store::count_live(&mut tx, &key.scope, now).await? >= i64::from(MAX_LIVE_KEYS) {
            return Err(Error::TooManyApiKeys { max: MAX_LIVE_KEYS });
        }
        store::insert(&mut tx, &key, &hash).await?;
        record(&mut tx, EventKind::ApiKeyCreated, &key);
        tx.commit().await?;
        Ok((key, text))
    }

    /// The keys of one tenant, or those of the platform itself, newest first, revoked and expired ones included for
    /// 90 days; at most 1,000.
    pub async fn list(&self, scope: &Scope) -> Result<Vec<ApiKey>, Error> {
        let mut conn = self.database.read().await?;
        store::list(&mut conn, scope).await
    }

    /// Revokes the key `id`: it is refused from the next request on, by every replica. Revoking it again changes
    /// nothing.
    ///
    /// `within` bounds whose key it may be: a tenant's, or with [`Scope::Platform`] anyone's. A key elsewhere is
    /// [`Error::NoSuchApiKey`].
    pub async fn revoke(&self, within: &Scope, id: &str) -> Result<ApiKey, Error> {
        let mut tx = self.database.begin().await?;
        let found = store::find(&mut tx, id).await?.map(|stored| stored.key);
        let mut key = found.filter(|key| covers(within, &key.scope)).ok_or(Error::NoSuchApiKey)?;
        if key.revoked_at.is_none() {
            let now = self.ambient.now();
            // Another replica may have come first; then the event is already there.
            if store::revoke(&mut tx, id, now).await? {
                record(&mut tx, EventKind::ApiKeyRevoked, &key);
            }
            key.revoked_at = Some(now);
        }
        tx.commit().await?;
        Ok(key)
    }

    /// The principal that the key `text` stands for.
    ///
    /// The key is looked up each time, by its primary key: about as dear as any other query of a request, and a
    /// revoked key is refused at once.
    pub(crate) async fn authenticate(&self, text: &str) -> Result<Principal, Error> {
        let parts = form::parse(text)?;
        let mut conn = self.database.read().await?;
        let stored = store::find(&mut conn, parts.id).await?.ok_or(Error::ApiKeyUnknown)?;
        drop(conn);
        if !parts.has_hash(&stored.hash) {
            return Err(Error::ApiKeyUnknown);
        }
        let key = stored.key;
        let now = self.ambient.now();
        if key.revoked_at.is_some() {
            return Err(Error::ApiKeyRevoked);
        }
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::ApiKeyExpired);
        }
        self.touch(&key, now);
        let ApiKey { id, scope, role, name, .. } = key;
        Ok(Principal {
            scope,
            subject: id,
            email: None,
            name: Some(name),
            role,
            credential: CredentialKind::ApiKey,
        })
    }

    /// Has `last_used_at` written, if it is older than a minute, without making the request wait for it.
    fn touch(&self, key: &ApiKey, now: Timestamp) {
        let due = |last: Timestamp| last.plus(LAST_USED_STEP) <= now;
        if !key.last_used_at.is_none_or(due) || !self.touched.get(&key.id).is_none_or(due) {
            return;
        }
        self.touched.insert(key.id.clone(), now);
        let (database, id) = (self.database.clone(), key.id.clone());
        tokio::spawn(async move {
            if let Err(error) = store::touch(&database, &id, now, now.minus(LAST_USED_STEP)).await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(api_key.id = id, error, "the last use of an API key could not be written");
            }
        });
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeys").field("database", &self.database).finish_non_exhaustive()
    }
}

/// Whether what holds in `within` reaches what holds in `scope`.
fn covers(within: &Scope, scope: &Scope) -> bool {
    *within == Scope::Platform || within == scope
}

fn record(tx: &mut Tx, kind: EventKind, key: &ApiKey) {
    let tenant = tenant_of(&key.scope).cloned();
    let data = json!({
        "name": key.name,
        "role": key.role,
        "createdBy": key.created_by,
        "expiresAt": key.expires_at,
    });
    tx.record(Event { tenant, kind, subject: key.id.clone(), data });
}

fn tenant_of(scope: &Scope) -> Option<&TenantId> {
    match scope {
        Scope::Platform => None,
        Scope::Tenant(tenant) => Some(tenant),
    }
}
