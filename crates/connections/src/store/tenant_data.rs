//! Deleting all that a tenant has here.

use model::TenantId;
use storage::{Error, TenantData, Tx, on};

/// Rows of a table with a column `tenant`, in the order of another column.
macro_rules! rows {
    ($name:literal, $table:literal by $column:literal) => {
        rows!(
            $name,
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE tenant = $1 AND ",
                $column,
                " IN (SELECT ",
                $column,
                " FROM ",
                $table,
                " WHERE tenant = $1 ORDER BY ",
                $column,
                " LIMIT $2)"
            )
        )
    };
    ($name:literal, $sql:expr) => {
        TenantData { name: $name, delete: |tx, tenant, limit| Box::pin(delete(tx, $sql, (tenant, limit))) }
    };
}

/// The rows of a tenant, in an order in which no row is deleted that another names.
pub const TENANT_DATA: &[TenantData] = &[
    rows!("credentials", "credential" by "connection_id"),
    rows!("connections", "connection" by "id"),
    rows!("OAuth apps", "oauth_app" by "provider"),
    rows!("marks of broken OAuth apps", "broken_app" by "client_id"),
    rows!("connect sessions", "connect_session" by "id"),
    rows!(
        "outcomes of revocation runs",
        "DELETE FROM revocation_outcome WHERE run_id IN \
         (SELECT o.run_id FROM revocation_outcome o JOIN revocation_run r ON r.id = o.run_id \
         WHERE r.tenant = $1 ORDER BY o.run_id LIMIT $2)"
    ),
    rows!("revocation runs", "revocation_run" by "id"),
    rows!("entries of activity", "activity" by "seq"),
];

async fn delete(tx: &mut Tx, sql: &'static str, (tenant, limit): (&TenantId, i64)) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(limit)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
