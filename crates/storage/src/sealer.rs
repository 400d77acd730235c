//! Secrets of tenants, sealed column by column under a data key of each tenant.

use std::sync::Arc;
use std::time::Duration;

use model::{Ambient, TenantId};
use moka::sync::Cache;
use secrecy::SecretSlice;

use crate::master_key::{KEY_LEN, SealingKey};
use crate::{Conn, Database, Error, MasterKey, Tx, on};

/// The most opened data keys kept in memory.
const CACHED_KEYS: u64 = 10_000;
/// How long an opened data key is kept: no longer than this after a tenant was deleted elsewhere can it still be used.
const CACHED_FOR: Duration = Duration::from_mins(1);

/// A value that only its tenant's data key opens, and only for the purpose that it was sealed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// A value as it was stored.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Seals and opens tenants' secrets. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    master: Arc<MasterKey>,
    opened: Cache<TenantId, Arc<SealingKey>>,
    ambient: Ambient,
}

impl Sealer {
    /// A sealer on `master`, after proving that it is the key that this database was written under.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] if it is another; the database is left as it was.
    pub async fn open(database: &Database, master: MasterKey, ambient: Ambient) -> Result<Self, Error> {
        prove(database, &master, &ambient).await?;
        let opened = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(CACHED_FOR).build();
        Ok(Self { master: Arc::new(master), opened, ambient })
    }

    /// Seals `plaintext` for `purpose`, which names the row and column (and nothing secret). The tenant's data key is
    /// made where it has none.
    pub async fn seal(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Sealed, Error> {
        let key = match self.data_key(tx, tenant).await? {
            Some(key) => key,
            None => self.create_data_key(tx, tenant).await?,
        };
        Ok(Sealed(key.seal(&context(tenant, purpose), plaintext, &self.ambient)?))
    }

    /// Opens what was sealed for the same tenant and purpose.
    ///
    /// # Errors
    /// [`Error::Unsealable`] if it was altered, sealed for another tenant or purpose, or the tenant's key is gone.
    pub async fn unseal(
        &self,
        conn: &mut Conn,
        tenant: &TenantId,
        purpose: &str,
        sealed: &Sealed,
    ) -> Result<SecretSlice<u8>, Error> {
        let key = self.data_key(conn, tenant).await?.ok_or(Error::Unsealable)?;
        let mut opened = key.open(&context(tenant, purpose), &sealed.0)?;
        Ok(SecretSlice::from(std::mem::take(&mut *opened)))
    }

    async fn data_key(&self, conn: &mut Conn, tenant: &TenantId) -> Result<Option<Arc<SealingKey>>, Error> {
        if let Some(key) = self.opened.get(tenant) {
            return Ok(Some(key));
        }
        let row: Option<(Vec<u8>,)> =
            on!(conn, |c| sqlx::query_as("SELECT wrapped FROM tenant_key WHERE tenant = $1")
                .bind(tenant.as_str())
                .fetch_optional(c)
                .await)?;
        let Some((wrapped,)) = row else { return Ok(None) };
        let bytes = self.master.key().open(&context(tenant, "data key"), &wrapped)?;
        let key = Arc::new(SealingKey::new(&bytes)?);
        // What a transaction sees may yet be rolled back; a key kept from it would seal what nothing opens later.
        if !conn.is_transaction() {
            self.opened.insert(tenant.clone(), Arc::clone(&key));
        }
        Ok(Some(key))
    }

    async fn create_data_key(&self, tx: &mut Tx, tenant: &TenantId) -> Result<Arc<SealingKey>, Error> {
        let bytes = zeroize::Zeroizing::new(self.ambient.bytes::<KEY_LEN>());
        let wrapped =
            self.master.key().seal(&context(tenant, "data key"), bytes.as_slice(), &self.ambient)?;
        let (wrapped,): (Vec<u8>,) = on!(tx, |c| sqlx::query_as(
            // Where another transaction was first, its key is the one to use.
            "INSERT INTO tenant_key (tenant, wrapped, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (tenant) DO UPDATE SET tenant = excluded.tenant RETURNING wrapped"
        )
        .bind(tenant.as_str())
        .bind(&wrapped)
        .bind(self.ambient.now().as_millisecond())
        .fetch_one(c)
        .await)?;
        let bytes = self.master.key().open(&context(tenant, "data key"), &wrapped)?;
        Ok(Arc::new(SealingKey::new(&bytes)?))
    }
}

/// Binds a sealed value to its place; the length keeps tenant and purpose from running into each other.
fn context(tenant: &TenantId, purpose: &str) -> Vec<u8> {
    format!("jackfield {} {tenant} {purpose}", tenant.as_str().len()).into_bytes()
}

async fn prove(database: &Database, master: &MasterKey, ambient: &Ambient) -> Result<(), Error> {
    const CONTEXT: &[u8] = b"jackfield master key proof";
    let fresh = master.key().seal(CONTEXT, b"", ambient)?;
    let mut tx = database.begin().await?;
    let (proof,): (Vec<u8>,) = on!(tx, |c| sqlx::query_as(
        "INSERT INTO master_key (singleton, proof) VALUES (1, $1)
         ON CONFLICT (singleton) DO UPDATE SET singleton = 1 RETURNING proof"
    )
    .bind(&fresh)
    .fetch_one(c)
    .await)?;
    master.key().open(CONTEXT, &proof).map_err(|_| Error::WrongMasterKey)?;
    tx.commit().await
}
