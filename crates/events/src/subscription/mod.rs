//! Subscriptions: who wants which events, and where they are to go.
//!
//! A subscription is given what is logged after it was made, to a plugin's handler or to an endpoint elsewhere, signed as Standard
//! Webhooks has it. While it is paused it is given nothing, and all of it once it is resumed, as far as the log still has it.

mod endpoint;
pub(crate) mod health;
mod record;
mod schema;
mod secret;
mod store;
pub(crate) mod targets;
mod wish;

use std::fmt;
use std::sync::Arc;

use model::{Ambient, Event, EventKind, EventPattern, PluginId, TenantId, Timestamp, new_id};
use secrecy::SecretString;
use serde_json::{Value, json};
use storage::{Database, LoggedEvent, Tx};

pub use endpoint::{DEADLINE, Endpoints};
pub use record::{Destination, Scope, State, Subscription};
pub(crate) use schema::{ROWS, SECRET, SECRET_ROWS, SUBSCRIPTIONS};
pub use wish::{Change, NewSubscription};

use crate::delivery::{Deliveries, Outcome, Parcel, queues};
use crate::{Error, FoundHandler, Plugins};
use wish::Wrong;

/// What is wrong with a handler that cannot be given events.
const UNKNOWN_HANDLER: &str = "must be a handler of the plugin's script, and none that takes its webhooks or is told of its own life, \
     such as onInstall";

/// How the ids of the platform's subscriptions begin; no tenant's does. By it their deliveries are known, which tell of every tenant.
pub(crate) const PLATFORM: &str = "platform-";

/// The type of what [`Subscriptions::test`] sends.
const TEST: &str = "jackfield.subscription.test";

/// What came of sending a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// Why the receiver does not have it; `None` where it does.
    pub error: Option<String>,
}

/// Who acts on a subscription: in which tenant, whether on those of the platform too, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// Up to which scope it may see and change subscriptions.
    pub reach: Scope,
    /// How it is named in the log.
    pub by: &'a str,
}

/// What subscriptions need.
pub struct Parts {
    /// Where they are.
    pub database: Database,
    /// What gives events to endpoints.
    pub endpoints: Endpoints,
    /// Installed plugins; `None` where nothing runs them.
    pub plugins: Option<Arc<dyn Plugins>>,
    /// What is woken where something is to be delivered.
    pub deliveries: Deliveries,
    /// How many subscriptions a tenant may have. Two that are made at the same moment may overstep it by one.
    pub most_per_tenant: u32,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// The subscriptions of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Subscriptions(Arc<Parts>);

impl Subscriptions {
    /// Subscriptions with `parts`.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Makes a subscription. An endpoint's secret is told this once.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::TooManySubscriptions`], [`Error::PluginNotInstalled`].
    pub async fn create(
        &self,
        actor: Actor<'_>,
        wanted: NewSubscription,
    ) -> Result<(Subscription, Option<SecretString>), Error> {
        let Actor { tenant, .. } = actor;
        let mut wrong = Wrong::default();
        let types = wrong.types(&wanted.types);
        let description = wrong.description(wanted.description);
        if wanted.scope == Scope::Platform && wanted.handler.is_some() {
            wrong.note("/scope", "must be tenant for a handler: every tenant's events go to an endpoint");
        }
        let destination = match (wanted.endpoint, wanted.handler) {
            (Some(url), None) => wrong.endpoint(&url, &self.0.endpoints.client).map(Destination::Endpoint),
            (None, Some((plugin, handler))) => match wrong.plugin(&plugin).zip(wrong.handler(&handler)) {
                Some((plugin, handler)) => {
                    let key = self.plugin_key(tenant, (&plugin, &handler), &mut wrong).await?;
                    key.map(|plugin_key| Destination::Handler { plugin, plugin_key, handler })
                }
                None => None,
            },
            _ => {
                wrong.note("", "must have either an endpoint or a handler");
                None
            }
        };
        let Some(destination) = destination.filter(|_| wrong.0.is_empty()) else {
            return Err(Error::Invalid(wrong.0));
        };
        let now = self.0.ambient.now();
        let subscription = Subscription {
            id: match wanted.scope {
                Scope::Tenant => new_id(&self.0.ambient),
                Scope::Platform => format!("{PLATFORM}{}", new_id(&self.0.ambient)),
            },
            tenant: tenant.clone(),
            scope: wanted.scope,
            types,
            destination,
            description,
            state: State::Active,
            reason: None,
            failing_since: None,
            created_at: now,
            updated_at: now,
        };
        let mut tx = self.0.database.begin().await?;
        if store::count(&mut tx, tenant).await? >= i64::from(self.0.most_per_tenant) {
            return Err(Error::TooManySubscriptions(self.0.most_per_tenant));
        }
        store::insert(&mut tx, &subscription).await?;
        let secret = match subscription.destination {
            Destination::Endpoint(_) => {
                let sealing = (&self.0.endpoints.sealer, &self.0.ambient);
                Some(secret::create(&mut tx, sealing, (tenant, &subscription.id)).await?)
            }
            Destination::Handler { .. } => None,
        };
        record(&mut tx, &subscription, EventKind::SubscriptionCreated, actor.by);
        tx.commit().await?;
        Ok((subscription, secret))
    }

    /// All subscriptions that the actor may see, the oldest first.
    pub async fn list(&self, actor: Actor<'_>) -> Result<Vec<Subscription>, Error> {
        let mut conn = self.0.database.read().await?;
        let mut all = store::list(&mut conn, actor.tenant).await?;
        all.retain(|subscription| subscription.scope <= actor.reach);
        Ok(all)
    }

    /// One subscription.
    ///
    /// # Errors
    /// [`Error::NoSuchSubscription`].
    pub async fn get(&self, actor: Actor<'_>, id: &str) -> Result<Subscription, Error> {
        let mut conn = self.0.database.read().await?;
        let found = store::find(&mut conn, actor.tenant, id).await?;
        found
            .filter(|subscription| subscription.scope <= actor.reach)
            .ok_or_else(|| Error::NoSuchSubscription(id.to_owned()))
    }

    /// Changes what a subscription wants, or where. What is in its queue goes to the new place too.
    ///
    /// # Errors
    /// [`Error::NoSuchSubscription`], [`Error::Invalid`].
    pub async fn update(&self, actor: Actor<'_>, id: &str, change: Change) -> Result<Subscription, Error> {
        let seen = self.get(actor, id).await?;
        let mut wrong = Wrong::default();
        let types = change.types.map(|types| wrong.types(&types));
        let description = change.description.map(|text| wrong.description(Some(text)));
        // Neither what kind of destination it is nor the plugin ever changes: what was seen of them holds.
        let destination = match (seen.destination, change.endpoint, change.handler) {
            (_, None, None) => None,
            (Destination::Endpoint(_), Some(text), None) => {
                wrong.endpoint(&text, &self.0.endpoints.client).map(Destination::Endpoint)
            }
            (Destination::Handler { plugin, plugin_key, .. }, None, Some(text)) => match wrong.handler(&text)
            {
                Some(handler) => {
                    let found = self.plugin_key(actor.tenant, (&plugin, &handler), &mut wrong).await?;
                    if found.is_some_and(|found| found != plugin_key) {
                        return Err(Error::PluginNotInstalled(plugin.to_string()));
                    }
                    Some(Destination::Handler { plugin, plugin_key, handler })
                }
                None => None,
            },
            _ => {
                wrong.note("", "an endpoint stays one, and a handler too: make another subscription");
                None
            }
        };
        if !wrong.0.is_empty() {
            return Err(Error::Invalid(wrong.0));
        }
        let mut tx = self.0.database.begin().await?;
        let held = held(&mut tx, actor, id).await?;
        let subscription = Subscription {
            types: types.unwrap_or(held.types),
            description: description.unwrap_or(held.description),
            destination: destination.unwrap_or(held.destination),
            updated_at: self.0.ambient.now(),
            ..held
        };
        store::update(&mut tx, &subscription).await?;
        queues::nudge(&mut tx, &subscription.queue().name()).await?;
        record(&mut tx, &subscription, EventKind::SubscriptionUpdated, actor.by);
        tx.commit().await?;
        Ok(subscription)
    }

    /// Deletes a subscription, and skips what it was yet to be given.
    ///
    /// # Errors
    /// [`Error::NoSuchSubscription`].
    pub async fn delete(&self, actor: Actor<'_>, id: &str) -> Result<(), Error> {
        let mut tx = self.0.database.begin().await?;
        let subscription = held(&mut tx, actor, id).await?;
        store::delete(&mut tx, actor.tenant, id).await?;
        secret::delete(&mut tx, actor.tenant, id).await?;
        let (name, now) = (subscription.queue().name(), self.0.ambient.now());
        queues::remove(&mut tx, &name, "the subscription was deleted", now).await?;
        record(&mut tx, &subscription, EventKind::SubscriptionRemoved, actor.by);
        tx.commit().await?;
        Ok(())
    }

    /// Has a subscription given nothing until it is resumed; what is at work goes on. One that is disabled or paused stays so.
    ///
    /// # Errors
    /// [`Error::NoSuchSubscription`].
    pub async fn pause(&self, actor: Actor<'_>, id: &str) -> Result<Subscription, Error> {
        let mut tx = self.0.database.begin().await?;
        let held = held(&mut tx, actor, id).await?;
        if held.state != State::Active {
            return Ok(held);
        }
        let subscription = held.turned(State::Paused, self.0.ambient.now());
        store::update(&mut tx, &subscription).await?;
        queues::halt(&mut tx, &subscription.queue()).await?;
        record(&mut tx, &subscription, EventKind::SubscriptionPaused, actor.by);
        tx.commit().await?;
        self.0.deliveries.halted(&subscription.queue());
        Ok(subscription)
    }

    /// Has a subscription that is paused or disabled given events again: first those that it was not given meanwhile.
    ///
    /// # Errors
    /// [`Error::NoSuchSubscription`].
    pub async fn resume(&self, actor: Actor<'_>, id: &str) -> Result<Subscription, Error> {
        let now = self.0.ambient.now();
        let mut tx = self.0.database.begin().await?;
        let held = held(&mut tx, actor, id).await?;
        if held.state == State::Active {
            return Ok(held);
        }
        let subscription = held.turned(State::Active, now);
        store::update(&mut tx, &subscription).await?;
        queues::resume(&mut tx, &subscription.queue().name(), now).await?;
        record(&mut tx, &subscription, EventKind::SubscriptionResumed, actor.by);
        tx.commit().await?;
        self.0.deliveries.wake([&subscription.queue()]);
        Ok(subscription)
    }

    /// Gives an endpoint a new secret, told this once. What is sent is signed with the former too, until the moment that is told.
    ///
    /// # Errors
    /// [`Error::NoSuchSubscription`], [`Error::NoSecret`] for one that has no endpoint.
    pub async fn rotate_secret(
        &self,
        actor: Actor<'_>,
        id: &str,
    ) -> Result<(SecretString, Timestamp), Error> {
        let mut tx = self.0.database.begin().await?;
        let subscription = held(&mut tx, actor, id).await?;
        if matches!(subscription.destination, Destination::Handler { .. }) {
            return Err(Error::NoSecret);
        }
        let of = (actor.tenant, id);
        let former_until = secret::retire(&mut tx, of, self.0.ambient.now()).await?;
        let secret = secret::create(&mut tx, (&self.0.endpoints.sealer, &self.0.ambient), of).await?;
        queues::nudge(&mut tx, &subscription.queue().name()).await?;
        record(&mut tx, &subscription, EventKind::SubscriptionSecretRotated, actor.by);
        tx.commit().await?;
        Ok((secret, former_until))
    }

    /// Sends a subscription's receiver an event of the type `jackfield.subscription.test`, at once and once, also while it is paused. It
    /// stands in no log.
    ///
    /// # Errors
    /// [`Error::NoSuchSubscription`].
    pub async fn test(&self, actor: Actor<'_>, id: &str) -> Result<Tested, Error> {
        let subscription = self.get(actor, id).await?;
        let Parts { database, endpoints, plugins, ambient, .. } = &*self.0;
        let of = (actor.tenant, id);
        let receiver = endpoints.receiver(database, plugins.as_ref(), of).await?;
        let receiver = receiver.ok_or_else(|| Error::NoSuchSubscription(id.to_owned()))?;
        let handler = match subscription.destination {
            Destination::Handler { handler, .. } => handler,
            Destination::Endpoint(_) => String::new(),
        };
        let event = LoggedEvent {
            seq: 0,
            id: new_id(ambient),
            tenant: Some(actor.tenant.to_string()),
            source: "jackfield".into(),
            kind: TEST.into(),
            subject: id.to_owned(),
            key: id.to_owned(),
            sender: None,
            hops: 0,
            attributes: None,
            data: json!({"by": actor.by}).to_string(),
            recorded_at: ambient.now().as_millisecond(),
        };
        Ok(match receiver.receive(Parcel::Event(Arc::new(event), handler)).await.fitting() {
            Outcome::Delivered { status } => Tested { status, error: None },
            Outcome::Refused(refused) => Tested { status: refused.status, error: Some(refused.message) },
            Outcome::Pointless(error) => Tested { status: None, error: Some(error) },
        })
    }

    /// What tells an installed plugin from all others, for ever, where its handler can be given events.
    async fn plugin_key(
        &self,
        tenant: &TenantId,
        (plugin, handler): (&PluginId, &str),
        wrong: &mut Wrong,
    ) -> Result<Option<String>, Error> {
        let plugins = self.0.plugins.as_ref().ok_or(Error::NoPlugins)?;
        match plugins.handler(tenant, plugin, handler).await.map_err(Error::Plugins)? {
            FoundHandler::Known { plugin_key } => Ok(Some(plugin_key)),
            FoundHandler::Unknown => {
                wrong.note("/handler/handler", UNKNOWN_HANDLER);
                Ok(None)
            }
            FoundHandler::NotInstalled => Err(Error::PluginNotInstalled(plugin.to_string())),
        }
    }
}

/// The subscription, which nobody else changes until the transaction ends.
async fn held(tx: &mut Tx, actor: Actor<'_>, id: &str) -> Result<Subscription, Error> {
    let found = store::hold(tx, actor.tenant, id).await?;
    found
        .filter(|subscription| subscription.scope <= actor.reach)
        .ok_or_else(|| Error::NoSuchSubscription(id.to_owned()))
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscriptions")
    }
}

fn record(tx: &mut Tx, subscription: &Subscription, kind: EventKind, by: &str) {
    let types: Vec<&str> = subscription.types.iter().map(EventPattern::as_str).collect();
    let mut data = json!({"by": by, "scope": subscription.scope.as_str(), "types": types});
    let destination: (&str, Value) = match &subscription.destination {
        // A URL may hold a secret in its path or query.
        Destination::Endpoint(url) => ("host", json!(url.host_str())),
        Destination::Handler { plugin, handler, .. } => {
            ("handler", json!({"pluginId": plugin, "handler": handler}))
        }
    };
    if let Some(members) = data.as_object_mut() {
        members.insert(destination.0.to_owned(), destination.1);
    }
    tx.record(Event {
        tenant: Some(subscription.tenant.clone()),
        kind,
        subject: subscription.id.clone(),
        data,
    });
}
