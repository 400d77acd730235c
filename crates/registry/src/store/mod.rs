//! The registry's tables and all of its SQL. Every query that concerns a tenant names it.

pub(crate) mod bundles;
pub(crate) mod deployments;
pub(crate) mod installations;
pub(crate) mod listings;
pub(crate) mod plugins;
pub(crate) mod ratings;
mod tenant_data;
mod tenures;
pub(crate) mod webhook_secrets;

use storage::{Migration, SealedColumn};

pub use tenant_data::TENANT_DATA;
pub use tenures::{is_current, those_installed};

/// The registry's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 2026_11_21_03,
        name: "plugins, versions, bundles, installations, ratings",
        sql: "
        CREATE TABLE plugin (
            key TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            category TEXT NOT NULL,
            status TEXT NOT NULL,
            current_version TEXT NOT NULL,
            install_count BIGINT NOT NULL,
            rating_sum BIGINT NOT NULL,
            rating_count BIGINT NOT NULL,
            submitted_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            removed_at BIGINT,
            UNIQUE (id, owner)
        );
        CREATE INDEX plugin_by_owner ON plugin (owner, name, key);
        CREATE TABLE plugin_version (
            key TEXT PRIMARY KEY,
            plugin_key TEXT NOT NULL REFERENCES plugin (key),
            version TEXT NOT NULL,
            manifest TEXT NOT NULL,
            entry_file TEXT,
            bare_file TEXT,
            integrity TEXT,
            bare_integrity TEXT,
            external_url TEXT,
            published_by TEXT NOT NULL,
            published_at BIGINT NOT NULL,
            UNIQUE (plugin_key, version)
        );
        CREATE TABLE extension_point (
            version_key TEXT NOT NULL REFERENCES plugin_version (key),
            point TEXT NOT NULL,
            PRIMARY KEY (point, version_key)
        );
        CREATE TABLE bundle_file (
            plugin_id TEXT NOT NULL,
            version TEXT NOT NULL,
            filename TEXT NOT NULL,
            owner TEXT NOT NULL,
            media_type TEXT NOT NULL,
            size_bytes BIGINT NOT NULL,
            digest TEXT NOT NULL,
            integrity TEXT NOT NULL,
            encodings TEXT NOT NULL,
            blob_key TEXT NOT NULL UNIQUE,
            PRIMARY KEY (plugin_id, version, filename, owner)
        );
        CREATE TABLE installation (
            tenant TEXT NOT NULL,
            plugin_key TEXT NOT NULL REFERENCES plugin (key),
            version_key TEXT NOT NULL REFERENCES plugin_version (key),
            enabled BOOLEAN NOT NULL,
            configuration TEXT NOT NULL,
            secret_names TEXT NOT NULL,
            secrets {bytes},
            installed_by TEXT NOT NULL,
            installed_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            PRIMARY KEY (tenant, plugin_key)
        );
        CREATE INDEX installation_by_version ON installation (version_key);
        CREATE TABLE rating (
            plugin_key TEXT NOT NULL REFERENCES plugin (key),
            tenant TEXT NOT NULL,
            subject TEXT NOT NULL,
            author TEXT NOT NULL,
            rating BIGINT NOT NULL,
            review TEXT,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            PRIMARY KEY (plugin_key, tenant, subject)
        );
    ",
    },
    Migration {
        version: 2026_11_21_11,
        name: "text that a search looks into",
        // The two databases' LOWER differ beyond ASCII, so the text is written in lower case by the program.
        sql: "
        ALTER TABLE plugin ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
        UPDATE plugin SET search_text = LOWER(id || ' ' || name || ' ' || description);
    ",
    },
    Migration {
        version: 2026_11_21_13,
        name: "backends, consent, and what is left of an installation for its last hook",
        // What was installed before has consented to nothing: its consent is null.
        sql: "
        ALTER TABLE plugin_version ADD COLUMN backend_definition TEXT;
        ALTER TABLE plugin_version ADD COLUMN backend_blob TEXT;
        ALTER TABLE plugin_version ADD COLUMN backend_map_blob TEXT;
        ALTER TABLE installation ADD COLUMN consent TEXT;
        ALTER TABLE installation ADD COLUMN consented_by TEXT;
        ALTER TABLE installation ADD COLUMN consented_at BIGINT;
        CREATE TABLE uninstalled (
            tenant TEXT NOT NULL,
            plugin_key TEXT NOT NULL REFERENCES plugin (key),
            version_key TEXT NOT NULL REFERENCES plugin_version (key),
            configuration TEXT NOT NULL,
            secrets {bytes},
            consent TEXT,
            uninstalled_at BIGINT NOT NULL,
            PRIMARY KEY (tenant, plugin_key)
        );
        CREATE INDEX uninstalled_by_version ON uninstalled (version_key);
    ",
    },
    Migration {
        version: 2026_11_21_15,
        name: "the secret that webhooks were signed with before the one that is configured",
        sql: "
        ALTER TABLE installation ADD COLUMN former_webhook_secret {bytes};
        ALTER TABLE installation ADD COLUMN former_webhook_secret_until BIGINT NOT NULL DEFAULT 0;
    ",
    },
];

/// The secret part of an installation's configuration.
pub(crate) const CONFIGURATION: SealedColumn = SealedColumn {
    table: "installation",
    keys: &["plugin_key"],
    column: "secrets",
    purpose: "installation {plugin_key} configuration",
};

/// The same after the plugin was uninstalled. Its purpose is that of [`CONFIGURATION`], so that a value opens in both places
/// and moves as it is.
const DEPARTED: SealedColumn = SealedColumn { table: "uninstalled", ..CONFIGURATION };

/// What webhooks were signed with before, for as long as it may still be used.
pub(crate) const FORMER_WEBHOOK_SECRET: SealedColumn = SealedColumn {
    table: "installation",
    keys: &["plugin_key"],
    column: "former_webhook_secret",
    purpose: "installation {plugin_key} former webhook secret",
};

/// The registry's sealed columns.
pub const SEALED: &[SealedColumn] = &[CONFIGURATION, DEPARTED, FORMER_WEBHOOK_SECRET];

/// The owner column of the shared catalog; no tenant id is empty.
pub(crate) const SHARED: &str = "";
