//! The log of a plugin: in order, bounded, and nobody else's.

use runtime::{LogQuery, level_of};
use sandbox::Level;

use crate::bench::{Bench, plugin};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    lines_come_back_in_order,
    no_more_than_a_thousand_are_kept,
    what_is_left_is_written_at_the_end,
    who_writes_too_fast_is_told,
);

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
    let mut conn = bench.database.read().await.unwrap();
    let (count,): (i64,) = ::storage::on!(conn, |c| {
        sqlx::query_as("SELECT COUNT(*) FROM plugin_log WHERE plugin_key = 'key-of-shop'").fetch_one(c).await
    })
    .unwrap();
    assert!(count <= 1100, "{count} lines are in the table");
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
