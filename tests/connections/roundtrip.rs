//! From the first link to the last revocation, at a provider that others wrote: discovery, PKCE, `iss`, rotation.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::{AUTH, Broker, CONNECTIONS, begun, user};
use crate::deployment::{Answer, each, on_both_backends};

on_both_backends!(
    an_account_is_connected_renewed_and_revoked,
    one_user_has_several_accounts,
    a_grant_that_is_withdrawn_is_told_and_given_anew,
    what_is_not_granted_is_told_and_kept,
    both_legs_name_the_same_address,
);

const ANN: &str = "ann@acme.example";

/// What the provider says of a token (RFC 7662).
async fn is_active(broker: &Broker, token: &str) -> bool {
    let options = broker.provider.options();
    let request = reqwest::Client::builder().build().unwrap();
    let request = request.post(format!("{}/token/introspection", broker.provider.base()));
    let request = request.basic_auth(&options.client_id, Some(options.client_secret.replace(' ', "+")));
    let answer = Answer::of(request.form(&[("token", token)])).await.expect(200);
    answer["active"].as_bool().unwrap()
}

async fn an_account_is_connected_renewed_and_revoked(backend: Backend) {
    let broker = Broker::start(backend).await;
    let ann = user("Ann@Acme.example");
    let status = broker.get(&ann, &format!("{AUTH}/status")).await.expect(200);
    assert_eq!(status["providers"]["op"], json!({"connected": false, "reason": "connection_required"}));
    let missing = broker.get(&ann, &format!("{AUTH}/op/validate")).await.expect(200);
    assert_eq!((&missing["valid"], &missing["reason"]), (&json!(false), &json!("connection_required")));
    broker.get(&ann, &format!("{AUTH}/op/refresh")).await.problem("connection_required");

    let begun = broker.begin(&ann, "").await;
    assert_eq!(begun.body["success"], true);
    assert_eq!(begun.body["provider"], "op");
    assert_eq!(begun.body["state"], begun.parameter("state").as_str());
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "jackfield"),
        ("code_challenge_method", "S256"),
        ("scope", "openid email profile offline_access notes.read"),
        ("login_hint", ANN),
    ] {
        assert_eq!(begun.parameter(name), value);
    }
    assert_eq!(begun.parameter("code_challenge").len(), 43);
    let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
    let connected = broker.come_back(&address, &begun.cookie).await.expect(200);
    for (name, value) in [
        ("provider", "op"),
        ("user_email", ANN),
        ("user_id", "ann"),
        ("user_name", "Ann Archer"),
        ("status", "active"),
    ] {
        assert_eq!(connected[name], value, "{connected:#}");
    }
    assert!(connected["expires_at"].is_string() && connected["missing_scopes"].is_null(), "{connected:#}");
    assert_eq!(broker.provider.redemptions("authorization_code").await.unwrap(), (1, 1));
    let first = broker.tap.last();
    assert_eq!(first.given("code_verifier").len(), 43, "256 bits");

    let valid = broker.get(&ann, &format!("{AUTH}/op/validate")).await.expect(200);
    assert_eq!((&valid["valid"], &valid["user_info"]["id"]), (&json!(true), &json!("ann")), "{valid:#}");
    let status = broker.get(&ann, &format!("{AUTH}/status")).await.expect(200);
    assert_eq!(status["providers"]["op"]["connected"], true, "{status:#}");

    let refreshed = broker.get(&ann, &format!("{AUTH}/op/refresh")).await.expect(200);
    assert_eq!(refreshed["result"]["scopes"], connected["scopes"], "{refreshed:#}");
    assert_eq!(broker.provider.redemptions("refresh_token").await.unwrap(), (1, 1));
    let second = broker.tap.last();
    assert_eq!(second.given("refresh_token"), first.answered("refresh_token"));
    let again = Answer::of(broker.request(&ann, Method::POST, &format!("{AUTH}/op/refresh"))).await;
    again.expect(200);
    assert_eq!(broker.provider.redemptions("refresh_token").await.unwrap(), (2, 2));
    let third = broker.tap.last();
    assert_eq!(third.given("refresh_token"), second.answered("refresh_token"), "it rotates");
    assert!(is_active(&broker, third.answered("access_token")).await);

    let revoke = || Answer::of(broker.request(&ann, Method::DELETE, &format!("{AUTH}/op/revoke")));
    let revoked = revoke().await.expect(200);
    assert_eq!(revoked["revoked_at_provider"], true, "{revoked:#}");
    assert_eq!(revoked["connection_id"], connected["connection_id"]);
    for token in ["access_token", "refresh_token"] {
        assert!(!is_active(&broker, third.answered(token)).await, "{token}");
    }
    assert_eq!(broker.connections().await, Vec::<Value>::new());
    revoke().await.problem("connection_required");

    let anew = broker.connect(&ann, "ann").await;
    assert_ne!(anew["connection_id"], connected["connection_id"]);
    let valid = broker.get(&ann, &format!("{AUTH}/op/validate")).await.expect(200);
    assert_eq!(valid["valid"], true, "{valid:#}");
    let events = broker.deployment.events().await;
    let of = |id: &Value| -> Vec<&str> {
        let id = id.as_str().unwrap();
        events.iter().filter_map(|line| line.strip_suffix(id)?.strip_prefix("acme connection.")).collect()
    };
    assert_eq!(of(&connected["connection_id"]), ["created ", "revoked "]);
    assert_eq!(of(&anew["connection_id"]), ["created "]);
}

async fn one_user_has_several_accounts(backend: Backend) {
    let broker = Broker::start(backend).await;
    let ann = user(ANN);
    let (first, second) = (broker.connect(&ann, "ann").await, broker.connect(&ann, "ben").await);
    let id = |connected: &Value| connected["connection_id"].as_str().unwrap().to_owned();
    let list = || async {
        let page = broker.get(&ann, CONNECTIONS).await.expect(200);
        page["connections"].clone()
    };
    let listed = list().await;
    assert_eq!(each(&listed, "id"), [id(&first), id(&second)]);
    assert_eq!(each(&listed, "label"), ["ann@example.com", "ben@example.com"]);
    assert_eq!((&listed[0]["default"], &listed[1]["default"]), (&json!(true), &json!(false)));

    let change = |id: String, body: Value| {
        let request = broker.request(&ann, Method::PATCH, &format!("{CONNECTIONS}/{id}"));
        Answer::of(request.json(&body))
    };
    let changed =
        change(id(&second), json!({"label": " Ben's \u{2603} ", "default": true})).await.expect(200);
    assert_eq!((&changed["label"], &changed["default"]), (&json!("Ben's \u{2603}"), &json!(true)));
    for (body, pointer) in [
        (json!({"label": " "}), "/label"),
        (json!({"label": "x".repeat(101)}), "/label"),
        (json!({"label": "a\u{0}b"}), "/label"),
        (json!({"default": false}), "/default"),
        (json!({"site": "none"}), "/site"),
    ] {
        assert_eq!(change(id(&first), body).await.pointers("validation_failed"), [pointer]);
    }
    let listed = list().await;
    assert_eq!((&listed[0]["default"], &listed[1]["default"]), (&json!(false), &json!(true)));
    let meant = |query: String| {
        let path = format!("{AUTH}/op/validate{query}");
        let (broker, ann) = (&broker, &ann);
        async move { broker.get(ann, &path).await.expect(200)["user_info"]["id"].clone() }
    };
    assert_eq!(meant(String::new()).await, "ben");
    assert_eq!(meant(format!("?connection_id={}", id(&first))).await, "ann");

    // Consenting again as the same account renews its connection.
    assert_eq!(id(&broker.connect(&ann, "ann").await), id(&first));
    let revoke = format!("{AUTH}/op/revoke?connection_id={}", id(&second));
    Answer::of(broker.request(&ann, Method::DELETE, &revoke)).await.expect(200);
    let listed = list().await;
    assert_eq!(each(&listed, "id"), [id(&first)]);
    assert_eq!(listed[0]["default"], true, "there is always one");
}

async fn a_grant_that_is_withdrawn_is_told_and_given_anew(backend: Backend) {
    let broker = Broker::start(backend).await;
    let ann = user(ANN);
    let connected = broker.connect(&ann, "ann").await;
    broker.provider.forget_grants().await.unwrap();
    let validity = broker.get(&ann, &format!("{AUTH}/op/validate")).await.expect(200);
    assert_eq!(
        (&validity["valid"], &validity["reason"]),
        (&json!(false), &json!("reauthorization_required")),
        "{validity:#}"
    );
    broker.get(&ann, &format!("{AUTH}/op/refresh")).await.problem("reauthorization_required");
    assert_eq!(broker.provider.redemptions("refresh_token").await.unwrap(), (1, 0), "it is asked once");
    let status = broker.get(&ann, &format!("{AUTH}/status")).await.expect(200);
    let told = &status["providers"]["op"];
    assert_eq!((&told["connected"], &told["reason"]), (&json!(false), &json!("needs_reauth")), "{told:#}");

    let again = broker.connect(&ann, "ann").await;
    assert_eq!(again["connection_id"], connected["connection_id"]);
    let validity = broker.get(&ann, &format!("{AUTH}/op/validate")).await.expect(200);
    assert_eq!(validity["valid"], true, "{validity:#}");
    let events = broker.deployment.events().await;
    let told = |kind: &str| events.iter().filter(|line| line.contains(kind)).count();
    assert_eq!((told("connection.needs_reauth"), told("connection.reauthorized")), (1, 1), "{events:?}");
}

async fn what_is_not_granted_is_told_and_kept(backend: Backend) {
    let broker = Broker::start(backend).await;
    let ann = user(ANN);
    let begun = broker.begin(&ann, "scopes=openid&scopes=notes.read&scopes=notes.write+email").await;
    assert_eq!(begun.parameter("scope"), "openid notes.read notes.write email");
    let browser = testkit::Browser::new().unwrap();
    let consent = broker.provider.consent_in(&browser, begun.auth_url.as_str(), "ann", &["notes.write"]);
    let connected = broker.come_back(&consent.await.unwrap(), &begun.cookie).await.expect(200);
    assert_eq!(connected["missing_scopes"], json!(["notes.write"]), "{connected:#}");
    let path = format!("{CONNECTIONS}/{}", connected["connection_id"].as_str().unwrap());
    let kept = broker.get(&ann, &path).await.expect(200);
    for scopes in [&kept["scopes"], &connected["scopes"]] {
        assert_eq!(*scopes, json!(["email", "notes.read", "openid"]), "{kept:#}");
    }
}

async fn both_legs_name_the_same_address(backend: Backend) {
    const REGISTERED: &str = "https://broker.example/auth/op/callback?a=%2F%7E&b";
    let broker = Broker::start_with(backend, |builder| builder.set("OP_REDIRECT_URI", REGISTERED)).await;
    broker.provider.allow_redirect_uri(REGISTERED).await.unwrap();
    let ann = user(ANN);
    let begun = begun(&broker.get(&ann, &format!("{AUTH}/op/url")).await);
    assert_eq!(begun.parameter("redirect_uri"), REGISTERED);
    let providers = broker.get(&ann, &format!("{AUTH}/providers")).await.expect(200);
    assert_eq!(providers["providers"]["op"]["redirect_uri"], REGISTERED);
    let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
    assert!(address.as_str().starts_with(REGISTERED), "{address}");
    // The proxy of `broker.example` leads to the shorter path of the documents.
    broker.come_back(&address, &begun.cookie).await.expect(200);
    assert_eq!(broker.tap.last().given("redirect_uri"), REGISTERED);

    let other = broker.get(&ann, &format!("{AUTH}/other/url")).await;
    let other = super::begun(&other);
    let own = format!("{}{AUTH}/other/callback", broker.deployment.base());
    assert_eq!(other.parameter("redirect_uri"), own);
    let address = broker.provider.consent(other.auth_url.as_str(), "ann").await.unwrap();
    broker.come_back(&address, &other.cookie).await.expect(200);
    assert_eq!(broker.tap.last().given("redirect_uri"), own);
}
