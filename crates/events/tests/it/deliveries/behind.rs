//! Queues that lack events, and readers of the log that take turns: nothing is lost, whatever comes between.

use std::time::Duration;

use events::delivery::{NewDelivery, Payload, Queue, enqueue};
use model::{Event, EventKind};
use serde_json::json;
use storage::on;

use super::world::{Behaviour, World, by, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    whose_plugins_cannot_be_asked_holds_up_nobody_and_loses_nothing,
    who_comes_back_knows_what_was_installed_meanwhile,
    a_clock_that_is_set_back_stops_nobody,
    many_events_for_many_come_through_in_several_transactions,
    leases_hold_while_a_process_closes,
    a_pause_while_a_queue_catches_up_loses_nothing,
);

async fn whose_plugins_cannot_be_asked_holds_up_nobody_and_loses_nothing(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    world.hook(&acme, "crm", "order.*");
    world.hook(&other, "notes", "order.*");
    world.untold(&[&acme, &other]);
    world.publish(&acme, "order.created", (0, 3), |_| "one".into()).await;
    world.publish(&other, "order.created", (3, 5), |_| "one".into()).await;
    process.settle().await;
    assert!(world.got("crm").is_empty() && world.got("notes").is_empty());
    // The first of the queues that lack something cannot be helped; the second does not wait for it.
    world.untold(&[&acme]);
    world.publish(&other, "order.created", (5, 6), |_| "one".into()).await;
    process.settle().await;
    assert_eq!((world.numbers("notes"), world.numbers("crm")), (vec![3, 4, 5], vec![]));
    world.untold(&[]);
    world.publish(&acme, "order.created", (6, 8), |_| "one".into()).await;
    process.settle().await;
    assert_eq!(world.numbers("crm"), [0, 1, 2, 6, 7], "each once, in order");
    assert_eq!(world.count("SELECT COUNT(*) FROM delivery_queue WHERE behind_from IS NOT NULL").await, 0);
}

async fn who_comes_back_knows_what_was_installed_meanwhile(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.publish(&acme, "order.created", (0, 1), |_| String::new()).await;
    first.settle().await;
    // The first is cut off, and the second reads that something was installed.
    world.clock.advance(Duration::from_secs(11));
    world.hook(&acme, "notes", "order.*");
    let mut tx = world.database.begin().await.unwrap();
    let (kind, subject) = (EventKind::InstallationCreated, "notes".into());
    tx.record(Event { tenant: Some(acme.clone()), kind, subject, data: json!({}) });
    tx.commit().await.unwrap();
    second.settle().await;
    world.clock.advance(Duration::from_secs(11));
    world.publish(&acme, "order.created", (2, 3), |_| String::new()).await;
    first.settle().await;
    assert_eq!((world.numbers("crm"), world.numbers("notes")), (vec![0, 2], vec![2]));
}

async fn a_clock_that_is_set_back_stops_nobody(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.publish(&acme, "order.created", (0, 1), |_| String::new()).await;
    first.settle().await;
    world.execute("UPDATE delivery_queue SET owner = 'gone', lease_until = (SELECT lease_until FROM log_reader WHERE name = 'delivery')").await;
    world.clock.set_back(Duration::from_hours(1));
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    second.settle().await;
    assert_eq!(world.numbers("crm"), [0, 1], "leases of an hour ahead have ended");
}

async fn many_events_for_many_come_through_in_several_transactions(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    for number in 0..60 {
        world.hook(&acme, &format!("p{number}"), "order.*");
    }
    world.publish(&acme, "order.created", (0, 100), |_| "one".into()).await;
    process.settle().await;
    for number in 0..60 {
        assert_eq!(world.numbers(&format!("p{number}")), (0..100).collect::<Vec<_>>());
    }
}

async fn leases_hold_while_a_process_closes(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.subscribe(&process, &acme, (&["order.*"], "slow")).await;
    let behaviour = Behaviour { hangs: true, times: Some(1), ..Default::default() };
    world.behave("slow", behaviour);
    let running = tokio::spawn(process.deliveries.clone().run());
    world.publish(&acme, "order.created", (0, 1), |_| String::new()).await;
    while world.got("slow").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let lease = "SELECT COALESCE(MAX(lease_until), 0) FROM delivery_queue WHERE owner IS NOT NULL";
    let closing = tokio::spawn({
        let deliveries = process.deliveries.clone();
        async move { deliveries.close(Duration::from_secs(30)).await }
    });
    world.clock.advance(Duration::from_secs(5));
    let before = world.count(lease).await;
    // It is renewed every three seconds, and the endpoint is given up after four.
    let mut was_renewed = false;
    while !closing.is_finished() {
        was_renewed |= world.count(lease).await > before;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(was_renewed);
    assert!(closing.await.unwrap());
    running.await.unwrap();
}

async fn a_pause_while_a_queue_catches_up_loses_nothing(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    process.subscriptions.pause(by(&acme), &subscription.id).await.unwrap();
    world.publish(&acme, "order.created", (0, 3), |_| "one".into()).await;
    process.settle().await;
    // As who catches up sees it that has chosen the queue before the pause, and its subscription after it.
    world.execute("UPDATE delivery_queue SET halted = 0").await;
    process.settle().await;
    assert!(world.got("in").is_empty(), "it is paused");
    process.subscriptions.resume(by(&acme), &subscription.id).await.unwrap();
    process.settle().await;
    assert_eq!(world.numbers("in"), [0, 1, 2]);
}

/// What needs two transactions that are open at the same time, which SQLite has not.
mod on_postgres_alone {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_delivery_has_its_place_once_its_queue_is_locked() {
        let world = World::new(Place::postgres()).await;
        let acme = tenant("acme");
        let queue = Queue::Subscription { tenant: acme, id: "s1".into() };
        let now = world.ambient.now();
        let new = |seq| NewDelivery {
            queue: queue.clone(),
            key: String::new(),
            payload: Payload::Webhook { seq },
            due_at: now,
        };
        let mut first = world.database.begin().await.unwrap();
        enqueue(&mut first, &[new(1)], now).await.unwrap();
        first.commit().await.unwrap();
        let mut first = world.database.begin().await.unwrap();
        on!(first, |c| sqlx::query("UPDATE delivery_queue SET stamp = stamp").execute(c).await.map(drop))
            .unwrap();
        let second = tokio::spawn({
            let (database, new) = (world.database.clone(), new(2));
            async move {
                let mut second = database.begin().await.unwrap();
                enqueue(&mut second, &[new], now).await.unwrap();
                second.commit().await.unwrap();
            }
        });
        world.someone_waits().await;
        let places = "SELECT last_value FROM delivery_seq_seq";
        assert_eq!(world.count(places).await, 1, "who waits has no place yet");
        enqueue(&mut first, &[new(3)], now).await.unwrap();
        first.commit().await.unwrap();
        second.await.unwrap();
        assert_eq!(world.count("SELECT webhook_seq FROM delivery ORDER BY seq DESC LIMIT 1").await, 2);
    }
}
