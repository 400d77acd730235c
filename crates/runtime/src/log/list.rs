//! Reading the log of a plugin.

use model::{TenantId, Timestamp};
use sandbox::Level;

use super::{Log, MAX_KEPT, level_from, rank};
use crate::store::lines::{self, Row};

/// How many lines where nobody says.
const DEFAULT_LIMIT: u32 = 100;

/// Which lines are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// At most so many, up to 1,000; 100 where left out. A page ends early where its messages have a mebibyte.
    pub limit: Option<u32>,
    /// Only those after this place, the oldest of them first. Without it, the newest there are.
    pub after: Option<i64>,
    /// Only those that are at least so grave.
    pub level: Option<Level>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its place in the log.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// How grave it is.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// The id of the request in which it was written.
    pub request_id: Option<String>,
    /// The handler that wrote it.
    pub handler: Option<String>,
}

/// Some lines of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// The newest last.
    pub lines: Vec<Logged>,
    /// What to give as `after` for the lines that come next; `None` where there is none yet.
    pub next: Option<i64>,
}

impl From<Row> for Logged {
    fn from(row: Row) -> Self {
        Self {
            at: row.time(),
            level: level_from(row.level),
            seq: row.seq,
            message: row.message,
            request_id: row.request_id,
            handler: row.handler,
        }
    }
}

impl Log {
    /// What a plugin has written in a tenant. What was written within the last half second may not be in it.
    pub async fn list(
        &self,
        tenant: &TenantId,
        plugin_key: &str,
        query: LogQuery,
    ) -> Result<Logs, storage::Error> {
        let place = Self::place(tenant, plugin_key);
        let limit = i64::from(query.limit.unwrap_or(DEFAULT_LIMIT)).clamp(1, MAX_KEPT);
        let wanted = (query.level.map_or(0, rank), limit);
        let mut conn = self.shared.database.read().await?;
        let rows = if let Some(after) = query.after {
            lines::after(&mut conn, &place, after, wanted).await?
        } else {
            let mut rows = lines::newest(&mut conn, &place, wanted).await?;
            rows.reverse();
            rows
        };
        let next = rows.last().map(|row| row.seq).or(query.after);
        Ok(Logs { lines: rows.into_iter().map(Logged::from).collect(), next })
    }
}
