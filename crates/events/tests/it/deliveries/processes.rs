//! Several processes on one database: what one has begun and not ended, another does.

use std::time::{Duration, Instant};

use events::delivery::State;

use super::world::{Behaviour, World, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    what_a_dead_process_held_is_taken_over,
    two_processes_share_the_work_and_give_each_once,
    who_stops_lets_others_go_on_at_once,
    who_runs_hears_of_events_by_itself,
    what_is_cut_off_comes_again_with_the_same_id,
);

async fn what_a_dead_process_held_is_taken_over(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    let acme = tenant("acme");
    world.subscribe(&first, &acme, (&["order.*"], "in")).await;
    world.behave("in", Behaviour { hangs: true, times: Some(1), ..Behaviour::default() });
    world.publish(&acme, "order.created", (1, 4), |_| "one".into()).await;
    first.deliveries.round().await.unwrap();
    while world.got("in").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The first hangs, and its lease is not renewed: as good as dead.
    second.deliveries.round().await.unwrap();
    second.deliveries.idle().await;
    assert_eq!(world.numbers("in"), [1], "as long as the lease holds, nobody else has it");
    world.clock.advance(Duration::from_secs(16));
    second.settle().await;
    assert_eq!(world.numbers("in"), [1, 1, 2, 3]);
    first.deliveries.idle().await;
    first.settle().await;
    assert_eq!(world.numbers("in"), [1, 1, 2, 3], "who comes back gives nothing twice");
    let got = world.got("in");
    assert_eq!(got[0].headers["webhook-id"], got[1].headers["webhook-id"]);
    let states = world.states(&first, &acme).await;
    assert!(states.iter().all(|(state, _)| *state == State::Delivered), "{states:?}");
}

async fn two_processes_share_the_work_and_give_each_once(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    let tenants: Vec<_> = (0..20).map(|number| tenant(&format!("t{number}"))).collect();
    for (number, of) in tenants.iter().enumerate() {
        world.subscribe(&first, of, (&["order.*"], &format!("in{number}"))).await;
        world.publish(of, "order.created", (0, 50), |n| (n % 3).to_string()).await;
    }
    let settled = async {
        tokio::join!(first.settle(), second.settle());
        first.settle().await;
    };
    settled.await;
    for number in 0..20 {
        let mut numbers = world.numbers(&format!("in{number}"));
        for key in 0..3 {
            assert!(numbers.iter().filter(|n| *n % 3 == key).is_sorted());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>(), "in{number}");
    }
}

async fn who_stops_lets_others_go_on_at_once(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.publish(&acme, "order.created", (0, 2000), |_| "one".into()).await;
    first.deliveries.round().await.unwrap();
    while world.got("crm").len() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(first.deliveries.close(Duration::from_secs(10)).await);
    let given = world.got("crm").len();
    assert!(given < 2000, "it stopped in between");
    second.settle().await;
    assert_eq!(
        world.numbers("crm"),
        (0..2000).collect::<Vec<_>>(),
        "each once, in order, without waiting for a lease"
    );
}

async fn who_runs_hears_of_events_by_itself(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    let running = tokio::spawn(process.deliveries.clone().run());
    let begun = Instant::now();
    for number in 0..5 {
        world.publish(&acme, "order.created", (number, number + 1), |_| "one".into()).await;
        while world.got("in").len() <= usize::try_from(number).unwrap() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert_eq!(world.numbers("in"), [0, 1, 2, 3, 4]);
    assert!(process.deliveries.close(Duration::from_secs(5)).await);
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
}

async fn what_is_cut_off_comes_again_with_the_same_id(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    let acme = tenant("acme");
    world.subscribe(&first, &acme, (&["order.*"], "in")).await;
    world.behave("in", Behaviour { hangs: true, times: Some(1), ..Behaviour::default() });
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    first.deliveries.round().await.unwrap();
    while world.got("in").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!first.deliveries.close(Duration::from_millis(50)).await, "it had to be cut off");
    second.settle().await;
    let got = world.got("in");
    assert_eq!(got.len(), 2, "without waiting for the lease");
    assert_eq!(got[0].headers["webhook-id"], got[1].headers["webhook-id"]);
}
