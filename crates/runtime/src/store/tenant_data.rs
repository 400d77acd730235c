//! Deleting all that a tenant's plugins have kept.

use model::TenantId;
use storage::{Error, TenantData, Tx, on};

/// What backends have of a tenant. What is kept goes before the count of it.
pub const TENANT_DATA: &[TenantData] = &[
    rows("values that plugins keep", |tx, tenant, limit| Box::pin(delete(tx, VALUES, (tenant, limit)))),
    rows("counts of what plugins keep", |tx, tenant, limit| Box::pin(delete(tx, USAGES, (tenant, limit)))),
    rows("lines of plugins' logs", |tx, tenant, limit| Box::pin(delete(tx, LINES, (tenant, limit)))),
];

const VALUES: &str = "DELETE FROM plugin_value WHERE tenant = $1 AND (plugin_key, key) IN \
    (SELECT plugin_key, key FROM plugin_value WHERE tenant = $1 ORDER BY plugin_key, key LIMIT $2)";
const USAGES: &str = "DELETE FROM plugin_usage WHERE tenant = $1 AND plugin_key IN \
    (SELECT plugin_key FROM plugin_usage WHERE tenant = $1 ORDER BY plugin_key LIMIT $2)";
const LINES: &str = "DELETE FROM plugin_log WHERE seq IN \
    (SELECT seq FROM plugin_log WHERE tenant = $1 ORDER BY plugin_key, seq LIMIT $2)";

type Delete = for<'a> fn(&'a mut Tx, &'a TenantId, i64) -> futures::future::BoxFuture<'a, Result<u64, Error>>;

const fn rows(name: &'static str, delete: Delete) -> TenantData {
    TenantData { name, delete }
}

async fn delete(tx: &mut Tx, sql: &'static str, (tenant, limit): (&TenantId, i64)) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(limit)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
