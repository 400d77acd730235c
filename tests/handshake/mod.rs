//! The Lexmodo platform shows the plugin's page, its admins consent once, and the store is connected: with `oidc-provider` as
//! the platform's authorization server, and session tokens by `PyJWT`.

mod absent;
mod links;
mod sessions;
mod states;
mod stores;
mod troubles;

use model::Role;
use reqwest::Url;
use serde_json::{Value, json};
use testkit::{Backend, Browser, Builder, Form, OidcOptions, OidcProvider, Page, session_tokens};

use crate::deployment::{Answer, Deployment};

const ISSUER: &str = "https://admin.lexmodo.example";
const PLUGIN_PAGE: &str = "https://admin.lexmodo.example/plugins/Numinix";
const SECRET: &str = "the secret of this app at the platform";
/// What is registered at the platform. Somebody's proxy passes what comes there on to `/callback`, as the tests do.
const REDIRECT_URI: &str = "http://127.0.0.1:9/plugin/back";

/// The plugin's server, configured by the documented names, and the platform's authorization server.
struct Plugin {
    deployment: Deployment,
    provider: OidcProvider,
}

impl Plugin {
    fn start(backend: Backend) -> Self {
        Self::start_with(backend, |provider, builder| {
            builder.set("TOKEN_URL", format!("{}/token", provider.base()))
        })
    }

    /// With a `TOKEN_URL` that `set` sets.
    fn start_with(backend: Backend, set: impl FnOnce(&OidcProvider, Builder) -> Builder) -> Self {
        let provider = OidcProvider::start(OidcOptions {
            client_id: "numinix".to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uris: vec![REDIRECT_URI.to_owned()],
            ..OidcOptions::default()
        })
        .unwrap();
        let deployment = Deployment::start_with(backend, |builder| {
            let builder = set(&provider, builder);
            [
                ("APP_CLIENT_ID", "numinix"),
                ("APP_SECRET", SECRET),
                ("REDIRECT_URI", REDIRECT_URI),
                ("AUTHORIZE_URL", &format!("{}/auth", provider.base())),
                ("ISSUER", ISSUER),
                ("PLUGIN_CODE", "Numinix"),
                ("PLUGIN_TYPE", "CUSTOM"),
                ("PLUGIN_NAME", "Numinix Plugin"),
                ("PLUGIN_SCOPE", "customers_write"),
                ("LEXMODO_GRPC_ADDRESS", "http://127.0.0.1:9"),
                ("RETURN_TO_ORIGINS", "https://app.example"),
            ]
            .into_iter()
            .fold(builder, |builder, (name, value)| builder.set(name, value))
        });
        Self { deployment, provider }
    }

    /// The plugin's page as the platform opens it for a store.
    async fn open(&self, browser: &Browser, store: u64) -> Page {
        self.open_with(browser, &session_token(store)).await
    }

    async fn open_with(&self, browser: &Browser, token: &str) -> Page {
        let base = self.deployment.base();
        let page = browser.get(&format!("{base}/?session_token={token}")).await.unwrap();
        assert_eq!(page.status, 307);
        assert_eq!(
            page.location.as_ref().unwrap().as_str(),
            format!("{base}/callback?session_token={token}")
        );
        browser.follow(page, "https:").await.unwrap()
    }

    /// The platform's question, which the button of the page leads to.
    async fn go_on(&self, browser: &Browser, page: &Page) -> Url {
        let sent = browser.submit(&button(page)).await.unwrap();
        assert_eq!(sent.status, 303, "{}", sent.body);
        let cookie = sent.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
        sent.location.unwrap()
    }

    /// From the page to the answer of `person`: where the browser comes back to.
    async fn consent(&self, browser: &Browser, page: &Page, person: &str) -> Url {
        let question = self.go_on(browser, page).await;
        let answer = self.provider.consent_in(browser, question.as_str(), person, &[]).await.unwrap();
        self.passed_on(&answer)
    }

    /// What the operator's proxy makes of an address at [`REDIRECT_URI`].
    fn passed_on(&self, address: &Url) -> Url {
        assert!(address.as_str().starts_with(REDIRECT_URI), "{address}");
        format!("{}/callback?{}", self.deployment.base(), address.query().unwrap()).parse().unwrap()
    }

    /// Connects a store from the first page to the last redirect.
    async fn connect(&self, browser: &Browser, store: u64, person: &str) {
        let page = self.open(browser, store).await;
        let back = self.consent(browser, &page, person).await;
        let done = browser.get(back.as_str()).await.unwrap();
        assert_eq!(done.status, 303, "{}", done.body);
        assert_eq!(done.location.unwrap().as_str(), PLUGIN_PAGE);
    }

    /// The connections of a store.
    async fn connections(&self, tenant: &'static str) -> Vec<Value> {
        let listed = self.deployment.get_as((tenant, Role::Admin), "/api/v1/unified/connections").await;
        listed.expect(200)["connections"].as_array().unwrap().clone()
    }

    /// `GET path` as a browser's navigation.
    async fn look(&self, path: &str) -> Answer {
        Answer::of(self.deployment.server.get(path).header("accept", "text/html,*/*;q=0.8")).await
    }
}

/// The form that leads to the platform's question.
#[track_caller]
fn button(page: &Page) -> Form {
    assert_eq!(page.status, 200, "{}", page.body);
    page.form("Continue to Lexmodo").unwrap()
}

/// Asserts that the page says that the plugin is ready for `store`.
#[track_caller]
fn assert_ready(page: &Page, store: u64) {
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("Numinix Plugin is ready"), "{}", page.body);
    assert!(page.body.contains(&format!("Store {store} is connected.")), "{}", page.body);
    assert!(page.body.contains("Its customers can be read."), "{}", page.body);
    assert!(page.forms().is_empty() && !page.body.contains("<script"), "{}", page.body);
}

/// The claims of a session token that is good.
fn claims(store: u64) -> Value {
    json!({
        "iss": ISSUER, "store_id": store, "exp": now() + 300, "iat": now(),
        "extra": {"admin_email": format!("admin@store-{store}.example"), "admin_name": format!("Admin of {store}")},
    })
}

fn now() -> i64 {
    model::Ambient::system().now().as_second()
}

fn session_token(store: u64) -> String {
    signed(&claims(store))
}

fn signed(claims: &Value) -> String {
    session_tokens(&[json!({"claims": claims, "secret": SECRET})]).unwrap().remove(0)
}

/// A parameter of an address, which must be there once.
#[track_caller]
fn parameter(url: &Url, name: &str) -> String {
    let mut found = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let first = found.next().unwrap_or_else(|| panic!("no {name} in {url}"));
    assert_eq!(found.next(), None, "{name} is in {url} more than once");
    first
}

/// The path and query of an address.
fn path(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}
