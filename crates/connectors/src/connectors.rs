//! The registry of connectors, and what is done with them: each operation finds the connection that is meant, is held
//! against what the connector can, has a deadline, and is put on record.

use std::fmt;
use std::sync::Arc;

use connections::connection::Connection;
use connections::{Connections, Whose};
use model::ErrorCode;
use serde_json::{Map, Value};
use storage::Tickets;

use crate::activity::Use;
use crate::connector::{Connector, Data, Description, Listing, Operation};
use crate::http::Http;
use crate::page_token::{Binding, Place, fingerprint, ids};
use crate::parameters::filters;
use crate::{Asker, Context, Error, Item, Items, Kept, calendar, drive, gmail, lexmodo, reconnect};

/// Every connector. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Connectors(Arc<Inner>);

struct Inner {
    connections: Connections,
    tickets: Tickets,
    registry: Vec<Box<dyn Connector>>,
    customers: Option<lexmodo::Customers>,
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
}

/// The connectors there are, by id.
fn registry(parts: &Parts) -> Vec<Box<dyn Connector>> {
    vec![
        Box::new(calendar::CalendarConnector::new(&parts.http)),
        Box::new(drive::DriveConnector::new(&parts.http)),
        Box::new(gmail::GmailConnector::new(&parts.http)),
        Box::new(lexmodo::LexmodoConnector::new(parts.lexmodo.clone())),
    ]
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

/// A connector with all that an operation needs.
struct Ready<'a> {
    description: &'static Description,
    operation: Operation,
    data: &'a dyn Data,
    context: Context,
}

impl Ready<'_> {
    fn done<T>(self, result: T) -> Done<T> {
        Done { connection: self.context.connection, description: self.description, result }
    }
}

impl Connectors {
    /// The connectors of this program.
    pub fn new(parts: Parts) -> Self {
        let registry = registry(&parts);
        Self::of(parts, registry)
    }

    /// Other connectors than those of this program.
    pub fn of(parts: Parts, registry: Vec<Box<dyn Connector>>) -> Self {
        let Parts { connections, tickets, lexmodo, .. } = parts;
        Self(Arc::new(Inner { connections, tickets, registry, customers: lexmodo }))
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
        let found = self.0.registry.iter().find(|connector| connector.description().id == id);
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
        let under_way = self.note(asker, &connection, connector.description(), "test");
        let context = self.context(asker, connection, false);
        let result = under_way.finish(connector.test(&context)).await;
        Ok(Done { connection: context.connection, description: connector.description(), result })
    }

    /// What the connection that is meant can be used for.
    pub async fn capabilities(&self, asker: &Asker, id: &str) -> Result<Done<()>, Error> {
        let connector = self.get(id)?;
        let connection = self.connection(asker, connector).await?;
        Ok(Done { connection, description: connector.description(), result: () })
    }

    /// A page of items.
    pub async fn list_items(&self, asker: &Asker, id: &str, wanted: &Wanted) -> Result<Done<Items>, Error> {
        self.page(asker, id, Operation::List, None, wanted).await
    }

    /// A page of the items that `query` finds, in the vendor's own words.
    pub async fn search(
        &self,
        asker: &Asker,
        id: &str,
        query: &str,
        wanted: &Wanted,
    ) -> Result<Done<Items>, Error> {
        self.page(asker, id, Operation::Search, Some(query), wanted).await
    }

    /// An item.
    pub async fn item(&self, asker: &Asker, id: &str, item: &str, raw: bool) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::Get, raw).await?;
        let found = self.begin(asker, &ready).finish(ready.data.get(&ready.context, item)).await?;
        Ok(ready.done(found))
    }

    /// Makes an item of `fields`.
    pub async fn create(
        &self,
        asker: &Asker,
        id: &str,
        fields: &Map<String, Value>,
    ) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::Create, false).await?;
        let made = self.begin(asker, &ready).finish(ready.data.create(&ready.context, fields)).await?;
        Ok(ready.done(made))
    }

    /// Changes `fields` of an item.
    pub async fn update(
        &self,
        asker: &Asker,
        id: &str,
        item: &str,
        fields: &Map<String, Value>,
    ) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::Update, false).await?;
        let changed =
            self.begin(asker, &ready).finish(ready.data.update(&ready.context, item, fields)).await?;
        Ok(ready.done(changed))
    }

    /// Deletes an item.
    pub async fn delete(&self, asker: &Asker, id: &str, item: &str) -> Result<Done<()>, Error> {
        let ready = self.ready(asker, id, Operation::Delete, false).await?;
        self.begin(asker, &ready).finish(ready.data.delete(&ready.context, item)).await?;
        Ok(ready.done(()))
    }

    async fn page(
        &self,
        asker: &Asker,
        id: &str,
        operation: Operation,
        query: Option<&str>,
        wanted: &Wanted,
    ) -> Result<Done<Items>, Error> {
        let description = self.get(id)?.description();
        let filters = filters(description, operation, &wanted.parameters)?;
        let ready = self.ready(asker, id, operation, wanted.raw).await?;
        let binding = Binding {
            tenant: &asker.tenant,
            connection: &ready.context.connection.id,
            connector: description.id,
            operation: operation.as_str(),
            query: query.unwrap_or_default(),
            filters: &filters,
            parameter: "page_token",
        };
        let token = wanted.page_token.as_deref().filter(|token| !token.is_empty());
        let place = token.map(|token| binding.open(&self.0.tickets, token)).transpose()?;
        let listing = Listing {
            max_results: wanted.max_results.clamp(1, description.max_page),
            cursor: place.as_ref().map(|place| place.cursor.clone()),
            filters: filters.clone(),
        };
        let work = match query {
            Some(query) => ready.data.search(&ready.context, query, &listing),
            None => ready.data.list(&ready.context, &listing),
        };
        let mut items = self.begin(asker, &ready).finish(work).await?;
        let page = fingerprint(ids(&items.items));
        check_new(description, place.as_ref(), page, items.items.len())?;
        if let Some(cursor) = items.next.take() {
            items.next = Some(binding.seal(&self.0.tickets, &Place { cursor, before: page })?);
        }
        Ok(ready.done(items))
    }

    /// Finds all that `operation` needs, and whether it may be done at all.
    async fn ready(
        &self,
        asker: &Asker,
        id: &str,
        operation: Operation,
        raw: bool,
    ) -> Result<Ready<'_>, Error> {
        let connector = self.get(id)?;
        let description = connector.description();
        let connection = self.connection(asker, connector).await?;
        let ability = description.ability(operation).ok_or_else(|| description.cannot(operation))?;
        let data = connector.data().ok_or_else(|| description.cannot(operation))?;
        if let Some(scopes) = ability.missing(&connection.scopes()) {
            let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let reconnect = reconnect::address(&connection, scopes.get(..1).unwrap_or_default());
            let lacking = Error::InsufficientScope { connector: description.id, scopes, reconnect };
            let under_way = self.note(asker, &connection, description, operation.as_str());
            return under_way.finish(std::future::ready(Err(lacking))).await;
        }
        let context = self.context(asker, connection, raw);
        Ok(Ready { description, operation, data, context })
    }

    /// The connection that is meant.
    async fn connection(&self, asker: &Asker, connector: &dyn Connector) -> Result<Connection, Error> {
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

    fn begin(&self, asker: &Asker, ready: &Ready<'_>) -> Use {
        self.note(asker, &ready.context.connection, ready.description, ready.operation.as_str())
    }

    /// Notes that `operation` begins.
    pub(crate) fn note(
        &self,
        asker: &Asker,
        connection: &Connection,
        description: &Description,
        operation: &str,
    ) -> Use {
        let operation = format!("{}.{operation}", description.id);
        Use::begin(self.0.connections.activity(), asker, connection, &operation)
    }

    /// What a connector works with.
    pub(crate) fn context(&self, asker: &Asker, connection: Connection, raw: bool) -> Context {
        let key = self.0.connections.credential(&asker.tenant, &connection);
        let credential = Arc::new(Kept::new(self.0.connections.vault().clone(), key));
        Context { tenant: asker.tenant.clone(), connection, credential, raw }
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.0.tickets
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

/// A vendor that gives the same page again would have callers go round for ever.
fn check_new(
    description: &Description,
    before: Option<&Place>,
    page: [u8; 8],
    length: usize,
) -> Result<(), Error> {
    if length == 0 || before.is_none_or(|place| place.before != page) {
        return Ok(());
    }
    let detail = "it gave the same page again instead of the next";
    Err(Error::upstream(description.name, ErrorCode::UpstreamUnavailable, detail))
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
