//! Reading the log in pages, and following it.

use std::time::{Duration, Instant};

use events::Error;
use events::feed::{Audience, Following, Readable, Step, Topic};
use futures::future::join_all;
use model::EventKind;

use crate::bus::{BOUNDS, Bus, PATIENCE, following, id, is_silent, next, numbers, types};
use crate::place::{Place, with_and_without_nats};

with_and_without_nats!(
    pages_have_what_is_wanted_and_say_where_to_go_on,
    a_page_that_looks_at_many_events_moves_on,
    large_events_fill_a_page_sooner,
    users_read_what_plugins_listen_to,
    what_is_published_is_told_in_order,
    who_comes_back_misses_nothing,
    who_is_slow_reads_the_database,
    order_holds_under_many_publishers,
    tenants_hear_their_own_and_the_platform_all,
    a_thousand_follow,
    places_are_bounded_and_come_free,
    the_end_of_the_server_ends_all,
    a_place_of_another_log_is_told,
    a_place_moves_on_though_nothing_is_of_interest,
);

async fn pages_have_what_is_wanted_and_say_where_to_go_on(place: Place) {
    let bus = Bus::start(&place).await;
    for number in 0..5 {
        bus.say("acme", "order.created", number).await;
        bus.say("acme", "order", number).await;
        bus.say("other", "order.created", number).await;
    }
    let page = |after, limit| {
        let (feed, wanted) = (bus.feed.clone(), types(&["order.*"]));
        async move { feed.page((Some(&id("acme")), Readable::All), &wanted, after, limit).await.unwrap() }
    };
    let first = page(None, 3).await;
    let data: Vec<_> = first.events.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(data, ["0", "1", "2"]);
    assert_eq!((first.next, first.is_last), (first.events[2].seq, false));
    let second = page(Some(first.next), 3).await;
    assert_eq!(second.events.len(), 2);
    assert!(
        second.is_last && second.next > second.events[1].seq,
        "what is of no interest is not looked at again"
    );
    let third = page(Some(second.next), 3).await;
    assert_eq!((third.events.len(), third.next), (0, second.next));
    let all = bus.feed.page((None, Readable::All), &[], None, 1000).await.unwrap();
    assert_eq!(all.events.len(), 15);
    assert!(all.events.is_sorted_by(|a, b| a.seq < b.seq));
}

async fn a_page_that_looks_at_many_events_moves_on(place: Place) {
    let bus = Bus::start(&place).await;
    let mut conn = bus.database.begin().await.unwrap();
    let sql = "INSERT INTO event (id, tenant, kind, subject, data, recorded_at) \
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500) \
        SELECT CAST(i AS TEXT), 'acme', 'noise', '', 'null', 0 FROM n";
    storage::on!(conn, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
    conn.commit().await.unwrap();
    bus.say("acme", "order", 1).await;
    let tenant = id("acme");
    let read = |after| {
        let (feed, tenant, wanted) = (bus.feed.clone(), tenant.clone(), types(&["order"]));
        async move { feed.page((Some(&tenant), Readable::All), &wanted, after, 10).await.unwrap() }
    };
    let first = read(None).await;
    assert_eq!((first.events.len(), first.is_last), (0, false));
    let second = read(Some(first.next)).await;
    assert_eq!((second.events.len(), second.is_last), (1, true));
    // Who follows from there finds it, too.
    let mut follower = bus
        .feed
        .follow(Following { types: types(&["order"]), ..following(Some("acme"), Some(0)) })
        .await
        .unwrap();
    assert_eq!(next(&mut follower).await, ("order".into(), "1".into()));
}

async fn large_events_fill_a_page_sooner(place: Place) {
    let bus = Bus::start(&place).await;
    let mut tx = bus.database.begin().await.unwrap();
    for number in 0..100 {
        tx.record(model::Event {
            tenant: Some(id("acme")),
            kind: EventKind::PluginRated,
            subject: number.to_string(),
            data: "a".repeat(60_000).into(),
        });
    }
    tx.commit().await.unwrap();
    let (mut after, mut found) = (None, 0);
    loop {
        let page = bus.feed.page((Some(&id("acme")), Readable::All), &[], after, 100).await.unwrap();
        let bytes: usize = page.events.iter().map(|event| event.data.len()).sum();
        assert!(bytes <= 4 * 1024 * 1024, "{bytes}");
        assert!(page.is_last || !page.events.is_empty());
        found += page.events.len();
        if page.is_last {
            break;
        }
        after = Some(page.next);
    }
    assert_eq!(found, 100);
}

async fn users_read_what_plugins_listen_to(place: Place) {
    let bus = Bus::start(&place).await;
    for kind in ["order.created", "payment.succeeded", "cart.filled"] {
        bus.say("acme", kind, 1).await;
    }
    bus.record(Some("acme"), EventKind::ApiKeyCreated).await;
    bus.record(Some("acme"), EventKind::InstallationCreated).await;
    let tenant = id("acme");
    let read = |asked: &[&str]| {
        let (feed, tenant, asked) = (bus.feed.clone(), tenant.clone(), types(asked));
        async move {
            let page = feed.page((Some(&tenant), Readable::OfPlugins), &asked, None, 100).await.unwrap();
            page.events.into_iter().map(|event| event.kind).collect::<Vec<_>>()
        }
    };
    assert!(read(&[]).await.is_empty(), "no plugin listens to anything");
    bus.listens_to(&["order.*", "cart.filled"]);
    assert_eq!(read(&[]).await, ["order.created", "cart.filled"]);
    assert_eq!(read(&["order.*", "payment.*"]).await, ["order.created"]);
    bus.listens_to(&["*"]);
    assert_eq!(read(&[]).await, ["order.created", "payment.succeeded", "cart.filled"]);
    bus.listens_to(&["*", "jackfield.installation.*"]);
    assert_eq!(read(&["jackfield.*"]).await, ["jackfield.installation.created"]);
    let policy = events::publish::EventPolicy::checked(&[], Some(&["payment.*".into()])).unwrap();
    bus.publisher.set_policy(&tenant, &policy, "ann").await.unwrap();
    assert_eq!(read(&[]).await, ["payment.succeeded"]);
}

async fn what_is_published_is_told_in_order(place: Place) {
    let bus = Bus::start(&place).await;
    bus.say("acme", "before", 0).await;
    let mut follower = bus.follow("acme", None).await;
    for number in 0..50 {
        bus.say("acme", "order", number).await;
    }
    assert_eq!(numbers(&mut follower, 50).await, (0..50).collect::<Vec<_>>());
    assert!(is_silent(&mut follower).await);
}

async fn who_comes_back_misses_nothing(place: Place) {
    let bus = Bus::start(&place).await;
    let mut follower = bus.follow("acme", None).await;
    for number in 0..3 {
        bus.say("acme", "order", number).await;
    }
    assert_eq!(numbers(&mut follower, 2).await, [0, 1]);
    let left_at = follower.place();
    drop(follower);
    assert_eq!(bus.feed.streams(), 0);
    for number in 3..200 {
        bus.say("acme", "order", number).await;
    }
    let mut follower = bus.follow("acme", Some(left_at)).await;
    bus.say("acme", "order", 200).await;
    assert_eq!(numbers(&mut follower, 199).await, (2..201).collect::<Vec<_>>());
    assert!(is_silent(&mut follower).await, "nothing comes twice");
}

async fn who_is_slow_reads_the_database(place: Place) {
    let bus = Bus::start(&place).await;
    let (mut slow, mut quick) = (bus.follow("acme", None).await, bus.follow("acme", None).await);
    for hundred in 0..10 {
        let said = hundred * 100..(hundred + 1) * 100;
        bus.say_all("acme", "order", said.clone()).await;
        assert_eq!(numbers(&mut quick, 100).await, said.collect::<Vec<_>>());
    }
    assert_eq!(numbers(&mut slow, 1000).await, (0..1000).collect::<Vec<_>>());
    bus.say("acme", "order", 1000).await;
    assert_eq!(numbers(&mut slow, 1).await, [1000], "it is level again");
}

async fn order_holds_under_many_publishers(place: Place) {
    let bus = Bus::start(&place).await;
    let mut follower = bus.follow("acme", None).await;
    let publishers = (0..8).map(|publisher| {
        let bus = &bus;
        async move {
            for number in 0..40 {
                bus.say("acme", &format!("p{publisher}"), number).await;
            }
        }
    });
    let reader = async {
        let (mut places, mut seen) = (Vec::new(), Vec::new());
        while places.len() < 320 {
            match tokio::time::timeout(PATIENCE, follower.next()).await.expect("all come").unwrap() {
                Step::Event(told) => {
                    places.push(told.event().seq);
                    seen.push((told.event().kind.clone(), told.event().data.parse::<usize>().unwrap()));
                }
                other => panic!("{other:?}"),
            }
        }
        (places, seen)
    };
    let (_, (places, seen)) = tokio::join!(join_all(publishers), reader);
    assert!(places.is_sorted_by(|a, b| a < b), "in the order of the log, each once");
    for publisher in 0..8 {
        let kind = format!("p{publisher}");
        let of_one: Vec<_> =
            seen.iter().filter(|(each, _)| *each == kind).map(|(_, number)| *number).collect();
        assert_eq!(of_one, (0..40).collect::<Vec<_>>());
    }
}

async fn tenants_hear_their_own_and_the_platform_all(place: Place) {
    let bus = Bus::start(&place).await;
    let mut acme = bus.follow("acme", None).await;
    let mut other = bus.follow("other", None).await;
    let mut all = bus.feed.follow(following(None, None)).await.unwrap();
    let installations = Following { topic: Topic::Installations, ..following(Some("acme"), None) };
    let mut installations = bus.feed.follow(installations).await.unwrap();
    bus.say("acme", "a", 1).await;
    bus.say("other", "b", 2).await;
    bus.record(None, EventKind::PluginCreated).await;
    bus.record(Some("other"), EventKind::InstallationCreated).await;
    bus.record(Some("acme"), EventKind::InstallationRemoved).await;
    let kind = |heard: (String, String)| heard.0;
    assert_eq!(kind(next(&mut acme).await), "a");
    assert_eq!(kind(next(&mut acme).await), "jackfield.installation.removed");
    assert_eq!(kind(next(&mut other).await), "b");
    assert_eq!(kind(next(&mut other).await), "jackfield.installation.created");
    for expected in [
        "a",
        "b",
        "jackfield.plugin.created",
        "jackfield.installation.created",
        "jackfield.installation.removed",
    ] {
        assert_eq!(kind(next(&mut all).await), expected);
    }
    assert_eq!(kind(next(&mut installations).await), "jackfield.installation.removed");
    for follower in [&mut acme, &mut other, &mut all, &mut installations] {
        assert!(is_silent(follower).await);
    }
}

async fn a_thousand_follow(place: Place) {
    let bus = Bus::start(&place).await;
    let began = Instant::now();
    let mut followers = Vec::new();
    for number in 0..1000 {
        followers.push(bus.follow(&format!("t{}", number % 150), None).await);
    }
    for tenant in 0..150 {
        bus.say(&format!("t{tenant}"), "order", tenant).await;
    }
    for (number, follower) in followers.iter_mut().enumerate() {
        assert_eq!(numbers(follower, 1).await, [number % 150]);
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!(bus.feed.streams(), 1000);
}

async fn places_are_bounded_and_come_free(place: Place) {
    let bus = Bus::start(&place).await;
    let mut followers = Vec::new();
    for _ in 0..BOUNDS.streams_per_tenant {
        followers.push(bus.follow("acme", None).await);
    }
    let refused = bus.feed.follow(following(Some("acme"), None)).await;
    assert!(matches!(refused, Err(Error::TooManyStreams(_))));
    let stranger = Audience::Public([192, 0, 2, 1].into());
    let public = Following { audience: stranger, ..following(Some("acme"), None) };
    followers.push(bus.feed.follow(public).await.unwrap());
    followers.pop();
    followers.pop();
    followers.push(bus.follow("acme", None).await);
    drop(followers);
    assert_eq!(bus.feed.streams(), 0);
    // Who comes after a rest hears what is said from then on.
    tokio::time::sleep(Duration::from_millis(50)).await;
    bus.say("acme", "order", 1).await;
    let mut follower = bus.follow("acme", None).await;
    bus.say("acme", "order", 2).await;
    assert_eq!(numbers(&mut follower, 1).await, [2]);
}

async fn the_end_of_the_server_ends_all(place: Place) {
    let bus = Bus::start(&place).await;
    let mut follower = bus.follow("acme", None).await;
    let ending = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        bus.feed.close();
    };
    let (step, ()) = tokio::join!(follower.next(), ending);
    assert!(matches!(step, Ok(Step::Ended)));
}

async fn a_place_of_another_log_is_told(place: Place) {
    let bus = Bus::start(&place).await;
    bus.say("acme", "order", 1).await;
    let page = bus.feed.page((Some(&id("acme")), Readable::All), &[], Some(1_000_000), 10).await;
    assert!(matches!(page, Err(Error::Gone { oldest: 0 })));
    let mut follower = bus.follow("acme", Some(1_000_000)).await;
    assert!(matches!(follower.next().await, Ok(Step::Missed { oldest: 0 })));
    assert_eq!(numbers(&mut follower, 1).await, [1], "it goes on with what there is");
}

async fn a_place_moves_on_though_nothing_is_of_interest(place: Place) {
    let bus = Bus::start(&place).await;
    let mut follower = bus.follow("acme", None).await;
    let began_at = follower.place();
    for number in 0..10 {
        bus.say("other", "order", number).await;
    }
    assert!(is_silent(&mut follower).await);
    let began = Instant::now();
    while follower.place() < began_at + 10 {
        assert!(began.elapsed() < PATIENCE, "{}", follower.place());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_logs_another_tells() {
    let place = Place::postgres();
    let (here, there) = (Bus::start(&place).await, Bus::start(&place).await);
    let mut follower = here.follow("acme", None).await;
    let mut recorded = here.database.recorded();
    // The watch changes at the beginning of listening, too; then only by what is heard.
    tokio::time::sleep(Duration::from_secs(1)).await;
    recorded.borrow_and_update();
    there.say("acme", "order", 0).await;
    tokio::time::timeout(PATIENCE, recorded.changed()).await.expect("the database tells of it").unwrap();
    for number in 1..20 {
        there.say("acme", "order", number).await;
    }
    assert_eq!(numbers(&mut follower, 20).await, (0..20).collect::<Vec<_>>());
}
