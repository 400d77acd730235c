//! Secrets of tenants, sealed column by column under a data key of each tenant.
//!
//! No opened key is kept: the row of the key is read each time, so that a key that was destroyed opens and seals nothing
//! from the next call on, in every replica.

use std::fmt;
use std::sync::Arc;

use model::{Ambient, TenantId};
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use crate::data_key::{self, DataKeyRow};
use crate::master_key::{KEY_LEN, SealingKey};
use crate::sealed::{Sealed, context};
use crate::{Conn, Database, Error, MasterKey, MasterKeys, Tickets, Tx, proof, tenant_deletion};

/// Seals and opens tenants' secrets. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    masters: Arc<MasterKeys>,
    ambient: Ambient,
}

/// A tenant's data key, opened.
pub(crate) struct DataKey {
    pub(crate) version: i64,
    key: SealingKey,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// A sealer on master keys, after proving that they open what this database has.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] if the database was written under another, [`Error::MasterKeyMissing`] if some data keys
    /// are still wrapped under another; the database is left as it was.
    pub async fn open(
        database: &Database,
        masters: impl Into<MasterKeys>,
        ambient: Ambient,
    ) -> Result<Self, Error> {
        let sealer = Self { masters: Arc::new(masters.into()), ambient };
        proof::check(database, &sealer).await?;
        Ok(sealer)
    }

    /// Tickets under the same master keys.
    pub fn tickets(&self) -> Tickets {
        Tickets::new(Arc::clone(&self.masters), self.ambient.clone())
    }

    /// Seals `plaintext` for `purpose`, which names the row and column (and nothing secret), under the newest data key
    /// of the tenant, which is made where it has none. The key stays until the transaction ends.
    ///
    /// # Errors
    /// [`Error::TenantDeleted`] while the tenant is being deleted.
    pub async fn seal(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Sealed, Error> {
        let key = match data_key::hold_newest(tx, tenant).await? {
            Some(row) => self.unwrap(tenant, &row).await?,
            None => self.create_first(tx, tenant).await?,
        };
        self.seal_under(&key, tenant, purpose, plaintext)
    }

    /// Opens what was sealed for the same tenant and purpose. A value must be read again before it is opened if it was
    /// read more than some seconds ago: a rotation of keys seals it anew and destroys the former key after
    /// [`GRACE`](crate::GRACE).
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
        let (version, _) = sealed.parts()?;
        let row = data_key::find(conn, tenant, version).await?.ok_or(Error::Unsealable)?;
        let key = self.unwrap(tenant, &row).await?;
        let mut opened = Self::open_under(&key, tenant, purpose, sealed)?;
        Ok(SecretSlice::from(std::mem::take(&mut *opened)))
    }

    pub(crate) fn seal_under(
        &self,
        key: &DataKey,
        tenant: &TenantId,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Sealed, Error> {
        let message = key.key.seal(&context(tenant, purpose), plaintext, &self.ambient)?;
        Ok(Sealed::new(key.version, &message))
    }

    /// Opens a value that was sealed under `key`.
    pub(crate) fn open_under(
        key: &DataKey,
        tenant: &TenantId,
        purpose: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (version, message) = sealed.parts()?;
        if version == key.version {
            key.key.open(&context(tenant, purpose), message)
        } else {
            Err(Error::Unsealable)
        }
    }

    /// Opens a data key.
    pub(crate) async fn unwrap(&self, tenant: &TenantId, row: &DataKeyRow) -> Result<DataKey, Error> {
        let bytes = self.unwrapped(tenant, row).await?;
        Ok(DataKey { version: row.version, key: SealingKey::new(&bytes)? })
    }

    async fn unwrapped(&self, tenant: &TenantId, row: &DataKeyRow) -> Result<Zeroizing<Vec<u8>>, Error> {
        let context = context(tenant, &data_key::purpose(row.version));
        match &row.master {
            Some(id) => {
                let master = self.masters.find(|key| (key.id() == id).then(|| Arc::clone(key))).await;
                master.ok_or(Error::MasterKeyMissing)?.open(&context, &row.wrapped)
            }
            None => {
                self.masters.find(|key| key.open(&context, &row.wrapped).ok()).await.ok_or(Error::Unsealable)
            }
        }
    }

    async fn create_first(&self, tx: &mut Tx, tenant: &TenantId) -> Result<DataKey, Error> {
        tenant_deletion::refuse(tx, tenant).await?;
        let version = data_key::first_version(&self.ambient);
        self.create(tx, tenant, version, 0).await
    }

    /// Makes the key that takes over from the version `former`; or opens the one that does already.
    pub(crate) async fn create_successor(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        former: i64,
    ) -> Result<DataKey, Error> {
        self.create(tx, tenant, former.saturating_add(1), former).await
    }

    async fn create(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        version: i64,
        former: i64,
    ) -> Result<DataKey, Error> {
        let bytes = Zeroizing::new(self.ambient.bytes::<KEY_LEN>());
        // Not simply the first of ours: while master keys change hands, all replicas follow the database.
        let master = proof::hold_current(tx, self).await?;
        let row = DataKeyRow {
            tenant: tenant.to_string(),
            version,
            wrapped: self.wrap(&master, tenant, version, bytes.as_slice())?,
            master: Some(master.id().to_owned()),
        };
        let row = data_key::insert(tx, &row, former, self.ambient.now()).await?;
        self.unwrap(tenant, &row).await
    }

    fn wrap(
        &self,
        master: &MasterKey,
        tenant: &TenantId,
        version: i64,
        key: &[u8],
    ) -> Result<Vec<u8>, Error> {
        master.seal(&context(tenant, &data_key::purpose(version)), key, &self.ambient)
    }

    /// Wraps a data key under `master` in place of the key that it is wrapped under.
    pub(crate) async fn rewrap(
        &self,
        tx: &mut Tx,
        row: &DataKeyRow,
        master: &MasterKey,
    ) -> Result<bool, Error> {
        let tenant: TenantId = row.tenant.parse().map_err(|_| Error::Unsealable)?;
        let bytes = self.unwrapped(&tenant, row).await?;
        let wrapped = self.wrap(master, &tenant, row.version, &bytes)?;
        data_key::rewrap(tx, row, &wrapped, master.id()).await
    }

    /// Puts a new master key before the others of the key file, unless there are several already because an earlier
    /// replacement has not ended. `false` where the keys are from no file. A [`Rotation`](crate::Rotation) of all
    /// tenants then has it wrap everything.
    ///
    /// # Errors
    /// [`Error::MasterKeyFile`].
    pub fn add_master(&self) -> Result<bool, Error> {
        let Some(file) = self.masters.file() else { return Ok(false) };
        file.add(&self.ambient)?;
        self.masters.reload()?;
        Ok(true)
    }

    /// Takes all master keys but the first out of the key file, if nothing is wrapped under them any more. Tells whether
    /// nothing is.
    pub async fn drop_former_masters(&self, database: &Database) -> Result<bool, Error> {
        let primary = self.masters.primary()?;
        let mut tx = database.begin().await?;
        // Held, so that nobody wraps a data key until the file is written.
        let is_current = proof::hold_current(&mut tx, self).await?.id() == primary.id();
        let masters = data_key::masters(&mut tx).await?;
        if !is_current || masters.iter().any(|id| id.as_deref() != Some(primary.id())) {
            return Ok(false);
        }
        if let Some(file) = self.masters.file() {
            file.keep_first()?;
            self.masters.reload()?;
        }
        Ok(true)
    }

    pub(crate) fn masters(&self) -> &MasterKeys {
        &self.masters
    }

    pub(crate) fn ambient(&self) -> &Ambient {
        &self.ambient
    }
}
