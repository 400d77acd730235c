//! Runs that revoke many connections: what they revoke, how fast, and what is left when they are interrupted.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use connections::activity::Filter;
use connections::catalog::{Catalog, Discovery, Flow, Rotation};
use connections::connection::CredentialKey;
use connections::{Connections, Parts, RevocationRun, RunFilter, RunOptions, RunReport, vault};
use model::{Ambient, TenantId};
use std::sync::Arc;
use storage::{Database, MasterKey, Sealer, on};
use testkit::ManualClock;
use tokio_util::sync::CancellationToken;

use crate::hostile_provider::{CLIENT_ID, CLIENT_SECRET, Fault, HostileProvider, Step, http};
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

/// 32 bytes in base64.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

struct Fixture {
    connections: Connections,
    database: Database,
    hostile: HostileProvider,
    clock: Arc<ManualClock>,
    ambient: Ambient,
}

impl Fixture {
    async fn new(place: &Place) -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let database = place.open(&ambient).await;
        let hostile = HostileProvider::start().await;
        let connections = broker(&database, &hostile, &ambient).await;
        Self { connections, database, hostile, clock, ambient }
    }

    /// Another process on the same database.
    async fn replica(&self) -> Connections {
        broker(&self.database, &self.hostile, &self.ambient).await
    }

    /// A connection as after a consent, and the access token that it has.
    async fn connect(&self, tenant: &str, provider: &str, id: &str) {
        let tokens = self.hostile.issue();
        let tenant: TenantId = tenant.parse().unwrap();
        let now = self.ambient.now();
        let mut tx = self.database.begin().await.unwrap();
        on!(tx, |c| sqlx::query(
            "INSERT INTO connection (tenant, id, provider, user_email, label, is_default, status, account_id, \
             variables, sites, client_id, authorized_at, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, 'x', TRUE, 'active', $2, '{}', '[]', $5, $6, $6, $6)"
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(provider)
        .bind(format!("{id}@example.com"))
        .bind(CLIENT_ID)
        .bind(now.as_millisecond())
        .execute(c)
        .await
        .map(drop))
        .unwrap();
        let key = CredentialKey { tenant, connection: id.to_owned(), name: "main".to_owned() };
        let granted = vault::Granted {
            tokens: &tokens,
            scopes: &[],
            rotation: Rotation::default(),
            flow: Flow::AuthorizationCode,
            authorized_at: now,
        };
        self.connections.vault().store_tokens(&mut tx, &key, &granted).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn connect_many(&self, count: usize) {
        for index in 0..count {
            self.connect("acme", "honest", &format!("c{index:03}")).await;
        }
        self.clock.advance(Duration::from_secs(1));
    }

    async fn left(&self) -> Vec<String> {
        let mut conn = self.database.read().await.unwrap();
        let sql = "SELECT id FROM connection ORDER BY id";
        let rows: Vec<(String,)> = on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await).unwrap();
        rows.into_iter().map(|(id,)| id).collect()
    }

    /// How many revocations the provider has been asked for; two tokens each.
    fn asked(&self) -> usize {
        self.hostile.seen("/revoke").len() / 2
    }

    async fn begin(&self, filter: RunFilter) -> RevocationRun {
        self.connections.begin_revocations(filter).await.unwrap()
    }

    async fn run(&self, run: &RevocationRun, rate: u32) -> RunReport {
        self.connections.run_revocations(run, &options(rate), &|| {}).await.unwrap()
    }
}

async fn broker(database: &Database, hostile: &HostileProvider, ambient: &Ambient) -> Connections {
    let entry = |name: &str, more: &str| {
        format!(
            "[providers.{name}]\nname = \"{name}\"\nauthorization_url = \"{}\"\ntoken_url = \"{}\"\n\
             client_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n{more}\n",
            hostile.url("/authorize"),
            hostile.url("/token"),
        )
    };
    let revocation = format!("revocation_url = \"{}\"", hostile.url("/revoke"));
    let file = [entry("honest", &revocation), entry("mute", "")].concat();
    let http = http(Duration::from_secs(2));
    let master = MasterKey::from_base64(&MASTER_KEY.into()).unwrap();
    Connections::new(Parts {
        database: database.clone(),
        sealer: Sealer::open(database, master, ambient.clone()).await.unwrap(),
        catalog: Catalog::load(Some(&file), &|_| None).unwrap(),
        discovery: Discovery::new(http.outward().clone(), ambient.clone()),
        http,
        public_url: "http://localhost:4000".parse().unwrap(),
        vault: vault::Settings::default(),
        ambient: ambient.clone(),
    })
}

fn options(rate: u32) -> RunOptions<'static> {
    let rate = NonZeroU32::new(rate).unwrap();
    RunOptions { rate, by: "operator", stop: CancellationToken::new() }
}

fn of_tenant(tenant: &str) -> RunFilter {
    RunFilter { tenant: Some(tenant.parse().unwrap()), ..RunFilter::default() }
}

async fn a_run_revokes_what_its_filter_means(place: Place) {
    let fixture = Fixture::new(&place).await;
    for (tenant, provider, id) in
        [("acme", "honest", "a1"), ("acme", "mute", "a2"), ("other", "honest", "o1"), ("other", "mute", "o2")]
    {
        fixture.connect(tenant, provider, id).await;
    }
    fixture.clock.advance(Duration::from_secs(60));
    let before = fixture.ambient.now();
    fixture.connect("other", "honest", "o3").await;
    fixture.clock.advance(Duration::from_secs(60));

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
        let counted: i64 = fixture.connections.count_revocations(&filter).await.unwrap().values().sum();
        let present = fixture.left().await.len();
        let run = fixture.begin(filter).await;
        assert!(!run.is_continued);
        let report = fixture.run(&run, 1000).await;
        assert!(report.is_finished);
        assert_eq!(fixture.left().await, left, "{run:?}");
        assert_eq!(report.at_provider() + report.only_here(), counted);
        assert_eq!(counted, i64::try_from(present - left.len()).unwrap());
    }
    assert_eq!(fixture.asked(), 3, "each connection to honest is revoked there once");
}

async fn a_provider_gets_no_more_than_its_rate(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.connect_many(6).await;
    let began = Instant::now();
    let run = fixture.begin(of_tenant("acme")).await;
    let report = fixture.run(&run, 4).await;
    assert!(began.elapsed() >= Duration::from_millis(1200), "{:?}", began.elapsed());
    assert_eq!((report.at_provider(), report.only_here(), report.left()), (6, 0, 0));
}

async fn reasons_are_told_by_provider(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.connect_many(3).await;
    fixture.connect("acme", "mute", "m1").await;
    fixture.connect("acme", "mute", "m2").await;
    fixture.connect("acme", "gone", "g1").await;
    fixture.clock.advance(Duration::from_secs(1));
    fixture.hostile.script("/revoke", [Step::say(500, "text/plain", "no")]);
    let run = fixture.begin(of_tenant("acme")).await;
    let report = fixture.run(&run, 1000).await;
    assert_eq!(fixture.left().await, [""; 0]);
    let [gone, honest, mute] = ["gone", "honest", "mute"].map(|name| &report.providers[name]);
    assert_eq!((honest.at_provider, honest.only_here.values().sum::<i64>()), (2, 1));
    assert!(honest.only_here.keys().all(|reason| reason.contains("500")), "{honest:?}");
    assert_eq!(mute.only_here.values().collect::<Vec<_>>(), [&2]);
    assert!(mute.only_here.keys().all(|reason| reason.contains("no way to revoke")), "{mute:?}");
    assert!(gone.only_here.keys().all(|reason| reason.contains("there is no provider gone")), "{gone:?}");
    let activity = fixture.connections.activity();
    let told = activity.list(&"acme".parse().unwrap(), &Filter::default(), None, None).await.unwrap();
    assert_eq!(told.entries.iter().filter(|entry| entry.action == "revoke").count(), 6);
    assert!(told.entries.iter().all(|entry| entry.actor == "operator" && entry.user_email.is_some()));
}

async fn an_interrupted_run_goes_on_where_it_was(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.connect_many(12).await;
    let first = fixture.begin(of_tenant("acme")).await;
    let options = options(20);
    let (stop, done) = (options.stop.clone(), AtomicUsize::new(0));
    let progress = || {
        if done.fetch_add(1, Ordering::SeqCst) + 1 == 4 {
            stop.cancel();
        }
    };
    let report = fixture.connections.run_revocations(&first, &options, &progress).await.unwrap();
    assert!(!report.is_finished);
    let left = fixture.left().await.len();
    assert!((1..=8).contains(&left), "{left}");
    assert_eq!(report.left(), i64::try_from(left).unwrap());
    assert_eq!(report.at_provider(), i64::try_from(12 - left).unwrap());

    // Another filter is another run.
    let other = fixture.begin(of_tenant("other")).await;
    assert!(!other.is_continued);
    fixture.clock.advance(Duration::from_secs(3600));
    let second = fixture.begin(of_tenant("acme")).await;
    assert!(second.is_continued);
    assert_eq!((&second.id, second.started_at), (&first.id, first.started_at));
    let report = fixture.run(&second, 1000).await;
    assert!(report.is_finished);
    assert_eq!((report.at_provider(), report.left()), (12, 0), "the report is of both parts");
    assert_eq!(fixture.asked(), 12);
    assert!(!fixture.begin(of_tenant("acme")).await.is_continued, "it has ended");
}

async fn a_killed_run_repeats_only_what_was_at_work(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.connect_many(3).await;
    let first = fixture.begin(of_tenant("acme")).await;
    // The provider has revoked it, and the process dies before it is deleted here.
    fixture.hostile.script("/revoke", [Step::Honest, Step::Honest, Step::Lost(Fault::Hang)]);
    let connections = fixture.replica().await;
    let killed = tokio::spawn({
        let first = first.clone();
        async move { connections.run_revocations(&first, &options(4), &|| {}).await }
    });
    let began = Instant::now();
    while fixture.hostile.seen("/revoke").len() < 3 {
        assert!(began.elapsed() < Duration::from_secs(20), "the provider is not asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    assert_eq!(fixture.left().await.len(), 2);
    let second = fixture.begin(of_tenant("acme")).await;
    assert!(second.is_continued);
    let report = fixture.run(&second, 1000).await;
    assert_eq!((report.at_provider(), report.only_here(), report.left()), (3, 0, 0));
    assert_eq!(fixture.left().await, [""; 0]);
}

async fn what_is_connected_meanwhile_stays(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.connect_many(3).await;
    let run = fixture.begin(of_tenant("acme")).await;
    fixture.connect("acme", "honest", "young").await;
    let report = fixture.run(&run, 1000).await;
    assert_eq!((report.at_provider(), report.left()), (3, 0));
    assert_eq!(fixture.left().await, ["young"]);
}

async fn two_runs_at_once_do_no_harm(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.connect_many(30).await;
    let run = fixture.begin(of_tenant("acme")).await;
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    let (slow, fast) = (options(40), options(60));
    let (first, second) =
        tokio::join!(one.run_revocations(&run, &slow, &|| {}), two.run_revocations(&run, &fast, &|| {}));
    assert!(first.unwrap().is_finished && second.unwrap().is_finished);
    assert_eq!(fixture.left().await, [""; 0]);
    let report = fixture.run(&run, 1000).await;
    assert_eq!(report.at_provider() + report.only_here(), 30, "each is counted once: {report:?}");
}

async fn an_old_run_is_not_gone_on_with(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.connect_many(2).await;
    let old = fixture.begin(of_tenant("acme")).await;
    fixture.clock.advance(Duration::from_hours(25));
    let new = fixture.begin(of_tenant("acme")).await;
    assert!(!new.is_continued);
    assert_ne!(new.id, old.id);
    assert_eq!(fixture.run(&new, 1000).await.at_provider(), 2);
}

async fn what_cannot_be_deleted_is_told(place: Place) {
    let fixture = Fixture::new(&place).await;
    fixture.connect_many(3).await;
    let mut tx = fixture.database.begin().await.unwrap();
    let sql = "UPDATE connection SET sites = 'torn' WHERE id = 'c001'";
    on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
    let run = fixture.begin(of_tenant("acme")).await;
    let report = fixture.run(&run, 1000).await;
    assert!(report.is_finished);
    assert_eq!((report.at_provider(), report.left()), (2, 1));
    let honest = &report.providers["honest"];
    assert_eq!(honest.not_deleted.values().collect::<Vec<_>>(), [&1]);
    assert_eq!(fixture.left().await, ["c001"]);
    // Once it can be read again, so can it be deleted.
    let mut tx = fixture.database.begin().await.unwrap();
    let sql = "UPDATE connection SET sites = '[]'";
    on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
    let again = fixture.begin(of_tenant("acme")).await;
    assert!(!again.is_continued);
    assert_eq!(fixture.run(&again, 1000).await.at_provider(), 1);
}
