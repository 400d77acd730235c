//! A store's customers in the platform's own words: one, a page, or all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use connections::connection::Connection;
use futures::{Stream, StreamExt as _, stream};
use model::ErrorCode;

use super::connector::{DESCRIPTION, NOT_CONFIGURED, named, store_id};
use super::status::upstream;
use super::{Customer, Customers, Page, Query, Store};
use crate::activity::Use;
use crate::ahead::one_ahead;
use crate::page_token::Binding;
use crate::recorded::recorded;
use crate::{Asker, Connectors, Error};

/// How long one page of a stream may take, the renewal of the token included.
const PAGE_DEADLINE: Duration = Duration::from_mins(1);

/// The stores of the platform, as far as their tenants have connected them.
#[derive(Debug, Clone, Copy)]
pub struct Stores<'a>(&'a Connectors);

/// A page of customers.
#[derive(Debug)]
pub struct Listed {
    /// The customers.
    pub customers: Vec<Customer>,
    /// What the next page is asked for with: the platform's point in time, sealed for this store and listing.
    pub pit: Option<String>,
    /// How many customers there are in all, as the platform says.
    pub total_result: u32,
}

impl Connectors {
    /// The stores of the Lexmodo platform.
    pub fn lexmodo(&self) -> Stores<'_> {
        Stores(self)
    }
}

impl<'a> Stores<'a> {
    /// A customer of the store that the asker's tenant is.
    ///
    /// # Errors
    /// [`Error::NotConfigured`], [`Error::NotAStore`], [`Error::NotFound`]; those of the connection and of the platform.
    pub async fn customer(self, asker: &Asker, id: &str) -> Result<Customer, Error> {
        let (customers, store, connection) = self.store(asker).await?;
        self.begin(asker, &connection, "customer").finish(Box::pin(customers.customer(&store, id))).await
    }

    /// A page of the store's customers: the first, or the one after the answer that gave `pit`.
    ///
    /// # Errors
    /// As [`customer`](Self::customer); [`Error::PageToken`] for a `pit` that was not given out for this query.
    pub async fn page(self, asker: &Asker, query: &Query, pit: Option<&str>) -> Result<Listed, Error> {
        let (customers, store, connection) = self.store(asker).await?;
        let filters = [("rule_id", &query.rule_id), ("rule_query", &query.rule)];
        let filters: BTreeMap<&'static str, String> =
            filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        let binding = Binding {
            tenant: &asker.tenant,
            connection: &connection.id,
            connector: DESCRIPTION.id,
            operation: "customers",
            query: "",
            filters: &filters,
            provider: DESCRIPTION.name,
            parameter: "pit",
        };
        let tickets = self.0.tickets();
        let place = pit.map(|pit| binding.open(tickets, pit)).transpose()?;
        let cursor = place.as_ref().map(|place| place.cursor.as_str());
        let work = Box::pin(async {
            let page = customers.page(&store, query, cursor).await;
            let Page { customers, pit, total_result } =
                page.map_err(|error| named(error, cursor.map(|_| "pit")))?;
            let ids = customers.iter().map(|customer| customer.id.as_str());
            let pit = binding.next(tickets, place.as_ref(), ids, pit)?;
            Ok(Listed { customers, pit, total_result })
        });
        self.begin(asker, &connection, "customers").finish(work).await
    }

    /// All customers of the store, page by page, each fetched while the one before is used. Dropping the stream ends the calls.
    ///
    /// # Errors
    /// As [`customer`](Self::customer); what fails later is the last that the stream gives.
    pub async fn stream(
        self,
        asker: &Asker,
        query: Query,
    ) -> Result<impl Stream<Item = Result<Vec<Customer>, Error>> + Send + use<>, Error> {
        let (customers, store, connection) = self.store(asker).await?;
        let under_way = self.begin(asker, &connection, "customers.stream");
        let pages = Box::pin(one_ahead(customers.pages(store, query)));
        let in_time = stream::unfold(pages, |mut pages| async move {
            let next = tokio::time::timeout(PAGE_DEADLINE, pages.next()).await;
            let page = next.unwrap_or_else(|_| Some(Err(late())))?;
            Some((page.map(|page| page.customers), pages))
        });
        Ok(recorded(in_time, under_way, DESCRIPTION.items))
    }

    async fn store(self, asker: &Asker) -> Result<(&'a Customers, Store, Connection), Error> {
        let customers = self.0.customers_service().ok_or(NOT_CONFIGURED)?;
        let id = store_id(&asker.tenant)?;
        let connection = self.0.meant(asker, DESCRIPTION.provider).await?;
        let acting = self.0.lead(asker, &connection);
        let context = self.0.context(asker, connection, acting, false);
        Ok((customers, Store { id, credential: context.credential }, context.connection))
    }

    fn begin(self, asker: &Asker, connection: &Connection, operation: &str) -> Use {
        self.0.note(asker, connection, &DESCRIPTION, operation)
    }
}

fn late() -> Error {
    upstream(ErrorCode::UpstreamTimeout, "the next page did not come in time")
}
