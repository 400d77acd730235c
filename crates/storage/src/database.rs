//! Connecting, reading and writing, on SQLite or PostgreSQL through one door.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use model::{Ambient, Event, Published};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
};
use tokio::sync::watch;

use crate::dialect::Dialect;
use crate::migration::{Migration, migrator};
use crate::{Error, event_log};

/// How long a request waits for a free connection before it is told that the database is busy.
const ACQUIRE_DEADLINE: Duration = Duration::from_secs(5);
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;

/// Where the database is.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL server, or what speaks its protocol. The options hold the password.
    Postgres(Box<PgConnectOptions>),
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    /// Reads `sqlite:path`, `sqlite://path` or `postgres://…`.
    fn from_str(url: &str) -> Result<Self, Error> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(Error::DatabaseUrl) } else { Ok(Self::Sqlite(path.into())) };
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url).map_err(|_| Error::DatabaseUrl)?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(Error::DatabaseUrl)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(options) => write!(f, "postgres://{}:{}", options.get_host(), options.get_port()),
        }
    }
}

#[derive(Clone)]
enum Pools {
    /// SQLite allows one writer: one connection writes and several read, so that none ever meets `SQLITE_BUSY`.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// The database, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Pools,
    recorded: watch::Sender<()>,
    ambient: Ambient,
}

impl Database {
    /// Connects and brings the schema up to date. Two replicas may do so at the same time: one migrates, the other
    /// waits and finds nothing to do.
    pub async fn open(
        url: &DatabaseUrl,
        migrations: &[&[Migration]],
        ambient: Ambient,
    ) -> Result<Self, Error> {
        let pools = match url {
            DatabaseUrl::Sqlite(path) => open_sqlite(path, migrations).await?,
            DatabaseUrl::Postgres(options) => open_postgres(options, migrations).await?,
        };
        Ok(Self { pools, recorded: watch::Sender::new(()), ambient })
    }

    /// A connection for reading. On SQLite it refuses to write.
    pub async fn read(&self) -> Result<Conn, Error> {
        let held = match &self.pools {
            Pools::Sqlite { readers, .. } => Held::SqliteReader(readers.acquire().await?),
            Pools::Postgres(pool) => Held::PostgresReader(pool.acquire().await?),
        };
        Ok(Conn { held })
    }

    /// A transaction. Dropped without [`Tx::commit`], it changes nothing.
    pub async fn begin(&self) -> Result<Tx, Error> {
        let held = match &self.pools {
            // Taking the write lock at once: a transaction that upgrades later could fail half way.
            Pools::Sqlite { writer, .. } => Held::SqliteTx(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => Held::PostgresTx(pool.begin().await?),
        };
        let recorded = self.recorded.clone();
        Ok(Tx {
            conn: Conn { held },
            events: Vec::new(),
            published: Vec::new(),
            recorded,
            ambient: self.ambient.clone(),
        })
    }

    /// Changes whenever this process has put something into the log; of what others put there it knows as far as
    /// [`Database::listen`] is running.
    pub fn recorded(&self) -> watch::Receiver<()> {
        self.recorded.subscribe()
    }

    /// Tells those who wait for it that there may be more in the log.
    pub(crate) fn note_recorded(&self) {
        self.recorded.send_replace(());
    }

    /// How PostgreSQL is connected to; `None` on SQLite.
    pub(crate) fn postgres_options(&self) -> Option<PgConnectOptions> {
        match &self.pools {
            Pools::Sqlite { .. } => None,
            Pools::Postgres(pool) => Some(pool.connect_options().as_ref().clone()),
        }
    }

    pub(crate) fn ambient(&self) -> &Ambient {
        &self.ambient
    }

    /// Answers if the database does.
    pub async fn check(&self) -> Result<(), Error> {
        let mut conn = self.read().await?;
        crate::on!(conn, |c| sqlx::query("SELECT 1").execute(c).await.map(drop))?;
        Ok(())
    }

    /// Waits for the connections in use and closes them all.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.pools {
            Pools::Sqlite { .. } => "Database(sqlite)",
            Pools::Postgres(_) => "Database(postgres)",
        })
    }
}

async fn open_sqlite(path: &Path, migrations: &[&[Migration]]) -> Result<Pools, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was answered survives a loss of power.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(ACQUIRE_DEADLINE);
    let lock = lock_beside(path).await?;
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_DEADLINE)
        // Where a write fails for want of space, SQLite rolls back by itself; sqlx's own rollback then fails, and it
        // takes the connection to be within a transaction for ever. Such a connection is replaced.
        .before_acquire(|conn, _| {
            let is_usable = !conn.is_in_transaction();
            Box::pin(async move { Ok(is_usable) })
        })
        .connect_with(options.clone())
        .await?;
    migrator(migrations, Dialect::Sqlite)
        .run(&writer)
        .await
        .map_err(|error| Error::Migration(Box::new(error)))?;
    drop(lock);
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_DEADLINE)
        .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
        .await?;
    Ok(Pools::Sqlite { writer, readers })
}

/// SQLite has no lock that spans several migrations, so a file beside it serves (a second process may be a command
/// of the same program).
async fn lock_beside(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".migrating");
    tokio::task::spawn_blocking(move || {
        let file = File::create(name)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .map_err(|error| Error::Database(sqlx::Error::Io(std::io::Error::other(error))))?
    .map_err(|error| Error::DatabaseUnavailable(sqlx::Error::Io(error)))
}

async fn open_postgres(options: &PgConnectOptions, migrations: &[&[Migration]]) -> Result<Pools, Error> {
    let options = options
        .clone()
        .application_name("jackfield")
        .options([("statement_timeout", "20s"), ("idle_in_transaction_session_timeout", "30s")]);
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_DEADLINE)
        .connect_with(options)
        .await?;
    // sqlx takes an advisory lock around the whole run.
    migrator(migrations, Dialect::Postgres)
        .run(&pool)
        .await
        .map_err(|error| Error::Migration(Box::new(error)))?;
    Ok(Pools::Postgres(pool))
}

enum Held {
    SqliteReader(PoolConnection<Sqlite>),
    SqliteTx(Transaction<'static, Sqlite>),
    PostgresReader(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

/// A connection that statements run on, through [`on!`](crate::on).
pub struct Conn {
    held: Held,
}

/// The native connection behind a [`Conn`], one arm for each database.
pub enum Engine<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
}

impl Conn {
    /// Whether rows are to be locked one by one; on SQLite a transaction is the only one that writes.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.held, Held::PostgresReader(_) | Held::PostgresTx(_))
    }

    /// The native connection; [`on!`](crate::on) is the usual way to use it.
    pub fn engine(&mut self) -> Engine<'_> {
        match &mut self.held {
            Held::SqliteReader(conn) => Engine::Sqlite(conn),
            Held::SqliteTx(tx) => Engine::Sqlite(tx),
            Held::PostgresReader(conn) => Engine::Postgres(conn),
            Held::PostgresTx(tx) => Engine::Postgres(tx),
        }
    }
}

/// A transaction: all of its statements and its events commit, or none.
pub struct Tx {
    conn: Conn,
    events: Vec<Event>,
    published: Vec<Published>,
    recorded: watch::Sender<()>,
    ambient: Ambient,
}

impl Tx {
    /// Puts `event` into the log if and when this transaction commits.
    ///
    /// Events are written just before the commit: on PostgreSQL the log is locked from there, so that its order is
    /// the order of committing, and no statement may follow that could wait for another transaction.
    pub fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Puts what somebody else says into the log, as [`Tx::record`] does; once for each id of a source in a tenant.
    pub fn publish(&mut self, event: Published) {
        self.published.push(event);
    }

    /// Makes everything done in this transaction durable.
    pub async fn commit(mut self) -> Result<(), Error> {
        event_log::append(&mut self.conn, (&self.events, &self.published), &self.ambient).await?;
        match self.conn.held {
            Held::SqliteTx(tx) => tx.commit().await?,
            Held::PostgresTx(tx) => tx.commit().await?,
            Held::SqliteReader(_) | Held::PostgresReader(_) => {}
        }
        if !self.events.is_empty() || !self.published.is_empty() {
            self.recorded.send_replace(());
        }
        Ok(())
    }
}

impl std::ops::Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl std::ops::DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// Runs one statement on whichever database a [`Conn`] or [`Tx`] is connected to. The example is not run, as it would need
/// a connection and a table; every statement of the program is one that is.
///
/// ```ignore
/// let name: Option<(String,)> =
///     on!(conn, |c| sqlx::query_as("SELECT name FROM plugin WHERE id = $1").bind(id).fetch_optional(c).await)?;
/// ```
#[macro_export]
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn.engine() {
            $crate::Engine::Sqlite($c) => $body,
            $crate::Engine::Postgres($c) => $body,
        }
    };
}
