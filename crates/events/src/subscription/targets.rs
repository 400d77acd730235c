//! Subscriptions as those who put events into queues see them.

use std::collections::BTreeSet;

use model::{EventPattern, TenantId};
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Error, on};

use crate::delivery::{Queue, Target};

/// How many tenants one statement names.
const TENANTS: usize = 1000;

const COLUMNS: &str = "SELECT s.id, s.tenant, s.scope, s.types, s.handler, s.state, s.from_seq \
     FROM subscription s WHERE ";

#[derive(FromRow)]
struct TargetRow {
    id: String,
    tenant: String,
    scope: String,
    types: String,
    handler: Option<String>,
    state: String,
    from_seq: i64,
}

impl TargetRow {
    fn into_target(self) -> Option<Target> {
        let queue = Queue::Subscription { tenant: self.tenant.parse().ok()?, id: self.id };
        Some(Target {
            name: queue.name(),
            queue,
            patterns: patterns(&self.types),
            handler: self.handler.unwrap_or_default(),
            from_seq: self.from_seq,
            is_halted: self.state != "active",
            is_platform: self.scope == "platform",
        })
    }
}

/// The patterns in a JSON array; what is none is left out.
pub(crate) fn patterns(types: &str) -> Vec<EventPattern> {
    let texts: Vec<String> = serde_json::from_str(types).unwrap_or_default();
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// The subscriptions of these tenants, and those of the platform, whatever state they are in.
pub(crate) async fn of_tenants(conn: &mut Conn, tenants: &BTreeSet<TenantId>) -> Result<Vec<Target>, Error> {
    let tenants: Vec<&TenantId> = tenants.iter().collect();
    let mut rows: Vec<TargetRow> = on!(conn, |c| {
        let mut query = QueryBuilder::new(COLUMNS);
        query.push("s.scope = 'platform' ORDER BY s.id");
        query.build_query_as().fetch_all(c).await
    })?;
    for tenants in tenants.chunks(TENANTS) {
        let of_these: Vec<TargetRow> = on!(conn, |c| {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("s.scope = 'tenant' AND s.tenant IN (");
            let mut list = query.separated(", ");
            for tenant in tenants {
                list.push_bind(tenant.as_str());
            }
            query.push(") ORDER BY s.id");
            query.build_query_as().fetch_all(c).await
        })?;
        rows.extend(of_these);
    }
    Ok(rows.into_iter().filter_map(TargetRow::into_target).collect())
}

/// One subscription, whatever state it is in.
pub(crate) async fn of_subscription(conn: &mut Conn, id: &str) -> Result<Option<Target>, Error> {
    let row: Option<TargetRow> = on!(conn, |c| {
        let mut query = QueryBuilder::new(COLUMNS);
        query.push("s.id = ").push_bind(id);
        query.build_query_as().fetch_optional(c).await
    })?;
    Ok(row.and_then(TargetRow::into_target))
}
