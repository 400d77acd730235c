//! Session tokens made by next-auth and @auth/core, as Bearer and in cookies.

use std::collections::BTreeMap;
use std::time::Duration;

use identity::{Config, Error};
use model::{CredentialKind, Principal, Role, Scope};
use serde::Deserialize;

use crate::harness::{Fixture, config, samples};

#[derive(Deserialize)]
struct Samples {
    sessions: Vec<Session>,
    refused: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Session {
    library: String,
    token: String,
    cookie: String,
}

fn ann() -> Principal {
    Principal {
        scope: Scope::Tenant("acme".parse().unwrap()),
        subject: "user-42".into(),
        email: Some("ann@example.com".into()),
        name: Some("Ann".into()),
        role: Role::Admin,
        credential: CredentialKind::User,
    }
}

#[tokio::test]
async fn sessions_open_from_header_and_cookie_until_they_expire() {
    let config = config();
    let samples: Samples = samples(&config, None);
    let fixture = Fixture::new(&config).await;
    assert_eq!(samples.sessions.len(), 8);
    assert!(samples.sessions.iter().any(|session| session.cookie.contains("session-token.1=")));
    for Session { library, token, cookie } in &samples.sessions {
        assert_eq!(fixture.bearer(token).await.unwrap(), ann(), "{library}");
        assert_eq!(fixture.cookie(cookie).await.unwrap(), Some(ann()), "{library}");
        let among_others = format!("theme=dark; {cookie}; other=1");
        assert_eq!(fixture.cookie(&among_others).await.unwrap(), Some(ann()), "{library}");
    }
    fixture.clock.advance(Duration::from_hours(24 * 31));
    for Session { library, token, cookie } in &samples.sessions {
        assert!(matches!(fixture.bearer(token).await, Err(Error::Expired)), "{library}");
        assert!(matches!(fixture.cookie(cookie).await, Err(Error::Expired)), "{library}");
    }
}

#[tokio::test]
async fn sessions_under_another_key_or_without_what_they_need_are_refused() {
    let config = config();
    let samples: Samples = samples(&config, None);
    let fixture = Fixture::new(&config).await;
    for (case, token) in &samples.refused {
        let expected = if case.ends_with("expired") {
            "the token has expired"
        } else if case.ends_with("without sub") {
            "the token's claim `sub` must be a text of 1 to 255 characters"
        } else {
            "the token's signature does not match any trusted key"
        };
        assert_eq!(fixture.bearer(token).await.unwrap_err().to_string(), expected, "{case}");
    }
}

#[tokio::test]
async fn a_session_holds_only_under_the_name_of_its_own_cookie() {
    let config = config();
    let samples: Samples = samples(&config, None);
    let fixture = Fixture::new(&config).await;
    for Session { library, token, cookie } in samples.sessions.iter().filter(|one| one.library.contains("v5"))
    {
        let (name, _) = cookie.split_once('=').unwrap();
        let other = if name.starts_with("__Secure-") {
            "authjs.session-token"
        } else {
            "__Secure-authjs.session-token"
        };
        assert!(
            matches!(fixture.cookie(&format!("{other}={token}")).await, Err(Error::Signature)),
            "{library}"
        );
        assert_eq!(fixture.cookie(&format!("unrelated={token}")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn chunks_must_be_whole_and_a_stale_cookie_does_not_hide_a_good_one() {
    let config = config();
    let samples: Samples = samples(&config, None);
    let fixture = Fixture::new(&config).await;
    let chunked =
        samples.sessions.iter().find(|one| one.cookie.starts_with("authjs.session-token.0=")).unwrap();
    let mut chunks: Vec<&str> = chunked.cookie.split("; ").collect();
    assert!(chunks.len() > 1);
    chunks.reverse();
    assert_eq!(fixture.cookie(&chunks.join("; ")).await.unwrap(), Some(ann()));
    chunks.remove(0);
    assert!(fixture.cookie(&chunks.join("; ")).await.is_err());
    let stale = format!("__Secure-authjs.session-token=stale; {}", chunked.cookie);
    assert_eq!(fixture.cookie(&stale).await.unwrap(), Some(ann()));
}

#[tokio::test]
async fn without_secrets_of_their_own_sessions_fall_back_to_the_jwt_secret() {
    let full = config();
    let shared =
        Config { nextauth_secret: full.jwt_secret.clone(), auth_secret: full.jwt_secret.clone(), ..full };
    let samples: Samples = samples(&shared, None);
    let fixture = Fixture::new(&Config { jwt_secret: shared.jwt_secret.clone(), ..Config::default() }).await;
    for session in &samples.sessions {
        assert_eq!(fixture.bearer(&session.token).await.unwrap(), ann(), "{}", session.library);
    }
    let none = Fixture::new(&Config::default()).await;
    for session in &samples.sessions {
        assert!(matches!(none.bearer(&session.token).await, Err(Error::Algorithm(_))), "{}", session.library);
    }
}
