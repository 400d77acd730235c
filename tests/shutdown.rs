//! Stopping: requests in flight finish, new ones are refused, a second signal does not wait.

use std::time::{Duration, Instant};

use model::Role;
use testkit::{TestServer, token};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server;

const BODY: &str = r#"{"name":"slow"}"#;

/// A request that is half sent: the server has its head and waits for its body.
async fn half_a_request(server: &TestServer) -> TcpStream {
    let address = server.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api-keys HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        token("acme", Role::Admin),
        BODY.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&BODY.as_bytes()[..5]).await.unwrap();
    // Another request, answered whole, proves that the server has had time to read the first.
    for _ in 0..3 {
        server.get("/health/ready").send().await.unwrap();
    }
    stream
}

async fn wait_until_logged(server: &TestServer, text: &str) {
    let started = Instant::now();
    while !server.log().contains(text) {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_request_in_flight_is_finished() {
    let mut server = server().start().unwrap();
    let mut stream = half_a_request(&server).await;
    server.signal("TERM").unwrap();
    wait_until_logged(&server, "stopping once").await;
    assert!(server.get("/health").send().await.is_err(), "a new connection was taken");

    stream.write_all(&BODY.as_bytes()[5..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(server.wait().unwrap().success(), "{}", server.log());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_at_the_deadline() {
    let mut server = server().set("SHUTDOWN_DEADLINE", "0.2").start().unwrap();
    let _stream = half_a_request(&server).await;
    server.signal("TERM").unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(1));
    let log = server.log();
    assert!(log.contains("cut off"), "{log}");
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let mut server = server().start().unwrap();
    let _stream = half_a_request(&server).await;
    server.signal("INT").unwrap();
    wait_until_logged(&server, "stopping once").await;
    let told = Instant::now();
    server.signal("INT").unwrap();
    assert!(!server.wait().unwrap().success());
    assert!(told.elapsed() < Duration::from_secs(5), "it waited {:?}", told.elapsed());
}
