//! Connections that are the tenant's: every user sees and uses them, an admin begins, changes and ends them.

use model::Role;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use testkit::{Backend, Browser};

use super::club::{Club, PLATFORM, PLATFORM_SECRET};
use super::{AUTH, CONNECTIONS, begun, coming_back, credential, parameter, user, with_providers};
use crate::deployment::{ADMIN, Answer, Deployment, each, on_both_backends};

on_both_backends!(every_user_uses_it_and_an_admin_decides, an_admin_consents_for_all_users);

const KEY: &str = "key-of-the-depot";
const NEXT_KEY: &str = "next-key-of-the-depot";
const SESSIONS: &str = "/api/v1/unified/connect/sessions";

async fn send(
    deployment: &Deployment,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let request = deployment.server.request(method, path).bearer_auth(token);
    Answer::of(if let Some(body) = body { request.json(&body) } else { request }).await
}

async fn api_key(deployment: &Deployment, role: &str) -> String {
    let made =
        deployment.post(ADMIN, "/api-keys", &json!({"name": "backend", "role": role})).await.expect(201);
    made["secret"].as_str().unwrap().to_owned()
}

async fn every_user_uses_it_and_an_admin_decides(backend: Backend) {
    let club = Club::start().await.with_key(KEY, "depot").with_key(NEXT_KEY, "depot");
    let file = [club.providers(), club.tenants_providers()].concat();
    let deployment = with_providers(backend, &file, |builder| builder);
    let send = |token: &str, method: Method, path: &str, body: Option<Value>| {
        let (token, path) = (token.to_owned(), path.to_owned());
        let deployment = &deployment;
        async move { send(deployment, &token, method, &path, body).await }
    };
    let (ann, ben) = (user("ann@acme.example"), user("ben@acme.example"));
    let nameless = credential("acme", Role::User, None);
    let admin = credential("acme", Role::Admin, Some("ada@acme.example"));
    let key = |text: &str| Some(json!({"provider": "depot", "api_key": text}));

    // Nothing yet: that is told without a name, and no user begins one.
    let missing = send(&ann, Method::GET, &format!("{AUTH}/depot/refresh"), None).await;
    let told = missing.problem("connection_required");
    assert!(told["detail"].as_str().unwrap().starts_with("this tenant has no connection to depot"), "{told}");
    for (method, path, body) in [
        (Method::GET, format!("{AUTH}/shop/url"), None),
        (Method::POST, CONNECTIONS.to_owned(), key(KEY)),
        (Method::POST, SESSIONS.to_owned(), Some(json!({"providers": ["keys", "depot"]}))),
    ] {
        let refused = send(&ann, method, &path, body).await.problem("insufficient_role");
        assert!(refused["detail"].as_str().unwrap().contains("only an admin"), "{refused}");
    }
    let made = send(&admin, Method::POST, CONNECTIONS, key(KEY)).await.expect(201);
    assert_eq!((&made["user_email"], &made["default"]), (&Value::Null, &json!(true)));
    let id = made["id"].as_str().unwrap();
    let own = format!("{CONNECTIONS}/{id}");
    send(&ben, Method::POST, CONNECTIONS, Some(json!({"provider": "keys", "api_key": KEY})))
        .await
        .expect(201);

    // To every user it is there and good, even to one whose token names no address.
    for token in [&ann, &ben, &nameless, &admin] {
        let valid = send(token, Method::GET, &format!("{AUTH}/depot/validate"), None).await.expect(200);
        assert_eq!((&valid["valid"], &valid["connection_id"]), (&json!(true), &json!(id)));
        assert_eq!(send(token, Method::GET, &own, None).await.expect(200)["user_email"], Value::Null);
        let providers = send(token, Method::GET, &format!("{AUTH}/providers"), None).await.expect(200);
        let owners = ["depot", "keys"].map(|name| providers["providers"][name]["owner"].clone());
        assert_eq!(owners, ["tenant", "user"]);
    }
    for (token, count) in [(&ann, 1), (&ben, 2), (&admin, 2)] {
        let listed = send(token, Method::GET, CONNECTIONS, None).await.expect(200);
        assert_eq!(each(&listed["connections"], "id").len(), count, "{listed}");
    }
    let status = send(&ann, Method::GET, &format!("{AUTH}/status"), None).await.expect(200);
    assert_eq!(status["providers"]["depot"]["connection_id"], id);
    assert_eq!(status["providers"]["keys"]["reason"], "connection_required", "Ben's is not Ann's");
    let named = format!("{AUTH}/depot/validate?user_email=ben@acme.example");
    send(&ann, Method::GET, &named, None).await.problem("insufficient_role");
    let elsewhere = credential("other", Role::Admin, Some("ann@acme.example"));
    send(&elsewhere, Method::GET, &own, None).await.problem("not_found");
    let valid = send(&elsewhere, Method::GET, &format!("{AUTH}/depot/validate"), None).await.expect(200);
    assert_eq!((&valid["valid"], &valid["reason"]), (&json!(false), &json!("connection_required")));

    // To change it is an admin's.
    for token in [&ann, &nameless] {
        for (method, path, body) in [
            (Method::PATCH, own.clone(), Some(json!({"label": "mine"}))),
            (Method::DELETE, own.clone(), None),
            (Method::GET, format!("{AUTH}/depot/refresh"), None),
            (Method::POST, format!("{AUTH}/depot/refresh"), None),
            (Method::DELETE, format!("{AUTH}/depot/revoke?connection_id={id}"), None),
        ] {
            send(token, method, &path, body).await.problem("insufficient_role");
        }
    }
    let again = send(&admin, Method::POST, CONNECTIONS, key(NEXT_KEY)).await.expect(201);
    assert_eq!(again["id"], id, "a new key takes the place of the former");
    let changed = send(&admin, Method::PATCH, &own, Some(json!({"label": "ours"}))).await.expect(200);
    assert_eq!((&changed["label"], &changed["user_email"]), (&json!("ours"), &Value::Null));
    let asked = format!("{AUTH}/depot/refresh?user_email=ben@acme.example");
    let refreshed = send(&admin, Method::POST, &asked, None).await.expect(200);
    assert_eq!(refreshed["user_email"], "ben@acme.example", "as it was asked");
    let plain = api_key(&deployment, "user").await;
    send(&plain, Method::DELETE, &own, None).await.problem("insufficient_role");
    let valid = send(&plain, Method::GET, &format!("{AUTH}/depot/validate"), None).await.expect(200);
    assert_eq!(valid["valid"], true);
    let key = &api_key(&deployment, "admin").await;
    let refreshed = send(key, Method::POST, &format!("{AUTH}/depot/refresh"), None).await.expect(200);
    assert_eq!(refreshed["user_email"], Value::Null, "nobody was named");
    let revoked = send(key, Method::DELETE, &own, None).await.expect(200);
    assert_eq!((&revoked["user_email"], &revoked["connection_id"]), (&Value::Null, &json!(id)));
    let activity =
        send(&admin, Method::GET, "/api/v1/unified/activity?provider=depot", None).await.expect(200);
    assert!(!activity["activity"].as_array().unwrap().is_empty());
    assert!(!activity.to_string().contains("user_email"), "{activity}");
}

async fn an_admin_consents_for_all_users(backend: Backend) {
    let club = Club::start().await.with_client(PLATFORM, PLATFORM_SECRET);
    let deployment = with_providers(backend, &club.tenants_providers(), |builder| builder);
    let admin = credential("acme", Role::Admin, Some("ada@acme.example"));
    let other_admin = credential("acme", Role::Owner, Some("bob@acme.example"));
    let mut ids = Vec::new();
    for (token, query) in [(&admin, ""), (&other_admin, "?user_email=ann@acme.example")] {
        let begun =
            begun(&send(&deployment, token, Method::GET, &format!("{AUTH}/shop/url{query}"), None).await);
        assert!(!begun.auth_url.as_str().contains("login_hint"), "{}", begun.auth_url);
        let callback = format!("{}{AUTH}/shop/callback", deployment.base());
        let back: Url = format!("{callback}?code=c&state={}", begun.parameter("state")).parse().unwrap();
        let connected = Answer::of(coming_back(&deployment, &back, &begun.cookie)).await.expect(200);
        assert_eq!((&connected["user_email"], &connected["user_id"]), (&Value::Null, &json!("")));
        ids.push(connected["connection_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[1], "the other admin's consent renews it");
    let listed =
        send(&deployment, &user("ann@acme.example"), Method::GET, CONNECTIONS, None).await.expect(200);
    assert_eq!(each(&listed["connections"], "id"), [&ids[0]]);

    // A backend's link, and a connect page, tell for whom it is.
    let key = &api_key(&deployment, "admin").await;
    let link = begun(&send(&deployment, key, Method::GET, &format!("{AUTH}/shop/url"), None).await).auth_url;
    assert!(!parameter(&link, "link").is_empty());
    let browser = Browser::new().unwrap();
    let page = browser.get(link.as_str()).await.unwrap();
    assert!(page.body.contains("where all users can then use it"), "{}", page.body);
    for (providers, is_there) in [(json!([]), false), (json!(["shop"]), true)] {
        let body = json!({"user_email": "ann@acme.example", "providers": providers});
        let made = send(&deployment, key, Method::POST, SESSIONS, Some(body)).await.expect(201);
        let page = browser.get(made["url"].as_str().unwrap()).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        let told = "is for all users of <strong><bdi>acme</bdi></strong>";
        assert_eq!(
            (page.body.contains(told), page.body.contains("Shop")),
            (is_there, is_there),
            "{}",
            page.body
        );
    }
}
