//! The table of runs. Times are milliseconds since the Unix epoch.

use model::TenantId;
use storage::{Error, Migration, TenantData, Tx, on};

/// The name of the reader of the log that makes runs of events.
pub(crate) const READER: &str = "lifecycle";

/// The table of runs, and where its reader begins.
pub const MIGRATIONS: &[Migration] = &[RUNS, PUT_OFF];

const RUNS: Migration = Migration {
    version: 2026_11_21_46,
    name: "runs of lifecycle hooks",
    // What is unfinished has no `finished_at`. Of a plugin in a tenant one run is at work at most. `outcome` is what the state
    // will be once what an uninstalled plugin had kept is deleted. What was installed before this step is told of nothing.
    sql: "
        CREATE TABLE lifecycle_run (
            seq {serial},
            tenant TEXT NOT NULL,
            plugin_id TEXT NOT NULL,
            plugin_key TEXT NOT NULL,
            version_key TEXT NOT NULL,
            version TEXT NOT NULL,
            event_id TEXT NOT NULL,
            event_kind TEXT NOT NULL,
            hook TEXT NOT NULL,
            state TEXT NOT NULL,
            outcome TEXT,
            attempts BIGINT NOT NULL,
            next_attempt_at BIGINT NOT NULL,
            last_error TEXT,
            fence BIGINT NOT NULL,
            lease_owner TEXT,
            lease_until BIGINT,
            created_at BIGINT NOT NULL,
            finished_at BIGINT,
            UNIQUE (event_id, hook)
        );
        CREATE UNIQUE INDEX lifecycle_run_at_work ON lifecycle_run (tenant, plugin_key) WHERE state = 'running';
        CREATE INDEX lifecycle_run_unfinished ON lifecycle_run (tenant, plugin_key, seq) WHERE finished_at IS NULL;
        CREATE INDEX lifecycle_run_by_plugin ON lifecycle_run (tenant, plugin_id, seq);
        CREATE INDEX lifecycle_run_by_end ON lifecycle_run (finished_at) WHERE finished_at IS NOT NULL;
        INSERT INTO log_reader (name, cursor, holder, lease_until)
            SELECT 'lifecycle', COALESCE(MAX(seq), 0), '', 0 FROM event;
    ",
};

const PUT_OFF: Migration = Migration {
    version: 2026_11_21_47,
    name: "how often a run of a lifecycle hook was put off, and which departure it is about",
    sql: "
        ALTER TABLE lifecycle_run ADD COLUMN put_off BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE lifecycle_run ADD COLUMN uninstalled_at BIGINT;
    ",
};

/// The runs that there are of a tenant.
pub const TENANT_DATA: &[TenantData] = &[TenantData {
    name: "runs of plugins' hooks",
    delete: |tx, tenant, limit| Box::pin(delete(tx, tenant, limit)),
}];

async fn delete(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM lifecycle_run WHERE seq IN \
         (SELECT seq FROM lifecycle_run WHERE tenant = $1 ORDER BY seq LIMIT $2)"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}
