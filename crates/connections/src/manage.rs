//! Listing, finding and changing connections.

use std::collections::BTreeMap;

use model::{EventKind, TenantId, Timestamp, Violation};

use crate::activity::{Action, Entry};
use crate::catalog::{Flow, Owner, ProviderId};
use crate::connection::{Connection, Status};
use crate::granted::{MAX_CONNECTIONS, event};
use crate::store::connections::{self, Filter};
use crate::{Connections, Error};

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;
const MAX_LABEL: usize = 100;

/// Whose connection to which provider is meant.
#[derive(Debug, Clone)]
pub struct Whose {
    /// The tenant.
    pub tenant: TenantId,
    /// The user, in lower case. It may be empty, and says nothing, where the provider's connections are the tenant's.
    pub user_email: String,
    /// The provider.
    pub provider: String,
    /// One of several accounts, by the connection's id; the default one where `None`.
    pub connection: Option<String>,
}

/// Which connections to list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Those that this user may use: the user's own and the tenant's.
    pub user_email: Option<String>,
    /// To this provider alone.
    pub provider: Option<String>,
    /// In this status alone.
    pub status: Option<Status>,
    /// Only those whose grant is known to die before this moment.
    pub dies_before: Option<Timestamp>,
    /// After the `next_cursor` of an earlier page.
    pub cursor: Option<String>,
    /// At most so many; 50 where left out, 200 at most.
    pub limit: Option<u32>,
}

/// A page of connections.
#[derive(Debug)]
pub struct Page {
    /// The connections, oldest first.
    pub connections: Vec<Connection>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
}

/// What is to change on a connection; `None` leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// What the user calls it: 1 to 100 characters.
    pub label: Option<String>,
    /// Whether it is to be the one that is meant where none is named.
    pub make_default: bool,
    /// The id of the site to work with.
    pub site: Option<String>,
}

/// A provider, for those who choose one.
#[derive(Debug, Clone)]
pub struct ProviderInfo {
    /// Its name in the catalog.
    pub id: ProviderId,
    /// Its name for people.
    pub name: String,
    /// How its connections come about.
    pub flow: Flow,
    /// Whose they are.
    pub owner: Owner,
    /// Whether there is an OAuth app to connect with, or none is needed.
    pub configured: bool,
    /// What is asked for where a caller asks for nothing.
    pub scopes: Vec<String>,
    /// Where the provider sends browsers back to.
    pub redirect_uri: Option<String>,
    /// What each connection brings along, by name, with what it is.
    pub variables: BTreeMap<String, String>,
}

impl Connections {
    /// Every provider, by id, as `tenant` sees it.
    pub async fn providers(&self, tenant: &TenantId) -> Result<Vec<ProviderInfo>, Error> {
        let own = self.oauth_apps(tenant).await?;
        let mut infos = Vec::new();
        for provider in self.catalog.iter() {
            let is_own = own.iter().any(|app| app.provider == provider.id);
            let needs_app = provider.flow == Flow::AuthorizationCode;
            let labels =
                provider.variables.iter().map(|(name, variable)| (name.clone(), variable.label.clone()));
            infos.push(ProviderInfo {
                id: provider.id.clone(),
                name: provider.name.clone(),
                flow: provider.flow,
                owner: provider.owner,
                configured: !needs_app || is_own || self.catalog.app(&provider.id).is_some(),
                scopes: self.usual_scopes(provider),
                redirect_uri: needs_app
                    .then(|| self.redirect_uri(&provider.id).map(|url| url.to_string()))
                    .transpose()?,
                variables: labels.collect(),
            });
        }
        Ok(infos)
    }

    /// Connections of `tenant`, oldest first.
    ///
    /// # Errors
    /// [`Error::Cursor`].
    pub async fn list(&self, tenant: &TenantId, listing: &Listing) -> Result<Page, Error> {
        let limit = usize::try_from(listing.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE)).unwrap_or(1);
        let after = listing.cursor.as_deref().unwrap_or_default();
        if after.len() > 26 || !after.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::Cursor);
        }
        let filter = Filter {
            user_email: listing.user_email.as_deref().unwrap_or_default(),
            provider: listing.provider.as_deref().unwrap_or_default(),
            status: listing.status.map_or("", Status::as_str),
            dies_before: listing.dies_before,
            after,
            limit: i64::try_from(limit + 1).unwrap_or(i64::MAX),
        };
        let mut conn = self.database.read().await?;
        let mut connections = connections::list(&mut conn, tenant, &filter).await?;
        let has_more = connections.len() > limit;
        connections.truncate(limit);
        let last = connections.last().filter(|_| has_more);
        Ok(Page { next_cursor: last.map(|connection| connection.id.clone()), connections })
    }

    /// The connection of this id.
    ///
    /// # Errors
    /// [`Error::ConnectionNotFound`].
    pub async fn connection(&self, tenant: &TenantId, id: &str) -> Result<Connection, Error> {
        let mut conn = self.database.read().await?;
        let found = connections::find(&mut conn, tenant, id).await?;
        found.ok_or_else(|| not_found(id))
    }

    /// The connection that is meant: the user's, or the tenant's where the provider's connections are its own.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`], [`Error::ConnectionRequired`] where there is none to the provider,
    /// [`Error::ConnectionNotFound`] where the one that is named is another's.
    pub async fn meant(&self, whose: &Whose) -> Result<Connection, Error> {
        let provider = self.provider(&whose.provider)?;
        let mut conn = self.database.read().await?;
        let Some(id) = &whose.connection else {
            let user_email = provider.owner.address(&whose.user_email);
            let found = connections::find_default(&mut conn, &whose.tenant, user_email, &provider.id).await?;
            return found.ok_or_else(|| Error::ConnectionRequired {
                provider: provider.id.to_string(),
                user_email: user_email.to_owned(),
            });
        };
        let found = connections::find(&mut conn, &whose.tenant, id).await?;
        let own = found.filter(|it| it.provider == provider.id && it.is_for(&whose.user_email));
        own.ok_or_else(|| not_found(id))
    }

    /// What a user's default connection to each provider is, by name: to those that are configured, and those that the
    /// user or the tenant has connected.
    pub async fn status(
        &self,
        tenant: &TenantId,
        user_email: &str,
    ) -> Result<BTreeMap<String, Option<Connection>>, Error> {
        let infos = self.providers(tenant).await?;
        let configured = infos.into_iter().filter(|info| info.configured);
        let mut found: BTreeMap<String, Option<Connection>> =
            configured.map(|info| (info.id.to_string(), None)).collect();
        let mut conn = self.database.read().await?;
        // The user's own, and the tenant's.
        let filter = Filter { user_email, limit: 2 * MAX_CONNECTIONS, ..Filter::default() };
        for connection in connections::list(&mut conn, tenant, &filter).await? {
            let provider = self.catalog.get(connection.provider.as_str());
            if provider.is_some_and(|provider| provider.owner != connection.owner()) {
                // From before the operator changed whose they are: not one that is meant.
                continue;
            }
            let place = found.entry(connection.provider.to_string()).or_default();
            if place.is_none() || connection.is_default {
                *place = Some(connection);
            }
        }
        Ok(found)
    }

    /// Changes label, default and site.
    ///
    /// # Errors
    /// [`Error::ConnectionNotFound`], [`Error::Invalid`].
    pub async fn update(
        &self,
        tenant: &TenantId,
        id: &str,
        changes: Changes,
        by: &str,
    ) -> Result<Connection, Error> {
        let mut tx = self.database.begin().await?;
        let found = connections::find(&mut tx, tenant, id).await?;
        let Connection { user_email, provider, .. } = found.ok_or_else(|| not_found(id))?;
        // Whose it is stays; all else may have changed before the lock was had, its status above all.
        connections::lock_of_user(&mut tx, tenant, &user_email, &provider).await?;
        let found = connections::find(&mut tx, tenant, id).await?;
        let mut connection = found.ok_or_else(|| not_found(id))?;
        apply(&mut connection, &changes)?;
        connection.updated_at = self.ambient.now();
        connections::put(&mut tx, tenant, &connection).await?;
        if changes.make_default {
            connections::make_default(&mut tx, tenant, &connection).await?;
        }
        tx.record(event(tenant, EventKind::ConnectionUpdated, &connection, by));
        let entry = Entry::new(tenant, by, Action::Update).about(&connection);
        self.activity.record_in(&mut tx, entry).await?;
        tx.commit().await?;
        self.connection(tenant, id).await
    }
}

pub(crate) fn not_found(id: &str) -> Error {
    Error::ConnectionNotFound(id.chars().take(64).collect())
}

/// What a user calls a connection, without blanks around it.
pub(crate) fn checked_label(label: &str) -> Result<&str, Violation> {
    let label = label.trim();
    let length = label.chars().count();
    if (1..=MAX_LABEL).contains(&length) && !label.chars().any(char::is_control) {
        return Ok(label);
    }
    Err(Violation::new(
        "/label",
        format!("label must have 1 to {MAX_LABEL} characters, none of them a control"),
    ))
}

fn apply(connection: &mut Connection, changes: &Changes) -> Result<(), Error> {
    let mut wrong = Vec::new();
    if let Some(label) = &changes.label {
        match checked_label(label) {
            Ok(label) => label.clone_into(&mut connection.label),
            Err(violation) => wrong.push(violation),
        }
    }
    if let Some(chosen) = &changes.site {
        if connection.sites.iter().any(|site| site.id == *chosen) {
            connection.site = Some(chosen.clone());
            if connection.status == Status::NeedsSite {
                connection.status = Status::Active;
            }
        } else {
            let ids: Vec<&str> = connection.sites.iter().map(|site| site.id.as_str()).collect();
            let detail = if ids.is_empty() {
                "this connection has no sites to choose from".to_owned()
            } else {
                format!("site must be one of {}", ids.join(", "))
            };
            wrong.push(Violation::new("/site", detail));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}
