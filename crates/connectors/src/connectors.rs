//! The registry of connectors.

use std::fmt;
use std::sync::Arc;

use connections::connection::Connection;
use connections::{Connections, Whose};
use storage::Tickets;

use crate::connector::{Connector, Description};
use crate::dispatch::checked_site;
use crate::http::Http;
use crate::proxy::Rules;
use crate::proxy::provider::Vendors;
use crate::{Asker, Error, lexmodo, registry};

/// Every connector. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Connectors(Arc<Inner>);

struct Inner {
    connections: Connections,
    tickets: Tickets,
    registry: Vec<Box<dyn Connector>>,
    customers: Option<lexmodo::Customers>,
    http: Http,
    proxy: Rules,
    vendors: Vendors,
}

/// What connectors are made of.
#[derive(Debug)]
pub struct Parts {
    /// The accounts that they use.
    pub connections: Connections,
    /// Seals page tokens.
    pub tickets: Tickets,
    /// Calls vendors' APIs.
    pub http: Http,
    /// The customers service of the Lexmodo platform, where the operator has set it up.
    pub lexmodo: Option<lexmodo::Customers>,
    /// Who may call vendors' APIs as they are; nobody without a rule.
    pub proxy: Rules,
}

/// A connector, for those who choose one.
#[derive(Debug)]
pub struct ConnectorInfo {
    /// What it is and what it can.
    pub description: &'static Description,
    /// Whether the operator has set up all that it needs.
    pub configured: bool,
}

/// What came of an operation.
#[derive(Debug)]
pub struct Done<T> {
    /// With which connection it was done.
    pub connection: Connection,
    /// With which connector.
    pub description: &'static Description,
    /// What came of it.
    pub result: T,
}

/// Which page of which items.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// How many items at most. A connector may give fewer.
    pub max_results: u32,
    /// The `next` of the page before.
    pub page_token: Option<String>,
    /// The connector's own parameters, as they were given.
    pub parameters: Vec<(String, String)>,
    /// Whether the vendor's own answer is wanted beside each item.
    pub raw: bool,
}

impl Connectors {
    /// The connectors of this program.
    pub fn new(parts: Parts) -> Self {
        let registry = registry(&parts);
        Self::of(parts, registry)
    }

    /// Other connectors than those of this program.
    pub fn of(parts: Parts, registry: Vec<Box<dyn Connector>>) -> Self {
        let Parts { connections, tickets, http, lexmodo: customers, proxy } = parts;
        let vendors = Vendors::default();
        Self(Arc::new(Inner { connections, tickets, registry, customers, http, proxy, vendors }))
    }

    /// Every connector, by id, as `tenant` can use it.
    pub async fn list(&self, tenant: &model::TenantId) -> Result<Vec<ConnectorInfo>, Error> {
        let providers = self.0.connections.providers(tenant).await?;
        let has_provider = |description: &Description| {
            providers.iter().any(|info| info.configured && info.id.as_str() == description.provider)
        };
        let info = |connector: &dyn Connector| {
            let description = connector.description();
            let configured = connector.missing_setting().is_none() && has_provider(description);
            ConnectorInfo { description, configured }
        };
        Ok(self.0.registry.iter().map(|connector| info(connector.as_ref())).collect())
    }

    /// The connector of this id.
    ///
    /// # Errors
    /// [`Error::UnknownConnector`].
    pub fn get(&self, id: &str) -> Result<&dyn Connector, Error> {
        let found = self.0.registry.iter().find(|connector| connector.description().is_called(id));
        found.map(AsRef::as_ref).ok_or_else(|| Error::UnknownConnector(shortened(id)))
    }

    /// What the connector of this id is, where the operator has set up all that it needs.
    ///
    /// # Errors
    /// [`Error::UnknownConnector`], [`Error::NotConfigured`].
    pub fn configured(&self, id: &str) -> Result<&'static Description, Error> {
        configured(self.get(id)?)
    }

    /// Whether the connection works, by asking the vendor for as little as can be. What is wrong with it is the result;
    /// that there is none is an error.
    pub async fn test(&self, asker: &Asker, id: &str) -> Result<Done<Result<(), Error>>, Error> {
        let connector = self.get(id)?;
        let connection = self.connection(asker, connector).await?;
        let description = connector.description();
        let under_way = self.note(asker, &connection, description, "test");
        let acting = self.lead(asker, &connection);
        let context = self.context(asker, connection, acting, false);
        let work = async {
            checked_site(&context)?;
            connector.test(&context).await
        };
        let result = under_way.finish(work).await;
        Ok(Done { connection: context.connection, description, result })
    }

    /// What the connection that is meant can be used for.
    pub async fn capabilities(&self, asker: &Asker, id: &str) -> Result<Done<()>, Error> {
        let connector = self.get(id)?;
        let connection = self.connection(asker, connector).await?;
        Ok(Done { connection, description: connector.description(), result: () })
    }

    /// The connection that is meant.
    pub(crate) async fn connection(
        &self,
        asker: &Asker,
        connector: &dyn Connector,
    ) -> Result<Connection, Error> {
        self.meant(asker, configured(connector)?.provider).await
    }

    /// The connection to `provider` that is meant.
    pub(crate) async fn meant(&self, asker: &Asker, provider: &str) -> Result<Connection, Error> {
        let whose = Whose {
            tenant: asker.tenant.clone(),
            user_email: asker.user_email.clone(),
            provider: provider.to_owned(),
            connection: asker.connection.clone(),
        };
        Ok(self.0.connections.meant(&whose).await?)
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.0.tickets
    }

    pub(crate) fn http(&self) -> &Http {
        &self.0.http
    }

    pub(crate) fn proxy_rules(&self) -> &Rules {
        &self.0.proxy
    }

    pub(crate) fn vendors(&self) -> &Vendors {
        &self.0.vendors
    }

    pub(crate) fn customers_service(&self) -> Option<&lexmodo::Customers> {
        self.0.customers.as_ref()
    }
}

fn configured(connector: &dyn Connector) -> Result<&'static Description, Error> {
    let description = connector.description();
    match connector.missing_setting() {
        Some(setting) => Err(Error::NotConfigured { connector: description.id, setting }),
        None => Ok(description),
    }
}

impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.registry.iter().map(|each| each.description().id).collect();
        f.debug_struct("Connectors").field("registry", &ids).finish_non_exhaustive()
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
