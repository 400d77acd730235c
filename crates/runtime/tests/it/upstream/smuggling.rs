//! Requests that two servers could read in two ways: each is refused here, or reaches the plugin's server as one request that
//! can be read in one way.

use super::server::{Act, Server, whole};
use super::{Front, MOUNT, settings};

async fn front() -> (Server, Front) {
    let server = Server::start(Act::Answer(whole("ok"))).await;
    let front = Front::before(&server.url, settings()).await;
    (server, front)
}

#[tokio::test]
async fn no_request_hides_in_another() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = hidden.len();
    // With the number of requests that arrive: none where it is refused.
    for (arriving, head) in [
        (1, format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        (1, format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n")),
        (0, format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n")),
        (0, format!("Content-Length: {length}\r\nContent-Length: 0\r\n\r\n")),
        (0, format!("Content-Length: 0, {length}\r\n\r\n")),
        (0, "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned()),
        (0, "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned()),
        (0, "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned()),
        (0, " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        (0, "Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n".to_owned()),
        (1, "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        (1, "Connection: content-length\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (
            1,
            "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
        ),
        (1, format!("Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n")),
    ] {
        let (server, front) = front().await;
        let request = format!("POST {MOUNT}/seen HTTP/1.1\r\nHost: front\r\n{head}{hidden}");
        let told = front.raw(format!("{request}GET / HTTP/1.0\r\n\r\n").as_bytes()).await;
        for request in server.requests() {
            let lower = request.to_ascii_lowercase();
            assert!(request.starts_with("POST /seen HTTP/1.1\r\n"), "{head:?}: {request}");
            let framings = lower.matches("\r\ncontent-length:").count()
                + lower.matches("\r\ntransfer-encoding: chunked\r\n").count();
            assert_eq!((framings, lower.matches("transfer-encoding").count() <= 1), (1, true), "{request}");
            assert!(!lower.contains("upgrade") && !lower.contains("http2-settings"), "{request}");
        }
        assert_eq!(server.requests().len(), arriving, "{head:?}: {:?}", server.requests());
        let begins = if arriving == 0 { "HTTP/1.1 400 " } else { "HTTP/1.1 200 " };
        assert!(
            told.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n").starts_with(begins),
            "{head:?}: {told}"
        );
    }
}

#[tokio::test]
async fn a_path_that_could_be_another_does_not_go_on() {
    let (server, front) = front().await;
    for path in [
        "/../admin",
        "/a/../../admin",
        "/%2e%2e/admin",
        "/.%2E/admin",
        "/%252e%252e/admin",
        "/..;/admin",
        "/a%2fadmin",
        "/a%252fadmin",
        "/a\\admin",
        "/a%5cadmin",
        "//evil.example/",
        "/a//b",
        "/a%0d%0aX-Evil:%20yes",
        "/a%00",
        "/%c0%ae%c0%ae/admin",
    ] {
        let told = front.get(path).await;
        let is_refused = told.contains("refused invalid_request") || told.starts_with("HTTP/1.1 400");
        assert!(is_refused, "{path}: {told}");
    }
    assert!(server.requests().is_empty(), "{:?}", server.requests());
}

#[tokio::test]
async fn lines_cannot_be_broken_into() {
    let (server, front) = front().await;
    for request in [
        format!("GET {MOUNT}/a HTTP/1.1\r\nHost: front\r\nX-A: b\rX-Evil: yes\r\nConnection: close\r\n\r\n"),
        format!("GET {MOUNT}/a HTTP/1.1\r\nHost: front\r\nX-A: b\0c\r\nConnection: close\r\n\r\n"),
        format!("GET {MOUNT}/a b HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n"),
        format!("GET {MOUNT}/a\tb HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n"),
        format!("G\u{0}T {MOUNT}/a HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n"),
    ] {
        let told = front.raw(request.as_bytes()).await;
        assert!(told.starts_with("HTTP/1.1 400"), "{request:?}: {told}");
    }
    assert!(server.requests().is_empty(), "{:?}", server.requests());
    // In a query they are what they are: escaped.
    front.get("/a?x=%0d%0aX-Evil:%20yes").await;
    let request = server.requests().pop().unwrap();
    assert!(request.starts_with("GET /a?x=%0d%0aX-Evil:%20yes HTTP/1.1\r\n"), "{request}");
    assert!(!request.to_ascii_lowercase().contains("\r\nx-evil"), "{request}");
}

#[tokio::test]
async fn methods_that_would_show_what_was_sent_do_not_go_on() {
    let (server, front) = front().await;
    let request = format!("TRACE {MOUNT}/a HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n");
    let told = front.raw(request.as_bytes()).await;
    assert!(told.contains("refused method_not_allowed"), "{told}");
    assert!(server.requests().is_empty());
}
