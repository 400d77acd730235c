//! What can go wrong between the program and its storage.

use std::sync::Arc;
use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp};

use crate::group::COME_AGAIN;

/// A failure of the database, the blobs, or of opening what was sealed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The row exists already: a unique constraint refused it.
    #[error("it exists already")]
    Duplicate(#[source] sqlx::Error),
    /// No connection came free in time, or the database is away, full or shutting down.
    #[error("the database cannot be reached, or cannot work at the moment")]
    DatabaseUnavailable(#[source] sqlx::Error),
    /// The database refused a statement.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be migrated")]
    Migration(#[source] Box<sqlx::migrate::MigrateError>),
    /// A database URL that is neither SQLite's nor PostgreSQL's.
    #[error("DATABASE_URL must begin with sqlite: or postgres:")]
    DatabaseUrl,
    /// The blob store failed.
    #[error("the blob store cannot be reached or is full")]
    Blobs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A blob key outside the alphabet.
    #[error("a blob key is 1 to 512 of letters, digits and ._-/ without empty or dotted segments")]
    BlobKey,
    /// The master key is not 32 bytes of base64.
    #[error("ENCRYPTION_KEY must be 32 bytes in base64, as `openssl rand -base64 32` prints them")]
    MasterKeyFormat,
    /// The key file could not be read or made.
    #[error("the key file in DATA_DIR cannot be read or written")]
    MasterKeyFile(#[source] std::io::Error),
    /// The database was written under another master key.
    #[error(
        "ENCRYPTION_KEY is not the key that this database was sealed with: give the former key; nothing was changed"
    )]
    WrongMasterKey,
    /// Some data keys are wrapped under a master key that is not there.
    #[error(
        "some tenants' keys are wrapped under a master key that is not given: put the former key into \
         ENCRYPTION_KEYS_ACCEPTED, or into a further line of the key file, until `jackfield keys rotate` has ended; \
         nothing was changed"
    )]
    MasterKeyMissing,
    /// More master keys than there may be.
    #[error(
        "there may be at most {max} master keys: drop those that `jackfield keys rotate` has done away with"
    )]
    TooManyMasterKeys {
        /// The most there may be.
        max: usize,
    },
    /// The tenant's key is destroyed, and the rest is being deleted.
    #[error("the tenant is being deleted")]
    TenantDeleted,
    /// Another process rotates the same keys.
    #[error("another rotation of keys is running: wait until it has ended")]
    RotationRunning,
    /// This rotation paused for so long that another process went on with it.
    #[error("another process went on with this rotation of keys: run it again to see whether it has ended")]
    RotationTaken,
    /// A sealed value does not open: it was altered, moved to another tenant, or its key was destroyed.
    #[error("a sealed value does not open")]
    Unsealable,
    /// So much waits to be written that there is no room for more.
    #[error("too much waits to be written: come again in a moment")]
    GroupFull,
    /// What was to be written together with others is not taken any more.
    #[error("the server is about to stop and writes nothing more")]
    GroupClosed,
    /// Writing many things together took too long.
    #[error("the database took too long to write")]
    GroupTimeout,
    /// The transaction failed in which this was to be written together with others.
    #[error(transparent)]
    Together(Arc<Error>),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Duplicate(error),
            sqlx::Error::Database(database) if database.code().is_some_and(|code| will_pass(&code)) => {
                Self::DatabaseUnavailable(error)
            }
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::WorkerCrashed => Self::DatabaseUnavailable(error),
            _ => Self::Database(error),
        }
    }
}

/// Whether a failure lies in the database's surroundings, not in the statement, so that trying again may help.
///
/// PostgreSQL gives five characters, of which the first two are the class (its appendix A); SQLite gives a number, of
/// which the low byte is the kind (<https://sqlite.org/rescode.html>).
fn will_pass(code: &str) -> bool {
    /// Connection, transaction rollback, resources, operator intervention, system.
    const POSTGRES_CLASSES: [&str; 5] = ["08", "40", "53", "57", "58"];
    /// A server that became read-only (a failover), a lock that was not to be had.
    const POSTGRES_STATES: [&str; 2] = ["25006", "55P03"];
    /// `SQLITE_BUSY`, `SQLITE_LOCKED`, `SQLITE_READONLY`, `SQLITE_IOERR`, `SQLITE_FULL`, `SQLITE_CANTOPEN`.
    const SQLITE_KINDS: [u32; 6] = [5, 6, 8, 10, 13, 14];
    if code.len() == 5 {
        let class = code.get(..2).unwrap_or_default();
        return POSTGRES_CLASSES.contains(&class) || POSTGRES_STATES.contains(&code);
    }
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| SQLITE_KINDS.contains(&(code & 0xff)))
}

impl Error {
    /// Whether PostgreSQL has rolled a transaction back for the sake of others: a deadlock, or one that could not be serialized. The
    /// same may succeed at once (its appendix A, class 40).
    pub(crate) fn is_rollback(&self) -> bool {
        let Self::DatabaseUnavailable(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| ["40001", "40P01"].contains(&code.as_ref()))
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Duplicate(_) => ErrorCode::AlreadyExists,
            Self::DatabaseUnavailable(_)
            | Self::Blobs(_)
            | Self::GroupFull
            | Self::GroupClosed
            | Self::GroupTimeout => ErrorCode::Unavailable,
            Self::Together(error) => error.code(),
            Self::TenantDeleted | Self::RotationRunning | Self::RotationTaken => ErrorCode::Conflict,
            Self::Database(_)
            | Self::Migration(_)
            | Self::DatabaseUrl
            | Self::BlobKey
            | Self::MasterKeyFormat
            | Self::MasterKeyFile(_)
            | Self::WrongMasterKey
            | Self::MasterKeyMissing
            | Self::TooManyMasterKeys { .. }
            | Self::Unsealable => ErrorCode::Internal,
        }
    }

    fn retry_after(&self, _now: Timestamp) -> Option<Duration> {
        match self {
            Self::GroupFull | Self::GroupClosed | Self::GroupTimeout => Some(COME_AGAIN),
            Self::Together(error) => (error.code() == ErrorCode::Unavailable).then_some(COME_AGAIN),
            _ => None,
        }
    }

    fn may_be_told(&self) -> bool {
        matches!(self, Self::GroupFull | Self::GroupClosed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_pass_is_told_from_what_will_not() {
        // A full disk, a shutdown, a deadlock; SQLite: full, busy, a failed write (10 | 3 << 8).
        for code in ["53100", "57P01", "40P01", "25006", "55P03", "13", "5", "6", "8", "778"] {
            assert!(will_pass(code), "{code}");
        }
        // Syntax, a unique violation, data too long; SQLite: an error, a constraint (19 | 8 << 8).
        for code in ["42601", "23505", "22001", "1", "2067", ""] {
            assert!(!will_pass(code), "{code}");
        }
    }
}
