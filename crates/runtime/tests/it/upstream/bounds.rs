//! How much, how long and how many: the bounds that hold for callers, and the rest of a server that is away.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures::future::join_all;
use runtime::upstream::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::server::{Act, Server, whole};
use super::{Front, MOUNT, deployment, guard, later, settings};

async fn post(front: &Front, headers: &str, pieces: &[&[u8]], pause: Duration) -> String {
    let mut stream = TcpStream::connect(&front.address).await.unwrap();
    let head = format!("POST {MOUNT}/up HTTP/1.1\r\nHost: front\r\nConnection: close\r\n{headers}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let send = async {
        for piece in pieces {
            // Who is refused before all is sent is cut off.
            if write.write_all(piece).await.is_err() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
    };
    let mut answer = Vec::new();
    let receive = tokio::time::timeout(Duration::from_secs(10), read.read_to_end(&mut answer));
    let ((), received) = tokio::join!(send, receive);
    received.unwrap().ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let server = Server::start(Act::Answer(whole("ok"))).await;
    let front = Front::before(&server.url, settings()).await;
    let told = post(&front, "Content-Length: 10737418240", &[b"x"], Duration::ZERO).await;
    assert!(told.contains("refused payload_too_large "), "{told}");
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 65536], b"\r\n".to_vec()].concat();
    let many = vec![chunk.as_slice(); 32];
    let told = post(&front, "Transfer-Encoding: chunked", &many, Duration::ZERO).await;
    assert!(told.contains("refused payload_too_large "), "{told}");
    // At the bound it is not.
    let most = vec![b'x'; 1024 * 1024];
    let told = post(&front, "Content-Length: 1048576", &[&most], Duration::ZERO).await;
    assert!(told.ends_with("ok"), "{told}");
}

#[tokio::test]
async fn a_caller_that_stops_is_given_up_and_one_that_is_slow_is_not() {
    let server = Server::start(Act::Answer(whole("ok"))).await;
    let front = Front::before(&server.url, settings()).await;
    let told = post(&front, "Content-Length: 10", &[b"hello"], Duration::from_secs(2)).await;
    assert!(told.contains("refused request_timeout "), "{told}");
    // Together longer than the server may take to begin to answer, which counts from the last piece on.
    let slow: &[&[u8]] = &[b"he", b"ll", b"ow", b"or", b"ld"];
    let told = post(&front, "Content-Length: 10", slow, Duration::from_millis(200)).await;
    assert!(told.ends_with("ok"), "{told}");
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_request_with_it() {
    let server = Server::start(Act::Hang(b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec())).await;
    let one = Settings { concurrency: NonZeroUsize::MIN, idle: Duration::from_mins(1), ..settings() };
    let front = Front::before(&server.url, one).await;
    let mut stream = TcpStream::connect(&front.address).await.unwrap();
    let head = format!("GET {MOUNT}/x HTTP/1.1\r\nHost: front\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut some = [0; 64];
    assert!(stream.read(&mut some).await.unwrap() > 0);
    // Its place is taken for as long as its answer is under way.
    let told = front.get("/x").await;
    assert!(told.contains("refused rate_limited ") && told.ends_with(" 1"), "{told}");
    drop(stream);
    let mut freed = false;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut next = TcpStream::connect(&front.address).await.unwrap();
        next.write_all(head.as_bytes()).await.unwrap();
        let count = next.read(&mut some).await.unwrap();
        freed = some[..count].starts_with(b"HTTP/1.1 200");
        if freed {
            break;
        }
    }
    assert!(freed, "its place comes free");
}

#[tokio::test]
async fn so_many_at_once_and_no_more() {
    let server = Server::start(Act::Hang(Vec::new())).await;
    let few = Settings { concurrency: NonZeroUsize::new(4).unwrap(), ..settings() };
    let front = Front::before(&server.url, few).await;
    let told = join_all((0..20).map(|_| front.get("/x"))).await;
    let count = |word: &str| told.iter().filter(|told| told.contains(word)).count();
    assert_eq!(count("refused rate_limited ") + count("refused plugin_timeout "), 20, "{told:?}");
    assert!(count("refused plugin_timeout ") >= 4, "{told:?}");
    assert!(server.connections() <= 8, "{}", server.connections());
}

#[tokio::test]
async fn a_server_that_is_away_is_left_alone() {
    // A port on which nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let front = Front::before(&url, settings()).await;
    for _ in 0..5 {
        let told = front.get("/x").await;
        assert!(told.contains("refused plugin_failed "), "{told}");
    }
    let told = front.get("/x").await;
    assert!(told.contains("refused plugin_unavailable "), "{told}");
    let wait: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((8..=12).contains(&wait), "{told}");
    // Once it is there again it is called again.
    let server = Server::start_at(url.strip_prefix("http://").unwrap(), Act::Answer(whole("back"))).await;
    later(Duration::from_secs(13)).await;
    for _ in 0..10 {
        assert!(front.get("/x").await.ends_with("back"));
    }
    assert_eq!(server.requests().len(), 10);
}

#[tokio::test]
async fn what_one_tenant_does_to_a_server_is_not_another_tenants_matter() {
    const PLACES: usize = 256;
    let server = Server::start(Act::HangAt("/hang", whole("ok"))).await;
    let concurrency = NonZeroUsize::new(PLACES).unwrap();
    let bounds = Settings { first_byte: Duration::from_secs(30), concurrency, ..settings() };
    let front = Front::before(&server.url, bounds).await;
    let other = front.beside("globex").await;
    let flood = join_all((0..2000).map(|_| front.passed("/hang")));
    let calls = async {
        while server.requests().len() < PLACES {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for _ in 0..50 {
            assert_eq!(other.passed("/x").await, "200");
        }
        later(bounds.first_byte).await;
    };
    let (flood, ()) = tokio::join!(flood, calls);
    let count = |code: &str| flood.iter().filter(|told| *told == code).count();
    assert_eq!(count("plugin_timeout"), PLACES);
    assert_eq!(count("rate_limited"), 2000 - PLACES);
    assert_eq!(front.passed("/x").await, "plugin_unavailable");
    assert_eq!(other.passed("/x").await, "200", "its server is not left alone");
}

#[tokio::test]
async fn nothing_is_sent_in_clear_text_to_where_the_operator_does_not_say_so() {
    let upstream = "http://1.1.1.1:8080".parse().unwrap();
    let front = Front::of(&upstream, (deployment(&upstream), &guard("127.0.0.0/8")), settings()).await;
    let told = front.get("/x").await;
    assert!(told.contains("refused plugin_failed ") && told.contains("by https"), "{told}");
}

#[tokio::test]
async fn what_was_not_consented_to_is_not_called() {
    let server = Server::start(Act::Answer(whole("ok"))).await;
    let upstream = server.url.parse().unwrap();
    let mut deployment = deployment(&upstream);
    deployment.grants.hosts.clear();
    let front = Front::of(&upstream, (deployment, &guard("127.0.0.0/8")), settings()).await;
    assert!(front.get("/x").await.contains("refused consent_required "));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn what_is_not_public_is_not_called() {
    let server = Server::start(Act::Answer(whole("ok"))).await;
    let port = server.url.rsplit(':').next().unwrap();
    for url in [
        "http://127.0.0.1",
        "http://localhost",
        "https://localhost",
        "http://[::ffff:127.0.0.1]",
        "https://2130706433",
        "http://0x7f.1",
        "https://0",
    ] {
        let upstream = format!("{url}:{port}").parse().unwrap();
        let front = Front::of(&upstream, (deployment(&upstream), &guard("10.0.0.0/8")), settings()).await;
        let told = front.get("/x").await;
        assert!(told.contains("refused plugin_failed ") && told.contains("OUTBOUND_ALLOW"), "{url}: {told}");
    }
    assert_eq!(server.connections(), 0);
}
