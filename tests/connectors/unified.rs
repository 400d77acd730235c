//! The connector `lexmodo` in the unified API.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::Backend;

use super::{CONNECTORS, CUSTOMERS, Mall, all_ids, id};
use crate::deployment::{each, on_both_backends};

on_both_backends!(
    a_connector_tells_what_it_can,
    pages_lead_through_all_customers_once,
    a_page_token_is_of_no_use_elsewhere,
    customers_are_items,
    each_use_is_on_record_without_content,
);

async fn a_connector_tells_what_it_can(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let listed = mall.get(7, CONNECTORS).await.expect(200);
    let lexmodo =
        &listed["connectors"].as_array().unwrap().iter().find(|each| each["name"] == "lexmodo").unwrap();
    assert_eq!((&lexmodo["configured"], &lexmodo["provider"]), (&json!(true), &json!("lexmodo")));
    assert_eq!(each(&lexmodo["operations"], "operation"), ["list", "get", "search"]);
    assert_eq!(each(&lexmodo["filters"], "name"), ["rule_id"]);

    let able = mall.get(7, &format!("{CONNECTORS}/lexmodo/capabilities")).await.expect(200);
    assert_eq!(able["capabilities"]["capabilities"], json!(["list", "get", "search"]));
    let operations = able["capabilities"]["operations"].as_array().unwrap();
    assert!(operations.iter().all(|each| each["granted"] == true), "{able:#}");
    assert_eq!(able.get("user_email"), None, "the connection is the store's: {able:#}");

    let status = mall.get(7, "/api/v1/unified/status").await.expect(200);
    assert_eq!(status["service"], "jackfield");
    assert!(status["connectors"].as_array().unwrap().contains(&json!("lexmodo")), "{status:#}");
    assert!(status["providers"].as_array().unwrap().contains(&json!("lexmodo")), "{status:#}");

    let test = format!("{CONNECTORS}/lexmodo/test");
    let works = mall.get(7, &test).await.expect(200);
    assert_eq!((&works["result"]["connected"], &works["provider"]), (&json!(true), &json!("lexmodo")));
    mall.platform.behave(json!({"status": "PERMISSION_DENIED", "times": 1})).await.unwrap();
    let broken = mall.get(7, &test).await.expect(200);
    assert_eq!(broken["result"]["connected"], false, "{broken:#}");
    assert_eq!(broken["result"]["reason"], "insufficient_scope", "{broken:#}");
}

async fn pages_lead_through_all_customers_once(backend: Backend) {
    let mall = Mall::connected(backend).await;
    for (path, expected) in [
        ("items?max_results=100", all_ids(7)),
        ("items?max_results=90&rule_id=with-phone", of_rule(&mall).await),
        ("search?query=@&max_results=100", found(&mall).await),
    ] {
        let (mut seen, mut token, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let more = token.map_or_else(String::new, |token| format!("&page_token={token}"));
            let page = mall.get(7, &format!("{CONNECTORS}/lexmodo/{path}{more}")).await.expect(200);
            let result = &page["result"];
            assert_eq!(result["total"], expected.len(), "{path}");
            assert_eq!(result["items"], result["customers"], "{path}");
            seen.extend(each(&result["items"], "id").into_iter().map(str::to_owned));
            pages += 1;
            token = result["next_page_token"].as_str().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{path}");
        assert_eq!(pages, 3, "{path}");
    }
    // As many as there are fit into one page.
    let page = mall.get(8, &format!("{CONNECTORS}/lexmodo/items?max_results=1000")).await.expect(200);
    assert_eq!(page["result"]["items"].as_array().unwrap().len(), usize::try_from(CUSTOMERS).unwrap());
    assert_eq!(page["result"].get("next_page_token"), None);
    let usual = mall.get(8, &format!("{CONNECTORS}/lexmodo/items")).await.expect(200);
    assert_eq!(usual["result"]["items"].as_array().unwrap().len(), 50);
}

/// The ids of the customers with a telephone number, by what each is told with.
async fn of_rule(mall: &Mall) -> Vec<String> {
    with_extra(mall, "phone_number").await
}

/// The ids of the customers with an e-mail address: all that `@` is found in.
async fn found(mall: &Mall) -> Vec<String> {
    with_extra(mall, "email").await
}

async fn with_extra(mall: &Mall, name: &str) -> Vec<String> {
    let page = mall.get(7, &format!("{CONNECTORS}/lexmodo/items?max_results=1000")).await.expect(200);
    let items = page["result"]["items"].as_array().unwrap().clone();
    let having =
        items.into_iter().filter(|item| item["extra"][name].as_str().is_some_and(|text| !text.is_empty()));
    let ids: Vec<String> = having.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.len() > 180 && ids.len() < 250, "some have none: {}", ids.len());
    ids
}

async fn a_page_token_is_of_no_use_elsewhere(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let items = format!("{CONNECTORS}/lexmodo/items?max_results=100");
    let first = mall.get(7, &items).await.expect(200);
    let token = first["result"]["next_page_token"].as_str().unwrap();
    let mut altered = token.to_owned();
    altered.replace_range(40..41, if &token[40..41] == "A" { "B" } else { "A" });
    let calls = mall.calls().await;
    for (store, path) in [
        (8, format!("{items}&page_token={token}")),
        (7, format!("{items}&page_token={altered}")),
        (7, format!("{items}&page_token={}", &token[..30])),
        (7, format!("{items}&rule_id=with-phone&page_token={token}")),
        (7, format!("{CONNECTORS}/lexmodo/search?query=Ann&page_token={token}")),
        (7, format!("/lexmodo/customers?display_result=100&pit={token}")),
    ] {
        let refused = mall.get(store, &path).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
        refused.problem("invalid_request");
    }
    assert_eq!(mall.calls().await, calls, "nothing of it got to the platform");
    let next = mall.get(7, &format!("{items}&page_token={token}")).await.expect(200);
    assert_eq!(next["result"]["items"][0]["id"], id(7, 101));
}

async fn customers_are_items(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let path = format!("{CONNECTORS}/lexmodo/items/{}", id(7, 1));
    let told = mall.get(7, &path).await.expect(200);
    let item = &told["result"]["item"];
    assert_eq!((&item["id"], &item["type"]), (&json!(id(7, 1)), &json!("customer")), "{told:#}");
    let full = format!("{} {}", text(&item["extra"]["first_name"]), text(&item["extra"]["last_name"]));
    assert_eq!(item["title"], full, "{told:#}");
    assert_eq!(item.get("raw"), None);
    let raw = mall.get(7, &format!("{path}?raw=true")).await.expect(200);
    assert_eq!(raw["result"]["item"]["raw"]["customer_id"], id(7, 1), "{raw:#}");
    // Each eleventh has a name in one piece alone, each seventh no e-mail address.
    let item = &mall.get(7, &format!("{CONNECTORS}/lexmodo/items/{}", id(7, 77))).await.expect(200)["result"]
        ["item"];
    assert!(!text(&item["title"]).is_empty(), "{item:#}");
    let extra: BTreeSet<&String> = item["extra"].as_object().unwrap().keys().collect();
    assert!(!extra.contains(&"email".to_owned()) && !extra.contains(&"first_name".to_owned()), "{item:#}");

    let gone = mall.get(7, &format!("{CONNECTORS}/lexmodo/items/7-999999")).await;
    assert_eq!(gone.status, 404, "{}", gone.text);
    gone.problem("not_found");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn each_use_is_on_record_without_content(backend: Backend) {
    let mall = Mall::start(backend).await;
    let token = mall.connect(7).await;
    mall.get(7, &format!("{CONNECTORS}/lexmodo/search?query=find-me")).await.expect(200);
    mall.get(7, &format!("{CONNECTORS}/lexmodo/items/{}", id(7, 1))).await.expect(200);
    mall.get(7, &format!("{CONNECTORS}/lexmodo/items/7-999999")).await.problem("not_found");
    mall.get(7, &format!("/lexmodo/customers/{}", id(7, 1))).await.expect(200);
    mall.get(7, "/lexmodo/customers/stream").await;
    let page = loop {
        let admin = ("lexmodo:7", model::Role::Admin);
        let page = mall.deployment.get_as(admin, "/api/v1/unified/activity?action=use").await.expect(200);
        if page["activity"].as_array().unwrap().len() >= 5 {
            break page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let mut told: Vec<(&str, &str)> = page["activity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (text(&entry["operation"]), text(&entry["outcome"])))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("lexmodo.customer", "ok"),
            ("lexmodo.customers.stream", "ok"),
            ("lexmodo.get", "failed"),
            ("lexmodo.get", "ok"),
            ("lexmodo.search", "ok"),
        ]
    );
    let whole = page.to_string();
    for content in ["find-me", "7-000001", "7-999999", &token] {
        assert!(!whole.contains(content), "{content}: {page:#}");
    }
}
