//! Where a test's database is.

use std::sync::LazyLock;

use model::Ambient;
use storage::{Database, DatabaseUrl, Migration};
use tempfile::TempDir;
use testkit::{Nats, Postgres};

/// One PostgreSQL server for all tests; each has a database of its own in it.
static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());

/// One NATS server for all tests: each database is a log of its own in it.
static NATS: LazyLock<Nats> = LazyLock::new(|| Nats::start().unwrap());

pub(crate) const MIGRATIONS: &[&[Migration]] = &[storage::MIGRATIONS, events::MIGRATIONS];

/// Makes a test of each function on SQLite, one on PostgreSQL, and one on PostgreSQL with NATS.
macro_rules! with_and_without_nats {
    ($($test:ident),* $(,)?) => {
        crate::place::on_both_databases!($($test),*);
        mod with_nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::place::Place::with_nats()).await;
            })*
        }
    };
}
pub(crate) use with_and_without_nats;

/// Makes a test of each function on SQLite, and one on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::place::Place::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::place::Place::postgres()).await;
            })*
        }
    };
}
pub(crate) use on_both_databases;

/// Where a database is, or is to be. A file goes when this goes.
pub(crate) struct Place {
    url: DatabaseUrl,
    _folder: Option<TempDir>,
    nats: bool,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
        Self { url, _folder: Some(folder), nats: false }
    }

    pub(crate) fn postgres() -> Self {
        Self { url: POSTGRES.database().unwrap().parse().unwrap(), _folder: None, nats: false }
    }

    /// The same with a NATS server besides.
    pub(crate) fn with_nats() -> Self {
        Self { nats: true, ..Self::postgres() }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.url, DatabaseUrl::Sqlite(_))
    }

    /// The URL of the NATS server, if there is one.
    pub(crate) fn nats(&self) -> Option<&'static str> {
        self.nats.then(|| NATS.url())
    }

    /// The database, going by the clock of `ambient`.
    pub(crate) async fn open(&self, ambient: &Ambient) -> Database {
        Database::open(&self.url, MIGRATIONS, ambient.clone()).await.unwrap()
    }
}
