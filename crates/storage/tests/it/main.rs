//! The storage traits held to their contracts on every backend: SQLite and PostgreSQL, a folder and S3.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod blobs;
mod database;
mod group;
mod log_reader;
mod master_keys;
mod migrations;
mod rotation;
mod sealer;
mod secrets;
mod staging;
mod tenant_deletion;

use std::sync::LazyLock;

use model::Ambient;
use storage::{Database, DatabaseUrl, Migration};
use tempfile::TempDir;
use testkit::Postgres;

/// One PostgreSQL server for all tests; each has a database of its own in it.
static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());

/// A table to write to. `{bytes}` and `{serial}` are what the two databases differ in.
const NOTES: &[Migration] = &[Migration {
    version: 2026_11_21_90,
    name: "notes",
    sql: "CREATE TABLE note (number {serial}, title TEXT NOT NULL UNIQUE, content {bytes}, is_done BOOLEAN NOT NULL);
          CREATE INDEX note_by_state ON note (is_done, title)",
}];

const MIGRATIONS: &[&[Migration]] = &[storage::MIGRATIONS, NOTES, log_reader::TABLE, secrets::TABLE];

/// Makes a test of each function on SQLite, and one on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::Place::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::Place::postgres()).await;
            })*
        }
    };
}
use on_both_databases;

/// Where a database is, or is to be. A file goes when this goes.
struct Place {
    url: DatabaseUrl,
    _folder: Option<TempDir>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
        Self { url, _folder: Some(folder) }
    }

    fn postgres() -> Self {
        Self { url: POSTGRES.database().unwrap().parse().unwrap(), _folder: None }
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.url, DatabaseUrl::Sqlite(_))
    }

    /// A literal of bytes, from hexadecimal.
    fn bytes(&self, hex: &str) -> String {
        if self.is_sqlite() { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") }
    }

    async fn open(&self) -> Database {
        self.open_at(&Ambient::system()).await
    }

    /// The database, going by the clock of `ambient`.
    async fn open_at(&self, ambient: &Ambient) -> Database {
        Database::open(&self.url, MIGRATIONS, ambient.clone()).await.unwrap()
    }
}

/// The first column, text, of all rows that `sql` finds.
async fn column(database: &Database, sql: &'static str) -> Vec<String> {
    let mut conn = database.read().await.unwrap();
    let rows: Vec<(String,)> = storage::on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await).unwrap();
    rows.into_iter().map(|(text,)| text).collect()
}
