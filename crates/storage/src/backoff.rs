//! Waiting before a step that failed is tried again.

use std::time::Duration;

use model::Ambient;

use crate::Error;

/// How often a step is tried.
const ATTEMPTS: u32 = 6;
/// The longest wait after the first failure; it doubles with each.
const FIRST: Duration = Duration::from_millis(200);

/// Counts the failures of one step.
pub(crate) struct Backoff<'a> {
    failures: u32,
    ambient: &'a Ambient,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(ambient: &'a Ambient) -> Self {
        Self { failures: 0, ambient }
    }

    /// Waits for a random part of a time that doubles with each failure.
    ///
    /// # Errors
    /// `error`, if the step has been tried often enough.
    pub(crate) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        self.failures += 1;
        if self.failures >= ATTEMPTS {
            return Err(error);
        }
        tracing::debug!(error = &error as &dyn std::error::Error, "a step is tried again");
        tokio::time::sleep(self.ambient.part_of(FIRST.saturating_mul(1 << self.failures))).await;
        Ok(())
    }
}
