//! The connection: made late, made again, and what is told when it cannot be made.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use connectors::Error;
use futures::future::join_all;
use model::ErrorCode;
use serde_json::json;

use super::platform::{Platform, client, config, store, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_the_server_again() {
    let mut platform = Platform::start().await;
    platform.customer("7-000001").await.unwrap();
    platform.server.stop();
    let began = Instant::now();
    let (code, text) = told(platform.customer("7-000001").await);
    assert_eq!(code, ErrorCode::UpstreamUnavailable, "{text}");
    assert!(began.elapsed() < Duration::from_secs(5));
    platform.server.restart().unwrap();
    platform.accept().await;
    assert_eq!(platform.customer("7-000002").await.unwrap(), "7-000002");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_during_a_call_is_unavailable() {
    let mut platform = Platform::start().await;
    platform.behave(json!({"hang": 1})).await;
    let customers = platform.customers.clone();
    let call = tokio::spawn(async move { customers.customer(&store(7), "7-000001").await });
    while platform.calls().await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    platform.server.stop();
    assert_eq!(told(call.await.unwrap()).0, ErrorCode::UpstreamUnavailable);
    platform.server.restart().unwrap();
    platform.accept().await;
    platform.customer("7-000001").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_over_one_connection() {
    let platform = Platform::start().await;
    for _ in 0..3 {
        platform.customer("7-000001").await.unwrap();
    }
    let calls = platform.server.calls().await.unwrap();
    assert!(calls.iter().all(|call| call.peer == calls[0].peer), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_costs_each_call_five_seconds() {
    let platform = Platform::start().await;
    platform.customer("7-000001").await.unwrap();
    platform.server.pause().unwrap();
    let began = Instant::now();
    for result in join_all((0..20).map(|_| platform.customer("7-000001"))).await {
        assert_eq!(told(result).0, ErrorCode::UpstreamTimeout);
    }
    assert!((4..7).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    platform.server.resume().unwrap();
    assert_eq!(platform.customer("7-000002").await.unwrap(), "7-000002");
}

async fn failure_at(address: &str) -> (ErrorCode, String) {
    let result: Result<_, Error> = client(config(address)).customer(&store(7), "1").await;
    told(result)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_told_without_naming_it() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (code, text) = failure_at(&format!("http://127.0.0.1:{port}")).await;
    assert_eq!(code, ErrorCode::UpstreamUnavailable);
    assert!(text.contains("LEXMODO_GRPC_ADDRESS") && !text.contains("127.0.0.1"), "{text}");

    let (code, text) = failure_at("http://host.invalid:50051").await;
    assert_eq!(code, ErrorCode::UpstreamUnavailable);
    assert!(text.contains("cannot be found") && !text.contains("invalid"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_says_nothing_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let (code, text) = failure_at(&format!("http://{}", silent.local_addr().unwrap())).await;
    assert_eq!(code, ErrorCode::UpstreamTimeout, "{text}");
    assert!((4..7).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    // With TLS, no connection comes about at all.
    let (code, text) =
        failure_at(&format!("https://localhost:{}", silent.local_addr().unwrap().port())).await;
    assert!(matches!(code, ErrorCode::UpstreamTimeout | ErrorCode::UpstreamUnavailable), "{text}");
    assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
}
