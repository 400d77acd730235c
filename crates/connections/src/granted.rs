//! From what a provider has granted to a stored connection.

use std::collections::BTreeMap;

use model::{Event, EventKind, TenantId};
use serde_json::json;
use storage::Tx;

use crate::activity::{Action, Entry};
use crate::catalog::{Owner, Provider};
use crate::connection::{Account, Connection, Site, Status, Tokens};
use crate::store::{connections, credentials};
use crate::{Connections, Error, key, vault};

/// The most connections a user may have, and a tenant for all its users.
pub(crate) const MAX_CONNECTIONS: i64 = 100;

/// What a provider has granted, and to whom.
#[derive(Debug)]
pub(crate) struct Granted<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) provider: &'a Provider,
    /// Whose it will be; the account's own address where `None`. Nobody's where the provider's are the tenant's.
    pub(crate) user_email: Option<String>,
    pub(crate) client_id: &'a str,
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// What the user calls it; the account's address or name where `None`.
    pub(crate) label: Option<String>,
    pub(crate) account: Account,
    pub(crate) sites: Vec<Site>,
    /// What was asked for, by credential.
    pub(crate) requested: BTreeMap<String, Vec<String>>,
    /// What was given, by credential.
    pub(crate) credentials: BTreeMap<String, Tokens>,
    pub(crate) actor: &'a str,
}

/// A connection that came about or was renewed.
#[derive(Debug)]
pub struct Connected {
    /// Whose it is.
    pub tenant: TenantId,
    /// The connection.
    pub connection: Connection,
    /// The provider's name for people.
    pub provider_name: String,
    /// What was asked for and not granted.
    pub missing_scopes: Vec<String>,
}

impl Connections {
    /// Stores the connection, its tokens and the event of it, all or nothing.
    pub(crate) async fn store_granted(&self, granted: Granted<'_>) -> Result<Connected, Error> {
        let user_email = match granted.provider.owner {
            Owner::Tenant => String::new(),
            Owner::User => {
                let own = granted.account.email.as_deref().map(crate::user_email);
                let user_email = granted.user_email.clone().or_else(|| own.and_then(Result::ok));
                user_email.ok_or(Error::UserUnknown)?
            }
        };
        let (id, missing_scopes) = match self.try_store(&granted, &user_email).await {
            // The same account, or another first one, came at the same time. It is there now and is found.
            Err(Error::Storage(storage::Error::Duplicate(_))) => {
                self.try_store(&granted, &user_email).await?
            }
            stored => stored?,
        };
        self.vault.forget(granted.tenant, &id);
        Ok(Connected {
            tenant: granted.tenant.clone(),
            connection: self.connection(granted.tenant, &id).await?,
            provider_name: granted.provider.name.clone(),
            missing_scopes,
        })
    }

    /// Stores it, and tells the connection's id and what was not granted.
    async fn try_store(
        &self,
        granted: &Granted<'_>,
        user_email: &str,
    ) -> Result<(String, Vec<String>), Error> {
        let provider = &granted.provider.id;
        let mut tx = self.database.begin().await?;
        connections::lock_of_user(&mut tx, granted.tenant, user_email, provider).await?;
        let account = (granted.account.id.as_str(), granted.variables);
        let known = connections::find_account(&mut tx, granted.tenant, user_email, provider, account);
        let (connection, kind) = if let Some(known) = known.await? {
            (self.renewed(known, granted), EventKind::ConnectionReauthorized)
        } else {
            let is_default = self.check_room(&mut tx, granted, user_email).await?;
            (self.made(granted, user_email, is_default), EventKind::ConnectionCreated)
        };
        connections::put(&mut tx, granted.tenant, &connection).await?;
        let missing_scopes = self.store_credentials(&mut tx, granted, &connection).await?;
        credentials::delete_dead(&mut tx, granted.tenant, &connection.id).await?;
        tx.record(event(granted.tenant, kind, &connection, granted.actor));
        let entry = Entry::new(granted.tenant, granted.actor, Action::Connect).about(&connection);
        self.activity.record_in(&mut tx, entry).await?;
        tx.commit().await?;
        Ok((connection.id, missing_scopes))
    }

    /// Refuses one connection too many; tells whether the new one is the first to this provider of whom it is.
    async fn check_room(&self, tx: &mut Tx, granted: &Granted<'_>, user_email: &str) -> Result<bool, Error> {
        if connections::count(tx, granted.tenant, user_email).await? >= MAX_CONNECTIONS {
            return Err(Error::Quota(MAX_CONNECTIONS));
        }
        let first = connections::find_default(tx, granted.tenant, user_email, &granted.provider.id).await?;
        Ok(first.is_none())
    }

    /// Stores the tokens, and tells what was asked for and not granted.
    async fn store_credentials(
        &self,
        tx: &mut Tx,
        granted: &Granted<'_>,
        connection: &Connection,
    ) -> Result<Vec<String>, Error> {
        let mut missing = Vec::new();
        for (name, tokens) in &granted.credentials {
            let requested = granted.requested.get(name).map(Vec::as_slice).unwrap_or_default();
            // RFC 6749, section 5.1: no scope in the answer means what was asked for.
            let scopes = tokens.scopes.as_deref().unwrap_or(requested);
            missing.extend(requested.iter().filter(|scope| !scopes.contains(scope)).cloned());
            let key = key(granted.tenant, &connection.id, name);
            let given = vault::Granted {
                tokens,
                scopes,
                rotation: granted.provider.rotation,
                flow: granted.provider.flow,
                authorized_at: connection.authorized_at,
            };
            self.vault.store_tokens(tx, &key, &given).await?;
        }
        Ok(missing)
    }

    fn made(&self, granted: &Granted<'_>, user_email: &str, is_default: bool) -> Connection {
        let now = self.ambient.now();
        let account = &granted.account;
        let label = granted.label.clone().or_else(|| account.email.clone()).or_else(|| account.name.clone());
        let site = only_site(&granted.sites);
        Connection {
            id: model::new_id(&self.ambient),
            provider: granted.provider.id.clone(),
            user_email: user_email.to_owned(),
            label: label.unwrap_or_else(|| granted.provider.name.clone()),
            is_default,
            status: status(&granted.sites, site.as_ref()),
            status_reason: None,
            account: account.clone(),
            variables: granted.variables.clone(),
            sites: granted.sites.clone(),
            site,
            client_id: granted.client_id.to_owned(),
            credentials: Vec::new(),
            authorized_at: now,
            created_at: now,
            updated_at: now,
            last_used_at: None,
        }
    }

    fn renewed(&self, known: Connection, granted: &Granted<'_>) -> Connection {
        let now = self.ambient.now();
        // The site that was chosen stays chosen as long as the grant covers it.
        let kept = known.site.filter(|chosen| granted.sites.iter().any(|site| site.id == *chosen));
        let site = kept.or_else(|| only_site(&granted.sites));
        Connection {
            status: status(&granted.sites, site.as_ref()),
            status_reason: None,
            account: granted.account.clone(),
            site,
            sites: granted.sites.clone(),
            client_id: granted.client_id.to_owned(),
            authorized_at: now,
            updated_at: now,
            ..known
        }
    }
}

/// The one site there is, if there is one.
fn only_site(sites: &[Site]) -> Option<String> {
    match sites {
        [site] => Some(site.id.clone()),
        _ => None,
    }
}

fn status(sites: &[Site], site: Option<&String>) -> Status {
    if sites.is_empty() || site.is_some() { Status::Active } else { Status::NeedsSite }
}

/// An event about a connection; `user_email` in it is null where it is the tenant's own.
pub(crate) fn event(tenant: &TenantId, kind: EventKind, connection: &Connection, by: &str) -> Event {
    let data = json!({"provider": connection.provider.as_str(), "user_email": connection.user(), "by": by});
    Event { tenant: Some(tenant.clone()), kind, subject: connection.id.clone(), data }
}
