//! A vendor that answers as it is told, and tells what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

/// What is answered once.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, Bytes),
    /// The same after a while.
    Slow(Duration, Box<Turn>),
    /// Nothing, ever.
    Hang,
    /// Half an answer, then the connection ends.
    Cut,
    /// Half an answer, then nothing.
    Stall,
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Debug, Default)]
struct Script {
    turns: VecDeque<Turn>,
    asked: Vec<Asked>,
    under_way: usize,
    most_under_way: usize,
}

/// A vendor on loopback.
pub(crate) struct FakeVendor {
    pub(crate) url: Url,
    script: Arc<Mutex<Script>>,
    server: tokio::task::JoinHandle<()>,
}

/// JSON with status 200.
pub(crate) fn good(body: &Value) -> Turn {
    status(200, body)
}

/// JSON with another status.
pub(crate) fn status(status: u16, body: &Value) -> Turn {
    with_headers(status, &[], body)
}

/// JSON with headers.
pub(crate) fn with_headers(status: u16, headers: &[(&'static str, &str)], body: &Value) -> Turn {
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    headers.push(("content-type", "application/json; charset=utf-8".to_owned()));
    Turn::Answer(status, headers, body.to_string().into())
}

impl FakeVendor {
    /// Answers in these turns; when they are over, `{"turn": n}`.
    pub(crate) async fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
        let script = Arc::new(Mutex::new(Script { turns: turns.into_iter().collect(), ..Script::default() }));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, script, server }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    /// What was asked, as method, path and query; the path without `root` before it.
    pub(crate) fn lines(&self, root: &str) -> Vec<String> {
        let line = |asked: Asked| {
            let uri = asked.uri.to_string();
            format!("{} {}", asked.method, uri.strip_prefix(root).unwrap_or(&uri))
        };
        self.asked().into_iter().map(line).collect()
    }

    /// The JSON that was sent with the call of this number, from 0.
    pub(crate) fn sent(&self, call: usize) -> Value {
        let asked = self.asked().swap_remove(call);
        assert_eq!(asked.header("content-type"), "application/json");
        serde_json::from_slice(&asked.body).unwrap()
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.script.lock().unwrap().asked.len()
    }

    pub(crate) fn under_way(&self) -> usize {
        self.script.lock().unwrap().under_way
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.script.lock().unwrap().most_under_way
    }

    /// Adds turns.
    pub(crate) fn then(&self, turns: impl IntoIterator<Item = Turn>) {
        self.script.lock().unwrap().turns.extend(turns);
    }
}

impl Drop for FakeVendor {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct UnderWay(Arc<Mutex<Script>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap().under_way -= 1;
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let (turn, _under_way) = {
        let mut state = script.lock().unwrap();
        state.asked.push(Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body });
        state.under_way += 1;
        state.most_under_way = state.most_under_way.max(state.under_way);
        let number = state.asked.len();
        let turn = state.turns.pop_front().unwrap_or_else(|| good(&serde_json::json!({"turn": number})));
        (turn, UnderWay(Arc::clone(&script)))
    };
    play(turn).await
}

/// The answer that a turn is.
pub(crate) async fn play(turn: Turn) -> Response {
    match turn {
        Turn::Answer(status, headers, body) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            response.headers_mut().remove("content-type");
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Turn::Slow(wait, turn) => {
            tokio::time::sleep(wait).await;
            Box::pin(play(*turn)).await
        }
        Turn::Hang => std::future::pending().await,
        Turn::Cut => {
            // Not at once: the half would never be sent.
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            });
            let half = stream::iter([Ok("{\"items\": [")]).chain(cut);
            ([("content-type", "application/json")], Body::from_stream(half)).into_response()
        }
        Turn::Stall => {
            let half = stream::iter([Ok::<_, Infallible>("{\"items\": [")]).chain(stream::pending());
            ([("content-type", "application/json")], Body::from_stream(half)).into_response()
        }
    }
}
