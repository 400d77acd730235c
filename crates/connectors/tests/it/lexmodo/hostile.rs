//! Servers that do not keep to gRPC.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use connectors::lexmodo::Customers;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use model::ErrorCode;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::platform::{client, config, sized, store, told};

/// Answers all that is asked with what `answer` makes of the request's headers, over HTTP/2.
pub(crate) async fn serve(answer: fn(&HeaderMap) -> Response<Full<Bytes>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(move |request: Request<Incoming>| async move {
                Ok::<_, Infallible>(answer(request.headers()))
            });
            let connection = Builder::new(TokioExecutor::new());
            tokio::spawn(
                async move { connection.serve_connection(TokioIo::new(stream), service).await.is_ok() },
            );
        }
    });
    address
}

/// Answers each call of a connection with a customer, and then says that it takes no more on it (GOAWAY).
async fn serve_one_call_each() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let asked = Arc::new(Notify::new());
                let told = Arc::clone(&asked);
                let service = service_fn(move |_: Request<Incoming>| {
                    told.notify_one();
                    std::future::ready(Ok::<_, Infallible>(grpc(&[("grpc-status", "0")], CUSTOMER)))
                });
                let builder = Builder::new(TokioExecutor::new());
                let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
                tokio::select! { _ = connection.as_mut() => return true, () = asked.notified() => {} }
                connection.as_mut().graceful_shutdown();
                connection.await.is_ok()
            });
        }
    });
    address
}

/// An answer with the customer `1`.
const CUSTOMER: &[u8] = b"\0\0\0\0\x05\x2a\x03\x0a\x011";

/// A gRPC answer with these headers and this body.
pub(crate) fn grpc(headers: &[(&'static str, &str)], body: &'static [u8]) -> Response<Full<Bytes>> {
    let mut answer = Response::builder().header("content-type", "application/grpc");
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Full::new(Bytes::from_static(body))).unwrap()
}

pub(crate) async fn customers(answer: fn(&HeaderMap) -> Response<Full<Bytes>>) -> Customers {
    client(config(&format!("http://{}", serve(answer).await)))
}

async fn failure(answer: fn(&HeaderMap) -> Response<Full<Bytes>>) -> (ErrorCode, String) {
    told(customers(answer).await.customer(&store(7), "1").await)
}

#[tokio::test]
async fn an_answer_that_is_no_message_is_told() {
    let (code, text) = failure(|_| grpc(&[("grpc-status", "0")], b"\0\0\0\0\x04\xff\xff\xff\xff")).await;
    assert_eq!(code, ErrorCode::UpstreamUnavailable, "{text}");
    assert!(text.contains("cannot be decoded"), "{text}");
    // A text that is not UTF-8.
    let (code, text) = failure(|_| grpc(&[("grpc-status", "0")], b"\0\0\0\0\x03\x22\x01\xff")).await;
    assert_eq!(code, ErrorCode::UpstreamUnavailable, "{text}");
    let (code, _) = failure(|_| grpc(&[("grpc-status", "0")], b"")).await;
    assert_eq!(code, ErrorCode::UpstreamUnavailable);
    let (code, _) = failure(|_| grpc(&[], b"\0\0\0\0\x7f\x01")).await;
    assert_eq!(code, ErrorCode::UpstreamUnavailable);
}

#[tokio::test]
async fn details_that_are_no_base64_do_no_harm() {
    let (code, text) =
        failure(|_| grpc(&[("grpc-status", "8"), ("grpc-status-details-bin", "!!!")], b"")).await;
    assert_eq!(code, ErrorCode::UpstreamUnavailable, "{text}");
}

#[tokio::test]
async fn a_server_that_wants_fewer_calls_says_for_how_long() {
    let customers = customers(|_| {
        grpc(&[("grpc-status", "8"), ("grpc-message", "slow down"), ("retry-after", "9")], b"")
    })
    .await;
    let error = customers.customer(&store(7), "1").await.unwrap_err();
    let connectors::Error::Upstream { code, retry_after, .. } = error else { panic!("{error}") };
    assert_eq!(code, ErrorCode::UpstreamRateLimited);
    assert_eq!(retry_after, Some(std::time::Duration::from_secs(9)));
}

#[tokio::test]
async fn an_answer_without_customer_is_not_found() {
    // success = true, and an empty customer.
    for answer in [
        (|_: &HeaderMap| grpc(&[("grpc-status", "0")], b"\0\0\0\0\x02\x08\x01")) as fn(&_) -> _,
        |_| grpc(&[("grpc-status", "0")], b"\0\0\0\0\0"),
        |_| grpc(&[("grpc-status", "0")], b"\0\0\0\0\x02\x2a\0"),
    ] {
        assert_eq!(failure(answer).await.0, ErrorCode::NotFound);
    }
    // A customer with an id is one, though the answer does not say success.
    let customers = customers(|_| grpc(&[("grpc-status", "0")], CUSTOMER)).await;
    assert_eq!(customers.customer(&store(7), "1").await.unwrap().id, "1");
}

#[tokio::test]
async fn a_total_that_is_not_told_does_not_end_a_listing() {
    // customers_listing { customer_listing { customer_id: "1" } pit: "p" }
    let customers =
        customers(|_| grpc(&[("grpc-status", "0")], b"\0\0\0\0\x0a\x3a\x08\x2a\x03\x0a\x011\x4a\x01p")).await;
    let page = customers.page(&store(7), &sized(10), None).await.unwrap();
    assert_eq!((page.customers.len(), page.pit.as_deref(), page.total_result), (1, Some("p"), 0));
}

#[tokio::test]
async fn a_total_that_has_not_come_yet_does_not_end_a_listing() {
    // The same with total_result: 3, and with 1, of which none is missing.
    let more = |_: &HeaderMap| {
        grpc(&[("grpc-status", "0")], b"\0\0\0\0\x0c\x3a\x0a\x18\x03\x2a\x03\x0a\x011\x4a\x01p")
    };
    let page = customers(more).await.page(&store(7), &sized(10), None).await.unwrap();
    assert_eq!((page.pit.as_deref(), page.total_result), (Some("p"), 3), "smaller pages than were asked for");
    let all = |_: &HeaderMap| {
        grpc(&[("grpc-status", "0")], b"\0\0\0\0\x0c\x3a\x0a\x18\x01\x2a\x03\x0a\x011\x4a\x01p")
    };
    let page = customers(all).await.page(&store(7), &sized(10), None).await.unwrap();
    assert_eq!((page.pit, page.total_result), (None, 1));
}

#[tokio::test]
async fn what_stands_before_the_server_may_answer_for_it() {
    let (code, text) = failure(|_| Response::builder().status(503).body(Full::default()).unwrap()).await;
    assert_eq!(code, ErrorCode::UpstreamUnavailable, "{text}");
    let (code, text) = failure(|_| Response::builder().status(403).body(Full::default()).unwrap()).await;
    assert_eq!(code, ErrorCode::InsufficientScope, "{text}");
    let page = |_: &HeaderMap| {
        let page = Full::new(Bytes::from_static(b"<html>Welcome to the default page of a web server</html>"));
        Response::builder().header("content-type", "text/html").body(page).unwrap()
    };
    assert_eq!(failure(page).await.0, ErrorCode::UpstreamUnavailable);
}

#[tokio::test]
async fn a_server_that_ends_each_connection_costs_no_call() {
    let customers = client(config(&format!("http://{}", serve_one_call_each().await)));
    for _ in 0..30 {
        assert_eq!(customers.customer(&store(7), "1").await.unwrap().id, "1");
    }
}
