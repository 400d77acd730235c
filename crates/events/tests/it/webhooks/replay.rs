//! Having webhooks delivered once more: to whom is there, as far as there is room, and what many ask for once.

use std::time::Duration;

use events::Error;
use events::webhook::{Filter, Range, State};
use futures::future::join_all;
use serde_json::json;

use super::bench::{Behaviour, Bench, github, plugin, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    a_range_that_many_ask_for_is_replayed_once,
    a_replay_needs_a_receiver,
    a_replay_needs_room,
    what_a_plugin_is_at_work_on_is_not_begun_again,
);

/// A bench on which so many webhooks may wait, and as many were delivered.
async fn delivered(place: &Place, most: u32) -> Bench {
    let bench = Bench::with(place, most).await;
    bench.install(&tenant("acme"), github());
    for number in 0..most {
        bench.send(&tenant("acme"), Bench::signed(&number.to_string(), &json!({}))).await.unwrap();
    }
    bench.deliver().await;
    bench
}

fn range() -> Range {
    Range { state: Some(State::Delivered), ..Range::default() }
}

async fn newest(bench: &Bench) -> i64 {
    bench.webhooks.list(&tenant("acme"), &Filter::default()).await.unwrap().deliveries[0].id
}

async fn a_range_that_many_ask_for_is_replayed_once(place: Place) {
    let bench = delivered(&place, 30).await;
    let (acme, range) = (tenant("acme"), range());
    let asked = join_all((0..8).map(|_| bench.webhooks.replay_range(&acme, &range))).await;
    let replayed: usize =
        asked.into_iter().map(|replayed| replayed.map_or(0, |replayed| replayed.count)).sum();
    assert_eq!(replayed, 30);
    bench.deliver().await;
    assert_eq!(bench.given().len(), 60);
}

async fn a_replay_needs_a_receiver(place: Place) {
    let bench = delivered(&place, 1).await;
    let acme = tenant("acme");
    let id = newest(&bench).await;
    let of_plugin = Range { plugin: Some(plugin()), ..range() };
    bench.change(&acme, |door| door.enabled = false);
    let error = bench.webhooks.replay(&acme, id).await.unwrap_err();
    assert!(matches!(error, Error::WebhooksDisabled(_)), "{error}");
    let error = bench.webhooks.replay_range(&acme, &of_plugin).await.unwrap_err();
    assert!(matches!(error, Error::WebhooksDisabled(_)), "{error}");
    // What a former installation was sent is not the next one's.
    bench.change(&acme, |door| (door.enabled, door.plugin_key) = (true, "of-the-next".into()));
    let error = bench.webhooks.replay(&acme, id).await.unwrap_err();
    assert!(matches!(error, Error::NoReceiver), "{error}");
    assert_eq!(bench.webhooks.replay_range(&acme, &of_plugin).await.unwrap().count, 0);
    bench.uninstall(&acme);
    let error = bench.webhooks.replay(&acme, id).await.unwrap_err();
    assert!(matches!(error, Error::NoReceiver), "{error}");
    let error = bench.webhooks.replay_range(&acme, &of_plugin).await.unwrap_err();
    assert!(matches!(error, Error::NoReceiver), "{error}");
    assert_eq!(bench.webhooks.replay_range(&acme, &range()).await.unwrap().count, 0);
    assert_eq!(bench.states(&acme).await, ["delivered"]);
}

async fn a_replay_needs_room(place: Place) {
    let bench = delivered(&place, 3).await;
    let acme = tenant("acme");
    let id = newest(&bench).await;
    bench.webhooks.replay(&acme, id).await.unwrap();
    let replayed = bench.webhooks.replay_range(&acme, &range()).await.unwrap();
    assert_eq!((replayed.count, replayed.next), (2, None), "the third was replayed already");
    let error = bench.webhooks.replay(&acme, id).await.unwrap_err();
    assert!(matches!(error, Error::QueueFull), "{error}");
    bench.deliver().await;
    bench.webhooks.replay(&acme, id).await.unwrap();
    // The three replays of before are delivered, too, and two of them fit.
    let replayed = bench.webhooks.replay_range(&acme, &range()).await.unwrap();
    assert_eq!((replayed.count, replayed.next.is_some()), (2, true));
    let rest = Range { after: replayed.next, ..range() };
    let error = bench.webhooks.replay_range(&acme, &rest).await.unwrap_err();
    assert!(matches!(error, Error::QueueFull), "{error}");
    bench.deliver().await;
    assert_eq!(bench.webhooks.replay_range(&acme, &rest).await.unwrap().count, 3);
}

async fn what_a_plugin_is_at_work_on_is_not_begun_again(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, json!({"scheme": "github", "secret": "s", "mode": "reply"}));
    bench.behave(Behaviour::Waits(Duration::from_hours(1)));
    let replaying = async {
        while bench.given().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bench.behave(Behaviour::Answers(200));
        let id = newest(&bench).await;
        let replayed = bench.webhooks.replay(&acme, id).await.unwrap();
        assert_eq!((replayed.id, replayed.state), (id, State::Pending));
        bench.deliver().await;
        assert_eq!(bench.given().len(), 1);
    };
    let (taken, ()) = tokio::join!(bench.send(&acme, Bench::signed("d1", &json!({}))), replaying);
    taken.unwrap();
}
