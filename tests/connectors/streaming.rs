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
    who_hangs_up_stops_the_calls,
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
    assert_eq!(last["error"]["code"], "invalid_request", "{last:#}");
    assert_eq!(last["error"]["request_id"], broken.headers["x-request-id"].to_str().unwrap());

    // A platform that goes in a circle.
    mall.platform.reset().await.unwrap();
    mall.platform.behave(json!({"cycle": 3})).await.unwrap();
    let circling = mall.get(7, &format!("{STREAM}?display_result=20")).await;
    let last = self::lines(&circling.text).pop().unwrap();
    assert_eq!(last["error"]["code"], "upstream_unavailable", "{last:#}");
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
