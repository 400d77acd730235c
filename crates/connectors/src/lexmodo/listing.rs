//! A listing from its first page to its last, fetched as it is read.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use model::ErrorCode;

use super::client::{Customers, Store};
use super::customer::{Customer, Page, Query};
use super::query;
use super::status::upstream;
use crate::Error;
use crate::seen::{Endless, MAX_PAGES, Seen};

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
        note(&mut self.seen, &page.customers)?;
        self.place = page.pit.clone().map_or(Place::Ended, Place::Next);
        Ok(Some((page, self)))
    }
}

/// Takes in a page, unless it was there before, or has only customers that were: then the platform goes in a circle.
fn note(seen: &mut Seen, page: &[Customer]) -> Result<(), Error> {
    let customers: Vec<u64> = page.iter().map(of_customer).collect();
    match seen.note(0, &customers) {
        Ok(new) if new.is_empty() || new.contains(&true) => Ok(()),
        Ok(_) | Err(Endless::Circle) => {
            tracing::warn!("the platform's listing goes in a circle");
            let detail =
                "the platform's listing goes in a circle: a page brought no customers but those given before";
            Err(upstream(ErrorCode::UpstreamUnavailable, detail))
        }
        Err(Endless::TooLong) => {
            let detail =
                format!("the listing has more than {MAX_PAGES} pages: ask for more customers to a page");
            Err(upstream(ErrorCode::UpstreamRejected, detail))
        }
    }
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
        note(&mut seen, &page(&["a", "b"])).unwrap();
        note(&mut seen, &page(&["a", "c"])).unwrap();
        note(&mut seen, &page(&["ab"])).unwrap();
        assert_eq!(note(&mut seen, &page(&["b", "a"])).unwrap_err().code(), ErrorCode::UpstreamUnavailable);
    }

    #[test]
    fn a_page_with_nobody_new_is_a_circle_however_it_is_cut() {
        let mut seen = Seen::default();
        note(&mut seen, &page(&["a", "b"])).unwrap();
        note(&mut seen, &page(&["b", "c", "d"])).unwrap();
        for again in [&["a"][..], &["b", "c"], &["d", "a"], &["a", "b", "c", "d"]] {
            assert!(note(&mut seen, &page(again)).is_err(), "{again:?}");
        }
        note(&mut seen, &page(&["d", "e"])).unwrap();
    }

    #[test]
    fn customers_without_ids_are_told_apart_by_the_rest() {
        let named = |name: &str| {
            let mut page = page(&[""]);
            page[0].full_name = Some(name.to_owned());
            page
        };
        let mut seen = Seen::default();
        note(&mut seen, &named("Ann")).unwrap();
        note(&mut seen, &named("Bob")).unwrap();
        assert!(note(&mut seen, &named("Ann")).is_err());
    }

    #[test]
    fn a_listing_without_an_end_is_ended() {
        let mut seen = Seen::default();
        for number in 0..MAX_PAGES {
            note(&mut seen, &page(&[&number.to_string()])).unwrap();
        }
        assert_eq!(note(&mut seen, &page(&["one more"])).unwrap_err().code(), ErrorCode::UpstreamRejected);
    }
}
