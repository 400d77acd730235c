//! Connect sessions on both databases: who may do what by a link, and for how long.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use connections::catalog::{Catalog, Discovery};
use connections::protocol::{Http, HttpConfig};
use connections::{
    Browser, Callback, Connected, Connections, Consent, DirectGrant, Error, NewSession, Parts, vault,
};
use model::{Ambient, Coded as _, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use storage::{Database, MasterKey, Migration, Sealer, on};
use tempfile::TempDir;
use testkit::{ManualClock, Postgres};

static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());
const MIGRATIONS: &[&[Migration]] = &[storage::MIGRATIONS, connections::MIGRATIONS];
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// What the provider of keys accepts.
const KEY: &str = "key-of-ann";

macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                let folder = tempfile::TempDir::new().unwrap();
                let url = format!("sqlite:{}", folder.path().join("test.db").display());
                super::$test(super::World::new(&url, Some(folder)).await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::World::new(&super::POSTGRES.database().unwrap(), None).await).await;
            })*
        }
    };
}

on_both_databases!(
    a_link_opens_for_ten_minutes_and_to_its_token_alone,
    a_link_reaches_one_users_connections_to_its_providers,
    a_flow_of_a_session_leads_back_to_it,
    a_tenant_has_a_thousand_links_at_most,
    what_a_page_tells_is_of_this_server,
    only_providers_that_can_be_connected_are_offered,
);

struct World {
    connections: Connections,
    database: Database,
    clock: Arc<ManualClock>,
    ambient: Ambient,
    _folder: Option<TempDir>,
}

impl World {
    async fn new(url: &str, folder: Option<TempDir>) -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let database = Database::open(&url.parse().unwrap(), MIGRATIONS, ambient.clone()).await.unwrap();
        let master = MasterKey::from_base64(&MASTER_KEY.into()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let connections = Connections::new(Parts {
            sealer: Sealer::open(&database, master, ambient.clone()).await.unwrap(),
            database: database.clone(),
            catalog: catalog(&provider_of_keys().await),
            discovery: Discovery::new(client, ambient.clone()),
            http: Http::new(&HttpConfig::default(), ambient.clone()).unwrap(),
            public_url: "https://jackfield.example/".parse().unwrap(),
            token_reads: false,
            vault: vault::Settings::default(),
            ambient: ambient.clone(),
        });
        Self { connections, database, clock, ambient, _folder: folder }
    }

    /// A link for a user of a tenant; its token.
    async fn link(&self, tenant: &str, user_email: &str, providers: &[&str]) -> SecretString {
        let new = new_session(tenant, user_email, providers);
        self.connections.create_session(new).await.unwrap().token
    }

    /// Connects by a key that the provider accepts.
    async fn connect(&self, token: &SecretString, provider: &str) -> Result<Connected, Error> {
        let grant = DirectGrant::ApiKey(KEY.into());
        let connections = &self.connections;
        connections.connect_in_session(token.expose_secret(), provider, BTreeMap::new(), None, grant).await
    }
}

/// Takes one key, and says whose it is.
async fn provider_of_keys() -> String {
    let person = |headers: HeaderMap| async move {
        let shown = headers.get("authorization").map(|value| value.as_bytes().to_vec());
        if shown == Some(format!("Bearer {KEY}").into_bytes()) {
            (StatusCode::OK, Json(json!({"id": "1", "email": "ann@keys.example"})))
        } else {
            (StatusCode::UNAUTHORIZED, Json(Value::Null))
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/me", get(person))).await });
    base
}

fn catalog(keys: &str) -> Catalog {
    let entry = |id: &str| {
        format!(
            "[providers.{id}]\nname = \"Keys\"\nflow = \"api_key\"\nuserinfo_url = \"{keys}/me\"\n\
             account = {{ id = \"/id\", email = \"/email\" }}\n"
        )
    };
    let consent = "[providers.club]\nname = \"Club\"\nauthorization_url = \"https://club.example/authorize\"\n\
         token_url = \"https://club.example/token\"\nuserinfo_url = \"https://club.example/me\"\n\
         client_id = \"jackfield\"\nclient_secret = \"a secret of the client\"\naccount = { id = \"/id\" }\n";
    let file = format!("{}{}{consent}", entry("keys"), entry("others"));
    Catalog::load(&[], Some(&file), &|_| None).unwrap()
}

fn new_session(tenant: &str, user_email: &str, providers: &[&str]) -> NewSession {
    NewSession {
        tenant: tenant.parse().unwrap(),
        user_email: user_email.to_owned(),
        providers: providers.iter().map(|&name| name.to_owned()).collect(),
        return_to: Some("https://app.example/settings".to_owned()),
        created_by: "key1".to_owned(),
    }
}

fn is_ended<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::SessionEnded))
}

async fn a_link_opens_for_ten_minutes_and_to_its_token_alone(world: World) {
    let session =
        world.connections.create_session(new_session("acme", "ann@acme.example", &[])).await.unwrap();
    let token = session.token.expose_secret();
    assert_eq!(session.url.expose_secret(), format!("https://jackfield.example/connect/{token}"));
    assert!(!format!("{session:?}").contains(token), "{session:?}");

    let view = world.connections.session(token).await.unwrap();
    assert_eq!((view.tenant.as_str(), view.user_email.as_str()), ("acme", "ann@acme.example"));
    assert_eq!(view.return_to.as_deref(), Some("https://app.example/settings"));
    assert_eq!(view.expires_at, world.ambient.now().plus(Duration::from_mins(10)));
    let forged = "A".repeat(token.len());
    for other in ["", "x", session.id.as_str(), forged.as_str(), &format!("{token}A"), &token[1..]] {
        assert!(is_ended(&world.connections.session(other).await), "{other}");
    }
    let mut conn = world.database.read().await.unwrap();
    let (hash,): (Vec<u8>,) =
        on!(conn, |c| sqlx::query_as("SELECT token_hash FROM connect_session").fetch_one(c).await).unwrap();
    drop(conn);
    assert_eq!(hash.len(), 32);
    assert!(hash != token.as_bytes(), "only the hash is kept");

    world.clock.advance(Duration::from_secs(599));
    assert!(world.connections.session(token).await.is_ok());
    assert_eq!(world.connections.sweep_sessions().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(1));
    assert!(is_ended(&world.connections.session(token).await));
    assert!(is_ended(&world.connect(&session.token, "keys").await));
    assert_eq!(world.connections.sweep_sessions().await.unwrap(), 1);
}

async fn a_link_reaches_one_users_connections_to_its_providers(world: World) {
    let ann = world.link("acme", "ann@acme.example", &["keys"]).await;
    let connected = world.connect(&ann, "keys").await.unwrap();
    let id = connected.connection.id.as_str();
    assert_eq!(connected.connection.user_email, "ann@acme.example");
    assert!(matches!(world.connect(&ann, "others").await, Err(Error::UnknownProvider(_))));

    // Another user's link, another tenant's, and one of the same user for another provider.
    for (tenant, user_email, provider) in [
        ("acme", "ben@acme.example", "keys"),
        ("other", "ann@acme.example", "keys"),
        ("acme", "ann@acme.example", "others"),
    ] {
        let token = world.link(tenant, user_email, &[provider]).await;
        let token = token.expose_secret();
        let view = world.connections.session(token).await.unwrap();
        assert!(view.providers.iter().all(|each| each.connections.is_empty()), "{tenant} {user_email}");
        let revoked = world.connections.revoke_in_session(token, id).await;
        assert!(matches!(revoked, Err(Error::ConnectionNotFound(_))), "{tenant} {user_email} {provider}");
        let chosen = world.connections.choose_site_in_session(token, id, "1".to_owned()).await;
        assert!(matches!(chosen, Err(Error::ConnectionNotFound(_))), "{tenant} {user_email} {provider}");
        let browser = Browser::from_cookie(None, &world.ambient);
        let again = Consent::Again(id.to_owned());
        let begun = world.connections.begin_in_session(token, again, &browser).await;
        assert!(matches!(begun, Err(Error::ConnectionNotFound(_))), "{tenant} {user_email} {provider}");
    }

    let view = world.connections.session(ann.expose_secret()).await.unwrap();
    assert_eq!(view.providers.len(), 1);
    assert_eq!(view.providers[0].connections[0].id, id);
    world.connections.revoke_in_session(ann.expose_secret(), id).await.unwrap();
    let again = world.connections.revoke_in_session(ann.expose_secret(), id).await;
    assert!(matches!(again, Err(Error::ConnectionNotFound(_))));
}

async fn a_flow_of_a_session_leads_back_to_it(world: World) {
    let token = world.link("acme", "ann@acme.example", &["club"]).await;
    let browser = Browser::from_cookie(None, &world.ambient);
    let consent = Consent::Account { provider: "club".to_owned(), variables: BTreeMap::new() };
    let begun = world.connections.begin_in_session(token.expose_secret(), consent, &browser).await.unwrap();
    assert!(!begun.as_str().contains(token.expose_secret()), "{begun}");
    let state = begun.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();

    let stranger = Browser::from_cookie(None, &world.ambient);
    let tenant: TenantId = "other".parse().unwrap();
    let denied = |browser, tenant| Callback {
        provider: "club",
        tenant,
        browser: Some(browser),
        state: Some(&state),
        error: Some("access_denied"),
        ..Callback::default()
    };
    let by_other = world.connections.complete(denied(&stranger, None)).await;
    assert!(matches!(by_other, Err(Error::OtherBrowser)));
    let elsewhere = world.connections.complete(denied(&browser, Some(&tenant))).await;
    assert!(matches!(elsewhere, Err(Error::State)));

    // The session may have ended while its user was at the provider.
    world.clock.advance(Duration::from_secs(599));
    let completion = world.connections.complete(denied(&browser, None)).await.unwrap();
    let session = completion.session.as_ref().map(SecretString::expose_secret);
    assert_eq!(session, Some(token.expose_secret()));
    assert!(!format!("{completion:?}").contains(token.expose_secret()));
    assert_eq!(completion.return_to.as_deref(), Some("https://app.example/settings"));
    assert!(matches!(completion.result, Err(Error::AccessDenied(name)) if name == "Club"));
    let replayed = world.connections.complete(denied(&browser, None)).await;
    assert!(matches!(replayed, Err(Error::FlowRedeemed)));
}

async fn a_tenant_has_a_thousand_links_at_most(world: World) {
    for _ in 0..1000 {
        world.link("acme", "ann@acme.example", &[]).await;
    }
    let refused = world.connections.create_session(new_session("acme", "ann@acme.example", &[])).await;
    assert!(matches!(refused, Err(Error::TooManySessions(1000))), "{refused:?}");
    world.link("other", "ann@acme.example", &[]).await;
    world.clock.advance(Duration::from_mins(10));
    world.link("acme", "ann@acme.example", &[]).await;
}

async fn what_a_page_tells_is_of_this_server(world: World) {
    let (one, two) = (
        world.link("acme", "ann@acme.example", &[]).await,
        world.link("acme", "ann@acme.example", &[]).await,
    );
    let sealed = world.connections.seal_for_page(one.expose_secret(), b"connected").unwrap();
    let open =
        |token: &SecretString, text: &str| world.connections.open_for_page(token.expose_secret(), text);
    assert_eq!(open(&one, &sealed).as_deref(), Some(b"connected".as_slice()));
    assert_eq!(open(&two, &sealed), None);
    for forged in ["", "connected", &sealed[1..], &sealed.to_uppercase()] {
        assert_eq!(open(&one, forged), None, "{forged}");
    }
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(open(&one, &sealed), None);
}

async fn only_providers_that_can_be_connected_are_offered(world: World) {
    let token = world.link("acme", "ann@acme.example", &[]).await;
    let view = world.connections.session(token.expose_secret()).await.unwrap();
    let mut names: Vec<&str> = view.providers.iter().map(|each| each.provider.id.as_str()).collect();
    names.retain(|name| ["club", "keys", "others", "google"].contains(name));
    assert_eq!(names, ["club", "keys", "others"], "google has no OAuth app here");

    let new = new_session("acme", "ann@acme.example", &["keys", "google", "nobody"]);
    let violations = world.connections.create_session(new).await.unwrap_err().violations();
    let pointers: Vec<&str> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
    assert_eq!(pointers, ["/providers/1", "/providers/2"]);
}
