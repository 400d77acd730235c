//! Tokens that this server signs for others: plugins' upstreams and the host product check them by the keys that it
//! publishes.
//!
//! All replicas sign with the same key, for 30 days. The next one is published a day before it signs, so that no cache
//! of the keys lacks it, and a former one until a day after, when its last token is long dead.

mod key;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use model::{Ambient, TenantId, Timestamp, new_id};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use storage::{Database, Sealer};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::Error;
use key::{SEED_LEN, SigningKey};
use store::Row;

pub use store::SEALED;
pub(crate) use store::TENANT_DATA;

/// How long a key signs.
const PERIOD: Duration = Duration::from_hours(30 * 24);

/// How long a key is published before it signs, and after.
const MARGIN: Duration = Duration::from_hours(24);

/// The longest that a token may live: less than [`MARGIN`] by far.
pub const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// How often is looked whether another replica has made a key.
const REREAD: Duration = Duration::from_mins(1);

/// How soon is looked again where the database is away, and the keys that are known still do.
const RETRY: Duration = Duration::from_secs(5);

/// How often making a key is tried where others make one at the same time.
const ATTEMPTS: u32 = 3;

/// Whose data key seals the signing keys. They belong to no tenant, but sealed as a tenant's values are, they go along
/// when keys are rotated. Should a tenant of this name ever be deleted, new ones are made.
const OWNER: &str = "jackfield.signing-keys";

/// The table of signing keys.
pub(crate) const MIGRATION: storage::Migration = storage::Migration {
    version: 2026_11_21_12,
    name: "signing keys",
    sql: "
        CREATE TABLE signing_key (
            tenant TEXT NOT NULL,
            kid TEXT NOT NULL,
            number BIGINT NOT NULL,
            sealed_seed {bytes} NOT NULL,
            signs_from BIGINT NOT NULL,
            PRIMARY KEY (tenant, kid),
            UNIQUE (tenant, number)
        );
    ",
};

/// Signs tokens. Cheap to clone.
#[derive(Clone)]
pub struct Signer(Arc<Inner>);

struct Inner {
    database: Database,
    sealer: Sealer,
    ambient: Ambient,
    issuer: String,
    owner: TenantId,
    keys: ArcSwapOption<Keys>,
    refresh: Mutex<()>,
}

/// A signed token.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The token: a JWS in its compact form (RFC 7515, section 7.1).
    pub token: SecretString,
    /// When it dies, to the second.
    pub expires_at: Timestamp,
}

/// The keys as they were read.
#[derive(Debug)]
struct Keys {
    /// In the order in which they sign.
    keys: Arc<[SigningKey]>,
    /// When to read them again.
    due: Timestamp,
}

/// What every token says, besides its own claims.
#[derive(Serialize)]
struct Claims<'a, C> {
    iss: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(flatten)]
    own: &'a C,
}

impl Keys {
    /// The key that signs at `now`: the last that has begun.
    fn current(&self, now: Timestamp) -> Option<&SigningKey> {
        self.keys.iter().rev().find(|key| key.signs_from <= now)
    }

    /// The place of the oldest key whose tokens may be alive.
    fn oldest_alive(&self, now: Timestamp) -> usize {
        let successors = self.keys.iter().skip(1);
        successors.take_while(|successor| successor.signs_from.plus(MARGIN) <= now).count()
    }
}

impl Signer {
    /// A signer whose tokens are issued by `issuer`, the public URL of this server. The first key is made when it is first
    /// asked for.
    ///
    /// # Errors
    /// None that could happen: the name under which keys are kept is well-formed.
    pub fn new(
        database: Database,
        sealer: Sealer,
        issuer: impl Into<String>,
        ambient: Ambient,
    ) -> Result<Self, Error> {
        let owner = OWNER.parse().map_err(|_| Error::Signing)?;
        let (keys, refresh) = (ArcSwapOption::empty(), Mutex::new(()));
        Ok(Self(Arc::new(Inner { database, sealer, ambient, issuer: issuer.into(), owner, keys, refresh })))
    }

    /// Signs `claims`, an object, for `lifetime` (at most [`MAX_LIFETIME`]), with `iss`, `iat`, `exp` and `jti` besides. The
    /// header's `typ` is `kind`, by which one kind of token is told from another; `claims` should have an `aud`.
    ///
    /// # Errors
    /// [`Error::Storage`] where no key can be had; [`Error::Signing`] where `claims` is no object.
    pub async fn sign(
        &self,
        kind: &str,
        lifetime: Duration,
        claims: &impl Serialize,
    ) -> Result<Signed, Error> {
        let keys = self.keys().await?;
        let now = self.0.ambient.now();
        let expires_at = Timestamp::from_millisecond(now.as_second() * 1000).plus(lifetime.min(MAX_LIFETIME));
        let claims = Claims {
            iss: &self.0.issuer,
            iat: now.as_second(),
            exp: expires_at.as_second(),
            jti: new_id(&self.0.ambient),
            own: claims,
        };
        let token = keys.current(now).ok_or(Error::Signing)?.sign(kind, &claims)?;
        Ok(Signed { token, expires_at })
    }

    /// What `iss` is in the tokens.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The public keys (JWK Set, RFC 7517, section 5): those that sign, will, or have signed what may be alive.
    ///
    /// # Errors
    /// [`Error::Storage`] where no key can be had.
    pub async fn jwks(&self) -> Result<Value, Error> {
        let keys = self.keys().await?;
        let oldest = keys.oldest_alive(self.0.ambient.now());
        let published: Vec<_> = keys.keys.iter().skip(oldest).map(SigningKey::public).collect();
        Ok(json!({"keys": published}))
    }

    async fn keys(&self) -> Result<Arc<Keys>, Error> {
        if let Some(keys) = self.fresh() {
            return Ok(keys);
        }
        let _turn = self.0.refresh.lock().await;
        // Another may have read them while this waited.
        if let Some(keys) = self.fresh() {
            return Ok(keys);
        }
        let now = self.0.ambient.now();
        match (self.read_or_make(now).await, self.0.keys.load_full()) {
            (Ok(keys), _) => {
                let keys = Arc::new(keys);
                self.0.keys.store(Some(Arc::clone(&keys)));
                Ok(keys)
            }
            (Err(error), Some(known)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "signing keys cannot be read; those that are known are used on"
                );
                let keys = Keys { keys: Arc::clone(&known.keys), due: now.plus(RETRY) };
                let keys = Arc::new(keys);
                self.0.keys.store(Some(Arc::clone(&keys)));
                Ok(keys)
            }
            (Err(error), None) => Err(error),
        }
    }

    fn fresh(&self) -> Option<Arc<Keys>> {
        let now = self.0.ambient.now();
        self.0.keys.load_full().filter(|keys| now < keys.due)
    }

    /// The keys as they are in the database, after making the one that is due.
    async fn read_or_make(&self, now: Timestamp) -> Result<Keys, Error> {
        for _ in 0..ATTEMPTS {
            let (keys, last) = self.read().await?;
            let newest = keys.last().map(|key| key.signs_from);
            let is_due = newest.is_none_or(|newest| newest.plus(PERIOD).minus(MARGIN) <= now);
            let keys = Keys { keys: keys.into(), due: now.plus(REREAD) };
            if !is_due && keys.current(now).is_some() {
                return Ok(keys);
            }
            // The first signs at once. So does one that has to stand in for keys that do not open any more.
            let signs_from = match newest.filter(|_| keys.current(now).is_some()) {
                Some(newest) => newest.plus(PERIOD).max(now.plus(MARGIN)),
                None => now,
            };
            self.make(last + 1, signs_from, &keys, now).await?;
        }
        Err(Error::Signing)
    }

    /// The keys that open, and the number of the last one.
    async fn read(&self) -> Result<(Vec<SigningKey>, i64), Error> {
        let (mut conn, rows) = store::list(&self.0.database, &self.0.owner).await?;
        let last = rows.last().map_or(0, |row| row.number);
        let mut keys = Vec::new();
        for row in rows {
            let purpose = store::purpose(&row.kid);
            let seed = self.0.sealer.unseal(&mut conn, &self.0.owner, &purpose, &row.sealed()).await;
            match seed {
                Ok(seed) => {
                    let key = SigningKey::new(seed.expose_secret(), row.signs_from())?;
                    keys.extend((key.kid() == row.kid).then_some(key));
                }
                Err(storage::Error::Unsealable) => {
                    tracing::warn!(key.id = row.kid, "a signing key does not open, and is passed over");
                }
                Err(error) => return Err(error.into()),
            }
        }
        keys.sort_by_key(|key| key.signs_from);
        Ok((keys, last))
    }

    /// Makes the key `number`, unless another replica has, and deletes those whose tokens are dead.
    async fn make(
        &self,
        number: i64,
        signs_from: Timestamp,
        keys: &Keys,
        now: Timestamp,
    ) -> Result<(), Error> {
        let seed = Zeroizing::new(self.0.ambient.bytes::<SEED_LEN>());
        let key = SigningKey::new(seed.as_slice(), signs_from)?;
        let mut tx = self.0.database.begin().await?;
        let purpose = store::purpose(key.kid());
        let sealed = self.0.sealer.seal(&mut tx, &self.0.owner, &purpose, seed.as_slice()).await?;
        store::insert(&mut tx, &self.0.owner, &Row::new(key.kid().to_owned(), number, &sealed, signs_from))
            .await?;
        if let Some(kept) = keys.keys.get(keys.oldest_alive(now)) {
            store::delete_older(&mut tx, &self.0.owner, kept.signs_from).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}
