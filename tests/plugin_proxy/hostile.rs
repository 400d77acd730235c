//! Plugins' servers and callers of bad will, through the whole program. What each of very many does is in the tests of the
//! crate `runtime`; here is that the program holds, and goes on.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use reqwest::Method;
use serde_json::json;
use testkit::Backend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{PROXY, ann, raw, start};
use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, manifest, on_both_backends, with};

on_both_backends!(
    servers_that_do_not_end_are_broken_off,
    answers_that_are_none_are_told_as_such,
    no_request_hides_in_another,
    no_header_passes_in_another_spelling,
    no_path_leads_out,
    what_is_not_public_is_not_reached,
);

async fn servers_that_do_not_end_are_broken_off(backend: Backend) {
    let (deployment, _upstream) = start(backend, |builder| {
        let builder =
            builder.set("PLUGIN_PROXY_MAX_ANSWER", "4MiB").set("PLUGIN_PROXY_FIRST_BYTE_DEADLINE", "0.5");
        builder.set("PLUGIN_PROXY_IDLE_DEADLINE", "0.5").set("PLUGIN_PROXY_MAX_REQUEST", "1MiB")
    })
    .await;
    let answer = ann(&deployment, Method::GET, "/flood").send().await.unwrap();
    let (mut bytes, mut is_broken, mut pieces) = (0, false, answer.bytes_stream());
    while let Some(piece) = pieces.next().await {
        bytes += piece.as_ref().map_or(0, bytes::Bytes::len);
        is_broken = piece.is_err();
    }
    assert!(is_broken && bytes <= 4 * 1024 * 1024, "{bytes}");
    deployment.log_with("was broken off").unwrap();
    let began = Instant::now();
    Answer::of(ann(&deployment, Method::GET, "/hang")).await.problem("plugin_timeout");
    let silent = ann(&deployment, Method::GET, "/silence").send().await.unwrap();
    assert!(silent.bytes().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let large = ann(&deployment, Method::POST, "/echo").body(vec![b'x'; 1024 * 1024 + 1]);
    Answer::of(large).await.problem("payload_too_large");
    Answer::of(ann(&deployment, Method::GET, "/x")).await.expect_text(200, "ok");
}

/// A server that answers everything with these bytes.
async fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 8192]).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    url
}

async fn answers_that_are_none_are_told_as_such(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.set("OUTBOUND_ALLOW", "127.0.0.0/8"));
    let answers: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n",
        b"hello",
        b"",
    ];
    for (number, bytes) in answers.into_iter().enumerate() {
        let id = format!("bad{number}");
        let plugin = json!({"backend": {"upstream": answering(bytes).await}});
        deployment.post(PLATFORM, "/plugins", &with(manifest(&id, "1.0.0"), &plugin)).await.expect(201);
        deployment.install(ADMIN, &id).await;
        let answer = deployment.get_as(ADMIN, &format!("/api/plugin-proxy/{id}/x")).await;
        answer.problem("plugin_failed");
        assert!(!answer.text.contains("127.0.0.1") && !answer.text.contains("hello"), "{}", answer.text);
    }
}

async fn no_request_hides_in_another(backend: Backend) {
    let (deployment, upstream) = start(backend, |builder| builder).await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = hidden.len();
    // With the number of requests that arrive: none where it is refused.
    for (arriving, lines) in [
        (1, format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}")),
        (1, format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{hidden}")),
        (0, format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}")),
        (0, format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}")),
        (0, format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}")),
        (0, format!("Connection: close\r\nX-A: b\rX-Evil: yes\r\n\r\n{hidden}")),
        (1, format!("Connection: close\r\nX-A: b\nContent-Length: {length}\r\n\r\n{hidden}")),
    ] {
        let lines = format!("{lines}GET / HTTP/1.0\r\n\r\n");
        raw(&deployment, &format!("POST {PROXY}/seen"), &lines).await;
        let asked = upstream.asked();
        assert_eq!(asked.len(), arriving, "{lines:?}: {asked:?}");
        for asked in asked {
            assert_eq!(asked.uri, "/base/seen", "{lines:?}");
            assert!(!asked.headers.contains_key("x-evil"), "{lines:?}: {asked:?}");
            let framings = ["content-length", "transfer-encoding"];
            let framings =
                framings.iter().map(|name| asked.headers.get_all(*name).iter().count()).sum::<usize>();
            assert_eq!(framings, 1, "{lines:?}: {asked:?}");
        }
    }
}

async fn no_header_passes_in_another_spelling(backend: Backend) {
    let (deployment, upstream) = start(backend, |builder| builder).await;
    let mut request = ann(&deployment, Method::GET, "/x").header("x-own", "1");
    for name in [
        "x_jackfield_context",
        "X_Jackfield-Context",
        "x_forwarded_for",
        "x_tenant_id",
        "x-original-url",
        "true-client-ip",
        "cf-connecting-ip",
        "x-cluster-client-ip",
    ] {
        request = request.header(name, "canary");
    }
    Answer::of(request).await.expect_text(200, "ok");
    let asked = upstream.asked();
    assert_eq!(asked[0].headers["x-own"], "1");
    assert!(!format!("{asked:?}").contains("canary"), "{asked:?}");
}

async fn no_path_leads_out(backend: Backend) {
    let (deployment, upstream) = start(backend, |builder| builder).await;
    for path in [
        "/..",
        "/../admin",
        "/a/../../../admin",
        "/%2e%2e/admin",
        "/.%2E/admin",
        "/%252e%252e/admin",
        "/..;/admin",
        "/..%2fadmin",
        "/a%252f..%252fadmin",
        "/..\\admin",
        "/..%5cadmin",
        "//evil.example/x",
        "/a%00",
        "/a%0d%0aX-Evil:%20yes",
    ] {
        let told = raw(&deployment, &format!("GET {PROXY}{path}"), "Connection: close\r\n\r\n").await;
        let is_refused = told.starts_with("HTTP/1.1 400") || told.starts_with("HTTP/1.1 404");
        assert!(is_refused, "{path}: {told}");
        assert!(upstream.asked().is_empty(), "{path}");
    }
}

async fn what_is_not_public_is_not_reached(backend: Backend) {
    let inner = super::Upstream::start().await;
    let port = inner.url.rsplit(':').next().unwrap();
    let deployment = Deployment::start(backend);
    for (number, host) in
        ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254"].iter().enumerate()
    {
        let id = format!("inner{number}");
        let plugin = json!({"backend": {"upstream": format!("http://{host}:{port}/")}});
        let published = deployment.post(PLATFORM, "/plugins", &with(manifest(&id, "1.0.0"), &plugin)).await;
        if published.status == 201 {
            deployment.install(ADMIN, &id).await;
            let answer = deployment.get_as(ADMIN, &format!("/api/plugin-proxy/{id}/x")).await;
            answer.problem("plugin_failed");
        } else {
            published.problem("validation_failed");
        }
    }
    assert!(inner.asked().is_empty());
}
