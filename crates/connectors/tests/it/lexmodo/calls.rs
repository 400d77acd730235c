//! Single calls: what is sent, what is tried again, and what each failure is told as.

use std::time::{Duration, Instant};

use connectors::Error;
use connectors::lexmodo::{Query, Store};
use model::ErrorCode;
use serde_json::json;

use super::platform::{Platform, sized, store, told};
use super::tokens::Tokens;

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_has_what_the_platform_knows() {
    let platform = Platform::start().await;
    let customer = platform.customers.customer(&store(7), "7-000001").await.unwrap();
    assert_eq!(customer.id, "7-000001");
    assert_eq!(customer.first_name.as_deref(), Some("Ben"));
    assert_eq!(customer.last_name.as_deref(), Some("Baker"));
    assert_eq!(customer.full_name.as_deref(), Some("Ben Baker"));
    assert_eq!(customer.email.as_deref(), Some("customer-1@store-7.example"));
    assert_eq!(customer.phone_number.as_deref(), Some("+1 555 7 0000001"));
    assert_eq!(customer.raw, None);

    // An empty number is not the same as none.
    let by_id = async |id| platform.customers.customer(&store(7), id).await.unwrap();
    assert_eq!(by_id("7-000013").await.phone_number.as_deref(), Some(""));
    assert_eq!(by_id("7-000005").await.phone_number, None);
    assert_eq!(by_id("7-000007").await.email, None);
    assert_eq!(by_id("7-000011").await.first_name, None);

    platform.behave(json!({"omit_wrappers": true})).await;
    let bare = by_id("7-000001").await;
    assert_eq!((bare.id.as_str(), bare.full_name, bare.email), ("7-000001", None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_says_who_asks_and_for_how_long() {
    let platform = Platform::start().await;
    platform.customer("7-000001").await.unwrap();
    let call = platform.server.calls().await.unwrap().remove(0);
    assert_eq!((call.method.as_str(), call.store), ("GetCustomerByID", Some(7)));
    assert_eq!(call.request, json!({"customer_id": "7-000001"}));
    let agent = call.metadata["user-agent"].as_str().unwrap();
    assert!(agent.starts_with(concat!("jackfield/", env!("CARGO_PKG_VERSION"), " ")), "{agent}");
    // grpcio takes grpc-timeout out of the metadata: that it was there shows when a call hangs.
    platform.behave(json!({"hang": 1})).await;
    let began = Instant::now();
    let (code, text) = told(platform.customer("7-000001").await);
    assert_eq!(code, ErrorCode::UpstreamTimeout, "{text}");
    assert!((4..7).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    platform.cancelled().await;
    assert_eq!(platform.calls().await, 2, "a call that hangs is not made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_asks_for_its_rule_and_size() {
    let platform = Platform::start().await;
    let query =
        Query { rule_id: Some("with-phone".to_owned()), rule: Some("BEN".to_owned()), page_size: Some(3) };
    let page = platform.customers.page(&store(7), &query, None).await.unwrap();
    assert_eq!(page.customers.len(), 3);
    let request = platform.server.calls().await.unwrap().remove(0).request;
    assert_eq!(request, json!({"display_result": 3, "rule_id": "with-phone", "rule_query": "BEN"}));

    let page = platform.customers.page(&store(7), &Query::default(), None).await.unwrap();
    assert_eq!((page.customers.len(), page.total_result), (100, 250));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_right_is_not_sent() {
    let platform = Platform::start().await;
    assert!(matches!(platform.customer("").await, Err(Error::Invalid(_))));
    assert!(matches!(platform.customer(&"x".repeat(257)).await, Err(Error::Invalid(_))));
    for size in [0, 1_001] {
        let page = platform.customers.page(&store(7), &sized(size), None).await;
        assert!(matches!(page, Err(Error::Invalid(_))), "{page:?}");
    }
    assert_eq!(platform.calls().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_is_tried_three_times() {
    let platform = Platform::start().await;
    platform.behave(json!({"unavailable": 2})).await;
    assert_eq!(platform.customer("7-000001").await.unwrap(), "7-000001");
    assert_eq!(platform.calls().await, 3);

    platform.server.forget_calls().await.unwrap();
    platform.behave(json!({"unavailable": 4})).await;
    let began = Instant::now();
    let (code, text) = told(platform.customer("7-000001").await);
    assert_eq!(code, ErrorCode::UpstreamUnavailable);
    assert!(text.contains("the server is being restarted"), "{text}");
    assert_eq!(platform.calls().await, 3);
    // Half of 200 ms, then half of 400 ms, at the least.
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_tried_again() {
    let platform = Platform::start().await;
    for (status, expected) in [
        ("RESOURCE_EXHAUSTED", ErrorCode::UpstreamRateLimited),
        ("PERMISSION_DENIED", ErrorCode::InsufficientScope),
        ("NOT_FOUND", ErrorCode::NotFound),
        ("INVALID_ARGUMENT", ErrorCode::UpstreamRejected),
        ("FAILED_PRECONDITION", ErrorCode::UpstreamRejected),
        ("DEADLINE_EXCEEDED", ErrorCode::UpstreamTimeout),
        ("CANCELLED", ErrorCode::UpstreamUnavailable),
        ("UNKNOWN", ErrorCode::UpstreamUnavailable),
        ("INTERNAL", ErrorCode::UpstreamUnavailable),
        ("DATA_LOSS", ErrorCode::UpstreamUnavailable),
        ("UNIMPLEMENTED", ErrorCode::UpstreamUnavailable),
    ] {
        platform.server.forget_calls().await.unwrap();
        platform.behave(json!({"status": status, "times": 1})).await;
        let (code, text) = told(platform.customer("7-000001").await);
        assert_eq!(code, expected, "{status}: {text}");
        assert_eq!(platform.calls().await, 1, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_says_failure_is_one() {
    let platform = Platform::start().await;
    platform.behave(json!({"failure": "not\u{7} on\nSundays", "times": 1})).await;
    let (code, text) = told(platform.customer("7-000001").await);
    assert_eq!(code, ErrorCode::UpstreamRejected);
    assert_eq!(text, "Lexmodo: the platform refused this: not on Sundays");
    assert_eq!(platform.calls().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_is_not_there_is_not_found() {
    let platform = Platform::start().await;
    let (code, text) = told(platform.customer("7-999999").await);
    assert_eq!((code, text.as_str()), (ErrorCode::NotFound, "there is no customer 7-999999"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_renewed_once() {
    let platform = Platform::start().await;
    platform.server.refuse("first-7").await.unwrap();
    let credential = Tokens::new(["first-7", "second-7"]);
    let store = Store { id: 7, credential: credential.clone() };
    assert_eq!(platform.customers.customer(&store, "7-000001").await.unwrap().id, "7-000001");
    assert_eq!((credential.refused(), platform.calls().await), (1, 2));
    // The next call begins with the renewed token.
    platform.customers.customer(&store, "7-000001").await.unwrap();
    assert_eq!((credential.refused(), platform.calls().await), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_token_that_is_refused_too_asks_for_consent() {
    let platform = Platform::start().await;
    let credential = Tokens::new(["unknown-1", "unknown-2", "first-7"]);
    let store = Store { id: 7, credential: credential.clone() };
    let (code, text) = told(platform.customers.customer(&store, "7-000001").await);
    assert_eq!(code, ErrorCode::ReauthorizationRequired, "{text}");
    assert_eq!((credential.refused(), platform.calls().await), (1, 2));

    // Where there is no other token, the vault says so.
    let store = Store { id: 7, credential: Tokens::new(["unknown-3"]) };
    let (code, _) = told(platform.customers.customer(&store, "7-000001").await);
    assert_eq!((code, platform.calls().await), (ErrorCode::ReauthorizationRequired, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_no_header_can_carry_is_not_sent() {
    let platform = Platform::start().await;
    let store = Store { id: 7, credential: Tokens::new(["two\r\nlines"]) };
    let (code, text) = told(platform.customers.customer(&store, "7-000001").await);
    assert_eq!(code, ErrorCode::ReauthorizationRequired);
    assert!(!text.contains("lines"), "{text}");
    assert_eq!(platform.calls().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_refused_with_the_setting_that_allows_it() {
    let platform = Platform::start().await;
    platform.behave(json!({"large": super::platform::MAX_MESSAGE_BYTES - 10_000})).await;
    assert_eq!(platform.customer("7-000001").await.unwrap(), "7-000001");
    platform.behave(json!({"large": super::platform::MAX_MESSAGE_BYTES})).await;
    let (code, text) = told(platform.customer("7-000001").await);
    assert_eq!(code, ErrorCode::UpstreamUnavailable);
    assert!(text.contains("LEXMODO_MAX_MESSAGE_SIZE"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_is_given_up() {
    let platform = Platform::start().await;
    platform.behave(json!({"hang": 1})).await;
    let call = platform.customer("7-000001");
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    platform.cancelled().await;
}
