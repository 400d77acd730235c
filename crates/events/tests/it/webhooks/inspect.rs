//! What became of webhooks, listed, looked into and replayed.

use std::time::Duration;

use events::Refusal;
use events::webhook::{Filter, Range, State};
use serde_json::json;

use super::bench::{Behaviour, Bench, github, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    deliveries_are_found_by_what_they_say,
    pages_follow_each_other_without_gaps,
    one_is_replayed,
    a_range_is_replayed_once,
    nothing_of_another_tenant_is_found,
);

async fn furnished(place: &Place, count: usize) -> Bench {
    let bench = Bench::new(place).await;
    bench.install(&tenant("acme"), github());
    for number in 0..count {
        let sent = Bench::signed(&format!("d{number}"), &json!({"number": number, "text": "100 %"}));
        bench.send(&tenant("acme"), sent).await.unwrap();
    }
    bench
}

fn search(text: &str) -> Filter {
    Filter { search: Some(text.into()), ..Filter::default() }
}

async fn deliveries_are_found_by_what_they_say(place: Place) {
    let bench = furnished(&place, 12).await;
    let acme = tenant("acme");
    let found = async |filter: &Filter| {
        let page = bench.webhooks.list(&acme, filter).await.unwrap();
        page.deliveries.into_iter().map(|delivery| delivery.sender_id.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(found(&search("\"number\":11")).await, ["d11"]);
    assert_eq!(found(&search("d3")).await, ["d3"]);
    assert_eq!(found(&search("100 %")).await.len(), 12);
    assert!(found(&search("100 _")).await.is_empty(), "no pattern is meant");
    assert!(found(&search("d")).await.is_empty(), "an id is meant whole");
    bench.behave(Behaviour::Refuses(Refusal::Gone));
    bench.deliver().await;
    assert_eq!(found(&Filter { state: Some(State::Skipped), ..Filter::default() }).await.len(), 12);
    assert!(found(&Filter { state: Some(State::Pending), ..Filter::default() }).await.is_empty());
    let other = Filter { plugin: Some("other".parse().unwrap()), ..Filter::default() };
    assert!(found(&other).await.is_empty());
    let newest = &bench.webhooks.list(&acme, &search("d11")).await.unwrap().deliveries[0];
    let inspected = bench.webhooks.inspect(&acme, newest.id).await.unwrap();
    assert_eq!(inspected.body, Bench::signed("d11", &json!({"number": 11, "text": "100 %"})).body);
    assert_eq!(inspected.delivery.size, inspected.body.len() as u64);
    assert!(inspected.headers.iter().any(|(name, _)| name == "content-type"));
    assert_eq!(inspected.delivery.last_error.as_deref(), Some("it cannot"));
}

async fn pages_follow_each_other_without_gaps(place: Place) {
    let bench = furnished(&place, 25).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let filter = Filter { after, limit: Some(10), ..Filter::default() };
        let page = bench.webhooks.list(&tenant("acme"), &filter).await.unwrap();
        assert!(page.deliveries.len() <= 10);
        seen.extend(page.deliveries.iter().map(|delivery| delivery.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by(|one, other| one > other), "{seen:?}");
}

async fn one_is_replayed(place: Place) {
    let bench = furnished(&place, 1).await;
    let acme = tenant("acme");
    bench.deliver().await;
    let first = bench.webhooks.list(&acme, &Filter::default()).await.unwrap().deliveries.remove(0);
    let replay = bench.webhooks.replay(&acme, first.id).await.unwrap();
    assert_eq!(
        (replay.replay_of, replay.state, replay.webhook),
        (Some(first.id), State::Pending, first.webhook)
    );
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["delivered", "delivered"]);
    let given = bench.given();
    assert_eq!((given.len(), &given[0].1.body), (2, &given[1].1.body));
    // One that waits for its next attempt is made at once.
    bench.behave(Behaviour::Answers(500));
    let failing = bench.webhooks.replay(&acme, first.id).await.unwrap();
    bench.deliver().await;
    bench.behave(Behaviour::Answers(200));
    let again = bench.webhooks.replay(&acme, failing.id).await.unwrap();
    assert_eq!((again.id, again.attempts), (failing.id, 1));
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["delivered"; 3]);
    assert!(bench.webhooks.replay(&acme, i64::MAX).await.is_err());
}

async fn a_range_is_replayed_once(place: Place) {
    let bench = furnished(&place, 6).await;
    let acme = tenant("acme");
    bench.behave(Behaviour::Refuses(Refusal::Gone));
    bench.deliver().await;
    bench.clock.advance(Duration::from_mins(1));
    let since = bench.ambient.now();
    for number in 6..9 {
        bench.send(&acme, Bench::signed(&format!("d{number}"), &json!({"n": number}))).await.unwrap();
    }
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["skipped"; 9]);
    bench.behave(Behaviour::Answers(200));
    assert_eq!(bench.webhooks.replay_range(&acme, &Range::default()).await.unwrap().count, 0, "none failed");
    let skipped = Range { state: Some(State::Skipped), ..Range::default() };
    let late = Range { from: Some(since), ..skipped.clone() };
    assert_eq!(bench.webhooks.replay_range(&acme, &late).await.unwrap().count, 3);
    let mut count = 0;
    let mut range = Range { limit: Some(4), ..skipped };
    loop {
        let replayed = bench.webhooks.replay_range(&acme, &range).await.unwrap();
        count += replayed.count;
        range.after = replayed.next;
        if range.after.is_none() {
            break;
        }
    }
    assert_eq!(count, 6, "those that were replayed are passed over");
    bench.deliver().await;
    let given = bench.given().len();
    assert_eq!(given, 9 + 9);
}

async fn nothing_of_another_tenant_is_found(place: Place) {
    let bench = furnished(&place, 2).await;
    let other = tenant("other");
    let id = bench.webhooks.list(&tenant("acme"), &Filter::default()).await.unwrap().deliveries[0].id;
    assert!(bench.webhooks.list(&other, &Filter::default()).await.unwrap().deliveries.is_empty());
    assert!(bench.webhooks.list(&other, &search("number")).await.unwrap().deliveries.is_empty());
    assert!(bench.webhooks.inspect(&other, id).await.is_err());
    assert!(bench.webhooks.replay(&other, id).await.is_err());
    let range = Range { state: Some(State::Delivered), ..Range::default() };
    assert_eq!(bench.webhooks.replay_range(&other, &range).await.unwrap().count, 0);
    assert_eq!(bench.states(&tenant("acme")).await, ["pending", "pending"]);
}
