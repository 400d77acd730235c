//! Hearing of what other processes put into the log, where the database tells (`LISTEN` of PostgreSQL).

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::event_log::CHANNEL;
use crate::{Database, Error};

/// The longest wait before listening is tried again after it has failed.
const RETRY: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

impl Database {
    /// Has [`Database::recorded`] change also when another process has put something into the log, for as long as this is polled.
    /// On SQLite, which one process writes to, it does nothing. Needs a connection that is not shared by transactions, which poolers
    /// such as PgBouncer may not give: whoever waits for the log looks at it from time to time, too.
    pub async fn listen(&self) {
        let Some(options) = self.postgres_options() else { return std::future::pending().await };
        // A connection of its own: those for requests are few.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_DEADLINE)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        loop {
            let error = match self.hear(&pool).await {
                Err(error) => error,
                Ok(never) => match never {},
            };
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what other processes log is noticed later: the database's notices cannot be heard"
            );
            tokio::time::sleep(RETRY / 5 + self.ambient().part_of(RETRY)).await;
        }
    }

    async fn hear(&self, pool: &sqlx::PgPool) -> Result<std::convert::Infallible, Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // Also at the beginning and after each new connection: meanwhile there may have been something.
            self.note_recorded();
            listener.try_recv().await?;
        }
    }
}
