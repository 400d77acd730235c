//! `oidc-provider`.

use std::time::Duration;

use serde_json::Value;
use testkit::{Browser, OidcOptions, OidcProvider};

use crate::pkce::{VERIFIER, challenge, get, parameter, post, request};

const CALLBACK: &str = "http://127.0.0.1:9/callback";
const SCOPE: &str = "openid email profile offline_access notes.read";

fn authorization(provider: &OidcProvider, redirect_uri: &str) -> String {
    let challenge = challenge();
    request(
        &format!("{}/auth", provider.base()),
        &[
            ("client_id", &provider.options().client_id),
            ("response_type", "code"),
            ("redirect_uri", redirect_uri),
            ("scope", SCOPE),
            ("state", "a state"),
            ("prompt", "consent"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ],
    )
}

async fn token(provider: &OidcProvider, form: &[(&str, &str)]) -> (u16, Value) {
    let options = provider.options();
    let basic = Some((options.client_id.as_str(), options.client_secret.as_str()));
    post(&format!("{}/token", provider.base()), basic, form).await
}

async fn redeem(provider: &OidcProvider, code: &str, redirect_uri: &str, verifier: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier),
    ];
    token(provider, &form).await
}

async fn refresh(provider: &OidcProvider, refresh_token: &Value) -> (u16, Value) {
    let refresh_token = refresh_token.as_str().unwrap();
    token(provider, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

/// The answer to a whole flow of Ann's.
async fn connect(provider: &OidcProvider) -> Value {
    let back = provider.consent(&authorization(provider, CALLBACK), "ann").await.unwrap();
    let (status, tokens) = redeem(provider, &parameter(&back, "code").unwrap(), CALLBACK, VERIFIER).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

#[tokio::test]
async fn a_code_with_pkce_is_redeemed_once_and_refresh_tokens_rotate() {
    let provider = OidcProvider::start(OidcOptions::default()).unwrap();
    let base = provider.base();

    let back = provider.consent(&authorization(&provider, CALLBACK), "ann").await.unwrap();
    assert_eq!(parameter(&back, "state").unwrap(), "a state");
    assert_eq!(parameter(&back, "iss").unwrap(), base);
    let code = parameter(&back, "code").unwrap();

    let (status, refusal) =
        redeem(&provider, &code, CALLBACK, "another-verifier-that-is-long-enough-0123456789").await;
    assert_eq!((status, &refusal["error"]), (400, &"invalid_grant".into()));
    let back = provider.consent(&authorization(&provider, CALLBACK), "ann").await.unwrap();
    let code = parameter(&back, "code").unwrap();
    let (status, first) = redeem(&provider, &code, CALLBACK, VERIFIER).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["expires_in"], 300);
    assert_eq!(first["scope"], SCOPE);

    let (status, person) = get(&format!("{base}/me"), first["access_token"].as_str().unwrap()).await;
    assert_eq!(
        (status, &person["email"], &person["name"]),
        (200, &"ann@example.com".into(), &"Ann Archer".into())
    );

    let (status, second) = refresh(&provider, &first["refresh_token"]).await;
    assert_eq!(status, 200);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(provider.redemptions("refresh_token").await.unwrap(), (1, 1));

    // The reuse of a token revokes its successors too.
    let (status, refusal) = refresh(&provider, &first["refresh_token"]).await;
    assert_eq!((status, &refusal["error"]), (400, &"invalid_grant".into()));
    assert_eq!(refresh(&provider, &second["refresh_token"]).await.0, 400);
    assert_eq!(get(&format!("{base}/me"), second["access_token"].as_str().unwrap()).await.0, 401);

    assert_eq!(provider.redemptions("refresh_token").await.unwrap(), (3, 1));
    assert_eq!(provider.redemptions("authorization_code").await.unwrap(), (2, 1));
    let errors: Vec<_> = provider.log().await.unwrap().into_iter().filter_map(|asked| asked.error).collect();
    assert_eq!(errors.iter().filter(|error| *error == "invalid_grant").count(), 3);
}

#[tokio::test]
async fn people_deny_withhold_and_stay_logged_in() {
    let provider = OidcProvider::start(OidcOptions::default()).unwrap();
    let denied = provider.deny(&authorization(&provider, CALLBACK), "ben").await.unwrap();
    assert_eq!(parameter(&denied, "error").unwrap(), "access_denied");
    assert_eq!(parameter(&denied, "state").unwrap(), "a state");
    assert!(parameter(&denied, "code").is_none());

    let browser = Browser::new().unwrap();
    let withheld = ["notes.read", "email"];
    let url = authorization(&provider, CALLBACK);
    let back = provider.consent_in(&browser, &url, "ben", &withheld).await.unwrap();
    let (_, tokens) = redeem(&provider, &parameter(&back, "code").unwrap(), CALLBACK, VERIFIER).await;
    assert_eq!(tokens["scope"], "openid profile offline_access");

    // Now the browser knows Ben, so that nobody asks who is there.
    let page = browser.follow(browser.get(&url).await.unwrap(), CALLBACK).await.unwrap();
    assert!(page.form("Allow").is_ok() && !page.body.contains("Who are you?"));
    assert!(provider.consent(&url, "nobody").await.is_err());
}

#[tokio::test]
async fn requests_without_pkce_or_to_strange_addresses_are_refused() {
    let provider = OidcProvider::start(OidcOptions::default()).unwrap();
    let url = authorization(&provider, CALLBACK);
    let without = url.replace("code_challenge", "no_challenge");
    let back = Browser::new().unwrap().get(&without).await.unwrap().location.unwrap();
    assert_eq!(parameter(&back, "error").unwrap(), "invalid_request");

    let elsewhere = "http://127.0.0.1:10/callback";
    let url = authorization(&provider, elsewhere);
    assert!(provider.consent(&url, "ann").await.is_err());
    provider.allow_redirect_uri(elsewhere).await.unwrap();
    let back = provider.consent(&url, "ann").await.unwrap();
    let (status, _) = redeem(&provider, &parameter(&back, "code").unwrap(), elsewhere, VERIFIER).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn grants_are_revoked_introspected_and_forgotten() {
    let provider = OidcProvider::start(OidcOptions::default()).unwrap();
    let options = provider.options();
    let basic = Some((options.client_id.as_str(), options.client_secret.as_str()));
    let introspection = format!("{}/token/introspection", provider.base());
    let is_active = async |tokens: &Value| {
        let token = tokens["access_token"].as_str().unwrap();
        post(&introspection, basic, &[("token", token)]).await.1["active"].as_bool().unwrap()
    };

    let revoked = connect(&provider).await;
    assert!(is_active(&revoked).await);
    let form = [("token", revoked["refresh_token"].as_str().unwrap())];
    let (status, _) = post(&format!("{}/token/revocation", provider.base()), basic, &form).await;
    assert_eq!(status, 200);
    assert!(!is_active(&revoked).await);
    assert_eq!(refresh(&provider, &revoked["refresh_token"]).await.0, 400);

    let forgotten = connect(&provider).await;
    assert!(provider.forget_grants().await.unwrap() >= 1);
    assert!(!is_active(&forgotten).await);
    let (status, refusal) = refresh(&provider, &forgotten["refresh_token"]).await;
    assert_eq!((status, &refusal["error"]), (400, &"invalid_grant".into()));
    assert!(is_active(&connect(&provider).await).await);
}

#[tokio::test]
async fn without_openid_it_is_plain_oauth() {
    let provider = OidcProvider::start(OidcOptions::default()).unwrap();
    let url =
        authorization(&provider, CALLBACK).replace("scope=openid+email+profile+offline_access+", "scope=");
    let back = provider.consent(&url, "cleo").await.unwrap();
    let (_, tokens) = redeem(&provider, &parameter(&back, "code").unwrap(), CALLBACK, VERIFIER).await;
    assert_eq!((&tokens["scope"], tokens.get("id_token")), (&"notes.read".into(), None), "{tokens}");
    assert_eq!(refresh(&provider, &tokens["refresh_token"]).await.0, 200);
    let userinfo = format!("{}/me", provider.base());
    assert_eq!(get(&userinfo, tokens["access_token"].as_str().unwrap()).await.0, 403);
}

#[tokio::test]
async fn lifetimes_and_delays_can_be_set() {
    let options = OidcOptions {
        access_token_lifetime: Duration::from_secs(1),
        token_auth: "client_secret_post".into(),
        ..Default::default()
    };
    let provider = OidcProvider::start(options).unwrap();
    let back = provider.consent(&authorization(&provider, CALLBACK), "ann").await.unwrap();
    let code = parameter(&back, "code").unwrap();
    let options = provider.options();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &options.client_id),
        ("client_secret", &options.client_secret),
    ];
    let endpoint = format!("{}/token", provider.base());
    let (status, tokens) = post(&endpoint, None, &form).await;
    assert_eq!((status, &tokens["expires_in"]), (200, &1.into()));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let userinfo = format!("{}/me", provider.base());
    assert_eq!(get(&userinfo, tokens["access_token"].as_str().unwrap()).await.0, 401);

    provider.set_access_token_lifetime(Duration::from_mins(1)).await.unwrap();
    provider.set_token_delay(Duration::from_millis(150), Duration::from_millis(150)).await.unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("client_id", &options.client_id),
        ("client_secret", &options.client_secret),
    ];
    let started = std::time::Instant::now();
    let (status, tokens) = post(&endpoint, None, &form).await;
    assert_eq!((status, &tokens["expires_in"]), (200, &60.into()));
    assert!(started.elapsed() >= Duration::from_millis(300));
}
