//! What is recorded while the database is away is written when it is back, as far as there is room.

use std::time::{Duration, Instant};

use connections::activity::{Action, Activity, Entry, Filter, Recorded};
use futures::TryStreamExt as _;
use model::{Ambient, TenantId};
use testkit::{Ending, Postgres};

use crate::place::{self, Place};

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn entry(actor: &str) -> Entry {
    Entry::new(&acme(), actor, Action::Use).connection("c1")
}

async fn all(activity: &Activity) -> Vec<Recorded> {
    let pages: Vec<Vec<Recorded>> = activity.export(acme(), Filter::default()).try_collect().await.unwrap();
    pages.concat()
}

/// Waits until `count` entries stand written.
async fn wait_for(activity: &Activity, count: i64) -> Vec<Recorded> {
    let started = Instant::now();
    loop {
        let all = all(activity).await;
        let written: i64 = all.iter().map(|recorded| recorded.count).sum();
        if written == count {
            return all;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{written} of {count} are written");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_gets_what_was_done_meanwhile() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.database().unwrap().parse().unwrap();
    let ambient = Ambient::system();
    let database = place::open(&url, &ambient).await;
    let activity = Activity::start(database, ambient);
    activity.record(entry("before"));
    wait_for(&activity, 1).await;
    postgres.stop(Ending::Immediate).unwrap();
    let begin = Instant::now();
    for _ in 0..3 {
        for index in 0..1500 {
            activity.record(entry(&index.to_string()));
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert!(begin.elapsed() < Duration::from_secs(4), "recording waited for the database");
    postgres.resume().unwrap();
    let all = wait_for(&activity, 1 + 4500).await;
    // A batch was on its way when the server went; everything else was counted in memory.
    assert!(all.len() <= 1 + 1500 + 500, "{} rows", all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_database_gets_what_was_done_meanwhile() {
    let place = Place::sqlite();
    let ambient = Ambient::system();
    let database = place.open(&ambient).await;
    let activity = Activity::start(database.clone(), ambient);
    // SQLite has one writer: while this is open, no other can begin.
    let tx = database.begin().await.unwrap();
    for _ in 0..7 {
        activity.record(entry("u1"));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(all(&activity).await, []);
    drop(tx);
    wait_for(&activity, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_does_not_wait_for_ever() {
    let place = Place::sqlite();
    let ambient = Ambient::system();
    let database = place.open(&ambient).await;
    let activity = Activity::start(database.clone(), ambient);
    let tx = database.begin().await.unwrap();
    for index in 0..12_000 {
        activity.record(entry(&index.to_string()));
    }
    let begin = Instant::now();
    activity.close().await;
    assert!(begin.elapsed() < Duration::from_secs(7), "{:?}", begin.elapsed());
    drop(tx);
    activity.record(entry("after"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(all(&activity).await.len(), 0, "entries were written after closing");
}
