//! Every route, for every role, in the caller's own tenant and in another: one table, held against the contract.

use std::collections::BTreeSet;

use model::Role;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::{Backend, TokenBuilder};

use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, Who, on_both_backends, plugin, with};

on_both_backends!(every_route_knows_its_callers, nothing_of_another_tenant_is_told);

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

const ALL: [u16; 5] = [200; 5];
/// Tenants' credentials do not hold elsewhere, even where everybody may read.
const OTHER_PUBLIC: [u16; 5] = [200, 403, 403, 403, 200];

/// The contract's table. Those who may get 404, 409 and 422: the request of the table does not find or change what would spoil the next row.
#[rustfmt::skip] // A row a line.
const ROUTES: &[Route] = &[
    ("GET", "/", "/", Nothing, ALL, ALL),
    // What the platform signs in the query, or seals in the state, says whose they are.
    ("GET", "/callback", "/callback?session_token=none", Nothing, [401; 5], [401; 5]),
    ("GET", "/callback", "/callback?code=none&state=none", Nothing, [400; 5], [400; 5]),
    ("GET", "/callback", "/callback", Nothing, [400; 5], [400; 5]),
    ("GET", "/health", "/health", Nothing, ALL, ALL),
    ("GET", "/health/ready", "/health/ready", Nothing, ALL, ALL),
    ("GET", "/metrics", "/metrics", Nothing, ALL, ALL),
    ("GET", "/problems/{code}", "/problems/not_found", Nothing, ALL, ALL),
    ("GET", "/api-keys", "/api-keys", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("POST", "/api-keys", "/api-keys", Json(r#"{"name":""}"#), [401, 403, 422, 422, 422], [401, 403, 403, 403, 422]),
    ("DELETE", "/api-keys/{id}", "/api-keys/none", Nothing, [401, 403, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("DELETE", "/tenants/{tenantId}", "/tenants/none", Nothing, [401, 403, 403, 403, 404], [401, 403, 403, 403, 404]),
    // The user's token names no e-mail address, so nothing says whose activity is meant.
    ("GET", "/api/v1/unified/activity", "/api/v1/unified/activity", Nothing, [401, 400, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("GET", "/plugins/available", "/plugins/available", Nothing, ALL, OTHER_PUBLIC),
    ("GET", "/plugins/by-extension-point", "/plugins/by-extension-point?point=checkout", Nothing, ALL, OTHER_PUBLIC),
    ("GET", "/plugins/{id}", "/plugins/shared", Nothing, ALL, OTHER_PUBLIC),
    // Who runs the platform publishes into the shared catalog, whatever tenant is named.
    ("PUT", "/plugins/{id}", "/plugins/own", Json("{}"), [401, 403, 200, 200, 404], [401, 403, 403, 403, 404]),
    ("PUT", "/plugins/{id}", "/plugins/shared", Json("{}"), [401, 403, 403, 403, 200], [401, 403, 403, 403, 200]),
    ("GET", "/plugins/installed", "/plugins/installed", Nothing, [401, 200, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("POST", "/plugins/install", "/plugins/install", Json(r#"{"pluginId":"shared"}"#), [401, 403, 409, 409, 409], [401, 403, 403, 403, 409]),
    ("POST", "/plugins/upgrade", "/plugins/upgrade", Json(r#"{"pluginId":"shared"}"#), [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("POST", "/plugins/uninstall", "/plugins/uninstall", Json(r#"{"pluginId":"none"}"#), [401, 403, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("PUT", "/plugins/{id}/status", "/plugins/shared/status", Json(r#"{"enabled":true}"#), [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("GET", "/plugins/{id}/config", "/plugins/shared/config", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("PUT", "/plugins/{id}/config", "/plugins/shared/config", Json(r#"{"no":1}"#), [401, 403, 422, 422, 422], [401, 403, 403, 403, 422]),
    ("GET", "/plugins/{id}/ratings", "/plugins/shared/ratings", Nothing, ALL, OTHER_PUBLIC),
    ("POST", "/plugins/{id}/ratings", "/plugins/shared/ratings", Json(r#"{"rating":5}"#), [401, 201, 201, 201, 201], [401, 403, 403, 403, 201]),
    ("GET", "/plugins/storage-health", "/plugins/storage-health", Nothing, [401, 200, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("GET", "/plugins/{id}/bundle", "/plugins/shared/bundle", Nothing, [302; 5], [302, 403, 403, 403, 302]),
    ("POST", "/plugins", "/plugins", Json("{}"), [401, 403, 422, 422, 422], [401, 403, 403, 403, 422]),
    ("POST", "/plugins/upload", "/plugins/upload", Form, [401, 403, 422, 422, 422], [401, 403, 403, 403, 422]),
    ("POST", "/plugins/storage/upload", "/plugins/storage/upload", Form, [401, 403, 422, 422, 422], [401, 403, 403, 403, 422]),
    ("GET", "/plugins/public/organizations/enabled", "/plugins/public/organizations/enabled?organizationId=acme", Nothing, ALL, ALL),
    ("GET", "/plugins/public/organizations/payment", "/plugins/public/organizations/payment?organizationId=acme", Nothing, ALL, ALL),
    ("GET", "/plugins/bundles/{pluginId}/v{version}/{filename}", "/plugins/bundles/shared/v1.0.0/index.js", Nothing, ALL, ALL),
    ("GET", "/marketplace", "/marketplace", Nothing, ALL, ALL),
    ("GET", "/marketplace/categories", "/marketplace/categories", Nothing, ALL, ALL),
    ("GET", "/marketplace/{id}", "/marketplace/shared", Nothing, ALL, ALL),
    ("POST", "/marketplace", "/marketplace", Json("{}"), [401, 403, 403, 403, 422], [401, 403, 403, 403, 422]),
    ("DELETE", "/marketplace/{id}", "/marketplace/none", Nothing, [401, 403, 403, 403, 404], [401, 403, 403, 403, 404]),
    ("POST", "/api/v1/unified/connect/sessions", "/api/v1/unified/connect/sessions", Json(r#"{"user_email":"ann@acme.example","providers":["none"]}"#), [401, 403, 422, 422, 422], [401, 403, 403, 403, 422]),
    ("GET", "/api/v1/unified/auth/{provider}/url", "/api/v1/unified/auth/club/url?user_email=ann@acme.example", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    // Links and callbacks are for browsers: what is sealed in them says whose they are.
    ("GET", "/api/v1/unified/auth/{provider}/begin", "/api/v1/unified/auth/club/begin?link=none", Nothing, [400; 5], [400; 5]),
    ("POST", "/api/v1/unified/auth/{provider}/begin", "/api/v1/unified/auth/club/begin?link=none", Nothing, [403; 5], [403; 5]),
    ("GET", "/api/v1/unified/auth/{provider}/callback", "/api/v1/unified/auth/club/callback?state=none&code=none", Nothing, [400; 5], [400, 403, 403, 403, 400]),
    ("GET", "/api/v1/unified/auth/{provider}/validate", "/api/v1/unified/auth/mailer/validate?user_email=ann@acme.example", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    // Who has no connection there gets 401, too: `connection_required`.
    ("GET", "/api/v1/unified/auth/{provider}/refresh", "/api/v1/unified/auth/mailer/refresh?user_email=ann@acme.example", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/auth/{provider}/refresh", "/api/v1/unified/auth/mailer/refresh?user_email=ann@acme.example", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 401]),
    ("DELETE", "/api/v1/unified/auth/{provider}/revoke", "/api/v1/unified/auth/mailer/revoke?user_email=ann@acme.example&connection_id=none", Nothing, [401, 403, 404, 404, 404], [401, 403, 403, 403, 404]),
    // Of the tenant's own: every user uses it, an admin decides on it.
    ("GET", "/api/v1/unified/auth/{provider}/url", "/api/v1/unified/auth/shop/url", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("GET", "/api/v1/unified/auth/{provider}/validate", "/api/v1/unified/auth/depot/validate", Nothing, [401, 200, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("GET", "/api/v1/unified/auth/{provider}/refresh", "/api/v1/unified/auth/depot/refresh", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("POST", "/api/v1/unified/auth/{provider}/refresh", "/api/v1/unified/auth/depot/refresh", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("DELETE", "/api/v1/unified/auth/{provider}/revoke", "/api/v1/unified/auth/shop/revoke", Nothing, [401, 401, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/connections", "/api/v1/unified/connections", Json(r#"{"provider":"depot","api_key":""}"#), [401, 403, 422, 422, 422], [401, 403, 403, 403, 422]),
    ("POST", "/api/v1/unified/connect/sessions", "/api/v1/unified/connect/sessions", Json(r#"{"user_email":"ann@acme.example","providers":["depot","none"]}"#), [401, 403, 422, 422, 422], [401, 403, 403, 403, 422]),
    ("GET", "/api/v1/unified/auth/status", "/api/v1/unified/auth/status?user_email=ann@acme.example", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("GET", "/api/v1/unified/auth/providers", "/api/v1/unified/auth/providers", Nothing, [401, 200, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("GET", "/api/v1/unified/connections", "/api/v1/unified/connections", Nothing, [401, 400, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("POST", "/api/v1/unified/connections", "/api/v1/unified/connections", Json(r#"{"provider":"none","user_email":"ann@acme.example","api_key":"k"}"#), [401, 403, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("GET", "/api/v1/unified/connections/{id}", "/api/v1/unified/connections/none", Nothing, [401, 404, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("PATCH", "/api/v1/unified/connections/{id}", "/api/v1/unified/connections/none", Json("{}"), [401, 404, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("DELETE", "/api/v1/unified/connections/{id}", "/api/v1/unified/connections/none", Nothing, [401, 404, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("GET", "/api/v1/unified/connections/{id}/token", "/api/v1/unified/connections/none/token", Nothing, [401, 403, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("GET", "/api/v1/unified/oauth-apps", "/api/v1/unified/oauth-apps", Nothing, [401, 403, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("PUT", "/api/v1/unified/oauth-apps/{provider}", "/api/v1/unified/oauth-apps/none", Json(r#"{"client_id":"a"}"#), [401, 403, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("DELETE", "/api/v1/unified/oauth-apps/{provider}", "/api/v1/unified/oauth-apps/none", Nothing, [401, 403, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("GET", "/api/v1/unified/status", "/api/v1/unified/status", Nothing, [401, 200, 200, 200, 200], [401, 403, 403, 403, 200]),
    // Neither tenant has connected the platform, so that whoever may ask gets 401, too: `connection_required`.
    ("GET", "/api/v1/unified/connectors", "/api/v1/unified/connectors", Nothing, [401, 200, 200, 200, 200], [401, 403, 403, 403, 200]),
    ("GET", "/api/v1/unified/connectors/{connector}/test", "/api/v1/unified/connectors/lexmodo/test", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/capabilities", "/api/v1/unified/connectors/lexmodo/capabilities", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/items", "/api/v1/unified/connectors/lexmodo/items", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/connectors/{connector}/items", "/api/v1/unified/connectors/lexmodo/items", Json("{}"), [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/items/{id}", "/api/v1/unified/connectors/lexmodo/items/c1", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("PUT", "/api/v1/unified/connectors/{connector}/items/{id}", "/api/v1/unified/connectors/lexmodo/items/c1", Json("{}"), [401; 5], [401, 403, 403, 403, 401]),
    ("DELETE", "/api/v1/unified/connectors/{connector}/items/{id}", "/api/v1/unified/connectors/lexmodo/items/c1", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/search", "/api/v1/unified/connectors/lexmodo/search?query=ann", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    // Neither tenant has connected the shop, and a rule allows admins to call its API.
    ("GET", "/api/v1/unified/proxy/{provider}/{path}", "/api/v1/unified/proxy/shop/v1/x", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/proxy/{provider}/{path}", "/api/v1/unified/proxy/shop/v1/x", Json("{}"), [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("PUT", "/api/v1/unified/proxy/{provider}/{path}", "/api/v1/unified/proxy/shop/v1/x", Json("{}"), [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("PATCH", "/api/v1/unified/proxy/{provider}/{path}", "/api/v1/unified/proxy/shop/v1/x", Json("{}"), [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("DELETE", "/api/v1/unified/proxy/{provider}/{path}", "/api/v1/unified/proxy/shop/v1/x", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/proxy/{provider}/{path}", "/api/v1/unified/proxy/depot/v1/x", Nothing, [401, 404, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("GET", "/api/v1/unified/connectors/{connector}/items/{id}/content", "/api/v1/unified/connectors/lexmodo/items/c1/content", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/items/{id}/comments", "/api/v1/unified/connectors/lexmodo/items/c1/comments", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/connectors/{connector}/items/{id}/comments", "/api/v1/unified/connectors/lexmodo/items/c1/comments", Json(r#"{"text":"x"}"#), [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/containers", "/api/v1/unified/connectors/lexmodo/containers", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/channels", "/api/v1/unified/connectors/lexmodo/channels", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/channels/{id}", "/api/v1/unified/connectors/lexmodo/channels/c1", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/channels/{id}/messages", "/api/v1/unified/connectors/lexmodo/channels/c1/messages", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/connectors/{connector}/channels/{id}/messages", "/api/v1/unified/connectors/lexmodo/channels/c1/messages", Json(r#"{"text":"x"}"#), [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/users", "/api/v1/unified/connectors/lexmodo/users", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/projects", "/api/v1/unified/connectors/lexmodo/projects", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/projects/{id}", "/api/v1/unified/connectors/lexmodo/projects/p1", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/projects/{id}/summary", "/api/v1/unified/connectors/lexmodo/projects/p1/summary", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/projects/{id}/issues", "/api/v1/unified/connectors/lexmodo/projects/p1/issues", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/connectors/{connector}/projects/{id}/issues", "/api/v1/unified/connectors/lexmodo/projects/p1/issues", Json(r#"{"title":"x"}"#), [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/issues/{id}", "/api/v1/unified/connectors/lexmodo/issues/i1", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("PUT", "/api/v1/unified/connectors/{connector}/issues/{id}", "/api/v1/unified/connectors/lexmodo/issues/i1", Json(r#"{"title":"x"}"#), [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/connectors/{connector}/my-issues", "/api/v1/unified/connectors/lexmodo/my-issues", Nothing, [401; 5], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/gmail/emails", "/api/v1/unified/gmail/emails?user_email=ann@acme.example", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/gmail/send", "/api/v1/unified/gmail/send?to=b@b.example&body=x&user_email=ann@acme.example", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/gmail/labels", "/api/v1/unified/gmail/labels?user_email=ann@acme.example", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/jira/projects", "/api/v1/unified/jira/projects?user_email=ann@acme.example", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/jira/projects/{id}/issues", "/api/v1/unified/jira/projects/p1/issues?user_email=ann@acme.example", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/jira/my-issues", "/api/v1/unified/jira/my-issues?user_email=ann@acme.example", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("GET", "/api/v1/unified/slack/channels", "/api/v1/unified/slack/channels?user_email=ann@acme.example", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    ("POST", "/api/v1/unified/slack/channels/{id}/messages", "/api/v1/unified/slack/channels/C1/messages?message=x&user_email=ann@acme.example", Nothing, [401, 403, 401, 401, 401], [401, 403, 403, 403, 401]),
    // Neither tenant is a store.
    ("GET", "/lexmodo/customers", "/lexmodo/customers", Nothing, [401, 404, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("GET", "/lexmodo/customers/{id}", "/lexmodo/customers/c1", Nothing, [401, 404, 404, 404, 404], [401, 403, 403, 403, 404]),
    ("GET", "/lexmodo/customers/stream", "/lexmodo/customers/stream", Nothing, [401, 404, 404, 404, 404], [401, 403, 403, 403, 404]),
];

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

/// Requests of `acme` and of strangers for what is `other`'s, and the status that is right for those of `acme` who may ask.
const FOREIGN: &[(&str, &str, Body, u16)] = &[
    ("GET", "/plugins/private", Nothing, 404),
    ("GET", "/plugins/private/bundle", Nothing, 404),
    ("GET", "/plugins/private/ratings", Nothing, 404),
    ("POST", "/plugins/private/ratings", Json(r#"{"rating":5}"#), 404),
    ("GET", "/plugins/private/config", Nothing, 404),
    ("PUT", "/plugins/private/config", Json("{}"), 404),
    ("PUT", "/plugins/private/status", Json(r#"{"enabled":true}"#), 404),
    ("PUT", "/plugins/private", Json(r#"{"name":"Mine"}"#), 404),
    ("POST", "/plugins/install", Json(r#"{"pluginId":"private"}"#), 404),
    ("POST", "/plugins/install", Json(r#"{"pluginId":"private","version":"1.0.0"}"#), 404),
    ("POST", "/plugins/upgrade", Json(r#"{"pluginId":"private"}"#), 404),
    ("POST", "/plugins/uninstall", Json(r#"{"pluginId":"private"}"#), 404),
    ("GET", "/marketplace/private", Nothing, 404),
    ("GET", "/plugins/bundles/private/v1.0.0/index.js", Nothing, 404),
    ("GET", "/plugins/bundles/plugins/private/1.0.0/index.js", Nothing, 404),
    ("GET", "/plugins/available", Nothing, 200),
    ("GET", "/plugins/installed", Nothing, 200),
    ("GET", "/plugins/by-extension-point?point=checkout", Nothing, 200),
    ("GET", "/plugins/public/organizations/enabled?organizationId=other", Nothing, 200),
    ("GET", "/plugins/public/organizations/payment?organizationId=other", Nothing, 200),
    ("GET", "/plugins/shared/config", Nothing, 200),
    ("GET", "/plugins/shared/ratings", Nothing, 200),
    ("GET", "/marketplace?search=only", Nothing, 200),
    ("GET", "/marketplace/categories", Nothing, 200),
    ("GET", "/api-keys", Nothing, 200),
    ("GET", "/api/v1/unified/auth/club/url?user_email=ann@other.example", Nothing, 200),
    ("GET", "/api/v1/unified/auth/providers", Nothing, 200),
    ("GET", "/api/v1/unified/auth/status?user_email=ann@other.example", Nothing, 200),
    ("GET", "/api/v1/unified/auth/mailer/validate?user_email=ann@other.example", Nothing, 200),
    ("GET", "/api/v1/unified/auth/mailer/refresh?user_email=ann@other.example", Nothing, 401),
    ("DELETE", "/api/v1/unified/auth/mailer/revoke?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/connections?user_email=ann@other.example", Nothing, 200),
    ("GET", "/api/v1/unified/connections?limit=200", Nothing, 200),
    ("GET", "/api/v1/unified/activity?user_email=ann@other.example", Nothing, 200),
    ("GET", "/api/v1/unified/oauth-apps", Nothing, 200),
    ("DELETE", "/api/v1/unified/oauth-apps/club", Nothing, 404),
    ("GET", "/api/v1/unified/status", Nothing, 200),
    ("GET", "/api/v1/unified/connectors", Nothing, 200),
    ("GET", "/api/v1/unified/connectors/lexmodo/items?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/proxy/shop/v1/x", Nothing, 401),
    ("GET", "/api/v1/unified/connectors/lexmodo/items/c1/content?user_email=ann@other.example", Nothing, 401),
    (
        "GET",
        "/api/v1/unified/connectors/lexmodo/items/c1/comments?user_email=ann@other.example",
        Nothing,
        401,
    ),
    (
        "POST",
        "/api/v1/unified/connectors/lexmodo/items/c1/comments?user_email=ann@other.example",
        Json(r#"{"text":"x"}"#),
        401,
    ),
    ("GET", "/api/v1/unified/connectors/lexmodo/containers?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/connectors/lexmodo/channels?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/connectors/lexmodo/channels/c1?user_email=ann@other.example", Nothing, 401),
    (
        "GET",
        "/api/v1/unified/connectors/lexmodo/channels/c1/messages?user_email=ann@other.example",
        Nothing,
        401,
    ),
    (
        "POST",
        "/api/v1/unified/connectors/lexmodo/channels/c1/messages?user_email=ann@other.example",
        Json(r#"{"text":"x"}"#),
        401,
    ),
    ("GET", "/api/v1/unified/connectors/lexmodo/users?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/connectors/lexmodo/projects?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/connectors/lexmodo/projects/p1?user_email=ann@other.example", Nothing, 401),
    (
        "GET",
        "/api/v1/unified/connectors/lexmodo/projects/p1/summary?user_email=ann@other.example",
        Nothing,
        401,
    ),
    (
        "GET",
        "/api/v1/unified/connectors/lexmodo/projects/p1/issues?user_email=ann@other.example",
        Nothing,
        401,
    ),
    (
        "POST",
        "/api/v1/unified/connectors/lexmodo/projects/p1/issues?user_email=ann@other.example",
        Json(r#"{"title":"x"}"#),
        401,
    ),
    ("GET", "/api/v1/unified/connectors/lexmodo/issues/i1?user_email=ann@other.example", Nothing, 401),
    (
        "PUT",
        "/api/v1/unified/connectors/lexmodo/issues/i1?user_email=ann@other.example",
        Json(r#"{"title":"x"}"#),
        401,
    ),
    ("GET", "/api/v1/unified/connectors/lexmodo/my-issues?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/gmail/emails?user_email=ann@other.example", Nothing, 401),
    ("POST", "/api/v1/unified/gmail/send?to=b@b.example&body=x&user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/gmail/labels?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/jira/projects?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/jira/projects/p1/issues?user_email=ann@other.example", Nothing, 401),
    ("GET", "/api/v1/unified/jira/my-issues?user_email=ann@other.example", Nothing, 401),
    ("GET", "/lexmodo/customers", Nothing, 404),
];

/// The same for one connection of `other`'s, by its id.
const FOREIGN_CONNECTION: &[(&str, &str, Body, u16)] = &[
    ("GET", "/api/v1/unified/connections/{id}", Nothing, 404),
    ("GET", "/api/v1/unified/connections/{id}/token", Nothing, 404),
    ("PATCH", "/api/v1/unified/connections/{id}", Json(r#"{"label":"mine","default":true}"#), 404),
    ("DELETE", "/api/v1/unified/connections/{id}", Nothing, 404),
    (
        "GET",
        "/api/v1/unified/auth/mailer/validate?user_email=ann@other.example&connection_id={id}",
        Nothing,
        404,
    ),
    (
        "GET",
        "/api/v1/unified/auth/mailer/validate?user_email=ann@acme.example&connection_id={id}",
        Nothing,
        404,
    ),
    (
        "POST",
        "/api/v1/unified/auth/mailer/refresh?user_email=ann@other.example&connection_id={id}",
        Nothing,
        404,
    ),
    (
        "DELETE",
        "/api/v1/unified/auth/mailer/revoke?user_email=ann@other.example&connection_id={id}",
        Nothing,
        404,
    ),
    ("GET", "/api/v1/unified/connectors/lexmodo/capabilities?connection_id={id}", Nothing, 404),
    ("GET", "/api/v1/unified/connectors/lexmodo/items?connection_id={id}", Nothing, 404),
    ("GET", "/api/v1/unified/connectors/lexmodo/containers?connection_id={id}", Nothing, 404),
    ("GET", "/api/v1/unified/connectors/lexmodo/items/c1/content?connection_id={id}", Nothing, 404),
    (
        "POST",
        "/api/v1/unified/connectors/lexmodo/items/c1/comments?connection_id={id}",
        Json(r#"{"text":"x"}"#),
        404,
    ),
    ("GET", "/api/v1/unified/connectors/lexmodo/channels?connection_id={id}", Nothing, 404),
    ("PUT", "/api/v1/unified/connectors/lexmodo/issues/i1?connection_id={id}", Json(r#"{"title":"x"}"#), 404),
    ("GET", "/api/v1/unified/gmail/labels?user_email=ann@acme.example&connection_id={id}", Nothing, 404),
    (
        "POST",
        "/api/v1/unified/gmail/send?to=b@b.example&body=x&user_email=ann@acme.example&connection_id={id}",
        Nothing,
        404,
    ),
    ("GET", "/api/v1/unified/activity?connection_id={id}", Nothing, 200),
    ("GET", "/api/v1/unified/connections?cursor={id}", Nothing, 200),
];

async fn nothing_of_another_tenant_is_told(backend: Backend) {
    let deployment = furnished(backend).await;
    let before = other_tenant(&deployment).await;
    assert!(before.matches(MARK).count() >= 6, "the mark is where the tenant itself looks: {before}");
    let key =
        deployment.get_as(OTHER_ADMIN, "/api-keys").await.expect(200)[0]["id"].as_str().unwrap().to_owned();
    let listed = deployment.get_as(OTHER_ADMIN, "/api/v1/unified/connections").await.expect(200);
    let connection = listed["connections"][0]["id"].as_str().unwrap();
    let named = |(method, url, body, expected): &(&'static str, &str, Body, u16)| {
        (*method, url.replace("{id}", connection), *body, *expected)
    };
    let foreign = FOREIGN.iter().chain(FOREIGN_CONNECTION).map(named);
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
    ] {
        let answer = deployment.get_as(OTHER_ADMIN, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        seen.push_str(&answer.text);
    }
    seen
}
