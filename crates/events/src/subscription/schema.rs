//! The tables of subscriptions. Times are milliseconds since the Unix epoch.

use storage::{Migration, SealedColumn, TenantData};

use crate::delivery::{delete, rows};

/// The tables of subscriptions.
pub(crate) const SUBSCRIPTIONS: Migration = Migration {
    version: 2026_11_21_55,
    name: "subscriptions to events",
    // One of scope `platform` is given every tenant's events; it belongs to the tenant that it was made in. `types` is a JSON
    // array. Either `url` is there, or `plugin_id`, `plugin_key` and `handler`. It is given what comes after `from_seq`.
    sql: "
        CREATE TABLE subscription (
            id TEXT PRIMARY KEY,
            tenant TEXT NOT NULL,
            scope TEXT NOT NULL,
            types TEXT NOT NULL,
            url TEXT,
            plugin_id TEXT,
            plugin_key TEXT,
            handler TEXT,
            description TEXT,
            state TEXT NOT NULL,
            reason TEXT,
            from_seq BIGINT NOT NULL,
            failing_since BIGINT,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL
        );
        CREATE INDEX subscription_by_tenant ON subscription (tenant, id);
        CREATE INDEX subscription_of_platform ON subscription (id) WHERE scope = 'platform';
        CREATE TABLE subscription_secret (
            tenant TEXT NOT NULL,
            subscription TEXT NOT NULL,
            id TEXT NOT NULL,
            secret {bytes} NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT,
            PRIMARY KEY (tenant, subscription, id)
        );
    ",
};

/// The secrets that what endpoints are given is signed with.
pub(crate) const SECRET: SealedColumn = SealedColumn {
    table: "subscription_secret",
    keys: &["subscription", "id"],
    column: "secret",
    purpose: "subscription {subscription} secret {id}",
};

/// The secrets of a tenant's subscriptions.
pub(crate) const SECRET_ROWS: TenantData =
    rows("secrets of subscriptions", |tx, tenant, limit| Box::pin(delete(tx, SECRETS_OF, (tenant, limit))));
/// The subscriptions of a tenant.
pub(crate) const ROWS: TenantData =
    rows("subscriptions", |tx, tenant, limit| Box::pin(delete(tx, SUBSCRIPTIONS_OF, (tenant, limit))));

const SECRETS_OF: &str = "DELETE FROM subscription_secret WHERE tenant = $1 AND (subscription, id) IN \
    (SELECT subscription, id FROM subscription_secret WHERE tenant = $1 ORDER BY subscription, id LIMIT $2)";
const SUBSCRIPTIONS_OF: &str = "DELETE FROM subscription WHERE id IN \
    (SELECT id FROM subscription WHERE tenant = $1 ORDER BY id LIMIT $2)";
