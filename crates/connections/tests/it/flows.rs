//! Completing a flow when the provider, the clock, another callback or the database is against it: a connection comes of
//! it whole or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use connections::connection::{Connection, CredentialKey};
use connections::{Begin, Browser, Callback, Completion, Connections, Error, Listing};
use model::{Coded as _, ErrorCode};
use serde_json::json;
use url::Url;

use crate::broker::Broker;
use crate::hostile_provider::{Fault, Step, text};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    a_flow_lasts_ten_minutes,
    a_faulty_exchange_leaves_nothing,
    an_account_that_is_not_told_leaves_nothing,
    answers_in_odd_dialects_are_taken,
    of_two_callbacks_one_wins,
    two_flows_of_one_account_make_one_connection,
    what_the_database_does_not_take_is_not_there,
);

const ANN: &str = "ann@example.com";
/// What is asked for at most, once for each kind of trouble: none is repeated unasked.
const ONCE: usize = 1;

fn begin() -> Begin {
    Begin {
        tenant: "acme".parse().unwrap(),
        actor: "ann".into(),
        provider: "honest".into(),
        user_email: Some(ANN.into()),
        scopes: Vec::new(),
        further_scopes: Default::default(),
        return_to: None,
        app_state: None,
        variables: BTreeMap::new(),
        session: None,
    }
}

/// A flow that was begun, and the code that the provider gave for it.
struct Begun {
    browser: Browser,
    state: String,
    code: String,
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
}

/// As if the user had consented at `url`.
fn consent(broker: &Broker, browser: Browser, url: &Url) -> Begun {
    let (challenge, redirect_uri) = (parameter(url, "code_challenge"), parameter(url, "redirect_uri"));
    let code = broker.hostile.grants(|grants| grants.code(&challenge, &redirect_uri));
    Begun { browser, state: parameter(url, "state"), code }
}

async fn begun(broker: &Broker) -> Begun {
    let browser = Browser::from_cookie(None, &broker.ambient);
    let url = broker.connections.begin(begin(), Some(&browser)).await.unwrap().auth_url;
    consent(broker, browser, &url)
}

async fn complete(connections: &Connections, begun: &Begun) -> Result<Completion, Error> {
    let callback = Callback {
        provider: "honest",
        browser: Some(&begun.browser),
        state: Some(&begun.state),
        code: Some(begun.code.as_str().into()),
        ..Callback::default()
    };
    connections.complete(callback).await
}

async fn listed(broker: &Broker) -> Vec<Connection> {
    let tenant = "acme".parse().unwrap();
    broker.connections.list(&tenant, &Listing::default()).await.unwrap().connections
}

/// What is told of a flow that meets `step` at `path`, after checking that nothing came of it but the answer.
async fn trouble(broker: &Broker, path: &str, step: Step) -> Error {
    let asked = broker.hostile.seen(path).len();
    broker.hostile.script(path, [step]);
    let begun = begun(broker).await;
    let error = complete(&broker.connections, &begun).await.unwrap().result.unwrap_err();
    assert_eq!(broker.hostile.seen(path).len(), asked + ONCE, "{error}");
    assert!(listed(broker).await.is_empty(), "{error}");
    let again = complete(&broker.connections, &begun).await;
    assert!(matches!(again, Err(Error::FlowRedeemed)), "{again:?}");
    assert!(!format!("{error} {error:?}").contains(&begun.code), "{error:?}");
    error
}

async fn a_flow_lasts_ten_minutes(place: Place) {
    const ALMOST: Duration = Duration::from_millis(10 * 60 * 1000 - 1);
    let broker = Broker::new(&place).await;
    let (in_time, late) = (begun(&broker).await, begun(&broker).await);
    let link = broker.connections.begin_link(begin(), false).await.unwrap().auth_url;
    let link = parameter(&link, "link");
    let browser = Browser::from_cookie(None, &broker.ambient);
    broker.clock.advance(ALMOST);
    complete(&broker.connections, &in_time).await.unwrap().result.unwrap();
    let url = broker.connections.follow_link("honest", &link, &browser).await.unwrap();
    let by_link = consent(&broker, browser.clone(), &url);
    let asked = broker.hostile.seen("/token").len();
    broker.clock.advance(Duration::from_millis(1));
    for begun in [&late, &by_link] {
        let refused = complete(&broker.connections, begun).await;
        assert!(matches!(refused, Err(Error::FlowExpired)), "{refused:?}");
    }
    let refused = broker.connections.follow_link("honest", &link, &browser).await;
    assert!(matches!(refused, Err(Error::FlowExpired)), "{refused:?}");
    assert!(matches!(broker.connections.link("honest", &link), Err(Error::FlowExpired)));
    assert_eq!(broker.hostile.seen("/token").len(), asked, "the provider is not asked");

    // A flow that was completed is forgotten only when its age alone refuses it.
    broker.clock.advance(Duration::from_millis(1));
    assert_eq!(broker.connections.sweep_flows().await.unwrap(), 1);
    let again = complete(&broker.connections, &in_time).await;
    assert!(matches!(again, Err(Error::FlowExpired)), "{again:?}");
    assert_eq!(listed(&broker).await.len(), 1);
}

async fn a_faulty_exchange_leaves_nothing(place: Place) {
    let broker = Broker::new(&place).await;
    let html = "<!doctype html><title>Sign in</title>".repeat(50);
    let huge = format!("{{\"access_token\": \"{}\"}}", "x".repeat(8 << 20));
    let elsewhere = broker.hostile.url("/elsewhere");
    let token =
        |token: serde_json::Value| Step::json(200, &json!({"access_token": token, "token_type": "bearer"}));
    for (step, code) in [
        (Step::say(200, "text/html", html), ErrorCode::UpstreamUnavailable),
        (Step::say(200, "application/json", ""), ErrorCode::UpstreamUnavailable),
        (Step::say(200, "application/json", "[]"), ErrorCode::UpstreamUnavailable),
        (Step::say(200, "application/json", huge), ErrorCode::UpstreamUnavailable),
        (Step::json(200, &json!({})), ErrorCode::UpstreamUnavailable),
        (token(json!(null)), ErrorCode::UpstreamUnavailable),
        (token(json!("")), ErrorCode::UpstreamUnavailable),
        (token(json!(42)), ErrorCode::UpstreamUnavailable),
        (token(json!("a\r\nx-evil: 1")), ErrorCode::UpstreamUnavailable),
        (Step::redirect(302, elsewhere.as_str()), ErrorCode::UpstreamUnavailable),
        (Step::redirect(307, elsewhere.as_str()), ErrorCode::UpstreamUnavailable),
        (Step::json(200, &json!({"ok": false, "error": "internal_error"})), ErrorCode::UpstreamUnavailable),
        (Step::json(200, &json!({"error": "invalid_grant"})), ErrorCode::ReauthorizationRequired),
        (Step::error(400, "invalid_grant"), ErrorCode::ReauthorizationRequired),
        (Step::error(401, "invalid_client"), ErrorCode::UpstreamUnavailable),
        (Step::error(400, "<script>"), ErrorCode::UpstreamUnavailable),
        (Step::say(503, "text/plain", "busy"), ErrorCode::UpstreamUnavailable),
        (Step::Failed(Fault::CutOff), ErrorCode::UpstreamTimeout),
        (Step::Failed(Fault::Hang), ErrorCode::UpstreamTimeout),
        (Step::Failed(Fault::Trickle), ErrorCode::UpstreamTimeout),
        (Step::Lost(Fault::CutOff), ErrorCode::UpstreamTimeout),
    ] {
        let error = trouble(&broker, "/token", step).await;
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.to_string().contains('<'), "{error}");
    }
    assert!(broker.hostile.seen("/elsewhere").is_empty(), "no redirect is followed");
    let limited = Step::say(429, "text/plain", "").with_header("retry-after", "17");
    let error = trouble(&broker, "/token", limited).await;
    assert_eq!(error.code(), ErrorCode::UpstreamRateLimited);
    assert_eq!(error.retry_after(broker.ambient.now()), Some(Duration::from_secs(17)));
    assert!(broker.hostile.seen("/userinfo").is_empty(), "there was nothing to ask with");
    let next = begun(&broker).await;
    complete(&broker.connections, &next).await.unwrap().result.unwrap();
}

async fn an_account_that_is_not_told_leaves_nothing(place: Place) {
    let broker = Broker::new(&place).await;
    for (step, code) in [
        (Step::say(500, "text/plain", "no"), ErrorCode::UpstreamUnavailable),
        (Step::say(200, "text/html", "<h1>Welcome</h1>"), ErrorCode::UpstreamUnavailable),
        (Step::json(200, &json!({"email": ANN})), ErrorCode::UpstreamUnavailable),
        (Step::json(200, &json!({"sub": ""})), ErrorCode::UpstreamUnavailable),
        (Step::json(200, &json!({"sub": "a\u{0}b"})), ErrorCode::UpstreamUnavailable),
        (Step::json(200, &json!({"sub": {"id": 1}})), ErrorCode::UpstreamUnavailable),
        (Step::redirect(302, broker.hostile.url("/elsewhere").as_str()), ErrorCode::UpstreamUnavailable),
        (Step::say(401, "text/plain", ""), ErrorCode::ReauthorizationRequired),
        (Step::Failed(Fault::Hang), ErrorCode::UpstreamTimeout),
    ] {
        let error = trouble(&broker, "/userinfo", step).await;
        assert_eq!(error.code(), code, "{error}");
    }
    assert!(broker.hostile.seen("/elsewhere").is_empty(), "no token follows a redirect");
    // Nobody is named, and the account tells no address.
    broker.hostile.set_userinfo(json!({"sub": "u-1", "email": ANN, "email_verified": false}));
    let browser = Browser::from_cookie(None, &broker.ambient);
    let nobody = Begin { user_email: None, ..begin() };
    let url = broker.connections.begin(nobody, Some(&browser)).await.unwrap().auth_url;
    let begun = consent(&broker, browser, &url);
    let result = complete(&broker.connections, &begun).await.unwrap().result;
    assert!(matches!(result, Err(Error::UserUnknown)), "{result:?}");
    assert!(listed(&broker).await.is_empty());
}

async fn answers_in_odd_dialects_are_taken(place: Place) {
    let broker = Broker::new(&place).await;
    for (expires_in, has_end) in [(json!("3600"), true), (json!(3600.0), true), (json!(null), false)] {
        broker.hostile.grants(|grants| grants.expires_in = expires_in.clone());
        let begun = begun(&broker).await;
        let connected = complete(&broker.connections, &begun).await.unwrap().result.unwrap();
        assert_eq!(connected.connection.expires_at().is_some(), has_end, "{expires_in}");
    }
    broker.hostile.set_userinfo(json!({"sub": 7, "email": "no address", "name": "\u{7}Ada\r\n\u{0}"}));
    let begun = begun(&broker).await;
    let connected = complete(&broker.connections, &begun).await.unwrap().result.unwrap();
    let account = connected.connection.account;
    assert_eq!((account.id.as_str(), account.email, account.name.as_deref()), ("7", None, Some("Ada")));
    assert_eq!(listed(&broker).await.len(), 2, "another account");
}

async fn of_two_callbacks_one_wins(place: Place) {
    let broker = Broker::new(&place).await;
    let replica = broker.replica().await;
    for round in 1..=3 {
        broker.hostile.script("/token", [Step::Late(Duration::from_millis(200))]);
        let begun = begun(&broker).await;
        let callbacks = [&broker.connections, &replica, &broker.connections];
        let ended =
            futures::future::join_all(callbacks.map(|connections| complete(connections, &begun))).await;
        let won = ended.iter().filter(|ended| matches!(ended, Ok(Completion { result: Ok(_), .. }))).count();
        let late = ended.iter().filter(|ended| matches!(ended, Err(Error::FlowRedeemed))).count();
        assert_eq!((won, late), (1, 2), "{ended:?}");
        assert_eq!(broker.hostile.seen("/token").len(), round, "a code is redeemed once");
        assert_eq!(listed(&broker).await.len(), 1);
    }
}

async fn two_flows_of_one_account_make_one_connection(place: Place) {
    let broker = Broker::new(&place).await;
    let replica = broker.replica().await;
    let (one, two, three) = (begun(&broker).await, begun(&broker).await, begun(&broker).await);
    let (one, two, three) = tokio::join!(
        complete(&broker.connections, &one),
        complete(&replica, &two),
        complete(&broker.connections, &three)
    );
    let ids = [one, two, three].map(|ended| ended.unwrap().result.unwrap().connection.id);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let listed = listed(&broker).await;
    assert_eq!(listed.iter().map(|each| each.is_default).collect::<Vec<_>>(), [true]);
    // The tokens that are kept are of one grant, and it works.
    let key =
        CredentialKey { tenant: "acme".parse().unwrap(), connection: ids[0].clone(), name: "main".into() };
    let token = broker.connections.vault().access_token(&key).await.unwrap();
    let access = text(Some(&token.secret));
    assert!(broker.hostile.grants(|grants| grants.is_live(&access)));
}

async fn what_the_database_does_not_take_is_not_there(place: Place) {
    let broker = Broker::new(&place).await;
    // In turn: the last table that is written, the first, and what says that a flow was taken.
    for (away, back, is_taken) in [
        ("ALTER TABLE credential RENAME TO away", "ALTER TABLE away RENAME TO credential", true),
        ("ALTER TABLE activity RENAME TO away", "ALTER TABLE away RENAME TO activity", true),
        ("ALTER TABLE redeemed_flow RENAME TO away", "ALTER TABLE away RENAME TO redeemed_flow", false),
    ] {
        let flow = begun(&broker).await;
        broker.run_sql(away).await;
        let ended = complete(&broker.connections, &flow).await;
        broker.run_sql(back).await;
        // A flow that was taken has an end of its own; one that was not is refused.
        assert_eq!(ended.is_ok(), is_taken, "{away}: {ended:?}");
        let error = ended.map_or_else(|error| error, |completion| completion.result.unwrap_err());
        assert_eq!(error.code(), ErrorCode::Internal, "{away}: {error}");
        assert!(listed(&broker).await.is_empty(), "{away}");
        let again = complete(&broker.connections, &flow).await;
        if is_taken {
            assert!(matches!(again, Err(Error::FlowRedeemed)), "{away}: {again:?}");
        }
    }
    assert_eq!(listed(&broker).await.len(), 1, "a flow that was not taken could be completed after all");
}
