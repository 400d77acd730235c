//! Bringing the schema up to date.

use model::Ambient;
use storage::{Database, Error, Migration};

use crate::{MIGRATIONS, Place, column, on_both_databases};

on_both_databases!(
    steps_run_once,
    replicas_that_start_together_migrate_once,
    a_step_that_fails_leaves_no_half_of_it,
    a_step_that_was_changed_is_refused,
);

async fn applied(database: &Database) -> usize {
    column(database, "SELECT CAST(version AS TEXT) FROM _sqlx_migrations WHERE success").await.len()
}

async fn steps_run_once(place: Place) {
    for _ in 0..3 {
        let database = place.open().await;
        assert_eq!(applied(&database).await, MIGRATIONS.concat().len());
        database.close().await;
    }
}

async fn replicas_that_start_together_migrate_once(place: Place) {
    let opening = (0..8).map(|_| Database::open(&place.url, MIGRATIONS, Ambient::system()));
    for opened in futures::future::join_all(opening).await {
        assert_eq!(applied(&opened.unwrap()).await, MIGRATIONS.concat().len());
    }
}

async fn a_step_that_fails_leaves_no_half_of_it(place: Place) {
    place.open().await.close().await;
    let step = |sql| [Migration { version: 2026_11_21_91, name: "next", sql }];
    let wrong = step("CREATE TABLE half (a TEXT); CREATE TABLE half (b TEXT)");
    let refused = Database::open(&place.url, &[MIGRATIONS, &[&wrong]].concat(), Ambient::system()).await;
    assert!(matches!(refused, Err(Error::Migration(_))));
    // Put right, it runs; so no table was left over.
    let right = step("CREATE TABLE half (a TEXT)");
    let database = Database::open(&place.url, &[MIGRATIONS, &[&right]].concat(), Ambient::system()).await;
    assert_eq!(column(&database.unwrap(), "SELECT a FROM half").await, [""; 0]);
}

async fn a_step_that_was_changed_is_refused(place: Place) {
    place.open().await.close().await;
    let changed = [Migration { sql: "CREATE TABLE note (title TEXT)", ..crate::NOTES[0] }];
    let refused = Database::open(
        &place.url,
        &[storage::MIGRATIONS, crate::secrets::TABLE, &changed],
        Ambient::system(),
    )
    .await;
    assert!(matches!(refused, Err(Error::Migration(_))));
}
