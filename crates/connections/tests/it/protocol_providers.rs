//! The protocol with providers that others wrote, by the entries that ship.

use std::collections::BTreeMap;
use std::time::Duration;

use connections::catalog::{Catalog, Discovery};
use connections::connection::Tokens;
use connections::protocol::{
    App, AuthorizationRequest, CallError, Probed, Revoked, TokenAnswer, Verifier, requested_scopes,
};
use model::Ambient;
use reqwest::redirect::Policy;
use testkit::{Emulate, OidcOptions, OidcProvider};
use url::Url;

use crate::hostile_provider::{Speaker, http, text};

const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// The entry `name` of the catalog, with what `own` adds to it.
async fn speaker(own: &str, name: &str, id: &str, secret: &str) -> Speaker {
    let catalog = Catalog::load(&[], Some(own), &|_| None).unwrap();
    let provider = catalog.get(name).unwrap().as_ref().clone();
    let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let discovery = Discovery::new(client, Ambient::system());
    let resolved = provider.resolve(&BTreeMap::new(), id, &discovery).await.unwrap();
    let app = App { client_id: id.to_owned(), client_secret: Some(secret.into()) };
    Speaker { http: http(Duration::from_secs(10)), provider, resolved, app }
}

/// Where the user is sent who consents to `asked`.
fn authorization(speaker: &Speaker, verifier: &Verifier, asked: &[(&str, &[&str])]) -> Url {
    let list = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let asked = asked.iter().map(|(name, scopes)| ((*name).to_owned(), list(scopes))).collect();
    let scopes = requested_scopes(&speaker.provider, &asked);
    let request = AuthorizationRequest {
        redirect_uri: CALLBACK,
        state: "a state",
        verifier,
        scopes: &scopes,
        extra: &BTreeMap::new(),
    };
    speaker.client().authorization_url(&request).unwrap()
}

/// The answer to the code that a user came back with.
async fn exchanged(speaker: &Speaker, verifier: &Verifier, back: &Url) -> Result<TokenAnswer, CallError> {
    let query: BTreeMap<String, String> = back.query_pairs().into_owned().collect();
    assert_eq!(query["state"], "a state");
    speaker.client().exchange_code(&query["code"].as_str().into(), verifier, CALLBACK).await
}

async fn refreshed(speaker: &Speaker, tokens: &Tokens) -> Result<Tokens, CallError> {
    speaker.client().refresh("main", tokens.refresh.as_ref().unwrap()).await
}

#[tokio::test]
async fn an_openid_provider_that_is_known_by_its_issuer_alone() {
    for token_auth in ["client_secret_basic", "client_secret_post"] {
        let options = OidcOptions { token_auth: token_auth.to_owned(), ..OidcOptions::default() };
        let oidc = OidcProvider::start(options).unwrap();
        let own = format!(
            "[providers.own]\nissuer = \"{}\"\ntoken_auth = \"{token_auth}\"\nauthorization_params = {{ prompt = \
             \"consent\" }}",
            oidc.base()
        );
        let speaker = speaker(&own, "own", &oidc.options().client_id, &oidc.options().client_secret).await;
        let verifier = Verifier::generate(&Ambient::system());
        let scopes = ["openid", "email", "profile", "offline_access"];
        let url = authorization(&speaker, &verifier, &[("main", &scopes)]);
        let back = oidc.consent(url.as_str(), "ann").await.unwrap();

        let answer = exchanged(&speaker, &verifier, &back).await.unwrap();
        let first = &answer.tokens["main"];
        assert_eq!(first.expires_in, Some(Duration::from_mins(5)));
        assert_eq!(first.scopes.as_deref().unwrap(), ["email", "offline_access", "openid", "profile"]);
        let account = speaker.client().account(&answer).await.unwrap();
        assert_eq!((account.id.as_str(), account.email.as_deref()), ("ann", Some("ann@example.com")));
        assert_eq!(account.name.as_deref(), Some("Ann Archer"));
        assert_eq!(exchanged(&speaker, &verifier, &back).await.unwrap_err(), CallError::InvalidGrant);

        // The replayed code ended the grant (RFC 6749, section 4.1.2), so consent again.
        let back = oidc.consent(url.as_str(), "ann").await.unwrap();
        let answer = exchanged(&speaker, &verifier, &back).await.unwrap();
        let second = refreshed(&speaker, &answer.tokens["main"]).await.unwrap();
        assert_ne!(text(second.refresh.as_ref()), text(answer.tokens["main"].refresh.as_ref()));
        assert_eq!(speaker.client().probe(&second.access).await.unwrap(), Probed::Accepted);
        assert_eq!(speaker.client().revoke(&second).await.unwrap(), Revoked::AtProvider);
        assert_eq!(speaker.client().probe(&second.access).await.unwrap_err(), CallError::TokenRejected);
        assert_eq!(refreshed(&speaker, &second).await.unwrap_err(), CallError::InvalidGrant);
        assert_eq!(
            speaker.client().revoke(&second).await.unwrap(),
            Revoked::AtProvider,
            "it is gone already"
        );
    }
}

#[tokio::test]
async fn an_openid_provider_knows_its_client_and_the_verifier() {
    let oidc = OidcProvider::start(OidcOptions::default()).unwrap();
    let own = format!("[providers.own]\nissuer = \"{}\"\ntoken_auth = \"client_secret_basic\"", oidc.base());
    let mut speaker = speaker(&own, "own", &oidc.options().client_id, &oidc.options().client_secret).await;
    let (verifier, other) = (Verifier::generate(&Ambient::system()), Verifier::generate(&Ambient::system()));
    let url = authorization(&speaker, &verifier, &[("main", &["openid"])]);
    let back = oidc.consent(url.as_str(), "ben").await.unwrap();
    assert_eq!(exchanged(&speaker, &other, &back).await.unwrap_err(), CallError::InvalidGrant);
    speaker.app.client_secret = Some("wrong".into());
    assert_eq!(exchanged(&speaker, &verifier, &back).await.unwrap_err(), CallError::InvalidClient);
}

#[tokio::test]
async fn google_as_others_emulate_it() {
    let emulate = Emulate::start(&[CALLBACK]).unwrap();
    let own = format!(
        "[providers.google]\nissuer = \"{0}\"\nauthorization_url = \"{0}/o/oauth2/v2/auth\"\ntoken_url = \
         \"{0}/oauth2/token\"\nrevocation_url = \"{0}/oauth2/revoke\"\nuserinfo_url = \"{0}/oauth2/v2/userinfo\"",
        emulate.google()
    );
    let speaker = speaker(&own, "google", Emulate::CLIENT_ID, Emulate::CLIENT_SECRET).await;
    let verifier = Verifier::generate(&Ambient::system());
    let url = authorization(&speaker, &verifier, &[]);
    let back = emulate.consent(url.as_str(), Emulate::ANN).await.unwrap();
    let answer = exchanged(&speaker, &verifier, &back).await.unwrap();
    let account = speaker.client().account(&answer).await.unwrap();
    assert_eq!(account.email.as_deref(), Some(Emulate::ANN));
    assert!(!account.id.is_empty());
    let again = refreshed(&speaker, &answer.tokens["main"]).await.unwrap();
    assert!(again.refresh.is_none(), "Google's refresh tokens stay");
    assert_eq!(speaker.client().revoke(&again).await.unwrap(), Revoked::AtProvider);
    assert_eq!(speaker.client().probe(&again.access).await.unwrap_err(), CallError::TokenRejected);
}

#[tokio::test]
async fn slack_as_others_emulate_it() {
    let emulate = Emulate::start(&[CALLBACK]).unwrap();
    // The emulation takes Basic without the encoding of RFC 6749, which the secret of its app would need.
    let own = format!(
        "[providers.slack]\ntoken_auth = \"client_secret_post\"\nauthorization_url = \"{0}/oauth/v2/authorize\"\ntoken_url = \
         \"{0}/api/oauth.v2.access\"\nrevocation_url = \"{0}/api/auth.revoke\"",
        emulate.slack()
    );
    let speaker = speaker(&own, "slack", Emulate::CLIENT_ID, Emulate::CLIENT_SECRET).await;
    let verifier = Verifier::generate(&Ambient::system());
    let asked: [(&str, &[&str]); 2] =
        [("bot", &["channels:read", "channels:history"]), ("user", &["channels:read"])];
    let url = authorization(&speaker, &verifier, &asked);
    assert!(!url.as_str().contains("code_challenge"));
    let back = emulate.consent(url.as_str(), Emulate::ANN).await.unwrap();
    let answer = exchanged(&speaker, &verifier, &back).await.unwrap();
    assert_eq!(answer.tokens["bot"].scopes.as_deref().unwrap(), ["channels:history", "channels:read"]);
    assert_eq!(answer.tokens["user"].scopes.as_deref().unwrap(), ["channels:read"]);
    assert_ne!(text(Some(&answer.tokens["bot"].access)), text(Some(&answer.tokens["user"].access)));
    let account = speaker.client().account(&answer).await.unwrap();
    let (team, user) = account.id.split_once(':').unwrap();
    assert!(team.starts_with('T') && user.starts_with('U'), "{account:?}");
    assert_eq!(exchanged(&speaker, &verifier, &back).await.unwrap_err(), CallError::InvalidGrant);
}
