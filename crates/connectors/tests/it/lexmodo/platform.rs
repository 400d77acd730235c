//! A platform of one test's own, and the client of it.

use std::time::Duration;

use connectors::Error;
use connectors::lexmodo::{Config, Customers, Page, Query, Store};
use futures::{Stream, StreamExt as _};
use model::{Ambient, Coded as _, ErrorCode};
use serde_json::Value;
use testkit::{LexmodoOptions, LexmodoServer};

use super::tokens::Tokens;

/// The longest answer that the clients of the tests read.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// A server whose two stores each accept the tokens `first` and `second` of theirs, and a client.
pub(crate) struct Platform {
    pub(crate) server: LexmodoServer,
    pub(crate) customers: Customers,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        Self::with(LexmodoOptions { customers: 250, ..LexmodoOptions::default() }).await
    }

    pub(crate) async fn with(options: LexmodoOptions) -> Self {
        let server = LexmodoServer::start(options).unwrap();
        let customers = client(config(&server.address()));
        let platform = Self { server, customers };
        platform.accept().await;
        platform
    }

    /// Has the server accept the tests' tokens, as is needed again when it was restarted.
    pub(crate) async fn accept(&self) {
        for store in LexmodoServer::STORES {
            for token in ["first", "second"] {
                self.server.accept(&format!("{token}-{store}"), store).await.unwrap();
            }
        }
    }

    pub(crate) async fn behave(&self, how: Value) {
        self.server.behave(how).await.unwrap();
    }

    /// How many calls the server got.
    pub(crate) async fn calls(&self) -> usize {
        self.server.calls().await.unwrap().len()
    }

    /// Waits until the server knows that a call was given up.
    pub(crate) async fn cancelled(&self) {
        for _ in 0..200 {
            if self.server.calls().await.unwrap().iter().any(|call| call.cancelled) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no call was given up");
    }

    pub(crate) async fn customer(&self, id: &str) -> Result<String, Error> {
        Ok(self.customers.customer(&store(7), id).await?.id)
    }

    /// The whole listing of store 7, `size` customers to a page.
    pub(crate) fn pages(&self, size: u32) -> impl Stream<Item = Result<Page, Error>> + Unpin + use<> {
        self.pages_of(store(7), size)
    }

    pub(crate) fn pages_of(
        &self,
        store: Store,
        size: u32,
    ) -> impl Stream<Item = Result<Page, Error>> + Unpin + use<> {
        Box::pin(self.customers.pages(store, sized(size)))
    }
}

pub(crate) fn config(address: &str) -> Config {
    Config {
        address: address.parse().unwrap(),
        descriptor_set: None,
        max_message_bytes: MAX_MESSAGE_BYTES,
        extra_roots: Vec::new(),
    }
}

pub(crate) fn client(config: Config) -> Customers {
    Customers::new(config, Ambient::system()).unwrap()
}

/// A store with two tokens, the second for when the first is refused.
pub(crate) fn store(id: u64) -> Store {
    Store { id, credential: Tokens::new([format!("first-{id}"), format!("second-{id}")]) }
}

pub(crate) fn sized(size: u32) -> Query {
    Query { page_size: Some(size), ..Query::default() }
}

/// The customers' ids of a listing, and the error that it ended with, if one did.
pub(crate) async fn read(
    mut pages: impl Stream<Item = Result<Page, Error>> + Unpin,
) -> (Vec<String>, Option<Error>) {
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => ids.extend(page.customers.into_iter().map(|customer| customer.id)),
            Err(error) => {
                assert!(pages.next().await.is_none(), "the stream goes on after an error");
                return (ids, Some(error));
            }
        }
    }
    (ids, None)
}

/// The ids that a store's customers have, in their order.
pub(crate) fn ids(store: u64, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{store}-{number:06}")).collect()
}

/// The code and the text of the error in `result`.
pub(crate) fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> (ErrorCode, String) {
    let error = result.unwrap_err();
    (error.code(), error.to_string())
}
