//! Reading what was recorded, newest first: page by page, or all of it as a stream.

use std::str::FromStr;

use futures::{Stream, stream};
use model::{TenantId, Timestamp};

use super::Activity;
use crate::Error;
use crate::store::activity::{self, Place};

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// How many entries an export has in memory at a time.
const EXPORT_PAGE: u32 = 500;

/// Which entries are meant. What is `None` narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this user alone, in lower case.
    pub user_email: Option<String>,
    /// Of this connection alone, which may be one that is gone.
    pub connection: Option<String>,
    /// At this provider alone.
    pub provider: Option<String>,
    /// Of this action alone.
    pub action: Option<super::Action>,
    /// With this outcome alone: `ok`, `denied` or `failed`.
    pub outcome: Option<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// What was done, once or several times within a short while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the record; unique.
    pub seq: i64,
    /// When it was first done.
    pub first_at: Timestamp,
    /// When it was last done.
    pub at: Timestamp,
    /// At which provider; empty where none was known.
    pub provider: String,
    /// With which connection, which may be gone by now.
    pub connection: Option<String>,
    /// Whose.
    pub user_email: Option<String>,
    /// By whom.
    pub actor: String,
    /// The word of an [`Action`](super::Action), or of one of a later version.
    pub action: String,
    /// What a connector did.
    pub operation: Option<String>,
    /// `ok`, `denied` or `failed`.
    pub outcome: String,
    /// The word of the error, where it did not end well.
    pub error_code: Option<String>,
    /// The particulars.
    pub detail: Option<String>,
    /// How many times.
    pub count: i64,
    /// How long it took in all, in milliseconds.
    pub duration_ms: Option<i64>,
}

/// A page of what was recorded.
#[derive(Debug)]
pub struct Page {
    /// The entries, newest first.
    pub entries: Vec<Recorded>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
}

impl Activity {
    /// What was recorded in `tenant`, newest first: 50 entries where `limit` is left out, 200 at most. What is not yet
    /// written, which is what happened within the last second, is not in it.
    ///
    /// # Errors
    /// [`Error::Cursor`] for a cursor that no page gave.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: &Filter,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page, Error> {
        let before = cursor.map(str::parse).transpose()?;
        self.page(tenant, filter, before, limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE)).await
    }

    /// All that was recorded in `tenant`, newest first, read as fast as it is taken. What is recorded meanwhile is not
    /// in it; no connection of the database is held between pages.
    pub fn export(
        &self,
        tenant: TenantId,
        filter: Filter,
    ) -> impl Stream<Item = Result<Vec<Recorded>, Error>> + Send + use<> {
        let activity = self.clone();
        let first = (None, false);
        stream::try_unfold(first, move |(before, is_done)| {
            let (activity, tenant, filter) = (activity.clone(), tenant.clone(), filter.clone());
            async move {
                if is_done {
                    return Ok(None);
                }
                let page = activity.page(&tenant, &filter, before, EXPORT_PAGE).await?;
                let next = page.entries.last().map(Place::of);
                Ok(Some((page.entries, (next, page.next_cursor.is_none()))))
            }
        })
    }

    async fn page(
        &self,
        tenant: &TenantId,
        filter: &Filter,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Page, Error> {
        let length = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut conn = self.database().read().await?;
        let mut entries = activity::list(&mut conn, tenant, filter, before, i64::from(limit) + 1).await?;
        let has_more = entries.len() > length;
        entries.truncate(length);
        let last = entries.last().filter(|_| has_more);
        Ok(Page { next_cursor: last.map(|entry| Place::of(entry).to_string()), entries })
    }
}

impl Place {
    fn of(entry: &Recorded) -> Self {
        Self { at: entry.at.as_millisecond(), seq: entry.seq }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at, self.seq)
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(cursor: &str) -> Result<Self, Error> {
        let (at, seq) = cursor.split_once('-').ok_or(Error::Cursor)?;
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i64>().ok().filter(|_| is_plain).ok_or(Error::Cursor)
        };
        Ok(Self { at: number(at)?, seq: number(seq)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let place = Place { at: 1_700_000_000_007, seq: 42 };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
    }

    #[test]
    fn what_no_page_gave_is_no_cursor() {
        let long = "9".repeat(400);
        for text in
            ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", "1--2", " 1-2", "1-2;", "١-٢", &format!("{long}-1")]
        {
            assert!(matches!(text.parse::<Place>(), Err(Error::Cursor)), "{text:?}");
        }
    }
}
