//! Session tokens that are none, of every kind.

use serde_json::{Value, json};
use testkit::{Backend, session_tokens};

use super::{ISSUER, Plugin, SECRET, claims, now, session_token};
use crate::deployment::{Answer, on_both_backends, with};

on_both_backends!(what_is_no_session_is_refused, the_page_says_how_it_is_opened);

/// What PyJWT is to make, each with what is wrong.
fn wrong() -> Vec<(&'static str, Value)> {
    let described = |claims: &Value| json!({"claims": claims, "secret": SECRET});
    let without = |name: &str| {
        let mut claims = claims(7);
        claims.as_object_mut().unwrap().remove(name);
        described(&claims)
    };
    let changed = |fields: &Value| described(&with(claims(7), fields));
    vec![
        ("expired", changed(&json!({"exp": now() - 1}))),
        ("not valid yet", changed(&json!({"nbf": now() + 600}))),
        ("without an end", without("exp")),
        ("of another issuer", changed(&json!({"iss": "https://admin.evil.example"}))),
        ("of the issuer with a slash", changed(&json!({"iss": format!("{ISSUER}/")}))),
        ("of no issuer", without("iss")),
        ("without a store", without("store_id")),
        ("with a store as text", changed(&json!({"store_id": "7"}))),
        ("with half a store", changed(&json!({"store_id": 7.5}))),
        ("with a store below zero", changed(&json!({"store_id": -7}))),
        (
            "under another key",
            json!({"claims": claims(7), "secret": "a secret of some other app, long enough"}),
        ),
        ("without a signature", json!({"claims": claims(7), "secret": "", "algorithm": "none"})),
        ("by another algorithm", json!({"claims": claims(7), "secret": SECRET, "algorithm": "HS512"})),
        ("no object", json!({"raw": "[7]", "secret": SECRET})),
    ]
}

async fn what_is_no_session_is_refused(backend: Backend) {
    let plugin = Plugin::start(backend);
    let (kinds, descriptions): (Vec<_>, Vec<_>) = wrong().into_iter().unzip();
    let mut tokens = session_tokens(&descriptions).unwrap();
    let good = session_tokens(&[json!({"claims": claims(7), "secret": SECRET})]).unwrap().remove(0);
    tokens.extend([String::new(), "x".to_owned(), format!("{good}x"), good[1..].to_owned(), "é".repeat(9)]);
    let kinds = kinds.into_iter().chain(["empty", "a letter", "one more", "one less", "not ASCII"]);
    for (kind, token) in kinds.zip(&tokens) {
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("session_token", token).finish();
        let page = plugin.look(&format!("/callback?{query}")).await;
        assert_eq!(page.status, 401, "{kind}: {}", page.text);
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"), "{kind}");
        assert_eq!(page.headers["cache-control"], "no-store", "{kind}");
        assert_eq!(page.headers["www-authenticate"], "Bearer", "{kind}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains(&format!("frame-ancestors {ISSUER};")), "{kind}: {policy}");
        assert!(page.text.contains("Your session here has ended"), "{kind}: {}", page.text);
        assert!(!page.text.contains("<form") && !page.text.contains("store 7"), "{kind}: {}", page.text);
        let answer = plugin.deployment.get(&format!("/callback?{query}")).await;
        answer.problem("invalid_credential");
        assert_eq!(answer.headers["cache-control"], "no-store", "{kind}");
    }
    let twice = format!("/callback?session_token={good}&session_token={good}");
    assert_eq!(plugin.look(&twice).await.status, 400);
    assert_eq!(plugin.look(&format!("/callback?session_token={good}")).await.status, 200);
    let log = plugin.deployment.log();
    assert!(!log.contains(&good) && !log.contains(SECRET), "{log}");
}

/// Whoever is shown the page acts for the store: in the log, and by what the store may ask.
#[tokio::test]
async fn the_page_counts_for_its_store() {
    let plugin = Plugin::start_with(Backend::files(), |provider, builder| {
        let builder = builder.set("TOKEN_URL", format!("{}/token", provider.base()));
        builder.set("RATE_LIMIT_PER_TENANT", "2")
    });
    let [seven, eight] = [7, 8].map(|store| format!("/callback?session_token={}", session_token(store)));
    for _ in 0..2 {
        assert_eq!(plugin.look(&seven).await.status, 200);
    }
    let page = plugin.look(&seven).await;
    assert_eq!(page.status, 429, "{}", page.text);
    assert!(page.headers.contains_key("retry-after") && page.text.contains("<h1>"), "{}", page.text);
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains(ISSUER), "{:?}", page.headers);
    assert_eq!(plugin.look(&eight).await.status, 200, "another store's is not used up");
    let log = plugin.deployment.log();
    let shown = log.lines().filter(|line| line.contains(r#""http.route":"/callback""#));
    let tenants: Vec<bool> = shown.map(|line| line.contains(r#""tenant":"lexmodo:7""#)).collect();
    assert_eq!(tenants, [true, true, true, false], "{log}");
}

async fn the_page_says_how_it_is_opened(backend: Backend) {
    let plugin = Plugin::start(backend);
    let page = plugin.look("/callback").await;
    assert_eq!(page.status, 400);
    assert!(page.text.contains("is opened from your store&#39;s administration"), "{}", page.text);
    assert!(page.text.contains("href=\"https://admin.lexmodo.example/plugins/Numinix\""), "{}", page.text);
    let problem = plugin.deployment.get("/callback?other=1").await.problem("invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("session_token"), "{problem}");
    let described = plugin.deployment.get("/").await.expect(200);
    assert_eq!((&described["name"], &described["lexmodo"]), (&json!("jackfield"), &json!("/callback")));
    assert_eq!(plugin.deployment.get("/?tab=1").await.expect(200)["name"], "jackfield");
    let posted = Answer::of(plugin.deployment.server.request(reqwest::Method::POST, "/callback")).await;
    posted.problem("method_not_allowed");
    // Nobody reads the page but who is shown it.
    let read = plugin.deployment.server.get("/callback").header("origin", "https://app.example");
    assert!(!Answer::of(read).await.headers.contains_key("access-control-allow-origin"));
}
