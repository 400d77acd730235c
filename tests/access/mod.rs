//! Every route, for every role, in the caller's own tenant and in another: one table, held against the contract.

mod deliveries;
mod foreign;
mod routes;

use std::collections::BTreeSet;

use model::Role;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::{Backend, TokenBuilder};

use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, Who, on_both_backends, plugin, with};
use foreign::{FOREIGN, FOREIGN_CONNECTION, FOREIGN_DELIVERY, FOREIGN_SUBSCRIPTION};
use routes::ROUTES;

on_both_backends!(
    every_route_knows_its_callers,
    nothing_of_another_tenant_is_told,
    strangers_hear_of_no_plugin_that_they_may_not_see,
);

/// What a request brings along.
#[derive(Clone, Copy)]
enum Body {
    None,
    Json(&'static str),
    Form,
}
use Body::{Form, Json, None as Nothing};

/// A route: its method and path in the contract, the path to call, what to send, and the statuses that nobody, a user,
/// an admin, an owner and who runs the platform get in their own tenant, and with `x-tenant-id: other`.
type Route = (&'static str, &'static str, &'static str, Body, [u16; 5], [u16; 5]);

/// In everything that is the other tenant's alone.
const MARK: &str = "OnlyOfOther";
const OTHER_ADMIN: Who = ("other", Role::Admin);
const ROLES: [Option<Role>; 5] =
    [None, Some(Role::User), Some(Role::Admin), Some(Role::Owner), Some(Role::PlatformAdmin)];

/// One whose connections need no provider that answers, and one that users consent at.
const PROVIDERS: &str = r#"
[providers.mailer]
flow = "api_key"
[providers.depot]
flow = "api_key"
owner = "tenant"
[providers.shop]
owner = "tenant"
api_hosts = ["api.shop.example"]
authorization_url = "https://shop.example/authorize"
token_url = "https://shop.example/token"
client_id = "client-of-the-platform"
client_secret = "a secret of the platform's client"
[providers.club]
authorization_url = "https://club.example/authorize"
token_url = "https://club.example/token"
client_id = "client-of-the-platform"
client_secret = "a secret of the platform's client"
"#;

/// Admins may call the shop's API as it is.
const PROXY_RULES: &str = r#"[{"role": "admin", "provider": "shop", "methods": ["GET", "POST", "PUT", "PATCH", "DELETE"], "paths": ["/v1/**"]}]"#;

/// The app at a platform that nobody has connected: it is never called.
const PLATFORM_APP: [(&str, &str); 7] = [
    ("APP_CLIENT_ID", "app"),
    ("APP_SECRET", "the secret of the app at the platform"),
    ("AUTHORIZE_URL", "https://admin.platform.example/authorize"),
    ("TOKEN_URL", "https://admin.platform.example/token"),
    ("ISSUER", "https://admin.platform.example"),
    ("PLUGIN_CODE", "jackfield"),
    ("LEXMODO_GRPC_ADDRESS", "https://customers.platform.example"),
];

async fn furnished(backend: Backend) -> Deployment {
    let deployment = Deployment::start_with(backend, |builder| {
        std::fs::write(builder.folder().join("providers.toml"), PROVIDERS).unwrap();
        let builder = builder.set("PROVIDERS_FILE", "providers.toml").set("TOKEN_READS", "true");
        let builder = builder.set("PROXY_RULES", PROXY_RULES);
        PLATFORM_APP.iter().fold(builder, |builder, (name, value)| builder.set(name, *value))
    });
    let schema = json!({
        "properties": {"currency": {"type": "string"}, "secretKey": {"type": "string"}},
        "additionalProperties": false, "sensitiveFields": ["secretKey"],
    });
    let shared = with(plugin("shared", "1.0.0"), &json!({"configSchema": schema}));
    deployment.post(PLATFORM, "/plugins", &shared).await.expect(201);
    deployment.publish(ADMIN, "own", "1.0.0").await;
    deployment.install(ADMIN, "shared").await;
    deployment.install(OTHER_ADMIN, "shared").await;
    let secret = json!({"currency": format!("{MARK} currency"), "secretKey": format!("{MARK} secret")});
    deployment.put(OTHER_ADMIN, "/plugins/shared/config", &secret).await.expect(200);
    // What is switched on is public; what is off is nobody else's business.
    deployment.put(OTHER_ADMIN, "/plugins/shared/status", &json!({"enabled": false})).await.expect(200);
    let private = with(
        plugin("private", "1.0.0"),
        &json!({"name": format!("{MARK} plugin"), "sourceCode": crate::deployment::source(MARK)}),
    );
    deployment.post(OTHER_ADMIN, "/plugins", &private).await.expect(201);
    deployment.install(OTHER_ADMIN, "private").await;
    deployment.put(OTHER_ADMIN, "/plugins/private/status", &json!({"enabled": false})).await.expect(200);
    let review = json!({"rating": 1, "review": format!("{MARK} review")});
    deployment.post(OTHER_ADMIN, "/plugins/private/ratings", &review).await.expect(201);
    deployment.post(OTHER_ADMIN, "/api-keys", &json!({"name": format!("{MARK} key")})).await.expect(201);
    for (who, label) in [(ADMIN, "own"), (OTHER_ADMIN, MARK)] {
        let user_email = format!("ann@{}.example", who.0);
        let body =
            json!({"provider": "mailer", "user_email": user_email, "api_key": "k-1234", "label": label});
        deployment.post(who, "/api/v1/unified/connections", &body).await.expect(201);
        let body = json!({"provider": "depot", "api_key": "k-1234", "label": format!("{label} depot")});
        deployment.post(who, "/api/v1/unified/connections", &body).await.expect(201);
    }
    let app = json!({"client_id": format!("client-{MARK}"), "client_secret": format!("{MARK} secret")});
    deployment.put(OTHER_ADMIN, "/api/v1/unified/oauth-apps/club", &app).await.expect(200);
    // Nothing is of this type, so nothing is sent there.
    let subscription = json!({
        "types": [format!("no.{MARK}")], "endpoint": {"url": format!("https://example.com/{MARK}")}, "description": MARK,
    });
    deployment.post(OTHER_ADMIN, "/subscriptions", &subscription).await.expect(201);
    deployment
}

/// The request of a row by a role in `acme`.
fn request(
    deployment: &Deployment,
    method: &str,
    url: &str,
    body: Body,
    role: Option<Role>,
) -> RequestBuilder {
    let method: Method = method.parse().unwrap();
    let request = deployment.server.request(method, url);
    let request = match role {
        None => request,
        Some(role) => {
            let token = TokenBuilder::new().claim("tenantId", "acme").claim("role", role.as_str());
            request.bearer_auth(token.sign())
        }
    };
    match body {
        Nothing => request,
        Json(text) => request.header("content-type", "application/json").body(text),
        Form => request.multipart(reqwest::multipart::Form::new().text("version", "1.0.0")),
    }
}

async fn every_route_knows_its_callers(backend: Backend) {
    let deployment = furnished(backend).await;
    let mut wrong = Vec::new();
    for (method, path, url, body, own, other) in ROUTES {
        for (index, role) in ROLES.into_iter().enumerate() {
            for (tenant, expected) in [("acme", own[index]), ("other", other[index])] {
                let request = request(&deployment, method, url, *body, role).header("x-tenant-id", tenant);
                let answer = Answer::of(request).await;
                if answer.status != expected {
                    wrong.push(format!(
                        "{method} {path} as {role:?} in {tenant}: {}, expected {expected}: {}",
                        answer.status, answer.text
                    ));
                }
                if role != Some(Role::PlatformAdmin) && answer.text.contains(MARK) {
                    wrong.push(format!("{method} {path} as {role:?} in {tenant} tells: {}", answer.text));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(routes_of_the_document(&deployment).await, routes_of_the_table());
}

fn routes_of_the_table() -> BTreeSet<(String, String)> {
    ROUTES.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect()
}

async fn routes_of_the_document(deployment: &Deployment) -> BTreeSet<(String, String)> {
    let document = deployment.get("/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| -> Vec<String> { item.as_object().unwrap().keys().cloned().collect() };
    paths
        .iter()
        .flat_map(|(path, item)| {
            methods(item).into_iter().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        })
        .collect()
}

async fn nothing_of_another_tenant_is_told(backend: Backend) {
    let deployment = furnished(backend).await;
    let delivered = deliveries::make(&deployment).await;
    let before = other_tenant(&deployment).await;
    assert!(before.matches(MARK).count() >= 6, "the mark is where the tenant itself looks: {before}");
    let key =
        deployment.get_as(OTHER_ADMIN, "/api-keys").await.expect(200)[0]["id"].as_str().unwrap().to_owned();
    let listed = deployment.get_as(OTHER_ADMIN, "/api/v1/unified/connections").await.expect(200);
    let connection = listed["connections"][0]["id"].as_str().unwrap();
    let named = |(method, url, body, expected): &(&'static str, &str, Body, u16)| {
        let url = url.replace("{id}", connection).replace("{subscription}", &delivered.subscription);
        let url = url.replace("{webhook}", &delivered.webhook).replace("{delivery}", &delivered.delivery);
        (*method, url, *body, *expected)
    };
    let foreign = FOREIGN
        .iter()
        .chain(FOREIGN_CONNECTION)
        .chain(FOREIGN_SUBSCRIPTION)
        .chain(FOREIGN_DELIVERY)
        .map(named);
    let revoke = ("DELETE", format!("/api-keys/{key}"), Nothing, 404);
    for (method, url, body, expected) in foreign.chain([revoke]) {
        for role in ROLES {
            let named = request(&deployment, method, &url, body, role);
            let answer = Answer::of(if role == Some(Role::PlatformAdmin) {
                named.header("x-tenant-id", "acme")
            } else {
                named
            })
            .await;
            let who = format!("{method} {url} as {role:?}: {} {}", answer.status, answer.text);
            assert!(!answer.text.contains(MARK), "{who}");
            match role {
                Some(Role::Admin | Role::Owner | Role::PlatformAdmin) => {
                    assert_eq!(answer.status, expected, "{who}");
                }
                _ => assert!([expected, 400, 401, 403].contains(&answer.status), "{who}"),
            }
        }
    }
    assert_eq!(other_tenant(&deployment).await, before, "nothing of it changed");
}

/// What a tenant does with a plugin that is its own, or off, says nothing of the plugin to who follows its public stream.
async fn strangers_hear_of_no_plugin_that_they_may_not_see(backend: Backend) {
    let deployment = Deployment::start(backend);
    let path = "/plugins/public/organizations/stream?organizationId=other";
    let mut stream = deployment.server.get(path).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let private = with(plugin("only-of-other", "6.5.4"), &json!({"name": format!("{MARK} plugin")}));
    deployment.post(OTHER_ADMIN, "/plugins", &private).await.expect(201);
    deployment.install(OTHER_ADMIN, "only-of-other").await;
    deployment
        .put(OTHER_ADMIN, "/plugins/only-of-other/status", &json!({"enabled": false}))
        .await
        .expect(200);
    let config = json!({"currency": format!("{MARK} currency")});
    deployment.put(OTHER_ADMIN, "/plugins/only-of-other/config", &config).await.expect(200);
    deployment
        .post(OTHER_ADMIN, "/plugins/uninstall", &json!({"pluginId": "only-of-other"}))
        .await
        .expect(200);
    let mut told = String::new();
    while told.matches("data: ").count() < 4 {
        told.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    for secret in [MARK, "only-of-other", "6.5.4", "disabled", "configured"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}

/// All that the other tenant's own admin sees.
async fn other_tenant(deployment: &Deployment) -> String {
    let mut seen = String::new();
    for path in [
        "/plugins/private",
        "/plugins/private/config",
        "/plugins/private/ratings",
        "/plugins/installed",
        "/plugins/shared/config",
        "/api-keys",
        "/api/v1/unified/connections",
        "/api/v1/unified/oauth-apps",
        "/api/v1/unified/activity",
        "/subscriptions",
        "/webhooks/deliveries",
        "/events/deliveries",
    ] {
        let answer = deployment.get_as(OTHER_ADMIN, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        seen.push_str(&answer.text);
    }
    seen
}
