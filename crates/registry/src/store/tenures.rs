//! Whether an installation is there, for those who keep something of it in tables of their own.

use std::collections::BTreeSet;

use model::TenantId;
use sqlx::QueryBuilder;
use storage::{Conn, Error, on};

/// Whether this very installation (see [`Deployment::incarnation`](crate::Deployment::incarnation)) is there, or has yet to be
/// told that it is not. Within a transaction, the answer holds for whoever deletes later what was written in it.
pub async fn is_current(
    conn: &mut Conn,
    (tenant, plugin_key): (&TenantId, &str),
    incarnation: i64,
) -> Result<bool, Error> {
    let sql = if incarnation < 0 {
        "SELECT CAST(1 AS BIGINT) FROM uninstalled WHERE tenant = $1 AND plugin_key = $2 AND uninstalled_at = $3"
    } else {
        "SELECT CAST(1 AS BIGINT) FROM installation WHERE tenant = $1 AND plugin_key = $2 AND installed_at = $3"
    };
    let row: Option<(i64,)> = on!(conn, |c| sqlx::query_as(sql)
        .bind(tenant.as_str())
        .bind(plugin_key)
        .bind(incarnation.abs())
        .fetch_optional(c)
        .await)?;
    Ok(row.is_some())
}

/// Those of these tenants and keys of plugins that are installed, or of whose installation something waits for its last hook.
/// At most some hundreds can be asked about at once.
pub async fn those_installed(
    conn: &mut Conn,
    places: &[(&str, &str)],
) -> Result<BTreeSet<(String, String)>, Error> {
    if places.is_empty() {
        return Ok(BTreeSet::new());
    }
    // An index answers for each of them.
    let rows: Vec<(String, String)> = on!(conn, |c| {
        let mut query = QueryBuilder::new("WITH asked (tenant, plugin_key) AS (");
        query.push_values(places, |mut row, (tenant, plugin_key)| {
            row.push_bind(*tenant).push_bind(*plugin_key);
        });
        query.push(
            ") SELECT tenant, plugin_key FROM asked a WHERE \
             EXISTS (SELECT 1 FROM installation i WHERE i.tenant = a.tenant AND i.plugin_key = a.plugin_key) \
             OR EXISTS (SELECT 1 FROM uninstalled u WHERE u.tenant = a.tenant AND u.plugin_key = a.plugin_key)",
        );
        // Each number of rows makes another statement: none is worth keeping.
        query.build_query_as().persistent(false).fetch_all(c).await
    })?;
    Ok(rows.into_iter().collect())
}
