//! The customers service, as the rest of the program knows it.

use std::fmt;
use std::sync::Arc;

use futures::Stream;
use model::{Ambient, ErrorCode};

use super::call::{Answer, Caller};
use super::channel::{self, Config, ConfigError};
use super::customer::{Customer, Page, Query};
use super::listing::Listing;
use super::proto::{CustomerIdRequest, CustomerInfo, CustomerListing};
use super::query;
use super::raw::{Raw, Unreadable};
use super::status::{Question, not_found, upstream};
use crate::{Credential, Error};

/// A store, and the token that speaks for it.
#[derive(Clone)]
pub struct Store {
    /// The platform's number of the store.
    pub id: u64,
    /// Gives the token for each call.
    pub credential: Arc<dyn Credential>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The customers of all stores. One for the program; cheap to clone.
///
/// A call has 5 seconds, in which it is made up to three times as long as the platform is not available; one that the
/// token is refused to is made again with another token.
#[derive(Clone)]
pub struct Customers {
    caller: Caller,
    raw: Option<Raw>,
}

impl fmt::Debug for Customers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Customers")
    }
}

impl Customers {
    /// A client of the server at `config.address`, which connects when it is first used and again after the connection
    /// broke. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The setting that cannot be used, and what would be right.
    pub fn new(config: Config, ambient: Ambient) -> Result<Self, ConfigError> {
        let Config { address, descriptor_set, max_message_bytes, extra_roots } = config;
        let raw = descriptor_set.as_deref().map(Raw::new).transpose()?;
        let channel = channel::channel(&address, &extra_roots)?;
        let caller = Caller::new(channel, max_message_bytes, address.as_str(), ambient);
        Ok(Self { caller, raw })
    }

    /// The customer of `store` with that id, of 1 to 256 visible characters.
    pub async fn customer(&self, store: &Store, id: &str) -> Result<Customer, Error> {
        query::check_id(id)?;
        let question = Question::Customer(id);
        let message = CustomerIdRequest { customer_id: id.to_owned() };
        let Answer { result, bytes } = self.caller.call(store, question, message).await?;
        let found = result.customer.filter(|customer| *customer != CustomerInfo::default());
        let mut customer = Customer::from(found.ok_or_else(|| not_found("", question, ""))?);
        if let Some(raw) = &self.raw {
            customer.raw = Some(raw.customer(bytes).map_err(|error| unreadable(&error))?);
        }
        Ok(customer)
    }

    /// One page: the first, or the one that the `pit` of the page before names, which may be any text.
    pub async fn page(&self, store: &Store, query: &Query, pit: Option<&str>) -> Result<Page, Error> {
        let pit = pit.filter(|pit| !pit.is_empty());
        let size = query::check(query)?;
        self.fetch(store, query, size, pit).await
    }

    /// The whole listing, page by page. A page is fetched when the stream is polled for it; dropping the stream ends the
    /// call that is under way. The stream ends after its first error.
    pub fn pages(
        &self,
        store: Store,
        query: Query,
    ) -> impl Stream<Item = Result<Page, Error>> + Send + 'static + use<> {
        futures::stream::try_unfold(Listing::new(self.clone(), store, query), Listing::next)
    }

    /// The page that `pit` names. A first page whose point in time has ended before it came is asked for once more, as
    /// nothing has been given out.
    pub(super) async fn fetch(
        &self,
        store: &Store,
        query: &Query,
        size: u32,
        pit: Option<&str>,
    ) -> Result<Page, Error> {
        match self.fetch_once(store, query, size, pit).await {
            Err(Error::PointInTimeGone { .. }) if pit.is_none() => {
                self.fetch_once(store, query, size, pit).await
            }
            answer => answer,
        }
    }

    async fn fetch_once(
        &self,
        store: &Store,
        query: &Query,
        size: u32,
        pit: Option<&str>,
    ) -> Result<Page, Error> {
        let message = CustomerListing {
            display_result: size,
            rule_id: query.rule_id.clone().unwrap_or_default(),
            rule_query: query.rule.clone().unwrap_or_default(),
            pit: pit.unwrap_or_default().to_owned(),
            ..CustomerListing::default()
        };
        let question = Question::Listing { rule_id: query.rule_id.as_deref() };
        let Answer { result, bytes } = self.caller.call(store, question, message).await?;
        let mut listing = result.customers_listing.unwrap_or_default();
        let mut customers: Vec<_> =
            std::mem::take(&mut listing.customer_listing).into_iter().map(Customer::from).collect();
        if let Some(raw) = &self.raw {
            for (customer, raw) in
                customers.iter_mut().zip(raw.customers(bytes).map_err(|error| unreadable(&error))?)
            {
                customer.raw = Some(raw);
            }
        }
        let total_result = listing.total_result;
        // A total that is left out says nothing.
        let is_all = pit.is_none() && total_result != 0 && fits(total_result, size, customers.len());
        let pit = Some(listing.pit).filter(|pit| !pit.is_empty() && !customers.is_empty() && !is_all);
        Ok(Page { customers, pit, total_result })
    }
}

/// Whether a first page of `came` customers is the whole listing. A server that gives smaller pages than it was asked for
/// has more to give, though its total would fit.
fn fits(total: u32, size: u32, came: usize) -> bool {
    total <= size && usize::try_from(total).is_ok_and(|total| came >= total)
}

fn unreadable(error: &Unreadable) -> Error {
    tracing::warn!(
        error = &**error as &dyn std::error::Error,
        "an answer does not fit LEXMODO_DESCRIPTOR_SET"
    );
    upstream(
        ErrorCode::UpstreamUnavailable,
        "the platform's answer does not fit the operator's LEXMODO_DESCRIPTOR_SET",
    )
}

impl From<CustomerInfo> for Customer {
    fn from(info: CustomerInfo) -> Self {
        Self {
            id: info.customer_id,
            first_name: info.customer_first_name,
            last_name: info.customer_last_name,
            email: info.customer_email,
            phone_number: info.customer_phone_number,
            full_name: info.customer_full_name,
            raw: None,
        }
    }
}
