//! The customers service in Python.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use prost::Message as _;
use serde_json::json;
use testkit::{Certificate, LexmodoOptions, LexmodoServer};
use tonic::Code;

use crate::customers::{Client, Listing};

const TOKEN: &str = "a token/with ünusual? characters";
/// As `printf 'Bearer good' | sha256sum` has it.
const SHA256_OF_BEARER_GOOD: &str = "60d5a5c98d0b73cbfaddbaae960575011c8c0a81e4c817686999eb2f155e9800";

async fn started(customers: u32) -> (LexmodoServer, Client) {
    let server = LexmodoServer::start(LexmodoOptions { customers, ..LexmodoOptions::default() }).unwrap();
    server.accept("good", 7).await.unwrap();
    let client = Client::new(&server, None, "good", 7);
    (server, client)
}

fn distinct(texts: &[String]) -> usize {
    texts.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn a_token_is_good_for_its_store_until_it_is_refused() {
    let (server, seven) = started(20).await;
    assert_eq!(seven.customer("7-000001").await.unwrap().customer.unwrap().id, "7-000001");
    assert!(seven.customer("8-000001").await.unwrap().failure);
    assert!(seven.customer("7-000021").await.unwrap().failure);
    let code = async |token: &str, store| {
        Client::new(&server, None, token, store).customer("7-000001").await.err().map(|status| status.code())
    };
    assert_eq!(code("good", 8).await, Some(Code::PermissionDenied));
    assert_eq!(code("good", 9).await, Some(Code::InvalidArgument));
    assert_eq!(code("another", 7).await, Some(Code::Unauthenticated));
    server.refuse("good").await.unwrap();
    assert_eq!(code("good", 7).await, Some(Code::Unauthenticated));
    server.accept_any().await.unwrap();
    assert_eq!((code("another", 7).await, code("good", 7).await), (None, Some(Code::Unauthenticated)));
    server.accept(TOKEN, 7).await.unwrap();
    server.refuse(TOKEN).await.unwrap();
    assert!(server.accept("good", 9).await.is_err());
}

#[tokio::test]
async fn a_listing_has_each_customer_once() {
    let (server, client) = started(25).await;
    let (ids, pits) = client.pages(10, 9).await.unwrap();
    let expected: Vec<String> = (1..=25).map(|number| format!("7-{number:06}")).collect();
    assert_eq!((&ids, distinct(&pits), pits.len()), (&expected, 3, 3));
    assert_eq!(client.pages(30, 9).await.unwrap(), (expected.clone(), vec![String::new()]));
    server.behave(json!({"same_pit": true})).await.unwrap();
    let (ids, pits) = client.pages(10, 9).await.unwrap();
    assert_eq!((&ids, pits.len(), pits[0] == pits[1]), (&expected, 3, true));
    server.behave(json!({"trailing_pit": true})).await.unwrap();
    assert_eq!(client.pages(10, 4).await.unwrap().0, expected);
    server.reset().await.unwrap();

    let some = client.page(25, "").await.unwrap().listing.unwrap();
    assert_eq!(some.total_result, 25);
    assert_eq!(some.customers.iter().filter(|customer| customer.email.is_none()).count(), 3);
    assert_eq!(some.customers.iter().filter(|customer| customer.phone_number.is_none()).count(), 5);
    let ann = Listing { rule_query: "ANN ".to_owned(), display_result: 25, ..Listing::default() };
    let found = client.listing(ann).await.unwrap().listing.unwrap().customers;
    assert!(
        !found.is_empty() && found.iter().all(|each| each.full_name.as_deref().unwrap().starts_with("Ann "))
    );
    let unknown = Listing { rule_id: "none such".to_owned(), ..Listing::default() };
    assert!(client.listing(unknown).await.unwrap().failure);
}

#[tokio::test]
async fn it_misbehaves_as_it_is_told() {
    let (server, client) = started(50).await;
    for (how, code) in [
        (json!({"unavailable": 1}), Code::Unavailable),
        (json!({"unauthenticated": 1}), Code::Unauthenticated),
        (json!({"status": "RESOURCE_EXHAUSTED", "times": 1}), Code::ResourceExhausted),
        (json!({"expire_first": true}), Code::NotFound),
    ] {
        server.behave(how).await.unwrap();
        assert_eq!(client.page(10, "").await.unwrap_err().code(), code);
        assert!(client.page(10, "").await.unwrap().success);
    }
    server.behave(json!({"failure": "no such luck", "times": 1})).await.unwrap();
    let failed = client.page(10, "").await.unwrap();
    assert_eq!((failed.failure, failed.success, failed.message.as_str()), (true, false, "no such luck"));
    server.behave(json!({"expire_pit_after": 2})).await.unwrap();
    assert_eq!(client.pages(10, 9).await.unwrap_err().message(), "point in time expired");
    assert_eq!(client.pages(10, 9).await.unwrap().0.len(), 50);

    for (how, pages, pits) in [
        (json!({"repeat_page": true}), 1, 9),
        (json!({"repeat_page": true, "same_pit": true}), 1, 1),
        (json!({"cycle": 3}), 3, 9),
    ] {
        server.behave(how).await.unwrap();
        let (ids, seen) = client.pages(10, 9).await.unwrap();
        assert_eq!((ids.len(), distinct(&ids), distinct(&seen)), (90, pages * 10, pits));
        server.reset().await.unwrap();
    }
    server.behave(json!({"revoke_after": 1})).await.unwrap();
    assert!(client.page(10, "").await.is_ok());
    assert_eq!(client.page(10, "").await.unwrap_err().code(), Code::Unauthenticated);
    let unknown = server.behave(json!({"colour": "red"})).await.unwrap_err().to_string();
    assert!(unknown.contains("unknown behaviour colour"), "{unknown}");
}

#[tokio::test]
async fn answers_can_be_richer_poorer_and_larger() {
    let (server, client) = started(5).await;
    server.behave(json!({"unknown_fields": true, "large": 70_000})).await.unwrap();
    let answer = client.customer("7-000002").await.unwrap();
    assert!(answer.message.len() >= 70_000);
    assert_eq!(answer.customer.unwrap().company.as_deref(), Some("Company of 7-000002"));
    server.reset().await.unwrap();
    server.behave(json!({"omit_wrappers": true})).await.unwrap();
    let poor = client.customer("7-000002").await.unwrap().customer.unwrap();
    assert_eq!((poor.id.as_str(), poor.full_name, poor.company), ("7-000002", None, None));

    let bytes = server.descriptor_set().await.unwrap();
    let set = prost_types::FileDescriptorSet::decode(bytes.as_slice()).unwrap();
    let file = set.file.iter().find(|file| file.package() == "lexmodo.v1.customers").unwrap();
    let customer = file.message_type.iter().find(|message| message.name() == "CustomerInfo").unwrap();
    let company = customer.field.iter().find(|field| field.number() == 30).unwrap();
    assert_eq!((company.name(), company.type_name()), ("customer_company", ".google.protobuf.StringValue"));
}

#[tokio::test]
async fn calls_are_told_and_those_given_up_too() {
    let (server, client) = started(5).await;
    client.page(3, "").await.unwrap();
    let call = server.calls().await.unwrap().remove(0);
    assert_eq!((call.method.as_str(), call.store, call.cancelled), ("GetCustomerListing", Some(7), false));
    assert_eq!(
        (call.request, call.metadata["x-client-id"].as_str()),
        (json!({"display_result": 3}), Some("7"))
    );
    assert_eq!(call.authorization_sha256.as_deref(), Some(SHA256_OF_BEARER_GOOD));
    assert_eq!(call.metadata.get("authorization"), None);

    server.forget_calls().await.unwrap();
    server.behave(json!({"hang": 1})).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), client.page(3, "")).await.is_err());
    let started = Instant::now();
    while !server.calls().await.unwrap()[0].cancelled {
        assert!(started.elapsed() < Duration::from_secs(10), "it does not notice");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(client.page(3, "").await.is_ok());
    assert_eq!(server.calls().await.unwrap().len(), 2);
}

#[tokio::test]
async fn it_comes_back_on_its_port() {
    let (mut server, client) = started(5).await;
    let address = server.address();
    server.stop();
    assert_eq!(client.page(3, "").await.unwrap_err().code(), Code::Unavailable);
    server.restart().unwrap();
    assert_eq!(server.address(), address);
    assert_eq!(client.page(3, "").await.unwrap_err().code(), Code::Unauthenticated);
    server.accept("good", 7).await.unwrap();
    assert!(client.page(3, "").await.is_ok());

    let taken = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let second = LexmodoServer::start(LexmodoOptions { port: Some(taken), ..LexmodoOptions::default() });
    assert!(second.unwrap_err().to_string().contains("does not start"));
}

#[tokio::test]
async fn it_speaks_tls_and_other_clients_read_it() {
    let tls = Certificate::new().unwrap();
    let options = LexmodoOptions { customers: 100, tls: Some(tls.clone()), port: None };
    let server = LexmodoServer::start(options).unwrap();
    server.accept("good", 8).await.unwrap();
    let client = Client::new(&server, Some(&tls.authority), "good", 8);
    assert_eq!(client.pages(40, 9).await.unwrap().0.len(), 100);
    let other = Certificate::new().unwrap();
    let stranger = Client::new(&server, Some(&other.authority), "good", 8);
    assert_eq!(stranger.page(3, "").await.unwrap_err().code(), Code::Unavailable);
    let read = server.read_with_grpcio("good", 8, 40).unwrap();
    assert_eq!((&read["customers"], &read["pages"]), (&json!(100), &json!(3)));
    assert!(read["max_rss_kib"].as_u64().unwrap() > 1000 && read["seconds"].as_f64().unwrap() > 0.0);
    assert!(server.read_with_grpcio("bad", 8, 40).unwrap_err().to_string().contains("UNAUTHENTICATED"));
}
