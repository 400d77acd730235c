//! Accounts, sites, and whether a token is still accepted.

use connections::connection::{Account, Site};
use connections::protocol::{CallError, Probed, TokenAnswer};
use secrecy::SecretString;
use serde_json::json;

use crate::hostile_provider::{HostileProvider, Speaker, Step};

/// The answer to a grant that `hostile` gives the client itself.
async fn granted(speaker: &Speaker) -> TokenAnswer {
    speaker.client().client_credentials(&[]).await.unwrap()
}

fn access(answer: &TokenAnswer) -> &SecretString {
    &answer.tokens["main"].access
}

#[tokio::test]
async fn the_account_is_asked_for_with_the_token() {
    let hostile = HostileProvider::start().await;
    let speaker = Speaker::to(&hostile);
    let answer = granted(&speaker).await;
    let account = speaker.client().account(&answer).await.unwrap();
    let ada = Some("Ada".to_owned());
    assert_eq!(
        account,
        Account { id: "u-1".to_owned(), email: Some("ada@example.com".to_owned()), name: ada }
    );

    hostile.set_userinfo(json!({"sub": 7, "email": null}));
    let account = speaker.client().account(&answer).await.unwrap();
    assert_eq!(account, Account { id: "7".to_owned(), email: None, name: None });

    hostile.set_userinfo(json!({"email": "ada@example.com"}));
    let error = speaker.client().account(&answer).await.unwrap_err();
    assert_eq!(error, CallError::Malformed("no account id"));

    hostile.script("/userinfo", [Step::say(200, "text/html", "<html></html>")]);
    let error = speaker.client().account(&answer).await.unwrap_err();
    assert_eq!(error, CallError::Malformed("not JSON"));
}

#[tokio::test]
async fn an_account_in_the_token_answer_costs_no_call() {
    let hostile = HostileProvider::start().await;
    let mut speaker = Speaker::to(&hostile);
    let answer = json!({"access_token": "a", "team": {"id": "T1"}, "authed_user": {"id": "U1"}});
    hostile.script("/token", [Step::json(200, &answer)]);
    speaker.provider.account.id = vec!["token:/team/id".to_owned(), "token:/authed_user/id".to_owned()];
    speaker.provider.account.email = None;
    speaker.provider.account.name = None;
    let account = speaker.client().account(&granted(&speaker).await).await.unwrap();
    assert_eq!(account, Account { id: "T1:U1".to_owned(), ..Account::default() });
    assert!(hostile.seen("/userinfo").is_empty());
}

#[tokio::test]
async fn an_entry_that_says_nothing_of_accounts_has_an_empty_one() {
    let hostile = HostileProvider::start().await;
    let mut speaker = Speaker::to(&hostile);
    speaker.resolved.userinfo = None;
    let answer = granted(&speaker).await;
    assert_eq!(speaker.client().account(&answer).await.unwrap(), Account::default());
    assert_eq!(speaker.client().probe(access(&answer)).await.unwrap(), Probed::NothingToAsk);
}

#[tokio::test]
async fn a_probe_tells_a_dead_token_from_trouble() {
    let hostile = HostileProvider::start().await;
    let speaker = Speaker::to(&hostile);
    let answer = granted(&speaker).await;
    let probe = || speaker.client().probe(access(&answer));
    assert_eq!(probe().await.unwrap(), Probed::Accepted);
    for (step, expected) in [
        (Step::say(401, "", ""), CallError::TokenRejected),
        (Step::json(200, &json!({"ok": false, "error": "invalid_auth"})), CallError::TokenRejected),
        (Step::say(503, "", ""), CallError::Unavailable { status: 503, retry_after: None }),
        (Step::say(403, "", ""), CallError::Refused { code: "http_403".to_owned() }),
        (Step::redirect(302, "/login"), CallError::Malformed("redirect")),
    ] {
        hostile.script("/userinfo", [step]);
        assert_eq!(probe().await.unwrap_err(), expected);
    }
    hostile.grants(|grants| grants.revoke(secrecy::ExposeSecret::expose_secret(access(&answer))));
    assert_eq!(probe().await.unwrap_err(), CallError::TokenRejected);
}

#[tokio::test]
async fn each_site_is_listed_once_and_links_only_to_the_web() {
    let hostile = HostileProvider::start().await;
    let mut speaker = Speaker::to(&hostile);
    let answer = granted(&speaker).await;
    hostile.set_sites(json!([
        {"id": "1", "name": "One", "url": "https://one.example", "scopes": ["jira"]},
        {"id": "1", "name": "One", "url": "https://one.example", "scopes": ["confluence"]},
        {"id": 2, "url": "javascript:alert(1)"},
        {"name": "no id"},
        "noise",
    ]));
    let site = |id: &str, name: &str, address: Option<&str>| Site {
        id: id.to_owned(),
        name: name.to_owned(),
        address: address.map(str::to_owned),
    };
    let expected = [site("1", "One", Some("https://one.example")), site("2", "2", None)];
    assert_eq!(speaker.client().sites(&answer).await.unwrap(), expected);

    hostile.set_sites((0..2000).map(|id| json!({"id": id})).collect());
    assert_eq!(speaker.client().sites(&answer).await.unwrap().len(), 500);
    hostile.set_sites(json!({"values": []}));
    assert!(matches!(speaker.client().sites(&answer).await, Err(CallError::Malformed(_))));
    let dead = TokenAnswer::of_key(&speaker.provider, &"dead".into());
    assert_eq!(speaker.client().sites(&dead).await.unwrap_err(), CallError::TokenRejected);
    speaker.provider.sites = None;
    assert!(speaker.client().sites(&answer).await.unwrap().is_empty());
}
