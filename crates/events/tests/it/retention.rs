//! What is removed from the log, and what is not.

use std::time::Duration;

use events::Error;
use events::feed::{Readable, Retention, Step};
use storage::Database;
use testkit::ManualClock;

use crate::bus::{Bus, id, numbers};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    what_is_old_goes_and_who_comes_late_is_told,
    what_is_too_much_goes,
    what_is_needed_stays,
    two_sweep_at_once,
);

const DAY: Duration = Duration::from_hours(24);
const MUCH: u64 = 1 << 40;

/// Has all readers of the log be at its end.
async fn all_read(database: &Database) {
    execute(database, "UPDATE log_reader SET cursor = (SELECT COALESCE(MAX(seq), 0) FROM event)").await;
}

async fn execute(database: &Database, sql: &'static str) {
    let mut tx = database.begin().await.unwrap();
    storage::on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
}

async fn said(bus: &Bus, after: Option<i64>) -> Result<Vec<usize>, Error> {
    let page = bus.feed.page((Some(&id("acme")), Readable::All), &[], after, 1000).await?;
    Ok(page.events.iter().map(|event| event.data.parse().unwrap()).collect())
}

async fn what_is_old_goes_and_who_comes_late_is_told(place: Place) {
    let (clock, ambient) = ManualClock::ambient();
    let bus = Bus::start_at(&place, &ambient).await;
    let retention = Retention::new(bus.database.clone(), 30 * DAY, MUCH, ambient);
    for number in 0..3 {
        bus.say("acme", "order", number).await;
    }
    let seen = bus.feed.page((Some(&id("acme")), Readable::All), &[], None, 1).await.unwrap().next;
    clock.advance(20 * DAY);
    bus.say("acme", "order", 3).await;
    all_read(&bus.database).await;
    assert_eq!(retention.sweep().await.unwrap().events, 0);
    clock.advance(11 * DAY);
    assert_eq!(retention.sweep().await.unwrap().events, 3);
    assert_eq!(retention.sweep().await.unwrap().events, 0);
    assert_eq!(said(&bus, None).await.unwrap(), [3]);
    let Err(Error::Gone { oldest }) = said(&bus, Some(seen)).await else { panic!("it is gone") };
    assert_eq!(said(&bus, Some(oldest)).await.unwrap(), [3]);
    let mut follower = bus.follow("acme", Some(seen)).await;
    assert!(matches!(follower.next().await, Ok(Step::Missed { oldest: told }) if told == oldest));
    assert_eq!(numbers(&mut follower, 1).await, [3]);
}

async fn what_is_too_much_goes(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let bus = Bus::start_at(&place, &ambient).await;
    let mut tx = bus.database.begin().await.unwrap();
    for number in 0..1500 {
        let data = serde_json::json!("a".repeat(1000 + number % 2));
        let kind = model::EventKind::PluginRated;
        tx.record(model::Event { tenant: Some(id("acme")), kind, subject: "x".into(), data });
    }
    tx.commit().await.unwrap();
    all_read(&bus.database).await;
    let retention = Retention::new(bus.database.clone(), 30 * DAY, 200_000, ambient);
    let swept = retention.sweep().await.unwrap();
    let left = bus.feed.page((Some(&id("acme")), Readable::All), &[], None, 1000).await.unwrap().events;
    assert_eq!(usize::try_from(swept.events).unwrap() + left.len(), 1500);
    let bytes: usize = left.iter().map(|event| event.data.len() + event.kind.len() + 10).sum();
    assert!((195_000..=200_000).contains(&bytes), "{bytes}");
    assert_eq!(retention.sweep().await.unwrap().events, 0);
}

async fn what_is_needed_stays(place: Place) {
    let (clock, ambient) = ManualClock::ambient();
    let bus = Bus::start_at(&place, &ambient).await;
    for number in 0..5 {
        bus.say("acme", "order", number).await;
    }
    all_read(&bus.database).await;
    // The second is yet to be delivered, the third was; a reader has come as far as the fourth.
    let delivery = "INSERT INTO delivery (tenant, queue, ordering_key, event_seq, handler, state, attempts, due_at, created_at, finished_at) \
        SELECT 'acme', 'q', '', seq, 'h', 'x', 0, 0, 0, CASE WHEN data = '1' THEN NULL ELSE 1 END FROM event WHERE data IN ('1', '2')";
    execute(&bus.database, delivery).await;
    let reader = "INSERT INTO log_reader (name, cursor, holder, lease_until) SELECT 'late', seq, '', 0 FROM event WHERE data = '3'";
    execute(&bus.database, reader).await;
    clock.advance(31 * DAY);
    let retention = Retention::new(bus.database.clone(), 30 * DAY, MUCH, ambient);
    assert_eq!(retention.sweep().await.unwrap().events, 3);
    assert_eq!(said(&bus, None).await.unwrap(), [4], "pages begin behind what was removed");
    execute(&bus.database, "UPDATE delivery SET finished_at = 1").await;
    all_read(&bus.database).await;
    assert_eq!(retention.sweep().await.unwrap().events, 2);
}

async fn two_sweep_at_once(place: Place) {
    let (clock, ambient) = ManualClock::ambient();
    let bus = Bus::start_at(&place, &ambient).await;
    for number in 0..60 {
        bus.say("acme", "order", number).await;
    }
    all_read(&bus.database).await;
    clock.advance(31 * DAY);
    bus.say("acme", "order", 60).await;
    let retention = || Retention::new(bus.database.clone(), 30 * DAY, MUCH, ambient.clone());
    let (first, second) = (retention(), retention());
    let (first, second) = tokio::join!(first.sweep(), second.sweep());
    assert_eq!(first.unwrap().events + second.unwrap().events, 60);
    assert_eq!(said(&bus, None).await.unwrap(), [60]);
}
