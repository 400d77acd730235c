//! Giving events to those who want them: at least once, in order per key, again after failures, and each on its own.

mod behind;
mod failures;
mod handlers;
mod pauses;
mod processes;
mod subscriptions;
mod world;

use std::time::Duration;

use events::delivery::{Filter, State};

use crate::place::{Place, on_both_databases};
use world::{Behaviour, World, tenant};

on_both_databases!(
    an_event_goes_to_those_who_want_it_once,
    events_of_a_key_stay_in_order_while_one_fails,
    a_plugins_handlers_are_given_what_they_want,
    what_happened_before_is_given_to_nobody,
    many_events_come_through_in_order,
    a_failed_delivery_is_repeated_when_asked_for,
    a_range_is_repeated_in_its_order,
    what_has_failed_again_is_repeated_again,
    old_deliveries_are_forgotten,
);

async fn an_event_goes_to_those_who_want_it_once(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    let (orders, _) = world.subscribe(&process, &acme, (&["order.*"], "orders")).await;
    world.subscribe(&process, &acme, (&["invoice.paid", "order.created"], "both")).await;
    world.subscribe(&process, &other, (&["*"], "other")).await;
    world.publish(&acme, "order.created", (1, 2), |_| "o1".into()).await;
    process.settle().await;
    process.settle().await;
    assert_eq!((world.numbers("orders"), world.numbers("both")), (vec![1], vec![1]));
    assert!(world.got("other").iter().all(|got| got.event()["tenant"] == "other"), "no other tenant's");
    let got = &world.got("orders")[0];
    let event = got.event();
    for (name, value) in [
        ("specversion", "1.0"),
        ("id", "e1"),
        ("source", "tests"),
        ("type", "order.created"),
        ("partitionkey", "o1"),
        ("tenant", "acme"),
        ("sender", "api_key:k1"),
        ("datacontenttype", "application/json"),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
    assert_eq!(got.headers["content-type"], "application/cloudevents+json");
    assert_eq!(got.headers["webhook-timestamp"], world.ambient.now().as_second().to_string());
    assert_ne!(got.headers["webhook-id"], world.got("both")[0].headers["webhook-id"]);
    let filter = Filter { subscription: Some(orders.id.clone()), ..Filter::default() };
    let told = world.deliveries(&process, &acme, filter).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].state, told[0].attempts, told[0].status), (State::Delivered, 1, Some(204)));
    assert_eq!(told[0].event, Some((("e1".into(), "tests".into()), "order.created".into())));
    let filter = Filter { event: Some("e1".into()), ..Filter::default() };
    assert_eq!(world.deliveries(&process, &acme, filter.clone()).await.len(), 2);
    assert!(world.deliveries(&process, &other, filter).await.is_empty());
}

async fn events_of_a_key_stay_in_order_while_one_fails(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.behave("crm", Behaviour { status: 500, times: Some(1), only: Some(0), ..Behaviour::default() });
    // Keys a and b in turn, and some without.
    world
        .publish(&acme, "order.changed", (0, 9), |n| ["a", "b", ""][usize::try_from(n).unwrap() % 3].into())
        .await;
    process.settle().await;
    let first = world.numbers("crm");
    assert!(first.contains(&0));
    assert!(!first.contains(&3) && !first.contains(&6), "those of its key wait: {first:?}");
    for number in [1, 4, 7, 2, 5, 8] {
        assert!(first.contains(&number), "others do not wait: {first:?}");
    }
    world.clock.advance(Duration::from_secs(4));
    process.settle().await;
    world.clock.advance(Duration::from_secs(4));
    process.settle().await;
    let of_a: Vec<_> = world.numbers("crm").into_iter().filter(|n| n % 3 == 0).collect();
    let of_b: Vec<_> = world.numbers("crm").into_iter().filter(|n| n % 3 == 1).collect();
    assert_eq!((of_a, of_b), (vec![0, 0, 3, 6], vec![1, 4, 7]));
}

async fn a_plugins_handlers_are_given_what_they_want(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    world.publish(&acme, "invoice.paid", (2, 3), |_| String::new()).await;
    process.settle().await;
    assert_eq!(world.numbers("crm"), [1]);
    assert_eq!(world.got("crm")[0].headers["handler"], "onEvent");
    let told = world
        .deliveries(&process, &acme, Filter { plugin: Some("crm".parse().unwrap()), ..Filter::default() })
        .await;
    assert_eq!(
        (told.len(), told[0].plugin.as_deref(), told[0].handler.as_deref()),
        (1, Some("crm"), Some("onEvent"))
    );
    // Who is gone is given nothing; who cannot be asked now is asked later.
    world.fail("crm", 410, Some(1));
    world.publish(&acme, "order.created", (3, 4), |_| String::new()).await;
    process.settle().await;
    assert_eq!(world.states(&process, &acme).await[0], (State::Skipped, 0));
    world.fail("crm", 503, Some(1));
    world.publish(&acme, "order.created", (4, 5), |_| String::new()).await;
    process.settle().await;
    assert_eq!(world.states(&process, &acme).await[0], (State::Pending, 0));
    world.clock.advance(Duration::from_secs(16));
    process.settle().await;
    assert_eq!(world.states(&process, &acme).await[0], (State::Delivered, 1));
}

async fn what_happened_before_is_given_to_nobody(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.publish(&acme, "order.created", (1, 3), |_| String::new()).await;
    world.subscribe(&process, &acme, (&["order.*"], "late")).await;
    world.publish(&acme, "order.created", (3, 4), |_| String::new()).await;
    process.settle().await;
    assert_eq!(world.numbers("late"), [3]);
}

async fn many_events_come_through_in_order(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.publish(&acme, "order.created", (0, 3000), |n| format!("k{}", n % 7)).await;
    process.settle().await;
    let numbers = world.numbers("crm");
    assert_eq!(numbers.len(), 3000);
    for key in 0..7 {
        let of_key: Vec<_> = numbers.iter().filter(|n| *n % 7 == key).collect();
        assert!(of_key.is_sorted(), "key {key}");
    }
}

async fn a_failed_delivery_is_repeated_when_asked_for(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    world.hook(&acme, "crm", "*");
    world.fail("crm", 500, None);
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    let waiting = world.deliveries(&process, &acme, Filter::default()).await.remove(0);
    assert_eq!((waiting.state, waiting.attempts), (State::Pending, 1));
    assert_eq!(waiting.error.as_deref(), Some("the handler failed with 500"));
    world.well("crm");
    let of_other = (&other, events::subscription::Scope::Tenant);
    assert!(matches!(
        process.deliveries.retry(of_other, waiting.id).await,
        Err(events::Error::NoSuchDelivery)
    ));
    let of_acme = (&acme, events::subscription::Scope::Tenant);
    assert_eq!(process.deliveries.retry(of_acme, waiting.id).await.unwrap().id, waiting.id);
    process.settle().await;
    assert_eq!(process.deliveries.find(of_acme, waiting.id).await.unwrap().state, State::Delivered);
    let again = process.deliveries.retry(of_acme, waiting.id).await.unwrap();
    assert_eq!((again.replay_of, again.state), (Some(waiting.id), State::Pending));
    process.settle().await;
    assert_eq!(world.numbers("crm"), [1, 1, 1]);
}

async fn a_range_is_repeated_in_its_order(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    world.publish(&acme, "order.created", (0, 1500), |_| "one".into()).await;
    let deliver_all = async || {
        process.settle().await;
        while world.count("SELECT COUNT(*) FROM delivery WHERE finished_at IS NULL").await > 0 {
            process.settle().await;
        }
    };
    deliver_all().await;
    assert_eq!(world.numbers("in").len(), 1500);
    let mut range = events::delivery::Range {
        subscription: Some(subscription.id.clone()),
        plugin: None,
        state: State::Delivered,
        from: None,
        to: None,
        after: 0,
        through: None,
    };
    let of = (&acme, events::subscription::Scope::Tenant);
    let first = process.deliveries.replay(of, &range).await.unwrap();
    assert_eq!(first.count, 1000);
    // They are delivered, too, before the rest is asked for.
    deliver_all().await;
    assert_eq!(world.numbers("in").len(), 2500);
    let (after, through) = first.next.unwrap();
    range = events::delivery::Range { after, through: Some(through), ..range };
    let second = process.deliveries.replay(of, &range).await.unwrap();
    assert_eq!((second.count, second.next), (500, None));
    deliver_all().await;
    // From the beginning again, as who does not know how far it came would: nothing is left.
    range = events::delivery::Range { after: 0, through: None, ..range };
    assert_eq!(process.deliveries.replay(of, &range).await.unwrap().count, 0);
    deliver_all().await;
    assert_eq!(world.numbers("in").len(), 3000);
    let numbers = world.numbers("in");
    assert_eq!(numbers[1500..], numbers[..1500]);
    let got = world.got("in");
    assert_eq!(got[0].headers["webhook-id"], got[1500].headers["webhook-id"], "by its id it is known again");
}

async fn what_has_failed_again_is_repeated_again(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "*");
    world.fail("crm", 500, None);
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    let range = events::delivery::Range {
        subscription: None,
        plugin: Some("crm".parse().unwrap()),
        state: State::Failed,
        from: None,
        to: None,
        after: 0,
        through: None,
    };
    let of = (&acme, events::subscription::Scope::Tenant);
    let give_up = async || {
        process.settle().await;
        world
            .execute(
                "UPDATE delivery SET state = 'failed', finished_at = created_at WHERE finished_at IS NULL",
            )
            .await;
    };
    for _ in 0..3 {
        give_up().await;
        assert_eq!(
            process.deliveries.replay(of, &range).await.unwrap().count,
            1,
            "the last repetition alone"
        );
        assert_eq!(process.deliveries.replay(of, &range).await.unwrap().count, 0, "it is under way");
    }
    assert_eq!(world.deliveries(&process, &acme, Filter::default()).await.len(), 4);
}

async fn old_deliveries_are_forgotten(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "*");
    world.publish(&acme, "order.created", (0, 3), |_| String::new()).await;
    process.settle().await;
    world.clock.advance(Duration::from_hours(29 * 24));
    world.fail("crm", 500, None);
    world.publish(&acme, "order.created", (3, 4), |_| String::new()).await;
    process.settle().await;
    assert_eq!(process.deliveries.sweep().await.unwrap(), 0);
    world.clock.advance(Duration::from_hours(2 * 24));
    assert_eq!(process.deliveries.sweep().await.unwrap(), 3);
    assert_eq!(world.states(&process, &acme).await, [(State::Pending, 1)]);
}
