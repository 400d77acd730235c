//! What a flow may be begun with.

use testkit::Backend;

use super::{APP, AUTH, Broker, user};
use crate::deployment::on_both_backends;

on_both_backends!(what_is_asked_for_is_checked, the_flows_own_parameters_are_its_own);

async fn what_is_asked_for_is_checked(backend: Backend) {
    let broker = Broker::start(backend).await;
    let ann = user("ann@acme.example");
    let url = |query: &str| {
        let path = format!("{AUTH}/op/url?{query}");
        let (broker, ann) = (&broker, &ann);
        async move { broker.get(ann, &path).await }
    };
    for return_to in [
        "https://evil.example/",
        "https://app.example.evil.example/",
        "https://app.example%40evil.example/",
        "https://evil.example%5C%40app.example/",
        "http://app.example/",
        "//app.example/",
        "/settings",
        "javascript:alert(1)",
        "http://localhost:3000/",
        "",
    ] {
        let refused = url(&format!("return_to={return_to}")).await;
        assert_eq!(refused.status, 400, "{return_to}: {}", refused.text);
        refused.problem("invalid_request");
    }
    for scopes in ["a%22b", "a%5Cb", "%E2%98%83", "a%7Fb", &"x".repeat(257), "%01"] {
        let refused = url(&format!("scopes=openid&scopes={scopes}")).await;
        assert_eq!(refused.pointers("validation_failed"), ["/scopes/1"], "{scopes}");
    }
    let refused = url(&"scopes=a&".repeat(101)).await;
    assert_eq!(refused.pointers("validation_failed"), ["/scopes"]);
    for name in ["user", "main", "", "a/b~c", "%5B%5D"] {
        let refused = url(&format!("scopes[{name}]=openid")).await;
        assert_eq!(refused.pointers("validation_failed"), ["/scopes"], "{name}");
    }
    url("confirm=perhaps").await.problem("invalid_request");
    let refused = url(&format!("state={}", "x".repeat(513))).await;
    assert_eq!(refused.pointers("validation_failed"), ["/state"]);
    let refused = url("variables[state]=mine").await;
    assert_eq!(refused.pointers("validation_failed"), ["/variables/state"]);
    url("state=a&state=b").await.problem("invalid_request");
    url("state=%00").await.problem("invalid_request");
    url("user_email=ben@acme.example").await.problem("insufficient_role");
    url("user_email=ANN@acme.example").await.expect(200);
    url("user_email=nobody").await.problem("invalid_request");
    broker.get(&ann, &format!("{AUTH}/nobody/url")).await.problem("not_found");
    broker.get(&ann, &format!("{AUTH}/google/url")).await.problem("conflict");
    assert!(broker.connections().await.is_empty());
}

async fn the_flows_own_parameters_are_its_own(backend: Backend) {
    let broker = Broker::start(backend).await;
    let ann = user("ann@acme.example");
    let query = "client_id=evil&redirect_uri=https://evil.example/&response_type=token&code_challenge=evil\
                 &code_challenge_method=plain&response_mode=fragment&request_uri=https://evil.example/r\
                 &nonce=evil&prompt=none&scope=evil&state=mine&scopes=openid%26state%3Devil%26client_id%3Devil\
                 &scopes=%23fragment";
    let begun = broker.begin(&ann, query).await;
    let own = broker.begin(&ann, "").await;
    assert_eq!(begun.body["state"], "mine");
    assert_ne!(begun.parameter("state"), "mine");
    for name in ["client_id", "redirect_uri", "response_type", "code_challenge_method", "prompt"] {
        assert_eq!(begun.parameter(name), own.parameter(name), "{name}");
    }
    assert_ne!(begun.parameter("code_challenge"), "evil");
    assert_eq!(begun.parameter("scope"), "openid&state=evil&client_id=evil #fragment");
    for name in ["response_mode", "request_uri", "nonce"] {
        assert!(begun.auth_url.query_pairs().all(|(key, _)| key != name), "{}", begun.auth_url);
    }
    assert_eq!(begun.auth_url.fragment(), None);

    // The caller's own value comes back to it, in the body and in the query of return_to.
    let begun = broker.begin(&ann, "state=mine").await;
    let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
    assert_eq!(broker.come_back(&address, &begun.cookie).await.expect(200)["state"], "mine");
    let begun = broker.begin(&ann, &format!("state=a%26b&return_to={APP}/done?tab=1%23part")).await;
    let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
    let back = broker.come_back(&address, &begun.cookie).await;
    assert_eq!(back.status, 303, "{}", back.text);
    let back: reqwest::Url = back.headers["location"].to_str().unwrap().parse().unwrap();
    assert!(back.as_str().starts_with(&format!("{APP}/done?tab=1&")), "{back}");
    assert_eq!(back.fragment(), Some("part"));
    for (name, value) in [("state", "a&b"), ("status", "connected"), ("provider", "op")] {
        assert_eq!(super::parameter(&back, name), value, "{back}");
    }
    let listed = broker.connections().await;
    assert_eq!(super::parameter(&back, "connection_id"), listed[0]["id"].as_str().unwrap());
}
