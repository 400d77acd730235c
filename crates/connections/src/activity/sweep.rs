//! Forgetting what is older than it is to be kept.

use std::time::Duration;

use model::Timestamp;

use super::Activity;
use crate::store::activity;

/// How many entries one transaction deletes: few enough that whoever wants to write waits some milliseconds.
const BATCH: i64 = 500;

/// How many batches one sweep deletes at most; the next goes on from there.
const MAX_BATCHES: u32 = 100;

/// The pause in which others may write.
const PAUSE: Duration = Duration::from_millis(20);

impl Activity {
    /// Deletes entries from before `bound`, in small steps, and tells how many. At most 50,000 at a time. Several
    /// replicas may do so at the same time.
    pub async fn sweep(&self, bound: Timestamp) -> Result<u64, storage::Error> {
        let mut deleted = 0;
        for _ in 0..MAX_BATCHES {
            let mut tx = self.database().begin().await?;
            let batch = activity::delete_before(&mut tx, bound, BATCH).await?;
            tx.commit().await?;
            deleted += batch;
            if batch == 0 {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(deleted)
    }
}
