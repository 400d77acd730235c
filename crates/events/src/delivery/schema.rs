//! The tables of deliveries. Times are milliseconds since the Unix epoch.

use futures::future::BoxFuture;
use model::TenantId;
use storage::{Error, Migration, TenantData, Tx, on};

/// The name of the reader of the log that makes deliveries of events.
pub(crate) const READER: &str = "delivery";

/// The tables of deliveries, and where their reader begins.
pub(crate) const DELIVERIES: Migration = Migration {
    version: 2026_11_21_54,
    name: "deliveries and their queues",
    // `due_at` of a queue is when somebody should look at it, null while there is nothing to do. `stamp` grows with whatever is
    // put into it, so that who lets go of it misses nothing; `nudge` with what its holder is to know at once. While it is
    // `halted` nobody takes it. From behind `behind_from` on, the log has events that it was not given yet. What is unfinished has no
    // `finished_at`. What was recorded before this step is delivered to nobody.
    sql: "
        CREATE TABLE delivery_queue (
            queue TEXT PRIMARY KEY,
            tenant TEXT NOT NULL,
            kind TEXT NOT NULL,
            receiver TEXT NOT NULL,
            plugin_key TEXT,
            due_at BIGINT,
            stamp BIGINT NOT NULL,
            nudge BIGINT NOT NULL,
            halted BIGINT NOT NULL,
            owner TEXT,
            lease_until BIGINT NOT NULL,
            behind_from BIGINT
        );
        CREATE INDEX delivery_queue_due ON delivery_queue (due_at) WHERE due_at IS NOT NULL;
        CREATE INDEX delivery_queue_behind ON delivery_queue (queue) WHERE behind_from IS NOT NULL;
        CREATE INDEX delivery_queue_owner ON delivery_queue (owner) WHERE owner IS NOT NULL;
        CREATE INDEX delivery_queue_tenant ON delivery_queue (tenant);
        CREATE TABLE delivery (
            seq {serial},
            tenant TEXT NOT NULL,
            queue TEXT NOT NULL,
            ordering_key TEXT NOT NULL,
            event_seq BIGINT,
            webhook_seq BIGINT,
            handler TEXT NOT NULL,
            replay_of BIGINT,
            state TEXT NOT NULL,
            attempts BIGINT NOT NULL,
            due_at BIGINT NOT NULL,
            last_status BIGINT,
            last_error TEXT,
            created_at BIGINT NOT NULL,
            finished_at BIGINT
        );
        CREATE INDEX delivery_unfinished ON delivery (queue, seq) WHERE finished_at IS NULL;
        CREATE INDEX delivery_by_queue ON delivery (queue, seq);
        CREATE INDEX delivery_by_tenant ON delivery (tenant, seq);
        CREATE INDEX delivery_failed ON delivery (tenant, seq) WHERE state = 'failed';
        CREATE INDEX delivery_by_end ON delivery (finished_at) WHERE finished_at IS NOT NULL;
        CREATE INDEX delivery_needs ON delivery (event_seq) WHERE finished_at IS NULL AND event_seq IS NOT NULL;
        CREATE UNIQUE INDEX delivery_once ON delivery (event_seq, queue, handler)
            WHERE event_seq IS NOT NULL AND replay_of IS NULL;
        CREATE INDEX delivery_again ON delivery (event_seq) WHERE event_seq IS NOT NULL AND replay_of IS NOT NULL;
        CREATE INDEX delivery_by_webhook ON delivery (webhook_seq) WHERE webhook_seq IS NOT NULL;
        INSERT INTO log_reader (name, cursor, holder, lease_until)
            SELECT 'delivery', COALESCE(MAX(seq), 0), '', 0 FROM event;
    ",
};

/// Pauses of queues, and indexes that the databases choose.
pub(crate) const PAUSES: Migration = Migration {
    version: 2026_11_21_63,
    name: "pauses of queues",
    // `failures` is how often one after the other a queue was let go of because its receiver fails; nothing in it is tried before
    // `not_before`. SQLite took `delivery_by_queue`, and so went through a queue's whole history, where it looked for what is
    // unfinished: now that index has only what is listed by queue, deliveries of events, and cannot be taken.
    sql: "
        ALTER TABLE delivery_queue ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE delivery_queue ADD COLUMN not_before BIGINT NOT NULL DEFAULT 0;
        DROP INDEX delivery_queue_due;
        CREATE INDEX delivery_queue_due ON delivery_queue (due_at) WHERE due_at IS NOT NULL AND halted = 0;
        DROP INDEX delivery_by_queue;
        CREATE INDEX delivery_by_queue ON delivery (queue, seq) WHERE event_seq IS NOT NULL;
    ",
};

/// Finding what others have published by the id that they gave it.
pub(crate) const EVENTS_BY_ID: Migration = Migration {
    version: 2026_11_21_65,
    name: "events by the ids of their publishers",
    sql: "CREATE INDEX event_by_id ON event (tenant, source_id) WHERE source_id IS NOT NULL;",
};

/// The deliveries of a tenant.
pub(crate) const DELIVERY_ROWS: TenantData =
    rows("deliveries", |tx, tenant, limit| Box::pin(delete(tx, DELIVERIES_OF, (tenant, limit))));
/// The queues of a tenant.
pub(crate) const QUEUE_ROWS: TenantData =
    rows("queues of deliveries", |tx, tenant, limit| Box::pin(delete(tx, QUEUES_OF, (tenant, limit))));

const DELIVERIES_OF: &str = "DELETE FROM delivery WHERE seq IN \
    (SELECT seq FROM delivery WHERE tenant = $1 ORDER BY seq LIMIT $2)";
const QUEUES_OF: &str = "DELETE FROM delivery_queue WHERE queue IN \
    (SELECT queue FROM delivery_queue WHERE tenant = $1 ORDER BY queue LIMIT $2)";

pub(crate) type Delete = for<'a> fn(&'a mut Tx, &'a TenantId, i64) -> BoxFuture<'a, Result<u64, Error>>;

/// A kind of rows.
pub(crate) const fn rows(name: &'static str, delete: Delete) -> TenantData {
    TenantData { name, delete }
}

/// Does one deleting statement, whose first place is the tenant and whose second the most rows.
pub(crate) async fn delete(
    tx: &mut Tx,
    sql: &'static str,
    (tenant, limit): (&TenantId, i64),
) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(limit)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
