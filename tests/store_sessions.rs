//! The session tokens of the platform whose plugin this server is: what they open, for which store, and that nobody else
//! gets to see them.

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{TestServer, TokenBuilder};

use crate::{problem, server};

const SECRET: &str = "the secret of the app at the platform";

/// The file of the platform's documents, with the values that each plugin has of its own.
const DOTENV: &str = "PORT=9999
APP_CLIENT_ID=app
APP_SECRET=the secret of the app at the platform
REDIRECT_URI=http://localhost:9999/callback
AUTHORIZE_URL=https://devadmin.lexmodo.com/oauth/provider/oauth2/auth
TOKEN_URL=https://devadmin.lexmodo.com/oauth/provider/oauth2/token
ISSUER=https://devadmin.lexmodo.com
PLUGIN_CODE=Numinix
PLUGIN_TYPE=CUSTOM
PLUGIN_NAME=Numinix Plugin
PLUGIN_SCOPE=customers_write
";

/// A plugin server of the platform, which logs all that it can.
fn start() -> TestServer {
    let builder = server().set("LOG_LEVEL", "trace");
    std::fs::write(builder.folder().join(".env"), DOTENV).unwrap();
    builder.start().unwrap()
}

/// A token of the platform for an admin of `store`.
fn session(store: u64) -> TokenBuilder {
    TokenBuilder::new()
        .secret(SECRET)
        .claim("sub", Value::Null)
        .claim("iss", "https://devadmin.lexmodo.com")
        .claim("store_id", store)
        .claim("extra", json!({"admin_email": "ann@shop.example", "admin_name": "Ann"}))
}

fn with(path: &str, token: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}session_token={token}")
}

#[tokio::test]
async fn a_stores_token_opens_that_store_alone() {
    let server = start();
    let publish = json!({
        "id": "card", "name": "Card", "version": "1.0.0", "category": "payment",
        "sourceCode": "export default {name: 'Card', version: '1', extensionPoints: {pay: () => null}}",
    });
    for (path, body) in [("/plugins", publish), ("/plugins/install", json!({"pluginId": "card"}))] {
        let made = server.request_as("lexmodo:7", Role::Admin, Method::POST, path).json(&body);
        assert_eq!(made.send().await.unwrap().status(), 201);
    }
    let installed = async |store: u64| {
        let answer = server.get(&with("/plugins/installed", &session(store).sign())).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
        let plugins: Value = answer.json().await.unwrap();
        plugins.as_array().unwrap().iter().map(|plugin| plugin["tenantId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(installed(7).await, ["lexmodo:7"]);
    assert!(installed(8).await.is_empty());

    let eight = with("/plugins/installed", &session(8).sign());
    let elsewhere = server.get(&eight).header("x-tenant-id", "lexmodo:7").send().await.unwrap();
    assert_eq!(problem(elsewhere).await["code"], "tenant_mismatch");
    // Whatever role a token claims, it is a user's.
    let owner = session(7).claim("role", "owner").sign();
    let body = json!({"pluginId": "card"});
    let path = with("/plugins/uninstall", &owner);
    let refused = server.request(Method::POST, &path).json(&body).send().await.unwrap();
    assert_eq!(problem(refused).await["code"], "insufficient_role");
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_told_and_the_token_is_not() {
    let server = start();
    for (token, detail) in [
        (session(7).claim("exp", 1).sign(), "open the plugin again from the store's admin"),
        (session(7).claim("iss", "https://evil.example").sign(), "ISSUER"),
        (session(7).claim("store_id", "7").sign(), "`store_id` must be an integer"),
        (session(7).claim("store_id", Value::Null).sign(), "`store_id` must be an integer"),
        (session(7).secret("the secret of somebody else's app").sign(), "APP_SECRET"),
        ("a.b.c".to_owned(), "malformed"),
        (String::new(), "malformed"),
    ] {
        let answer = server.get(&with("/plugins/installed", &token)).send().await.unwrap();
        let refused = problem(answer).await;
        assert_eq!((&refused["status"], &refused["code"]), (&json!(401), &json!("invalid_credential")));
        assert!(refused["detail"].as_str().unwrap().contains(detail), "{refused}");
        assert!(token.is_empty() || !refused.to_string().contains(&token), "{refused}");
    }
    // The operator learns what the platform calls itself: to the one who is refused it is nobody's business.
    let slash = session(7).claim("iss", "https://devadmin.lexmodo.com/").sign();
    let answer = server.get(&with("/plugins/installed", &slash)).header("x-request-id", "the-slash");
    let refused = problem(answer.send().await.unwrap()).await;
    assert!(!refused.to_string().contains("devadmin"), "{refused}");
    let log = server.log_with("the-slash").unwrap();
    assert!(log.contains(r#""issuer.named":"\"https://devadmin.lexmodo.com/\"""#), "{log}");
    assert!(log.contains(r#""issuer.expected":"https://devadmin.lexmodo.com""#), "{log}");
    let twice = with(&with("/plugins/installed", &session(7).sign()), &session(7).sign());
    let refused = problem(server.get(&twice).send().await.unwrap()).await;
    assert_eq!((&refused["status"], &refused["code"]), (&json!(400), &json!("invalid_request")));

    // A header goes before it, and a cookie that proves nothing does not stand in its way.
    let path = with("/plugins/installed", &session(7).sign());
    let header = server.get(&path).bearer_auth("nonsense").send().await.unwrap();
    assert_eq!(problem(header).await["code"], "invalid_credential");
    let cookie = server.get(&path).header("cookie", "next-auth.session-token=stale").send().await.unwrap();
    assert_eq!(cookie.status(), 200);
    // Nor does it excuse a token that proves nothing, where strangers are let in.
    let wrong = with("/plugins/available", "a.b.c");
    let public = server.get(&wrong).header("cookie", "next-auth.session-token=stale").send().await.unwrap();
    assert_eq!(problem(public).await["code"], "invalid_credential");
}

#[tokio::test]
async fn where_no_app_is_set_there_is_no_such_credential() {
    let server = server().start().unwrap();
    for token in [session(7).sign(), "nonsense".to_owned()] {
        let stranger = server.get(&with("/plugins/installed", &token)).send().await.unwrap();
        assert_eq!(problem(stranger).await["code"], "authentication_required");
        let public = server.get(&with("/plugins/available", &token)).send().await.unwrap();
        assert_eq!(public.status(), 200);
    }
}

/// A framed page can be given no cookie, so the browser that opens the link is bound instead.
#[tokio::test]
async fn a_flow_begun_by_a_session_token_is_a_link_that_asks_first() {
    let builder = server().set("GOOGLE_CLIENT_ID", "id").set("GOOGLE_CLIENT_SECRET", "secret");
    std::fs::write(builder.folder().join(".env"), DOTENV).unwrap();
    let server = builder.start().unwrap();
    let path = with("/api/v1/unified/auth/google/url?confirm=false", &session(7).sign());
    for site in ["same-origin", "cross-site"] {
        let answer = server.get(&path).header("sec-fetch-site", site).send().await.unwrap();
        assert!(!answer.headers().contains_key("set-cookie"));
        let begun: Value = answer.json().await.unwrap();
        let link = begun["auth_url"].as_str().unwrap();
        let beginning = format!("{}/api/v1/unified/auth/google/begin?link=", server.base());
        assert!(link.starts_with(&beginning) && !link.contains("session_token"), "{link}");
        let asked = server.get(link.strip_prefix(server.base()).unwrap()).send().await.unwrap();
        let page = asked.text().await.unwrap();
        assert!(page.contains("<form") && page.contains("ann@shop.example"), "{page}");
    }
}

#[tokio::test]
async fn neither_log_nor_metrics_hold_a_token() {
    let server = start();
    let token = session(7).sign();
    let signature = token.rsplit('.').next().unwrap();
    let paths = [
        "/",
        "/callback",
        "/plugins/installed",
        "/plugins/nothing",
        "/nowhere",
        "/api/v1/unified/status",
        "/api/v1/unified/auth/lexmodo/url",
        "/marketplace?limit=1",
        "/docs/",
    ];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = server.request(method, &with(path, &token)).send().await.unwrap();
            let headers = format!("{:?}", answer.headers());
            // The handshake hands the token on to itself.
            assert!(path == "/" || !headers.contains(signature), "{path}: {headers}");
        }
    }
    let wrong = session(7).secret("the secret of somebody else's app").sign();
    let last = server.get(&with("/health/ready", &wrong)).header("x-request-id", "the-last").send().await;
    assert!(last.unwrap().status().is_success());
    let metrics = server.get(&with("/metrics", &token)).send().await.unwrap().text().await.unwrap();
    let log = server.log_with("the-last").unwrap();
    assert!(log.contains(r#""tenant":"lexmodo:7""#) && metrics.contains("/plugins/installed"));
    for told in [&log, &metrics] {
        for part in [signature, wrong.rsplit('.').next().unwrap(), "session_token", SECRET] {
            assert!(!told.contains(part), "{part}");
        }
    }
}
