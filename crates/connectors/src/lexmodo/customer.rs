//! What callers see of the platform's customers.

use serde::Serialize;

/// A customer of a store. What the platform does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Customer {
    /// Its id within the store.
    #[serde(rename = "customer_id")]
    pub id: String,
    /// The given name.
    #[serde(rename = "customer_first_name")]
    pub first_name: Option<String>,
    /// The family name.
    #[serde(rename = "customer_last_name")]
    pub last_name: Option<String>,
    /// The e-mail address.
    #[serde(rename = "customer_email")]
    pub email: Option<String>,
    /// The telephone number.
    #[serde(rename = "customer_phone_number")]
    pub phone_number: Option<String>,
    /// The name in one piece.
    #[serde(rename = "customer_full_name")]
    pub full_name: Option<String>,
    /// The whole message by the operator's descriptor set, extra fields included; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<serde_json::Value>,
}

/// Which customers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// A rule that the store has saved, by its id.
    pub rule_id: Option<String>,
    /// A rule in the platform's own words.
    pub rule: Option<String>,
    /// How many customers to a page, 1 to 1,000; 100 where left out.
    pub page_size: Option<u32>,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The customers.
    pub customers: Vec<Customer>,
    /// What names the next page; `None` at the end.
    pub pit: Option<String>,
    /// How many customers there are in all, as the platform says.
    pub total_result: u32,
}
