//! The tables of connections. Times are milliseconds since the Unix epoch; lists and maps are JSON.

use storage::Migration;

/// Connections, their credentials, the tenants' own OAuth apps, connect sessions, and what was done with them.
pub const MIGRATIONS: &[Migration] = &[TABLES, ONE_DEFAULT];

const TABLES: Migration = Migration {
    version: 2026_11_21_20,
    name: "connections",
    sql: "
        CREATE TABLE connection (
            tenant TEXT NOT NULL,
            id TEXT NOT NULL,
            provider TEXT NOT NULL,
            user_email TEXT NOT NULL,
            label TEXT NOT NULL,
            is_default BOOLEAN NOT NULL,
            status TEXT NOT NULL,
            status_reason TEXT,
            account_id TEXT NOT NULL,
            account_email TEXT,
            account_name TEXT,
            variables TEXT NOT NULL,
            sites TEXT NOT NULL,
            site TEXT,
            client_id TEXT NOT NULL,
            authorized_at BIGINT NOT NULL,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            last_used_at BIGINT,
            PRIMARY KEY (tenant, id)
        );
        CREATE UNIQUE INDEX connection_of_account
            ON connection (tenant, user_email, provider, account_id, variables);
        CREATE INDEX connection_of_provider ON connection (provider, tenant, id);
        CREATE TABLE credential (
            tenant TEXT NOT NULL,
            connection_id TEXT NOT NULL,
            name TEXT NOT NULL,
            sealed_access {bytes} NOT NULL,
            sealed_refresh {bytes},
            scopes TEXT NOT NULL,
            issued_at BIGINT NOT NULL,
            expires_at BIGINT,
            dies_at BIGINT,
            refreshed_at BIGINT,
            version BIGINT NOT NULL,
            fence BIGINT NOT NULL,
            lease_owner TEXT,
            lease_until BIGINT,
            sent_at BIGINT,
            failures BIGINT NOT NULL,
            failure TEXT,
            retry_at BIGINT,
            refresh_at BIGINT,
            forewarn_at BIGINT,
            own_grant BOOLEAN NOT NULL,
            PRIMARY KEY (tenant, connection_id, name),
            FOREIGN KEY (tenant, connection_id) REFERENCES connection (tenant, id) ON DELETE CASCADE
        );
        CREATE INDEX credential_to_refresh ON credential (refresh_at);
        CREATE INDEX credential_to_forewarn ON credential (forewarn_at);
        CREATE TABLE oauth_app (
            tenant TEXT NOT NULL,
            provider TEXT NOT NULL,
            client_id TEXT NOT NULL,
            sealed_secret {bytes},
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            PRIMARY KEY (tenant, provider)
        );
        CREATE TABLE broken_app (
            tenant TEXT NOT NULL,
            provider TEXT NOT NULL,
            client_id TEXT NOT NULL,
            broken_at BIGINT NOT NULL,
            probe_at BIGINT NOT NULL,
            PRIMARY KEY (tenant, provider, client_id)
        );
        CREATE TABLE redeemed_flow (
            id TEXT PRIMARY KEY,
            expires_at BIGINT NOT NULL
        );
        CREATE INDEX redeemed_flow_expiry ON redeemed_flow (expires_at);
        CREATE TABLE connect_session (
            token_hash {bytes} PRIMARY KEY,
            id TEXT NOT NULL,
            tenant TEXT NOT NULL,
            user_email TEXT NOT NULL,
            providers TEXT NOT NULL,
            return_to TEXT,
            created_by TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL
        );
        CREATE INDEX connect_session_expiry ON connect_session (expires_at);
        CREATE INDEX connect_session_of_tenant ON connect_session (tenant);
        CREATE TABLE activity (
            seq {serial},
            tenant TEXT NOT NULL,
            first_at BIGINT NOT NULL,
            at BIGINT NOT NULL,
            provider TEXT NOT NULL,
            connection_id TEXT,
            user_email TEXT,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            operation TEXT,
            outcome TEXT NOT NULL,
            error_code TEXT,
            detail TEXT,
            occurrences BIGINT NOT NULL,
            duration_ms BIGINT
        );
        CREATE INDEX activity_of_tenant ON activity (tenant, at, seq);
        CREATE INDEX activity_of_user ON activity (tenant, user_email, at, seq);
        CREATE INDEX activity_of_connection ON activity (tenant, connection_id, at, seq);
        CREATE INDEX activity_age ON activity (at);
        CREATE TABLE revocation_run (
            id TEXT PRIMARY KEY,
            tenant TEXT NOT NULL,
            provider TEXT NOT NULL,
            user_email TEXT NOT NULL,
            before_at BIGINT NOT NULL,
            cursor_tenant TEXT NOT NULL,
            cursor_id TEXT NOT NULL,
            started_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            finished_at BIGINT
        );
        CREATE TABLE revocation_outcome (
            run_id TEXT NOT NULL,
            provider TEXT NOT NULL,
            outcome TEXT NOT NULL,
            reason TEXT NOT NULL,
            connections BIGINT NOT NULL,
            PRIMARY KEY (run_id, provider, outcome, reason)
        );
    ",
};

/// A user has one default connection to a provider, whoever makes connections at the same time.
const ONE_DEFAULT: Migration = Migration {
    version: 2026_11_21_21,
    name: "one default connection",
    sql: "
        UPDATE connection SET is_default = FALSE WHERE is_default AND EXISTS
            (SELECT 1 FROM connection older WHERE older.tenant = connection.tenant
                AND older.user_email = connection.user_email AND older.provider = connection.provider
                AND older.is_default AND older.id < connection.id);
        CREATE UNIQUE INDEX connection_default ON connection (tenant, user_email, provider) WHERE is_default;
    ",
};
