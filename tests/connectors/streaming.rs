//! All customers as lines of JSON.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::{CUSTOMERS, Mall, all_ids};
use crate::deployment::on_both_backends;

on_both_backends!(
    all_customers_come_as_lines,
    what_fails_first_is_a_problem_and_what_fails_later_is_the_last_line,
    what_is_said_of_a_listing_that_ends_at_once_names_no_pit,
    a_token_that_is_refused_for_good_is_the_last_line,
    who_hangs_up_stops_the_calls,
    who_hangs_up_before_the_first_page_had_nothing,
    a_stop_of_the_server_ends_streams_and_puts_them_on_record,
    a_long_stream_outlives_the_deadline_of_requests,
);

const STREAM: &str = "/lexmodo/customers/stream";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn all_customers_come_as_lines(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let answer = mall.get(7, &format!("{STREAM}?display_result=40")).await;
    assert_eq!(
        (answer.status, &answer.headers["content-type"]),
        (200, &"application/x-ndjson".parse().unwrap())
    );
    let lines = lines(&answer.text);
    let ids: Vec<&str> = lines.iter().map(|line| line["customer_id"].as_str().unwrap()).collect();
    assert_eq!(ids, all_ids(7));
    assert_eq!(mall.calls().await, 7, "a call for each page");
    let none = mall.get(7, &format!("{STREAM}?rule_query=nobody-is-called-so")).await;
    assert_eq!((none.status, none.text.as_str()), (200, ""));
}

async fn what_fails_first_is_a_problem_and_what_fails_later_is_the_last_line(backend: Backend) {
    let mall = Mall::connected(backend).await;
    mall.platform.behave(json!({"failure": "the shop is closed", "times": 1})).await.unwrap();
    let refused = mall.get(7, STREAM).await;
    assert!(refused.status >= 400, "{}", refused.text);
    let code = refused.problem("upstream_rejected");
    assert!(code["detail"].as_str().unwrap().contains("the shop is closed"), "{code:#}");

    mall.platform.behave(json!({"expire_pit_after": 2})).await.unwrap();
    let broken = mall.get(7, &format!("{STREAM}?display_result=50")).await;
    assert_eq!(broken.status, 200);
    let lines = lines(&broken.text);
    let (last, customers) = lines.split_last().unwrap();
    assert_eq!(customers.len() % 50, 0, "whole pages came before");
    assert!(customers.len() < usize::try_from(CUSTOMERS).unwrap() && !customers.is_empty());
    assert!(customers.iter().all(|line| line["customer_id"].is_string()));
    assert_eq!(last["error"]["code"], "upstream_unavailable", "{last:#}");
    let detail = last["error"]["detail"].as_str().unwrap();
    assert!(detail.ends_with("begin again"), "a stream has no pit to leave out: {detail}");
    let request = broken.headers["x-request-id"].to_str().unwrap();
    assert_eq!(last["error"]["request_id"], request);
    let log = mall.deployment.log_with("a stream of lines has ended").unwrap();
    for told in ["a stream of lines has ended", "an answer broke off after it had begun"] {
        let line = log.lines().find(|line| line.contains(told)).unwrap();
        assert!(line.contains(request), "{request}: {line}");
    }

    // A platform that goes in a circle.
    mall.platform.reset().await.unwrap();
    mall.platform.behave(json!({"cycle": 3})).await.unwrap();
    let circling = mall.get(7, &format!("{STREAM}?display_result=20")).await;
    let last = self::lines(&circling.text).pop().unwrap();
    assert_eq!(last["error"]["code"], "upstream_unavailable", "{last:#}");
}

async fn what_is_said_of_a_listing_that_ends_at_once_names_no_pit(backend: Backend) {
    let mall = Mall::connected(backend).await;
    for path in [STREAM, "/lexmodo/customers", "/api/v1/unified/connectors/lexmodo/items"] {
        mall.platform.behave(json!({"failure": "PIT expired", "times": 2})).await.unwrap();
        let ended = mall.get(7, path).await.problem("upstream_unavailable");
        assert!(ended["detail"].as_str().unwrap().ends_with("begin again"), "{path}: {ended:#}");
    }
}

async fn a_token_that_is_refused_for_good_is_the_last_line(backend: Backend) {
    let mall = Mall::connected(backend).await;
    // The platform does not know the one that it is renewed to either.
    mall.platform.behave(json!({"revoke_after": 2})).await.unwrap();
    let broken = mall.get(7, &format!("{STREAM}?display_result=50")).await;
    let lines = lines(&broken.text);
    assert_eq!((broken.status, lines.len()), (200, 101));
    assert_eq!(lines[100]["error"]["code"], "reauthorization_required", "{:#}", lines[100]);
    assert_eq!(mall.uses(1).await, ["lexmodo.customers.stream failed 100 customers"]);
}

async fn who_hangs_up_before_the_first_page_had_nothing(backend: Backend) {
    let mall = Mall::connected(backend).await;
    mall.platform.behave(json!({"hang": 1})).await.unwrap();
    let request = mall.request(7, Method::GET, STREAM).timeout(Duration::from_millis(500));
    assert!(request.send().await.is_err());
    let uses = mall.uses(1).await;
    assert_eq!(uses, ["lexmodo.customers.stream failed nobody waited for the end"]);
    let calls = mall.platform.calls().await.unwrap();
    assert!(calls.len() == 1 && calls[0].cancelled, "{calls:?}");
}

async fn a_stop_of_the_server_ends_streams_and_puts_them_on_record(backend: Backend) {
    let mut mall = Mall::connected_with(backend, |builder| builder.set("SHUTDOWN_DEADLINE", "0.3")).await;
    let mut response =
        mall.request(7, Method::GET, &format!("{STREAM}?display_result=10")).send().await.unwrap();
    mall.platform.behave(json!({"hang": 1})).await.unwrap();
    response.chunk().await.unwrap().unwrap();
    let request = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let began = Instant::now();
    mall.deployment.server.signal("TERM").unwrap();
    assert_eq!(mall.deployment.server.wait().unwrap().code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // The body was not whole, and the client can tell.
    let rest = async {
        while response.chunk().await?.is_some() {}
        Ok::<_, reqwest::Error>(())
    };
    assert!(rest.await.is_err());
    let uses = "SELECT operation || ' ' || outcome FROM activity WHERE action = 'use'";
    assert_eq!(mall.deployment.column(uses).await, ["lexmodo.customers.stream ok"]);
    let log = mall.deployment.log();
    let ended = log.lines().find(|line| line.contains("a stream of lines has ended")).unwrap();
    assert!(ended.contains("given up") && ended.contains(&request), "{request}: {ended}");
}

async fn who_hangs_up_stops_the_calls(backend: Backend) {
    let mall = Mall::connected(backend).await;
    mall.platform.behave(json!({"delay_ms": 200})).await.unwrap();
    let mut response =
        mall.request(7, Method::GET, &format!("{STREAM}?display_result=1")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.chunk().await.unwrap().unwrap();
    drop(response);
    // The call that is under way is given up, and no other follows.
    let mut calls = mall.calls().await;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let now = mall.calls().await;
        if now == calls {
            break;
        }
        calls = now;
    }
    assert!(calls < 20, "{calls} calls for somebody who is gone");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(mall.calls().await, calls);
}

async fn a_long_stream_outlives_the_deadline_of_requests(backend: Backend) {
    let mall = Mall::connected_with(backend, |builder| builder.set("REQUEST_DEADLINE", "1")).await;
    mall.platform.behave(json!({"delay_ms": 300})).await.unwrap();
    let began = Instant::now();
    let answer = mall.get(7, &format!("{STREAM}?display_result=50")).await;
    assert!(began.elapsed() > Duration::from_millis(1400), "{:?}", began.elapsed());
    assert_eq!(lines(&answer.text).len(), usize::try_from(CUSTOMERS).unwrap());
}
