//! A plugin's own server. It ends with the test's runtime.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use futures::{SinkExt as _, StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What it was asked, but for bodies.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

#[derive(Clone)]
pub(super) struct Upstream {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = Self { url, asked: Arc::default() };
        let router = Router::new().fallback(answer).with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        upstream
    }

    /// What it was asked since this was called last.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The lines of what it was asked since then.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.uri)).collect()
    }
}

async fn answer(State(upstream): State<Upstream>, request: Request) -> Response {
    let (method, uri, headers) =
        (request.method().to_string(), request.uri().clone(), request.headers().clone());
    upstream.asked.lock().unwrap().push(Asked { method, uri: uri.clone(), headers });
    match uri.path() {
        "/base/echo" => Response::new(request.into_body()),
        "/base/page" => {
            let headers = [
                ("content-type", "text/html"),
                ("set-cookie", "authjs.session-token=x"),
                ("cache-control", "public"),
            ];
            (StatusCode::CREATED, headers, "<script>alert(document.domain)</script>").into_response()
        }
        "/base/moved" => (StatusCode::FOUND, [("location", "/base/there?x=1")]).into_response(),
        "/base/away" => (StatusCode::FOUND, [("location", "https://pay.example/checkout")]).into_response(),
        "/base/flood" => {
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(piece.clone()))).into_response()
        }
        "/base/silence" => {
            let never = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"first")) });
            Body::from_stream(never.chain(stream::pending())).into_response()
        }
        "/base/hang" => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            "late".into_response()
        }
        "/base/trailers" => trailers(request).await,
        "/base/chat" => chat(request),
        _ => "ok".into_response(),
    }
}

/// Sends the body back, and the request's trailers as the answer's.
async fn trailers(request: Request) -> Response {
    let collected = request.into_body().collect().await.unwrap();
    let sum = collected.trailers().unwrap()["x-sum"].clone();
    let trailers = [(HeaderName::from_static("x-sum"), sum)].into_iter().collect();
    // Trailers follow chunks alone.
    let body = Body::from_stream(stream::iter([Ok::<_, Infallible>(collected.to_bytes())]));
    let body = body.with_trailers(async move { Some(Ok(trailers)) });
    ([("trailer", "x-sum")], Body::new(body)).into_response()
}

/// A WebSocket on which everything comes back.
fn chat(mut request: Request) -> Response {
    let Some(key) = request.headers().get("sec-websocket-key").cloned() else {
        return StatusCode::UPGRADE_REQUIRED.into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let accept = derive_accept_key(key.as_bytes());
    let headers =
        [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", accept.as_str())];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
