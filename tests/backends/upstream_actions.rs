//! Actions of plugins' own servers that do not answer as they should.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::Backend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::act;
use crate::deployment::{ADMIN, Deployment, PLATFORM, USER, manifest, on_both_backends, with};

on_both_backends!(what_an_answer_lacks_is_told);

const MEBIBYTE: usize = 1 << 20;

/// Answers one request, as its path says.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"{}") && stream.read_buf(&mut head).await? > 0 {}
    let head = String::from_utf8_lossy(&head);
    let action = head.split_whitespace().nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let full = |body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let unfinished = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"a\":";
    match action {
        "hang" => {
            stream.write_all(unfinished).await?;
            std::future::pending().await
        }
        "trickle" => {
            stream.write_all(unfinished).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        "close" => stream.write_all(unfinished).await,
        "largest" => stream.write_all(&full(format!("\"{}\"", "x".repeat(MEBIBYTE - 2)).as_bytes())).await,
        "larger" => stream.write_all(&full(&vec![b'x'; MEBIBYTE + 1])).await,
        "text" => stream.write_all(&full(b"no JSON")).await,
        _ => stream.write_all(&full(b"{\"fine\":true}")).await,
    }
}

async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    url
}

async fn what_an_answer_lacks_is_told(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| {
        builder
            .set("OUTBOUND_ALLOW", "127.0.0.1")
            .set("PLUGIN_PROXY_IDLE_DEADLINE", "1")
            .set("REQUEST_DEADLINE", "5")
    });
    let body = with(manifest("till", "1.0.0"), &json!({"backend": {"upstream": server().await}}));
    deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    deployment.install(ADMIN, "till").await;
    for (action, code, detail) in [
        ("hang", "plugin_timeout", "nothing came for 1 s"),
        ("trickle", "plugin_timeout", "has not answered to the end within 4.5 s"),
        ("close", "plugin_failed", "broke off while it answered"),
        ("larger", "plugin_failed", "more than 1048576 bytes"),
    ] {
        let problem = act(&deployment, USER, "till", action, json!({})).await.problem(code);
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{action}: {problem:#}");
    }
    let told = async |action: &str| -> Value {
        let answer = act(&deployment, USER, "till", action, json!({})).await.expect(200);
        assert_eq!(answer["success"], true, "{action}");
        answer["data"].clone()
    };
    assert_eq!(told("largest").await.as_str().unwrap().len(), MEBIBYTE - 2);
    assert_eq!(told("text").await, "no JSON");
    assert_eq!(told("pay").await, json!({"fine": true}));
}
