//! Answers at the callback that do not belong to a flow of this browser, or bring no code: nothing is changed by them.

use model::Role;
use reqwest::Url;
use testkit::{Backend, SECRET, token_samples};

use super::{APP, AUTH, Begun, Broker, credential, user, with_parameter};
use crate::deployment::{Answer, on_both_backends};

on_both_backends!(
    an_answer_that_belongs_to_no_flow_of_this_browser_is_refused,
    another_tenants_user_completes_nothing,
    an_answer_of_another_issuer_is_refused,
    refusals_of_the_provider_are_told,
    a_code_is_redeemed_once,
);

const ANN: &str = "ann@acme.example";
const HOSTILE: &str = "<script>alert(1)</script>";

async fn consented(broker: &Broker) -> (Begun, Url) {
    let begun = broker.begin(&user(ANN), "").await;
    let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
    (begun, address)
}

/// One character in the middle of `text` is another.
fn altered(text: &str) -> String {
    let middle = text.len() / 2;
    let other = if text[middle..].starts_with('A') { "B" } else { "A" };
    format!("{}{other}{}", &text[..middle], &text[middle + 1..])
}

async fn an_answer_that_belongs_to_no_flow_of_this_browser_is_refused(backend: Backend) {
    let broker = Broker::start(backend).await;
    let (begun, address) = consented(&broker).await;
    let state = begun.parameter("state");
    let other_browser = broker.begin(&user(ANN), "").await.cookie;
    assert_ne!(other_browser, begun.cookie);
    let nonce = begun.cookie.split_once('=').unwrap().1;
    let cut = format!("jackfield-browser={}", &nonce[..nonce.len() - 1]);
    let link = broker.get(&user(ANN), &format!("{AUTH}/op/url")).await.expect(200);
    let mut at_other = address.clone();
    at_other.set_path(&format!("{AUTH}/other/callback"));
    let mut at_none = address.clone();
    at_none.set_path(&format!("{AUTH}/nobody/callback"));
    let cookie = begun.cookie.as_str();
    let with_state = |state: Option<&str>| with_parameter(&address, "state", state);
    for (why, address, cookie) in [
        ("no state", with_state(None), cookie),
        ("an empty one", with_state(Some("")), cookie),
        ("one that was altered", with_state(Some(&altered(&state))), cookie),
        ("one that was cut", with_state(Some(&state[..state.len() - 2])), cookie),
        ("one of another browser's flow", with_state(link["state"].as_str()), cookie),
        ("noise", with_state(Some("%00\u{1F4A9}' OR 1=1")), cookie),
        ("the callback of another provider", at_other, cookie),
        ("the callback of no provider", at_none, cookie),
        ("no cookie", address.clone(), ""),
        ("another browser's cookie", address.clone(), &other_browser),
        ("a cookie that was cut", address.clone(), &cut),
    ] {
        let refused = broker.come_back(&address, cookie).await;
        assert_eq!(refused.status, 400, "{why}: {}", refused.text);
        refused.problem("invalid_request");
    }
    assert_eq!(broker.provider.redemptions("authorization_code").await.unwrap(), (0, 0));
    assert!(broker.connections().await.is_empty());

    broker.come_back(&address, cookie).await.expect(200);
    let before = broker.connections().await;
    broker.come_back(&address, cookie).await.problem("conflict");
    let denied = with_parameter(&with_parameter(&address, "code", None), "error", Some("access_denied"));
    broker.come_back(&denied, cookie).await.problem("conflict");
    assert_eq!(broker.connections().await, before, "a callback that comes again changes nothing");
    assert_eq!(broker.provider.redemptions("authorization_code").await.unwrap(), (1, 1));
}

async fn another_tenants_user_completes_nothing(backend: Backend) {
    let secrets =
        |builder: testkit::Builder| builder.set("NEXTAUTH_SECRET", SECRET).set("AUTH_SECRET", SECRET);
    let broker = Broker::start_with(backend, secrets).await;
    let owner = credential("other", Role::User, Some("olga@other.example"));
    let begun = broker.begin(&owner, "").await;
    let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
    let by_token = broker.coming_back(&address, &begun.cookie).bearer_auth(user(ANN));
    Answer::of(by_token).await.problem("invalid_request");
    // What a browser sends that is signed in at acme.
    let samples = token_samples(
        &serde_json::json!({"jwtSecret": SECRET, "nextauthSecret": SECRET, "authSecret": SECRET}),
    )
    .unwrap();
    let session = samples["sessions"][0]["cookie"].as_str().unwrap();
    let cookies = format!("{}; {session}", begun.cookie);
    broker.come_back(&address, &cookies).await.problem("invalid_request");
    assert_eq!(broker.provider.redemptions("authorization_code").await.unwrap(), (0, 0));

    // A page of another site has that browser renew a token, which a GET does.
    let refresh = || {
        let path = format!("{AUTH}/op/refresh?user_email={ANN}");
        broker.deployment.server.get(&path).header("cookie", session)
    };
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        Answer::of(refresh().header(name, value)).await.problem("origin_not_allowed");
    }
    Answer::of(refresh().header("sec-fetch-site", "same-origin")).await.problem("connection_required");

    // A session that has ended, or is another product's, is no reason to refuse.
    let stale = format!("{}; next-auth.session-token=stale", begun.cookie);
    broker.come_back(&address, &stale).await.expect(200);
    assert!(broker.connections().await.is_empty(), "it is none of acme's");
}

async fn an_answer_of_another_issuer_is_refused(backend: Backend) {
    let broker = Broker::start(backend).await;
    for iss in [
        Some("https://evil.example".to_owned()),
        Some(format!("{}/", broker.provider.base())),
        Some(String::new()),
        None,
    ] {
        let (begun, address) = consented(&broker).await;
        let wrong = with_parameter(&address, "iss", iss.as_deref());
        let refused = broker.come_back(&wrong, &begun.cookie).await.problem("invalid_request");
        assert!(
            refused["detail"].as_str().unwrap().contains("provider that was asked"),
            "{iss:?}: {refused:#}"
        );
        let denied = with_parameter(&with_parameter(&wrong, "code", None), "error", Some("access_denied"));
        broker.come_back(&denied, &begun.cookie).await.problem("conflict");
    }
    assert_eq!(broker.provider.redemptions("authorization_code").await.unwrap(), (0, 0));
    assert!(broker.connections().await.is_empty());
}

async fn refusals_of_the_provider_are_told(backend: Backend) {
    let broker = Broker::start(backend).await;
    let begun = broker.begin(&user(ANN), "").await;
    let address = broker.provider.deny(begun.auth_url.as_str(), "ann").await.unwrap();
    let denied = broker.come_back(&address, &begun.cookie).await;
    assert_eq!(denied.status, 403);
    let told = denied.problem("access_denied");
    assert_eq!(told["detail"], "access was not granted at The Provider; nothing was changed", "{told:#}");

    for accept in ["application/json", "text/html"] {
        let begun = broker.begin(&user(ANN), "").await;
        let address = broker.provider.deny(begun.auth_url.as_str(), "ann").await.unwrap();
        let word = format!("{HOSTILE}{}\r\nset-cookie: x=y", "long".repeat(100));
        let hostile = with_parameter(&address, "error", Some(&word));
        let hostile = with_parameter(&hostile, "error_description", Some("Call +1 555 0100 to unlock it"));
        let request = broker.coming_back(&hostile, &begun.cookie).header("accept", accept);
        let refused = Answer::of(request).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(refused.text.contains("scriptalert1scriptlong"), "its word is repeated: {}", refused.text);
        for bad in [HOSTILE, "<script>alert", "set-cookie", "555", &"long".repeat(20)] {
            assert!(!refused.text.contains(bad), "{bad}: {}", refused.text);
        }
        assert!(!refused.headers.contains_key("set-cookie"));
    }

    let (begun, address) = consented(&broker).await;
    let without = with_parameter(&address, "code", None);
    broker.come_back(&without, &begun.cookie).await.problem("invalid_request");
    assert!(broker.connections().await.is_empty());

    let begun = broker
        .begin(&user(ANN), &format!("return_to={APP}/done%3Ftab%3D1%26status%3Dmine&state=of+the+app"))
        .await;
    assert_eq!(begun.body["state"], "of the app");
    let address = broker.provider.deny(begun.auth_url.as_str(), "ann").await.unwrap();
    let back = broker.come_back(&address, &begun.cookie).await;
    assert_eq!(back.status, 303, "{}", back.text);
    let back: Url = back.headers["location"].to_str().unwrap().parse().unwrap();
    assert!(back.as_str().starts_with(&format!("{APP}/done?tab=1&")), "{back}");
    for (name, value) in
        [("status", "error"), ("error", "access_denied"), ("provider", "op"), ("state", "of the app")]
    {
        assert_eq!(super::parameter(&back, name), value, "{back}");
    }
}

async fn a_code_is_redeemed_once(backend: Backend) {
    let broker = Broker::start(backend).await;
    let (begun, address) = consented(&broker).await;
    broker.come_back(&address, &begun.cookie).await.expect(200);
    let before = broker.connections().await;
    // The code of one flow, brought to another: the provider has it redeemed, and bound to another verifier.
    let code = super::parameter(&address, "code");
    let (begun, address) = consented(&broker).await;
    let replayed = with_parameter(&address, "code", Some(&code));
    let refused = broker.come_back(&replayed, &begun.cookie).await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    let told = refused.problem("reauthorization_required").to_string();
    assert!(!told.contains(&code), "{told}");
    assert_eq!(broker.connections().await, before);
}
