//! Plugins that answer their senders.

use std::time::{Duration, Instant};

use events::webhook::{Destination, Taken};
use events::{Answer, Refusal};
use serde_json::json;

use super::bench::{Behaviour, Bench, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    the_sender_gets_the_plugins_answer,
    who_takes_long_goes_on_without_the_sender,
    a_sender_has_waited_since_it_began_to_send,
    an_answer_that_is_no_success_is_passed_on_and_tried_again,
    what_a_process_left_undone_is_delivered_by_another,
    closing_waits_for_those_who_answer,
    words_that_no_database_takes_hold_up_nobody,
);

async fn replying(place: &Place) -> Bench {
    let bench = Bench::new(place).await;
    bench.install(&tenant("acme"), json!({"scheme": "github", "secret": "s", "mode": "reply"}));
    bench
}

/// Waits until the newest delivery is in this state.
async fn until(bench: &Bench, state: &str) {
    for _ in 0..200 {
        if bench.states(&tenant("acme")).await.first() == Some(&state) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{:?}", bench.states(&tenant("acme")).await);
}

async fn the_sender_gets_the_plugins_answer(place: Place) {
    let bench = replying(&place).await;
    let acme = tenant("acme");
    let sent = Bench::signed("d1", &json!({}));
    let Taken::Answered(Answer { status, headers, body }) = bench.send(&acme, sent.clone()).await.unwrap()
    else {
        panic!("it answered")
    };
    assert_eq!((status, body.as_ref(), headers["x-plugin"].as_str()), (200, &b"heard"[..], "1"));
    until(&bench, "delivered").await;
    // It is not asked again, neither by the sender's repetition nor by whoever delivers.
    assert_eq!(bench.send(&acme, sent).await.unwrap(), Taken::Kept);
    bench.clock.advance(Duration::from_mins(10));
    bench.deliver().await;
    assert_eq!(bench.given().len(), 1);
}

async fn who_takes_long_goes_on_without_the_sender(place: Place) {
    let bench = replying(&place).await;
    bench.behave(Behaviour::Waits(Duration::from_secs(4)));
    let begun = Instant::now();
    let taken = bench.send(&tenant("acme"), Bench::signed("d1", &json!({}))).await.unwrap();
    assert_eq!(taken, Taken::Kept);
    assert!(begun.elapsed() < Duration::from_millis(3500), "{:?}", begun.elapsed());
    until(&bench, "delivered").await;
    assert_eq!(bench.given().len(), 1);
}

async fn a_sender_has_waited_since_it_began_to_send(place: Place) {
    let bench = replying(&place).await;
    let acme = tenant("acme");
    bench.behave(Behaviour::Waits(Duration::from_millis(500)));
    let begun = tokio::time::Instant::now().checked_sub(Duration::from_secs(3)).unwrap();
    let address = Destination::Secret(bench.token(&acme).await);
    let taken = bench.send_begun(begun, address, Bench::signed("d1", &json!({}))).await.unwrap();
    assert_eq!(taken, Taken::Kept);
    until(&bench, "delivered").await;
}

async fn an_answer_that_is_no_success_is_passed_on_and_tried_again(place: Place) {
    let bench = replying(&place).await;
    let acme = tenant("acme");
    bench.behave(Behaviour::Answers(422));
    let taken = bench.send(&acme, Bench::signed("d1", &json!({}))).await.unwrap();
    assert!(matches!(taken, Taken::Answered(Answer { status: 422, .. })), "{taken:?}");
    bench.webhooks.close(Duration::from_secs(5)).await;
    let page = bench.webhooks.list(&acme, &events::webhook::Filter::default()).await.unwrap();
    let delivery = &page.deliveries[0];
    assert_eq!((delivery.state.as_str(), delivery.attempts, delivery.last_status), ("pending", 1, Some(422)));
    bench.behave(Behaviour::Answers(200));
    bench.clock.advance(Duration::from_secs(7));
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["delivered"]);
    assert_eq!(bench.given().len(), 2);
}

async fn what_a_process_left_undone_is_delivered_by_another(place: Place) {
    let bench = replying(&place).await;
    let acme = tenant("acme");
    bench.behave(Behaviour::Refuses(Refusal::NotNow));
    let taken = bench.send(&acme, Bench::signed("d1", &json!({}))).await.unwrap();
    assert_eq!(taken, Taken::Kept, "there was no answer");
    bench.behave(Behaviour::Waits(Duration::from_hours(1)));
    // As of a process that ends in the middle of a call: what it holds is not due for others until it must have ended.
    drop(
        tokio::time::timeout(Duration::from_millis(300), bench.send(&acme, Bench::signed("d2", &json!({}))))
            .await,
    );
    bench.behave(Behaviour::Answers(200));
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["pending", "pending"]);
    bench.clock.advance(Duration::from_mins(1));
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["delivered", "delivered"]);
}

async fn closing_waits_for_those_who_answer(place: Place) {
    let bench = replying(&place).await;
    bench.behave(Behaviour::Waits(Duration::from_millis(600)));
    let webhooks = bench.webhooks.clone();
    let acme = tenant("acme");
    let sending = bench.send(&acme, Bench::signed("d1", &json!({})));
    let closing = async {
        while bench.given().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        webhooks.close(Duration::from_secs(10)).await
    };
    let (taken, has_ended) = tokio::join!(sending, closing);
    assert!(matches!(taken.unwrap(), Taken::Answered(_)) && has_ended);
    assert_eq!(bench.states(&acme).await, ["delivered"]);
}

async fn words_that_no_database_takes_hold_up_nobody(place: Place) {
    let bench = replying(&place).await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    bench.install(&other, json!({"scheme": "github", "secret": "s", "mode": "reply"}));
    bench.behave(Behaviour::Fails("a\0b"));
    bench.send(&acme, Bench::signed("d1", &json!({}))).await.unwrap();
    bench.behave(Behaviour::Answers(200));
    bench.send(&other, Bench::signed("d2", &json!({}))).await.unwrap();
    assert!(bench.webhooks.close(Duration::from_secs(5)).await);
    assert_eq!(bench.states(&other).await, ["delivered"]);
    let page = bench.webhooks.list(&acme, &events::webhook::Filter::default()).await.unwrap();
    let delivery = &page.deliveries[0];
    assert_eq!((delivery.attempts, delivery.last_error.as_deref()), (1, Some("a\u{fffd}b")));
    // Whoever holds the queue keeps such words, too.
    bench.behave(Behaviour::Fails("c\0d"));
    bench.clock.advance(Duration::from_secs(7));
    bench.deliver().await;
    let page = bench.webhooks.list(&acme, &events::webhook::Filter::default()).await.unwrap();
    assert_eq!(page.deliveries[0].last_error.as_deref(), Some("c\u{fffd}d"));
}
