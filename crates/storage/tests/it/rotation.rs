//! Rotating data keys while others read and write, stopped at any point, and against what does not open.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use model::Ambient;
use storage::{Database, Error, LEASE, Sealer, events_after, on};
use testkit::ManualClock;

use crate::secrets::{begin, get, masters, put, rotate, tenant, write, write_in};
use crate::{Place, column, on_both_databases};

on_both_databases!(
    everything_is_sealed_anew_and_the_former_key_destroyed,
    one_tenant_alone_can_be_rotated,
    a_rotation_that_stops_at_any_step_goes_on,
    writers_and_readers_notice_nothing,
    a_writer_who_commits_late_is_waited_for,
    who_has_read_a_value_may_open_it_for_a_while,
    what_was_moved_to_another_tenant_opens_neither_before_nor_after,
    two_at_once_do_not_meet,
);

async fn sealer(database: &Database, ambient: &Ambient) -> Sealer {
    Sealer::open(database, masters(&[0]), ambient.clone()).await.unwrap()
}

/// The versions of every tenant's data key.
async fn versions(database: &Database, tenant: &str) -> Vec<i64> {
    let mut conn = database.read().await.unwrap();
    let rows: Vec<(i64,)> =
        on!(conn, |c| sqlx::query_as("SELECT version FROM tenant_key WHERE tenant = $1 ORDER BY version")
            .bind(tenant)
            .fetch_all(c)
            .await)
        .unwrap();
    rows.into_iter().map(|(version,)| version).collect()
}

async fn fill(database: &Database, sealer: &Sealer, tenant: &str, count: usize) {
    let mut tx = database.begin().await.unwrap();
    for number in 0..count {
        let (place, name) = (format!("place {}", number % 3), format!("name {number}"));
        write_in(&mut tx, sealer, tenant, &place, &name, &format!("{tenant} {number}")).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn assert_open(database: &Database, sealer: &Sealer, tenant: &str, count: usize) {
    for number in 0..count {
        let (place, name) = (format!("place {}", number % 3), format!("name {number}"));
        let text = get(database, sealer, tenant, &place, &name).await.unwrap();
        assert_eq!(text, format!("{tenant} {number}"));
    }
}

async fn everything_is_sealed_anew_and_the_former_key_destroyed(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database, &Ambient::system()).await;
    fill(&database, &sealer, "acme", 250).await;
    fill(&database, &sealer, "other", 3).await;
    // The other column, and a row that has neither.
    let mut tx = database.begin().await.unwrap();
    let spare = sealer.seal(&mut tx, &tenant("acme"), "spare place 0 name 0", b"spare").await.unwrap();
    on!(tx, |c| sqlx::query(
        "UPDATE secret SET spare = $1 WHERE tenant = 'acme' AND place = 'place 0' AND name = 'name 0'"
    )
    .bind(spare.as_bytes())
    .execute(c)
    .await
    .map(drop))
    .unwrap();
    on!(tx, |c| sqlx::query("INSERT INTO secret (tenant, place, name) VALUES ('acme', 'none', 'none')")
        .execute(c)
        .await
        .map(drop))
    .unwrap();
    tx.commit().await.unwrap();

    let before = versions(&database, "acme").await;
    let report = rotate(&database, &sealer, None).await;
    assert_eq!((report.tenants, report.values, report.destroyed), (2, 254, 2), "{report:?}");
    assert!(report.unreadable.is_empty() && !report.master_replaced && report.continued_after.is_none());
    assert_eq!(versions(&database, "acme").await, [before[0] + 1]);
    assert_open(&database, &sealer, "acme", 250).await;
    assert_open(&database, &sealer, "other", 3).await;
    let (mut conn, acme) = (database.read().await.unwrap(), tenant("acme"));
    let refused = sealer.unseal(&mut conn, &acme, "spare place 0 name 0", &spare).await;
    assert!(matches!(refused, Err(Error::Unsealable)), "the former key is gone");
    let events = events_after(&mut database.read().await.unwrap(), 0).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.tenant.as_deref(), event.kind.as_str())).collect();
    assert_eq!(told, [(Some("acme"), "jackfield.keys.rotated"), (Some("other"), "jackfield.keys.rotated")]);
    assert_eq!(rotate(&database, &sealer, None).await.values, 254, "as often as one likes");
}

async fn one_tenant_alone_can_be_rotated(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database, &Ambient::system()).await;
    for name in ["acme", "other"] {
        fill(&database, &sealer, name, 2).await;
    }
    let (acme, other) = (versions(&database, "acme").await, versions(&database, "other").await);
    let report = rotate(&database, &sealer, Some("acme")).await;
    assert_eq!((report.tenants, report.values, report.destroyed), (1, 2, 1), "{report:?}");
    assert_eq!(versions(&database, "other").await, other);
    assert_ne!(versions(&database, "acme").await, acme);
    assert_open(&database, &sealer, "acme", 2).await;
    let report = rotate(&database, &sealer, Some("nobody")).await;
    assert_eq!((report.tenants, report.destroyed), (0, 0));
    assert!(versions(&database, "nobody").await.is_empty(), "no key is made for nobody");
}

async fn a_rotation_that_stops_at_any_step_goes_on(place: Place) {
    let (clock, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let sealer = sealer(&database, &ambient).await;
    for name in ["acme", "beta", "gamma"] {
        fill(&database, &sealer, name, 120).await;
    }
    let mut continued = 0;
    for stop in 0.. {
        // Stopped as by a kill: nothing is released.
        let mut rotation = begin(&database, &sealer, None).await.unwrap();
        let mut has_ended = false;
        for _ in 0..stop {
            has_ended = !rotation.step().await.unwrap();
        }
        drop(rotation);
        for name in ["acme", "beta", "gamma"] {
            assert_open(&database, &sealer, name, 120).await;
        }
        clock.advance(LEASE + Duration::from_secs(1));
        if has_ended {
            assert!(stop > 10, "{stop}");
            break;
        }
        let report = rotate(&database, &sealer, None).await;
        continued += usize::from(report.continued_after.is_some());
        for name in ["acme", "beta", "gamma"] {
            assert_open(&database, &sealer, name, 120).await;
            assert_eq!(versions(&database, name).await.len(), 1, "stopped at {stop}");
        }
        assert_eq!(column(&database, "SELECT scope FROM key_rotation").await, [""; 0]);
    }
    assert!(continued > 5, "{continued}");
}

async fn writers_and_readers_notice_nothing(place: Place) {
    const WRITERS: usize = 4;
    const ROTATIONS: usize = 4;
    let database = place.open().await;
    let replicas = [sealer(&database, &Ambient::system()).await, sealer(&database, &Ambient::system()).await];
    fill(&database, &replicas[0], "acme", 150).await;
    let is_over = AtomicBool::new(false);
    let counts: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    for writer in 0..WRITERS {
        write(&database, &replicas[0], "acme", "w", &writer.to_string(), "0").await.unwrap();
    }
    let write_all = |writer: usize| {
        let (database, replicas, is_over, counts) = (&database, &replicas, &is_over, &counts);
        async move {
            while !is_over.load(Ordering::Relaxed) {
                let next = counts[writer].load(Ordering::SeqCst) + 1;
                let sealer = &replicas[writer % 2];
                write(database, sealer, "acme", "w", &writer.to_string(), &next.to_string()).await.unwrap();
                counts[writer].store(next, Ordering::SeqCst);
            }
        }
    };
    let read_all = |reader: usize| {
        let (database, replicas, is_over, counts) = (&database, &replicas, &is_over, &counts);
        async move {
            while !is_over.load(Ordering::Relaxed) {
                let least = counts[reader].load(Ordering::SeqCst);
                let sealer = &replicas[(reader + 1) % 2];
                let text = get(database, sealer, "acme", "w", &reader.to_string()).await.unwrap();
                assert!(text.parse::<u64>().unwrap() >= least, "{text} after {least} was committed");
            }
        }
    };
    let rotating = async {
        for _ in 0..ROTATIONS {
            let rotation = begin(&database, &replicas[0], None).await.unwrap();
            let mut rotation = rotation.with_grace(Duration::from_millis(300));
            while rotation.step().await.unwrap() {}
            assert!(rotation.report().unreadable.is_empty() && rotation.report().kept.is_empty());
            assert_eq!(rotation.report().destroyed, 1);
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let writing = futures::future::join_all((0..WRITERS).map(write_all));
    let reading = futures::future::join_all((0..WRITERS).map(read_all));
    tokio::join!(rotating, writing, reading);
    assert_eq!(versions(&database, "acme").await.len(), 1);
    for (writer, count) in counts.iter().enumerate() {
        let text = get(&database, &replicas[0], "acme", "w", &writer.to_string()).await.unwrap();
        assert_eq!(text, count.load(Ordering::SeqCst).to_string(), "no write is lost");
    }
    assert_open(&database, &replicas[1], "acme", 150).await;
}

async fn a_writer_who_commits_late_is_waited_for(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database, &Ambient::system()).await;
    fill(&database, &sealer, "acme", 2).await;
    let mut late = database.begin().await.unwrap();
    write_in(&mut late, &sealer, "acme", "late", "late", "late").await.unwrap();
    let (report, ()) = tokio::join!(rotate(&database, &sealer, None), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        late.commit().await.unwrap();
    });
    assert_eq!((report.values, report.destroyed), (3, 1), "{report:?}");
    assert_eq!(get(&database, &sealer, "acme", "late", "late").await.unwrap(), "late");
    assert_open(&database, &sealer, "acme", 2).await;
}

async fn who_has_read_a_value_may_open_it_for_a_while(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database, &Ambient::system()).await;
    let mut tx = database.begin().await.unwrap();
    let read = sealer.seal(&mut tx, &tenant("acme"), "secret p n", b"hush").await.unwrap();
    put(&mut tx, "acme", "p", "n", read.as_bytes()).await;
    tx.commit().await.unwrap();
    let mut rotation = begin(&database, &sealer, None).await.unwrap().with_grace(Duration::from_hours(1));
    while rotation.report().tenants == 0 {
        assert!(rotation.step().await.unwrap());
    }
    for _ in 0..3 {
        assert!(rotation.step().await.unwrap());
    }
    assert_eq!(rotation.release().await.unwrap().values, 1, "it is sealed anew");
    let open = || async {
        sealer.unseal(&mut database.read().await.unwrap(), &tenant("acme"), "secret p n", &read).await
    };
    assert!(open().await.is_ok());
    assert_eq!(rotate(&database, &sealer, None).await.destroyed, 1);
    assert!(matches!(open().await, Err(Error::Unsealable)));
    assert_eq!(get(&database, &sealer, "acme", "p", "n").await.unwrap(), "hush");
}

async fn what_was_moved_to_another_tenant_opens_neither_before_nor_after(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database, &Ambient::system()).await;
    for name in ["acme", "other"] {
        fill(&database, &sealer, name, 2).await;
    }
    let mut tx = database.begin().await.unwrap();
    let (stolen,): (Vec<u8>,) =
        on!(tx, |c| sqlx::query_as("SELECT value FROM secret WHERE tenant = 'acme' AND name = 'name 0'")
            .fetch_one(c)
            .await)
        .unwrap();
    put(&mut tx, "other", "place 0", "stolen", &stolen).await;
    tx.commit().await.unwrap();
    let refused = get(&database, &sealer, "other", "place 0", "stolen").await;
    assert!(matches!(refused, Err(Error::Unsealable)));

    let report = rotate(&database, &sealer, None).await;
    let places: Vec<_> = report.unreadable.iter().collect();
    assert_eq!(places, ["secret.value (place place 0, name stolen) of tenant other"]);
    assert_eq!(report.kept, [tenant("other")].into());
    assert_eq!((report.values, report.destroyed), (4, 1), "the rest is done");
    let refused = get(&database, &sealer, "other", "place 0", "stolen").await;
    assert!(matches!(refused, Err(Error::Unsealable)));
    assert_eq!(versions(&database, "other").await.len(), 2, "what may be needed is not destroyed");

    let mut tx = database.begin().await.unwrap();
    on!(tx, |c| sqlx::query("DELETE FROM secret WHERE name = 'stolen'").execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
    let report = rotate(&database, &sealer, Some("other")).await;
    assert_eq!((report.values, report.destroyed), (0, 1), "no third key was made: {report:?}");
    assert_eq!(versions(&database, "other").await.len(), 1);
    assert_open(&database, &sealer, "other", 2).await;
}

async fn two_at_once_do_not_meet(place: Place) {
    let (clock, ambient) = ManualClock::ambient();
    let database = place.open_at(&ambient).await;
    let sealer = sealer(&database, &ambient).await;
    fill(&database, &sealer, "acme", 2).await;
    let mut first = begin(&database, &sealer, None).await.unwrap();
    assert!(first.step().await.unwrap());
    assert!(matches!(begin(&database, &sealer, None).await, Err(Error::RotationRunning)));
    // One tenant's may run beside it.
    assert_eq!(rotate(&database, &sealer, Some("acme")).await.destroyed, 1);
    clock.advance(LEASE + Duration::from_secs(1));
    let report = rotate(&database, &sealer, None).await;
    assert_eq!(report.destroyed, 1);
    assert!(matches!(first.step().await, Err(Error::RotationTaken)));
    assert_open(&database, &sealer, "acme", 2).await;
    // One that lets go is no obstacle.
    begin(&database, &sealer, None).await.unwrap().release().await.unwrap();
    assert_eq!(rotate(&database, &sealer, None).await.destroyed, 1);
}
