//! Revoking: at the provider as far as it offers a way, and here in any case.

use std::time::{Duration, Instant};

use model::{EventKind, TenantId};

use crate::activity::{Action, Entry};
use crate::catalog::{Flow, Provider};
use crate::connection::Connection;
use crate::granted::event;
use crate::manage::not_found;
use crate::protocol::{App, Revoked};
use crate::revocation_run;
use crate::store::{connections, revocation_runs};
use crate::{Connections, Error, key, to_its_end};

/// How long one credential may take at the provider: a renewal in flight, the looking up of its endpoints and two calls.
const DEADLINE: Duration = Duration::from_secs(40);

/// How often a connection is revoked whose user keeps consenting again meanwhile.
const ATTEMPTS: u32 = 3;

/// What became of a connection's tokens. Here they are gone in any case.
#[derive(Debug)]
pub struct Revocation {
    /// The connection as it was.
    pub connection: Connection,
    /// What the provider did, credential by credential.
    pub credentials: Vec<RevokedCredential>,
}

impl Revocation {
    /// Whether the provider has confirmed that none of the tokens holds any more.
    pub fn is_complete(&self) -> bool {
        self.credentials.iter().all(|credential| credential.at_provider)
    }

    /// Why the provider has not confirmed, for the first credential of which it has not.
    pub fn reason(&self) -> Option<&str> {
        self.credentials.iter().find_map(|credential| credential.reason.as_deref())
    }
}

/// What the provider did with one credential.
#[derive(Debug)]
pub struct RevokedCredential {
    /// Its name within the connection.
    pub name: String,
    /// Whether the provider has confirmed the revocation.
    pub at_provider: bool,
    /// Why it has not, and what remains to be done.
    pub reason: Option<String>,
}

/// What remains to be done where the provider offers no way to revoke.
fn unsupported(provider: &Provider) -> String {
    let instead = match provider.flow {
        Flow::AuthorizationCode => "the user can remove the app in the account's settings there",
        Flow::ClientCredentials | Flow::ApiKey => "the key or client can be deleted where it was made",
    };
    format!("{} offers no way to revoke: {instead}", provider.name)
}

impl Connections {
    /// Revokes a connection.
    ///
    /// A provider that cannot be reached, or has no way to revoke, does not keep the tokens here: they are deleted, and
    /// the answer says that the provider may go on taking them. So it is also if the caller is dropped meanwhile.
    ///
    /// # Errors
    /// [`Error::ConnectionNotFound`].
    pub async fn revoke(&self, tenant: &TenantId, id: &str, by: &str) -> Result<Revocation, Error> {
        let (this, tenant) = (self.clone(), tenant.clone());
        let (id, by) = (id.to_owned(), by.to_owned());
        to_its_end(async move {
            for _ in 1..ATTEMPTS {
                match this.revoke_in(&tenant, &id, &by, None).await {
                    Err(Error::ChangedMeanwhile(_)) => {}
                    revoked => return revoked,
                }
            }
            this.revoke_in(&tenant, &id, &by, None).await
        })
        .await
    }

    /// Revokes once, counted in `run` by the transaction that deletes the connection.
    ///
    /// # Errors
    /// [`Error::ChangedMeanwhile`] where its user has consented again: what that brought is not revoked.
    pub(crate) async fn revoke_in(
        &self,
        tenant: &TenantId,
        id: &str,
        by: &str,
        run: Option<&str>,
    ) -> Result<Revocation, Error> {
        let began = Instant::now();
        let connection = self.connection(tenant, id).await?;
        let mut credentials = Vec::with_capacity(connection.credentials.len());
        for credential in &connection.credentials {
            let outcome = self.revoke_credential(tenant, &connection, &credential.name);
            let outcome = tokio::time::timeout(DEADLINE, outcome).await;
            let outcome = outcome.unwrap_or_else(|_| Err("the provider did not answer in time".to_owned()));
            credentials.push(RevokedCredential {
                name: credential.name.clone(),
                at_provider: outcome.is_ok(),
                reason: outcome.err(),
            });
        }
        let revocation = Revocation { connection, credentials };
        self.delete(tenant, &revocation, by, run, began.elapsed()).await?;
        Ok(revocation)
    }

    /// `Err` says why the provider has not confirmed.
    async fn revoke_credential(
        &self,
        tenant: &TenantId,
        connection: &Connection,
        name: &str,
    ) -> Result<(), String> {
        let provider = self.provider(connection.provider.as_str()).map_err(|error| error.to_string())?;
        let key = key(tenant, &connection.id, name);
        self.vault.suspend_renewals(&key).await.map_err(|_| "its tokens could not be read".to_owned())?;
        let tokens = self.vault.open_tokens(&key).await;
        let tokens = tokens.map_err(|_| "its tokens could not be opened".to_owned())?;
        let mut tokens = tokens.ok_or_else(|| "it was revoked meanwhile".to_owned())?;
        let resolved = self.resolve(&provider, &connection.variables, &connection.client_id).await;
        let resolved = resolved.map_err(|error| error.to_string())?;
        let app = if provider.flow == Flow::AuthorizationCode {
            let app = self.apps.of_client(tenant, &provider.id, &connection.client_id).await;
            let app = app.map_err(|_| "the OAuth app could not be read".to_owned())?;
            app.ok_or_else(|| "the OAuth app that it was made with is no longer known here".to_owned())?
        } else {
            // What stands in the refresh token's place is the client's own secret: it proves the client, and is no
            // token to be revoked.
            App { client_id: connection.client_id.clone(), client_secret: tokens.refresh.take() }
        };
        match self.client(&provider, &resolved, &app).revoke(&tokens).await {
            Ok(Revoked::AtProvider) => Ok(()),
            Ok(Revoked::Unsupported) => Err(unsupported(&provider)),
            Err(error) => Err(format!("{}: {error}", provider.name)),
        }
    }

    async fn delete(
        &self,
        tenant: &TenantId,
        revocation: &Revocation,
        by: &str,
        run: Option<&str>,
        took: Duration,
    ) -> Result<(), Error> {
        let connection = &revocation.connection;
        let mut tx = self.database.begin().await?;
        connections::lock_of_user(&mut tx, tenant, &connection.user_email, &connection.provider).await?;
        let found = connections::find(&mut tx, tenant, &connection.id).await?;
        if found.is_some_and(|found| found.authorized_at != connection.authorized_at) {
            return Err(Error::ChangedMeanwhile("the connection"));
        }
        if !connections::delete(&mut tx, tenant, &connection.id).await? {
            return Err(not_found(&connection.id));
        }
        if connection.is_default {
            let next =
                connections::find_default(&mut tx, tenant, &connection.user_email, &connection.provider);
            if let Some(next) = next.await? {
                connections::make_default(&mut tx, tenant, &next).await?;
            }
        }
        let mut event = event(tenant, EventKind::ConnectionRevoked, connection, by);
        if let Some(data) = event.data.as_object_mut() {
            data.insert("at_provider".to_owned(), revocation.is_complete().into());
        }
        tx.record(event);
        let reason = revocation.reason().unwrap_or_default();
        let entry = Entry::new(tenant, by, Action::Revoke).about(connection).took(took);
        let entry =
            if revocation.is_complete() { entry } else { entry.detail(&format!("only here: {reason}")) };
        self.activity.record_in(&mut tx, entry).await?;
        if let Some(run) = run {
            let outcome = revocation_run::Outcome::of(revocation);
            let reason = revocation_run::kept_reason(reason);
            revocation_runs::note(&mut tx, run, connection.provider.as_str(), outcome, &reason).await?;
        }
        tx.commit().await?;
        self.vault.forget(tenant, &connection.id);
        Ok(())
    }
}
