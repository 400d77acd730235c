//! Deleting a tenant: nothing opens from the first step on, and all goes, wherever it stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::{Ambient, Event, EventKind};
use serde_json::{Value, json};
use storage::{Database, Error, Sealed, Sealer, Step, Tenants, events_after, on};

use crate::secrets::{TENANT_DATA, get, masters, put, rotate, tenant, write};
use crate::{Place, column, on_both_databases};

on_both_databases!(
    all_goes_and_nothing_opens,
    a_deletion_that_stops_at_any_step_goes_on,
    nothing_is_sealed_while_it_runs,
    writers_leave_nothing_that_does_not_open,
    two_at_once_share_the_work,
    a_transaction_that_has_sealed_is_waited_for,
);

async fn sealer(database: &Database) -> Sealer {
    Sealer::open(database, masters(&[0]), Ambient::system()).await.unwrap()
}

fn tenants(database: &Database) -> Tenants {
    Tenants::new(database.clone(), &[TENANT_DATA, storage::TENANT_DATA], Vec::new(), Ambient::system())
}

async fn fill(database: &Database, sealer: &Sealer, name: &str, count: usize) {
    let mut tx = database.begin().await.unwrap();
    for number in 0..count {
        let text = format!("{name} {number}");
        crate::secrets::write_in(&mut tx, sealer, name, "p", &number.to_string(), &text).await.unwrap();
        let (tenant, kind) = (Some(tenant(name)), EventKind::PluginRated);
        tx.record(Event { tenant, kind, subject: number.to_string(), data: json!({}) });
    }
    tx.commit().await.unwrap();
}

async fn bytes_of(database: &Database, tenant: &str) -> Vec<Vec<u8>> {
    let mut conn = database.read().await.unwrap();
    let rows: Vec<(Vec<u8>,)> = on!(conn, |c| sqlx::query_as("SELECT value FROM secret WHERE tenant = $1")
        .bind(tenant)
        .fetch_all(c)
        .await)
    .unwrap();
    rows.into_iter().map(|(bytes,)| bytes).collect()
}

/// The tenants that any table names, and how often the log tells of the deletion of `acme`.
async fn left(database: &Database) -> (Vec<String>, usize) {
    let names = column(
        database,
        "SELECT tenant FROM secret UNION SELECT tenant FROM tenant_key UNION SELECT tenant FROM tenant_deletion \
         UNION SELECT tenant FROM event WHERE tenant IS NOT NULL ORDER BY 1",
    )
    .await;
    let sql = "SELECT subject FROM event WHERE kind = 'jackfield.tenant.deleted' AND tenant IS NULL";
    let told = column(database, sql).await;
    assert!(told.iter().all(|subject| subject == "acme"));
    (names, told.len())
}

async fn all_goes_and_nothing_opens(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database).await;
    fill(&database, &sealer, "acme", 1_200).await;
    fill(&database, &sealer, "other", 3).await;
    let copies = bytes_of(&database, "acme").await;
    let forgotten = Arc::new(AtomicUsize::new(0));
    let forget = {
        let forgotten = Arc::clone(&forgotten);
        move |id: &model::TenantId| {
            forgotten.fetch_add(usize::from(id.as_str() == "acme"), Ordering::SeqCst);
        }
    };
    let data = [TENANT_DATA, storage::TENANT_DATA];
    let tenants = Tenants::new(database.clone(), &data, vec![Box::new(forget)], Ambient::system());
    assert_eq!(tenants.delete(&tenant("nobody"), "me").await.unwrap(), None);
    assert_eq!(forgotten.load(Ordering::SeqCst), 0);

    let deleted = tenants.delete(&tenant("acme"), "me").await.unwrap().unwrap();
    assert_eq!(json!(deleted), json!({"data keys": 1, "secrets": 1_200, "events": 1_200}));
    assert!(forgotten.load(Ordering::SeqCst) >= 1);
    assert_eq!(left(&database).await, (vec!["other".to_owned()], 1));
    assert_eq!(tenants.delete(&tenant("acme"), "me").await.unwrap(), None);
    assert_eq!(left(&database).await.1, 1, "told once");
    let events = events_after(&mut database.read().await.unwrap(), 0).await.unwrap();
    let data: Value = serde_json::from_str(&events.last().unwrap().data).unwrap();
    assert_eq!(data, json!({"deleted": deleted, "by": "me"}));

    // A tenant of the same name is another one: what was copied does not open in it either.
    write(&database, &sealer, "acme", "p", "0", "new").await.unwrap();
    assert_eq!(get(&database, &sealer, "acme", "p", "0").await.unwrap(), "new");
    let mut tx = database.begin().await.unwrap();
    for (number, copy) in copies.iter().enumerate().take(3) {
        put(&mut tx, "acme", "p", &number.to_string(), copy).await;
    }
    tx.commit().await.unwrap();
    for number in 0..3 {
        let refused = get(&database, &sealer, "acme", "p", &number.to_string()).await;
        assert!(matches!(refused, Err(Error::Unsealable)), "{refused:?}");
    }
    assert_eq!(get(&database, &sealer, "other", "p", "2").await.unwrap(), "other 2");
}

async fn a_deletion_that_stops_at_any_step_goes_on(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database).await;
    fill(&database, &sealer, "other", 3).await;
    for stop in 0.. {
        fill(&database, &sealer, "acme", 700).await;
        let copies = bytes_of(&database, "acme").await;
        let (first, mut has_ended) = (tenants(&database), false);
        first.begin(&tenant("acme"), "first").await.unwrap();
        for _ in 0..stop {
            has_ended = matches!(first.step(&tenant("acme")).await.unwrap(), Step::Ended(_));
        }
        let mut conn = database.read().await.unwrap();
        for copy in copies.into_iter().map(Sealed::from_bytes) {
            let opened = sealer.unseal(&mut conn, &tenant("acme"), "secret p 0", &copy).await;
            assert!(matches!(opened, Err(Error::Unsealable)));
        }
        drop(conn);
        if has_ended {
            assert!(stop > 2, "{stop}");
            break;
        }
        // By hand, or by a server.
        if stop % 2 == 0 {
            let deleted = tenants(&database).delete(&tenant("acme"), "second").await.unwrap().unwrap();
            assert_eq!(
                json!(deleted),
                json!({"data keys": 1, "secrets": 700, "events": 700}),
                "of all steps"
            );
        } else {
            assert_eq!(tenants(&database).finish_interrupted().await.unwrap(), 1);
        }
        assert_eq!(left(&database).await, (vec!["other".to_owned()], usize::try_from(stop).unwrap() + 1));
    }
    assert_eq!(tenants(&database).finish_interrupted().await.unwrap(), 0);
    assert_eq!(get(&database, &sealer, "other", "p", "2").await.unwrap(), "other 2");
}

async fn nothing_is_sealed_while_it_runs(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database).await;
    fill(&database, &sealer, "acme", 3).await;
    let tenants = tenants(&database);
    tenants.begin(&tenant("acme"), "me").await.unwrap();
    let refused = write(&database, &sealer, "acme", "p", "0", "more").await;
    assert!(matches!(refused, Err(Error::TenantDeleted)), "{refused:?}");
    let refused = get(&database, &sealer, "acme", "p", "0").await;
    assert!(matches!(refused, Err(Error::Unsealable)), "{refused:?}");
    assert_eq!(rotate(&database, &sealer, None).await.tenants, 0, "a rotation passes it by");
    tenants.delete(&tenant("acme"), "me").await.unwrap();
    write(&database, &sealer, "acme", "p", "0", "anew").await.unwrap();
    assert_eq!(get(&database, &sealer, "acme", "p", "0").await.unwrap(), "anew");
}

async fn writers_leave_nothing_that_does_not_open(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database).await;
    for round in 0..5 {
        fill(&database, &sealer, "acme", 600).await;
        let write_all = |writer: usize| {
            let (database, sealer) = (&database, &sealer);
            async move {
                for number in 0..40 {
                    let name = format!("w{writer} {number}");
                    match write(database, sealer, "acme", "p", &name, "text").await {
                        Ok(()) | Err(Error::TenantDeleted) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        };
        let deleting = async {
            tokio::time::sleep(Duration::from_millis(3 * round)).await;
            tenants(&database).delete(&tenant("acme"), "me").await.unwrap()
        };
        tokio::join!(deleting, futures::future::join_all((0..4).map(write_all)));
        // What came after the end is a new tenant, whole.
        let names = column(&database, "SELECT name FROM secret WHERE tenant = 'acme'").await;
        for name in names {
            assert_eq!(get(&database, &sealer, "acme", "p", &name).await.unwrap(), "text", "round {round}");
        }
        tenants(&database).delete(&tenant("acme"), "me").await.unwrap();
    }
}

async fn two_at_once_share_the_work(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database).await;
    fill(&database, &sealer, "acme", 1_500).await;
    let (first, second) = (tenants(&database), tenants(&database));
    let acme = tenant("acme");
    let (one, other) = tokio::join!(first.delete(&acme, "one"), second.delete(&acme, "other"));
    let reports = [one.unwrap(), other.unwrap()];
    assert!(reports.iter().flatten().any(|deleted| deleted["secrets"] == 1_500), "{reports:?}");
    assert_eq!(left(&database).await, (Vec::new(), 1));
}

async fn a_transaction_that_has_sealed_is_waited_for(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database).await;
    fill(&database, &sealer, "acme", 3).await;
    let mut late = database.begin().await.unwrap();
    crate::secrets::write_in(&mut late, &sealer, "acme", "p", "late", "late").await.unwrap();
    let (tenants, acme) = (tenants(&database), tenant("acme"));
    let deleting = tenants.delete(&acme, "me");
    let committing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        late.commit().await.unwrap();
    };
    let (deleted, ()) = tokio::join!(deleting, committing);
    assert_eq!(deleted.unwrap().unwrap()["secrets"], 4, "the late one too");
    assert_eq!(left(&database).await.0, [""; 0]);
}
