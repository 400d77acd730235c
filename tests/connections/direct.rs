//! Connections without consent: API keys and client credentials.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::club::Club;
use super::{AUTH, CONNECTIONS, user, with_providers};
use crate::deployment::{ADMIN, Answer, Deployment, on_both_backends};

on_both_backends!(
    keys_are_proven_and_kept,
    clients_are_proven_and_renewed,
    what_a_connection_is_made_of_is_checked,
    tokens_are_read_where_the_operator_allows_it
);

const KEY: &str = "key-Vq7wZ2rT9";
const SECRET: &str = "SecretOfTheMachine42";

async fn furnished(backend: Backend) -> (Deployment, Club) {
    let club = Club::start().await.with_key(KEY, "ann").with_client("machine", SECRET);
    (with_providers(backend, &club.providers(), |builder| builder), club)
}

async fn create(deployment: &Deployment, body: &Value) -> Answer {
    let request = deployment.server.request(Method::POST, CONNECTIONS);
    Answer::of(request.bearer_auth(user("ann@acme.example")).json(body)).await
}

async fn send(deployment: &Deployment, method: Method, path: &str) -> Answer {
    Answer::of(deployment.server.request(method, path).bearer_auth(user("ann@acme.example"))).await
}

async fn tokens_are_read_where_the_operator_allows_it(backend: Backend) {
    let club = Club::start().await.with_key(KEY, "ann");
    let deployment = with_providers(backend, &club.providers(), |builder| builder.set("TOKEN_READS", "true"));
    let made = create(&deployment, &json!({"provider": "keys", "api_key": KEY})).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let path = format!("{CONNECTIONS}/{id}/token");

    send(&deployment, Method::GET, &path).await.problem("insufficient_role");
    let elsewhere = deployment.get_as(("other", model::Role::Admin), &path).await;
    elsewhere.problem("not_found");
    deployment.get_as(ADMIN, &format!("{path}?credential=none")).await.problem("not_found");
    let read = deployment.get_as(ADMIN, &path).await.expect(200);
    assert_eq!((&read["access_token"], &read["expires_at"]), (&json!(KEY), &json!(null)), "{read:#}");

    let activity = deployment.get_as(ADMIN, "/api/v1/unified/activity?action=token_read").await.expect(200);
    let entries = activity["activity"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "one was read, and it was on record at once: {activity:#}");
    assert_eq!((&entries[0]["connection_id"], &entries[0]["outcome"]), (&json!(id), &json!("ok")));
}

async fn keys_are_proven_and_kept(backend: Backend) {
    let (deployment, _club) = furnished(backend).await;
    let wrong = create(&deployment, &json!({"provider": "keys", "api_key": "wrong"})).await;
    assert_eq!(wrong.status, 401, "{}", wrong.text);
    wrong.problem("reauthorization_required");
    let made = create(&deployment, &json!({"provider": "keys", "api_key": KEY, "label": "Ours"})).await;
    let connection = made.expect(201);
    for (name, value) in
        [("user_email", "ann@acme.example"), ("label", "Ours"), ("status", "active"), ("provider", "keys")]
    {
        assert_eq!(connection[name], value, "{connection:#}");
    }
    assert_eq!(connection["account"]["id"], "ann", "{connection:#}");
    assert!(!made.text.contains(KEY));
    let valid = send(&deployment, Method::GET, &format!("{AUTH}/keys/validate")).await.expect(200);
    assert_eq!(valid["valid"], true, "{valid:#}");
    // The key of the same account renews its connection.
    let again = create(&deployment, &json!({"provider": "keys", "api_key": KEY})).await.expect(201);
    assert_eq!((&again["id"], &again["label"]), (&connection["id"], &json!("Ours")));
    let revoked = send(&deployment, Method::DELETE, &format!("{AUTH}/keys/revoke")).await.expect(200);
    assert_eq!((&revoked["success"], &revoked["revoked_at_provider"]), (&json!(true), &json!(false)));
    let reason = revoked["credentials"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no way to revoke"), "{revoked:#}");
}

async fn clients_are_proven_and_renewed(backend: Backend) {
    let (deployment, club) = furnished(backend).await;
    let client =
        |secret: &str| json!({"provider": "machines", "client_id": "machine", "client_secret": secret});
    create(&deployment, &client("wrong")).await.problem("upstream_unavailable");
    let made = create(&deployment, &client(SECRET)).await;
    let connection = made.expect(201);
    assert_eq!(connection["account"]["id"], "account-of-machine", "{connection:#}");
    assert_eq!(connection["scopes"], json!(["stock:read"]));
    assert!(!made.text.contains(SECRET) && !made.text.contains(&club.tokens()[0]));
    // A token that no longer holds is renewed by the client's credentials.
    club.forget_tokens();
    let valid = send(&deployment, Method::GET, &format!("{AUTH}/machines/validate")).await.expect(200);
    assert_eq!(valid["valid"], true, "{valid:#}");
    send(&deployment, Method::POST, &format!("{AUTH}/machines/refresh")).await.expect(200);
    assert_eq!(club.came(), ["machine client_credentials"; 4]);
    send(&deployment, Method::DELETE, &format!("{CONNECTIONS}/{}", connection["id"].as_str().unwrap()))
        .await
        .expect(200);
}

async fn what_a_connection_is_made_of_is_checked(backend: Backend) {
    let (deployment, club) = furnished(backend).await;
    for (body, pointer) in [
        (json!({"provider": "keys", "api_key": ""}), "/api_key"),
        (json!({"provider": "keys", "api_key": "a b"}), "/api_key"),
        (json!({"provider": "keys", "api_key": "a\r\nx-evil: 1"}), "/api_key"),
        (json!({"provider": "keys", "api_key": "x".repeat(8193)}), "/api_key"),
        (json!({"provider": "keys", "api_key": KEY, "label": "a\u{0}b"}), "/label"),
        (json!({"provider": "keys", "api_key": KEY, "label": "x".repeat(101)}), "/label"),
        (json!({"provider": "keys", "api_key": KEY, "label": " "}), "/label"),
        (json!({"provider": "keys", "api_key": KEY, "variables": {"x": "y"}}), "/variables/x"),
        (json!({"provider": "keys", "api_key": KEY, "client_id": "a"}), ""),
        (json!({"provider": "keys"}), ""),
        (json!({"provider": "machines", "client_id": "", "client_secret": "x"}), "/client_id"),
        (json!({"provider": "machines", "client_id": "a", "client_secret": "\u{7}"}), "/client_secret"),
        (json!({"provider": "machines", "client_id": "a"}), ""),
        (json!({"provider": 1, "api_key": KEY}), "/provider"),
        (json!({"provider": "keys", "api_key": KEY, "more": 1}), "/more"),
    ] {
        let refused = create(&deployment, &body).await;
        assert_eq!(refused.pointers("validation_failed"), [pointer], "{}", refused.text);
    }
    for (body, code) in [
        (json!({"provider": "club", "api_key": KEY}), "invalid_request"),
        (json!({"provider": "machines", "api_key": KEY}), "invalid_request"),
        (json!({"provider": "keys", "client_id": "a", "client_secret": "b"}), "invalid_request"),
        (json!({"provider": "nobody", "api_key": KEY}), "not_found"),
        (json!({"provider": "no\u{0}body", "api_key": KEY}), "not_found"),
        (json!({"provider": "keys", "api_key": KEY, "user_email": "ben@acme.example"}), "insufficient_role"),
        (json!({"provider": "keys", "api_key": KEY, "user_email": "\u{0}@x"}), "invalid_request"),
    ] {
        create(&deployment, &body).await.problem(code);
    }
    send(&deployment, Method::GET, &format!("{AUTH}/keys/url")).await.problem("invalid_request");
    assert_eq!(club.came(), Vec::<String>::new(), "nobody was asked");
    let listed = deployment.get_as(ADMIN, CONNECTIONS).await.expect(200);
    assert_eq!(listed["connections"], json!([]));
}
