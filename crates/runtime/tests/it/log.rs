//! The log of a plugin: in order, bounded, and nobody else's.

use std::time::Duration;

use runtime::{LogQuery, level_of};
use sandbox::Level;

use crate::bench::{Bench, plugin};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    lines_come_back_in_order,
    no_more_than_a_thousand_are_kept,
    what_is_left_is_written_at_the_end,
    a_page_has_a_mebibyte_at_most,
    who_writes_too_fast_is_told,
);

/// Counts what the statement selects.
async fn count(bench: &Bench, sql: &'static str) -> i64 {
    let mut conn = bench.database.read().await.unwrap();
    let (count,): (i64,) = ::storage::on!(conn, |c| sqlx::query_as(sql).fetch_one(c).await).unwrap();
    count
}

async fn execute(tx: &mut ::storage::Tx, sql: &'static str) {
    ::storage::on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
}

/// Who follows a log by its places must not find that one has come before another that it has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_grow_in_the_order_of_committing() {
    const WAITING: &str = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let first = Bench::new(Place::postgres()).await;
    let second = first.beside().await;
    let mut tx = first.database.begin().await.unwrap();
    execute(
        &mut tx,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.message = 'slow' THEN PERFORM pg_advisory_xact_lock(7); END IF; RETURN NEW; END $$",
    )
    .await;
    execute(&mut tx, "CREATE TRIGGER wait BEFORE INSERT ON plugin_log FOR EACH ROW EXECUTE FUNCTION wait()")
        .await;
    tx.commit().await.unwrap();
    let mut held = first.database.begin().await.unwrap();
    execute(&mut held, "SELECT pg_advisory_xact_lock(7)").await;
    // This one has its place, and cannot commit yet.
    first.call(plugin("acme", "shop")).0.log(Level::Info, "slow".into());
    let waited = async {
        while count(&first, WAITING).await < 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        second.call(plugin("acme", "shop")).0.log(Level::Info, "fast".into());
        while count(&first, WAITING).await < 2 {
            assert_eq!(
                count(&first, "SELECT COUNT(*) FROM plugin_log").await,
                0,
                "it has overtaken the other"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(9), waited).await.unwrap();
    drop(held);
    let lines = first.lines("acme", "key-of-shop", 2).await;
    let messages: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["slow", "fast"]);
}

async fn a_page_has_a_mebibyte_at_most(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    for index in 0..150 {
        call.0.log(Level::Info, format!("{index:04}").repeat(2048));
    }
    bench.runtime.log().close().await;
    let tenant = "acme".parse().unwrap();
    let list = async |after| {
        let query = LogQuery { limit: Some(1000), after, level: None };
        let logs = bench.runtime.log().list(&tenant, "key-of-shop", query).await.unwrap();
        assert_eq!(logs.next, logs.lines.last().map(|line| line.seq));
        logs.lines
    };
    let all =
        list(Some(0)).await.into_iter().chain(list(list(Some(0)).await.last().map(|line| line.seq)).await);
    let all: Vec<_> = all.collect();
    assert_eq!(list(Some(0)).await, all[..128]);
    assert_eq!(list(None).await, all[22..], "without a place the newest are given");
    let numbers = all.iter().map(|line| line.message[..4].parse::<i32>().unwrap());
    assert!(numbers.eq(0..150));
}

async fn lines_come_back_in_order(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    for (level, message) in [
        (Level::Debug, "one"),
        (Level::Error, "t\0wo\n\u{1f600}"),
        (Level::Info, "three"),
        (Level::Warn, "four"),
    ] {
        call.0.log(level, message.into());
    }
    bench.call(plugin("acme", "other")).0.log(Level::Info, "not here".into());
    bench.call(plugin("other", "shop")).0.log(Level::Info, "not here".into());
    let lines = bench.lines("acme", "key-of-shop", 4).await;
    let messages: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["one", "t\u{fffd}wo\n\u{1f600}", "three", "four"]);
    assert_eq!((lines[0].request_id.as_deref(), lines[0].handler.as_deref()), (Some("r1"), Some("test")));
    assert_eq!(lines[0].at.as_millisecond(), 1_800_000_000_000);

    let tenant = "acme".parse().unwrap();
    let list = async |query| bench.runtime.log().list(&tenant, "key-of-shop", query).await.unwrap();
    let newest = list(LogQuery { limit: Some(2), ..LogQuery::default() }).await;
    assert_eq!(newest.lines, lines[2..]);
    assert_eq!(newest.next, Some(lines[3].seq));
    let grave = list(LogQuery { level: level_of("warn"), ..LogQuery::default() }).await;
    assert_eq!(grave.lines, [lines[1].clone(), lines[3].clone()]);
    let later = list(LogQuery { after: Some(lines[0].seq), limit: Some(2), level: None }).await;
    assert_eq!(later.lines, lines[1..3]);
    let none = list(LogQuery { after: newest.next, ..LogQuery::default() }).await;
    assert_eq!((none.lines.len(), none.next), (0, newest.next));
}

async fn no_more_than_a_thousand_are_kept(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    let quiet = bench.call(plugin("acme", "quiet"));
    quiet.0.log(Level::Info, "stays".into());
    for round in 0..8 {
        for index in 0..180 {
            call.0.log(Level::Info, format!("{}", round * 180 + index));
        }
        let last = format!("{}", round * 180 + 179);
        while !bench.lines("acme", "key-of-shop", 1).await.iter().any(|line| line.message == last) {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    }
    let lines = bench.lines("acme", "key-of-shop", 1000).await;
    assert_eq!((lines.len(), lines[0].message.as_str(), lines[999].message.as_str()), (1000, "440", "1439"));
    // They are deleted in transactions of their own, after the last lines.
    bench.runtime.log().close().await;
    let count = count(&bench, "SELECT COUNT(*) FROM plugin_log WHERE plugin_key = 'key-of-shop'").await;
    assert!(count <= 1200, "{count} lines are in the table");
    assert_eq!(bench.lines("acme", "key-of-quiet", 1).await.len(), 1);
}

async fn who_writes_too_fast_is_told(place: Place) {
    let bench = Bench::new(place).await;
    let (loud, quiet) = (bench.call(plugin("acme", "loud")), bench.call(plugin("acme", "quiet")));
    for index in 0..100_000 {
        loud.0.log(Level::Info, format!("{index}"));
    }
    quiet.0.log(Level::Info, "heard".into());
    assert_eq!(bench.lines("acme", "key-of-quiet", 1).await[0].message, "heard");
    let lines = bench.lines("acme", "key-of-loud", 201).await;
    let told = lines.iter().find(|line| line.message.contains("lines were left out here"));
    assert_eq!(told.unwrap().level, Level::Warn);
    let left_out: u64 = lines
        .iter()
        .filter_map(|line| {
            line.message
                .strip_suffix(" lines were left out here: a plugin may write 200 lines in half a second")
        })
        .map(|count| count.parse::<u64>().unwrap())
        .sum();
    assert!(left_out > 90_000, "{left_out}");
}

async fn what_is_left_is_written_at_the_end(place: Place) {
    let bench = Bench::new(place).await;
    let call = bench.call(plugin("acme", "shop"));
    for index in 0..50 {
        call.0.log(Level::Info, format!("{index}"));
    }
    bench.runtime.log().close().await;
    let tenant = "acme".parse().unwrap();
    let logs = bench.runtime.log().list(&tenant, "key-of-shop", LogQuery::default()).await.unwrap();
    assert_eq!(logs.lines.len(), 50);
}
