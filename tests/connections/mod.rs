//! Accounts that users connect elsewhere: through the running server, to providers that others wrote.

mod answers;
mod club;
mod direct;
mod documented;
mod emulated;
mod emulated_google;
mod links;
mod own_apps;
mod random;
mod refusals;
mod requests;
mod roundtrip;
mod secrecy;
mod seed_document;
mod tap;
mod tenants_own;
mod users;

use model::Role;
use reqwest::header::SET_COOKIE;
use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;
use testkit::{Backend, Builder, OidcOptions, OidcProvider, TokenBuilder};

use crate::deployment::{Answer, Deployment};
use tap::Tap;

const AUTH: &str = "/api/v1/unified/auth";
const CONNECTIONS: &str = "/api/v1/unified/connections";
/// An origin that users may be sent back to.
const APP: &str = "https://app.example";

/// A token of the user with this e-mail address.
fn user(email: &str) -> String {
    credential("acme", Role::User, Some(email))
}

/// A token of `role` in `tenant`.
fn credential(tenant: &str, role: Role, email: Option<&str>) -> String {
    let token = TokenBuilder::new().claim("tenantId", tenant).claim("role", role.as_str());
    token.claim("email", email.map_or(Value::Null, Value::from)).sign()
}

/// A server and `oidc-provider`, which it knows as `op` and, by another name, as `other`. What the token endpoint of `op`
/// is sent and answers is heard.
struct Broker {
    deployment: Deployment,
    provider: OidcProvider,
    tap: Tap,
}

/// A flow that was begun.
struct Begun {
    body: Value,
    /// The provider's address.
    auth_url: Url,
    /// What the browser is known by again, as it sends it.
    cookie: String,
}

impl Begun {
    /// A parameter of the provider's address, which must be there once.
    #[track_caller]
    fn parameter(&self, name: &str) -> String {
        parameter(&self.auth_url, name)
    }
}

#[track_caller]
fn parameter(url: &Url, name: &str) -> String {
    let mut found = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let first = found.next().unwrap_or_else(|| panic!("no {name} in {url}"));
    assert_eq!(found.next(), None, "{name} is in {url} more than once");
    first
}

/// `url` with another value of the parameter `name`, or without it.
fn with_parameter(url: &Url, name: &str, value: Option<&str>) -> Url {
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != name)
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(value.map(|value| (name, value)));
    url
}

impl Broker {
    async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |builder| builder).await
    }

    async fn start_with(backend: Backend, set: impl FnOnce(Builder) -> Builder) -> Self {
        let provider = OidcProvider::start(OidcOptions::default()).unwrap();
        let tap = Tap::start(&format!("{}/token", provider.base())).await;
        let OidcOptions { client_id, client_secret, .. } = provider.options();
        let entry = |id: &str, name: &str| {
            format!(
                "[providers.{id}]\nname = \"{name}\"\nissuer = \"{base}\"\ntoken_url = \"{token}\"\n\
                 client_id = \"{client_id}\"\nclient_secret = \"{client_secret}\"\n\
                 default_scopes = [\"openid\", \"email\", \"profile\", \"offline_access\", \"notes.read\"]\n\
                 authorization_params = {{ prompt = \"consent\" }}\nrotation = {{ rotates = true }}\n",
                base = provider.base(),
                token = tap.url(),
            )
        };
        let file = [entry("op", "The Provider"), entry("other", "Another")].concat();
        let deployment = with_providers(backend, &file, |builder| set(builder.set("RETURN_TO_ORIGINS", APP)));
        for name in ["op", "other"] {
            let callback = format!("{}{AUTH}/{name}/callback", deployment.base());
            provider.allow_redirect_uri(&callback).await.unwrap();
        }
        Self { deployment, provider, tap }
    }

    fn request(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.deployment.server.request(method, path).bearer_auth(token)
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        Answer::of(self.request(token, Method::GET, path)).await
    }

    /// Asks for the address where the user consents; `query` may be empty.
    async fn begin(&self, token: &str, query: &str) -> Begun {
        let answer = self.get(token, &format!("{AUTH}/op/url?{query}")).await;
        begun(&answer)
    }

    /// Goes where the provider has sent the browser, with the cookie of the browser that began, or another one, or none.
    async fn come_back(&self, address: &Url, cookie: &str) -> Answer {
        Answer::of(self.coming_back(address, cookie)).await
    }

    fn coming_back(&self, address: &Url, cookie: &str) -> RequestBuilder {
        coming_back(&self.deployment, address, cookie)
    }

    /// Walks the whole flow: `token` begins, `person` consents at the provider.
    async fn connect(&self, token: &str, person: &str) -> Value {
        let begun = self.begin(token, "").await;
        let address = self.provider.consent(begun.auth_url.as_str(), person).await.unwrap();
        self.come_back(&address, &begun.cookie).await.expect(200)
    }

    /// Every connection of acme, as an admin sees it.
    async fn connections(&self) -> Vec<Value> {
        let admin = credential("acme", Role::Admin, None);
        let page = self.get(&admin, CONNECTIONS).await.expect(200);
        page["connections"].as_array().unwrap().clone()
    }
}

/// A server whose PROVIDERS_FILE has `file` in it.
fn with_providers(backend: Backend, file: &str, set: impl FnOnce(Builder) -> Builder) -> Deployment {
    Deployment::start_with(backend, |builder| {
        std::fs::write(builder.folder().join("providers.toml"), file).unwrap();
        set(builder.set("PROVIDERS_FILE", "providers.toml"))
    })
}

/// What the answer to `…/url` brings.
#[track_caller]
fn begun(answer: &Answer) -> Begun {
    let body = answer.expect(200);
    let auth_url = body["auth_url"].as_str().unwrap().parse().unwrap();
    let cookie = answer.headers.get(SET_COOKIE).map_or("", |value| value.to_str().unwrap());
    let cookie = cookie.split(';').next().unwrap().to_owned();
    Begun { body, auth_url, cookie }
}

fn coming_back(deployment: &Deployment, address: &Url, cookie: &str) -> RequestBuilder {
    let path = format!("{}?{}", address.path(), address.query().unwrap_or_default());
    let request = deployment.server.get(&path);
    if cookie.is_empty() { request } else { request.header("cookie", cookie) }
}
