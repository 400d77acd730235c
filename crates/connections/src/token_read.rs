//! Handing a token out: the one way in which a token leaves, off unless the operator allows it, and always on record.

use std::sync::Arc;

use model::TenantId;

use crate::activity::{Action, Entry};
use crate::vault::AccessToken;
use crate::{Connections, Error, key};

impl Connections {
    /// The access token of a connection's credential, the first one where none is named. It is on record before it is out.
    ///
    /// # Errors
    /// [`Error::TokenReadsOff`], [`Error::ConnectionNotFound`], [`Error::NotFound`] for a credential that it has not; those
    /// of the vault.
    pub async fn read_token(
        &self,
        tenant: &TenantId,
        id: &str,
        credential: Option<&str>,
        by: &str,
    ) -> Result<Arc<AccessToken>, Error> {
        if !self.token_reads {
            return Err(Error::TokenReadsOff);
        }
        let connection = self.connection(tenant, id).await?;
        let mut credentials = connection.credentials.iter();
        let found = credentials.find(|each| credential.is_none_or(|name| each.name == name));
        let name = &found.ok_or(Error::NotFound("credential of this name in this connection"))?.name;
        let token = self.vault.access_token(&key(tenant, &connection.id, name)).await?;
        let mut tx = self.database.begin().await?;
        let entry = Entry::new(tenant, by, Action::TokenRead).about(&connection).detail(name);
        self.activity.record_in(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(token)
    }
}
