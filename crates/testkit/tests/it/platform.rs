//! The admin pages of the platform, and `PyJWT`'s session tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use testkit::{Browser, Platform, PlatformOptions, session_tokens};

const SECRET: &str = "an APP_SECRET of tests, 32 bytes or longer";

fn claims(token: &str, issuer: &str) -> Value {
    let mut validation = Validation::default();
    validation.set_issuer(&[issuer]);
    decode(token, &DecodingKey::from_secret(SECRET.as_bytes()), &validation).unwrap().claims
}

#[test]
fn session_tokens_are_as_they_are_described() {
    let good = json!({"iss": "an issuer", "store_id": 7, "exp": 4_000_000_000_u64});
    let tokens = session_tokens(&[
        json!({"claims": good, "secret": SECRET}),
        json!({"claims": good, "secret": SECRET, "algorithm": "none"}),
        json!({"claims": good, "secret": "short", "algorithm": "HS512", "headers": {"kid": "a key"}}),
        json!({"raw": "no JSON", "secret": SECRET}),
    ])
    .unwrap();
    assert_eq!(tokens.len(), 4);
    assert_eq!(claims(&tokens[0], "an issuer"), good);
    assert!(tokens[1].ends_with('.'));
    let header = BASE64_URL_SAFE_NO_PAD.decode(tokens[1].split('.').next().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&header).unwrap()["alg"], "none");
    assert_eq!(decode_header(&tokens[2]).unwrap().kid.as_deref(), Some("a key"));
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(tokens[3].split('.').nth(1).unwrap()).unwrap(), b"no JSON");
    assert!(session_tokens(&[json!({"claims": good})]).unwrap_err().to_string().contains("secret"));
}

#[tokio::test]
async fn the_page_shows_the_plugin_with_a_fresh_token() {
    let platform = Platform::start(PlatformOptions::default()).unwrap();
    let browser = Browser::new().unwrap();
    let page = format!("{}/plugins/jackfield", platform.origin());
    assert_eq!(browser.get(&page).await.unwrap().status, 503);
    platform.show("http://127.0.0.1:9/").await.unwrap();
    let shown = browser.get(&format!("{page}?store=8&sandbox=allow-scripts&name=%3Cb%3E")).await.unwrap();
    assert!(
        shown.body.contains(" sandbox=\"allow-scripts\"") && !shown.body.contains("<b>"),
        "{}",
        shown.body
    );
    let token = token(&shown.body);
    let claims = claims(token, platform.origin());
    assert_eq!((&claims["store_id"], &claims["extra"]["admin_name"]), (&json!(8), &json!("<b>")));
    assert_eq!(claims["extra"]["admin_email"], "ann@example.com");

    // Whoever is sent back is signed in to the same store.
    let again = browser.get(&page).await.unwrap();
    assert!(again.body.contains("<h1>Store 8</h1>") && !again.body.contains("sandbox"), "{}", again.body);
    let other = browser.get(&format!("{}/plugins/another", platform.origin())).await.unwrap();
    assert_eq!(other.status, 404);
}

fn token(page: &str) -> &str {
    let (_, rest) = page.split_once("src=\"http://127.0.0.1:9/?session_token=").unwrap();
    rest.split_once('"').unwrap().0
}
