//! What every vendor's things look like here.

use model::Timestamp;
use serde_json::{Map, Value};

/// A message, a file, a customer: what a vendor keeps, in words that are the same for all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    /// Its id at the vendor.
    pub id: String,
    /// What it is: `message`, `customer`.
    pub kind: &'static str,
    /// What it is called.
    pub title: Option<String>,
    /// What it says, as plain text, or as Markdown where the vendor has more than that.
    pub text: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// Who made it.
    pub author: Option<Author>,
    /// What it stands in: a thread, a folder, a calendar.
    pub container_id: Option<String>,
    /// When it came into being.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// Which version of it this is, where the vendor tells.
    pub etag: Option<String>,
    /// What else this kind of item has, by names that stay the same.
    pub extra: Map<String, Value>,
    /// The vendor's answer as it came, where it was asked for.
    pub raw: Option<Value>,
}

/// Who made an item, as far as the vendor tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The id at the vendor.
    pub id: Option<String>,
    /// The name for people.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

/// A page of what a vendor lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it. There may be few or none though others follow.
    pub items: Vec<T>,
    /// How many there are in all, where the vendor tells.
    pub total: Option<u64>,
    /// Where the next page begins; `None` at the end. From a connector it is the vendor's own cursor, from the
    /// dispatcher a sealed page token.
    pub next: Option<String>,
}

/// A page of items.
pub type Items = Page<Item>;

impl<T> Page<T> {
    /// A page as most vendors give it, without the count of all. Where `next` is empty there is no next page.
    pub(crate) fn of(items: impl IntoIterator<Item = T>, next: Option<String>) -> Self {
        Self { items: items.into_iter().collect(), total: None, next: next.filter(|next| !next.is_empty()) }
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), total: None, next: None }
    }
}

/// What has an id at its vendor, by which a page that comes again is recognised.
pub(crate) trait Identified {
    fn id(&self) -> &str;
}

impl Identified for Item {
    fn id(&self) -> &str {
        &self.id
    }
}
