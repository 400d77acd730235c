//! A connector of the tests' own: a shelf of ten books, whose calls are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use connectors::connector::{
    Ability, Connector, Data, Description, Filter, Listing, Operation, Raw, Surfaces,
};
use connectors::http::{Api, Upstream};
use connectors::{Context, Error, Item, Items};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

/// How many books there are.
pub(crate) const BOOKS: usize = 10;

pub(crate) static SHELF: Description = Description {
    id: "shelf",
    aliases: &["ledge"],
    provider: "library",
    name: "The Shelf",
    items: "books",
    operations: &[
        Ability { operation: Operation::List, scopes: &[] },
        Ability { operation: Operation::Get, scopes: &[] },
        Ability { operation: Operation::Search, scopes: &[] },
        Ability { operation: Operation::Delete, scopes: &[&["books.write", "books.admin"]] },
    ],
    filters: &[Filter { name: "shape", meaning: "books of this shape" }],
    max_page: 4,
    bound_scopes: &[],
};

/// The shelf. Books of the shape `stuck` come again and again.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shelf {
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) lacks_setting: bool,
    /// The library's own API, where there is one.
    pub(crate) upstream: Option<Upstream>,
}

impl Shelf {
    /// Notes a call, and reads the token as a call would.
    async fn call(&self, context: &Context) -> Result<String, Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let token = context.credential.token().await?;
        Ok(token.secret.expose_secret().to_owned())
    }

    fn page(listing: &Listing) -> Items {
        let from: usize = listing.cursor.as_deref().map_or(0, |cursor| cursor.parse().unwrap());
        let to = (from + usize::try_from(listing.max_results).unwrap()).min(BOOKS);
        let is_stuck = listing.filter("shape") == Some("stuck");
        let shown = if is_stuck { 0..2 } else { from..to };
        let item = |number| Item { id: format!("book-{number}"), kind: "book", ..Item::default() };
        Items {
            items: shown.map(item).collect(),
            total: Some(u64::try_from(BOOKS).unwrap()),
            next: (is_stuck || to < BOOKS).then(|| to.to_string()),
        }
    }
}

#[async_trait]
impl Connector for Shelf {
    fn description(&self) -> &'static Description {
        &SHELF
    }

    fn missing_setting(&self) -> Option<&'static str> {
        self.lacks_setting.then_some("SHELF_ADDRESS")
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        self.call(context).await.map(drop)
    }

    fn surfaces(&self) -> Surfaces<'_> {
        let raw = self.upstream.is_some().then_some(self as &dyn Raw);
        Surfaces { data: Some(self), raw, ..Surfaces::default() }
    }
}

impl Raw for Shelf {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        Ok(self.upstream.as_ref().unwrap().api(context))
    }
}

#[async_trait]
impl Data for Shelf {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.call(context).await?;
        Ok(Self::page(listing))
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        let token = self.call(context).await?;
        let raw = context.raw.then(|| Value::from(token));
        Ok(Item { id: id.to_owned(), kind: "book", raw, ..Item::default() })
    }

    async fn create(&self, _: &Context, _: &Map<String, Value>) -> Result<Item, Error> {
        panic!("it is not declared, so nobody calls it")
    }

    async fn update(&self, _: &Context, _: &str, _: &Map<String, Value>) -> Result<Item, Error> {
        panic!("it is not declared, so nobody calls it")
    }

    async fn delete(&self, _: &Context, _: &str) -> Result<(), Error> {
        panic!("the connection has not the scope for it, so nobody calls it")
    }

    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        self.call(context).await?;
        if query == "nothing" { Ok(Items::default()) } else { Ok(Self::page(listing)) }
    }
}
