//! Codes, access tokens, refresh tokens, and how the client proves itself.

use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::form_urlencoded::byte_serialize;

use crate::harness::{Answer, CLIENT, OTHER_CALLBACK, SECRET, Sandbox, redemption, tokens};

const BOTH: &str = "notes.read notes.write";

fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.json()["error"].as_str().unwrap()), (status, error), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.json()["error_description"].as_str().unwrap().is_empty());
}

/// The parameters that redeem a code, one of them changed or, if empty, taken out.
fn changed<'a>(code: &'a str, name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let parameters = redemption(code).into_iter();
    let all = parameters.map(|(known, usual)| (known, if known == name { value } else { usual }));
    all.filter(|(_, value)| !value.is_empty()).collect()
}

#[tokio::test]
async fn a_code_gives_tokens_for_whom_consented() {
    let sandbox = Sandbox::new();
    let answer = sandbox.redeem(&sandbox.code("ben", BOTH).await).await;
    assert_eq!(answer.status, 200);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let json = answer.json();
    assert_eq!((&json["token_type"], &json["expires_in"]), (&"Bearer".into(), &600.into()));
    assert_eq!(json["scope"], BOTH);
    let person = sandbox.call(Method::GET, "/userinfo", &tokens(&answer).0, None).await;
    let expected = r#"{"sub":"ben","name":"Ben Baker","email":"ben@sandbox.example","email_verified":true}"#;
    assert_eq!((person.status, person.body.as_str()), (200, expected));
}

#[tokio::test]
async fn a_code_that_comes_again_ends_what_came_of_it() {
    let sandbox = Sandbox::new();
    let code = sandbox.code("ann", BOTH).await;
    let (access, refresh) = tokens(&sandbox.redeem(&code).await);
    refused(&sandbox.redeem(&code).await, 400, "invalid_grant");
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &access, None).await.status, 401);
    refused(&sandbox.refresh(&refresh).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    let sandbox = Sandbox::new();
    let (in_time, too_late) = (sandbox.code("ann", BOTH).await, sandbox.code("ann", BOTH).await);
    sandbox.wait(59);
    assert_eq!(sandbox.redeem(&in_time).await.status, 200);
    sandbox.wait(1);
    refused(&sandbox.redeem(&too_late).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_its_address() {
    let sandbox = Sandbox::new();
    let code = sandbox.code("ann", BOTH).await;
    let wrong = [
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", "invalid_grant"),
        ("code_verifier", "", "invalid_request"),
        ("code_verifier", "short", "invalid_request"),
        ("code_verifier", "dBjftJeZ4CVP mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "invalid_request"),
        ("redirect_uri", OTHER_CALLBACK, "invalid_grant"),
        ("redirect_uri", "", "invalid_request"),
        ("code", "sbc_00000000000000000000000000_secret", "invalid_grant"),
        ("code", "junk", "invalid_grant"),
        ("code", "", "invalid_request"),
        ("grant_type", "password", "unsupported_grant_type"),
        ("grant_type", "", "invalid_request"),
    ];
    for (name, value, error) in wrong {
        refused(&sandbox.client("/token", &changed(&code, name, value)).await, 400, error);
    }
    let mut twice = redemption(&code).to_vec();
    twice.push(("code", &code));
    refused(&sandbox.client("/token", &twice).await, 400, "invalid_request");
    let half = code.get(..code.len() - 1).unwrap();
    refused(&sandbox.redeem(half).await, 400, "invalid_grant");
    // None of that has used it up.
    assert_eq!(sandbox.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn the_client_proves_itself_one_way() {
    let sandbox = Sandbox::new();
    let basic = |id: &str, secret: &str| {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
    };
    let code = sandbox.code("ann", BOTH).await;
    let form = redemption(&code);
    let right = basic(CLIENT, SECRET);
    for wrong in
        [basic(CLIENT, "wrong"), basic("wrong", SECRET), basic(CLIENT, ""), "Bearer x".into(), "Basic".into()]
    {
        let answer = sandbox.post_with("/token", &[("authorization", &wrong)], &form).await;
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"sandbox\"");
    }
    refused(&sandbox.post_with("/token", &[], &form).await, 401, "invalid_client");
    for (id, secret) in [(CLIENT, "wrong"), ("wrong", SECRET), ("", SECRET)] {
        let mut all = form.to_vec();
        all.extend([("client_id", id), ("client_secret", secret)]);
        refused(&sandbox.post_with("/token", &[], &all).await, 401, "invalid_client");
    }
    let both = sandbox.client("/token", &form).await;
    assert_eq!(both.status, 200);
    let mut twice = form.to_vec();
    twice.push(("client_secret", SECRET));
    refused(&sandbox.post_with("/token", &[("authorization", &right)], &twice).await, 400, "invalid_request");

    let code = sandbox.code("ann", BOTH).await;
    let mut other = redemption(&code).to_vec();
    other.push(("client_id", "another"));
    refused(&sandbox.post_with("/token", &[("authorization", &right)], &other).await, 400, "invalid_request");
    let answer = sandbox.post_with("/token", &[("authorization", &right)], &redemption(&code)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_access_token_lives_for_ten_minutes_and_refreshing_goes_on() {
    let sandbox = Sandbox::new();
    let (first, refresh) = sandbox.connect("ann", BOTH).await;
    sandbox.wait(599);
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &first, None).await.status, 200);
    sandbox.wait(1);
    let expired = sandbox.call(Method::GET, "/userinfo", &first, None).await;
    refused(&expired, 401, "invalid_token");
    assert_eq!(expired.header("www-authenticate"), "Bearer realm=\"sandbox\", error=\"invalid_token\"");

    let (second, next) = tokens(&sandbox.refresh(&refresh).await);
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &second, None).await.status, 200);
    sandbox.wait(30 * 24 * 3600);
    assert_eq!(sandbox.refresh(&next).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_that_comes_again_ends_the_family() {
    let sandbox = Sandbox::new();
    let (first, stolen) = sandbox.connect("ann", BOTH).await;
    let (other, other_refresh) = sandbox.connect("ann", BOTH).await;
    let (second, good) = tokens(&sandbox.refresh(&stolen).await);
    assert_ne!(good, stolen);
    // Refreshing does not end access tokens.
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &first, None).await.status, 200);

    refused(&sandbox.refresh(&stolen).await, 400, "invalid_grant");
    refused(&sandbox.refresh(&good).await, 400, "invalid_grant");
    for access in [first, second] {
        assert_eq!(sandbox.call(Method::GET, "/userinfo", &access, None).await.status, 401);
    }
    // Another consent of the same person is another family.
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &other, None).await.status, 200);
    assert_eq!(sandbox.refresh(&other_refresh).await.status, 200);
}

#[tokio::test]
async fn of_two_redemptions_at_once_one_succeeds() {
    let sandbox = Sandbox::new();
    let (_, refresh) = sandbox.connect("ann", BOTH).await;
    let (one, two) = tokio::join!(sandbox.refresh(&refresh), sandbox.refresh(&refresh));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_for_a_while() {
    let sandbox = Sandbox::new();
    let (_, refresh) = sandbox.connect("ann", BOTH).await;
    let ask = async |refresh: &str, scope: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", scope)];
        sandbox.client("/token", &form).await
    };
    let less = ask(&refresh, "notes.read").await;
    assert_eq!(less.json()["scope"], "notes.read");
    let (access, refresh) = tokens(&less);
    let denied = sandbox.call(Method::DELETE, "/notes/note-00000001", &access, None).await;
    refused(&denied, 403, "insufficient_scope");
    let all = sandbox.refresh(&refresh).await;
    assert_eq!(all.json()["scope"], BOTH);

    let (_, narrow) = sandbox.connect("ann", "notes.read").await;
    for scope in [BOTH, "admin"] {
        refused(&ask(&narrow, scope).await, 400, "invalid_scope");
    }
    // A refused request has not redeemed it.
    assert_eq!(sandbox.refresh(&narrow).await.status, 200);
}

#[tokio::test]
async fn tokens_of_one_kind_are_not_taken_for_another() {
    let sandbox = Sandbox::new();
    let code = sandbox.code("ann", BOTH).await;
    let (access, refresh) = sandbox.connect("ann", BOTH).await;
    refused(&sandbox.refresh(&access).await, 400, "invalid_grant");
    refused(&sandbox.redeem(&refresh).await, 400, "invalid_grant");
    for token in [&refresh, &code, &access.replace("sba_", "sbr_")] {
        assert_eq!(sandbox.call(Method::GET, "/userinfo", token, None).await.status, 401);
    }
    assert_eq!(sandbox.refresh(&refresh).await.status, 200);
}

#[tokio::test]
async fn only_forms_of_reasonable_size_are_read() {
    let sandbox = Sandbox::new();
    let json = [("content-type", "application/json")];
    refused(&sandbox.send(Method::POST, "/token", &json, "{}").await, 400, "invalid_request");
    let large = "x".repeat(200_000);
    refused(&sandbox.client("/token", &[("grant_type", &large)]).await, 413, "too_large");
    assert_eq!(sandbox.get("/token").await.status, 405);
}
