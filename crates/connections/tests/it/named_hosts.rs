//! Hosts that users name: what their names resolve to is judged, and what the operator allows is reached.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use connections::catalog::{Catalog, Discovery, Variable, VariablePattern};
use connections::protocol::{CallError, Http, HttpConfig, Sent};
use model::Ambient;
use outbound::{Addresses, Guard, Lookup};
use url::Url;

use crate::hostile_provider::{HostileProvider, Speaker};
use crate::metadata_server::MetadataServer;

/// Every name leads to this machine.
#[derive(Debug)]
struct Here;

impl Lookup for Here {
    fn addresses(&self, _: &str) -> Addresses {
        let here = "127.0.0.1".parse().map_err(io::Error::other);
        Box::pin(async move { Ok(vec![here?]) })
    }
}

fn http(allow: &str) -> Http {
    let guard = Guard::with_lookup(allow.parse().unwrap(), Vec::new(), Arc::new(Here)).unwrap();
    let config = HttpConfig { guard: Some(guard), ..HttpConfig::default() };
    Http::new(&config, Ambient::system()).unwrap()
}

#[tokio::test]
async fn an_issuer_that_a_user_names_is_asked_where_the_guard_lets_it_through() {
    let server = MetadataServer::start().await;
    let port = Url::parse(&server.base).unwrap().port().unwrap();
    server.set("a", |behaviour| behaviour.alias = Some(format!("http://idp.example:{port}/a")));
    let file = format!(
        "[providers.own]\nissuer = \"http://{{host}}:{port}/a\"\ntoken_auth = \"none\"\n\
         variables = {{ host = {{ label = \"Host\", pattern = \"host_name\" }} }}"
    );
    let catalog = Catalog::load(&[], Some(&file), &|_| None).unwrap();
    let provider = catalog.get("own").unwrap();
    let variables = BTreeMap::from([("host".to_owned(), "idp.example".to_owned())]);
    for (allow, is_reached) in
        [("", false), ("other.example", false), ("idp.example", true), ("127.0.0.0/8", true)]
    {
        let http = http(allow);
        let before = server.fetched("a");
        let open = Discovery::new(http.outward().clone(), Ambient::system());
        assert!(provider.resolve(&variables, "client", &open).await.is_err(), "no guard, no way");
        let guarded = Discovery::new(http.outward().clone(), Ambient::system());
        let discovery = guarded.with_guarded(http.guarded().clone());
        let resolved = provider.resolve(&variables, "client", &discovery).await;
        assert_eq!(resolved.is_ok(), is_reached, "{allow}");
        assert_eq!(server.fetched("a") - before, usize::from(is_reached), "{allow}");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_a_user_names_gets_nothing_where_it_is_not_public() {
    let hostile = HostileProvider::start().await;
    let tokens = hostile.issue();
    let refresh = tokens.refresh.as_ref().unwrap();
    let port = hostile.url("/token").port().unwrap();
    let mut speaker = Speaker::to(&hostile);
    let variable = Variable { label: "Host".to_owned(), pattern: VariablePattern::HostName, default: None };
    speaker.provider.variables = BTreeMap::from([("host".to_owned(), variable)]);
    speaker.provider.endpoints.token = Some(format!("http://{{host}}:{port}/token"));
    let at = |host: &str| Some(Url::parse(&format!("http://{host}:{port}/token")).unwrap());
    speaker.http = http("");
    for (host, error) in [
        ("idp.example", CallError::Unreachable(Sent::No)),
        ("127.0.0.1", CallError::Malformed("the entry's URL or headers cannot be used")),
        ("0x7f.1", CallError::Malformed("the entry's URL or headers cannot be used")),
        ("[::ffff:7f00:1]", CallError::Malformed("the entry's URL or headers cannot be used")),
    ] {
        speaker.resolved.token = at(host);
        assert_eq!(speaker.client().refresh("main", refresh).await.unwrap_err(), error, "{host}");
    }
    assert!(hostile.seen("/token").is_empty());
    speaker.http = http("idp.example");
    speaker.resolved.token = at("idp.example");
    assert!(speaker.client().refresh("main", refresh).await.is_ok());
}
