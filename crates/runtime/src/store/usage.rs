//! How much an installation keeps. Its row is locked by whoever changes what is kept, so that the count is always exact and
//! changes of one installation come one after another.

use storage::{Error, Tx, on};

use super::Place;

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) values: i64,
    pub(crate) bytes: i64,
}

impl Usage {
    /// With so much more, or less.
    pub(crate) const fn changed(self, values: i64, bytes: i64) -> Self {
        Self { values: self.values + values, bytes: self.bytes + bytes }
    }
}

/// How much there is; no other transaction changes it until this one ends.
pub(crate) async fn lock(tx: &mut Tx, place: &Place) -> Result<Usage, Error> {
    let (values, bytes) = on!(tx, |c| sqlx::query_as(
        "INSERT INTO plugin_usage (tenant, plugin_key, value_count, value_bytes) VALUES ($1, $2, 0, 0) \
         ON CONFLICT (tenant, plugin_key) DO UPDATE SET value_count = plugin_usage.value_count \
         RETURNING value_count, value_bytes"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .fetch_one(c)
    .await)?;
    Ok(Usage { values, bytes })
}

/// Notes how much there is now.
pub(crate) async fn set(tx: &mut Tx, place: &Place, usage: Usage) -> Result<(), Error> {
    Ok(on!(tx, |c| sqlx::query(
        "UPDATE plugin_usage SET value_count = $3, value_bytes = $4 WHERE tenant = $1 AND plugin_key = $2"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(usage.values)
    .bind(usage.bytes)
    .execute(c)
    .await
    .map(drop))?)
}

/// Forgets an installation that keeps nothing more.
pub(crate) async fn delete(tx: &mut Tx, place: &Place) -> Result<(), Error> {
    Ok(on!(tx, |c| sqlx::query("DELETE FROM plugin_usage WHERE tenant = $1 AND plugin_key = $2")
        .bind(place.tenant.as_str())
        .bind(&place.plugin)
        .execute(c)
        .await
        .map(drop))?)
}
