//! Transactions, the log of events, and what statements may do.

use std::time::Duration;

use model::{Event, EventKind};
use serde_json::json;
use storage::{Database, Error, LoggedEvent, Tx, events_after, on};
use tokio::task::JoinSet;

use crate::{Place, column, on_both_databases};

on_both_databases!(
    a_dropped_transaction_changes_nothing,
    events_commit_with_their_transaction,
    the_log_is_in_the_order_of_commits,
    a_reader_of_the_log_never_skips_one,
    what_exists_already_is_told_as_such,
    what_both_databases_keep_comes_back_alike,
    a_long_log_is_read_in_pages,
    a_cancelled_transaction_leaves_its_connection_usable,
);

async fn insert(tx: &mut Tx, title: &str) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("INSERT INTO note (title, is_done) VALUES ($1, FALSE)")
        .bind(title)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

fn event(subject: &str) -> Event {
    Event { tenant: None, kind: EventKind::PluginUpdated, subject: subject.into(), data: json!({"a": 1}) }
}

async fn log(database: &Database, after: i64) -> Vec<LoggedEvent> {
    events_after(&mut database.read().await.unwrap(), after).await.unwrap()
}

async fn titles(database: &Database) -> Vec<String> {
    column(database, "SELECT title FROM note ORDER BY title").await
}

async fn a_dropped_transaction_changes_nothing(place: Place) {
    let database = place.open().await;
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, "lost").await.unwrap();
    tx.record(event("lost"));
    drop(tx);
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, "kept").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(titles(&database).await, ["kept"]);
    assert_eq!(log(&database, 0).await, []);
    // Closed and opened again, it is still there.
    database.close().await;
    assert_eq!(titles(&place.open().await).await, ["kept"]);
}

async fn events_commit_with_their_transaction(place: Place) {
    let database = place.open().await;
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, "a").await.unwrap();
    let tenant = Some("acme".parse().unwrap());
    tx.record(Event { tenant, ..event("first") });
    tx.record(event("second"));
    assert_eq!(log(&database, 0).await, [], "nobody sees them before the commit");
    tx.commit().await.unwrap();
    let found = log(&database, 0).await;
    let seen: Vec<_> = found.iter().map(|event| (event.tenant.as_deref(), event.subject.as_str())).collect();
    assert_eq!(seen, [(Some("acme"), "first"), (None, "second")]);
    assert_eq!((found[0].kind.as_str(), found[0].data.as_str()), ("jackfield.plugin.updated", r#"{"a":1}"#));
    assert_ne!(found[0].id, found[1].id);
    assert_eq!(log(&database, found[0].seq).await, found[1..]);

    // A commit that fails takes its events with it.
    let mut tx = database.begin().await.unwrap();
    tx.record(event("third"));
    assert!(matches!(insert(&mut tx, "a").await, Err(Error::Duplicate(_))));
    drop(tx.commit().await);
    assert_eq!(log(&database, found[1].seq).await.len(), usize::from(place.is_sqlite()));
    assert_eq!(titles(&database).await, ["a"]);
}

/// Many writers at once: each takes a number under a lock, and records it as its event.
async fn write_numbers(database: &Database, writers: usize, each: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let database = database.clone();
        tasks.spawn(async move {
            for _ in 0..each {
                let mut tx = database.begin().await.unwrap();
                let (number,): (i64,) = on!(tx, |c| sqlx::query_as(
                    "UPDATE note SET title = CAST(CAST(title AS BIGINT) + 1 AS TEXT) RETURNING CAST(title AS BIGINT)"
                )
                .fetch_one(c)
                .await)
                .unwrap();
                tx.record(event(&number.to_string()));
                tx.commit().await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

async fn the_log_is_in_the_order_of_commits(place: Place) {
    let database = place.open().await;
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, "0").await.unwrap();
    tx.commit().await.unwrap();
    write_numbers(&database, 8, 10).await;
    // The row's lock is held to the end of each transaction, so its numbers are in the order of commits.
    let logged: Vec<usize> =
        log(&database, 0).await.iter().map(|event| event.subject.parse().unwrap()).collect();
    assert_eq!(logged, (1..=80).collect::<Vec<_>>());
}

async fn a_reader_of_the_log_never_skips_one(place: Place) {
    const WRITERS: usize = 6;
    const EACH: usize = 15;
    let database = place.open().await;
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let database = database.clone();
        tasks.spawn(async move {
            for number in 0..EACH {
                let mut tx = database.begin().await.unwrap();
                insert(&mut tx, &format!("{writer}-{number}")).await.unwrap();
                tx.record(event(&format!("{writer}-{number}")));
                tokio::task::yield_now().await;
                tx.commit().await.unwrap();
            }
        });
    }
    // Reads on from the last place seen while they write: a place that appears behind it would be lost for ever.
    let (mut seen, mut last) = (Vec::new(), 0);
    while seen.len() < WRITERS * EACH {
        let is_over = tasks.is_empty();
        for event in log(&database, last).await {
            last = event.seq;
            seen.push(event.subject);
        }
        while let Some(done) = tasks.try_join_next() {
            done.unwrap();
        }
        assert!(!is_over || seen.len() == WRITERS * EACH, "{} of {} were seen", seen.len(), WRITERS * EACH);
    }
    seen.sort_unstable();
    assert_eq!(seen, titles(&database).await);
}

async fn what_exists_already_is_told_as_such(place: Place) {
    let database = place.open().await;
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, "a").await.unwrap();
    assert!(matches!(insert(&mut tx, "a").await, Err(Error::Duplicate(_))));
    drop(tx);
    let mut tx = database.begin().await.unwrap();
    let wrong = on!(tx, |c| sqlx::query("INSERT INTO note (title, is_done) VALUES (NULL, FALSE)")
        .execute(c)
        .await
        .map(drop));
    assert!(matches!(Error::from(wrong.unwrap_err()), Error::Database(_)));
}

async fn what_both_databases_keep_comes_back_alike(place: Place) {
    let database = place.open().await;
    let bytes: Vec<u8> = (0..=255).collect();
    let title = "Ünïcödé 🧩 'quoted' -- \\ \n";
    let mut tx = database.begin().await.unwrap();
    let (number,): (i64,) = on!(tx, |c| sqlx::query_as(
        "INSERT INTO note (title, content, is_done) VALUES ($1, $2, $3) RETURNING number"
    )
    .bind(title)
    .bind(&bytes)
    .bind(true)
    .fetch_one(c)
    .await)
    .unwrap();
    tx.commit().await.unwrap();
    let mut conn = database.read().await.unwrap();
    let row: (i64, String, Option<Vec<u8>>, bool) =
        on!(conn, |c| sqlx::query_as("SELECT number, title, content, is_done FROM note").fetch_one(c).await)
            .unwrap();
    assert_eq!(row, (number, title.to_owned(), Some(bytes), true));
}

async fn a_long_log_is_read_in_pages(place: Place) {
    let database = place.open().await;
    let mut tx = database.begin().await.unwrap();
    for number in 0..1200 {
        tx.record(event(&number.to_string()));
    }
    tx.commit().await.unwrap();
    let first = log(&database, 0).await;
    let second = log(&database, first.last().unwrap().seq).await;
    assert_eq!((first.len(), second.len()), (1000, 200));
    let numbers: Vec<usize> =
        first.iter().chain(&second).map(|event| event.subject.parse().unwrap()).collect();
    assert_eq!(numbers, (0..1200).collect::<Vec<_>>());
}

async fn a_cancelled_transaction_leaves_its_connection_usable(place: Place) {
    let database = place.open().await;
    for round in 0..40 {
        // A request whose client has gone is dropped wherever it stands.
        let work = async {
            let mut tx = database.begin().await.unwrap();
            insert(&mut tx, &format!("cancelled {round}")).await.unwrap();
            tx.record(event("cancelled"));
            insert(&mut tx, &format!("cancelled too {round}")).await.unwrap();
            std::future::pending::<()>().await;
        };
        drop(tokio::time::timeout(Duration::from_micros(100 * round), work).await);
    }
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, "kept").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(titles(&database).await, ["kept"]);
    assert_eq!(log(&database, 0).await, []);
}

#[tokio::test]
async fn a_connection_for_reading_does_not_write_on_sqlite() {
    let place = Place::sqlite();
    let database = place.open().await;
    let mut conn = database.read().await.unwrap();
    for sql in
        ["INSERT INTO note (title, is_done) VALUES ('x', FALSE)", "DELETE FROM note", "DROP TABLE note"]
    {
        let refused = on!(conn, |c| sqlx::query(sql).execute(c).await.map(drop));
        assert!(refused.is_err(), "{sql}");
    }
    drop(conn);
    assert_eq!(titles(&database).await, [""; 0]);
}

#[tokio::test]
async fn sqlite_plans_a_statement_once() {
    let database = Place::sqlite().open().await;
    let options = column(&database, "SELECT compile_options FROM pragma_compile_options").await;
    assert!(options.contains(&"ENABLE_QPSG".to_owned()), "set in .cargo/config.toml: {options:?}");
}

#[tokio::test]
async fn a_database_that_is_away_is_told_as_such() {
    let url = "postgres://jackfield:hush@127.0.0.1:1/none".parse().unwrap();
    let refused = Database::open(&url, &[], model::Ambient::system()).await.unwrap_err();
    assert!(matches!(refused, Error::DatabaseUnavailable(_)), "{refused:?}");
    let told = format!("{url:?} {refused} {refused:?}");
    assert!(!told.contains("hush"), "{told}");
}
