//! The rows of subscriptions.

use model::{TenantId, Timestamp};
use sqlx::{FromRow, QueryBuilder};
use storage::{Conn, Error, Tx, on};

use super::{Destination, Scope, State, Subscription, targets};

#[derive(FromRow)]
struct SubscriptionRow {
    id: String,
    tenant: String,
    scope: String,
    types: String,
    url: Option<String>,
    plugin_id: Option<String>,
    plugin_key: Option<String>,
    handler: Option<String>,
    description: Option<String>,
    state: String,
    reason: Option<String>,
    failing_since: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl SubscriptionRow {
    /// The subscription; `None` for one of a later version of this program.
    fn read(self) -> Option<Subscription> {
        let destination = match self.url {
            Some(url) => Destination::Endpoint(url.parse().ok()?),
            None => Destination::Handler {
                plugin: self.plugin_id?.parse().ok()?,
                plugin_key: self.plugin_key?,
                handler: self.handler?,
            },
        };
        Some(Subscription {
            id: self.id,
            tenant: self.tenant.parse().ok()?,
            scope: Scope::read(&self.scope)?,
            types: targets::patterns(&self.types),
            destination,
            description: self.description,
            state: State::read(&self.state)?,
            reason: self.reason,
            failing_since: self.failing_since.map(Timestamp::from_millisecond),
            created_at: Timestamp::from_millisecond(self.created_at),
            updated_at: Timestamp::from_millisecond(self.updated_at),
        })
    }
}

const COLUMNS: &str = "id, tenant, scope, types, url, plugin_id, plugin_key, handler, description, state, reason, \
     failing_since, created_at, updated_at";

/// One of a tenant's.
pub(crate) async fn find(
    conn: &mut Conn,
    tenant: &TenantId,
    id: &str,
) -> Result<Option<Subscription>, Error> {
    let row: Option<SubscriptionRow> = on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(" FROM subscription WHERE tenant = ").push_bind(tenant.as_str());
        query.push(" AND id = ").push_bind(id);
        query.build_query_as().fetch_optional(c).await
    })?;
    Ok(row.and_then(SubscriptionRow::read))
}

/// One of a tenant's, which nobody else changes until the transaction ends.
pub(crate) async fn hold(tx: &mut Tx, tenant: &TenantId, id: &str) -> Result<Option<Subscription>, Error> {
    let row: Option<SubscriptionRow> = on!(tx, |c| {
        let mut query = QueryBuilder::new("UPDATE subscription SET updated_at = updated_at WHERE tenant = ");
        query.push_bind(tenant.as_str()).push(" AND id = ").push_bind(id).push(" RETURNING ").push(COLUMNS);
        query.build_query_as().fetch_optional(c).await
    })?;
    Ok(row.and_then(SubscriptionRow::read))
}

/// All of a tenant's, the oldest first.
pub(crate) async fn list(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<Subscription>, Error> {
    let rows: Vec<SubscriptionRow> = on!(conn, |c| {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(" FROM subscription WHERE tenant = ").push_bind(tenant.as_str());
        query.push(" ORDER BY id");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().filter_map(SubscriptionRow::read).collect())
}

/// How many a tenant has.
pub(crate) async fn count(conn: &mut Conn, tenant: &TenantId) -> Result<i64, Error> {
    let (count,): (i64,) =
        on!(conn, |c| sqlx::query_as("SELECT COUNT(*) FROM subscription WHERE tenant = $1")
            .bind(tenant.as_str())
            .fetch_one(c)
            .await)?;
    Ok(count)
}

/// What a destination is in its columns.
fn columns(destination: &Destination) -> (Option<&str>, Option<&str>, Option<&str>, Option<&str>) {
    match destination {
        Destination::Endpoint(url) => (Some(url.as_str()), None, None, None),
        Destination::Handler { plugin, plugin_key, handler } => {
            (None, Some(plugin.as_str()), Some(plugin_key), Some(handler))
        }
    }
}

fn types(subscription: &Subscription) -> String {
    let texts = subscription.types.iter().map(|pattern| serde_json::Value::from(pattern.as_str()));
    serde_json::Value::Array(texts.collect()).to_string()
}

/// Adds one, which wants what comes after all that is in the log.
pub(crate) async fn insert(tx: &mut Tx, subscription: &Subscription) -> Result<(), Error> {
    let (url, plugin, plugin_key, handler) = columns(&subscription.destination);
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO subscription (id, tenant, scope, types, url, plugin_id, plugin_key, handler, description, state, \
             from_seq, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', \
             (SELECT COALESCE(MAX(seq), 0) FROM event), $10, $10)",
        )
        .bind(&subscription.id)
        .bind(subscription.tenant.as_str())
        .bind(subscription.scope.as_str())
        .bind(types(subscription))
        .bind(url)
        .bind(plugin)
        .bind(plugin_key)
        .bind(handler)
        .bind(&subscription.description)
        .bind(subscription.created_at.as_millisecond())
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// Writes what can change of one that is held.
pub(crate) async fn update(tx: &mut Tx, subscription: &Subscription) -> Result<(), Error> {
    let (url, _, _, handler) = columns(&subscription.destination);
    on!(tx, |c| {
        sqlx::query(
            "UPDATE subscription SET types = $3, url = $4, handler = $5, description = $6, state = $7, reason = $8, \
             failing_since = $9, updated_at = $10 WHERE tenant = $1 AND id = $2",
        )
        .bind(subscription.tenant.as_str())
        .bind(&subscription.id)
        .bind(types(subscription))
        .bind(url)
        .bind(handler)
        .bind(&subscription.description)
        .bind(subscription.state.as_str())
        .bind(&subscription.reason)
        .bind(subscription.failing_since.map(Timestamp::as_millisecond))
        .bind(subscription.updated_at.as_millisecond())
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// Deletes one.
pub(crate) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &str) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("DELETE FROM subscription WHERE tenant = $1 AND id = $2")
        .bind(tenant.as_str())
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
