//! The words in which SQLite and PostgreSQL differ, and nothing else.

/// Which database a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Puts this database's words in place of `{bytes}` (a column of bytes) and `{serial}` (a growing primary key).
    pub(crate) fn render(self, sql: &str) -> String {
        let (bytes, serial) = match self {
            Self::Sqlite => ("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            Self::Postgres => ("BYTEA", "BIGSERIAL PRIMARY KEY"),
        };
        sql.replace("{bytes}", bytes).replace("{serial}", serial)
    }
}
