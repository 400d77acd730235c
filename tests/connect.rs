//! Connect sessions: a product asks for a link, an end user connects and disconnects accounts on its page.

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, Browser, Page, TokenBuilder};

use crate::deployment::{ADMIN, Answer, Deployment, USER, on_both_backends};

on_both_backends!(
    links_are_for_those_who_may_ask,
    a_key_connects_and_the_account_is_disconnected,
    a_refusal_at_the_provider_is_told_on_the_page,
    other_sites_pages_cannot_use_a_link,
    what_others_call_themselves_is_text,
);

const SESSIONS: &str = "/api/v1/unified/connect/sessions";
const RETURN_TO: &str = "https://app.example/settings";
const HOSTILE: &str = "<img src=x onerror=alert(1)>\" onfocus=\"alert(2)";

/// A server with a provider of keys, whose accounts have hostile names, and one that users consent at.
async fn furnished(backend: Backend) -> Deployment {
    let keys = provider_of_keys().await;
    let providers = format!(
        "[providers.keys]\nname = \"Keys\"\nflow = \"api_key\"\nuserinfo_url = \"{keys}/me\"\n\
         account = {{ id = \"/id\", email = \"/email\", name = \"/name\" }}\n\
         [providers.club]\nname = \"Club\"\nauthorization_url = \"{keys}/authorize\"\ntoken_url = \"{keys}/token\"\n\
         userinfo_url = \"{keys}/me\"\nclient_id = \"jackfield\"\nclient_secret = \"a secret of the client\"\n\
         account = {{ id = \"/id\" }}\n"
    );
    Deployment::start_with(backend, |builder| {
        let file = builder.folder().join("providers.toml");
        std::fs::write(&file, providers).unwrap();
        builder
            .set("PROVIDERS_FILE", file.display().to_string())
            .set("RETURN_TO_ORIGINS", "https://app.example")
    })
}

/// Takes the keys `good` and `hostile`.
async fn provider_of_keys() -> String {
    let person = |headers: HeaderMap| async move {
        match headers.get("authorization").map(axum::http::HeaderValue::as_bytes) {
            Some(b"Bearer good") => (StatusCode::OK, Json(json!({"id": "1", "email": "ann@keys.example"}))),
            Some(b"Bearer hostile") => (StatusCode::OK, Json(json!({"id": HOSTILE, "name": HOSTILE}))),
            _ => (StatusCode::UNAUTHORIZED, Json(Value::Null)),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/me", get(person))).await });
    base
}

/// A link for Ann in acme.
async fn link(deployment: &Deployment) -> String {
    let body =
        json!({"user_email": "ann@acme.example", "providers": ["keys", "club"], "return_to": RETURN_TO});
    let session = deployment.post(ADMIN, SESSIONS, &body).await.expect(201);
    session["url"].as_str().unwrap().to_owned()
}

/// What the page tells of what has just happened.
fn told(page: &Page) -> &str {
    let start =
        page.body.find("role=\"status\"").unwrap_or_else(|| panic!("nothing is told:\n{}", page.body));
    page.body[start..].split("</div>").next().unwrap()
}

async fn connected(deployment: &Deployment) -> usize {
    let path = "/api/v1/unified/connections?user_email=ann@acme.example";
    let listed = deployment.get_as(ADMIN, path).await.expect(200);
    listed["connections"].as_array().unwrap().len()
}

async fn links_are_for_those_who_may_ask(backend: Backend) {
    let deployment = furnished(backend).await;
    let ask = |token: String, body: Value| {
        Answer::of(deployment.server.request(Method::POST, SESSIONS).bearer_auth(token).json(&body))
    };
    let user = || {
        let token = TokenBuilder::new().claim("tenantId", "acme").claim("role", "user");
        token.claim("email", "Ann@Acme.example").sign()
    };
    let own = ask(user(), json!({})).await.expect(201);
    assert!(own["url"].as_str().unwrap().starts_with(&format!("{}/connect/", deployment.base())), "{own}");
    assert!(own["id"].is_string() && own["expires_at"].is_string(), "{own}");
    ask(user(), json!({"user_email": "ann@acme.example"})).await.expect(201);
    ask(user(), json!({"user_email": "ben@acme.example"})).await.problem("insufficient_role");
    deployment.post(ADMIN, SESSIONS, &json!({"user_email": "ben@acme.example"})).await.expect(201);
    deployment.post(USER, SESSIONS, &json!({})).await.problem("invalid_request");
    deployment.post(ADMIN, "/connect/sessions", &json!({"user_email": "ben@acme.example"})).await.expect(201);

    let made = deployment.post(ADMIN, "/api-keys", &json!({"name": "backend"})).await.expect(201);
    let key = made["secret"].as_str().unwrap().to_owned();
    ask(key.clone(), json!({"user_email": "cleo@acme.example"})).await.expect(201);

    for return_to in [
        "https://evil.example/",
        "http://app.example/",
        "/settings",
        "javascript:alert(1)",
        "http://localhost:3000/",
    ] {
        let body = json!({"user_email": "ann@acme.example", "return_to": return_to});
        let refused = ask(key.clone(), body).await;
        assert_eq!(refused.pointers("validation_failed"), ["/return_to"], "{return_to}");
    }
    let unknown = json!({"user_email": "ann@acme.example", "providers": ["keys", "google", "nobody"]});
    let refused = ask(key.clone(), unknown).await;
    assert_eq!(refused.pointers("validation_failed"), ["/providers/1", "/providers/2"]);
    ask(key, json!({"user_email": "no address"})).await.problem("invalid_request");
    let nobody = deployment.server.request(Method::POST, SESSIONS).json(&json!({}));
    Answer::of(nobody).await.problem("authentication_required");
}

async fn a_key_connects_and_the_account_is_disconnected(backend: Backend) {
    let deployment = furnished(backend).await;
    let (browser, url) = (Browser::new().unwrap(), link(&deployment).await);
    let page = browser.get(&url).await.unwrap();
    assert_eq!(page.status, 200);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.headers[name], value);
    }
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for part in ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("script-src") && !page.body.contains("<script"), "nothing is told yet");
    let style = browser.get(&format!("{}/connect/assets/style.css", deployment.base())).await.unwrap();
    assert_eq!(
        (style.status, &style.headers["content-type"]),
        (200, &"text/css; charset=utf-8".parse().unwrap())
    );

    let refused = browser
        .submit(&page.form("API key").unwrap().set("api_key", "wrong-key").set("label", "Ours"))
        .await
        .unwrap();
    assert_eq!(refused.status, 422);
    assert!(told(&refused).contains("Keys does not accept this key."), "{}", refused.body);
    assert!(
        refused.body.contains("value=\"Ours\"") && !refused.body.contains("wrong-key"),
        "only secrets are typed again"
    );
    assert_eq!(connected(&deployment).await, 0);

    let form = refused.form("API key").unwrap().set("api_key", "good");
    let done = browser.submit(&form).await.unwrap();
    assert_eq!(done.status, 303);
    let page = browser.follow(done, "https:").await.unwrap();
    assert!(told(&page).contains("Connected to Keys as ann@keys.example."), "{}", page.body);
    assert!(page.body.contains("<bdi>Ours</bdi>"), "{}", page.body);
    assert!(
        page.body
            .contains("https://app.example/settings?status=connected&#38;provider=keys&#38;connection_id="),
        "{}",
        page.body
    );
    assert!(page.body.contains("data-origin=\"https://app.example\""), "{}", page.body);
    assert_eq!(connected(&deployment).await, 1);

    let done = browser.submit(&page.form("Yes, disconnect").unwrap()).await.unwrap();
    let page = browser.follow(done, "https:").await.unwrap();
    assert!(told(&page).contains("Ours is disconnected from Keys."), "{}", page.body);
    assert!(told(&page).contains("has not confirmed"), "no way to revoke is known: {}", page.body);
    assert_eq!(connected(&deployment).await, 0);
    let log = deployment.log();
    let token = url.rsplit('/').next().unwrap();
    assert!(!log.contains(token) && !log.contains("good"), "{log}");
}

async fn a_refusal_at_the_provider_is_told_on_the_page(backend: Backend) {
    let deployment = furnished(backend).await;
    let (browser, url) = (Browser::new().unwrap(), link(&deployment).await);
    let page = browser.get(&url).await.unwrap();
    let sent = browser.submit(&page.form("Connect Club").unwrap()).await.unwrap();
    assert_eq!(sent.status, 303);
    let cookie = sent.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("jackfield-browser=") && cookie.contains("; HttpOnly; SameSite=Lax; Path=/"),
        "{cookie}"
    );
    let provider = sent.location.unwrap();
    assert_eq!(provider.path(), "/authorize");
    let token = url.rsplit('/').next().unwrap();
    assert!(!provider.as_str().contains(token), "{provider}");
    let state = provider.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let callback = format!("{}/auth/club/callback?error=access_denied&state={state}", deployment.base());

    let other = Browser::new().unwrap().get(&callback).await.unwrap();
    assert_eq!(other.status, 400, "another browser: {}", other.body);
    let back = browser.get(&callback).await.unwrap();
    assert_eq!(back.status, 303);
    let page = browser.follow(back, "https:").await.unwrap();
    assert!(told(&page).contains("Access was not granted at Club."), "{}", page.body);
    assert!(page.body.contains("status=error&#38;provider=club&#38;error=access_denied"), "{}", page.body);
    let again = browser.get(&callback).await.unwrap();
    assert_eq!(again.status, 409, "a state is used once: {}", again.body);
    assert_eq!(connected(&deployment).await, 0);
}

async fn other_sites_pages_cannot_use_a_link(backend: Backend) {
    let deployment = furnished(backend).await;
    let url = link(&deployment).await;
    let path = url.strip_prefix(deployment.base()).unwrap();
    let send = |headers: &'static [(&'static str, &'static str)]| {
        let form = [("provider", "keys"), ("api_key", "good")];
        let request = deployment.server.request(Method::POST, &format!("{path}/key")).form(&form);
        Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "https://app.example")],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        let answer = send(headers).await;
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text);
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    }
    assert_eq!(connected(&deployment).await, 0);

    let forged = "A".repeat(43);
    for (method, path) in [
        (Method::GET, format!("/connect/{forged}")),
        (Method::GET, "/connect/x".to_owned()),
        (Method::POST, format!("/connect/{forged}/authorize")),
        (Method::POST, format!("/connect/{forged}/key")),
        (Method::POST, format!("/connect/{forged}/disconnect")),
        (Method::POST, format!("/connect/{forged}/site")),
    ] {
        let answer = Answer::of(deployment.server.request(method, &path).form(&[("provider", "club")])).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        assert!(answer.text.contains("This link has ended"), "{path}: {}", answer.text);
    }
    // A page of a listed origin may not read the page either.
    let answer = Answer::of(deployment.server.get(path).header("origin", "https://app.example")).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    // Nobody puts words there.
    let answer = Answer::of(deployment.server.get(&format!("{path}?told=Your+password+is+needed"))).await;
    assert!(!answer.text.contains("password is needed") && !answer.text.contains("role=\"status\""));
}

async fn what_others_call_themselves_is_text(backend: Backend) {
    let deployment = furnished(backend).await;
    let (browser, url) = (Browser::new().unwrap(), link(&deployment).await);
    let page = browser.get(&url).await.unwrap();
    let form = page.form("API key").unwrap().set("api_key", "hostile").set("label", HOSTILE);
    let done = browser.submit(&form).await.unwrap();
    let page = browser.follow(done, "https:").await.unwrap();
    assert!(told(&page).contains("Connected to Keys as"), "{}", page.body);
    assert_eq!(connected(&deployment).await, 1);
    assert!(!page.body.contains("<img") && !page.body.contains("\" onfocus"), "{}", page.body);
    let body = json!({"user_email": "<img/src=x>@acme.example"});
    let session = deployment.post(("acme", Role::Admin), SESSIONS, &body).await.expect(201);
    let page = browser.get(session["url"].as_str().unwrap()).await.unwrap();
    assert!(page.body.contains("&#60;img/src=x&#62;@acme.example"), "{}", page.body);
}
