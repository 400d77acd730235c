//! Replacing the master key while replicas go on, and what a wrong one does.

use std::path::Path;
use std::time::Duration;

use model::Ambient;
use storage::{Database, Error, LEASE, MasterKeys, Sealer};
use testkit::ManualClock;

use crate::secrets::{begin, get, masters, rotate, write};
use crate::{Place, column, on_both_databases};

on_both_databases!(
    a_given_key_is_replaced_without_a_pause,
    the_key_in_the_file_is_replaced_under_a_running_server,
    a_replacement_that_stops_at_any_step_goes_on,
    a_wrong_key_is_refused_and_changes_nothing,
    a_former_key_is_missed_until_nothing_is_under_it,
    a_data_key_is_made_under_the_key_that_holds_at_its_commit,
);

async fn sealer(database: &Database, places: &[usize]) -> Result<Sealer, Error> {
    Sealer::open(database, masters(places), Ambient::system()).await
}

/// All that the database holds of keys.
async fn keys(database: &Database, place: &Place) -> Vec<String> {
    let hex = |column: &str| {
        if place.is_sqlite() { format!("hex({column})") } else { format!("encode({column}, 'hex')") }
    };
    let sql = format!(
        "SELECT {} FROM master_key UNION ALL SELECT tenant || CAST(version AS TEXT) || COALESCE(master, '') || {} \
         FROM tenant_key ORDER BY 1",
        hex("proof"),
        hex("wrapped")
    );
    column(database, sql.leak()).await
}

/// Each replica writes for a tenant it knows and for a new one, and reads what the others wrote.
async fn all_go_on(database: &Database, replicas: &[&Sealer], round: &str) {
    for (number, sealer) in replicas.iter().enumerate() {
        // Were there new ones at every step, they would be more than a step rotates.
        let newcomer = format!("new-{round}-{number}");
        let is_late = round.contains("step") && !round.ends_with("step2");
        for tenant in ["acme", if is_late { "acme" } else { &newcomer }] {
            write(database, sealer, tenant, "p", &number.to_string(), round).await.unwrap();
            for reader in replicas {
                assert_eq!(get(database, reader, tenant, "p", &number.to_string()).await.unwrap(), round);
            }
        }
    }
}

async fn a_given_key_is_replaced_without_a_pause(place: Place) {
    let database = place.open().await;
    let old = sealer(&database, &[0]).await.unwrap();
    all_go_on(&database, &[&old], "first").await;
    // One replica after the other is started with the new key added, then with both swapped.
    let added = sealer(&database, &[0, 1]).await.unwrap();
    all_go_on(&database, &[&old, &added], "second").await;
    let swapped = sealer(&database, &[1, 0]).await.unwrap();
    all_go_on(&database, &[&added, &swapped], "third").await;

    let mut rotation = begin(&database, &swapped, None).await.unwrap();
    for step in 0.. {
        all_go_on(&database, &[&added, &swapped], &format!("step{step}")).await;
        if !rotation.step().await.unwrap() {
            break;
        }
    }
    assert!(rotation.report().master_replaced && rotation.report().rewrapped >= 4);
    assert!(rotation.report().unreadable.is_empty() && rotation.report().kept.is_empty());
    assert!(swapped.drop_former_masters(&database).await.unwrap(), "nothing is under the former key");
    let new = sealer(&database, &[1]).await.unwrap();
    all_go_on(&database, &[&added, &swapped, &new], "last").await;
    assert!(matches!(sealer(&database, &[0]).await, Err(Error::WrongMasterKey)));
    let events = storage::events_after(&mut database.read().await.unwrap(), 0).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.subject == "master_key").count(), 1);
    assert!(events[0].tenant.is_none());
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap().lines().count()
}

async fn from_file(database: &Database, path: &Path, ambient: &Ambient) -> Sealer {
    let masters = MasterKeys::load_or_create(path, ambient).unwrap();
    Sealer::open(database, masters, ambient.clone()).await.unwrap()
}

async fn the_key_in_the_file_is_replaced_under_a_running_server(place: Place) {
    let (database, folder) = (place.open().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("encryption.key");
    let server = from_file(&database, &path, &Ambient::system()).await;
    all_go_on(&database, &[&server], "first").await;
    for round in 0..2 {
        // A command of another process.
        let command = from_file(&database, &path, &Ambient::system()).await;
        let mut rotation = begin(&database, &command, None).await.unwrap();
        assert!(command.add_master().unwrap());
        assert_eq!(lines(&path), 2);
        assert!(!command.drop_former_masters(&database).await.unwrap(), "all is under the former key");
        for step in 0.. {
            all_go_on(&database, &[&server, &command], &format!("r{round}step{step}")).await;
            if !rotation.step().await.unwrap() {
                break;
            }
        }
        assert!(command.drop_former_masters(&database).await.unwrap());
        assert_eq!(lines(&path), 1);
        // The server reads the file again where it needs to, but not over and over.
        tokio::time::sleep(Duration::from_millis(250)).await;
        all_go_on(&database, &[&server], &format!("r{round}")).await;
    }
    let restarted = from_file(&database, &path, &Ambient::system()).await;
    all_go_on(&database, &[&server, &restarted], "restarted").await;
}

async fn a_replacement_that_stops_at_any_step_goes_on(place: Place) {
    let (clock, ambient) = ManualClock::ambient();
    let (database, folder) = (place.open_at(&ambient).await, tempfile::tempdir().unwrap());
    let path = folder.path().join("encryption.key");
    let server = from_file(&database, &path, &ambient).await;
    all_go_on(&database, &[&server], "first").await;
    for stop in 0.. {
        let command = from_file(&database, &path, &ambient).await;
        let mut rotation = begin(&database, &command, None).await.unwrap();
        command.add_master().unwrap();
        let mut has_ended = false;
        for _ in 0..stop {
            has_ended = !rotation.step().await.unwrap();
        }
        drop(rotation);
        // Another start meets the database as it was left.
        let restarted = from_file(&database, &path, &ambient).await;
        all_go_on(&database, &[&server, &restarted], &format!("stop{stop}")).await;
        clock.advance(LEASE + Duration::from_secs(1));
        assert_eq!(lines(&path), 2);
        let command = from_file(&database, &path, &ambient).await;
        let former = std::fs::read_to_string(&path).unwrap();
        command.add_master().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), former, "it goes on with the same key");
        rotate(&database, &command, None).await;
        assert!(command.drop_former_masters(&database).await.unwrap(), "stopped at {stop}");
        assert_eq!(lines(&path), 1);
        tokio::time::sleep(Duration::from_millis(250)).await;
        if has_ended || stop > 12 {
            break;
        }
    }
}

async fn a_wrong_key_is_refused_and_changes_nothing(place: Place) {
    let database = place.open().await;
    let right = sealer(&database, &[0]).await.unwrap();
    write(&database, &right, "acme", "p", "n", "hush").await.unwrap();
    let before = keys(&database, &place).await;
    for wrong in [&[1][..], &[2], &[1, 2]] {
        assert!(matches!(sealer(&database, wrong).await, Err(Error::WrongMasterKey)), "{wrong:?}");
    }
    assert_eq!(keys(&database, &place).await, before);
    // Without the proof too, data keys tell whose database it is.
    let mut tx = database.begin().await.unwrap();
    storage::on!(tx, |c| sqlx::query("DELETE FROM master_key").execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
    let before = keys(&database, &place).await;
    assert!(matches!(sealer(&database, &[1]).await, Err(Error::MasterKeyMissing)));
    assert_eq!(keys(&database, &place).await, before);
    let right = sealer(&database, &[0]).await.unwrap();
    assert_eq!(get(&database, &right, "acme", "p", "n").await.unwrap(), "hush");
    let message = Error::WrongMasterKey.to_string();
    assert!(message.contains("ENCRYPTION_KEY") && message.contains("nothing was changed"));
}

async fn a_former_key_is_missed_until_nothing_is_under_it(place: Place) {
    let database = place.open().await;
    let swapped = sealer(&database, &[0]).await.unwrap();
    for tenant in ["acme", "other"] {
        write(&database, &swapped, tenant, "p", "n", "hush").await.unwrap();
    }
    let swapped = sealer(&database, &[1, 0]).await.unwrap();
    let mut rotation = begin(&database, &swapped, None).await.unwrap();
    // The key is replaced, and no data key is wrapped under the new one yet.
    rotation.step().await.unwrap();
    let before = keys(&database, &place).await;
    assert!(matches!(sealer(&database, &[1]).await, Err(Error::MasterKeyMissing)));
    assert!(matches!(sealer(&database, &[0]).await, Err(Error::WrongMasterKey)));
    assert!(!swapped.drop_former_masters(&database).await.unwrap());
    assert_eq!(keys(&database, &place).await, before);
    while rotation.step().await.unwrap() {}
    let new = sealer(&database, &[1]).await.unwrap();
    assert_eq!(get(&database, &new, "acme", "p", "n").await.unwrap(), "hush");
}

async fn a_data_key_is_made_under_the_key_that_holds_at_its_commit(place: Place) {
    if place.is_sqlite() {
        // One transaction writes at a time.
        return;
    }
    let database = place.open().await;
    let added = sealer(&database, &[0, 1]).await.unwrap();
    let swapped = sealer(&database, &[1, 0]).await.unwrap();
    let mut late = database.begin().await.unwrap();
    crate::secrets::write_in(&mut late, &added, "late", "p", "n", "hush").await.unwrap();
    let rotating = rotate(&database, &swapped, None);
    let committing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        late.commit().await.unwrap();
    };
    let (report, ()) = tokio::join!(rotating, committing);
    assert_eq!((report.rewrapped, report.tenants), (1, 1), "the rotation waited for it: {report:?}");
    let new = sealer(&database, &[1]).await.unwrap();
    assert_eq!(get(&database, &new, "late", "p", "n").await.unwrap(), "hush");
}
