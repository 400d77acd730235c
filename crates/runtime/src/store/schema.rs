//! The tables of backends. Times are milliseconds since the Unix epoch.

use storage::Migration;

/// What plugins keep, how much of it there is, and their log.
pub const MIGRATIONS: &[Migration] = &[TABLES];

const TABLES: Migration = Migration {
    version: 2026_11_21_40,
    name: "what plugins keep, and their log",
    // Keys are bytes so that both databases sort them alike, whatever the locale.
    sql: "
        CREATE TABLE plugin_value (
            tenant TEXT NOT NULL,
            plugin_key TEXT NOT NULL,
            key {bytes} NOT NULL,
            value TEXT NOT NULL,
            size BIGINT NOT NULL,
            expires_at BIGINT,
            updated_at BIGINT NOT NULL,
            PRIMARY KEY (tenant, plugin_key, key)
        );
        CREATE INDEX plugin_value_by_end ON plugin_value (expires_at) WHERE expires_at IS NOT NULL;
        CREATE TABLE plugin_usage (
            tenant TEXT NOT NULL,
            plugin_key TEXT NOT NULL,
            value_count BIGINT NOT NULL,
            value_bytes BIGINT NOT NULL,
            PRIMARY KEY (tenant, plugin_key)
        );
        CREATE TABLE plugin_log (
            seq {serial},
            tenant TEXT NOT NULL,
            plugin_key TEXT NOT NULL,
            at BIGINT NOT NULL,
            level BIGINT NOT NULL,
            message TEXT NOT NULL,
            request_id TEXT,
            handler TEXT
        );
        CREATE INDEX plugin_log_by_plugin ON plugin_log (tenant, plugin_key, seq);
    ",
};
