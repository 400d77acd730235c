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
pub const MIGRATIONS: &[Migration] = &[
    Migration {
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
    },
    Migration {
        version: 2026_11_21_02,
        name: "versions of data keys, their rotation, the deletion of tenants",
        // A version takes over from the one before (`former`; 0 for a tenant's first), and but one can. `master` is
        // the id of the master key that it is wrapped under, unknown for keys that are older than this step.
        sql: "
        CREATE TABLE tenant_data_key (
            tenant TEXT NOT NULL,
            version BIGINT NOT NULL,
            former BIGINT NOT NULL,
            wrapped {bytes} NOT NULL,
            master TEXT,
            created_at BIGINT NOT NULL,
            PRIMARY KEY (tenant, version),
            UNIQUE (tenant, former)
        );
        INSERT INTO tenant_data_key (tenant, version, former, wrapped, created_at)
            SELECT tenant, 1, 0, wrapped, created_at FROM tenant_key;
        DROP TABLE tenant_key;
        ALTER TABLE tenant_data_key RENAME TO tenant_key;
        CREATE INDEX tenant_key_by_master ON tenant_key (master);
        CREATE TABLE key_rotation (
            scope TEXT PRIMARY KEY,
            holder TEXT NOT NULL,
            lease_until BIGINT NOT NULL,
            done_through TEXT NOT NULL
        );
        CREATE TABLE tenant_deletion (
            tenant TEXT PRIMARY KEY,
            asked_by TEXT NOT NULL,
            counts TEXT NOT NULL
        );
    ",
    },
    Migration {
        version: 2026_11_21_45,
        name: "readers of the log",
        // A reader's row is made by the step that introduces the reader. `cursor` is the last place that it has taken.
        sql: "
        CREATE TABLE log_reader (
            name TEXT PRIMARY KEY,
            cursor BIGINT NOT NULL,
            holder TEXT NOT NULL,
            lease_until BIGINT NOT NULL
        );
    ",
    },
    Migration {
        version: 2026_11_21_48,
        name: "events that others publish",
        // What this server says itself has no source, no source_id and no sender. `ordering_key` is the subject where there
        // is none.
        sql: "
        ALTER TABLE event ADD COLUMN source TEXT;
        ALTER TABLE event ADD COLUMN source_id TEXT;
        ALTER TABLE event ADD COLUMN ordering_key TEXT;
        ALTER TABLE event ADD COLUMN sender TEXT;
        ALTER TABLE event ADD COLUMN hops BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE event ADD COLUMN attributes TEXT;
        ALTER TABLE event ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
        CREATE UNIQUE INDEX event_by_source ON event (tenant, source, source_id) WHERE source_id IS NOT NULL;
    ",
    },
];

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
