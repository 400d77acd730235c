//! A connector of the tests' own whose pages are given by a function, and the broker around it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use connections::activity::{Filter as Entries, Recorded};
use connections::{Connections, Direct, DirectGrant};
use connectors::connector::{Ability, Connector, Data, Description, Filter, Listing, Operation, Surfaces};
use connectors::http::Settings;
use connectors::{Asker, Connectors, Context, Error, Interrupted, Item, Items, Wanted};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use model::ErrorCode;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::house::house;

static ARCHIVE: Description = Description {
    id: "archive",
    aliases: &[],
    provider: "library",
    name: "The Archive",
    items: "papers",
    operations: &[
        Ability { operation: Operation::List, scopes: &[] },
        Ability { operation: Operation::Search, scopes: &[&["papers.search"]] },
    ],
    filters: &[Filter { name: "case", meaning: "the papers in this case" }],
    max_page: 500,
    bound_scopes: &[],
};

type Answer = Pin<Box<dyn Future<Output = Result<Items, Error>> + Send>>;
type Give = Arc<dyn Fn(Context, Listing) -> Answer + Send + Sync>;

/// The archive: what it is asked for is counted.
struct Archive {
    give: Give,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl Connector for Archive {
    fn description(&self) -> &'static Description {
        &ARCHIVE
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, _: &Context) -> Result<(), Error> {
        Ok(())
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces { data: Some(self), ..Surfaces::default() }
    }
}

#[async_trait]
impl Data for Archive {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        (self.give)(context.clone(), listing.clone()).await
    }

    async fn get(&self, _: &Context, _: &str) -> Result<Item, Error> {
        panic!("it is not declared, so nobody calls it")
    }

    async fn create(&self, _: &Context, _: &Map<String, Value>) -> Result<Item, Error> {
        panic!("it is not declared, so nobody calls it")
    }

    async fn update(&self, _: &Context, _: &str, _: &Map<String, Value>) -> Result<Item, Error> {
        panic!("it is not declared, so nobody calls it")
    }

    async fn delete(&self, _: &Context, _: &str) -> Result<(), Error> {
        panic!("it is not declared, so nobody calls it")
    }

    async fn search(&self, _: &Context, _: &str, _: &Listing) -> Result<Items, Error> {
        panic!("the connection has not the scope for it, so nobody calls it")
    }
}

/// The broker, with connections of `ann` and `bob` in the tenants `acme` and `other`.
pub(super) struct World {
    pub(super) connectors: Connectors,
    connections: Connections,
    calls: Arc<AtomicUsize>,
    _folder: TempDir,
}

impl World {
    pub(super) async fn new<F>(give: impl Fn(Context, Listing) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Items, Error>> + Send + 'static,
    {
        let file = "[providers.library]\nflow = \"api_key\"\n";
        let (parts, folder) = house(file, &|_| None, Settings::default()).await;
        let (connections, calls) = (parts.connections.clone(), Arc::new(AtomicUsize::new(0)));
        let give: Give = Arc::new(move |context, listing| Box::pin(give(context, listing)));
        let connectors = Connectors::of(parts, vec![Box::new(Archive { give, calls: Arc::clone(&calls) })]);
        for (tenant, user) in [("acme", "ann"), ("acme", "bob"), ("other", "ann")] {
            let direct = Direct {
                tenant: tenant.parse().unwrap(),
                actor: user.into(),
                provider: "library".into(),
                user_email: format!("{user}@acme.example"),
                label: None,
                variables: [].into(),
                grant: DirectGrant::ApiKey("key-1".into()),
            };
            connections.connect(direct).await.unwrap();
        }
        Self { connectors, connections, calls, _folder: folder }
    }

    /// All that `ann` has, in pages of 3, from `page_token` on.
    pub(super) async fn stream(
        &self,
        page_token: Option<String>,
    ) -> Pin<Box<dyn Stream<Item = Result<Vec<Item>, Interrupted>> + Send>> {
        let asked = Wanted { page_token, ..wanted() };
        Box::pin(
            self.connectors
                .stream_items(&asker("acme", "ann"), "archive", None, &asked)
                .await
                .unwrap()
                .result,
        )
    }

    /// How often the archive was asked for a page.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// What is on record of uses in `acme`: operation, outcome, detail.
    pub(super) async fn uses(&self) -> Vec<[String; 3]> {
        self.connections.activity().close().await;
        let pages = self.connections.activity().export("acme".parse().unwrap(), Entries::default());
        let all: Vec<Recorded> = pages.try_collect::<Vec<_>>().await.unwrap().concat();
        let uses = all.into_iter().filter(|entry| entry.action == "use");
        let told = |text: Option<String>| text.unwrap_or_default();
        uses.map(|entry| [told(entry.operation), entry.outcome, told(entry.detail)]).collect()
    }
}

pub(super) fn asker(tenant: &str, user: &str) -> Asker {
    Asker {
        tenant: tenant.parse().unwrap(),
        actor: user.into(),
        user_email: format!("{user}@acme.example"),
        connection: None,
    }
}

pub(super) fn wanted() -> Wanted {
    Wanted { max_results: 3, ..Wanted::default() }
}

pub(super) fn paper(number: usize) -> Item {
    Item { id: format!("paper-{number}"), kind: "paper", ..Item::default() }
}

/// A page of these papers, with the number of the next page.
pub(super) fn page(papers: impl IntoIterator<Item = usize>, next: Option<usize>) -> Items {
    Items {
        items: papers.into_iter().map(paper).collect(),
        total: None,
        next: next.map(|next| next.to_string()),
    }
}

/// The number of the page that is asked for.
pub(super) fn asked(listing: &Listing) -> usize {
    listing.cursor.as_deref().map_or(0, |cursor| cursor.parse().unwrap())
}

/// The number of a paper.
pub(super) fn number(item: &Item) -> usize {
    item.id.strip_prefix("paper-").unwrap().parse().unwrap()
}

/// What the archive says on a bad day.
pub(super) fn away() -> Error {
    Error::Upstream {
        provider: "The Archive",
        code: ErrorCode::UpstreamUnavailable,
        detail: "it is being moved".into(),
        retry_after: None,
        status: Some(503),
        retryable: true,
    }
}

/// What a stream gave, and what it broke off with.
pub(super) async fn read(
    mut stream: Pin<Box<dyn Stream<Item = Result<Vec<Item>, Interrupted>> + Send>>,
) -> (Vec<usize>, Option<Interrupted>) {
    let mut papers = Vec::new();
    while let Some(page) = stream.next().await {
        match page {
            Ok(items) => papers.extend(items.iter().map(number)),
            Err(interrupted) => {
                assert!(stream.next().await.is_none(), "an error is the last");
                return (papers, Some(interrupted));
            }
        }
    }
    (papers, None)
}
