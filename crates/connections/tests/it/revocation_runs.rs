//! Runs that revoke many connections: what they revoke, how fast, and what is left when they are interrupted.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use connections::{RevocationRun, RunFilter, RunOptions, RunReport};
use storage::on;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::hostile_provider::{Fault, Step};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    a_run_revokes_what_its_filter_means,
    a_provider_gets_no_more_than_its_rate,
    reasons_are_told_by_provider,
    an_interrupted_run_goes_on_where_it_was,
    a_killed_run_repeats_only_what_was_at_work,
    what_is_connected_meanwhile_stays,
    two_runs_at_once_do_no_harm,
    an_old_run_is_not_gone_on_with,
    what_cannot_be_deleted_is_told,
);

fn options(rate: u32) -> RunOptions<'static> {
    let rate = NonZeroU32::new(rate).unwrap();
    RunOptions { rate, by: "operator", stop: CancellationToken::new() }
}

async fn connect_many(broker: &Broker, count: usize) {
    for index in 0..count {
        broker.connect("acme", "honest", &format!("c{index:03}")).await;
    }
    broker.clock.advance(Duration::from_secs(1));
}

async fn ids(broker: &Broker) -> Vec<String> {
    let mut conn = broker.database.read().await.unwrap();
    let sql = "SELECT id FROM connection ORDER BY id";
    let rows: Vec<(String,)> = on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await).unwrap();
    rows.into_iter().map(|(id,)| id).collect()
}

/// How many connections the provider has been asked to revoke; two tokens each.
fn asked(broker: &Broker) -> usize {
    broker.hostile.seen("/revoke").len() / 2
}

async fn begin(broker: &Broker, filter: RunFilter) -> RevocationRun {
    broker.connections.begin_revocations(filter).await.unwrap()
}

async fn work(broker: &Broker, run: &RevocationRun, rate: u32) -> RunReport {
    broker.connections.run_revocations(run, &options(rate), &|| {}).await.unwrap()
}

fn of_tenant(tenant: &str) -> RunFilter {
    RunFilter { tenant: Some(tenant.parse().unwrap()), ..RunFilter::default() }
}

async fn a_run_revokes_what_its_filter_means(place: Place) {
    let broker = Broker::new(&place).await;
    for (tenant, provider, id) in
        [("acme", "honest", "a1"), ("acme", "mute", "a2"), ("other", "honest", "o1"), ("other", "mute", "o2")]
    {
        broker.connect(tenant, provider, id).await;
    }
    broker.clock.advance(Duration::from_mins(1));
    let before = broker.ambient.now();
    broker.connect("other", "honest", "o3").await;
    broker.clock.advance(Duration::from_mins(1));

    let user = RunFilter { user_email: Some("a2@example.com".into()), ..RunFilter::default() };
    let provider =
        RunFilter { provider: Some("honest".into()), before: Some(before), ..RunFilter::default() };
    let nobody = RunFilter { provider: Some("none".into()), ..RunFilter::default() };
    for (filter, left) in [
        (nobody, &["a1", "a2", "o1", "o2", "o3"][..]),
        (user, &["a1", "o1", "o2", "o3"]),
        (of_tenant("acme"), &["o1", "o2", "o3"]),
        (provider, &["o2", "o3"]),
        (RunFilter::default(), &[]),
    ] {
        let counted: i64 = broker.connections.count_revocations(&filter).await.unwrap().values().sum();
        let present = ids(&broker).await.len();
        let run = begin(&broker, filter).await;
        assert!(!run.is_continued);
        let report = work(&broker, &run, 1000).await;
        assert!(report.is_finished);
        assert_eq!(ids(&broker).await, left, "{run:?}");
        assert_eq!(report.at_provider() + report.only_here(), counted);
        assert_eq!(counted, i64::try_from(present - left.len()).unwrap());
    }
    assert_eq!(asked(&broker), 3, "each connection to honest is revoked there once");
}

async fn a_provider_gets_no_more_than_its_rate(place: Place) {
    let broker = Broker::new(&place).await;
    connect_many(&broker, 6).await;
    let began = Instant::now();
    let run = begin(&broker, of_tenant("acme")).await;
    let report = work(&broker, &run, 4).await;
    assert!(began.elapsed() >= Duration::from_millis(1200), "{:?}", began.elapsed());
    assert_eq!((report.at_provider(), report.only_here(), report.left()), (6, 0, 0));
}

async fn reasons_are_told_by_provider(place: Place) {
    let broker = Broker::new(&place).await;
    connect_many(&broker, 3).await;
    broker.connect("acme", "mute", "m1").await;
    broker.connect("acme", "mute", "m2").await;
    broker.connect("acme", "gone", "g1").await;
    broker.clock.advance(Duration::from_secs(1));
    broker.hostile.script("/revoke", [Step::say(500, "text/plain", "no")]);
    let run = begin(&broker, of_tenant("acme")).await;
    let report = work(&broker, &run, 1000).await;
    assert_eq!(ids(&broker).await, [""; 0]);
    let [gone, honest, mute] = ["gone", "honest", "mute"].map(|name| &report.providers[name]);
    assert_eq!((honest.at_provider, honest.only_here.values().sum::<i64>()), (2, 1));
    assert!(honest.only_here.keys().all(|reason| reason.contains("500")), "{honest:?}");
    assert_eq!(mute.only_here.values().collect::<Vec<_>>(), [&2]);
    assert!(mute.only_here.keys().all(|reason| reason.contains("no way to revoke")), "{mute:?}");
    assert!(gone.only_here.keys().all(|reason| reason.contains("there is no provider gone")), "{gone:?}");
    let told = broker.activity("acme").await;
    assert_eq!(told.iter().filter(|entry| entry.action == "revoke").count(), 6);
    assert!(told.iter().all(|entry| entry.actor == "operator" && entry.user_email.is_some()));
}

async fn an_interrupted_run_goes_on_where_it_was(place: Place) {
    let broker = Broker::new(&place).await;
    connect_many(&broker, 12).await;
    let first = begin(&broker, of_tenant("acme")).await;
    let options = options(20);
    let (stop, done) = (options.stop.clone(), AtomicUsize::new(0));
    let progress = || {
        if done.fetch_add(1, Ordering::SeqCst) + 1 == 4 {
            stop.cancel();
        }
    };
    let report = broker.connections.run_revocations(&first, &options, &progress).await.unwrap();
    assert!(!report.is_finished);
    let left = ids(&broker).await.len();
    assert!((1..=8).contains(&left), "{left}");
    assert_eq!(report.left(), i64::try_from(left).unwrap());
    assert_eq!(report.at_provider(), i64::try_from(12 - left).unwrap());

    // Another filter is another run.
    let other = begin(&broker, of_tenant("other")).await;
    assert!(!other.is_continued);
    broker.clock.advance(Duration::from_hours(1));
    let second = begin(&broker, of_tenant("acme")).await;
    assert!(second.is_continued);
    assert_eq!((&second.id, second.started_at), (&first.id, first.started_at));
    let report = work(&broker, &second, 1000).await;
    assert!(report.is_finished);
    assert_eq!((report.at_provider(), report.left()), (12, 0), "the report is of both parts");
    assert_eq!(asked(&broker), 12);
    assert!(!begin(&broker, of_tenant("acme")).await.is_continued, "it has ended");
}

async fn a_killed_run_repeats_only_what_was_at_work(place: Place) {
    let broker = Broker::new(&place).await;
    connect_many(&broker, 3).await;
    let first = begin(&broker, of_tenant("acme")).await;
    // The provider has revoked it, and the process dies before it is deleted here.
    broker.hostile.script("/revoke", [Step::Honest, Step::Honest, Step::Lost(Fault::Hang)]);
    let connections = broker.replica().await;
    let killed = tokio::spawn({
        let first = first.clone();
        async move { connections.run_revocations(&first, &options(4), &|| {}).await }
    });
    let began = Instant::now();
    while broker.hostile.seen("/revoke").len() < 3 {
        assert!(began.elapsed() < Duration::from_secs(20), "the provider is not asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    assert_eq!(ids(&broker).await.len(), 2);
    let second = begin(&broker, of_tenant("acme")).await;
    assert!(second.is_continued);
    let report = work(&broker, &second, 1000).await;
    assert_eq!((report.at_provider(), report.only_here(), report.left()), (3, 0, 0));
    assert_eq!(ids(&broker).await, [""; 0]);
}

async fn what_is_connected_meanwhile_stays(place: Place) {
    let broker = Broker::new(&place).await;
    connect_many(&broker, 3).await;
    let run = begin(&broker, of_tenant("acme")).await;
    broker.connect("acme", "honest", "young").await;
    let report = work(&broker, &run, 1000).await;
    assert_eq!((report.at_provider(), report.left()), (3, 0));
    assert_eq!(ids(&broker).await, ["young"]);
}

async fn two_runs_at_once_do_no_harm(place: Place) {
    let broker = Broker::new(&place).await;
    connect_many(&broker, 30).await;
    let run = begin(&broker, of_tenant("acme")).await;
    let (one, two) = (broker.replica().await, broker.replica().await);
    let (slow, fast) = (options(40), options(60));
    let (first, second) =
        tokio::join!(one.run_revocations(&run, &slow, &|| {}), two.run_revocations(&run, &fast, &|| {}));
    assert!(first.unwrap().is_finished && second.unwrap().is_finished);
    assert_eq!(ids(&broker).await, [""; 0]);
    let report = work(&broker, &run, 1000).await;
    assert_eq!(report.at_provider() + report.only_here(), 30, "each is counted once: {report:?}");
}

async fn an_old_run_is_not_gone_on_with(place: Place) {
    let broker = Broker::new(&place).await;
    connect_many(&broker, 2).await;
    let old = begin(&broker, of_tenant("acme")).await;
    broker.clock.advance(Duration::from_hours(25));
    let new = begin(&broker, of_tenant("acme")).await;
    assert!(!new.is_continued);
    assert_ne!(new.id, old.id);
    assert_eq!(work(&broker, &new, 1000).await.at_provider(), 2);
}

async fn what_cannot_be_deleted_is_told(place: Place) {
    let broker = Broker::new(&place).await;
    connect_many(&broker, 3).await;
    broker.run_sql("UPDATE connection SET sites = 'torn' WHERE id = 'c001'").await;
    let run = begin(&broker, of_tenant("acme")).await;
    let report = work(&broker, &run, 1000).await;
    assert!(report.is_finished);
    assert_eq!((report.at_provider(), report.left()), (2, 1));
    let honest = &report.providers["honest"];
    assert_eq!(honest.not_deleted.values().collect::<Vec<_>>(), [&1]);
    assert_eq!(ids(&broker).await, ["c001"]);
    // Once it can be read again, so can it be deleted.
    broker.run_sql("UPDATE connection SET sites = '[]'").await;
    let again = begin(&broker, of_tenant("acme")).await;
    assert!(!again.is_continued);
    assert_eq!(work(&broker, &again, 1000).await.at_provider(), 1);
}
