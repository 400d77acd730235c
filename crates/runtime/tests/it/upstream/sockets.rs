//! WebSockets through the front.

use std::num::NonZeroUsize;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use hyper_util::rt::TokioIo;
use runtime::upstream::Settings;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::server::{Act, Server, whole};
use super::{Front, MOUNT, later, settings};

/// Sends back what it is sent, after the headers that it was asked with.
async fn echo(mut request: Request) -> Response {
    let key = request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes().to_vec();
    let headers: HeaderMap = request.headers().clone();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        socket.send(Message::text(format!("{headers:?}"))).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let response = response.header("connection", "upgrade").header("upgrade", "websocket");
    let response = response.header("sec-websocket-accept", derive_accept_key(&key));
    response.header("set-cookie", "a=b").body(axum::body::Body::empty()).unwrap()
}

async fn echoing() -> Front {
    echoing_within(settings()).await
}

async fn echoing_within(bounds: Settings) -> Front {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/chat", any(echo));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Front::before(&url, bounds).await
}

fn wish(front: &Front) -> http::Request<()> {
    let mut request = format!("ws://{}{MOUNT}/chat", front.address).into_client_request().unwrap();
    request.headers_mut().insert("cookie", "session=canary".parse().unwrap());
    request.headers_mut().insert("authorization", "Bearer canary".parse().unwrap());
    request
}

#[tokio::test]
async fn a_socket_goes_through_both_ways() {
    let front = echoing().await;
    let (mut socket, answer) = tokio_tungstenite::connect_async(wish(&front)).await.unwrap();
    assert!(!answer.headers().contains_key("set-cookie"));
    let headers = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(headers.contains("x-jackfield-context") && !headers.contains("canary"), "{headers}");
    for size in [1, 1000, 200_000] {
        let bytes = vec![b'x'; size];
        socket.send(Message::binary(bytes.clone())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().into_data(), bytes);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn a_socket_ends_with_this_server() {
    let front = echoing().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(wish(&front)).await.unwrap();
    assert!(socket.next().await.unwrap().is_ok());
    front.ending.cancel();
    assert_eq!(closed(&mut socket).await, CloseCode::Away);
}

/// The code with which a socket is closed.
async fn closed(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> CloseCode {
    match tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => frame.code,
        other => panic!("it is closed: {other:?}"),
    }
}

#[tokio::test]
async fn a_socket_ends_with_the_installation() {
    let front = echoing().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(wish(&front)).await.unwrap();
    assert!(socket.next().await.unwrap().is_ok());
    // By then it is uninstalled.
    later(Duration::from_secs(61)).await;
    assert_eq!(closed(&mut socket).await, CloseCode::Policy);
}

#[tokio::test]
async fn a_socket_is_a_request_under_way() {
    let front = echoing_within(Settings { concurrency: NonZeroUsize::MIN, ..settings() }).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(wish(&front)).await.unwrap();
    assert!(socket.next().await.unwrap().is_ok());
    assert_eq!(front.passed("/chat").await, "rate_limited");
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    drop(socket);
    let mut told = String::new();
    for _ in 0..100 {
        told = front.passed("/elsewhere").await;
        if told == "404" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told, "404", "its place comes free");
}

#[tokio::test]
async fn a_server_that_does_not_agree_as_the_standard_says_gets_no_socket() {
    let wrong = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    let h2 = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    for answer in [wrong.into(), h2.into(), whole("no socket here")] {
        let server = Server::start(Act::Answer(answer)).await;
        let front = Front::before(&server.url, settings()).await;
        let refused = tokio_tungstenite::connect_async(wish(&front)).await;
        assert!(matches!(refused, Err(Error::Http(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_no_socket_is_a_request_as_any_other() {
    let server = Server::start(Act::Answer(whole("ok"))).await;
    let front = Front::before(&server.url, settings()).await;
    for (method, lines) in [
        ("GET", "Connection: upgrade\r\nUpgrade: h2c"),
        ("GET", "Connection: upgrade\r\nUpgrade: websocket"),
        ("GET", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA"),
        (
            "POST",
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA",
        ),
    ] {
        let request = format!(
            "{method} {MOUNT}/x HTTP/1.1\r\nHost: front\r\n{lines}\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n"
        );
        assert!(front.raw(request.as_bytes()).await.contains("ok"), "{lines}");
        let sent = server.requests().pop().unwrap().to_ascii_lowercase();
        assert!(!sent.contains("upgrade") && !sent.contains("sec-websocket"), "{lines}: {sent}");
    }
}
