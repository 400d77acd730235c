//! For which installations there is something here at all.

use model::TenantId;
use storage::{Conn, Error, on};

use super::Place;

/// A table in which every row is of an installation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept {
    /// Values are counted here as long as there are some.
    Values,
    /// Lines of logs.
    Lines,
}

/// At most `limit` of the installations that have rows in a table, in order, behind `after`.
pub(crate) async fn after(
    conn: &mut Conn,
    kept: Kept,
    (after, limit): (Option<&Place>, i64),
) -> Result<Vec<Place>, Error> {
    let sql = match kept {
        Kept::Values => {
            "SELECT tenant, plugin_key FROM plugin_usage WHERE (tenant, plugin_key) > ($1, $2) \
             ORDER BY tenant, plugin_key LIMIT $3"
        }
        Kept::Lines => {
            "SELECT DISTINCT tenant, plugin_key FROM plugin_log WHERE (tenant, plugin_key) > ($1, $2) \
             ORDER BY tenant, plugin_key LIMIT $3"
        }
    };
    // No tenant's id is empty, so all are behind that.
    let (tenant, plugin) = after.map_or(("", ""), |place| (place.tenant.as_str(), &place.plugin));
    let rows: Vec<(String, String)> =
        on!(conn, |c| sqlx::query_as(sql).bind(tenant).bind(plugin).bind(limit).fetch_all(c).await)?;
    Ok(rows.into_iter().filter_map(from_row).collect())
}

/// The installation of a row. `None` for what this program cannot have written.
pub(super) fn from_row((tenant, plugin): (String, String)) -> Option<Place> {
    Some(Place { tenant: tenant.parse::<TenantId>().ok()?, plugin })
}
