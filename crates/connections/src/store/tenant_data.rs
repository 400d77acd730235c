//! Deleting all that a tenant has here.

use model::TenantId;
use storage::{Error, TenantData, Tx, on};

/// The rows of a tenant, in an order in which no row is deleted that another names.
pub const TENANT_DATA: &[TenantData] = &[
    TenantData {
        name: "credentials",
        delete: |tx, tenant, limit| {
            Box::pin(delete(
                tx,
                "DELETE FROM credential WHERE tenant = $1 AND connection_id IN \
                 (SELECT connection_id FROM credential WHERE tenant = $1 ORDER BY connection_id LIMIT $2)",
                (tenant, limit),
            ))
        },
    },
    TenantData {
        name: "connections",
        delete: |tx, tenant, limit| {
            Box::pin(delete(
                tx,
                "DELETE FROM connection WHERE tenant = $1 AND id IN \
                 (SELECT id FROM connection WHERE tenant = $1 ORDER BY id LIMIT $2)",
                (tenant, limit),
            ))
        },
    },
    TenantData {
        name: "OAuth apps",
        delete: |tx, tenant, limit| {
            Box::pin(delete(
                tx,
                "DELETE FROM oauth_app WHERE tenant = $1 AND provider IN \
                 (SELECT provider FROM oauth_app WHERE tenant = $1 ORDER BY provider LIMIT $2)",
                (tenant, limit),
            ))
        },
    },
    TenantData {
        name: "marks of broken OAuth apps",
        delete: |tx, tenant, limit| {
            Box::pin(delete(
                tx,
                "DELETE FROM broken_app WHERE tenant = $1 AND client_id IN \
                 (SELECT client_id FROM broken_app WHERE tenant = $1 ORDER BY client_id LIMIT $2)",
                (tenant, limit),
            ))
        },
    },
    TenantData {
        name: "connect sessions",
        delete: |tx, tenant, limit| {
            Box::pin(delete(
                tx,
                "DELETE FROM connect_session WHERE tenant = $1 AND id IN \
                 (SELECT id FROM connect_session WHERE tenant = $1 ORDER BY id LIMIT $2)",
                (tenant, limit),
            ))
        },
    },
    TenantData {
        name: "outcomes of revocation runs",
        delete: |tx, tenant, limit| {
            Box::pin(delete(
                tx,
                "DELETE FROM revocation_outcome WHERE run_id IN \
                 (SELECT o.run_id FROM revocation_outcome o JOIN revocation_run r ON r.id = o.run_id \
                 WHERE r.tenant = $1 ORDER BY o.run_id LIMIT $2)",
                (tenant, limit),
            ))
        },
    },
    TenantData {
        name: "revocation runs",
        delete: |tx, tenant, limit| {
            Box::pin(delete(
                tx,
                "DELETE FROM revocation_run WHERE tenant = $1 AND id IN \
                 (SELECT id FROM revocation_run WHERE tenant = $1 ORDER BY id LIMIT $2)",
                (tenant, limit),
            ))
        },
    },
    TenantData {
        name: "entries of activity",
        delete: |tx, tenant, limit| {
            Box::pin(delete(
                tx,
                "DELETE FROM activity WHERE tenant = $1 AND seq IN \
                 (SELECT seq FROM activity WHERE tenant = $1 ORDER BY seq LIMIT $2)",
                (tenant, limit),
            ))
        },
    },
];

async fn delete(tx: &mut Tx, sql: &'static str, (tenant, limit): (&TenantId, i64)) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(limit)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
