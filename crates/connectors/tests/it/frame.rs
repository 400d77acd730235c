//! What the frame does for every connector: finds the connection, goes by what is declared, seals page tokens, and puts
//! each use on record.

use std::sync::atomic::Ordering;

use connections::activity::{Filter, Recorded};
use connections::{Connections, Direct, DirectGrant};
use connectors::http::Settings;
use connectors::{Asker, Connectors, Error, Items, Wanted};
use futures::TryStreamExt as _;
use model::{Coded as _, ErrorCode};
use serde_json::Map;
use tempfile::TempDir;

use crate::house::house;
use crate::shelf::{BOOKS, SHELF, Shelf};

struct World {
    connections: Connections,
    connectors: Connectors,
    shelf: Shelf,
    _folder: TempDir,
}

impl World {
    async fn new(shelf: Shelf) -> Self {
        let file = "[providers.library]\nflow = \"api_key\"\n[providers.other]\nflow = \"api_key\"\n";
        let (parts, folder) = house(file, &|_| None, Settings::default()).await;
        let connections = parts.connections.clone();
        let connectors = Connectors::of(parts, vec![Box::new(shelf.clone())]);
        Self { connections, connectors, shelf, _folder: folder }
    }

    /// A connection of `ann@tenant.example` with the key `key`; its id.
    async fn connect(&self, tenant: &str, provider: &str, key: &str) -> String {
        let direct = Direct {
            tenant: tenant.parse().unwrap(),
            actor: "u1".into(),
            provider: provider.into(),
            user_email: format!("ann@{tenant}.example"),
            label: None,
            variables: [].into(),
            grant: DirectGrant::ApiKey(key.into()),
        };
        self.connections.connect(direct).await.unwrap().connection.id
    }

    async fn activity(&self, tenant: &str) -> Vec<Recorded> {
        self.connections.activity().close().await;
        let pages = self.connections.activity().export(tenant.parse().unwrap(), Filter::default());
        let all = pages.try_collect::<Vec<_>>().await.unwrap().concat();
        all.into_iter().filter(|entry| entry.action == "use").collect()
    }

    async fn list(&self, asker: &Asker, wanted: &Wanted) -> Result<Items, Error> {
        Ok(self.connectors.list_items(asker, "shelf", wanted).await?.result)
    }

    fn calls(&self) -> usize {
        self.shelf.calls.load(Ordering::SeqCst)
    }
}

fn ann(tenant: &str) -> Asker {
    Asker {
        tenant: tenant.parse().unwrap(),
        actor: "u1".into(),
        user_email: format!("ann@{tenant}.example"),
        connection: None,
    }
}

fn wanted(page_token: Option<String>, parameters: &[(&str, &str)]) -> Wanted {
    let parameters =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Wanted { max_results: 3, page_token, parameters, raw: false }
}

#[tokio::test]
async fn pages_lead_through_the_whole_list_once() {
    let world = World::new(Shelf::default()).await;
    world.connect("acme", "library", "key-1").await;
    let (mut seen, mut token) = (Vec::new(), None);
    loop {
        let page = world.list(&ann("acme"), &wanted(token, &[])).await.unwrap();
        assert_eq!(page.total, Some(10));
        seen.extend(page.items.into_iter().map(|item| item.id));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..BOOKS).map(|number| format!("book-{number}")).collect::<Vec<_>>());
    // However much is asked for, a page has no more than the vendor gives.
    let large = Wanted { max_results: 1000, ..Wanted::default() };
    let page = world.list(&ann("acme"), &large).await.unwrap();
    assert_eq!(page.items.len(), usize::try_from(SHELF.max_page).unwrap());
}

#[tokio::test]
async fn an_alias_is_the_same_connector() {
    let world = World::new(Shelf::default()).await;
    world.connect("acme", "library", "key-1").await;
    let first = world.connectors.list_items(&ann("acme"), "ledge", &wanted(None, &[])).await.unwrap();
    assert_eq!(first.description.id, "shelf");
    let next = world.list(&ann("acme"), &wanted(first.result.next, &[])).await.unwrap();
    assert_eq!(next.items[0].id, "book-3", "its page tokens are those of the connector");
}

#[tokio::test]
async fn a_page_token_is_of_no_use_elsewhere() {
    let world = World::new(Shelf::default()).await;
    for tenant in ["acme", "other"] {
        world.connect(tenant, "library", "key-1").await;
    }
    let second = world.connect("acme", "library", "key-2").await;
    let token = world.list(&ann("acme"), &wanted(None, &[("shape", "flat")])).await.unwrap().next;
    let calls = world.calls();
    let elsewhere = Asker { connection: Some(second), ..ann("acme") };
    for (asker, parameters) in [
        (ann("other"), &[("shape", "flat")][..]),
        (ann("acme"), &[("shape", "round")]),
        (ann("acme"), &[]),
        (elsewhere, &[("shape", "flat")]),
    ] {
        let refused = world.list(&asker, &wanted(token.clone(), parameters)).await.unwrap_err();
        assert!(matches!(refused, Error::PageToken { .. }), "{refused}");
    }
    let (asker, flat) = (ann("acme"), wanted(token.clone(), &[("shape", "flat")]));
    let searched = world.connectors.search(&asker, "shelf", "x", &flat);
    assert!(matches!(searched.await, Err(Error::PageToken { .. })));
    assert_eq!(world.calls(), calls, "nothing of it got through");
    let next = world.list(&ann("acme"), &wanted(token, &[("shape", "flat")])).await.unwrap();
    assert_eq!(next.items[0].id, "book-3");
}

#[tokio::test]
async fn the_same_page_again_is_an_error_and_no_circle() {
    let world = World::new(Shelf::default()).await;
    world.connect("acme", "library", "key-1").await;
    let stuck = &[("shape", "stuck")];
    let first = world.list(&ann("acme"), &wanted(None, stuck)).await.unwrap();
    let again = world.list(&ann("acme"), &wanted(first.next, stuck)).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::UpstreamUnavailable, "{again}");
    let none = world.connectors.search(&ann("acme"), "shelf", "nothing", &wanted(None, &[])).await.unwrap();
    assert_eq!((none.result.items.len(), none.result.next), (0, None));
}

#[tokio::test]
async fn what_is_not_declared_or_not_granted_is_never_called() {
    let world = World::new(Shelf::default()).await;
    world.connect("acme", "library", "key-1").await;
    let (ann, none) = (ann("acme"), Map::new());
    for refused in [
        world.connectors.create(&ann, "shelf", &none).await.map(drop),
        world.connectors.update(&ann, "shelf", "book-1", &none).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), ErrorCode::Unsupported);
    }
    let denied = world.connectors.delete(&ann, "shelf", "book-1").await.unwrap_err();
    assert_eq!(denied.code(), ErrorCode::InsufficientScope);
    assert!(denied.to_string().contains("books.write or books.admin"), "{denied}");
    assert_eq!(world.calls(), 0);
    let activity = world.activity("acme").await;
    assert_eq!(activity.len(), 1, "{activity:?}");
    assert_eq!(
        (activity[0].operation.as_deref(), activity[0].outcome.as_str()),
        (Some("shelf.delete"), "denied")
    );
}

#[tokio::test]
async fn each_tenant_and_account_has_its_own_token_and_record() {
    let world = World::new(Shelf::default()).await;
    world.connect("acme", "library", "key-of-acme").await;
    let second = world.connect("acme", "library", "second-of-acme").await;
    world.connect("other", "library", "key-of-other").await;
    let named = Asker { connection: Some(second), ..ann("acme") };
    for (asker, key) in
        [(ann("acme"), "key-of-acme"), (named, "second-of-acme"), (ann("other"), "key-of-other")]
    {
        let found = world.connectors.item(&asker, "shelf", "book-1", true).await.unwrap();
        assert_eq!(found.result.raw.unwrap(), key);
        assert_eq!(found.connection.user_email, asker.user_email);
    }
    world.connectors.test(&ann("other"), "shelf").await.unwrap().result.unwrap();
    let activity = world.activity("other").await;
    let mut operations: Vec<_> = activity.iter().map(|entry| entry.operation.as_deref().unwrap()).collect();
    // Both may be of the same millisecond.
    operations.sort_unstable();
    assert_eq!(operations, ["shelf.get", "shelf.test"]);
    assert!(
        activity.iter().all(|entry| entry.actor == "u1" && entry.outcome == "ok" && entry.detail.is_none())
    );
}

#[tokio::test]
async fn without_a_connection_nothing_is_called() {
    let world = World::new(Shelf::default()).await;
    // One to another provider does not count.
    world.connect("acme", "other", "key-1").await;
    let ann = ann("acme");
    let code = |error: Error| error.code();
    for refused in [
        world.list(&ann, &wanted(None, &[])).await.map(drop).map_err(code),
        world.connectors.search(&ann, "shelf", "x", &wanted(None, &[])).await.map(drop).map_err(code),
        world.connectors.item(&ann, "shelf", "book-1", false).await.map(drop).map_err(code),
        world.connectors.delete(&ann, "shelf", "book-1").await.map(drop).map_err(code),
        world.connectors.test(&ann, "shelf").await.map(drop).map_err(code),
        world.connectors.capabilities(&ann, "shelf").await.map(drop).map_err(code),
    ] {
        assert_eq!(refused, Err(ErrorCode::ConnectionRequired));
    }
    assert_eq!(world.calls(), 0);
    assert_eq!(
        world.connectors.item(&ann, "shelves", "1", false).await.unwrap_err().code(),
        ErrorCode::NotFound
    );
}

#[tokio::test]
async fn what_the_operator_has_not_set_up_says_so() {
    let world = World::new(Shelf { lacks_setting: true, ..Shelf::default() }).await;
    let error = world.list(&ann("acme"), &wanted(None, &[])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.to_string().contains("SHELF_ADDRESS") && error.may_be_told(), "{error}");
    let listed = world.connectors.list(&"acme".parse().unwrap()).await.unwrap();
    assert_eq!((listed.len(), listed[0].configured), (1, false));
    let ready = World::new(Shelf::default()).await;
    assert!(ready.connectors.list(&"acme".parse().unwrap()).await.unwrap()[0].configured);
}

#[tokio::test]
async fn who_goes_away_leaves_a_record() {
    let world = World::new(Shelf::default()).await;
    world.connect("acme", "library", "key-1").await;
    let asker = ann("acme");
    let work = world.connectors.test(&asker, "shelf");
    // Polled until it has begun the call, which waits for the vault, and then dropped.
    let begun = async {
        while world.calls() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { biased; _ = work => panic!("it waits for the database"), () = begun => {} }
    let activity = world.activity("acme").await;
    assert_eq!((activity.len(), activity[0].outcome.as_str()), (1, "failed"), "{activity:?}");
    assert_eq!(activity[0].error_code.as_deref(), Some("request_timeout"));
}
