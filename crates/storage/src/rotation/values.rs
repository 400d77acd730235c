//! The sealed values of a tenant, column by column.

use model::TenantId;
use sqlx::AssertSqlSafe;

use crate::sealed::{HEADER, header};
use crate::{Conn, Error, Sealed, SealedColumn, Tx, on};

/// A row's key columns, of which there are as many as the column has, and its sealed value.
type Row = (String, String, String, Vec<u8>);

/// A value and where it is.
pub(super) struct Value {
    pub(super) keys: Vec<String>,
    pub(super) sealed: Sealed,
}

/// Values after the row `after` that are under another data key than `version`, at most `limit`, locked where the
/// database locks rows. A row that another transaction has locked is left out: waiting for it, while holding others,
/// could be waiting in a circle.
pub(super) async fn lock_others(
    tx: &mut Tx,
    column: &SealedColumn,
    tenant: &TenantId,
    version: i64,
    after: &[String],
    limit: i64,
) -> Result<Vec<Value>, Error> {
    let keys = column.keys.join(", ");
    let padding = ", ''".repeat(MAX_KEYS.saturating_sub(column.keys.len()));
    let columns = [keys.as_str(), padding.as_str()].concat();
    let columns = columns.trim_start_matches(", ");
    let mut sql = format!("SELECT {columns}, {} {}", column.column, condition(column));
    if !after.is_empty() {
        let places: Vec<String> = (4..4 + after.len()).map(|place| format!("${place}")).collect();
        sql = format!("{sql} AND ({keys}) > ({})", places.join(", "));
    }
    if !keys.is_empty() {
        sql = format!("{sql} ORDER BY {keys}");
    }
    sql = format!("{sql} LIMIT $3");
    if tx.is_postgres() {
        sql.push_str(" FOR UPDATE SKIP LOCKED");
    }
    let rows: Vec<Row> = on!(tx, |c| {
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(tenant.as_str())
            .bind(header(version).to_vec())
            .bind(limit);
        after.iter().fold(query, sqlx::query::QueryAs::bind).fetch_all(c).await
    })?;
    let value = |(first, second, third, sealed): Row| Value {
        keys: [first, second, third].into_iter().take(column.keys.len()).collect(),
        sealed: Sealed::from_bytes(sealed),
    };
    Ok(rows.into_iter().map(value).collect())
}

/// Whether any value of the tenant is under another data key than `version`.
pub(super) async fn has_others(
    conn: &mut Conn,
    column: &SealedColumn,
    tenant: &TenantId,
    version: i64,
) -> Result<bool, Error> {
    let sql = format!("SELECT CAST(1 AS BIGINT) {} LIMIT 1", condition(column));
    let row: Option<(i64,)> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(tenant.as_str())
        .bind(header(version).to_vec())
        .fetch_optional(c)
        .await)?;
    Ok(row.is_some())
}

/// Puts `fresh` in place of the value, unless another transaction has put something else there. Tells whether it did.
pub(super) async fn replace(
    tx: &mut Tx,
    column: &SealedColumn,
    tenant: &TenantId,
    value: &Value,
    fresh: &Sealed,
) -> Result<bool, Error> {
    let keys = column.keys.iter().zip(4..).map(|(key, place)| format!(" AND {key} = ${place}"));
    let sql = format!(
        "UPDATE {table} SET {column} = $3 WHERE tenant = $1 AND {column} = $2{keys}",
        table = column.table,
        column = column.column,
        keys = keys.collect::<String>(),
    );
    let changed = on!(tx, |c| {
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.as_str())
            .bind(value.sealed.as_bytes())
            .bind(fresh.as_bytes());
        let done = value.keys.iter().fold(query, sqlx::query::Query::bind).execute(c).await;
        done.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// The most key columns that a table may have besides the tenant.
const MAX_KEYS: usize = 3;

/// A value that does not begin as those of the newest key do.
fn condition(column: &SealedColumn) -> String {
    format!(
        "FROM {table} WHERE tenant = $1 AND {column} IS NOT NULL AND substr({column}, 1, {HEADER}) <> $2",
        table = column.table,
        column = column.column,
    )
}
