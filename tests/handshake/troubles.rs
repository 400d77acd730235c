//! The platform's authorization server is down or answers nonsense: nobody is asked to consent again because of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use testkit::{Backend, Browser, Certificate, LexmodoOptions, LexmodoServer, Page};

use super::{PLUGIN_PAGE, Plugin, assert_ready, button, parameter, path, session_token};
use crate::deployment::{Answer, on_both_backends};

on_both_backends!(trouble_at_the_platform_passes);

/// What stands before the token endpoint, and what it does.
#[derive(Clone)]
struct Gate {
    url: String,
    mode: Arc<Mutex<Mode>>,
}

#[derive(Clone)]
enum Mode {
    PassOn(String),
    Answer(u16, &'static str),
}

impl Gate {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let gate = Self { url, mode: Arc::new(Mutex::new(Mode::Answer(500, ""))) };
        let app = Router::new().route("/token", axum::routing::post(token)).with_state(gate.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        gate
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }
}

async fn token(State(gate): State<Gate>, headers: HeaderMap, body: Bytes) -> Response {
    let mode = gate.mode.lock().unwrap().clone();
    let target = match mode {
        Mode::PassOn(target) => target,
        Mode::Answer(status, text) => return (StatusCode::from_u16(status).unwrap(), text).into_response(),
    };
    let mut onward = reqwest::Client::builder().build().unwrap().post(target).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT] {
        onward = onward.header(&name, headers[&name].clone());
    }
    let answer = onward.send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    (status, axum::Json(answer.json::<serde_json::Value>().await.unwrap())).into_response()
}

/// The page that says to try again: with a time, without a question.
#[track_caller]
fn assert_trouble(page: &Answer) {
    assert!((502..=504).contains(&page.status), "{}: {}", page.status, page.text);
    let patience: u64 = page.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=600).contains(&patience), "{patience}");
    assert!(!page.text.contains("<form") && !page.text.contains("<script"), "{}", page.text);
    assert!(page.text.contains(PLUGIN_PAGE), "{}", page.text);
}

async fn trouble_at_the_platform_passes(backend: Backend) {
    let gate = Gate::start().await;
    let plugin = Plugin::start_with(backend, |_, builder| builder.set("TOKEN_URL", &gate.url));
    let healthy = Mode::PassOn(format!("{}/token", plugin.provider.base()));
    let browser = Browser::naming_sites().unwrap();

    for mode in [
        Mode::Answer(503, "busy"),
        Mode::Answer(200, "<html>Maintenance</html>"),
        Mode::Answer(200, r#"{"token_type": "bearer"}"#),
    ] {
        gate.set(mode);
        let page = plugin.open(&browser, 7).await;
        let sent = browser.submit(&button(&page)).await.unwrap();
        let cookie = sent.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let question = sent.location.unwrap();
        let answer = plugin.provider.consent_in(&browser, question.as_str(), "ann", &[]).await.unwrap();
        let request = plugin.deployment.server.get(&path(&plugin.passed_on(&answer)));
        let page = Answer::of(request.header("accept", "text/html").header("cookie", cookie)).await;
        assert_trouble(&page);
        assert!(page.text.contains("Your store was not connected"), "{}", page.text);
        assert!(!page.text.contains("Maintenance"), "{}", page.text);
        assert!(plugin.connections("lexmodo:7").await.is_empty());
    }

    gate.set(healthy.clone());
    plugin.provider.set_access_token_lifetime(Duration::from_secs(2)).await.unwrap();
    plugin.connect(&browser, 7, "ann").await;
    gate.set(Mode::Answer(503, "Maintenance"));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let opened = format!("/callback?session_token={}", session_token(7));
    let page = plugin.look(&opened).await;
    assert_trouble(&page);
    assert!(page.text.contains("Your store is still connected."), "{}", page.text);
    assert!(page.text.contains("<a class=\"button\" href=\"\">Try again</a>"), "{}", page.text);
    let program = plugin.deployment.get(&opened).await;
    assert!(program.headers.contains_key("retry-after"), "{:?}", program.headers);
    program.problem("upstream_unavailable");

    gate.set(healthy);
    let page = recovered(&plugin, &browser).await;
    assert_ready(&page, 7);

    // After nonsense nobody knows whether the refresh token was used up: what the platform rotates is not sent twice, so that
    // the store is asked once more.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    gate.set(Mode::Answer(200, "<html>Maintenance</html>"));
    let page = plugin.open(&browser, 7).await;
    gate.set(Mode::PassOn(format!("{}/token", plugin.provider.base())));
    let back = plugin.consent(&browser, &page, "ann").await;
    assert_eq!(browser.get(back.as_str()).await.unwrap().status, 303);
    assert_ready(&plugin.open(&browser, 7).await, 7);
    assert_eq!(plugin.connections("lexmodo:7").await.len(), 1);
}

/// What is wrong is the operator's to know: the log names the setting, and nothing of what was to be sent.
#[tokio::test]
async fn an_untrusted_token_endpoint_is_told_in_the_log() {
    let tls = Some(Certificate::new().unwrap());
    let server = LexmodoServer::start(LexmodoOptions { customers: 1, tls, port: None }).unwrap();
    let plugin = Plugin::start_with(Backend::files(), |_, builder| {
        builder.set("TOKEN_URL", format!("{}/token?hush=hush", server.address()))
    });
    let browser = Browser::naming_sites().unwrap();
    let page = plugin.open(&browser, 7).await;
    let back = plugin.consent(&browser, &page, "ann").await;
    let failed = browser.get(back.as_str()).await.unwrap();
    assert_eq!(failed.status, 502, "{}", failed.body);
    assert!(!failed.body.contains("EXTRA_CA_FILE"), "{}", failed.body);
    let log = plugin.deployment.log();
    let told = log.lines().find(|line| line.contains("EXTRA_CA_FILE")).expect(&log);
    assert!(
        told.contains("WARN") && told.contains("UnknownIssuer") && told.contains(&server.address()),
        "{told}"
    );
    assert!(!log.contains("hush") && !log.contains(&parameter(&back, "code")), "{log}");
}

/// The page once the platform is asked again.
async fn recovered(plugin: &Plugin, browser: &Browser) -> Page {
    for _ in 0..60 {
        let page = plugin.open(browser, 7).await;
        if page.status == 200 {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the platform is not asked again within 30 seconds");
}
