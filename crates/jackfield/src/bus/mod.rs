//! The event bus, made from the settings.

mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use events::Plugins;
use events::delivery::{self, Deliveries};
use events::feed::{Bounds, Feed, Listens, Relay, Retention};
use events::publish::Publisher;
use events::subscription::{self, Endpoints, Subscriptions};
use events::webhook::{StoredWebhooks, Wake, Webhooks};
use model::{Ambient, EventPattern, TenantId};
use outbound::Guard;
use registry::Registry;
use runtime::Receivers;
use storage::{Database, Sealer};
use url::Url;

use self::webhooks::webhooks;
use crate::settings::Settings;

/// What plugins listen to, by the registry.
struct Listeners(Arc<Registry>);

#[async_trait]
impl Listens for Listeners {
    async fn listens(&self, tenant: &TenantId) -> Result<Vec<EventPattern>, events::Error> {
        self.0.listened(tenant).await.map_err(|error| events::Error::Listeners(Box::new(error)))
    }
}

/// The bus: what publishes, what is followed and delivered, what takes webhooks in, and what removes old events. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bus {
    pub(crate) publisher: Publisher,
    pub(crate) feed: Feed,
    pub(crate) retention: Retention,
    pub(crate) deliveries: Deliveries,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) webhooks: Webhooks,
}

impl Bus {
    /// The bus over the log of `database`, with `receivers` as what gives plugins what is delivered to them. Must be called within a
    /// tokio runtime.
    pub(crate) async fn new(
        settings: &Settings,
        (database, sealer, registry): (&Database, &Sealer, &Arc<Registry>),
        (guard, receivers): (&Guard, Receivers),
        public_url: &Url,
        ambient: &Ambient,
    ) -> anyhow::Result<Self> {
        let bounds = Bounds {
            streams: usize::try_from(settings.event_streams())?,
            streams_per_tenant: usize::try_from(settings.event_streams_per_tenant.get())?,
        };
        let relay = match &settings.nats_url {
            Some(url) => Some(Relay::connect(url, database.clone(), ambient.clone()).await?),
            None => None,
        };
        let listeners = Arc::new(Listeners(Arc::clone(registry)));
        let bytes = u64::try_from(settings.event_log_size.0)?;
        let plugins: Arc<dyn Plugins> = Arc::new(receivers);
        // Each attempt has a deadline of its own.
        let client = guard.client(&outbound::Settings { deadline: None, ..outbound::Settings::default() })?;
        let endpoints = Endpoints::new(client, sealer.clone(), ambient.clone());
        let deliveries = Deliveries::new(delivery::Parts {
            database: database.clone(),
            endpoints: endpoints.clone(),
            plugins: Some(Arc::clone(&plugins)),
            webhooks: Some(Arc::new(StoredWebhooks::new(database.clone()))),
            ambient: ambient.clone(),
        });
        let subscriptions = Subscriptions::new(subscription::Parts {
            database: database.clone(),
            endpoints,
            plugins: Some(Arc::clone(&plugins)),
            deliveries: deliveries.clone(),
            most_per_tenant: settings.subscriptions_per_tenant.get(),
            ambient: ambient.clone(),
        });
        let woken = deliveries.clone();
        let wake: Wake = Arc::new(move |queues| woken.wake(queues));
        Ok(Self {
            publisher: Publisher::new(database.clone(), ambient.clone()),
            feed: Feed::new(database.clone(), listeners, relay, bounds, ambient.clone()),
            retention: Retention::new(database.clone(), settings.event_retention.0, bytes, ambient.clone()),
            webhooks: webhooks(settings, (database, sealer), (plugins, wake), public_url, ambient)?,
            deliveries,
            subscriptions,
        })
    }

    /// Drops what this process remembers of tenants.
    pub(crate) fn forget(&self) {
        self.deliveries.forget();
        self.webhooks.forget();
    }

    /// Begins nothing more, and gives what is at work until `deadline` to end. Tells whether all has ended.
    pub(crate) async fn close(&self, deadline: Duration) -> bool {
        let (deliveries, webhooks) =
            tokio::join!(self.deliveries.close(deadline), self.webhooks.close(deadline));
        deliveries && webhooks
    }
}
