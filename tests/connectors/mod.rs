//! Connectors through the running server: the customers of the Lexmodo platform's stores, which a server in Python holds.

mod command;
mod contract;
mod notes;
mod odd_requests;
mod refusals;
mod stores;
mod streamed_items;
mod streaming;
mod unified;

use model::Role;
use reqwest::Method;
use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};
use testkit::{Backend, Builder, LexmodoOptions, LexmodoServer, OidcOptions, OidcProvider, TokenBuilder};

use crate::deployment::{Answer, Deployment};

const CONNECTORS: &str = "/api/v1/unified/connectors";
const ISSUER: &str = "https://admin.platform.example";
/// How many customers each store has.
const CUSTOMERS: u32 = 250;

/// A server for the stores of a platform, whose customers service is grpcio and whose authorization server `oidc-provider`.
struct Mall {
    deployment: Deployment,
    platform: LexmodoServer,
    provider: OidcProvider,
}

impl Mall {
    async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |builder| builder).await
    }

    async fn start_with(backend: Backend, set: impl FnOnce(Builder) -> Builder) -> Self {
        let platform = LexmodoServer::start(LexmodoOptions { customers: CUSTOMERS, ..Default::default() });
        let platform = platform.unwrap();
        let provider = OidcProvider::start(OidcOptions::default()).unwrap();
        let deployment = Deployment::start_with(backend, |builder| {
            set(app(builder, &provider).set("LEXMODO_GRPC_ADDRESS", platform.address()))
        });
        provider.allow_redirect_uri(&format!("{}/callback", deployment.base())).await.unwrap();
        Self { deployment, platform, provider }
    }

    /// A server both of whose stores are connected.
    async fn connected(backend: Backend) -> Self {
        Self::connected_with(backend, |builder| builder).await
    }

    async fn connected_with(backend: Backend, set: impl FnOnce(Builder) -> Builder) -> Self {
        let mall = Self::start_with(backend, set).await;
        for store in LexmodoServer::STORES {
            mall.connect(store).await;
        }
        mall
    }

    /// Connects a store, whose token the platform then accepts for it alone; gives the token.
    async fn connect(&self, store: u64) -> String {
        let token = self.connect_tenant(&format!("lexmodo:{store}")).await;
        self.platform.accept(&token, store).await.unwrap();
        token
    }

    /// Has an admin of `tenant` walk the whole flow; gives the access token, which the platform does not accept yet.
    async fn connect_tenant(&self, tenant: &str) -> String {
        let ask = |path: &str| self.deployment.request_as(tenant, Role::Admin, Method::GET, path);
        let begin = Answer::of(ask("/api/v1/unified/auth/lexmodo/url")).await;
        let address = begin.expect(200)["auth_url"].as_str().unwrap().to_owned();
        let cookie = begin.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let back = self.provider.consent(&address, "ann").await.unwrap();
        let path = format!("/api/v1/unified/auth/lexmodo/callback?{}", back.query().unwrap());
        Answer::of(self.deployment.request(Method::GET, &path).header("cookie", cookie)).await.expect(200);
        let listed = Answer::of(ask("/api/v1/unified/connections?provider=lexmodo")).await.expect(200);
        let id = listed["connections"][0]["id"].as_str().unwrap();
        let read = Answer::of(ask(&format!("/api/v1/unified/connections/{id}/token"))).await.expect(200);
        read["access_token"].as_str().unwrap().to_owned()
    }

    /// What a user of `store` gets, who comes with the platform's session token.
    async fn get(&self, store: u64, path: &str) -> Answer {
        Answer::of(self.request(store, Method::GET, path)).await
    }

    fn request(&self, store: u64, method: Method, path: &str) -> reqwest::RequestBuilder {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}session_token={}", session(store));
        self.deployment.request(method, &path)
    }

    /// What is on record of uses of the store 7 once there are `count`, and a moment later: operation, outcome, detail.
    async fn uses(&self, count: usize) -> Vec<String> {
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let mut is_last = false;
        loop {
            let admin = ("lexmodo:7", Role::Admin);
            let page = self.deployment.get_as(admin, "/api/v1/unified/activity?action=use").await.expect(200);
            let entries = page["activity"].as_array().unwrap();
            if is_last {
                let told = ["operation", "outcome", "detail"];
                assert!(entries.iter().all(|entry| entry["count"] == 1), "{page:#}");
                let line = |entry: &Value| told.map(|name| text(entry, name)).join(" ").trim().to_owned();
                return entries.iter().map(line).collect();
            }
            is_last = entries.len() >= count;
            // What happened within the last second may be missing.
            tokio::time::sleep(std::time::Duration::from_millis(if is_last { 1200 } else { 100 })).await;
        }
    }

    async fn calls(&self) -> usize {
        self.platform.calls().await.unwrap().len()
    }
}

/// The settings of the app at the platform. Tokens can be read, so that tests can tell the platform of them.
fn app(builder: Builder, provider: &OidcProvider) -> Builder {
    let OidcOptions { client_id, .. } = provider.options();
    builder
        .set("APP_CLIENT_ID", client_id)
        .set("APP_SECRET", &provider.options().client_secret)
        .set("AUTHORIZE_URL", format!("{}/auth", provider.base()))
        .set("TOKEN_URL", format!("{}/token", provider.base()))
        .set("ISSUER", ISSUER)
        .set("PLUGIN_CODE", "jackfield")
        .set("PLUGIN_SCOPE", "openid")
        .set("TOKEN_READS", "true")
}

/// The platform's session token of a user of `store`.
fn session(store: u64) -> String {
    let secret = OidcOptions::default().client_secret;
    let token = TokenBuilder::new().secret(&secret).claim("sub", Value::Null).claim("iss", ISSUER);
    token.claim("store_id", store).claim("extra", json!({"admin_email": "ann@shop.example"})).sign()
}

/// The id of a store's customer.
fn id(store: u64, number: u32) -> String {
    format!("{store}-{number:06}")
}

/// All ids of a store's customers, in order.
fn all_ids(store: u64) -> Vec<String> {
    (1..=CUSTOMERS).map(|number| id(store, number)).collect()
}
