//! What is known of a call that failed: whether it may be repeated, and when.

use std::time::{Duration, Instant};

use connections::connection::Tokens;
use connections::protocol::{CallError, Http, HttpConfig, Sent};
use model::Ambient;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use url::Url;

use crate::hostile_provider::{Fault, HostileProvider, Speaker, Step};

const SHORT: Duration = Duration::from_millis(300);
const AMPLE: Duration = Duration::from_secs(10);

async fn refreshed(speaker: &Speaker, tokens: &Tokens) -> Result<Tokens, CallError> {
    speaker.client().refresh("main", tokens.refresh.as_ref().unwrap()).await
}

/// What becomes of a refresh that meets `step` and must end within `deadline`.
async fn outcome_within(deadline: Duration, step: Step) -> Result<Tokens, CallError> {
    let hostile = HostileProvider::start().await;
    let tokens = hostile.issue();
    hostile.script("/token", [step]);
    refreshed(&Speaker::within(deadline, &hostile), &tokens).await
}

/// What becomes of a refresh that meets `step`, with time to spare.
async fn outcome(step: Step) -> Result<Tokens, CallError> {
    outcome_within(AMPLE, step).await
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_the_outcome_open() {
    for fault in [Fault::Hang, Fault::CutOff, Fault::Trickle] {
        for step in [Step::Lost(fault), Step::Failed(fault)] {
            let begun = Instant::now();
            let error = outcome_within(SHORT, step).await.unwrap_err();
            assert_eq!(error, CallError::Unreachable(Sent::Maybe), "{fault:?}");
            assert!(begun.elapsed() < AMPLE, "the deadline is of the whole: {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_late_answer_is_taken_within_the_deadline_only() {
    outcome(Step::Late(SHORT)).await.unwrap();
    let late = outcome_within(SHORT, Step::Late(AMPLE)).await.unwrap_err();
    assert_eq!(late, CallError::Unreachable(Sent::Maybe));
}

#[tokio::test]
async fn a_rotation_whose_answer_was_lost_has_happened_all_the_same() {
    let hostile = HostileProvider::start().await;
    let (speaker, tokens) = (Speaker::to(&hostile), hostile.issue());
    hostile.script("/token", [Step::Lost(Fault::CutOff)]);
    assert_eq!(refreshed(&speaker, &tokens).await.unwrap_err(), CallError::Unreachable(Sent::Maybe));
    assert_eq!(hostile.grants(|grants| grants.redemptions), 1);
    assert_eq!(hostile.seen("/token").len(), 1, "nothing is repeated unasked");
    assert_eq!(refreshed(&speaker, &tokens).await.unwrap_err(), CallError::InvalidGrant);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_was_sent_nothing() {
    let hostile = HostileProvider::start().await;
    let tokens = hostile.issue();
    let mut speaker = Speaker::within(SHORT, &hostile);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed_port = closed.local_addr().unwrap().port();
    drop(closed);
    // In turn: nobody listens, TLS is never spoken, TLS is answered with HTTP, and there is no such host.
    speaker.http = quick_to_connect();
    for url in [
        format!("http://127.0.0.1:{closed_port}/token"),
        format!("https://127.0.0.1:{silent_port}/token"),
        hostile.url("/token").to_string().replace("http:", "https:"),
        "https://no-such-host.invalid/token".to_owned(),
    ] {
        speaker.resolved.token = Some(Url::parse(&url).unwrap());
        let error = refreshed(&speaker, &tokens).await.unwrap_err();
        assert_eq!(error, CallError::Unreachable(Sent::No), "{url}");
    }
    speaker.resolved.token = None;
    assert_eq!(refreshed(&speaker, &tokens).await.unwrap_err(), CallError::Unreachable(Sent::No));
}

/// Reaching the provider may take less time than the whole call, as always outside of tests.
fn quick_to_connect() -> Http {
    let config = HttpConfig { connect_timeout: SHORT, deadline: AMPLE, ..HttpConfig::default() };
    Http::new(&config, Ambient::system()).unwrap()
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_leaves_the_outcome_open() {
    let hostile = HostileProvider::start().await;
    let tokens = hostile.issue();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut speaker = Speaker::to(&hostile);
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    speaker.resolved.token = Some(Url::parse(&url).unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read(&mut [0; 4096]).await.unwrap()
    });
    assert_eq!(refreshed(&speaker, &tokens).await.unwrap_err(), CallError::Unreachable(Sent::Maybe));
    assert!(server.await.unwrap() > 0);
}

#[tokio::test]
async fn a_refusal_is_known_by_its_status_though_its_body_never_comes() {
    let hostile = HostileProvider::start().await;
    let tokens = hostile.issue();
    let speaker = Speaker::within(SHORT * 5, &hostile);
    for fault in [Fault::CutOff, Fault::Trickle] {
        hostile.script("/token", [Step::Refused(fault)]);
        let error = refreshed(&speaker, &tokens).await.unwrap_err();
        assert_eq!(error, CallError::Refused { code: "http_400".to_owned() }, "{fault:?}");
    }
}

#[tokio::test]
async fn redirects_are_refused_and_lead_nowhere() {
    for status in [301, 302, 303, 307, 308] {
        let hostile = HostileProvider::start().await;
        let tokens = hostile.issue();
        hostile.script("/token", [Step::redirect(status, hostile.url("/elsewhere").as_str())]);
        let error = refreshed(&Speaker::to(&hostile), &tokens).await.unwrap_err();
        assert_eq!(error, CallError::Malformed("redirect"), "{status}");
        assert!(hostile.seen("/elsewhere").is_empty());
    }
}

#[tokio::test]
async fn trouble_and_limits_say_when_to_come_back() {
    let after = Some(Duration::from_secs(17));
    for status in [500, 502, 503, 504] {
        let step = Step::say(status, "text/html", "<h1>Oops</h1>").with_header("retry-after", "17");
        let expected = CallError::Unavailable { status, retry_after: after };
        assert_eq!(outcome(step).await.unwrap_err(), expected);
    }
    let expected = CallError::RateLimited { retry_after: after };
    let step = Step::say(429, "text/plain", "").with_header("retry-after", "17");
    assert_eq!(outcome(step).await.unwrap_err(), expected);
    let step =
        Step::json(200, &json!({"ok": false, "error": "ratelimited"})).with_header("retry-after", "17");
    assert_eq!(outcome(step).await.unwrap_err(), expected);
    let step = Step::say(429, "text/plain", "")
        .with_header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
        .with_header("retry-after", "Sun, 06 Nov 1994 08:49:54 GMT");
    assert_eq!(outcome(step).await.unwrap_err(), expected);
    assert_eq!(
        outcome(Step::say(429, "", "")).await.unwrap_err(),
        CallError::RateLimited { retry_after: None }
    );
}
