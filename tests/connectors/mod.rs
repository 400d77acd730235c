//! Connectors through the running server: the customers of the Lexmodo platform's stores, which a server in Python holds.

mod refusals;
mod stores;
mod streaming;
mod unified;

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, Builder, LexmodoOptions, LexmodoServer, TokenBuilder};

use crate::deployment::{Answer, Deployment};

const CONNECTORS: &str = "/api/v1/unified/connectors";
const SECRET: &str = "the secret of the app at the platform";
const ISSUER: &str = "https://admin.platform.example";
/// How many customers each store has.
const CUSTOMERS: u32 = 250;

/// Stores are connected by tokens that are given by hand, so that no browser is needed.
const PROVIDERS: &str = "[providers.lexmodo]\nflow = \"api_key\"\n";

/// A server for the stores of a platform.
struct Mall {
    deployment: Deployment,
    platform: LexmodoServer,
}

impl Mall {
    fn start(backend: Backend) -> Self {
        Self::start_with(backend, |builder| builder)
    }

    fn start_with(backend: Backend, set: impl FnOnce(Builder) -> Builder) -> Self {
        let platform = LexmodoServer::start(LexmodoOptions { customers: CUSTOMERS, ..Default::default() });
        let platform = platform.unwrap();
        let deployment = Deployment::start_with(backend, |builder| {
            set(app(builder).set("LEXMODO_GRPC_ADDRESS", platform.address()))
        });
        Self { deployment, platform }
    }

    /// A server both of whose stores are connected.
    async fn connected(backend: Backend) -> Self {
        Self::connected_with(backend, |builder| builder).await
    }

    async fn connected_with(backend: Backend, set: impl FnOnce(Builder) -> Builder) -> Self {
        let mall = Self::start_with(backend, set);
        for store in LexmodoServer::STORES {
            mall.connect(store).await;
        }
        mall
    }

    /// Connects a store by a token that the platform accepts for it; tells the connection.
    async fn connect(&self, store: u64) -> Value {
        let token = token_of(store);
        self.platform.accept(&token, store).await.unwrap();
        let tenant = format!("lexmodo:{store}");
        let body = json!({"provider": "lexmodo", "api_key": token});
        let request =
            self.deployment.request_as(&tenant, Role::Admin, Method::POST, "/api/v1/unified/connections");
        Answer::of(request.json(&body)).await.expect(201)
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

    async fn calls(&self) -> usize {
        self.platform.calls().await.unwrap().len()
    }
}

/// The settings of the app at the platform.
fn app(builder: Builder) -> Builder {
    std::fs::write(builder.folder().join("providers.toml"), PROVIDERS).unwrap();
    builder
        .set("PROVIDERS_FILE", "providers.toml")
        .set("APP_CLIENT_ID", "app")
        .set("APP_SECRET", SECRET)
        .set("AUTHORIZE_URL", format!("{ISSUER}/authorize"))
        .set("TOKEN_URL", format!("{ISSUER}/token"))
        .set("ISSUER", ISSUER)
        .set("PLUGIN_CODE", "jackfield")
}

fn token_of(store: u64) -> String {
    format!("token-of-{store}")
}

/// The platform's session token of a user of `store`.
fn session(store: u64) -> String {
    let token = TokenBuilder::new().secret(SECRET).claim("sub", Value::Null).claim("iss", ISSUER);
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
