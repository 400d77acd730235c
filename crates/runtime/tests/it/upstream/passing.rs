//! What goes on and what comes back.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::BodyExt as _;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use runtime::upstream::Settings;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::server::{Act, Server, whole};
use super::{Front, MOUNT, client, settings};

#[tokio::test]
async fn a_request_goes_on_as_it_is_and_says_who_is_calling() {
    let server = Server::start(Act::Answer(whole("ok"))).await;
    let front = Front::before(&format!("{}/base/", server.url), settings()).await;
    let client = client();
    let answer = client.put(front.url("/a%20b/c;v=1/?q=%2F&q=2&session_token=canary"));
    let answer = answer.header("x-own", "1").header("cookie", "session=canary").bearer_auth("canary");
    let answer = answer.header("x-tenant-id", "canary").header("x-jackfield-context", "canary").body("hello");
    assert_eq!(answer.send().await.unwrap().text().await.unwrap(), "ok");
    let request = server.requests().pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("PUT /base/a%20b/c;v=1/?q=%2F&q=2 HTTP/1.1"));
    assert_eq!(body, "hello");
    assert!(!request.contains("canary"), "{request}");
    let value = |name: &str| {
        let of_it = |line: &str| line.strip_prefix(&format!("{name}: ")).map(str::to_owned);
        let values: Vec<_> = head.lines().filter_map(of_it).collect();
        assert_eq!(values.len(), 1, "{name} in {head}");
        values[0].clone()
    };
    for (name, expected) in [
        ("host", server.url.strip_prefix("http://").unwrap()),
        ("x-own", "1"),
        ("content-length", "5"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-host", "plugins.example"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "r1"),
    ] {
        assert_eq!(value(name), expected);
    }
    let claims = verified(&front, &value("x-jackfield-context")).await;
    for (name, expected) in [
        ("iss", "https://plugins.example"),
        ("aud", "plugin:notes"),
        ("sub", "u1"),
        ("email", "ann@acme.example"),
        ("name", "Ann Ą"),
        ("role", "admin"),
        ("tenantId", "acme"),
        ("pluginId", "notes"),
    ] {
        assert_eq!(claims[name], expected, "{claims}");
    }
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 60);
    client.get(front.url("")).send().await.unwrap();
    let again = server.requests().pop().unwrap();
    assert!(again.starts_with("GET /base HTTP/1.1\r\n"), "{again}");
    assert!(again.contains(&value("x-jackfield-context")), "a token is used for half its life");
}

async fn verified(front: &Front, token: &str) -> Value {
    let header = decode_header(token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("jackfield-context+jwt"), Algorithm::EdDSA));
    let keys: JwkSet = serde_json::from_value(front.signer.jwks().await.unwrap()).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["plugin:notes"]);
    decode(token, &key, &validation).unwrap().claims
}

#[tokio::test]
async fn an_answer_comes_back_without_what_would_act_on_this_origin() {
    let answer = "HTTP/1.1 201 Created\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
                  Access-Control-Allow-Origin: *\r\nX-Own: 1\r\nETag: \"e\"\r\nCache-Control: public\r\n\
                  Location: /new?x=1\r\nContent-Length: 4\r\n\r\n<hi>";
    let server = Server::start(Act::Answer(answer.into())).await;
    let told = Front::before(&server.url, settings()).await.get("/x").await.to_ascii_lowercase();
    for line in [
        "http/1.1 201 created\r\n".to_owned(),
        "\r\ncontent-type: text/html\r\n".to_owned(),
        "\r\nx-own: 1\r\n".to_owned(),
        "\r\netag: \"e\"\r\n".to_owned(),
        "\r\ncontent-length: 4\r\n".to_owned(),
        "\r\ncache-control: no-store\r\n".to_owned(),
        "\r\nx-content-type-options: nosniff\r\n".to_owned(),
        "; sandbox; ".to_owned(),
        format!("\r\nlocation: {MOUNT}/new?x=1\r\n"),
        "\r\n\r\n<hi>".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
    }
    assert!(!told.contains("set-cookie") && !told.contains("access-control"), "{told}");
}

#[tokio::test]
async fn the_head_alone_tells_the_length_of_what_does_not_follow() {
    let server =
        Server::start(Act::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_vec())).await;
    let front = Front::before(&server.url, settings()).await;
    let request = format!("HEAD {MOUNT}/x HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n");
    for _ in 0..3 {
        let told = front.raw(request.as_bytes()).await.to_ascii_lowercase();
        assert!(told.contains("content-length: 1234\r\n") && told.ends_with("\r\n\r\n"), "{told}");
    }
    assert_eq!(server.connections(), 1, "connections are used again");
}

#[tokio::test]
async fn a_head_tells_no_length_that_is_not_known() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Own: 1\r\n\r\n".to_vec();
    let server = Server::start(Act::Answer(chunked)).await;
    let front = Front::before(&server.url, settings()).await;
    let request = format!("HEAD {MOUNT}/x HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n");
    let told = front.raw(request.as_bytes()).await.to_ascii_lowercase();
    assert!(told.contains("x-own: 1\r\n") && told.ends_with("\r\n\r\n"), "{told}");
    assert!(!told.contains("content-length"), "{told}");
}

/// A server in the usual way.
async fn served(router: Router) -> Front {
    served_within(router, settings()).await
}

async fn served_within(router: Router, bounds: Settings) -> Front {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Front::before(&url, bounds).await
}

#[tokio::test]
async fn bodies_go_both_ways_at_the_same_time() {
    let echo = |request: Request| async { Response::new(request.into_body()) };
    let front = served(Router::new().fallback(echo)).await;
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let pieces = stream::unfold(receiver, |mut receiver| async {
        Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
    });
    let body = reqwest::Body::wrap_stream(pieces);
    let answer = client().post(front.url("/echo")).body(body).send().await.unwrap();
    let mut back = answer.bytes_stream();
    for number in 0..10 {
        let piece = Bytes::from(format!("piece {number}"));
        sender.send(piece.clone()).await.unwrap();
        // Each comes back before the next one is sent.
        assert_eq!(back.next().await.unwrap().unwrap(), piece);
    }
    drop(sender);
    assert!(back.next().await.is_none());
}

#[tokio::test]
async fn what_nobody_takes_is_not_read() {
    const PIECES: usize = 600;
    let (sender, mut receiver) = mpsc::channel::<usize>(100_000);
    let flood = move |_: Request| {
        let sender = sender.clone();
        let pieces = stream::iter(0..).map(move |number| {
            let _ = sender.try_send(number);
            Ok::<_, Infallible>(Bytes::from(vec![b'x'; 64 * 1024]))
        });
        async { Response::new(Body::from_stream(pieces.take(PIECES))) }
    };
    let bounds = Settings { max_answer: 1 << 30, ..settings() };
    let front = served_within(Router::new().fallback(flood), bounds).await;
    let answer = client().get(front.url("/flood")).send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut made = 0;
    while receiver.try_recv().is_ok() {
        made += 1;
    }
    assert!(made < PIECES, "the sockets' buffers hold some, and then the server waits: {made}");
    let whole: usize = answer
        .bytes_stream()
        .map_ok(|piece| piece.len())
        .try_fold(0, |a, b| async move { Ok(a + b) })
        .await
        .unwrap();
    assert_eq!(whole, PIECES * 64 * 1024);
}

#[tokio::test]
async fn a_caller_may_take_its_time() {
    const SIZE: usize = 32 * 1024 * 1024;
    let large = |_: Request| async { Response::new(Body::from(vec![b'x'; SIZE])) };
    let bounds = Settings { max_answer: 1 << 30, ..settings() };
    let front = served_within(Router::new().fallback(large), bounds).await;
    let mut answer = client().get(front.url("/large")).send().await.unwrap();
    let mut bytes = answer.chunk().await.unwrap().unwrap().len();
    // The bound of silence is the server's, which now waits for the caller.
    tokio::time::sleep(bounds.idle * 3).await;
    while let Some(piece) = answer.chunk().await.unwrap() {
        bytes += piece.len();
    }
    assert_eq!(bytes, SIZE);
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let echo = |request: Request| async {
        let collected = request.into_body().collect().await.unwrap();
        let sum = collected.trailers().unwrap()["x-sum"].clone();
        let trailers =
            [("x-sum", sum), ("set-cookie", "a=b".parse().unwrap()), ("x-unnamed", "1".parse().unwrap())];
        let trailers = trailers.map(|(name, value)| (http::HeaderName::from_static(name), value));
        // Trailers follow chunks alone.
        let body = Body::from_stream(stream::iter([Ok::<_, Infallible>(Bytes::from("hello"))]))
            .with_trailers(async move { Some(Ok(trailers.into_iter().collect())) });
        let mut response = Response::new(Body::new(body));
        response.headers_mut().insert("trailer", "x-sum, set-cookie".parse().unwrap());
        response
    };
    let front = served(Router::new().fallback(echo)).await;
    let request = format!(
        "POST {MOUNT}/x HTTP/1.1\r\nHost: front\r\nTE: trailers\r\nConnection: close, TE\r\nTrailer: X-Sum\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"
    );
    let told = front.raw(request.as_bytes()).await.to_ascii_lowercase();
    assert!(told.contains("trailer: x-sum") && told.ends_with("0\r\nx-sum: 42\r\n\r\n"), "{told}");
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_request() {
    let server = Server::start(Act::AnswerAndClose(whole("ok"))).await;
    let front = Front::before(&server.url, settings()).await;
    let client = client();
    for number in 0..20 {
        let answer = client.post(front.url("/x")).body("hello").send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "ok", "request {number}");
    }
    assert_eq!(server.requests().len(), 20, "each is sent once");
}
