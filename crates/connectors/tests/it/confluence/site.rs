//! A site of Atlassian's, a connection that has chosen it, and what concerns all calls to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use connectors::confluence::ConfluenceConnector;
use connectors::connector::{Connector as _, Data as _, Listing, Operation, Raw as _};
use connectors::containers::Containers as _;
use connectors::http::{Http, Settings};
use connectors::{Context, Error};
use model::{Ambient, Coded as _, ErrorCode};
use serde_json::{Value, json};

use crate::caller::{choose_site, fields, filtered, raw};
use crate::http::vendor::{FakeVendor, Turn, good, status};
use crate::http::world::{self as http, Tokens, settings};

/// Where the site's API is, as the fake gateway's root is `/v1`.
pub(super) const ROOT: &str = "/v1/ex/confluence/cloud-1/wiki";

/// A site, and a connection to it.
pub(super) struct World {
    pub(super) vendor: FakeVendor,
    pub(super) confluence: ConfluenceConnector,
    pub(super) context: Context,
    pub(super) tokens: Arc<Tokens>,
}

impl World {
    /// A site that answers in these turns.
    pub(super) async fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let http::World { vendor, tokens, mut context, .. } = http::World::new(turns).await;
        let base_urls = [("confluence".to_owned(), vendor.url.clone())].into();
        let client = Http::new(Settings { base_urls, ..settings() }, Ambient::system()).unwrap();
        context.connection.provider = "atlassian".parse().unwrap();
        choose_site(&mut context, ["cloud-0", "cloud-1"]);
        let confluence = ConfluenceConnector::new(&client);
        Self { vendor, confluence, context, tokens }
    }

    /// The connection where the vendor's own answers are wanted, too.
    pub(super) fn raw(&self) -> Context {
        raw(&self.context)
    }

    /// What was asked below the site's root: method, path and query.
    pub(super) fn lines(&self) -> Vec<String> {
        self.vendor.lines(ROOT)
    }

    /// The JSON that was sent with the call of this number, from 0.
    pub(super) fn sent(&self, call: usize) -> Value {
        self.vendor.sent(call)
    }
}

/// A page as Confluence gives it.
pub(crate) fn page(id: &str, version: u64, storage: &str) -> Value {
    json!({
        "id": id, "status": "current", "title": "Release plan", "spaceId": "98306", "parentId": "131179",
        "parentType": "page", "position": 57, "authorId": "5b10a2844c20165700ede21g", "ownerId": "5b10ac8d82e05b22cc7d4ef5",
        "lastOwnerId": null, "subtype": null, "createdAt": "2026-11-01T08:00:00.000Z",
        "version": {
            "createdAt": "2026-11-20T09:30:00.123Z", "message": "dates", "number": version, "minorEdit": false,
            "authorId": "5b10ac8d82e05b22cc7d4ef5",
        },
        "body": {"storage": {"representation": "storage", "value": storage}},
        "_links": {
            "webui": format!("/spaces/DOCS/pages/{id}/Release+plan"), "editui": format!("/pages/resumedraft.action?draftId={id}"),
            "tinyui": "/x/AwAB", "base": "https://acme.atlassian.net/wiki",
        },
    })
}

/// A list as version 2 gives it.
pub(super) fn listed(results: &[Value], next: Option<&str>) -> Turn {
    let mut links = fields(json!({"base": "https://acme.atlassian.net/wiki"}));
    if let Some(next) = next {
        links.insert("next".to_owned(), next.into());
    }
    good(&json!({"results": results, "_links": links}))
}

/// How version 2 says no.
pub(super) fn refused(code: u16, word: &str, title: &str) -> Turn {
    status(code, &json!({"errors": [{"status": code, "code": word, "title": title, "detail": null}]}))
}

/// A page of this many items, narrowed.
pub(super) fn pages_of(max_results: u32, filters: &[(&'static str, &str)]) -> Listing {
    Listing { max_results, ..filtered(filters) }
}

/// What is wrong with what a caller gave.
pub(super) fn wrong(error: &Error) -> Vec<String> {
    assert_eq!(error.code(), ErrorCode::ValidationFailed, "{error}");
    error.violations().into_iter().map(|each| each.detail).collect()
}

#[tokio::test]
async fn the_smallest_call_tests_the_connection() {
    let world = World::new([listed(&[], None)]).await;
    world.confluence.test(&world.context).await.unwrap();
    assert_eq!(world.lines(), ["GET /api/v2/pages?limit=1"]);
    assert_eq!(world.vendor.asked()[0].header("authorization"), "Bearer token-1");
}

#[tokio::test]
async fn without_a_chosen_site_nothing_is_asked() {
    let mut world = World::new([]).await;
    world.context.connection.site = None;
    let error = world.confluence.get(&world.context, "1").await.unwrap_err();
    assert!(matches!(&error, Error::NeedsSite { sites, .. } if sites == &["cloud-0", "cloud-1"]), "{error}");
    let listing = pages_of(5, &[]);
    assert!(matches!(world.confluence.list(&world.context, &listing).await, Err(Error::NeedsSite { .. })));
    assert!(matches!(
        world.confluence.containers(&world.context, &listing).await,
        Err(Error::NeedsSite { .. })
    ));
    assert!(matches!(world.confluence.test(&world.context).await, Err(Error::NeedsSite { .. })));
    assert!(matches!(world.confluence.api(&world.context), Err(Error::NeedsSite { .. })));
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn the_raw_api_is_that_of_the_site() {
    let world = World::new([good(&json!({"accountId": "5b10"}))]).await;
    let request =
        world.confluence.api(&world.context).unwrap().get(["wiki", "rest", "api", "user", "current"]);
    let answer: Value = request.json().await.unwrap();
    assert_eq!(
        (answer["accountId"].clone(), world.lines()),
        (json!("5b10"), vec!["GET /rest/api/user/current".to_owned()])
    );
    assert!(world.confluence.surfaces().raw.is_some());
}

#[tokio::test]
async fn spaces_are_containers() {
    let space = json!({
        "id": "98306", "key": "DOCS", "name": "Documentation", "type": "collaboration", "status": "current",
        "authorId": "5b10a2844c20165700ede21g", "createdAt": "2026-10-01T08:00:00.000Z", "homepageId": "98400",
        "description": {"plain": {"value": "What we know.", "representation": "plain"}},
        "_links": {"webui": "/spaces/DOCS"},
    });
    let personal = json!({"id": "98307", "key": "~5b10", "name": "Ann", "description": null, "_links": {"webui": "//evil.example/"}});
    let next = "/wiki/api/v2/spaces?description-format=plain&limit=2&cursor=eyJpZCI6Ijk4MzA3In0%3D";
    let world = World::new([listed(&[space.clone(), personal], Some(next)), listed(&[], None)]).await;
    let first = world.confluence.containers(&world.raw(), &pages_of(2, &[])).await.unwrap();
    let docs = &first.items[0];
    assert_eq!((docs.id.as_str(), docs.kind, docs.name.as_str()), ("98306", "space", "Documentation"));
    assert_eq!(
        (docs.text.as_deref(), docs.url.as_deref()),
        (Some("What we know."), Some("https://acme.atlassian.net/wiki/spaces/DOCS"))
    );
    let extra = json!({
        "key": "DOCS", "type": "collaboration", "status": "current", "homepage_id": "98400",
        "author_id": "5b10a2844c20165700ede21g", "created_at": "2026-10-01T08:00:00.000Z",
    });
    assert_eq!((Value::Object(docs.extra.clone()), docs.raw.as_ref()), (extra, Some(&space)));
    assert_eq!((first.items[1].text.as_deref(), first.items[1].raw.is_some()), (None, true));
    let url = first.items[1].url.as_deref().unwrap();
    assert!(url.starts_with("https://acme.atlassian.net/wiki"), "{url}");

    let second = Listing { cursor: first.next, ..pages_of(2, &[]) };
    let last = world.confluence.containers(&world.context, &second).await.unwrap();
    assert!(last.items.is_empty() && last.next.is_none());
    assert_eq!(
        world.lines(),
        [
            "GET /api/v2/spaces?description-format=plain&limit=2",
            "GET /api/v2/spaces?description-format=plain&limit=2&cursor=eyJpZCI6Ijk4MzA3In0%3D",
        ]
    );
}

#[tokio::test]
async fn a_missing_scope_costs_no_token() {
    let scope = || status(401, &json!({"code": 401, "message": "Unauthorized; scope does not match"}));
    let world = World::new([scope()]).await;
    let error = world.confluence.get(&world.context, "1").await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::InsufficientScope, 1), "{error}");
    assert_eq!(world.tokens.rejected.load(Ordering::SeqCst), 0);

    let expired = status(401, &json!({"code": 401, "message": "Unauthorized"}));
    let world = World::new([expired, good(&page("1", 1, "<p>x</p>"))]).await;
    world.confluence.get(&world.context, "1").await.unwrap();
    assert_eq!(world.vendor.asked()[1].header("authorization"), "Bearer token-2");
}

#[tokio::test]
async fn troubles_are_told_apart() {
    let limited = || {
        let headers = vec![("content-type", "application/json".to_owned()), ("retry-after", "30".to_owned())];
        Turn::Answer(429, headers, "{\"message\": \"Rate limit exceeded\"}".into())
    };
    for (turn, code, said) in [
        (
            refused(404, "NOT_FOUND", "Cannot find a page with id [1]"),
            ErrorCode::NotFound,
            "there is no page 1",
        ),
        (
            refused(400, "INVALID_REQUEST_PARAMETER", "Provided value is wrong"),
            ErrorCode::UpstreamRejected,
            "Provided value is wrong",
        ),
        (
            status(403, &json!({"statusCode": 403, "message": "not permitted to use Confluence"})),
            ErrorCode::UpstreamRejected,
            "not permitted",
        ),
        (limited(), ErrorCode::UpstreamRateLimited, "fewer calls"),
    ] {
        let world = World::new([turn]).await;
        let error = world.confluence.get(&world.context, "1").await.unwrap_err();
        assert!(error.code() == code && error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn granular_scopes_are_needed_where_the_api_takes_no_others() {
    let world = World::new([]).await;
    let description = world.confluence.description();
    let may = |operation, granted: &[&str]| {
        let granted: Vec<String> = granted.iter().map(|scope| (*scope).to_owned()).collect();
        description.ability(operation).unwrap().missing(&granted).is_none()
    };
    let classic = &[
        "read:confluence-content.all",
        "write:confluence-content",
        "read:confluence-space.summary",
        "search:confluence",
    ];
    for ability in description.operations {
        assert!(!may(ability.operation, classic), "{}", ability.operation.as_str());
    }
    assert!(may(Operation::Search, &["search:confluence", "read:page:confluence"]));
    assert!(may(Operation::Search, &["read:content-details:confluence", "read:page:confluence"]));
    assert!(may(Operation::Create, &["write:page:confluence"]));
    assert!(!may(Operation::Update, &["write:page:confluence"]));
}
