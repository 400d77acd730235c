//! The events that are being delivered: one that many want is read once.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use storage::{Database, LoggedEvent, events_at};

use crate::Error;

/// The most bytes of events that are remembered.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// For how long.
const REMEMBERED: Duration = Duration::from_mins(1);

/// Events of the log by their places.
#[derive(Debug)]
pub(crate) struct Payloads(Cache<i64, Arc<LoggedEvent>>);

impl Payloads {
    pub(crate) fn new() -> Self {
        let weigh = |_: &i64, event: &Arc<LoggedEvent>| {
            let texts = [&event.data, &event.kind, &event.subject, &event.key, &event.source];
            let attributes = event.attributes.as_ref().map_or(0, String::len);
            let bytes = texts.iter().map(|text| text.len()).sum::<usize>() + attributes + 256;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().weigher(weigh).max_capacity(MAX_BYTES).time_to_live(REMEMBERED).build())
    }

    /// The event at a place; `None` where it is no longer kept.
    pub(crate) async fn event(
        &self,
        database: &Database,
        seq: i64,
    ) -> Result<Option<Arc<LoggedEvent>>, Error> {
        if let Some(event) = self.0.get(&seq).await {
            return Ok(Some(event));
        }
        let mut conn = database.read().await?;
        let Some(event) = events_at(&mut conn, &[seq]).await?.pop().map(Arc::new) else { return Ok(None) };
        drop(conn);
        self.0.insert(seq, Arc::clone(&event)).await;
        Ok(Some(event))
    }

    /// Puts an event there that was read elsewhere.
    pub(crate) async fn remember(&self, event: LoggedEvent) {
        self.0.insert(event.seq, Arc::new(event)).await;
    }

    /// Forgets all of them.
    pub(crate) fn forget(&self) {
        self.0.invalidate_all();
    }
}
