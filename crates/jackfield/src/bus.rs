//! The event bus, made from the settings.

use std::sync::Arc;

use async_trait::async_trait;
use events::delivery::{self, Deliveries};
use events::feed::{Bounds, Feed, Listens, Retention};
use events::publish::Publisher;
use events::subscription::{self, Endpoints, Subscriptions};
use model::{Ambient, EventPattern, TenantId};
use outbound::Guard;
use registry::Registry;
use storage::{Database, Sealer};

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
    pub(crate) subscriptions: Subscriptions,
    pub(crate) deliveries: Deliveries,
}

impl Bus {
    /// The bus over the log of `database`.
    pub(crate) fn new(
        settings: &Settings,
        (database, registry): (&Database, &Arc<Registry>),
        (sealer, guard): (&Sealer, &Guard),
        ambient: &Ambient,
    ) -> anyhow::Result<Self> {
        let bounds = Bounds {
            streams: usize::try_from(settings.event_streams.get())?,
            streams_per_tenant: usize::try_from(settings.event_streams_per_tenant.get())?,
        };
        let listeners = Arc::new(Listeners(Arc::clone(registry)));
        // Each attempt has a deadline of its own.
        let client = guard.client(&outbound::Settings { deadline: None, ..outbound::Settings::default() })?;
        let endpoints = Endpoints::new(client, sealer.clone(), ambient.clone());
        let deliveries = Deliveries::new(delivery::Parts {
            database: database.clone(),
            endpoints: endpoints.clone(),
            plugins: None,
            webhooks: None,
            ambient: ambient.clone(),
        });
        let subscriptions = Subscriptions::new(subscription::Parts {
            database: database.clone(),
            endpoints,
            plugins: None,
            deliveries: deliveries.clone(),
            ambient: ambient.clone(),
        });
        let bytes = u64::try_from(settings.event_log_size.0)?;
        Ok(Self {
            publisher: Publisher::new(database.clone(), ambient.clone()),
            feed: Feed::new(database.clone(), listeners, bounds, ambient.clone()),
            subscriptions,
            deliveries,
            retention: Retention::new(database.clone(), settings.event_retention.0, bytes, ambient.clone()),
        })
    }
}
