//! All items of a connector as lines of JSON: `?stream=true` in the unified API.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::{CONNECTORS, CUSTOMERS, Mall, all_ids};
use crate::deployment::{Answer, each, on_both_backends};

on_both_backends!(
    all_items_come_as_lines,
    what_breaks_off_is_gone_on_with,
    what_fails_first_is_a_problem,
    who_stops_reading_stops_the_calls,
);

fn items(query: &str) -> String {
    format!("{CONNECTORS}/lexmodo/items?{query}")
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["id"].as_str().unwrap()).collect()
}

async fn all_items_come_as_lines(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let answer = mall.get(7, &items("stream=true&max_results=40")).await;
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert_eq!((answer.status, kind), (200, "application/x-ndjson"));
    let all = lines(&answer.text);
    assert_eq!(ids(&all), all_ids(7));
    assert_eq!(mall.calls().await, 7, "a call for each page");
    let search = |query: &str| format!("{CONNECTORS}/lexmodo/search?{query}");
    let stream = async |path: String| lines(&mall.get(7, &path).await.text);
    let of_rule = stream(items("max_results=30&rule_id=with-phone&raw=true&stream=true")).await;
    let found = stream(search("query=@&max_results=30&stream=true")).await;
    assert!(stream(search("query=nobody-is-called-so&stream=true")).await.is_empty());
    let mut uses = mall.uses(4).await;
    uses.sort();
    let mut expected = [
        format!("lexmodo.list.stream ok {CUSTOMERS} customers"),
        format!("lexmodo.list.stream ok {} customers", of_rule.len()),
        format!("lexmodo.search.stream ok {} customers", found.len()),
        "lexmodo.search.stream ok 0 customers".to_owned(),
    ];
    expected.sort();
    assert_eq!(uses, expected);

    // A line is an item as it is listed.
    for (path, streamed) in [
        (items("max_results=1000&stream=false"), all),
        (items("max_results=1000&rule_id=with-phone&raw=true"), of_rule),
        (search("query=@&max_results=1000"), found),
    ] {
        let page = mall.get(7, &path).await.expect(200);
        assert_eq!(page["result"]["items"], Value::from(streamed), "{path}");
    }
    // Of another store only its own.
    let other = mall.get(8, &items("stream=true")).await;
    assert_eq!(ids(&lines(&other.text)), all_ids(8));
    let head = Answer::of(mall.request(7, Method::HEAD, &items("stream=true"))).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.headers["content-type"], "application/x-ndjson");
}

async fn what_breaks_off_is_gone_on_with(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let asked = items("stream=true&max_results=10");
    mall.platform.behave(json!({"delay_ms": 100})).await.unwrap();
    let mut response = mall.request(7, Method::GET, &asked).send().await.unwrap();
    let mut text = response.chunk().await.unwrap().unwrap().to_vec();
    mall.platform.behave(json!({"failure": "the shop is closed", "times": 1})).await.unwrap();
    while let Some(piece) = response.chunk().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    let broken = lines(std::str::from_utf8(&text).unwrap());
    let (last, given) = broken.split_last().unwrap();
    assert_eq!(last["error"]["code"], "upstream_rejected", "{last:#}");
    assert!(last["error"]["detail"].as_str().unwrap().contains("the shop is closed"), "{last:#}");
    assert!(given.len().is_multiple_of(10) && given.len() < 200, "whole pages: {}", given.len());
    let told = format!("lexmodo.list.stream failed {} customers", given.len());
    assert_eq!(mall.uses(1).await, [told]);

    let token = last["next_page_token"].as_str().unwrap();
    mall.platform.reset().await.unwrap();
    let calls = mall.calls().await;
    let with = |query: &str| items(&format!("{query}&page_token={token}"));
    for (store, path) in [
        (8, with("stream=true&max_results=10")),
        (7, with("stream=true&rule_id=with-phone")),
        (7, format!("{CONNECTORS}/lexmodo/search?query=Ann&stream=true&page_token={token}")),
        (7, items(&format!("stream=true&page_token={}", &token[..token.len() - 1]))),
        (7, format!("/lexmodo/customers?pit={token}")),
    ] {
        mall.get(store, &path).await.problem("invalid_request");
    }
    assert_eq!(mall.calls().await, calls, "nothing of it got to the platform");
    let rest = lines(&mall.get(7, &with("stream=true&max_results=10")).await.text);
    assert_eq!([ids(given), ids(&rest)].concat(), all_ids(7));
    // A page is had by the same token.
    let page = mall.get(7, &with("max_results=10")).await.expect(200);
    assert_eq!(each(&page["result"]["items"], "id"), ids(&rest[..10]));

    // A listing that has ended cannot be gone on with.
    mall.platform.behave(json!({"expire_pit_after": 2})).await.unwrap();
    let last = lines(&mall.get(7, &asked).await.text).pop().unwrap();
    assert_eq!((&last["error"]["code"], last.get("next_page_token")), (&json!("upstream_unavailable"), None));
    assert!(last["error"]["detail"].as_str().unwrap().ends_with("begin again"), "{last:#}");
}

async fn what_fails_first_is_a_problem(backend: Backend) {
    let mall = Mall::start(backend).await;
    mall.get(7, &items("stream=true")).await.problem("connection_required");
    mall.connect(7).await;
    for query in ["stream=1", "stream=TRUE", "stream=true&stream=true", "stream=true&colour=red"] {
        mall.get(7, &items(query)).await.problem("invalid_request");
    }
    mall.get(7, &items("stream=true&page_token=nonsense")).await.problem("invalid_request");
    mall.get(7, &format!("{CONNECTORS}/lexmodo/search?stream=true")).await.problem("invalid_request");
    mall.get(8, &items("stream=true")).await.problem("connection_required");
    assert_eq!(mall.calls().await, 0);
    mall.get(7, &format!("{CONNECTORS}/lexmodo/search?query=Ann&streem=true")).await.expect(400)["detail"]
        .as_str()
        .filter(|detail| detail.contains("did you mean stream?"))
        .unwrap();
    mall.platform.behave(json!({"failure": "the shop is closed", "times": 1})).await.unwrap();
    mall.get(7, &items("stream=true")).await.problem("upstream_rejected");
    assert_eq!(mall.uses(1).await, ["lexmodo.list.stream failed 0 customers"]);
}

async fn who_stops_reading_stops_the_calls(backend: Backend) {
    let mall = Mall::connected(backend).await;
    mall.platform.behave(json!({"delay_ms": 200})).await.unwrap();
    let mut response =
        mall.request(7, Method::GET, &items("stream=true&max_results=1")).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    drop(response);
    // It is on record as soon as the server knows; no call follows.
    let uses = mall.uses(1).await;
    let count =
        uses[0].strip_prefix("lexmodo.list.stream ok ").and_then(|told| told.strip_suffix(" customers"));
    assert!((1..20).contains(&count.unwrap().parse::<u32>().unwrap()), "{uses:?}");
    let calls = mall.calls().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((uses.len(), mall.calls().await), (1, calls));
}
