//! The event bus, made from the settings.

use std::sync::Arc;

use async_trait::async_trait;
use events::feed::{Bounds, Feed, Listens, Relay, Retention};
use events::publish::Publisher;
use model::{Ambient, EventPattern, TenantId};
use registry::Registry;
use storage::Database;

use crate::settings::Settings;

/// What plugins listen to, by the registry.
struct Listeners(Arc<Registry>);

#[async_trait]
impl Listens for Listeners {
    async fn listens(&self, tenant: &TenantId) -> Result<Vec<EventPattern>, events::Error> {
        self.0.listened(tenant).await.map_err(|error| events::Error::Listeners(Box::new(error)))
    }
}

/// The bus: what publishes, what is followed, and what removes old events.
pub(crate) struct Bus {
    pub(crate) publisher: Publisher,
    pub(crate) feed: Feed,
    pub(crate) retention: Retention,
}

impl Bus {
    /// The bus over the log of `database`.
    pub(crate) async fn new(
        settings: &Settings,
        (database, registry): (&Database, &Arc<Registry>),
        ambient: &Ambient,
    ) -> anyhow::Result<Self> {
        let bounds = Bounds {
            streams: usize::try_from(settings.event_streams.get())?,
            streams_per_tenant: usize::try_from(settings.event_streams_per_tenant.get())?,
        };
        let relay = match &settings.nats_url {
            Some(url) => Some(Relay::connect(url, database.clone(), ambient.clone()).await?),
            None => None,
        };
        let listeners = Arc::new(Listeners(Arc::clone(registry)));
        let bytes = u64::try_from(settings.event_log_size.0)?;
        Ok(Self {
            publisher: Publisher::new(database.clone(), ambient.clone()),
            feed: Feed::new(database.clone(), listeners, relay, bounds, ambient.clone()),
            retention: Retention::new(database.clone(), settings.event_retention.0, bytes, ambient.clone()),
        })
    }
}
