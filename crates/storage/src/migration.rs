//! Bringing the schema up to date at start. Each domain crate lists its own migrations; the program runs them all.

use std::borrow::Cow;

use sqlx::migrate::{MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::dialect::Dialect;

/// One step of the schema. A step that has run anywhere never changes again; a change is a new step.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Unique over the whole program, and the order of running: the date and a running number, as `2026_11_21_01`.
    pub version: i64,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Statements for both databases; `{bytes}` and `{serial}` stand for what differs.
    pub sql: &'static str,
}

/// The tables of this crate: the event log, the sealing keys and the blobs that are being written.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 2026_11_21_01,
    name: "event log, sealing keys, staged blobs",
    sql: "
        CREATE TABLE event (
            seq {serial},
            id TEXT NOT NULL UNIQUE,
            tenant TEXT,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            data TEXT NOT NULL,
            recorded_at BIGINT NOT NULL
        );
        CREATE INDEX event_by_tenant ON event (tenant, seq);
        CREATE TABLE master_key (
            singleton BIGINT PRIMARY KEY,
            proof {bytes} NOT NULL
        );
        CREATE TABLE tenant_key (
            tenant TEXT PRIMARY KEY,
            wrapped {bytes} NOT NULL,
            created_at BIGINT NOT NULL
        );
        CREATE TABLE staged_blob (
            key TEXT PRIMARY KEY,
            staged_at BIGINT NOT NULL
        );
    ",
}];

/// All steps in this database's words.
pub(crate) fn migrator(steps: &[&[Migration]], dialect: Dialect) -> Migrator {
    let steps = steps.iter().copied().flatten().map(|step| {
        sqlx::migrate::Migration::new(
            step.version,
            Cow::Borrowed(step.name),
            MigrationType::Simple,
            AssertSqlSafe(dialect.render(step.sql)).into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(steps.collect())
}
