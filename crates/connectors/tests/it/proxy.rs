//! Calls that go on as they are: who may send what where, with whose token, and what comes back.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::Bytes;
use connections::activity::Filter;
use connections::{Connections, Direct, DirectGrant, Listing};
use connectors::http::{RawPath, Settings, Upstream};
use connectors::proxy::{Head, Passed, Rules};
use connectors::{Asker, Connectors, Error};
use futures::TryStreamExt as _;
use model::{Coded as _, ErrorCode, Role};
use serde_json::json;
use tempfile::TempDir;

use crate::door;
use crate::house::house;
use crate::http::vendor::{FakeVendor, Turn, good, status, with_headers};
use crate::http::world::{Tokens, VENDOR, context};
use crate::shelf::Shelf;

const RULES: &str = r#"[
    {"role": "user", "provider": "ledge", "methods": ["GET"], "paths": ["/books/**"]},
    {"role": "admin", "provider": "shelf", "methods": ["POST", "DELETE"], "paths": ["/books", "/books/*"]},
    {"role": "user", "provider": "library", "methods": ["GET"], "paths": ["/**"]},
    {"role": "owner", "provider": "library", "host": "Localhost:PORT", "methods": ["GET"], "paths": ["/**"]},
    {"role": "user", "provider": "club", "methods": ["GET", "POST"], "paths": ["/**"]},
    {"role": "user", "provider": "free", "methods": ["GET"], "paths": ["/**"]}
]"#;

/// `shelf` is a connector for `library`, which is a provider as well; the others are providers alone. The API of all is the
/// fake vendor; tokens of `club` come from `issuer`.
struct World {
    vendor: FakeVendor,
    issuer: FakeVendor,
    connections: Connections,
    connectors: Connectors,
    upstream: Upstream,
    _folder: TempDir,
}

impl World {
    async fn new(rules: &str, turns: impl IntoIterator<Item = Turn>) -> Self {
        let vendor = FakeVendor::new(turns).await;
        let token = |number: u8| {
            good(
                &json!({"access_token": format!("hush-{number}"), "token_type": "Bearer", "expires_in": 3600}),
            )
        };
        let issuer = FakeVendor::new((1..9).map(token)).await;
        let port = vendor.url.port().unwrap();
        let door = door::open(port).await;
        let door_port = door.port;
        let file = format!(
            r#"
            [providers.library]
            flow = "api_key"
            api_hosts = ["127.0.0.1:{port}", "localhost:{port}", "{{desk}}.library.example"]
            headers = {{ x-edition = "9" }}
            variables = {{ desk = {{ label = "Desk", pattern = "host_label", default = "front" }} }}
            [providers.club]
            flow = "client_credentials"
            token_url = "{}token"
            api_hosts = ["127.0.0.1:{port}"]
            [providers.bare]
            flow = "api_key"
            [providers.free]
            flow = "api_key"
            api_hosts = ["{{where}}:{door_port}"]
            variables = {{ where = {{ label = "Where", pattern = "host_name" }} }}
            "#,
            issuer.url
        );
        let base_urls = [("fake".to_owned(), vendor.url.clone())].into();
        let settings = Settings { base_urls, guard: Some(door.guard), ..Settings::default() };
        let (mut parts, folder) = house(&file, &|_| None, settings).await;
        parts.proxy = Rules::read(&rules.replace("PORT", &port.to_string())).unwrap();
        let connections = parts.connections.clone();
        let upstream = Upstream::new(&parts.http, &VENDOR);
        let shelf = Shelf { upstream: Some(upstream.clone()), ..Shelf::default() };
        let connectors = Connectors::of(parts, vec![Box::new(shelf)]);
        Self { vendor, issuer, connections, connectors, upstream, _folder: folder }
    }

    /// A connection of `ann@acme.example`.
    async fn connect(&self, provider: &str, variables: &[(&str, &str)]) {
        let grant = match provider {
            "club" => DirectGrant::ClientCredentials { client_id: "c".into(), client_secret: "s".into() },
            _ => DirectGrant::ApiKey("hush-key".into()),
        };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let direct = Direct {
            tenant: "acme".parse().unwrap(),
            actor: "u1".into(),
            provider: provider.into(),
            user_email: "ann@acme.example".into(),
            label: None,
            variables: variables.collect(),
            grant,
        };
        self.connections.connect(direct).await.unwrap();
    }

    async fn pass(&self, tenant: &str, role: Role, head: Head) -> Result<Passed, Error> {
        let passage = self.connectors.passage(role, head, "session_token")?;
        let asker = Asker {
            tenant: tenant.parse().unwrap(),
            actor: "u1".into(),
            user_email: format!("ann@{tenant}.example"),
            connection: None,
        };
        self.connectors.pass(&asker, passage, Bytes::new()).await
    }

    /// The status of what comes back, or the code of the error.
    async fn outcome(&self, role: Role, head: Head) -> String {
        match self.pass("acme", role, head).await {
            Ok(passed) => passed.status.as_str().to_owned(),
            Err(error) => error.code().to_string(),
        }
    }
}

fn head(method: Method, name: &str, path: &str) -> Head {
    Head {
        name: name.into(),
        host: None,
        credential: None,
        method,
        path: RawPath::parse(path).unwrap(),
        query: String::new(),
        headers: HeaderMap::new(),
    }
}

#[tokio::test]
async fn nothing_goes_on_without_a_rule() {
    let world = World::new("[]", []).await;
    world.connect("library", &[]).await;
    for name in ["shelf", "library", "none"] {
        let error =
            world.pass("acme", Role::PlatformAdmin, head(Method::GET, name, "books/1")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(error.to_string().contains("PROXY_RULES"), "{error}");
    }
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn rules_go_by_role_method_and_path() {
    let world = World::new(RULES, []).await;
    for provider in ["library", "bare"] {
        world.connect(provider, &[]).await;
    }
    let mut sent = 0;
    for (role, method, name, path, expected) in [
        (Role::User, Method::GET, "shelf", "books/1", "200"),
        (Role::User, Method::GET, "ledge", "books/1/pages/2", "200"),
        (Role::User, Method::HEAD, "shelf", "books/1", "200"),
        (Role::User, Method::GET, "shelf", "books", "not_found"),
        (Role::User, Method::GET, "shelf", "readers/1", "not_found"),
        (Role::User, Method::POST, "shelf", "books", "insufficient_role"),
        (Role::Admin, Method::POST, "shelf", "books", "200"),
        (Role::Owner, Method::DELETE, "shelf", "books/1", "200"),
        (Role::Owner, Method::DELETE, "shelf", "books/1/pages", "not_found"),
        (Role::PlatformAdmin, Method::PUT, "shelf", "books/1", "not_found"),
        (Role::User, Method::GET, "library", "anything/else", "200"),
        (Role::Owner, Method::POST, "library", "anything", "not_found"),
        (Role::Owner, Method::GET, "bare", "x", "not_found"),
        (Role::Owner, Method::GET, "none", "x", "not_found"),
    ] {
        let outcome = world.outcome(role, head(method.clone(), name, path)).await;
        assert_eq!(outcome, expected, "{role} {method} {name} {path}");
        sent += usize::from(expected == "200");
        assert_eq!(world.vendor.calls(), sent, "{role} {method} {name} {path}");
    }
    let uris: Vec<String> = world.vendor.asked().iter().map(|asked| asked.uri.to_string()).collect();
    // The connector's root has a path of its own; the provider's is the host.
    assert_eq!((uris[0].as_str(), uris.last().unwrap().as_str()), ("/v1/books/1", "/anything/else"));
    assert!(world.vendor.asked().iter().all(|asked| asked.header("authorization") == "Bearer hush-key"));
}

#[tokio::test]
async fn a_host_is_one_of_the_providers_and_needs_a_rule_of_its_own() {
    let world = World::new(RULES, []).await;
    world.connect("library", &[("desk", "back")]).await;
    let port = world.vendor.url.port().unwrap();
    let at = |name: &str, host: String| Head { host: Some(host), ..head(Method::GET, name, "x") };
    for (role, host, expected) in [
        (Role::User, format!("127.0.0.1:{port}"), "200"),
        (Role::User, format!("localhost:{port}"), "insufficient_role"),
        (Role::Owner, format!("LocalHost:{port}"), "200"),
        (Role::Owner, "back.library.example".into(), "not_found"),
        (Role::Owner, "front.library.example".into(), "invalid_request"),
        (Role::Owner, "127.0.0.1".into(), "invalid_request"),
        (Role::Owner, format!("127.0.0.1:{port}@evil.example"), "invalid_request"),
        (Role::Owner, "evil.example".into(), "invalid_request"),
        (Role::Owner, "{desk}.library.example".into(), "invalid_request"),
    ] {
        assert_eq!(world.outcome(role, at("library", host.clone())).await, expected, "{host}");
    }
    assert_eq!(world.outcome(Role::Owner, at("shelf", "127.0.0.1".into())).await, "invalid_request");
    assert_eq!(world.vendor.calls(), 2);
}

#[tokio::test]
async fn a_host_that_users_choose_is_reached_where_the_guard_lets_it_through() {
    let world = World::new(RULES, []).await;
    world.connect("free", &[("where", door::OPEN)]).await;
    let passed = world.pass("acme", Role::Owner, head(Method::GET, "free", "x")).await.unwrap();
    assert_eq!(passed.status.as_u16(), 200);
    assert_eq!(world.vendor.asked()[0].header("authorization"), "Bearer hush-key");
    assert_eq!(world.vendor.calls(), 1);
}

#[tokio::test]
async fn a_host_that_users_choose_leads_to_no_address_that_is_not_public() {
    for host in [door::CLOSED, door::MAPPED] {
        let world = World::new(RULES, []).await;
        world.connect("free", &[("where", host)]).await;
        let error = world.pass("acme", Role::Owner, head(Method::GET, "free", "x")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamUnavailable);
        assert!(error.to_string().contains(&format!("{host} must have a public address")), "{error}");
        assert_eq!(world.vendor.calls(), 0);
    }
}

#[tokio::test]
async fn headers_are_those_of_the_lists_and_the_token_stays_here() {
    let answer = with_headers(
        200,
        &[
            ("set-cookie", "a=b"),
            ("etag", "\"1\""),
            ("x-ratelimit-remaining", "9"),
            ("server", "x"),
            ("location", "../y"),
        ],
        &json!({}),
    );
    let world = World::new(RULES, [answer]).await;
    world.connect("library", &[]).await;
    let given = [
        ("authorization", "Bearer of-the-caller"),
        ("cookie", "session=1"),
        ("x-http-method-override", "DELETE"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-api-key", "k"),
        ("accept", "text/plain"),
        ("x-trail", "1"),
    ];
    let headers = given.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let query = "a=%20b&session_token=of-the-caller&c".to_owned();
    let call = Head { headers: headers.into_iter().collect(), query, ..head(Method::GET, "library", "x/z") };
    let mut passed = world.pass("acme", Role::User, call).await.unwrap();
    let asked = world.vendor.asked().remove(0);
    assert_eq!(asked.uri, "/x/z?a=%20b&c");
    let mut all = String::new();
    for (name, value) in &asked.headers {
        writeln!(all, "{name}: {}", value.to_str().unwrap()).unwrap();
    }
    assert!(
        !all.contains("of-the-caller") && !all.contains("session=1") && !all.contains("1.2.3.4"),
        "{all}"
    );
    assert!(!all.contains("override") && !all.contains("x-api-key"), "{all}");
    for line in ["authorization: Bearer hush-key", "accept: text/plain", "x-trail: 1", "x-edition: 9"] {
        assert!(all.contains(line), "{line} is not in\n{all}");
    }
    let headers = std::mem::take(&mut passed.headers);
    let names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    for (name, is_there) in
        [("set-cookie", false), ("server", false), ("etag", true), ("x-ratelimit-remaining", true)]
    {
        assert_eq!(names.contains(&name), is_there, "{names:?}");
    }
    let place = format!("http://127.0.0.1:{}/y", world.vendor.url.port().unwrap());
    assert_eq!(headers["location"].to_str().unwrap(), place);
    let text = passed.into_stream().try_collect::<Vec<_>>().await.unwrap().concat();
    assert!(!String::from_utf8(text).unwrap().contains("hush"));
}

#[tokio::test]
async fn no_parameter_makes_another_method_of_it() {
    let world = World::new(RULES, []).await;
    world.connect("library", &[]).await;
    for query in ["_method=DELETE", "a=b&%24httpMethod=DELETE", "method=delete"] {
        let call = Head { query: query.into(), ..head(Method::GET, "library", "x") };
        assert_eq!(world.outcome(Role::User, call).await, "invalid_request", "{query}");
    }
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn a_provider_token_is_renewed_once() {
    let refused = status(401, &json!({}));
    let world = World::new(RULES, [refused.clone(), good(&json!({})), refused.clone(), refused]).await;
    world.connect("club", &[]).await;
    assert_eq!(world.outcome(Role::User, head(Method::POST, "club", "x")).await, "200");
    let asked = world.vendor.asked();
    assert_ne!(asked[0].header("authorization"), asked[1].header("authorization"));
    let before = world.issuer.calls();
    assert_eq!(world.outcome(Role::User, head(Method::GET, "club", "x")).await, "reauthorization_required");
    assert_eq!((world.vendor.calls(), world.issuer.calls() - before), (4, 1));
}

#[tokio::test]
async fn what_is_on_record_has_no_content() {
    let world = World::new(RULES, [good(&json!({})), status(404, &json!({})), Turn::Cut]).await;
    world.connect("library", &[]).await;
    for (method, path) in
        [(Method::GET, "books/secret-id"), (Method::POST, "books"), (Method::DELETE, "books/7")]
    {
        let call = Head { query: "q=secret-id".into(), ..head(method, "shelf", path) };
        world.pass("acme", Role::Admin, call).await.unwrap();
    }
    assert_eq!(world.outcome(Role::User, head(Method::GET, "library", "books/secret-id")).await, "200");
    world.connections.activity().close().await;
    let pages = world.connections.activity().export("acme".parse().unwrap(), Filter::default());
    let all = pages.try_collect::<Vec<_>>().await.unwrap().concat();
    assert!(!format!("{all:?}").contains("secret-id"), "{all:?}");
    let lines = all.iter().filter(|entry| entry.action == "use").map(|entry| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (operation, detail) = (text(&entry.operation), text(&entry.detail));
        format!("{operation} {detail} {} {}", entry.outcome, text(&entry.error_code)).trim().to_owned()
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "proxy.library GET ok",
            "proxy.shelf DELETE ok",
            "proxy.shelf GET ok",
            "proxy.shelf POST failed not_found",
        ]
    );
}

#[tokio::test]
async fn another_tenant_has_nothing_here() {
    let world = World::new(RULES, []).await;
    world.connect("library", &[]).await;
    for name in ["shelf", "library"] {
        let error = world.pass("other", Role::Owner, head(Method::GET, name, "books/1")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ConnectionRequired, "{error}");
    }
    let foreign = Head { credential: Some("none".into()), ..head(Method::GET, "shelf", "books/1") };
    assert_eq!(world.outcome(Role::Owner, foreign).await, "invalid_request");
    assert_eq!(world.vendor.calls(), 0);
}

#[tokio::test]
async fn rules_about_nothing_are_named() {
    let rule = |provider: &str, host: &str| {
        format!(r#"{{"role": "user", "provider": "{provider}"{host}, "methods": ["GET"], "paths": ["/**"]}}"#)
    };
    let rules = [
        rule("library", ""),
        rule("ledge", ""),
        rule("none", ""),
        rule("bare", ""),
        rule("shelf", r#", "host": "x.example""#),
        rule("club", r#", "host": "x.example""#),
    ];
    let world = World::new(&format!("[{}]", rules.join(",")), []).await;
    let wrong = world.connectors.wrong_proxy_rules();
    for (sentence, expected) in wrong.iter().zip([
        "PROXY_RULES: rule 3: there is no connector and no provider none",
        "PROXY_RULES: rule 4: bare cannot be called as it is: its entry must name the hosts of its API",
        "PROXY_RULES: rule 5: host must be left out: shelf is a connector, with one root",
        "PROXY_RULES: rule 6: host must be one of 127.0.0.1",
    ]) {
        assert!(sentence.starts_with(expected), "{sentence}");
    }
    assert_eq!(wrong.len(), 4, "{wrong:?}");
}

#[tokio::test]
async fn a_path_that_takes_no_key_ends_no_connection() {
    let refused = || status(401, &json!({"message": "A JSON web token could not be decoded"}));
    let world = World::new(RULES, [refused(), good(&json!({})), refused(), good(&json!({}))]).await;
    world.connect("library", &[]).await;
    let call = |path| world.outcome(Role::User, head(Method::GET, "library", path));
    assert_eq!(call("app").await, "reauthorization_required");
    assert_eq!(call("books").await, "200", "the key is good for all else");
    // Another token may be had for the asking, and is.
    world.connect("club", &[]).await;
    let mut asked = world.vendor.calls();
    assert_eq!(world.outcome(Role::User, head(Method::GET, "club", "books")).await, "200");
    asked += 2;
    assert_eq!((world.vendor.calls(), world.issuer.calls()), (asked, 2));
}

#[tokio::test]
async fn what_raw_calls_meet_stops_no_operation() {
    let limited = with_headers(429, &[("retry-after", "60")], &json!({}));
    let world = World::new(RULES, [limited]).await;
    world.connect("library", &[]).await;
    let all = world.connections.list(&"acme".parse().unwrap(), &Listing::default()).await.unwrap();
    let id = &all.connections[0].id;
    for expected in ["429", "upstream_rate_limited"] {
        assert_eq!(world.outcome(Role::User, head(Method::GET, "shelf", "books/1")).await, expected);
    }
    let own = context("acme", id, Tokens::new());
    world.upstream.api(&own).get(["books"]).value().await.unwrap();
    assert_eq!(world.vendor.calls(), 2);
}
