//! Users of one tenant: each has its own connections, and those of others are nobody's business but an admin's.

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::club::Club;
use super::{AUTH, CONNECTIONS, credential, user, with_providers};
use crate::deployment::{ADMIN, Answer, each, on_both_backends};

on_both_backends!(users_reach_their_own_connections_alone);

const KEY: &str = "key-Vq7wZ2rT9";

async fn users_reach_their_own_connections_alone(backend: Backend) {
    let club = Club::start().await.with_key(KEY, "shared");
    let deployment = with_providers(backend, &club.providers(), |builder| builder);
    let send = |token: &str, method: Method, path: &str, body: Option<Value>| {
        let request = deployment.server.request(method, path).bearer_auth(token);
        Answer::of(if let Some(body) = body { request.json(&body) } else { request })
    };
    let (ann, ben) = (user("ann@acme.example"), user("ben@acme.example"));
    let made = send(&ann, Method::POST, CONNECTIONS, Some(json!({"provider": "keys", "api_key": KEY}))).await;
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let own = format!("{CONNECTIONS}/{id}");
    let label = || Some(json!({"label": "mine now", "default": true}));
    let named = "user_email=ann@acme.example";
    let by_id = format!("connection_id={id}");

    // Ben, by the connection's id and by Ann's name; an address that is none; no address at all.
    let nameless = credential("acme", Role::User, None);
    for token in [&ben, &nameless] {
        for (method, path, body) in [
            (Method::GET, own.clone(), None),
            (Method::PATCH, own.clone(), label()),
            (Method::DELETE, own.clone(), None),
        ] {
            send(token, method, &path, body).await.problem("not_found");
        }
        for (method, path) in [
            (Method::GET, format!("{AUTH}/keys/validate?{named}")),
            (Method::GET, format!("{AUTH}/keys/refresh?{named}")),
            (Method::POST, format!("{AUTH}/keys/refresh?{named}&{by_id}")),
            (Method::DELETE, format!("{AUTH}/keys/revoke?{named}")),
            (Method::GET, format!("{AUTH}/status?{named}")),
            (Method::GET, format!("{CONNECTIONS}?{named}")),
            (Method::GET, format!("{AUTH}/club/url?{named}")),
        ] {
            send(token, method, &path, None).await.problem("insufficient_role");
        }
    }
    for (method, path) in [
        (Method::GET, format!("{AUTH}/keys/validate?{by_id}")),
        (Method::POST, format!("{AUTH}/keys/refresh?{by_id}")),
        (Method::DELETE, format!("{AUTH}/keys/revoke?{by_id}")),
    ] {
        send(&ben, method.clone(), &path, None).await.problem("not_found");
        send(&nameless, method, &path, None).await.problem("invalid_request");
    }
    assert_eq!(send(&ben, Method::GET, CONNECTIONS, None).await.expect(200)["connections"], json!([]));
    let status = send(&ben, Method::GET, &format!("{AUTH}/status"), None).await;
    assert!(!status.text.contains("shared") && !status.text.contains(&id), "{}", status.text);
    send(&nameless, Method::GET, CONNECTIONS, None).await.problem("invalid_request");

    // The same account is another connection for another user.
    let body = json!({"provider": "keys", "api_key": KEY});
    let of_ben = send(&ben, Method::POST, CONNECTIONS, Some(body)).await.expect(201);
    assert_ne!(of_ben["id"], id.as_str());
    assert_eq!(of_ben["default"], true);

    let key = deployment.post(ADMIN, "/api-keys", &json!({"name": "backend"})).await.expect(201);
    let key = key["secret"].as_str().unwrap();
    for token in [key, &credential("acme", Role::Admin, None)] {
        let all = send(token, Method::GET, CONNECTIONS, None).await.expect(200);
        assert_eq!(each(&all["connections"], "user_email"), ["ann@acme.example", "ben@acme.example"]);
        let one = send(token, Method::GET, &format!("{CONNECTIONS}?{named}"), None).await.expect(200);
        assert_eq!(each(&one["connections"], "id"), [&id]);
        assert_eq!(send(token, Method::GET, &own, None).await.expect(200)["label"], "shared@club.example");
        let valid = send(token, Method::GET, &format!("{AUTH}/keys/validate?{named}&{by_id}"), None).await;
        assert_eq!(valid.expect(200)["valid"], true);
        // Whose it is need not be said where it is named itself.
        let valid =
            send(token, Method::GET, &format!("{AUTH}/keys/validate?{by_id}"), None).await.expect(200);
        assert_eq!((&valid["valid"], &valid["connection_id"]), (&json!(true), &json!(id)));
        // Ann's connection is not Ben's, whoever asks.
        let mixed = format!("{AUTH}/keys/validate?user_email=ben@acme.example&{by_id}");
        send(token, Method::GET, &mixed, None).await.problem("not_found");
    }
    let elsewhere = credential("other", Role::Admin, Some("ann@acme.example"));
    send(&elsewhere, Method::GET, &format!("{AUTH}/keys/validate?{by_id}"), None).await.problem("not_found");
    send(&elsewhere, Method::GET, &own, None).await.problem("not_found");
    send(&elsewhere, Method::DELETE, &format!("{AUTH}/keys/revoke?{named}&{by_id}"), None)
        .await
        .problem("not_found");

    let changed = send(key, Method::PATCH, &own, Some(json!({"label": "by the backend"}))).await.expect(200);
    assert_eq!(changed["label"], "by the backend");
    send(&ann, Method::PATCH, &own, label()).await.expect(200);
    send(key, Method::DELETE, &own, None).await.expect(200);
    send(&ann, Method::GET, &own, None).await.problem("not_found");
    let pages = send(key, Method::GET, &format!("{CONNECTIONS}?limit=1"), None).await.expect(200);
    assert_eq!(each(&pages["connections"], "user_email"), ["ben@acme.example"], "Ben's is left");
}
