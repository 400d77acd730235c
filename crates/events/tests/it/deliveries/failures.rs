//! Receivers that fail: how often they are tried, when they are given up, and that nobody else waits for them.

use std::time::{Duration, Instant};

use events::delivery::{Bounds, Filter, State};
use events::feed::Retention;
use events::subscription;
use model::EventKind;

use super::world::{Behaviour, World, by, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    who_fails_is_tried_again_and_given_up_at_last,
    who_fails_for_days_is_disabled_and_given_all_once_it_is_resumed,
    who_is_gone_is_disabled_at_once,
    a_receiver_may_ask_for_time,
    redirects_are_not_followed,
    who_hangs_holds_up_nobody_else,
    a_failure_to_tell_of_a_failure_is_not_told,
    a_status_is_the_answer_whatever_follows_it,
    who_is_disabled_keeps_the_log_for_as_long_as_events_are_kept,
    an_event_is_found_by_its_id_at_once,
);

/// How long the steps are in which time passes.
const STEP: Duration = Duration::from_mins(30);

async fn who_fails_is_tried_again_and_given_up_at_last(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.fail("crm", 500, None);
    world.publish(&acme, "order.created", (1, 3), |_| "one".into()).await;
    process.settle().await;
    let mut attempts = vec![world.got("crm").len()];
    for _ in 0..80 {
        world.clock.advance(STEP);
        process.settle().await;
        attempts.push(world.got("crm").len());
    }
    let told = world.deliveries(&process, &acme, Filter::default()).await;
    assert_eq!((told[1].state, told[1].attempts), (State::Failed, 8), "{attempts:?}");
    assert_eq!(told[1].error.as_deref(), Some("the handler failed with 500"));
    assert!(told[1].finished_at.is_some());
    assert!(told[0].attempts > 0, "the next of its key goes on: {told:?}");
    let failed = world.logged(EventKind::DeliveryFailed).await;
    assert_eq!(failed.len(), 1);
    let data: serde_json::Value = serde_json::from_str(&failed[0].data).unwrap();
    assert_eq!((&data["pluginId"], &data["attempts"]), (&"crm".into(), &8.into()));
    assert_eq!(data["event"]["id"], "e1");
    let of = Filter { state: Some(State::Failed), ..Filter::default() };
    assert_eq!(world.deliveries(&process, &acme, of).await.len(), 1, "it is found among the dead letters");
}

async fn who_fails_for_days_is_disabled_and_given_all_once_it_is_resumed(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "broken")).await;
    world.fail("broken", 500, None);
    for day in 0..5 {
        world.publish(&acme, "order.created", (day, day + 1), |_| "one".into()).await;
        for _ in 0..24 {
            process.settle().await;
            world.clock.advance(Duration::from_hours(1));
        }
    }
    let now = process.subscriptions.get(by(&acme), &subscription.id).await.unwrap();
    assert_eq!(now.state, subscription::State::Active);
    assert!(now.failing_since.is_some());
    for _ in 0..30 {
        world.clock.advance(Duration::from_hours(1));
        process.settle().await;
    }
    let now = process.subscriptions.get(by(&acme), &subscription.id).await.unwrap();
    assert_eq!(now.state, subscription::State::Disabled);
    assert!(now.reason.unwrap().contains("5 days"));
    assert_eq!(world.logged(EventKind::SubscriptionDisabled).await.len(), 1);
    let tried = world.got("broken").len();
    world.publish(&acme, "order.created", (5, 8), |_| "one".into()).await;
    world.clock.advance(Duration::from_hours(24));
    process.settle().await;
    assert_eq!(world.got("broken").len(), tried, "it is given nothing");
    world.well("broken");
    process.subscriptions.resume(by(&acme), &subscription.id).await.unwrap();
    process.settle().await;
    process.settle().await;
    let numbers = world.numbers("broken").split_off(tried);
    assert_eq!(&numbers[numbers.len() - 3..], [5, 6, 7], "{numbers:?}");
    let now = process.subscriptions.get(by(&acme), &subscription.id).await.unwrap();
    assert_eq!((now.state, now.failing_since, now.reason), (subscription::State::Active, None, None));
}

async fn who_is_gone_is_disabled_at_once(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "gone")).await;
    world.fail("gone", 410, None);
    world.publish(&acme, "order.created", (1, 9), |_| "one".into()).await;
    process.settle().await;
    assert_eq!(world.numbers("gone"), [1]);
    let now = process.subscriptions.get(by(&acme), &subscription.id).await.unwrap();
    assert_eq!(now.state, subscription::State::Disabled);
    assert!(now.reason.unwrap().contains("410"));
    world.clock.advance(Duration::from_hours(24));
    process.settle().await;
    assert_eq!(world.numbers("gone"), [1]);
    assert_eq!(world.states(&process, &acme).await.last(), Some(&(State::Failed, 1)));
}

async fn a_receiver_may_ask_for_time(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.subscribe(&process, &acme, (&["order.*"], "busy")).await;
    let headers = vec![("retry-after", "600".to_owned())];
    world.behave("busy", Behaviour { status: 429, headers, times: Some(1), ..Behaviour::default() });
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    let told = world.deliveries(&process, &acme, Filter::default()).await.remove(0);
    let waits = world.ambient.now().until(told.due_at.unwrap());
    assert_eq!((told.status, waits.as_secs()), (Some(429), 600));
    world.clock.advance(Duration::from_secs(599));
    process.settle().await;
    assert_eq!(world.numbers("busy"), [1]);
    world.clock.advance(Duration::from_secs(2));
    process.settle().await;
    assert_eq!(world.numbers("busy"), [1, 1]);
    let got = world.got("busy");
    assert_eq!(got[0].headers["webhook-id"], got[1].headers["webhook-id"]);
    assert_ne!(got[0].headers["webhook-timestamp"], got[1].headers["webhook-timestamp"]);
    assert_ne!(got[0].headers["webhook-signature"], got[1].headers["webhook-signature"]);
    assert_eq!(got[0].body, got[1].body);
}

async fn redirects_are_not_followed(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.subscribe(&process, &acme, (&["order.*"], "moved")).await;
    let headers = vec![("location", world.url("elsewhere"))];
    world.behave("moved", Behaviour { status: 307, headers, ..Behaviour::default() });
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    assert_eq!((world.got("moved").len(), world.got("elsewhere").len()), (1, 0));
    let told = world.deliveries(&process, &acme, Filter::default()).await.remove(0);
    assert_eq!((told.state, told.status), (State::Pending, Some(307)));
    assert!(told.error.unwrap().contains("redirects are not followed"));
}

async fn who_hangs_holds_up_nobody_else(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    world.subscribe(&process, &acme, (&["order.*"], "hangs")).await;
    world.subscribe(&process, &acme, (&["order.*"], "well")).await;
    world.subscribe(&process, &other, (&["order.*"], "elsewhere")).await;
    world.behave("hangs", Behaviour { hangs: true, ..Behaviour::default() });
    world.publish(&acme, "order.created", (0, 100), |n| n.to_string()).await;
    let begun = Instant::now();
    process.deliveries.round().await.unwrap();
    while world.got("well").len() < 100 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} came", world.got("well").len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(world.got("hangs").len() <= 8, "only its own places");
    world.publish(&other, "order.created", (100, 101), |_| String::new()).await;
    process.deliveries.round().await.unwrap();
    while world.got("elsewhere").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.well("hangs");
    process.deliveries.idle().await;
    let waiting =
        world.deliveries(&process, &acme, Filter { state: Some(State::Pending), ..Filter::default() }).await;
    let failed: Vec<_> = waiting.iter().filter_map(|one| one.error.as_ref()).collect();
    assert!(!failed.is_empty() && failed.iter().all(|error| error.contains("did not answer")), "{failed:?}");
    assert_eq!(failed.len(), world.got("hangs").len(), "the others wait until it is well");
    world.clock.advance(Duration::from_secs(7));
    process.settle().await;
    let states = world.states(&process, &acme).await;
    assert!(states.iter().all(|(state, _)| *state == State::Delivered), "{states:?}");
}

async fn a_failure_to_tell_of_a_failure_is_not_told(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "jackfield.delivery.*");
    world.hook(&acme, "notes", "order.*");
    world.fail("crm", 500, None);
    world.fail("notes", 500, None);
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    for _ in 0..90 {
        process.settle().await;
        world.clock.advance(Duration::from_hours(1));
    }
    assert_eq!(world.got("crm").len(), 8);
    assert_eq!(world.logged(EventKind::DeliveryFailed).await.len(), 1);
}

async fn a_status_is_the_answer_whatever_follows_it(place: Place) {
    let world = World::new(place).await;
    // Less than what is said besides is waited for.
    let process = world.process_with(Duration::from_millis(900), Bounds::default()).await;
    let acme = tenant("acme");
    let bodies = [(200, "well"), (500, "ill")];
    for (status, at) in bodies {
        world.behave(at, Behaviour { status, trails_off: true, ..Behaviour::default() });
        world.subscribe(&process, &acme, (&["order.*"], at)).await;
    }
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    let mut told = world.deliveries(&process, &acme, Filter::default()).await;
    told.sort_by_key(|delivery| delivery.status);
    assert_eq!((told[0].state, told[0].status), (State::Delivered, Some(200)));
    assert_eq!((told[1].state, told[1].status), (State::Pending, Some(500)));
    assert_eq!(told[1].error.as_deref(), Some("the endpoint answered 500: so"));
}

async fn who_is_disabled_keeps_the_log_for_as_long_as_events_are_kept(place: Place) {
    const KEPT: Duration = Duration::from_hours(30 * 24);
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "gone")).await;
    world.fail("gone", 410, None);
    world.publish(&acme, "order.created", (1, 4), |_| "one".into()).await;
    process.settle().await;
    let retention = Retention::new(world.database.clone(), KEPT, 1 << 40, world.ambient.clone());
    world.clock.advance(KEPT.saturating_sub(Duration::from_secs(1)));
    retention.sweep().await.unwrap();
    let states = world.states(&process, &acme).await;
    assert_eq!(states, [(State::Pending, 0), (State::Pending, 0), (State::Failed, 1)]);
    world.clock.advance(Duration::from_secs(2));
    // All of the log is read by then, and what the subscription was to be given is the only reason to keep it.
    process.settle().await;
    let removed = retention.sweep().await.unwrap().events;
    assert!(removed >= 3, "{removed}");
    let states = world.states(&process, &acme).await;
    assert_eq!(states, [(State::Skipped, 0), (State::Skipped, 0), (State::Failed, 1)]);
    let told = world.logged(EventKind::SubscriptionEventsExpired).await;
    assert_eq!((told.len(), told[0].subject.as_str()), (1, subscription.id.as_str()));
    let data: serde_json::Value = serde_json::from_str(&told[0].data).unwrap();
    assert!(data["reason"].as_str().unwrap().contains("longer than events are kept"), "{data}");
    let now = process.subscriptions.get(by(&acme), &subscription.id).await.unwrap();
    assert_eq!(now.state, subscription::State::Disabled);
}

async fn an_event_is_found_by_its_id_at_once(place: Place) {
    let world = World::new(place).await;
    let mut conn = world.database.read().await.unwrap();
    let storage::Engine::Sqlite(conn) = conn.engine() else { return };
    let sql = "EXPLAIN QUERY PLAN SELECT seq FROM event WHERE source_id = 'e1' AND tenant = 'acme'";
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sql).fetch_all(conn).await.unwrap();
    assert!(plan.iter().all(|(.., step)| step.contains("event_by_id")), "{plan:?}");
}
