//! Listening at a token endpoint.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Passes requests on to a token endpoint, and remembers them with their answers.
#[derive(Clone)]
pub(super) struct Tap {
    url: String,
    target: String,
    client: reqwest::Client,
    heard: Arc<Mutex<Vec<Exchange>>>,
}

/// A token request and its answer.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) request: BTreeMap<String, String>,
    pub(super) answer: Value,
}

impl Exchange {
    pub(super) fn given(&self, name: &str) -> &str {
        self.request.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn answered(&self, name: &str) -> &str {
        self.answer[name].as_str().unwrap_or_default()
    }

    /// Every value of it that nobody else may see.
    pub(super) fn secrets(&self) -> Vec<String> {
        let given = ["code", "code_verifier", "refresh_token", "client_secret"].map(|name| self.given(name));
        let answered = ["access_token", "refresh_token", "id_token"].map(|name| self.answered(name));
        given.iter().chain(&answered).filter(|text| !text.is_empty()).map(|text| (*text).to_owned()).collect()
    }
}

impl Tap {
    /// Listens before `target`. Its server ends with the test's runtime.
    pub(super) async fn start(target: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tap = Self {
            url: format!("http://{}/token", listener.local_addr().unwrap()),
            target: target.to_owned(),
            client: reqwest::Client::builder().build().unwrap(),
            heard: Arc::default(),
        };
        let app = Router::new().route("/token", axum::routing::post(pass_on)).with_state(tap.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        tap
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What passed so far.
    pub(super) fn heard(&self) -> Vec<Exchange> {
        self.heard.lock().unwrap().clone()
    }

    /// What passed last.
    #[track_caller]
    pub(super) fn last(&self) -> Exchange {
        self.heard().pop().expect("a token request was sent")
    }
}

async fn pass_on(State(tap): State<Tap>, headers: HeaderMap, body: Bytes) -> Response {
    let request = url::form_urlencoded::parse(&body).into_owned().collect();
    let mut onward = tap.client.post(&tap.target).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT] {
        if let Some(value) = headers.get(&name) {
            onward = onward.header(name, value);
        }
    }
    let answer = onward.send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let answer: Value = answer.json().await.unwrap();
    tap.heard.lock().unwrap().push(Exchange { request, answer: answer.clone() });
    (status, axum::Json(answer)).into_response()
}
