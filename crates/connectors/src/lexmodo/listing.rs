//! A listing from its first page to its last, fetched as it is read.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use model::ErrorCode;

use super::client::{Customers, Store};
use super::customer::{Customer, Page, Query};
use super::query;
use super::status::upstream;
use crate::Error;

/// The most pages of one listing: ten million customers at the usual page size. Each costs eight bytes of memory or so.
const MAX_PAGES: usize = 100_000;
/// How many customers a listing remembers of those that it gave out last, at the least; some 100 KB whatever its length.
const MEMORY: usize = 5_000;

/// Where a listing stands.
pub(super) struct Listing {
    customers: Customers,
    store: Store,
    query: Query,
    place: Place,
    seen: Seen,
}

enum Place {
    First,
    Next(String),
    Ended,
}

impl Listing {
    pub(super) fn new(customers: Customers, store: Store, query: Query) -> Self {
        Self { customers, store, query, place: Place::First, seen: Seen::default() }
    }

    /// The next page, and the listing after it. `None` after the last; an empty page is given only as the first.
    pub(super) async fn next(mut self) -> Result<Option<(Page, Self)>, Error> {
        let pit = match &self.place {
            Place::First => None,
            Place::Next(pit) => Some(pit.as_str()),
            Place::Ended => return Ok(None),
        };
        let size = query::check(&self.query)?;
        let page = self.customers.fetch(&self.store, &self.query, size, pit).await?;
        if page.customers.is_empty() && pit.is_some() {
            return Ok(None);
        }
        self.seen.note(&page.customers)?;
        self.place = page.pit.clone().map_or(Place::Ended, Place::Next);
        Ok(Some((page, self)))
    }
}

/// What was given out, as numbers that stand for it: all pages, and the latest customers in two lots, of which the older
/// one goes when the newer one is full.
#[derive(Default)]
struct Seen {
    pages: HashSet<u64>,
    latest: HashSet<u64>,
    before: HashSet<u64>,
}

impl Seen {
    /// Takes in a page, unless it was there before, or has only customers that were: then the platform goes in a circle.
    fn note(&mut self, page: &[Customer]) -> Result<(), Error> {
        if self.pages.len() == MAX_PAGES {
            let detail =
                format!("the listing has more than {MAX_PAGES} pages: ask for more customers to a page");
            return Err(upstream(ErrorCode::UpstreamRejected, detail));
        }
        let customers: Vec<u64> = page.iter().map(of_customer).collect();
        let is_known = |customer: &u64| self.latest.contains(customer) || self.before.contains(customer);
        let brings_nothing = !customers.is_empty() && customers.iter().all(is_known);
        if brings_nothing || !self.pages.insert(of_page(&customers)) {
            tracing::warn!(pages = self.pages.len(), "the platform's listing goes in a circle");
            let detail =
                "the platform's listing goes in a circle: a page brought no customers but those given before";
            return Err(upstream(ErrorCode::UpstreamUnavailable, detail));
        }
        self.latest.extend(customers);
        if self.latest.len() >= MEMORY {
            self.before = std::mem::take(&mut self.latest);
        }
        Ok(())
    }
}

/// The same number for the same customers, in whatever order.
fn of_page(customers: &[u64]) -> u64 {
    let sum = customers.iter().copied().fold(0, u64::wrapping_add);
    let mut hasher = DefaultHasher::new();
    (sum, customers.len()).hash(&mut hasher);
    hasher.finish()
}

fn of_customer(customer: &Customer) -> u64 {
    let mut hasher = DefaultHasher::new();
    customer.id.hash(&mut hasher);
    if customer.id.is_empty() {
        let Customer { first_name, last_name, email, phone_number, full_name, .. } = customer;
        [first_name, last_name, email, phone_number, full_name].hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn page(ids: &[&str]) -> Vec<Customer> {
        let customer = |id: &&str| Customer {
            id: (*id).to_owned(),
            first_name: None,
            last_name: None,
            email: None,
            phone_number: None,
            full_name: None,
            raw: None,
        };
        ids.iter().map(customer).collect()
    }

    #[test]
    fn the_same_customers_are_known_in_any_order() {
        let mut seen = Seen::default();
        seen.note(&page(&["a", "b"])).unwrap();
        seen.note(&page(&["a", "c"])).unwrap();
        seen.note(&page(&["ab"])).unwrap();
        assert_eq!(seen.note(&page(&["b", "a"])).unwrap_err().code(), ErrorCode::UpstreamUnavailable);
    }

    #[test]
    fn a_page_with_nobody_new_is_a_circle_however_it_is_cut() {
        let mut seen = Seen::default();
        seen.note(&page(&["a", "b"])).unwrap();
        seen.note(&page(&["b", "c", "d"])).unwrap();
        for again in [&["a"][..], &["b", "c"], &["d", "a"], &["a", "b", "c", "d"]] {
            assert!(seen.note(&page(again)).is_err(), "{again:?}");
        }
        seen.note(&page(&["d", "e"])).unwrap();
    }

    #[test]
    fn a_page_that_comes_again_is_known_however_long_ago_it_was() {
        let mut seen = Seen::default();
        for number in 0..MEMORY * 4 {
            seen.note(&page(&[&number.to_string()])).unwrap();
        }
        assert!(seen.latest.len() + seen.before.len() <= MEMORY * 2);
        assert!(seen.note(&page(&["0"])).is_err());
    }

    #[test]
    fn customers_without_ids_are_told_apart_by_the_rest() {
        let named = |name: &str| {
            let mut page = page(&[""]);
            page[0].full_name = Some(name.to_owned());
            page
        };
        let mut seen = Seen::default();
        seen.note(&named("Ann")).unwrap();
        seen.note(&named("Bob")).unwrap();
        assert!(seen.note(&named("Ann")).is_err());
    }

    #[test]
    fn a_listing_without_an_end_is_ended() {
        let mut seen = Seen::default();
        for number in 0..MAX_PAGES {
            seen.note(&page(&[&number.to_string()])).unwrap();
        }
        assert_eq!(seen.note(&page(&["one more"])).unwrap_err().code(), ErrorCode::UpstreamRejected);
    }
}
