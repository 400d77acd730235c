//! Listing plugins: what may be installed, what supports an extension point, what a search finds.

use model::TenantId;
use storage::{Conn, on};

use super::plugins::{listed_plugins, plugin_columns, plugins, private, select_plugins};
use crate::Error;
use crate::plugin::Plugin;

/// One page of what `tenant` may install, its own included, by name.
pub(crate) async fn available(
    conn: &mut Conn,
    tenant: Option<&TenantId>,
    after: (&str, &str),
    limit: i64,
) -> Result<Vec<Plugin>, Error> {
    plugins(on!(conn, |c| {
        sqlx::query_as(concat!(
        listed_plugins!(),
        "AND p.owner IN ('', $1) AND (p.name > $2 OR (p.name = $2 AND p.key > $3)) ORDER BY p.name, p.key LIMIT $4"
    ))
    .bind(private(tenant))
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(c)
    .await
    })?)
}

/// Plugins of the shared catalog whose current version supports `point`, by name.
pub(crate) async fn by_extension_point(
    conn: &mut Conn,
    point: &str,
    limit: i64,
) -> Result<Vec<Plugin>, Error> {
    plugins(on!(conn, |c| {
        sqlx::query_as(concat!(
        listed_plugins!(),
        "AND p.owner = '' AND EXISTS \
         (SELECT 1 FROM extension_point e WHERE e.point = $1 AND e.version_key = v.key) ORDER BY p.name, p.key LIMIT $2"
    ))
    .bind(point)
    .bind(limit)
    .fetch_all(c)
    .await
    })?)
}

/// What a marketplace search asks for; empty texts match all.
pub(crate) struct Search<'a> {
    pub(crate) category: &'a str,
    /// A LIKE pattern in lower case.
    pub(crate) pattern: &'a str,
    /// The sort key and plugin key that the page begins after.
    pub(crate) after: Option<(&'a str, &'a str)>,
    pub(crate) limit: i64,
}

/// The condition of a search: `$1` the category, `$2` the pattern.
macro_rules! found {
    () => {
        "AND p.owner = '' AND ($1 = '' OR p.category = $1) \
         AND ($2 = '' OR p.search_text LIKE $2 ESCAPE '!') "
    };
}

/// The shared catalog by name, ascending.
pub(crate) async fn search_by_name(conn: &mut Conn, search: &Search<'_>) -> Result<Vec<Plugin>, Error> {
    let (name, key) = search.after.unwrap_or_default();
    plugins(on!(conn, |c| sqlx::query_as(concat!(
        listed_plugins!(),
        found!(),
        "AND (p.name > $3 OR (p.name = $3 AND p.key > $4)) ORDER BY p.name, p.key LIMIT $5"
    ))
    .bind(search.category)
    .bind(search.pattern)
    .bind(name)
    .bind(key)
    .bind(search.limit)
    .fetch_all(c)
    .await)?)
}

/// The shared catalog by a number, descending. `measure` is the SQL of the number.
macro_rules! search_by_number {
    ($name:ident, $measure:literal) => {
        pub(crate) async fn $name(conn: &mut Conn, search: &Search<'_>) -> Result<Vec<Plugin>, Error> {
            let (number, key) = match search.after {
                Some((number, key)) => (number.parse().map_err(|_| Error::Cursor)?, key),
                None => (i64::MAX, ""),
            };
            plugins(on!(conn, |c| sqlx::query_as(concat!(
                listed_plugins!(),
                found!(),
                "AND (",
                $measure,
                " < $3 OR (",
                $measure,
                " = $3 AND p.key > $4)) ORDER BY ",
                $measure,
                " DESC, p.key LIMIT $5"
            ))
            .bind(search.category)
            .bind(search.pattern)
            .bind(number)
            .bind(key)
            .bind(search.limit)
            .fetch_all(c)
            .await)?)
        }
    };
}

search_by_number!(search_by_installs, "p.install_count");
search_by_number!(search_by_newest, "p.submitted_at");
// A mean of hundredths; a plugin without ratings counts as 0.
search_by_number!(
    search_by_rating,
    "(CASE WHEN p.rating_count = 0 THEN 0 ELSE p.rating_sum * 100 / p.rating_count END)"
);

/// The categories of the shared catalog.
pub(crate) async fn categories(conn: &mut Conn, limit: i64) -> Result<Vec<String>, Error> {
    let rows: Vec<(String,)> = on!(conn, |c| sqlx::query_as(
        "SELECT DISTINCT category FROM plugin \
         WHERE owner = '' AND removed_at IS NULL AND status = 'approved' ORDER BY category LIMIT $1"
    )
    .bind(limit)
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(|(category,)| category).collect())
}
