//! The tables of webhooks. Times are milliseconds since the Unix epoch.

use storage::{Migration, SealedColumn, TenantData};

use crate::delivery::{delete, rows};

/// Addresses, and what came in by them.
pub(crate) const WEBHOOKS: Migration = Migration {
    version: 2026_11_21_50,
    name: "webhooks and their addresses",
    // A former address is taken until `former_until`. `headers` is a JSON array of pairs. The body is byte for byte what was signed.
    sql: "
        CREATE TABLE webhook_address (
            tenant TEXT NOT NULL,
            plugin_key TEXT NOT NULL,
            plugin_id TEXT NOT NULL,
            token_hash {bytes} NOT NULL UNIQUE,
            sealed_token {bytes} NOT NULL,
            former_hash {bytes},
            former_until BIGINT,
            created_at BIGINT NOT NULL,
            PRIMARY KEY (tenant, plugin_key)
        );
        CREATE INDEX webhook_address_former ON webhook_address (former_hash) WHERE former_hash IS NOT NULL;
        CREATE TABLE webhook (
            seq {serial},
            tenant TEXT NOT NULL,
            plugin_key TEXT NOT NULL,
            plugin_id TEXT NOT NULL,
            dedupe_key TEXT NOT NULL,
            sender_id TEXT,
            method TEXT NOT NULL,
            path TEXT NOT NULL,
            query TEXT NOT NULL,
            headers TEXT NOT NULL,
            body {bytes} NOT NULL,
            received_at BIGINT NOT NULL,
            UNIQUE (tenant, plugin_key, dedupe_key)
        );
    ",
};

/// The secret address of an installation, so that it can be shown again.
pub(crate) const TOKEN: SealedColumn = SealedColumn {
    table: "webhook_address",
    keys: &["plugin_key"],
    column: "sealed_token",
    purpose: "webhook address {plugin_key}",
};

/// The webhooks of a tenant.
pub(crate) const WEBHOOK_ROWS: TenantData =
    rows("webhooks", |tx, tenant, limit| Box::pin(delete(tx, WEBHOOKS_OF, (tenant, limit))));
/// The addresses of a tenant.
pub(crate) const ADDRESS_ROWS: TenantData =
    rows("webhook addresses", |tx, tenant, limit| Box::pin(delete(tx, ADDRESSES_OF, (tenant, limit))));

const WEBHOOKS_OF: &str =
    "DELETE FROM webhook WHERE seq IN (SELECT seq FROM webhook WHERE tenant = $1 LIMIT $2)";
const ADDRESSES_OF: &str = "DELETE FROM webhook_address WHERE tenant = $1 AND plugin_key IN \
    (SELECT plugin_key FROM webhook_address WHERE tenant = $1 LIMIT $2)";
