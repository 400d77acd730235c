//! Listings by point in time: whole, as they are read, and without end.

use std::time::Duration;

use connectors::Error;
use connectors::lexmodo::{Query, Store};
use futures::StreamExt as _;
use model::ErrorCode;
use serde_json::json;
use testkit::LexmodoServer;

use super::platform::{Platform, ids, read, sized, store, told};
use super::tokens::Tokens;

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_whole_however_it_is_cut() {
    let platform = Platform::start().await;
    for (size, calls) in [(100, 3), (125, 2), (83, 4), (249, 2), (250, 1), (1_000, 1)] {
        platform.server.forget_calls().await.unwrap();
        let (found, error) = read(platform.pages(size)).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(found, ids(7, 250), "{size}");
        assert_eq!(platform.calls().await, calls, "{size}");
    }
    let requests = platform.server.calls().await.unwrap();
    assert!(
        requests.iter().all(|call| call.request.get("page_num").is_none()),
        "only the PIT says which page"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_point_in_time_may_stay_the_same_or_trail() {
    let platform = Platform::start().await;
    platform.behave(json!({"same_pit": true})).await;
    assert_eq!(read(platform.pages(50)).await.0, ids(7, 250));
    let calls = platform.server.calls().await.unwrap();
    let pits: Vec<_> = calls.iter().filter_map(|call| call.request.get("pit")).collect();
    assert!(pits.len() == 4 && pits.iter().all(|pit| *pit == pits[0]), "{pits:?}");

    platform.server.reset().await.unwrap();
    platform.behave(json!({"trailing_pit": true})).await;
    let (found, error) = read(platform.pages(50)).await;
    assert!(error.is_none() && found == ids(7, 250), "{error:?}");
    // All fits into one page: nothing is behind its PIT.
    platform.server.forget_calls().await.unwrap();
    assert_eq!(read(platform.pages(250)).await.0, ids(7, 250));
    assert_eq!(platform.calls().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_nobody_is_one_empty_page() {
    let platform = Platform::start().await;
    let query = Query { rule: Some("nobody has this name".to_owned()), ..Query::default() };
    let mut pages = Box::pin(platform.customers.pages(store(7), query));
    let page = pages.next().await.unwrap().unwrap();
    assert_eq!((page.customers.len(), page.pit, page.total_result), (0, None, 0));
    assert!(pages.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_fetched_as_they_are_read() {
    let platform = Platform::start().await;
    let mut pages = platform.pages(10);
    assert_eq!(platform.calls().await, 0);
    for read in 1..=3 {
        pages.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(platform.calls().await, read);
    }
    drop(pages);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(platform.calls().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_call() {
    let platform = Platform::start().await;
    let mut pages = platform.pages(10);
    pages.next().await.unwrap().unwrap();
    platform.behave(json!({"hang": 1})).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), pages.next()).await.is_err());
    drop(pages);
    platform.cancelled().await;
    assert_eq!(platform.calls().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_goes_in_a_circle_ends() {
    let platform = Platform::start().await;
    for (how, length) in [
        (json!({"repeat_page": true}), 1),
        (json!({"repeat_page": true, "same_pit": true}), 1),
        (json!({"cycle": 2}), 2),
        (json!({"cycle": 3, "same_pit": true}), 3),
        (json!({"cycle": 4}), 4),
    ] {
        platform.server.reset().await.unwrap();
        platform.behave(how.clone()).await;
        let (found, error) = read(platform.pages(10)).await;
        assert_eq!(found, ids(7, 10 * length), "{how}");
        let (code, text) = told::<()>(Err(error.unwrap()));
        assert_eq!(code, ErrorCode::UpstreamUnavailable);
        assert!(text.contains("circle"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_in_time_that_ends_is_told_once_customers_were_given_out() {
    let platform = Platform::start().await;
    platform.behave(json!({"expire_pit_after": 2})).await;
    let (found, error) = read(platform.pages(100)).await;
    assert_eq!(found, ids(7, 200));
    assert!(matches!(error, Some(Error::PointInTimeGone { parameter: None })), "{error:?}");
    assert_eq!(platform.calls().await, 3, "it is not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_begins_again_while_nothing_was_given_out() {
    let platform = Platform::start().await;
    platform.behave(json!({"expire_first": true})).await;
    let (found, error) = read(platform.pages(100)).await;
    assert!(error.is_none() && found == ids(7, 250), "{error:?}");
    assert_eq!(platform.calls().await, 4);

    // As an answer that says failure, and once only.
    platform.server.forget_calls().await.unwrap();
    platform.behave(json!({"failure": "PIT expired", "times": 2})).await;
    let (found, error) = read(platform.pages(100)).await;
    assert!(found.is_empty() && matches!(error, Some(Error::PointInTimeGone { .. })), "{error:?}");
    assert_eq!(platform.calls().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_page_is_had_by_its_point_in_time() {
    let platform = Platform::start().await;
    let page = async |pit: Option<&str>| platform.customers.page(&store(7), &sized(100), pit).await;
    let first = page(None).await.unwrap();
    let second = page(first.pit.as_deref()).await.unwrap();
    assert_eq!(second.customers[0].id, "7-000101");
    let third = page(second.pit.as_deref()).await.unwrap();
    assert_eq!((third.customers.len(), third.pit), (50, None));
    assert!(matches!(page(Some("never-given")).await, Err(Error::PointInTimeGone { .. })));
    // What one looks like is the platform's business.
    let odd = page(Some("two words\n\u{1}")).await;
    assert!(matches!(odd, Err(Error::PointInTimeGone { .. })), "{odd:?}");
    // An empty one is none.
    assert_eq!(page(Some("")).await.unwrap().customers[0].id, "7-000001");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_in_the_middle_is_renewed() {
    let platform = Platform::start().await;
    platform.behave(json!({"revoke_after": 2})).await;
    let credential = Tokens::new(["first-7", "second-7"]);
    let pages = platform.pages_of(Store { id: 7, credential: credential.clone() }, 50);
    let (found, error) = read(pages).await;
    assert!(error.is_none() && found == ids(7, 250), "{error:?}");
    assert_eq!((credential.refused(), platform.calls().await), (1, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_for_a_moment_does_not_end_a_listing() {
    let platform = Platform::start().await;
    let mut pages = platform.pages(100);
    pages.next().await.unwrap().unwrap();
    platform.behave(json!({"unavailable": 2})).await;
    let (rest, error) = read(pages).await;
    assert!(error.is_none() && rest == ids(7, 250)[100..], "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_has_forgotten_the_point_in_time() {
    let mut platform = Platform::start().await;
    let mut pages = platform.pages(100);
    pages.next().await.unwrap().unwrap();
    platform.server.restart().unwrap();
    platform.accept().await;
    let (rest, error) = read(pages).await;
    assert!(rest.is_empty() && matches!(error, Some(Error::PointInTimeGone { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_request_is_the_streams_first_and_last_word() {
    let platform = Platform::start().await;
    let (found, error) = read(platform.pages(0)).await;
    assert!(found.is_empty() && matches!(error, Some(Error::Invalid(_))), "{error:?}");
    assert_eq!(LexmodoServer::STORES, [7, 8]);
    let rule = Query { rule_id: Some("no-such-rule".to_owned()), ..Query::default() };
    let (code, text) = told(platform.customers.page(&store(7), &rule, None).await);
    assert_eq!(code, ErrorCode::UpstreamRejected);
    assert!(text.contains("there is no rule no-such-rule"), "{text}");
}
