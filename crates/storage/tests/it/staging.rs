//! Blobs that are written before the rows that name them, and what becomes of them in between.

use std::sync::Arc;
use std::time::Duration;

use model::Ambient;
use storage::{BlobKey, Blobs, Database, Error, Folder, Staging, on, sweep};
use tempfile::TempDir;
use testkit::ManualClock;

use crate::{Place, column, on_both_databases};

on_both_databases!(
    what_is_settled_stays,
    what_is_not_settled_is_swept_when_it_is_old,
    what_was_swept_cannot_be_settled,
    a_settling_that_is_rolled_back_settles_nothing,
    many_sweeps_at_once_agree,
    a_sweep_and_a_settling_at_once_never_both_win,
    a_blob_that_cannot_be_deleted_does_not_keep_the_others,
);

const AGE: Duration = Duration::from_hours(24);

struct Fixture {
    database: Database,
    blobs: Folder,
    clock: Arc<ManualClock>,
    ambient: Ambient,
    folder: TempDir,
    _place: Place,
}

impl Fixture {
    async fn new(place: Place) -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let database = place.open_at(&ambient).await;
        let folder = TempDir::new().unwrap();
        let blobs = Folder::open(folder.path()).await.unwrap();
        Self { database, blobs, clock, ambient, folder, _place: place }
    }

    /// Stages `keys` and writes their blobs.
    async fn stage(&self, keys: &[BlobKey]) -> Staging {
        let staging = Staging::begin(&self.database, keys, &self.ambient).await.unwrap();
        for key in keys {
            self.blobs.put(key, "content".into()).await.unwrap();
        }
        staging
    }

    async fn settle(&self, staging: &Staging, keys: &[BlobKey]) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        staging.settle(&mut tx, keys).await?;
        tx.commit().await
    }

    async fn sweep(&self) -> usize {
        sweep(&self.database, &self.blobs, AGE, &self.ambient).await.unwrap()
    }

    async fn has(&self, key: &BlobKey) -> bool {
        self.blobs.get(key).await.unwrap().is_some()
    }

    async fn staged(&self) -> Vec<String> {
        column(&self.database, "SELECT key FROM staged_blob ORDER BY key").await
    }
}

fn keys(names: &[&str]) -> Vec<BlobKey> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

async fn what_is_settled_stays(place: Place) {
    let fixture = Fixture::new(place).await;
    let keys = keys(&["a/one", "a/two"]);
    let staging = fixture.stage(&keys).await;
    fixture.settle(&staging, &keys).await.unwrap();
    fixture.clock.advance(AGE * 100);
    assert_eq!(fixture.sweep().await, 0);
    assert!(fixture.has(&keys[0]).await && fixture.has(&keys[1]).await);
    assert_eq!(fixture.staged().await, [""; 0]);
}

async fn what_is_not_settled_is_swept_when_it_is_old(place: Place) {
    let fixture = Fixture::new(place).await;
    let keys = keys(&["a/named", "a/left", "a/never-written", "a/young"]);
    let staging = fixture.stage(&keys[..2]).await;
    drop(Staging::begin(&fixture.database, &keys[2..3], &fixture.ambient).await.unwrap());
    fixture.settle(&staging, &keys[..1]).await.unwrap();
    fixture.clock.advance(AGE);
    assert_eq!(fixture.sweep().await, 0, "not older than the age");
    let _young = fixture.stage(&keys[3..]).await;
    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(fixture.sweep().await, 2);
    assert_eq!(fixture.sweep().await, 0);
    assert!(fixture.has(&keys[0]).await && !fixture.has(&keys[1]).await && fixture.has(&keys[3]).await);
    assert_eq!(fixture.staged().await, ["a/young"]);
}

async fn what_was_swept_cannot_be_settled(place: Place) {
    let fixture = Fixture::new(place).await;
    let keys = keys(&["a/one", "a/two"]);
    let staging = fixture.stage(&keys).await;
    fixture.clock.advance(AGE + Duration::from_millis(1));
    assert_eq!(fixture.sweep().await, 2);
    assert!(matches!(fixture.settle(&staging, &keys).await, Err(Error::Blobs(_))));
}

async fn a_settling_that_is_rolled_back_settles_nothing(place: Place) {
    let fixture = Fixture::new(place).await;
    let keys = keys(&["a/one"]);
    let staging = fixture.stage(&keys).await;
    let mut tx = fixture.database.begin().await.unwrap();
    staging.settle(&mut tx, &keys).await.unwrap();
    drop(tx);
    assert_eq!(fixture.staged().await, ["a/one"]);
    // A key is staged once: nobody else may write to it.
    let again = Staging::begin(&fixture.database, &keys, &fixture.ambient).await;
    assert!(matches!(again, Err(Error::Duplicate(_))));
    fixture.clock.advance(AGE * 2);
    assert_eq!(fixture.sweep().await, 1);
    assert!(!fixture.has(&keys[0]).await);
}

async fn many_sweeps_at_once_agree(place: Place) {
    let fixture = Fixture::new(place).await;
    let names: Vec<String> = (0..20).map(|number| format!("a/{number}")).collect();
    let keys = keys(&names.iter().map(String::as_str).collect::<Vec<_>>());
    drop(fixture.stage(&keys).await);
    fixture.clock.advance(AGE * 2);
    let swept: usize = futures::future::join_all((0..4).map(|_| fixture.sweep())).await.into_iter().sum();
    assert_eq!(swept, 20, "each was swept by one");
    assert_eq!(fixture.staged().await, [""; 0]);
    for key in &keys {
        assert!(!fixture.has(key).await, "{key}");
    }
}

async fn a_sweep_and_a_settling_at_once_never_both_win(place: Place) {
    let fixture = Fixture::new(place).await;
    for round in 0..20 {
        let keys = keys(&[&format!("a/{round}")]);
        let staging = fixture.stage(&keys).await;
        fixture.clock.advance(AGE * 2);
        let settling = async {
            let mut tx = fixture.database.begin().await?;
            staging.settle(&mut tx, &keys).await?;
            // The row that names the blob.
            on!(tx, |c| sqlx::query("INSERT INTO note (title, is_done) VALUES ($1, FALSE)")
                .bind(keys[0].as_str())
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await
        };
        let (settled, _) = tokio::join!(settling, fixture.sweep());
        assert_eq!(fixture.has(&keys[0]).await, settled.is_ok(), "round {round}: {settled:?}");
    }
    let named = column(&fixture.database, "SELECT title FROM note").await;
    for name in named {
        assert!(fixture.has(&name.parse().unwrap()).await, "{name} is named and swept");
    }
}

async fn a_blob_that_cannot_be_deleted_does_not_keep_the_others(place: Place) {
    let fixture = Fixture::new(place).await;
    let keys = keys(&["a/stuck", "b/left"]);
    let staging = fixture.stage(&keys).await;
    // Nothing can be reached through a link that leads to itself.
    let folder = fixture.folder.path().join("a");
    std::fs::remove_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("a", &folder).unwrap();
    fixture.clock.advance(AGE * 2);
    assert!(sweep(&fixture.database, &fixture.blobs, AGE, &fixture.ambient).await.is_err());
    assert!(!fixture.has(&keys[1]).await);
    assert_eq!(fixture.staged().await, ["a/stuck"]);
    assert!(
        fixture.settle(&staging, &keys[..1]).await.is_err(),
        "its blob may be gone, whatever the store said"
    );
}
