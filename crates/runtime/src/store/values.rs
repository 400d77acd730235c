//! What plugins keep, by key. Whatever changes it first locks the installation's [`usage`](super::usage). What has expired is
//! invisible, and goes with the next sweep.

use model::Timestamp;
use sqlx::FromRow;
use storage::{Conn, Error, Tx, on};

use super::Place;
use super::places::from_row;

/// A value that is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Kept {
    /// JSON.
    pub(crate) value: String,
    /// What it counts for: the bytes of its key and of its value.
    pub(crate) size: i64,
    pub(crate) expires_at: Option<i64>,
}

impl Kept {
    /// Whether it is still to be seen.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now.as_millisecond())
    }
}

/// What is kept under `key`, expired or not.
pub(crate) async fn find(conn: &mut Conn, place: &Place, key: &str) -> Result<Option<Kept>, Error> {
    Ok(on!(conn, |c| sqlx::query_as(
        "SELECT value, size, expires_at FROM plugin_value WHERE tenant = $1 AND plugin_key = $2 AND key = $3"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(key.as_bytes())
    .fetch_optional(c)
    .await)?)
}

/// Keeps `kept` under `key`, in place of what is there.
pub(crate) async fn put(
    tx: &mut Tx,
    place: &Place,
    (key, kept): (&str, &Kept),
    now: Timestamp,
) -> Result<(), Error> {
    Ok(on!(tx, |c| sqlx::query(
        "INSERT INTO plugin_value (tenant, plugin_key, key, value, size, expires_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, plugin_key, key) DO UPDATE \
         SET value = excluded.value, size = excluded.size, expires_at = excluded.expires_at, \
         updated_at = excluded.updated_at"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(key.as_bytes())
    .bind(&kept.value)
    .bind(kept.size)
    .bind(kept.expires_at)
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(drop))?)
}

/// Deletes what is kept under `key`.
pub(crate) async fn delete(tx: &mut Tx, place: &Place, key: &str) -> Result<(), Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM plugin_value WHERE tenant = $1 AND plugin_key = $2 AND key = $3"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(key.as_bytes())
    .execute(c)
    .await
    .map(drop))?)
}

/// At most `limit` keys that begin with `prefix`, after the key `after`, in the order of their bytes.
pub(crate) async fn keys(
    conn: &mut Conn,
    place: &Place,
    (prefix, after): (&str, Option<&str>),
    (now, limit): (Timestamp, i64),
) -> Result<Vec<String>, Error> {
    // An empty key is never kept, so "after nothing" is after the empty one.
    let after = after.unwrap_or_default().as_bytes();
    let rows: Vec<(Vec<u8>,)> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT key FROM plugin_value WHERE tenant = $1 AND plugin_key = $2 AND key >= $3 AND key < $4 AND key > $5 \
         AND (expires_at IS NULL OR expires_at > $6) ORDER BY key LIMIT $7"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(prefix.as_bytes())
    .bind(end_of(prefix))
    .bind(after)
    .bind(now.as_millisecond())
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    // Only UTF-8 is ever written.
    Ok(rows.into_iter().filter_map(|(key,)| String::from_utf8(key).ok()).collect())
}

/// What stands behind all keys that begin with `prefix`. UTF-8 has no byte 255, so every key does before that.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(u8::MAX),
    }
    end
}

/// Deletes at most `limit` expired values of an installation, and tells how many and how large they were.
pub(crate) async fn delete_expired(
    tx: &mut Tx,
    place: &Place,
    (now, limit): (Timestamp, i64),
) -> Result<(i64, i64), Error> {
    let sizes: Vec<(i64,)> = on!(tx, |c| {
        sqlx::query_as(
        "DELETE FROM plugin_value WHERE tenant = $1 AND plugin_key = $2 AND key IN (SELECT key FROM plugin_value \
         WHERE tenant = $1 AND plugin_key = $2 AND expires_at <= $3 LIMIT $4) AND expires_at <= $3 RETURNING size"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(now.as_millisecond())
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    Ok(summed(&sizes))
}

/// Deletes at most `limit` values of an installation, likewise.
pub(crate) async fn delete_some(tx: &mut Tx, place: &Place, limit: i64) -> Result<(i64, i64), Error> {
    let sizes: Vec<(i64,)> = on!(tx, |c| {
        sqlx::query_as(
        "DELETE FROM plugin_value WHERE tenant = $1 AND plugin_key = $2 AND key IN (SELECT key FROM plugin_value \
         WHERE tenant = $1 AND plugin_key = $2 LIMIT $3) RETURNING size"
    )
    .bind(place.tenant.as_str())
    .bind(&place.plugin)
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    Ok(summed(&sizes))
}

fn summed(sizes: &[(i64,)]) -> (i64, i64) {
    (i64::try_from(sizes.len()).unwrap_or(i64::MAX), sizes.iter().map(|(size,)| size).sum())
}

/// Installations that have expired values, those first that have had them for longest.
pub(crate) async fn with_expired(conn: &mut Conn, now: Timestamp) -> Result<Vec<Place>, Error> {
    let rows: Vec<(String, String)> = on!(conn, |c| sqlx::query_as(
        "SELECT tenant, plugin_key FROM plugin_value WHERE expires_at <= $1 \
         GROUP BY tenant, plugin_key ORDER BY MIN(expires_at) LIMIT 1000"
    )
    .bind(now.as_millisecond())
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().filter_map(from_row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_with_a_prefix_stand_before_its_end() {
        for (prefix, inside, outside) in [
            ("a", "a\u{10ffff}z", "b"),
            ("", "\u{10ffff}", ""),
            ("\u{e9}", "\u{e9}x", "\u{ea}"),
            ("a%", "a%_", "ab"),
        ] {
            let end = end_of(prefix);
            assert!(inside.as_bytes() < &end[..] && inside.as_bytes() >= prefix.as_bytes(), "{prefix:?}");
            assert!(outside.is_empty() || outside.as_bytes() >= &end[..], "{prefix:?}");
        }
    }
}
