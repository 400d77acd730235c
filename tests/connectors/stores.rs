//! Customers in the platform's own words, and two stores side by side.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, TokenBuilder};

use super::{CONNECTORS, CUSTOMERS, Mall, all_ids, id};
use crate::deployment::{each, on_both_backends};

on_both_backends!(
    customers_are_had_one_by_one_and_page_by_page,
    a_pit_is_of_no_use_elsewhere,
    two_stores_at_once_never_see_each_others_customers,
    keys_of_the_platform_and_of_tenants_may_ask,
);

async fn customers_are_had_one_by_one_and_page_by_page(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let one = mall.get(7, &format!("/lexmodo/customers/{}", id(7, 1))).await.expect(200);
    assert_eq!((&one["success"], &one["customer"]["customer_id"]), (&json!(true), &json!(id(7, 1))));
    for field in ["customer_first_name", "customer_email", "customer_phone_number", "customer_full_name"] {
        assert!(one["customer"][field].is_string(), "{field}: {one:#}");
    }
    let seventh = mall.get(7, &format!("/lexmodo/customers/{}", id(7, 7))).await.expect(200);
    assert_eq!(seventh["customer"]["customer_email"], Value::Null, "{seventh:#}");
    let gone = mall.get(7, "/lexmodo/customers/7-999999").await;
    assert_eq!(gone.status, 404, "{}", gone.text);

    let (mut seen, mut pit) = (Vec::new(), String::new());
    loop {
        let page = mall.get(7, &format!("/lexmodo/customers?display_result=100&pit={pit}")).await.expect(200);
        assert_eq!((&page["success"], &page["total_result"]), (&json!(true), &json!(CUSTOMERS)));
        seen.extend(each(&page["customers"], "customer_id").into_iter().map(str::to_owned));
        match page["pit"].as_str() {
            Some(next) => next.clone_into(&mut pit),
            None => break,
        }
    }
    assert_eq!(seen, all_ids(7));
    let calls = mall.platform.calls().await.unwrap();
    assert!(calls.iter().all(|call| call.store == Some(7)), "{calls:#?}");
}

async fn a_pit_is_of_no_use_elsewhere(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let first = mall.get(7, "/lexmodo/customers?display_result=100").await.expect(200);
    let pit = first["pit"].as_str().unwrap();
    let calls = mall.calls().await;
    for (store, query) in [
        (8, format!("display_result=100&pit={pit}")),
        (7, format!("display_result=100&rule_id=with-phone&pit={pit}")),
        (7, format!("display_result=100&rule_query=a&pit={pit}")),
        (7, "display_result=100&pit=made-up".to_owned()),
    ] {
        let refused = mall.get(store, &format!("/lexmodo/customers?{query}")).await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text);
        assert!(refused.problem("invalid_request")["detail"].as_str().unwrap().starts_with("pit "));
    }
    assert_eq!(mall.calls().await, calls);
    // One that the platform has forgotten says where to go on.
    mall.platform.behave(json!({"expire_pit_after": 1})).await.unwrap();
    let ended = mall.get(7, &format!("/lexmodo/customers?display_result=100&pit={pit}")).await;
    let ended = ended.problem("invalid_request");
    assert!(ended["detail"].as_str().unwrap().contains("begin again without pit"), "{ended:#}");
}

async fn two_stores_at_once_never_see_each_others_customers(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let ask = async |store: u64| {
        let listed =
            mall.get(store, &format!("{CONNECTORS}/lexmodo/items?max_results=1000")).await.expect(200);
        let streamed = mall.get(store, "/lexmodo/customers/stream?display_result=60").await;
        let paged = mall.get(store, "/lexmodo/customers?display_result=1000").await.expect(200);
        let lines = streamed.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let lines: Vec<String> = lines.map(|line| line["customer_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(each(&listed["result"]["items"], "id"), all_ids(store));
        assert_eq!(each(&paged["customers"], "customer_id"), all_ids(store));
        assert_eq!(lines, all_ids(store));
        let other = if store == 7 { 8 } else { 7 };
        let foreign = mall.get(store, &format!("/lexmodo/customers/{}", id(other, 1))).await;
        assert_eq!(foreign.status, 404, "{}", foreign.text);
    };
    join_all([7, 8, 7, 8].map(ask)).await;
    let calls = mall.platform.calls().await.unwrap();
    let hash = |store: u64| {
        let mut hashes: Vec<_> = calls
            .iter()
            .filter(|call| call.store == Some(store))
            .map(|call| &call.authorization_sha256)
            .collect();
        hashes.dedup();
        assert_eq!(hashes.len(), 1, "each store's calls carry its own token");
        hashes[0].clone()
    };
    assert_ne!(hash(7), hash(8));
}

async fn keys_of_the_platform_and_of_tenants_may_ask(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let path = format!("/lexmodo/customers/{}", id(7, 1));
    let admin = ("lexmodo:7", model::Role::Admin);
    let made = mall.deployment.post(admin, "/api-keys", &json!({"name": "backend"})).await.expect(201);
    let key = made["secret"].as_str().unwrap();
    let by_key = mall.deployment.request(Method::GET, &path).bearer_auth(key).send().await.unwrap();
    assert_eq!(by_key.status(), 200);
    let token = TokenBuilder::new().claim("tenantId", "elsewhere").claim("role", "platform_admin").sign();
    let platform = mall.deployment.request(Method::GET, &path).bearer_auth(token);
    let named = platform.header("x-tenant-id", "lexmodo:7").send().await.unwrap();
    assert_eq!(named.status(), 200);
}
