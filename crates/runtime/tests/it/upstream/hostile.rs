//! Servers that answer badly: each ends in a clear error or a cut connection, within its bounds.

use std::time::{Duration, Instant};

use super::server::{Act, Server, whole};
use super::{Front, settings};

/// What callers get where the server does this.
async fn told(act: Act) -> String {
    let server = Server::start(act).await;
    Front::before(&server.url, settings()).await.get("/x").await
}

#[tokio::test]
async fn an_answer_that_could_be_read_in_two_ways_is_none() {
    for (answer, code) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello", "plugin_failed"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "plugin_failed",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "plugin_failed",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 5\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 5\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 5\r\n\r\nhello", "plugin_failed"),
        ("HTTP/1.1 999999 OK\r\n\r\n", "plugin_failed"),
        ("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "plugin_failed"),
        ("hello", "plugin_failed"),
        ("", "plugin_failed"),
        ("HTTP/1.1 200", "plugin_failed"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "plugin_failed",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\nhello", "plugin_failed"),
    ] {
        let told = told(Act::AnswerAndClose(answer.into())).await;
        assert!(told.contains(&format!("refused {code} ")), "{answer:?}: {told}");
        assert!(!told.contains("hello") && !told.contains("127.0.0.1"), "{answer:?}: {told}");
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_none() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Many: a\r\n".repeat(2000));
    for answer in [long, many] {
        let told = told(Act::AnswerAndClose(answer.into_bytes())).await;
        assert!(told.contains("refused plugin_failed "), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    for act in [Act::Hang(Vec::new()), Act::Hang(b"HTTP/1.1 200 OK\r\n".to_vec())] {
        let began = Instant::now();
        let told = told(act).await;
        assert!(told.contains("refused plugin_timeout "), "{told}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let drop_by_drop =
        Act::Trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ".to_vec(), b"a".to_vec(), Duration::from_millis(50));
    let told = told(drop_by_drop).await;
    assert!(told.contains("refused plugin_timeout "), "{told}");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_cut() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec();
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec();
    for act in [
        Act::AnswerAndClose(chunked.clone()),
        Act::AnswerAndClose(long.clone()),
        Act::Hang(chunked.clone()),
        Act::Hang(long),
        // The size of a chunk is no number, or is beyond all bounds.
        Act::AnswerAndClose([&chunked[..], b"xyz\r\nhello"].concat()),
        Act::AnswerAndClose([&chunked[..], b"fffffffffffffffff\r\nhello"].concat()),
    ] {
        let began = Instant::now();
        let told = told(act.clone()).await;
        assert!(told.starts_with("HTTP/1.1 200 OK") && told.contains("hello"), "{act:?}: {told}");
        assert!(!told.contains("\r\n0\r\n\r\n"), "{act:?} must not look whole: {told}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_at_its_bound() {
    let chunk = [format!("{:x}\r\n", 65536).into_bytes(), vec![b'x'; 65536], b"\r\n".to_vec()].concat();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let bare = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    for act in [Act::Flood(chunked, chunk), Act::Flood(bare, vec![b'x'; 65536])] {
        let told = told(act).await;
        let bytes = told.len();
        assert!(told.starts_with("HTTP/1.1 200 OK") && bytes > 3 * 1024 * 1024, "{bytes}");
        assert!(bytes < 5 * 1024 * 1024 && !told.ends_with("0\r\n\r\n"), "{bytes}");
    }
}

#[tokio::test]
async fn more_than_was_announced_is_not_taken_for_the_next_answer() {
    let double = [whole("first"), whole("smuggled")].concat();
    let server = Server::start(Act::Answer(double)).await;
    let front = Front::before(&server.url, settings()).await;
    for _ in 0..5 {
        let told = front.get("/x").await;
        assert!(told.contains("first") && !told.contains("smuggled"), "{told}");
    }
    assert_eq!(server.connections(), 5, "a connection with something left on it is not used again");
}

#[tokio::test]
async fn nothing_of_one_bad_answer_is_left_for_the_next_caller() {
    let good = Server::start(Act::Answer(whole("good"))).await;
    let front = Front::before(&good.url, settings()).await;
    assert!(front.get("/x").await.contains("good"));
    assert!(front.get("/..%2fx").await.contains("refused invalid_request"));
    assert!(front.get("/x").await.contains("good"));
}
