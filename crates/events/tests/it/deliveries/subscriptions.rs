//! Making, pausing and changing subscriptions, and what their receivers find.

use std::time::Duration;

use events::Error;
use events::delivery::Filter;
use events::subscription::{Change, NewSubscription, Scope, State};
use model::{Coded as _, EventKind};

use super::world::{World, by, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    what_waits_behind_a_pause_is_given_once_it_is_resumed,
    what_the_log_no_longer_has_is_told,
    what_a_full_queue_lacks_is_given_later,
    a_rotated_secret_signs_for_a_day_beside_the_new_one,
    wishes_that_break_rules_are_refused,
    a_tenants_subscriptions_are_its_own,
    the_platform_is_given_every_tenants_events,
    a_test_is_sent_at_once,
    who_is_deleted_is_given_nothing_more,
    a_change_holds_for_what_is_given_next,
    a_tenant_has_so_many_and_no_more,
    others_libraries_verify_what_is_sent,
);

fn wanted(types: &[&str], endpoint: &str) -> NewSubscription {
    NewSubscription {
        types: types.iter().map(ToString::to_string).collect(),
        scope: Scope::Tenant,
        endpoint: Some(endpoint.to_owned()),
        handler: None,
        description: None,
    }
}

async fn what_waits_behind_a_pause_is_given_once_it_is_resumed(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    world.publish(&acme, "order.created", (0, 3), |_| "one".into()).await;
    process.settle().await;
    let paused = process.subscriptions.pause(by(&acme), &subscription.id).await.unwrap();
    assert_eq!(paused.state, State::Paused);
    world.publish(&acme, "order.created", (3, 12_003), |n| (n % 5).to_string()).await;
    world.publish(&acme, "invoice.paid", (12_003, 12_010), |_| String::new()).await;
    process.settle().await;
    assert_eq!(world.got("in").len(), 3);
    assert_eq!(world.count("SELECT COUNT(*) FROM delivery").await, 3, "what waits costs no row");
    process.subscriptions.resume(by(&acme), &subscription.id).await.unwrap();
    world.publish(&acme, "order.created", (12_010, 12_011), |_| "0".into()).await;
    for _ in 0..4 {
        process.settle().await;
    }
    let numbers = world.numbers("in");
    assert_eq!(numbers.len(), 12_004);
    for key in 0..5 {
        assert!(numbers[3..].iter().filter(|n| *n % 5 == key).is_sorted(), "key {key}");
    }
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 12_004, "each once");
    assert_eq!(world.count("SELECT COUNT(*) FROM delivery_queue WHERE behind_from IS NOT NULL").await, 0);
}

async fn what_the_log_no_longer_has_is_told(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    process.subscriptions.pause(by(&acme), &subscription.id).await.unwrap();
    world.publish(&acme, "order.created", (0, 10), |_| "one".into()).await;
    process.settle().await;
    world.execute("UPDATE event_retention SET expired_through = (SELECT MAX(seq) - 4 FROM event)").await;
    world.execute("DELETE FROM event WHERE seq <= (SELECT expired_through FROM event_retention)").await;
    process.subscriptions.resume(by(&acme), &subscription.id).await.unwrap();
    process.settle().await;
    assert_eq!(world.numbers("in"), [6, 7, 8, 9]);
    let told = world.logged(EventKind::SubscriptionEventsExpired).await;
    assert_eq!((told.len(), told[0].subject.as_str()), (1, subscription.id.as_str()));
}

async fn what_a_full_queue_lacks_is_given_later(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    world.hook(&acme, "crm", "order.*");
    world.fail("crm", 500, None);
    world.publish(&acme, "order.created", (0, 11_500), |n| (n % 20).to_string()).await;
    process.settle().await;
    assert_eq!(world.count("SELECT COUNT(*) FROM delivery WHERE finished_at IS NULL").await, 10_000);
    assert_eq!(world.count("SELECT COUNT(*) FROM delivery_queue WHERE behind_from IS NOT NULL").await, 1);
    world.well("crm");
    world.clock.advance(Duration::from_secs(7));
    for _ in 0..4 {
        process.settle().await;
    }
    let mut numbers = world.numbers("crm");
    for key in 0..20 {
        assert!(numbers.iter().filter(|n| *n % 20 == key).is_sorted(), "key {key}");
    }
    assert_eq!(numbers.len(), 8 + 11_500, "those that were tried before it was known to fail, twice");
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..11_500).collect::<Vec<_>>());
}

async fn a_rotated_secret_signs_for_a_day_beside_the_new_one(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, first) = world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    assert!(first.starts_with("whsec_") && first.len() == 50, "{first}");
    let signatures = |number: usize| {
        let got = world.got("in").remove(number);
        got.headers["webhook-signature"].split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    world.publish(&acme, "order.created", (0, 1), |_| String::new()).await;
    process.settle().await;
    assert_eq!(signatures(0).len(), 1);
    let (second, former_until) =
        process.subscriptions.rotate_secret(by(&acme), &subscription.id).await.unwrap();
    assert_ne!(secrecy::ExposeSecret::expose_secret(&second), first);
    assert_eq!(world.ambient.now().until(former_until), Duration::from_hours(24));
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    assert_eq!(signatures(1).len(), 2);
    world.clock.advance(Duration::from_hours(25));
    world.publish(&acme, "order.created", (2, 3), |_| String::new()).await;
    process.settle().await;
    assert_eq!(signatures(2).len(), 1);
    for _ in 0..10 {
        process.subscriptions.rotate_secret(by(&acme), &subscription.id).await.unwrap();
    }
    world.publish(&acme, "order.created", (3, 4), |_| String::new()).await;
    process.settle().await;
    assert_eq!(signatures(3).len(), 5, "no more than so many");
    assert_eq!(world.logged(EventKind::SubscriptionSecretRotated).await.len(), 11);
}

async fn wishes_that_break_rules_are_refused(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let good = world.url("in");
    let with_handler = |endpoint: Option<String>, scope| NewSubscription {
        scope,
        endpoint,
        handler: Some(("crm".into(), "onEvent".into())),
        ..wanted(&["a"], "")
    };
    world.hook(&acme, "crm", "*");
    for (wish, pointers) in [
        (wanted(&[], &good), vec!["/types"]),
        (wanted(&["order.*", "*.created"], &good), vec!["/types/1"]),
        (wanted(&["a"], "http://example.com/x"), vec!["/endpoint/url"]),
        (wanted(&["a"], "https://10.0.0.1/x"), vec!["/endpoint/url"]),
        (wanted(&["a"], "https://user:secret@example.com/x"), vec!["/endpoint/url"]),
        (wanted(&["a"], "no url"), vec!["/endpoint/url"]),
        (wanted(&["a"], &format!("https://example.com/{}", "x".repeat(2048))), vec!["/endpoint/url"]),
        (NewSubscription { endpoint: None, ..wanted(&["a"], "") }, vec![""]),
        (with_handler(Some(good.clone()), Scope::Tenant), vec![""]),
        (with_handler(None, Scope::Platform), vec!["/scope"]),
        (
            NewSubscription { description: Some("x".repeat(501)), ..wanted(&["a"], &good) },
            vec!["/description"],
        ),
    ] {
        let error = process.subscriptions.create(by(&acme), wish.clone()).await.unwrap_err();
        let told: Vec<_> = error.violations().into_iter().map(|violation| violation.pointer).collect();
        assert_eq!(told, pointers, "{wish:?}");
    }
    let handler = Some(("other".to_owned(), "onEvent".to_owned()));
    let absent = NewSubscription { endpoint: None, handler, ..wanted(&["a"], "") };
    let error = process.subscriptions.create(by(&acme), absent).await.unwrap_err();
    assert!(matches!(error, Error::PluginNotInstalled(_)), "{error:?}");
    process.subscriptions.create(by(&acme), with_handler(None, Scope::Tenant)).await.unwrap();
    world.publish(&acme, "a", (1, 2), |_| String::new()).await;
    process.settle().await;
    let told: Vec<_> = world.got("crm").into_iter().filter(|got| got.event()["type"] == "a").collect();
    assert_eq!(told.len(), 2, "by its hook, and by the subscription");
}

async fn a_tenants_subscriptions_are_its_own(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    let (subscription, _) = world.subscribe(&process, &acme, (&["a"], "in")).await;
    let (subscriptions, id) = (&process.subscriptions, subscription.id.as_str());
    assert!(subscriptions.list(by(&other)).await.unwrap().is_empty());
    for error in [
        subscriptions.get(by(&other), id).await.err(),
        subscriptions.update(by(&other), id, Change::default()).await.err(),
        subscriptions.delete(by(&other), id).await.err(),
        subscriptions.pause(by(&other), id).await.err(),
        subscriptions.resume(by(&other), id).await.err(),
        subscriptions.rotate_secret(by(&other), id).await.err(),
        subscriptions.test(by(&other), id).await.err(),
    ] {
        assert!(matches!(error, Some(Error::NoSuchSubscription(_))), "{error:?}");
    }
    assert_eq!(subscriptions.list(by(&acme)).await.unwrap(), [subscription]);
    assert!(world.got("in").is_empty());
}

async fn the_platform_is_given_every_tenants_events(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let (acme, other, home) = (tenant("acme"), tenant("other"), tenant("home"));
    let platform = events::subscription::Actor { reach: Scope::Platform, ..by(&home) };
    let wish = NewSubscription { scope: Scope::Platform, ..wanted(&["order.*"], &world.url("all")) };
    let (subscription, _) = process.subscriptions.create(platform, wish).await.unwrap();
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    world.publish(&other, "order.created", (2, 3), |_| String::new()).await;
    process.settle().await;
    let mut numbers = world.numbers("all");
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    // An admin of the tenant that it belongs to is none of the platform.
    assert!(process.subscriptions.list(by(&home)).await.unwrap().is_empty());
    let hidden = process.subscriptions.get(by(&home), &subscription.id).await;
    assert!(matches!(hidden, Err(Error::NoSuchSubscription(_))));
    let all = Filter::default();
    let seen = |reach| process.deliveries.list((&home, reach), &all, None, None);
    assert!(seen(Scope::Tenant).await.unwrap().deliveries.is_empty());
    assert_eq!(seen(Scope::Platform).await.unwrap().deliveries.len(), 2);
}

async fn a_test_is_sent_at_once(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    process.subscriptions.pause(by(&acme), &subscription.id).await.unwrap();
    let tested = process.subscriptions.test(by(&acme), &subscription.id).await.unwrap();
    assert_eq!((tested.status, tested.error), (Some(204), None));
    assert_eq!(world.got("in")[0].event()["type"], "jackfield.subscription.test");
    world.fail("in", 401, None);
    let tested = process.subscriptions.test(by(&acme), &subscription.id).await.unwrap();
    assert_eq!((tested.status, tested.error.is_some()), (Some(401), true));
    assert_eq!(world.count("SELECT COUNT(*) FROM delivery").await, 0);
}

async fn who_is_deleted_is_given_nothing_more(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    world.fail("in", 500, None);
    world.publish(&acme, "order.created", (1, 4), |_| "one".into()).await;
    process.settle().await;
    process.subscriptions.delete(by(&acme), &subscription.id).await.unwrap();
    world.publish(&acme, "order.created", (4, 5), |_| "one".into()).await;
    world.clock.advance(Duration::from_hours(1));
    process.settle().await;
    assert_eq!(world.got("in").len(), 1);
    let states = world.states(&process, &acme).await;
    assert!(states.iter().all(|(state, _)| *state == events::delivery::State::Skipped), "{states:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM subscription_secret").await, 0);
    let of = (&acme, Scope::Tenant);
    let first = world.deliveries(&process, &acme, Filter::default()).await.remove(0);
    assert!(matches!(process.deliveries.retry(of, first.id).await, Err(Error::NoReceiver)));
}

async fn a_change_holds_for_what_is_given_next(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, _) = world.subscribe(&process, &acme, (&["order.*"], "old")).await;
    let change = Change {
        types: Some(vec!["invoice.*".into()]),
        endpoint: Some(world.url("new")),
        description: Some("bookkeeping".into()),
        ..Change::default()
    };
    let changed = process.subscriptions.update(by(&acme), &subscription.id, change).await.unwrap();
    assert_eq!(changed.description.as_deref(), Some("bookkeeping"));
    assert_eq!(process.subscriptions.get(by(&acme), &subscription.id).await.unwrap(), changed);
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    world.publish(&acme, "invoice.paid", (2, 3), |_| String::new()).await;
    process.settle().await;
    assert_eq!((world.got("old").len(), world.numbers("new")), (0, vec![2]));
    let change = Change { handler: Some("x".into()), ..Change::default() };
    let error = process.subscriptions.update(by(&acme), &subscription.id, change).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
}

async fn a_tenant_has_so_many_and_no_more(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    for number in 0..100 {
        world.subscribe(&process, &acme, (&["order.*"], &format!("in{number}"))).await;
    }
    let one_more = process.subscriptions.create(by(&acme), wanted(&["a"], &world.url("in"))).await;
    assert!(matches!(one_more, Err(Error::TooManySubscriptions(100))));
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    for number in 0..100 {
        assert_eq!(world.numbers(&format!("in{number}")), [1]);
    }
}

async fn others_libraries_verify_what_is_sent(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let (subscription, first) = world.subscribe(&process, &acme, (&["order.*"], "in")).await;
    world.publish(&acme, "order.created", (0, 1), |_| "ä ключ".into()).await;
    process.settle().await;
    let (second, _) = process.subscriptions.rotate_secret(by(&acme), &subscription.id).await.unwrap();
    let second = secrecy::ExposeSecret::expose_secret(&second).to_owned();
    world.publish(&acme, "order.created", (1, 2), |_| String::new()).await;
    process.settle().await;
    let got = world.got("in");
    let with = |number: usize, secret: &str, body: Option<&str>| {
        let got: &super::world::Got = &got[number];
        serde_json::json!({"headers": got.headers, "body": body.unwrap_or(&got.body), "secret": secret})
    };
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let cases = [
        (with(0, &first, None), true),
        (with(1, &first, None), true),
        (with(1, &second, None), true),
        (with(0, &second, None), false),
        (with(0, other, None), false),
        (with(0, &first, Some("{}")), false),
    ];
    let given: Vec<_> = cases.iter().map(|(given, _)| given.clone()).collect();
    let told = testkit::verified_webhooks(&given.into()).unwrap();
    for (index, (_, expected)) in cases.iter().enumerate() {
        for library in ["standardwebhooks", "svix"] {
            let said = &told[index][library];
            assert_eq!(said == &serde_json::Value::Bool(true), *expected, "{index} {library}: {said}");
        }
    }
}
