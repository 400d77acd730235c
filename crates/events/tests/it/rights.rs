//! What users may follow: it changes while they do.

use std::sync::atomic::Ordering;

use events::feed::{Follower, Following, Readable};
use futures::future::join_all;
use model::EventKind;

use crate::bus::{Bus, following, next};
use crate::place::{Place, with_and_without_nats};

with_and_without_nats!(
    what_users_may_follow_changes_with_the_plugins,
    who_falls_behind_keeps_no_right_that_was_taken,
    who_begins_behind_keeps_no_right_that_was_taken_before_the_first_page,
    rights_are_read_once_for_all_who_follow,
);

async fn user(bus: &Bus, after: Option<i64>) -> Follower {
    let following = Following { readable: Readable::OfPlugins, ..following(Some("acme"), after) };
    bus.feed.follow(following).await.unwrap()
}

fn told(kind: &str, number: usize) -> (String, String) {
    (kind.into(), number.to_string())
}

/// In each step the marker is said last: what comes before it is all that is told.
async fn what_users_may_follow_changes_with_the_plugins(place: Place) {
    let bus = Bus::start(&place).await;
    bus.listens_to(&["marker"]);
    let mut user = user(&bus, None).await;
    let say = async |number| {
        bus.say("acme", "order", number).await;
        bus.say("acme", "marker", number).await;
    };
    say(0).await;
    assert_eq!(next(&mut user).await, told("marker", 0), "no plugin listens to orders");
    bus.listens_to(&["marker", "order"]);
    bus.record(Some("acme"), EventKind::InstallationCreated).await;
    say(1).await;
    assert_eq!(next(&mut user).await, told("order", 1));
    assert_eq!(next(&mut user).await, told("marker", 1));
    bus.listens_to(&["marker"]);
    bus.record(Some("acme"), EventKind::InstallationDisabled).await;
    say(2).await;
    assert_eq!(next(&mut user).await, told("marker", 2), "the plugin is off");
}

async fn who_falls_behind_keeps_no_right_that_was_taken(place: Place) {
    let bus = Bus::start(&place).await;
    bus.listens_to(&["order"]);
    let mut user = user(&bus, None).await;
    let mut all = bus.follow("acme", None).await;
    bus.say_all("acme", "order", 0..100).await;
    bus.listens_to(&["marker"]);
    bus.record(Some("acme"), EventKind::InstallationDisabled).await;
    // More than is held for who does not take it.
    bus.say_all("acme", "order", 100..1000).await;
    for _ in 0..1001 {
        next(&mut all).await;
    }
    bus.say("acme", "marker", 0).await;
    assert_eq!(next(&mut user).await, told("marker", 0));
}

async fn who_begins_behind_keeps_no_right_that_was_taken_before_the_first_page(place: Place) {
    let bus = Bus::start(&place).await;
    bus.listens_to(&["order"]);
    bus.say("acme", "order", 0).await;
    let mut user = user(&bus, Some(0)).await;
    bus.listens_to(&["marker"]);
    bus.record(Some("acme"), EventKind::InstallationDisabled).await;
    bus.say("acme", "order", 1).await;
    bus.say("acme", "marker", 1).await;
    assert_eq!(next(&mut user).await, told("marker", 1));
    bus.say("acme", "order", 2).await;
    bus.say("acme", "marker", 2).await;
    assert_eq!(next(&mut user).await, told("marker", 2));
}

async fn rights_are_read_once_for_all_who_follow(place: Place) {
    let bus = Bus::start(&place).await;
    bus.listens_to(&["order"]);
    let mut users = Vec::new();
    for _ in 0..50 {
        users.push(user(&bus, None).await);
    }
    bus.listens_to(&["cart"]);
    let asked = bus.listened.asked.load(Ordering::SeqCst);
    bus.record(Some("acme"), EventKind::InstallationUpgraded).await;
    bus.say("acme", "cart", 1).await;
    for heard in join_all(users.iter_mut().map(next)).await {
        assert_eq!(heard, told("cart", 1));
    }
    assert_eq!(bus.listened.asked.load(Ordering::SeqCst) - asked, 1);
}
