//! Subscriptions whose events go to handlers of plugins, and what plugins' failures do to others.

use std::time::Duration;

use events::Error;
use events::delivery::{Filter, State};
use events::subscription::{self, Change, NewSubscription, Scope, Subscription};
use model::{EventKind, TenantId};

use super::world::{Behaviour, Process, World, by, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    words_that_no_database_takes_hold_up_nobody,
    what_is_switched_off_is_waited_for,
    a_subscription_ends_with_its_handler_in_words_of_its_own,
    a_handler_that_cannot_be_given_events_is_refused,
    what_waits_goes_to_the_handler_of_now,
    changes_at_the_same_time_lose_nothing,
);

/// A subscription of `tenant` whose events the handler `onEvent` of crm is given.
async fn subscribe(process: &Process, of: &TenantId) -> Subscription {
    process.subscriptions.create(by(of), wanted("crm", "onEvent")).await.unwrap().0
}

fn wanted(plugin: &str, handler: &str) -> NewSubscription {
    NewSubscription {
        types: vec!["order.*".into()],
        scope: Scope::Tenant,
        endpoint: None,
        handler: Some((plugin.into(), handler.into())),
        description: None,
    }
}

async fn words_that_no_database_takes_hold_up_nobody(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    world.hook(&acme, "crm", "order.*");
    world.behave("crm", Behaviour { status: 500, says: Some("a\0b"), ..Behaviour::default() });
    world.subscribe(&process, &other, (&["order.*"], "in")).await;
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    world.publish(&other, "order.created", (2, 3), |_| String::new()).await;
    process.settle().await;
    assert_eq!(world.states(&process, &other).await, [(State::Delivered, 1)]);
    let failed = world.deliveries(&process, &acme, Filter::default()).await.remove(0);
    assert_eq!((failed.attempts, failed.error.as_deref()), (1, Some("a\u{fffd}b")));
}

async fn what_is_switched_off_is_waited_for(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    // It listens to nothing by itself.
    world.hook(&acme, "crm", "none");
    let subscription = subscribe(&process, &acme).await;
    world.fail("crm", 503, None);
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    for _ in 0..4 {
        process.settle().await;
        world.clock.advance(Duration::from_hours(24));
    }
    let now = process.subscriptions.get(by(&acme), &subscription.id).await.unwrap();
    assert_eq!((now.state, now.failing_since), (subscription::State::Active, None));
    assert_eq!(world.states(&process, &acme).await, [(State::Pending, 0)]);
    world.well("crm");
    process.settle().await;
    assert_eq!(world.states(&process, &acme).await, [(State::Delivered, 1)]);
}

async fn a_subscription_ends_with_its_handler_in_words_of_its_own(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "none");
    let subscription = subscribe(&process, &acme).await;
    let says = Some("the plugin is not installed any more");
    world.behave("crm", Behaviour { status: 410, says, ..Behaviour::default() });
    world.publish(&acme, "order.created", (1, 3), |_| "one".into()).await;
    process.settle().await;
    let now = process.subscriptions.get(by(&acme), &subscription.id).await.unwrap();
    assert_eq!((now.state, now.reason.as_deref()), (subscription::State::Disabled, says));
    let told = world.logged(EventKind::SubscriptionDisabled).await;
    assert!(told.len() == 1 && told[0].data.contains("not installed"), "{told:?}");
    assert_eq!(world.states(&process, &acme).await, [(State::Pending, 0), (State::Failed, 0)]);
}

async fn a_handler_that_cannot_be_given_events_is_refused(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "none");
    let refused = |error: Error| {
        let Error::Invalid(violations) = error else { panic!("{error:?}") };
        violations.into_iter().map(|each| each.pointer).collect::<Vec<_>>()
    };
    let error = process.subscriptions.create(by(&acme), wanted("crm", "nope")).await.unwrap_err();
    assert_eq!(refused(error), ["/handler/handler"]);
    let error = process.subscriptions.create(by(&acme), wanted("other", "onEvent")).await.unwrap_err();
    assert!(matches!(error, Error::PluginNotInstalled(_)), "{error:?}");
    let subscription = subscribe(&process, &acme).await;
    let change = |handler: &str| Change { handler: Some(handler.into()), ..Change::default() };
    let error = process.subscriptions.update(by(&acme), &subscription.id, change("nope")).await.unwrap_err();
    assert_eq!(refused(error), ["/handler/handler"]);
    assert!(process.subscriptions.update(by(&acme), &subscription.id, change("onOther")).await.is_ok());
}

async fn what_waits_goes_to_the_handler_of_now(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "none");
    let subscription = subscribe(&process, &acme).await;
    world.fail("crm", 500, Some(1));
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    let change = Change { handler: Some("onOther".into()), ..Change::default() };
    process.subscriptions.update(by(&acme), &subscription.id, change).await.unwrap();
    world.clock.advance(Duration::from_secs(7));
    process.settle().await;
    let handlers: Vec<_> = world.got("crm").iter().map(|got| got.headers["handler"].clone()).collect();
    assert_eq!(handlers, ["onEvent", "onOther"]);
}

async fn changes_at_the_same_time_lose_nothing(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "none");
    let id = subscribe(&process, &acme).await.id;
    let (asked, go_on) = world.hold_asking();
    let first = {
        let (process, acme, id) = (process.clone(), acme.clone(), id.clone());
        let change = Change { handler: Some("onOther".into()), ..Change::default() };
        tokio::spawn(async move { process.subscriptions.update(by(&acme), &id, change).await })
    };
    // While the first has looked at it, and has not written yet.
    asked.notified().await;
    let change = Change { description: Some("orders".into()), ..Change::default() };
    process.subscriptions.update(by(&acme), &id, change).await.unwrap();
    process.subscriptions.pause(by(&acme), &id).await.unwrap();
    go_on.notify_one();
    let last = first.await.unwrap().unwrap();
    assert_eq!((last.description.as_deref(), last.state), (Some("orders"), subscription::State::Paused));
    assert_eq!(process.subscriptions.get(by(&acme), &id).await.unwrap(), last);
    let subscription::Destination::Handler { handler, .. } = last.destination else { panic!() };
    assert_eq!(handler, "onOther");
}
