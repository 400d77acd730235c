//! The connector `lexmodo`: a store's customers as items.

use async_trait::async_trait;
use model::TenantId;
use serde_json::{Map, Value};

use super::status::PROVIDER;
use super::{Customer, Customers, Page, Query, Store};
use crate::connector::{Ability, Connector, Data, Description, Filter, Listing, Operation, Surfaces};
use crate::{Context, Error, Item, Items};

/// The setting that the service's address stands in.
const ADDRESS: &str = "LEXMODO_GRPC_ADDRESS";

/// The scopes are the operator's to choose, in PLUGIN_SCOPE, and the platform judges by its own rules.
pub(super) static DESCRIPTION: Description = Description {
    id: "lexmodo",
    aliases: &[],
    provider: "lexmodo",
    name: PROVIDER,
    items: "customers",
    operations: &[
        Ability { operation: Operation::List, scopes: &[] },
        Ability { operation: Operation::Get, scopes: &[] },
        Ability { operation: Operation::Search, scopes: &[] },
    ],
    filters: &[Filter {
        name: "rule_id",
        meaning: "customers of a rule that the store has saved, by its id",
    }],
    max_page: 1000,
    bound_scopes: &[],
};

/// The error where the operator has not set up the service.
pub(super) const NOT_CONFIGURED: Error = Error::NotConfigured { connector: DESCRIPTION_ID, setting: ADDRESS };
const DESCRIPTION_ID: &str = "lexmodo";

/// A store's customers.
#[derive(Debug)]
pub(crate) struct LexmodoConnector {
    customers: Option<Customers>,
}

impl LexmodoConnector {
    pub(crate) fn new(customers: Option<Customers>) -> Self {
        Self { customers }
    }

    fn customers(&self) -> Result<&Customers, Error> {
        self.customers.as_ref().ok_or(NOT_CONFIGURED)
    }

    async fn page(&self, context: &Context, query: &Query, cursor: Option<&str>) -> Result<Items, Error> {
        let asked = self.customers()?.page(&store(context)?, query, cursor).await;
        let Page { customers, pit, total_result } =
            asked.map_err(|error| named(error, cursor.map(|_| "page_token")))?;
        Ok(Items {
            items: customers.into_iter().map(|customer| item(customer, context.raw)).collect(),
            total: Some(total_result.into()),
            next: pit,
        })
    }
}

#[async_trait]
impl Connector for LexmodoConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        self.customers.is_none().then_some(ADDRESS)
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        let one = Query { page_size: Some(1), ..Query::default() };
        self.page(context, &one, None).await.map(drop)
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces { data: Some(self), ..Surfaces::default() }
    }
}

#[async_trait]
impl Data for LexmodoConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.page(context, &query(listing, None), listing.cursor.as_deref()).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        let customer = self.customers()?.customer(&store(context)?, id).await?;
        Ok(item(customer, context.raw))
    }

    async fn create(&self, _: &Context, _: &Map<String, Value>) -> Result<Item, Error> {
        Err(DESCRIPTION.cannot(Operation::Create))
    }

    async fn update(&self, _: &Context, _: &str, _: &Map<String, Value>) -> Result<Item, Error> {
        Err(DESCRIPTION.cannot(Operation::Update))
    }

    async fn delete(&self, _: &Context, _: &str) -> Result<(), Error> {
        Err(DESCRIPTION.cannot(Operation::Delete))
    }

    async fn search(&self, context: &Context, rule: &str, listing: &Listing) -> Result<Items, Error> {
        self.page(context, &query(listing, Some(rule)), listing.cursor.as_deref()).await
    }
}

fn query(listing: &Listing, rule: Option<&str>) -> Query {
    Query {
        rule_id: listing.filter("rule_id").map(str::to_owned),
        rule: rule.map(str::to_owned),
        page_size: Some(listing.max_results),
    }
}

fn store(context: &Context) -> Result<Store, Error> {
    Ok(Store { id: store_id(&context.tenant)?, credential: std::sync::Arc::clone(&context.credential) })
}

/// The number of the store that a tenant is.
///
/// # Errors
/// [`Error::NotAStore`] for a tenant that is none: `lexmodo:` and a decimal number, written in one way only.
pub(super) fn store_id(tenant: &TenantId) -> Result<u64, Error> {
    let digits = tenant.as_str().strip_prefix("lexmodo:").ok_or(Error::NotAStore)?;
    let id = digits.parse::<u64>().map_err(|_| Error::NotAStore)?;
    if id.to_string() == digits { Ok(id) } else { Err(Error::NotAStore) }
}

/// The error of a page, with the parameter that the caller named its place by, if it named one.
pub(super) fn named(error: Error, parameter: Option<&'static str>) -> Error {
    match error {
        Error::PointInTimeGone { .. } => Error::PointInTimeGone { parameter },
        other => other,
    }
}

fn item(mut customer: Customer, raw: bool) -> Item {
    let given = customer.raw.take();
    let raw = raw.then(|| given.unwrap_or_else(|| serde_json::to_value(&customer).unwrap_or_default()));
    let title = title(&customer);
    let extra = [
        ("first_name", customer.first_name),
        ("last_name", customer.last_name),
        ("email", customer.email),
        ("phone_number", customer.phone_number),
    ];
    let extra = extra.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))));
    Item { id: customer.id, kind: "customer", title, extra: extra.collect(), raw, ..Item::default() }
}

/// The name in one piece, or made of its parts; else the e-mail address.
fn title(customer: &Customer) -> Option<String> {
    let given = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let parts = [given(&customer.first_name), given(&customer.last_name)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let joined = (!parts.is_empty()).then(|| parts.join(" "));
    given(&customer.full_name).or(joined).or_else(|| given(&customer.email))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn customer(names: [&str; 4]) -> Customer {
        let [first_name, last_name, full_name, email] =
            names.map(|name| (name != "-").then(|| name.to_owned()));
        Customer { id: "c1".into(), first_name, last_name, email, phone_number: None, full_name, raw: None }
    }

    #[test]
    fn a_customer_is_called_by_the_best_name_there_is() {
        for (names, expected) in [
            (["Ann", "Lee", "Ann B. Lee", "a@b"], Some("Ann B. Lee")),
            (["Ann", "Lee", "-", "a@b"], Some("Ann Lee")),
            (["Ann", "-", " ", "a@b"], Some("Ann")),
            (["-", "-", "-", "a@b"], Some("a@b")),
            (["", "-", "-", "-"], None),
        ] {
            assert_eq!(title(&customer(names)).as_deref(), expected, "{names:?}");
        }
    }

    #[test]
    fn what_is_not_told_is_left_out_and_raw_comes_where_it_is_wanted() {
        let plain = item(customer(["Ann", "-", "-", "-"]), false);
        assert_eq!(Value::Object(plain.extra), json!({"first_name": "Ann"}));
        assert_eq!((plain.kind, plain.raw), ("customer", None));
        let told = item(customer(["Ann", "-", "-", "-"]), true).raw.unwrap();
        assert_eq!(told["customer_first_name"], "Ann");
        let whole = json!({"customerId": "c1", "customerCompany": "Acme"});
        let richer = Customer { raw: Some(whole.clone()), ..customer(["Ann", "-", "-", "-"]) };
        assert_eq!(item(richer, true).raw, Some(whole));
    }

    #[test]
    fn a_store_is_written_in_one_way() {
        let id = |text: &str| store_id(&text.parse().unwrap()).ok();
        assert_eq!(id("lexmodo:7"), Some(7));
        assert_eq!(id("lexmodo:18446744073709551615"), Some(u64::MAX));
        for other in ["acme", "lexmodo:", "lexmodo:07", "lexmodo:7x", "lexmodo:-7", "Lexmodo:7", "x:7"] {
            assert_eq!(id(other), None, "{other}");
        }
        assert_eq!(id("lexmodo:18446744073709551616"), None);
    }
}
