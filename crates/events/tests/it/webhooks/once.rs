//! Each webhook once: what tells repetitions, what becomes of former installations, several processes, and what is kept for how long.

use std::time::Duration;

use bytes::Bytes;
use events::Error;
use events::webhook::{Destination, Taken};
use futures::future::join_all;
use model::{Coded as _, ErrorCode};
use serde_json::json;
use storage::on;

use super::bench::{Behaviour, Bench, SECRET, Sent, github, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    what_has_no_id_is_told_apart_by_what_it_was_sent_for,
    what_proves_nothing_is_never_taken_for_a_repetition,
    what_was_meant_for_an_installation_ends_with_it,
    memory_for_webhooks_is_bounded,
    what_is_yet_to_be_delivered_is_not_swept,
    a_sweep_goes_on_while_there_is_more,
);

fn sent(path: &str, headers: &[(&str, String)]) -> Sent {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Sent { headers, body: Bytes::from_static(b"{}"), path: path.into() }
}

async fn what_has_no_id_is_told_apart_by_what_it_was_sent_for(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, json!({"scheme": "generic", "secret": "s", "generic": {"header": "x-signature"}}));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let headers = [("x-signature", hex::encode(aws_lc_rs::hmac::sign(&key, b"{}").as_ref()))];
    for path in ["/a", "/b", "/a"] {
        assert_eq!(bench.send(&acme, sent(path, &headers)).await.unwrap(), Taken::Kept);
    }
    bench.deliver().await;
    let given: Vec<_> = bench.given().into_iter().map(|(_, request)| request.path).collect();
    assert_eq!((given.len(), given.contains(&"/b".to_owned())), (2, true), "{given:?}");
}

async fn what_proves_nothing_is_never_taken_for_a_repetition(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, json!({"scheme": "none"}));
    for _ in 0..2 {
        assert_eq!(bench.send(&acme, sent("/", &[])).await.unwrap(), Taken::Kept);
    }
    let token = json!({"header": "x-token", "algorithm": "token"});
    bench.install(&acme, json!({"scheme": "generic", "secret": "s", "generic": token}));
    for _ in 0..2 {
        let sent = sent("/", &[("x-token", SECRET.to_owned())]);
        assert_eq!(bench.send(&acme, sent).await.unwrap(), Taken::Kept);
    }
    bench.deliver().await;
    assert_eq!(bench.given().len(), 4);
}

async fn what_was_meant_for_an_installation_ends_with_it(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    let former = bench.token(&acme).await;
    let sent = Bench::signed("d1", &json!({}));
    bench.send(&acme, sent.clone()).await.unwrap();
    bench.change(&acme, |door| door.plugin_key = "of-the-next-installation".into());
    let error = bench.send_to(Destination::Secret(former), sent.clone()).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchWebhookAddress), "{error}");
    // What its sender sends again to the new address is no repetition of what the former installation was sent.
    assert_eq!(bench.send(&acme, sent).await.unwrap(), Taken::Kept);
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["delivered", "skipped"]);
    assert_eq!(bench.given().len(), 1);
}

/// Replicas whose transactions have the same rows in other orders neither wait for each other in a circle nor fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_write_the_same_in_other_orders_do_not_disturb_each_other() {
    let place = Place::postgres();
    let (one, other) = (Bench::with(&place, 100_000).await, Bench::with(&place, 100_000).await);
    let tenants: Vec<_> = (0..8).map(|number| tenant(&format!("t{number}"))).collect();
    let mut tokens = Vec::new();
    for whose in &tenants {
        one.install(whose, github());
        other.install(whose, github());
        tokens.push(one.token(whose).await);
    }
    for round in 0..8 {
        let send = |bench: &'static str, number: usize| {
            let bench = if bench == "one" { &one } else { &other };
            let token = tokens[number % tokens.len()].clone();
            bench.send_to(Destination::Secret(token), Bench::signed(&format!("{round}-{number}"), &json!({})))
        };
        let up = join_all((0..64).map(|number| send("one", number)));
        let down = join_all((0..64).rev().map(|number| send("other", number)));
        let (up, down) = tokio::join!(up, down);
        for taken in up.into_iter().chain(down) {
            assert_eq!(taken.unwrap(), Taken::Kept);
        }
    }
    let mut conn = one.database.read().await.unwrap();
    let (count,): (i64,) =
        on!(conn, |c| sqlx::query_as("SELECT COUNT(*) FROM delivery").fetch_one(c).await).unwrap();
    assert_eq!(count, 8 * 64);
}

async fn memory_for_webhooks_is_bounded(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    let all = bench.webhooks.room(256 << 20).unwrap();
    let error = bench.send(&acme, Bench::signed("d1", &json!({}))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert_eq!(error.retry_after(bench.ambient.now()), Some(Duration::from_secs(1)));
    drop(all);
    bench.send(&acme, Bench::signed("d1", &json!({}))).await.unwrap();
    // What is kept takes up none.
    assert!(bench.webhooks.room(256 << 20).is_ok());
}

async fn what_is_yet_to_be_delivered_is_not_swept(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    bench.behave(Behaviour::Answers(500));
    bench.send(&acme, Bench::signed("d1", &json!({}))).await.unwrap();
    bench.deliver().await;
    bench.clock.advance(Duration::from_hours(31 * 24));
    assert_eq!(bench.webhooks.sweep().await.unwrap(), 0);
    bench.behave(Behaviour::Answers(200));
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["delivered"]);
    assert_eq!(bench.webhooks.sweep().await.unwrap(), 1);
}

async fn a_sweep_goes_on_while_there_is_more(place: Place) {
    const COUNT: i64 = 21_500;
    let bench = Bench::new(&place).await;
    let mut tx = bench.database.begin().await.unwrap();
    let received_at = bench.ambient.now().as_millisecond();
    on!(tx, |c| {
        sqlx::query(
            "WITH RECURSIVE numbers(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < $1) \
             INSERT INTO webhook (tenant, plugin_key, plugin_id, dedupe_key, method, path, query, headers, body, received_at) \
             SELECT 'acme', 'k', 'shop', CAST(n AS TEXT), 'POST', '/', '', '[]', $2, $3 FROM numbers",
        )
        .bind(COUNT)
        .bind(b"{}".as_slice())
        .bind(received_at)
        .execute(c)
        .await
        .map(drop)
    })
    .unwrap();
    tx.commit().await.unwrap();
    bench.clock.advance(Duration::from_hours(31 * 24));
    bench.install(&tenant("acme"), github());
    bench.send(&tenant("acme"), Bench::signed("d1", &json!({}))).await.unwrap();
    assert_eq!(bench.webhooks.sweep().await.unwrap(), COUNT.unsigned_abs());
    assert_eq!(bench.states(&tenant("acme")).await, ["pending"]);
}
