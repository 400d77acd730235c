//! Carrying the log to all processes by NATS JetStream, so that the database is read for all of them once.
//!
//! The process that holds a lease reads the log in order and publishes what it reads; each message says behind which place it goes on
//! ([`Message::after`]). Who finds that something is missing between reads the database, which stays the truth: nothing is lost with
//! NATS, with a message, or with the holder.

mod holder;
mod message;

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, ServerAddr};
use futures::StreamExt as _;
use model::{Ambient, new_id};
use secrecy::{ExposeSecret as _, SecretString};
use storage::{Database, Migration, on};
use tokio::sync::mpsc;

use crate::Error;

pub(super) use message::Message;

/// What the relay keeps: the lease, and by which name NATS knows this log.
pub(crate) const TABLE: Migration = Migration {
    version: 2026_11_21_58,
    name: "the relay of the log",
    sql: "
        CREATE TABLE event_relay (
            singleton BIGINT PRIMARY KEY,
            log TEXT NOT NULL,
            holder TEXT NOT NULL,
            lease_until BIGINT NOT NULL
        );
        INSERT INTO event_relay (singleton, log, holder, lease_until) VALUES (1, '', '', 0);
    ",
};

/// How long NATS keeps messages, for those who were away for a moment.
const KEPT: Duration = Duration::from_mins(1);
/// The most bytes that NATS keeps of them.
const KEPT_BYTES: i64 = 64 * 1024 * 1024;
/// How long NATS may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);
/// The longest wait before something that failed at NATS is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// The connection to NATS. Cheap to clone.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    client: Client,
    context: Context,
    database: Database,
    /// This process, among those that may hold the lease.
    name: String,
    ambient: Ambient,
}

impl Relay {
    /// Connects to the server of `url` (`nats://` or `tls://`, with user and password or a token, if any), now or as soon as it is there.
    ///
    /// # Errors
    /// [`Error::NatsUrl`].
    pub async fn connect(url: &SecretString, database: Database, ambient: Ambient) -> Result<Self, Error> {
        let address = ServerAddr::from_str(url.expose_secret()).map_err(|_| Error::NatsUrl)?;
        let options = ConnectOptions::new()
            .name("jackfield")
            .connection_timeout(DEADLINE)
            .request_timeout(Some(DEADLINE))
            .retry_on_initial_connect();
        let client = options.connect(address).await.map_err(|_| Error::NatsUrl)?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(DEADLINE);
        let name = new_id(&ambient);
        Ok(Self(Arc::new(Inner { client, context, database, name, ambient })))
    }

    fn is_connected(&self) -> bool {
        self.0.client.connection_state() == State::Connected
    }

    /// Hands over what comes, for as long as this is polled. What `heard` has no room for is left out.
    pub(super) async fn listen(&self, heard: mpsc::Sender<Message>) {
        loop {
            if let Err(error) = self.hear(&heard).await {
                tracing::debug!(error, "the relay of the log is not heard");
            }
            self.pause().await;
        }
    }

    async fn hear(&self, heard: &mpsc::Sender<Message>) -> Result<(), String> {
        let log = self.log().await.map_err(|error| error.to_string())?;
        let stream = self.0.context.get_stream(stream(&log)).await.map_err(|error| error.to_string())?;
        let config = OrderedConfig { deliver_policy: DeliverPolicy::New, ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.map_err(|error| error.to_string())?;
        let mut messages = consumer.messages().await.map_err(|error| error.to_string())?;
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| error.to_string())?;
            if let Some(message) = Message::read(&message.payload) {
                // What does not fit is read from the database.
                let _ = heard.try_send(message);
            }
        }
        Ok(())
    }

    /// The name of this log, made by the first who asks.
    async fn log(&self) -> Result<String, storage::Error> {
        let mut conn = self.0.database.read().await?;
        let (log,): (String,) =
            on!(conn, |c| sqlx::query_as("SELECT log FROM event_relay").fetch_one(c).await)?;
        drop(conn);
        if !log.is_empty() {
            return Ok(log);
        }
        let mut tx = self.0.database.begin().await?;
        let (log,): (String,) = on!(tx, |c| sqlx::query_as(
            "UPDATE event_relay SET log = CASE WHEN log = '' THEN $1 ELSE log END RETURNING log"
        )
        .bind(new_id(&self.0.ambient))
        .fetch_one(c)
        .await)?;
        tx.commit().await?;
        Ok(log)
    }

    /// Has NATS keep what is published of `log`.
    async fn prepare(&self, log: &str) -> Result<(), String> {
        let config = Config {
            name: stream(log),
            subjects: vec![subject(log)],
            storage: StorageType::Memory,
            max_age: KEPT,
            max_bytes: KEPT_BYTES,
            ..Config::default()
        };
        self.0.context.get_or_create_stream(config).await.map(drop).map_err(|error| error.to_string())
    }

    async fn pause(&self) {
        tokio::time::sleep(RETRY / 4 + self.0.ambient.part_of(RETRY)).await;
    }
}

fn stream(log: &str) -> String {
    format!("jackfield-{log}")
}

fn subject(log: &str) -> String {
    format!("jackfield.{log}.log")
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("is_connected", &self.is_connected()).finish_non_exhaustive()
    }
}
