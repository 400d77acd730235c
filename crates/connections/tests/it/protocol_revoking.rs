//! Revoking, in each provider's manner.

use connections::catalog::{Revocation, TokenAuth, TokenIn};
use connections::connection::Tokens;
use connections::protocol::{CallError, Revoked};
use http::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::hostile_provider::{HostileProvider, Seen, Speaker, Step, text};

fn is_live(hostile: &HostileProvider, tokens: &Tokens) -> bool {
    hostile.grants(|grants| grants.is_live(tokens.access.expose_secret()))
}

/// Sends the token as its own proof.
fn by_bearer(method: Method) -> Revocation {
    Revocation { method, token_in: TokenIn::Bearer, token_param: String::new(), client_auth: None }
}

#[tokio::test]
async fn the_refresh_token_goes_first_then_the_access_token() {
    let hostile = HostileProvider::start().await;
    let (speaker, tokens) = (Speaker::to(&hostile), hostile.issue());
    assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::AtProvider);
    assert!(!is_live(&hostile, &tokens));
    let seen: Vec<_> = hostile.seen("/revoke").iter().map(Seen::params).collect();
    assert_eq!(seen[0]["token"], text(tokens.refresh.as_ref()));
    assert_eq!(seen[0]["token_type_hint"], "refresh_token");
    assert_eq!(seen[1]["token"], tokens.access.expose_secret());
    assert_eq!(seen[1]["token_type_hint"], "access_token");
    // Once more: the provider no longer knows them, which is as good.
    assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::AtProvider);
}

#[tokio::test]
async fn a_provider_that_does_not_know_the_token_has_nothing_left_to_revoke() {
    let hostile = HostileProvider::start().await;
    let (speaker, mut tokens) = (Speaker::to(&hostile), hostile.issue());
    tokens.refresh = None;
    for step in [
        Step::error(400, "invalid_token"),
        Step::json(200, &json!({"ok": false, "error": "token_revoked"})),
        Step::say(410, "", ""),
        Step::say(200, "text/html", "<p>Done</p>"),
    ] {
        hostile.script("/revoke", [step]);
        assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::AtProvider);
    }
    hostile.script("/revoke", [Step::error(400, "unsupported_token_type")]);
    assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::Unsupported);
}

#[tokio::test]
async fn what_failed_is_not_called_revoked() {
    let hostile = HostileProvider::start().await;
    let (mut speaker, tokens) = (Speaker::to(&hostile), hostile.issue());
    for (step, expected) in [
        (Step::error(401, "invalid_client"), CallError::InvalidClient),
        (Step::say(404, "text/html", ""), CallError::Refused { code: "http_404".to_owned() }),
        (Step::say(503, "", ""), CallError::Unavailable { status: 503, retry_after: None }),
        (
            Step::json(200, &json!({"ok": true, "revoked": false})),
            CallError::Refused { code: "not_revoked".to_owned() },
        ),
        (Step::redirect(302, "/"), CallError::Malformed("redirect")),
    ] {
        hostile.script("/revoke", [step]);
        assert_eq!(speaker.client().revoke(&tokens).await.unwrap_err(), expected);
    }
    assert!(is_live(&hostile, &tokens));
    speaker.provider.revocation = None;
    assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::Unsupported);
}

#[tokio::test]
async fn a_token_can_be_its_own_proof() {
    for method in [Method::GET, Method::POST] {
        let hostile = HostileProvider::start().await;
        let (mut speaker, tokens) = (Speaker::to(&hostile), hostile.issue());
        speaker.provider.revocation = Some(by_bearer(method.clone()));
        assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::AtProvider);
        assert!(!is_live(&hostile, &tokens));
        let seen = hostile.seen("/revoke");
        assert_eq!(seen.len(), 1, "a refresh token cannot be shown as a bearer token");
        assert_eq!((seen[0].method.clone(), seen[0].body.as_str()), (method, ""));
        // Already gone: the provider says `invalid_auth`.
        assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::AtProvider);
        hostile.script("/revoke", [Step::say(401, "", "")]);
        assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::AtProvider);
    }
}

#[tokio::test]
async fn a_token_can_be_deleted_at_a_url_that_names_the_app() {
    let hostile = HostileProvider::start().await;
    let (mut speaker, tokens) = (Speaker::to(&hostile), hostile.issue());
    speaker.resolved.revocation = Some(hostile.url("/applications/client%3A1/token"));
    speaker.provider.revocation = Some(Revocation {
        method: Method::DELETE,
        token_in: TokenIn::Json,
        token_param: "access_token".to_owned(),
        client_auth: Some(TokenAuth::ClientSecretBasic),
    });
    assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::AtProvider);
    assert!(!is_live(&hostile, &tokens));
    let seen = hostile.seen("/applications/client%3A1/token");
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].params(),
        [("access_token".to_owned(), tokens.access.expose_secret().to_owned())].into()
    );
    // Already gone: 404.
    assert_eq!(speaker.client().revoke(&tokens).await.unwrap(), Revoked::AtProvider);
    speaker.app.client_secret = Some("wrong".into());
    assert_eq!(speaker.client().revoke(&tokens).await.unwrap_err(), CallError::InvalidClient);
}
