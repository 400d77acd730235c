//! Readers of the log: each event once, whoever reads and whatever ends.

use std::time::Duration;

use model::{Ambient, Event, EventKind};
use serde_json::json;
use storage::{Database, LogReader, Migration, Next, on};
use testkit::ManualClock;
use tokio::task::JoinSet;

use crate::{Place, column, on_both_databases};

on_both_databases!(
    each_event_comes_once_and_in_order,
    what_was_not_committed_comes_again,
    one_process_reads_until_its_lease_ends,
    a_released_lease_is_taken_at_once,
    many_readers_at_once_take_each_event_once,
    what_is_of_no_interest_costs_no_writing,
    what_is_of_no_interest_holds_up_nothing,
    more_than_a_page_comes_page_by_page,
    large_events_come_in_smaller_batches,
    what_is_left_of_a_batch_comes_next,
    a_lease_of_a_clock_that_went_wrong_has_ended,
    a_reader_hears_of_what_its_process_records,
);

/// A reader's place, and a table that takes no event twice.
pub(crate) const TABLE: &[Migration] = &[Migration {
    version: 2026_11_21_93,
    name: "a reader of the log",
    sql: "CREATE TABLE taken (number {serial}, event TEXT NOT NULL UNIQUE);
          INSERT INTO log_reader (name, cursor, holder, lease_until) VALUES ('test', 0, '', 0)",
}];

const WANTED: &[EventKind] = &[EventKind::PluginUpdated, EventKind::PluginPublished];

fn reader(database: &Database, ambient: &Ambient) -> LogReader {
    LogReader::new("test", WANTED, database.clone(), ambient.clone())
}

async fn record(database: &Database, kind: EventKind, subject: &str) {
    let mut tx = database.begin().await.unwrap();
    tx.record(Event { tenant: None, kind, subject: subject.into(), data: json!({}) });
    tx.commit().await.unwrap();
}

/// Takes the next batch into the table; tells how many events it had.
async fn take(reader: &LogReader) -> Result<usize, Next> {
    let mut batch = match reader.next().await.unwrap() {
        Next::Batch(batch) => batch,
        other => return Err(other),
    };
    for event in &batch.events {
        on!(batch.tx, |c| sqlx::query("INSERT INTO taken (event) VALUES ($1)")
            .bind(&event.subject)
            .execute(c)
            .await
            .map(drop))
        .unwrap();
    }
    let count = batch.events.len();
    batch.commit().await.unwrap();
    Ok(count)
}

async fn taken(database: &Database) -> Vec<String> {
    column(database, "SELECT event FROM taken ORDER BY number").await
}

async fn cursor(database: &Database) -> String {
    column(database, "SELECT CAST(cursor AS TEXT) FROM log_reader WHERE name = 'test'").await.remove(0)
}

async fn each_event_comes_once_and_in_order(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let first = reader(&database, &ambient);
    assert!(matches!(take(&first).await, Err(Next::Nothing)));
    for subject in ["a", "b", "c"] {
        record(&database, EventKind::PluginUpdated, subject).await;
        record(&database, EventKind::PluginRated, "other").await;
    }
    assert!(matches!(take(&first).await, Ok(3)));
    assert!(matches!(take(&first).await, Err(Next::Nothing)));
    record(&database, EventKind::PluginUpdated, "d").await;
    assert!(matches!(take(&first).await, Ok(1)));
    assert_eq!(taken(&database).await, ["a", "b", "c", "d"]);
}

async fn what_was_not_committed_comes_again(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let first = reader(&database, &ambient);
    record(&database, EventKind::PluginUpdated, "a").await;
    let Next::Batch(batch) = first.next().await.unwrap() else { panic!("there is one") };
    assert_eq!(batch.events.len(), 1);
    drop(batch);
    assert!(matches!(take(&first).await, Ok(1)));
    assert_eq!(taken(&database).await, ["a"]);
}

async fn one_process_reads_until_its_lease_ends(place: Place) {
    let (clock, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let (first, second) = (reader(&database, &ambient), reader(&database, &ambient));
    record(&database, EventKind::PluginUpdated, "a").await;
    take(&first).await.unwrap();
    record(&database, EventKind::PluginUpdated, "b").await;
    clock.advance(Duration::from_secs(9));
    assert!(matches!(take(&second).await, Err(Next::Elsewhere)));
    clock.advance(Duration::from_secs(2));
    assert!(matches!(take(&second).await, Ok(1)));
    // Who had it before is not asked.
    record(&database, EventKind::PluginUpdated, "c").await;
    assert!(matches!(take(&first).await, Err(Next::Elsewhere)));
    assert_eq!(taken(&database).await, ["a", "b"]);
}

async fn a_released_lease_is_taken_at_once(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let (first, second) = (reader(&database, &ambient), reader(&database, &ambient));
    record(&database, EventKind::PluginUpdated, "a").await;
    take(&first).await.unwrap();
    record(&database, EventKind::PluginUpdated, "b").await;
    second.release().await.unwrap();
    assert!(matches!(take(&second).await, Err(Next::Elsewhere)), "only its holder lets it go");
    first.release().await.unwrap();
    assert!(matches!(take(&second).await, Ok(1)));
}

async fn many_readers_at_once_take_each_event_once(place: Place) {
    let ambient = Ambient::system();
    let database = place.open_at(&ambient).await;
    let mut tasks = JoinSet::new();
    for index in 0..4 {
        let (database, reader) = (database.clone(), reader(&database, &ambient));
        tasks.spawn(async move {
            for number in 0..25 {
                record(&database, EventKind::PluginUpdated, &format!("{index}-{number}")).await;
                let _ = take(&reader).await;
                // Each in turn, in spite of the lease.
                reader.release().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let last = reader(&database, &ambient);
    while take(&last).await.is_ok() {}
    let taken = taken(&database).await;
    assert_eq!(taken.len(), 100);
    for index in 0..4 {
        let own = taken.iter().filter_map(|event| event.strip_prefix(&format!("{index}-")));
        assert!(own.map(|number| number.parse::<u32>().unwrap()).eq(0..25), "{taken:?}");
    }
}

async fn what_is_of_no_interest_costs_no_writing(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let first = reader(&database, &ambient);
    for _ in 0..10 {
        record(&database, EventKind::PluginRated, "other").await;
    }
    assert!(matches!(first.next().await.unwrap(), Next::Nothing));
    assert_eq!(cursor(&database).await, "0");
    let mut tx = database.begin().await.unwrap();
    for _ in 0..1000 {
        let kind = EventKind::PluginRated;
        tx.record(Event { tenant: None, kind, subject: "other".into(), data: json!({}) });
    }
    tx.commit().await.unwrap();
    // From time to time it does: a restart need not begin from the start.
    assert!(matches!(first.next().await.unwrap(), Next::Nothing));
    assert_eq!(cursor(&database).await, "1010");
    record(&database, EventKind::PluginUpdated, "a").await;
    assert!(matches!(take(&reader(&database, &ambient)).await, Err(Next::Elsewhere)));
    assert!(matches!(take(&first).await, Ok(1)));
}

async fn record_many(database: &Database, kind: EventKind, count: usize) {
    let mut tx = database.begin().await.unwrap();
    for number in 0..count {
        tx.record(Event { tenant: None, kind, subject: format!("{number:04}"), data: json!({}) });
    }
    tx.commit().await.unwrap();
}

async fn what_is_of_no_interest_holds_up_nothing(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let first = reader(&database, &ambient);
    record_many(&database, EventKind::PluginRated, 2500).await;
    record(&database, EventKind::PluginUpdated, "a").await;
    record(&database, EventKind::PluginRated, "other").await;
    assert!(matches!(take(&first).await, Ok(1)));
    assert_eq!(taken(&database).await, ["a"]);
    assert_eq!(cursor(&database).await, "2502");
}

async fn more_than_a_page_comes_page_by_page(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let first = reader(&database, &ambient);
    record_many(&database, EventKind::PluginUpdated, 2100).await;
    for expected in [1000, 1000, 100] {
        assert_eq!(take(&first).await.unwrap(), expected);
    }
    assert!(matches!(take(&first).await, Err(Next::Nothing)));
    assert!(taken(&database).await.into_iter().eq((0..2100).map(|number| format!("{number:04}"))));
}

async fn large_events_come_in_smaller_batches(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let first = reader(&database, &ambient);
    let data = json!({"text": "x".repeat(60_000)});
    let mut tx = database.begin().await.unwrap();
    for number in 0..100 {
        let (kind, subject) = (EventKind::PluginUpdated, format!("{number:04}"));
        tx.record(Event { tenant: None, kind, subject, data: data.clone() });
    }
    tx.commit().await.unwrap();
    let count = take(&first).await.unwrap();
    assert!((60..=70).contains(&count), "about 4 MiB: {count}");
    assert_eq!(take(&first).await.unwrap(), 100 - count);
    assert!(taken(&database).await.into_iter().eq((0..100).map(|number| format!("{number:04}"))));
}

async fn what_is_left_of_a_batch_comes_next(place: Place) {
    let (_, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let first = reader(&database, &ambient);
    record_many(&database, EventKind::PluginUpdated, 3).await;
    let Next::Batch(mut batch) = first.next().await.unwrap() else { panic!("there is one") };
    let through = batch.events[0].seq;
    batch.only_through(through).await.unwrap();
    batch.commit().await.unwrap();
    assert_eq!(take(&first).await.unwrap(), 2);
    assert_eq!(taken(&database).await, ["0001", "0002"]);
}

async fn a_lease_of_a_clock_that_went_wrong_has_ended(place: Place) {
    let (clock, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let (first, second) = (reader(&database, &ambient), reader(&database, &ambient));
    record(&database, EventKind::PluginUpdated, "before").await;
    take(&first).await.unwrap();
    clock.set_back(Duration::from_hours(1));
    record(&database, EventKind::PluginUpdated, "after").await;
    assert_eq!(take(&second).await.unwrap(), 1);
}

async fn a_reader_hears_of_what_its_process_records(place: Place) {
    let database = place.open().await;
    let mut recorded = database.clone().recorded();
    drop(database.begin().await.unwrap());
    assert!(!recorded.has_changed().unwrap());
    record(&database, EventKind::PluginUpdated, "a").await;
    tokio::time::timeout(Duration::from_secs(5), recorded.changed()).await.unwrap().unwrap();
}
