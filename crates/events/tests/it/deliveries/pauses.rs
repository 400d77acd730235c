//! Receivers that fail are tried seldom, and all of them together leave room for others.

use std::time::{Duration, Instant};

use events::delivery::{Bounds, State};
use events::subscription::Scope;

use super::world::{Behaviour, DEADLINE, World, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    who_asks_for_time_is_given_nothing_else_meanwhile,
    who_fails_is_tried_with_growing_pauses,
    many_that_hang_leave_room_for_others,
    what_is_asked_for_is_tried_in_spite_of_a_pause,
    what_cannot_be_written_keeps_nothing_else_from_being_written,
);

async fn who_asks_for_time_is_given_nothing_else_meanwhile(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.subscribe(&process, &acme, (&["order.*"], "busy")).await;
    let headers = vec![("retry-after", "3600".to_owned())];
    world.behave("busy", Behaviour { status: 429, headers, times: Some(1), ..Behaviour::default() });
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    assert_eq!(world.numbers("busy"), [1]);
    world.publish(&acme, "order.created", (2, 4), |_| String::new()).await;
    process.settle().await;
    world.clock.advance(Duration::from_secs(3599));
    world.publish(&acme, "order.created", (4, 5), |_| String::new()).await;
    process.settle().await;
    assert_eq!(world.numbers("busy"), [1], "another event is for the same receiver");
    world.clock.advance(Duration::from_secs(2));
    process.settle().await;
    let mut numbers = world.numbers("busy");
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 1, 2, 3, 4]);
}

async fn who_fails_is_tried_with_growing_pauses(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.subscribe(&process, &acme, (&["order.*"], "dead")).await;
    world.fail("dead", 500, None);
    world.publish(&acme, "order.created", (0, 500), |_| String::new()).await;
    process.settle().await;
    let at_first = world.got("dead").len();
    assert!(at_first <= 8, "{at_first}");
    for _ in 0..60 {
        world.clock.advance(Duration::from_mins(1));
        process.settle().await;
    }
    let in_an_hour = world.got("dead").len() - at_first;
    assert!((10..=25).contains(&in_an_hour), "one every five minutes: {in_an_hour}");
    world.well("dead");
    world.clock.advance(Duration::from_mins(6));
    process.settle().await;
    assert!(world.got("dead").len() > 450, "all that is due comes at once where it is well again");
}

async fn many_that_hang_leave_room_for_others(place: Place) {
    let world = World::new(place).await;
    let process =
        world.process_with(DEADLINE, Bounds { queues: 2, attempts: 2, attempts_per_tenant: 2 }).await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    world.subscribe(&process, &other, (&["order.*"], "well")).await;
    for number in 0..4 {
        let at = format!("hangs{number}");
        world.subscribe(&process, &acme, (&["order.*"], &at)).await;
        world.fail(&at, 500, None);
    }
    world.publish(&acme, "order.created", (0, 3), |_| String::new()).await;
    process.settle().await;
    process.settle().await;
    let tried = || (0..4).map(|number| world.got(&format!("hangs{number}")).len()).collect::<Vec<_>>();
    let before = tried();
    assert!(before.iter().all(|count| *count >= 2), "all are known to fail: {before:?}");
    for number in 0..4 {
        world.behave(&format!("hangs{number}"), Behaviour { hangs: true, ..Behaviour::default() });
    }
    world.clock.advance(Duration::from_secs(10));
    process.deliveries.round().await.unwrap();
    let begun = Instant::now();
    while tried() == before {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.publish(&other, "order.created", (10, 11), |_| String::new()).await;
    process.deliveries.round().await.unwrap();
    while world.got("well").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let more = tried().iter().sum::<usize>() - before.iter().sum::<usize>();
    assert_eq!(more, 1, "those that fail have one of the two slots");
}

async fn what_is_asked_for_is_tried_in_spite_of_a_pause(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.subscribe(&process, &acme, (&["order.*"], "busy")).await;
    let headers = vec![("retry-after", "3600".to_owned())];
    world.behave("busy", Behaviour { status: 503, headers, times: Some(1), ..Behaviour::default() });
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    let waiting = world.deliveries(&process, &acme, events::delivery::Filter::default()).await.remove(0);
    process.deliveries.retry((&acme, Scope::Tenant), waiting.id).await.unwrap();
    process.settle().await;
    assert_eq!(world.states(&process, &acme).await, [(State::Delivered, 2)]);
}

async fn what_cannot_be_written_keeps_nothing_else_from_being_written(place: Place) {
    let is_sqlite = place.is_sqlite();
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.publish(&acme, "order.created", (0, 8), |_| String::new()).await;
    if is_sqlite {
        world
            .execute(
                "CREATE TRIGGER poison BEFORE UPDATE ON delivery WHEN NEW.state = 'delivered' AND NEW.event_seq = \
                 (SELECT MIN(event_seq) FROM delivery) BEGIN SELECT RAISE(ABORT, 'no'); END",
            )
            .await;
    } else {
        world
            .execute(
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.state = 'delivered' AND NEW.event_seq = (SELECT MIN(event_seq) FROM delivery) \
                 THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$",
            )
            .await;
        world
            .execute("CREATE TRIGGER poison BEFORE UPDATE ON delivery FOR EACH ROW EXECUTE FUNCTION poison()")
            .await;
    }
    process.settle().await;
    let states = world.states(&process, &acme).await;
    let delivered = states.iter().filter(|(state, _)| *state == State::Delivered).count();
    assert_eq!((states.len(), delivered), (8, 7), "{states:?}");
}
