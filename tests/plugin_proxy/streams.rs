//! What has no size and no end: bodies in both directions, trailers, WebSockets.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures::{SinkExt as _, StreamExt as _, stream};
use reqwest::Method;
use serde_json::json;
use testkit::{Backend, SECRET, token_samples};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{PROXY, ann, ann_token, raw, start};
use crate::deployment::{Deployment, on_both_backends};

on_both_backends!(
    bodies_go_both_ways_at_the_same_time,
    more_than_any_limit_of_other_routes_goes_up,
    trailers_go_both_ways,
    a_socket_goes_through,
    a_socket_is_for_who_means_it,
    sockets_do_not_keep_the_server_from_ending,
);

async fn bodies_go_both_ways_at_the_same_time(backend: Backend) {
    let (deployment, _upstream) = start(backend, |builder| builder.set("REQUEST_DEADLINE", "1")).await;
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let pieces = stream::unfold(receiver, |mut receiver| async {
        Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
    });
    let request = ann(&deployment, Method::POST, "/echo").body(reqwest::Body::wrap_stream(pieces));
    let mut back = request.send().await.unwrap().bytes_stream();
    // Together longer than other requests may take.
    for number in 0..5 {
        let piece = Bytes::from(format!("piece {number}"));
        sender.send(piece.clone()).await.unwrap();
        assert_eq!(back.next().await.unwrap().unwrap(), piece);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    drop(sender);
    assert!(back.next().await.is_none());
}

async fn more_than_any_limit_of_other_routes_goes_up(backend: Backend) {
    let (deployment, _upstream) = start(backend, |builder| builder.set("MAX_BODY_SIZE", "1KiB")).await;
    let before = deployment.resident_bytes().unwrap();
    let size = 48 * 1024 * 1024;
    let answer = ann(&deployment, Method::POST, "/echo").body(vec![b'x'; size]).send().await.unwrap();
    let mut pieces = answer.bytes_stream();
    let mut back = 0;
    while let Some(piece) = pieces.next().await {
        back += piece.unwrap().len();
    }
    assert_eq!(back, size);
    let grown = deployment.resident_bytes().unwrap().saturating_sub(before);
    assert!(grown < 24 * 1024 * 1024, "it is not held in memory: {grown}");
}

async fn trailers_go_both_ways(backend: Backend) {
    let (deployment, _upstream) = start(backend, |builder| builder).await;
    let lines = "TE: trailers\r\nConnection: close, TE\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n";
    let told = raw(&deployment, &format!("POST {PROXY}/trailers"), lines).await.to_ascii_lowercase();
    assert!(told.contains("trailer: x-sum") && told.ends_with("hello\r\n0\r\nx-sum: 42\r\n\r\n"), "{told}");
}

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn socket(deployment: &Deployment, headers: &[(&'static str, String)]) -> Result<Socket, Error> {
    let url = format!("{}{PROXY}/chat", deployment.base().replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

fn bearer() -> (&'static str, String) {
    ("authorization", format!("Bearer {}", ann_token()))
}

async fn echoed(socket: &mut Socket, message: Message) {
    socket.send(message.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), message);
}

async fn a_socket_goes_through(backend: Backend) {
    let (deployment, upstream) = start(backend, |builder| builder.set("REQUEST_DEADLINE", "0.3")).await;
    let mut socket = socket(&deployment, &[bearer()]).await.unwrap();
    echoed(&mut socket, Message::text("zażółć")).await;
    echoed(&mut socket, Message::binary(vec![7; 300_000])).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    echoed(&mut socket, Message::text("still there")).await;
    socket.close(None).await.unwrap();
    let asked = upstream.asked();
    assert!(asked[0].headers.contains_key("x-jackfield-context"));
    assert!(!format!("{asked:?}").contains(&ann_token()));
}

async fn a_socket_is_for_who_means_it(backend: Backend) {
    let (deployment, upstream) =
        start(backend, |builder| builder.set("ALLOWED_ORIGINS", "https://shop.example")).await;
    let samples =
        token_samples(&json!({"jwtSecret": SECRET, "nextauthSecret": SECRET, "authSecret": SECRET}));
    let cookie = ("cookie", samples.unwrap()["sessions"][0]["cookie"].as_str().unwrap().to_owned());
    let refused = |result: Result<Socket, Error>| match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("it is refused: {other:?}"),
    };
    assert_eq!(refused(socket(&deployment, &[]).await), 401);
    for origin in ["https://evil.example", "null"] {
        let headers = [cookie.clone(), ("origin", origin.to_owned())];
        assert_eq!(refused(socket(&deployment, &headers).await), 403, "{origin}");
    }
    assert!(upstream.asked().is_empty());
    let headers = [cookie, ("origin", "https://shop.example".to_owned())];
    let mut own = socket(&deployment, &headers).await.unwrap();
    echoed(&mut own, Message::text("hello")).await;
}

async fn sockets_do_not_keep_the_server_from_ending(backend: Backend) {
    let (mut deployment, _upstream) = start(backend, |builder| builder).await;
    let mut open = socket(&deployment, &[bearer()]).await.unwrap();
    echoed(&mut open, Message::text("hello")).await;
    let began = Instant::now();
    deployment.server.signal("TERM").unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), open.next()).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = ended else { panic!("it is closed: {ended:?}") };
    assert_eq!(frame.code, CloseCode::Away);
    assert!(deployment.server.wait().unwrap().success(), "{}", deployment.server.log());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}
