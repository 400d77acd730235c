//! Whether a connection works at this moment, by asking the provider.

use std::time::Instant;

use model::{Coded as _, ErrorCode};

use crate::activity::{Action, Entry};
use crate::catalog::Provider;
use crate::connection::{Connection, CredentialKey};
use crate::manage::Whose;
use crate::protocol::{App, CallError};
use crate::{Connections, Error, call_error, key};

/// Whether a connection works.
#[derive(Debug)]
pub struct Validity {
    /// The connection; `None` where there is none.
    pub connection: Option<Connection>,
    /// Why it does not work, as the code of the error that its use would bring; `None` where it does.
    pub reason: Option<ErrorCode>,
}

impl Connections {
    /// Has the provider confirm that the connection's first credential is good, renewing it once if it is not.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`], [`Error::ConnectionNotFound`]. What is wrong with the connection itself is the answer.
    pub async fn validate(&self, whose: &Whose, by: &str) -> Result<Validity, Error> {
        let connection = match self.meant(whose).await {
            Ok(connection) => connection,
            Err(Error::ConnectionRequired { .. }) => return Ok(missing()),
            Err(error) => return Err(error),
        };
        let provider = self.provider(&whose.provider)?;
        let mut reason = None;
        if let Some(credential) = connection.credentials.first() {
            let key = key(&whose.tenant, &connection.id, &credential.name);
            let began = Instant::now();
            let probed = self.probe(&provider, &connection, &key).await;
            let entry = Entry::new(&whose.tenant, by, Action::Validate).about(&connection).ended(&probed);
            self.activity.record(entry.took(began.elapsed()));
            reason = probed.err().map(|error| error.code());
        }
        let connection = self.connection(&whose.tenant, &connection.id).await?;
        Ok(Validity { reason, connection: Some(connection) })
    }

    async fn probe(
        &self,
        provider: &Provider,
        connection: &Connection,
        key: &CredentialKey,
    ) -> Result<(), Error> {
        let resolved = self.resolve(provider, &connection.variables, &connection.client_id).await?;
        let app = App { client_id: connection.client_id.clone(), client_secret: None };
        let client = self.client(provider, &resolved, &app);
        let token = self.vault.access_token(key).await?;
        match client.probe(&token.secret).await {
            Err(CallError::TokenRejected) => {
                let token = self.vault.rejected(key, token.version).await?;
                client.probe(&token.secret).await.map_err(|error| call_error(provider, error))?;
                Ok(())
            }
            asked => asked.map(drop).map_err(|error| call_error(provider, error)),
        }
    }

    /// Renews the access tokens of a connection now.
    ///
    /// # Errors
    /// As [`meant`](Self::meant); those of the vault where the provider does not renew them.
    pub async fn refresh(&self, whose: &Whose, by: &str) -> Result<Connection, Error> {
        let connection = self.meant(whose).await?;
        for credential in connection.credentials.iter().filter(|each| each.expires_at.is_some()) {
            let began = Instant::now();
            let key = key(&whose.tenant, &connection.id, &credential.name);
            let refreshed = self.vault.refresh(&key).await;
            let entry = Entry::new(&whose.tenant, by, Action::Refresh).about(&connection).ended(&refreshed);
            self.activity.record(entry.took(began.elapsed()));
            refreshed?;
        }
        self.connection(&whose.tenant, &connection.id).await
    }
}

fn missing() -> Validity {
    Validity { connection: None, reason: Some(ErrorCode::ConnectionRequired) }
}
