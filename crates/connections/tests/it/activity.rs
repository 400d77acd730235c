//! What is done with connections is recorded, listed, exported and forgotten.

use std::sync::Arc;
use std::time::Duration;

use connections::Error;
use connections::activity::{Action, Activity, Entry, Filter, Outcome, Recorded};
use futures::TryStreamExt as _;
use model::{Ambient, ErrorCode, TenantId, Timestamp};
use storage::{Database, on};
use testkit::ManualClock;

use crate::place::{Place, on_both_databases};

on_both_databases!(
    uses_are_counted,
    an_entry_is_written_within_a_second,
    a_connections_provider_and_user_are_added,
    an_entry_commits_with_its_transaction,
    tenants_see_their_own,
    filters_narrow,
    pages_hold_each_entry_once,
    an_export_is_all_there_is,
    only_cursors_of_pages_are_taken,
    the_old_are_forgotten,
    two_sweeps_do_not_disturb_each_other,
    nothing_is_lost_when_the_last_handle_goes,
);

struct Fixture {
    activity: Activity,
    database: Database,
    clock: Arc<ManualClock>,
    ambient: Ambient,
}

impl Fixture {
    async fn new(place: &Place) -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let database = place.open(&ambient).await;
        let activity = Activity::start(database.clone(), ambient.clone());
        Self { activity, database, clock, ambient }
    }

    /// Has everything written that was recorded so far.
    async fn settle(&mut self) {
        self.activity.close().await;
        self.activity = Activity::start(self.database.clone(), self.ambient.clone());
    }

    async fn all(&self, tenant: &TenantId, filter: Filter) -> Vec<Recorded> {
        let pages: Vec<Vec<Recorded>> =
            self.activity.export(tenant.clone(), filter).try_collect().await.unwrap();
        pages.concat()
    }

    async fn add_connection(&self, tenant: &str, id: &str, provider: &str, user_email: &str) {
        let mut tx = self.database.begin().await.unwrap();
        on!(tx, |c| sqlx::query(
            "INSERT INTO connection (tenant, id, provider, user_email, label, is_default, status, account_id, \
             variables, sites, client_id, authorized_at, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, 'x', FALSE, 'active', $2, '{}', '[]', '', 0, 0, 0)"
        )
        .bind(tenant)
        .bind(id)
        .bind(provider)
        .bind(user_email)
        .execute(c)
        .await
        .map(drop))
        .unwrap();
        tx.commit().await.unwrap();
    }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn entry(actor: &str) -> Entry {
    Entry::new(&acme(), actor, Action::Use).connection("c1")
}

async fn uses_are_counted(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    let tasks = (0..8).map(|_| {
        let activity = fixture.activity.clone();
        tokio::spawn(async move {
            for _ in 0..500 {
                activity.record(entry("u1").took(Duration::from_millis(2)));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let failed = Outcome::Failed(ErrorCode::UpstreamTimeout);
    fixture.activity.record(entry("u1").outcome(failed).operation("gmail.search").detail("too slow"));
    fixture.settle().await;
    let mut all = fixture.all(&acme(), Filter::default()).await;
    all.sort_by_key(|recorded| recorded.error_code.is_some());
    let failure = all.pop().unwrap();
    assert_eq!(failure.error_code.as_deref(), Some("upstream_timeout"));
    assert_eq!((failure.outcome.as_str(), failure.action.as_str()), ("failed", "use"));
    assert_eq!(failure.operation.as_deref(), Some("gmail.search"));
    assert_eq!(failure.detail.as_deref(), Some("too slow"));
    assert_eq!((failure.count, failure.duration_ms), (1, None));
    assert!(all.len() < 20, "{} rows for uses that say the same", all.len());
    assert_eq!(all.iter().map(|recorded| recorded.count).sum::<i64>(), 4000);
    assert_eq!(all.iter().filter_map(|recorded| recorded.duration_ms).sum::<i64>(), 8000);
}

async fn an_entry_is_written_within_a_second(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.activity.record(entry("u1"));
    let mut waited = Duration::ZERO;
    while fixture.all(&acme(), Filter::default()).await.is_empty() {
        assert!(waited < Duration::from_secs(5), "nothing is written");
        tokio::time::sleep(Duration::from_millis(50)).await;
        waited += Duration::from_millis(50);
    }
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

async fn a_connections_provider_and_user_are_added(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    fixture.add_connection("acme", "c1", "slack", "ann@example.com").await;
    fixture.add_connection("other", "c2", "github", "other@example.com").await;
    fixture.activity.record(entry("u1"));
    // Of another tenant, so nothing is known of it here.
    fixture.activity.record(Entry::new(&acme(), "u1", Action::Use).connection("c2"));
    fixture.settle().await;
    let all = fixture.all(&acme(), Filter::default()).await;
    let [known, unknown] = ["c1", "c2"]
        .map(|id| all.iter().find(|recorded| recorded.connection.as_deref() == Some(id)).unwrap());
    assert_eq!((known.provider.as_str(), known.user_email.as_deref()), ("slack", Some("ann@example.com")));
    assert_eq!((unknown.provider.as_str(), unknown.user_email.as_deref()), ("", None));
}

async fn an_entry_commits_with_its_transaction(place: Place) {
    let fixture = Fixture::new(&place).await;
    let revoke = Entry::new(&acme(), "u1", Action::Revoke).user_email("ann@example.com");
    let mut tx = fixture.database.begin().await.unwrap();
    fixture.activity.record_in(&mut tx, revoke.clone()).await.unwrap();
    drop(tx);
    assert_eq!(fixture.all(&acme(), Filter::default()).await, []);
    let mut tx = fixture.database.begin().await.unwrap();
    fixture.activity.record_in(&mut tx, revoke).await.unwrap();
    tx.commit().await.unwrap();
    let all = fixture.all(&acme(), Filter::default()).await;
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].action.as_str(), all[0].outcome.as_str()), ("revoke", "ok"));
    assert_eq!((all[0].at, all[0].first_at), (fixture.ambient.now(), fixture.ambient.now()));
}

async fn tenants_see_their_own(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    let other: TenantId = "other".parse().unwrap();
    for index in 0..5 {
        fixture.activity.record(entry(&format!("acme{index}")).user_email("ann@example.com"));
        let foreign = Entry::new(&other, &format!("other{index}"), Action::Use);
        fixture.activity.record(foreign.connection("c1").user_email("ann@example.com"));
    }
    fixture.settle().await;
    let same = || Filter {
        connection: Some("c1".into()),
        user_email: Some("ann@example.com".into()),
        ..Filter::default()
    };
    for filter in [Filter::default(), same()] {
        let own = fixture.all(&acme(), filter.clone()).await;
        assert_eq!(own.len(), 5);
        assert!(own.iter().all(|recorded| recorded.actor.starts_with("acme")), "{own:?}");
        let foreign = fixture.activity.list(&other, &filter, None, Some(2)).await.unwrap();
        let page =
            fixture.activity.list(&acme(), &filter, foreign.next_cursor.as_deref(), None).await.unwrap();
        assert!(page.entries.iter().all(|recorded| recorded.actor.starts_with("acme")), "{page:?}");
    }
}

async fn filters_narrow(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    fixture.add_connection("acme", "c1", "slack", "ann@example.com").await;
    fixture.add_connection("acme", "c2", "google", "bob@example.com").await;
    let begin = fixture.ambient.now();
    for (index, id) in ["c1", "c2", "c1", "c2"].into_iter().enumerate() {
        let action = if index < 2 { Action::Use } else { Action::Refresh };
        let mut entry = Entry::new(&acme(), &index.to_string(), action).connection(id);
        if index == 3 {
            entry = entry.outcome(Outcome::Denied(ErrorCode::AccessDenied));
        }
        fixture.activity.record(entry);
        fixture.clock.advance(Duration::from_mins(1));
    }
    fixture.settle().await;
    let at = |minute: u64| Some(begin.plus(Duration::from_mins(minute)));
    let user = |email: &str| Some(email.to_owned());
    let cases = [
        (Filter::default(), "3210"),
        (Filter { user_email: user("ann@example.com"), ..Filter::default() }, "20"),
        (Filter { user_email: user("ANN@example.com"), ..Filter::default() }, ""),
        (Filter { connection: Some("c2".into()), ..Filter::default() }, "31"),
        (
            Filter {
                user_email: user("ann@example.com"),
                connection: Some("c2".into()),
                ..Filter::default()
            },
            "",
        ),
        (Filter { provider: Some("google".into()), ..Filter::default() }, "31"),
        (Filter { action: Some(Action::Use), ..Filter::default() }, "10"),
        (Filter { outcome: Some("denied".into()), ..Filter::default() }, "3"),
        (Filter { since: at(1), ..Filter::default() }, "321"),
        (Filter { until: at(1), ..Filter::default() }, "0"),
        (Filter { since: at(1), until: at(3), action: Some(Action::Refresh), ..Filter::default() }, "2"),
        (Filter { since: at(9), ..Filter::default() }, ""),
    ];
    for (filter, expected) in cases {
        let found = fixture.all(&acme(), filter.clone()).await;
        let actors: String = found.iter().map(|recorded| recorded.actor.as_str()).collect();
        assert_eq!(actors, expected, "{filter:?}");
    }
}

/// Entries of few moments, so that many share one.
async fn record_many(fixture: &mut Fixture, count: usize) {
    for index in 0..count {
        fixture.activity.record(entry(&index.to_string()));
        if index % 10 == 9 {
            fixture.clock.advance(Duration::from_millis(1));
        }
    }
    fixture.settle().await;
}

async fn pages_hold_each_entry_once(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    record_many(&mut fixture, 100).await;
    for limit in [1, 7, 100, 200] {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let (tenant, filter) = (acme(), Filter::default());
            let page = fixture.activity.list(&tenant, &filter, cursor.as_deref(), Some(limit));
            let page = page.await.unwrap();
            assert!(page.entries.len() <= limit as usize);
            found.extend(page.entries);
            // What comes meanwhile is no part of it.
            let mut tx = fixture.database.begin().await.unwrap();
            fixture.activity.record_in(&mut tx, entry("late")).await.unwrap();
            tx.commit().await.unwrap();
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        found.retain(|recorded| recorded.actor != "late");
        assert!(found.is_sorted_by_key(|recorded| std::cmp::Reverse((recorded.at, recorded.seq))));
        let mut actors: Vec<usize> = found.iter().map(|recorded| recorded.actor.parse().unwrap()).collect();
        actors.sort_unstable();
        assert_eq!(actors, (0..100).collect::<Vec<_>>(), "{limit}");
    }
    let page = fixture.activity.list(&acme(), &Filter::default(), None, Some(0)).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    let page = fixture.activity.list(&acme(), &Filter::default(), None, Some(u32::MAX)).await.unwrap();
    assert_eq!(page.entries.len(), 200, "no limit is larger");
}

async fn an_export_is_all_there_is(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    record_many(&mut fixture, 1203).await;
    let pages: Vec<Vec<Recorded>> =
        fixture.activity.export(acme(), Filter::default()).try_collect().await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 203]);
    let mut places: Vec<i64> = pages.concat().iter().map(|recorded| recorded.seq).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 1203);
}

async fn only_cursors_of_pages_are_taken(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    record_many(&mut fixture, 3).await;
    for cursor in ["", "x", "1", "1-x", "-5-1", "1-1' OR 1=1 --", "99999999999999999999-1", "1-1-1"] {
        let page = fixture.activity.list(&acme(), &Filter::default(), Some(cursor), None).await;
        assert!(matches!(page, Err(Error::Cursor)), "{cursor:?}");
    }
    // What looks like one leads to a place in the tenant's own record, and nowhere else.
    for (cursor, expected) in [("0-0", 0), ("9223372036854775807-9223372036854775807", 3)] {
        let page = fixture.activity.list(&acme(), &Filter::default(), Some(cursor), None).await.unwrap();
        assert_eq!(page.entries.len(), expected, "{cursor}");
    }
}

async fn the_old_are_forgotten(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    for index in 0..1100 {
        fixture.activity.record(entry(&index.to_string()));
    }
    fixture.settle().await;
    let bound: Timestamp = fixture.ambient.now().plus(Duration::from_millis(1));
    fixture.clock.advance(Duration::from_millis(1));
    fixture.activity.record(entry("young"));
    fixture.settle().await;
    assert_eq!(fixture.activity.sweep(fixture.ambient.now().minus(Duration::from_secs(1))).await.unwrap(), 0);
    assert_eq!(fixture.activity.sweep(bound).await.unwrap(), 1100);
    let left = fixture.all(&acme(), Filter::default()).await;
    assert_eq!(left.iter().map(|recorded| recorded.actor.as_str()).collect::<Vec<_>>(), ["young"]);
}

async fn two_sweeps_do_not_disturb_each_other(place: Place) {
    let mut fixture = Fixture::new(&place).await;
    record_many(&mut fixture, 1500).await;
    fixture.clock.advance(Duration::from_secs(1));
    let now = fixture.ambient.now();
    let (one, two) = tokio::join!(fixture.activity.sweep(now), fixture.activity.sweep(now));
    assert_eq!(one.unwrap() + two.unwrap(), 1500);
    assert_eq!(fixture.all(&acme(), Filter::default()).await, []);
}

async fn nothing_is_lost_when_the_last_handle_goes(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.activity.record(entry("u1"));
    let Fixture { activity, database, ambient, .. } = fixture;
    let other = activity.clone();
    drop(activity);
    other.record(entry("u2"));
    drop(other);
    let reader = Activity::start(database, ambient);
    let mut waited = 0;
    loop {
        let page = reader.list(&acme(), &Filter::default(), None, None).await.unwrap();
        if page.entries.len() == 2 {
            break;
        }
        waited += 1;
        assert!(waited < 100, "{page:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
