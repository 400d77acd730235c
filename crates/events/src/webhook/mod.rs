//! Webhooks that come in from outside: proven, kept as they came, and given to a plugin once.
//!
//! A webhook goes to the secret address of an installation ([`Address`]), or to the documented one, which names plugin and tenant
//! and takes only what is signed. [`Webhooks::door`] finds the installation, before anything of the body is read;
//! [`Webhooks::take`] holds the bytes against the plugin's [`Scheme`](scheme::Scheme) and keeps them, with their delivery, in a
//! transaction that many share. Only then is the sender told that it is taken. From there on it is a delivery as any other.

mod address;
mod deliveries;
mod intake;
pub mod manifest;
mod reply;
mod request;
pub(crate) mod schema;
pub mod scheme;
mod store;
mod stored;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Ambient, PluginId, TenantId, new_id};
use secrecy::SecretString;
use storage::{Database, Group, GroupBounds, Sealer};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use url::Url;

pub use address::{Address, LONGEST_OVERLAP};
pub use deliveries::{Filter, Inspected, MAX_PAGE, MAX_RANGE, Page, Range, Replayed, State, WebhookDelivery};
pub use intake::Wake;
pub use manifest::{Manifest, Mode};
pub use request::{Destination, Door, Proven, Room, Taken, WebhookRequest};
pub use scheme::{BearerError, Refused, VerifyBearer};
pub use stored::StoredWebhooks;

use address::{Addresses, Owner};
use intake::{Entry, Intake, Kept, Unfinished};
use request::{ALL_ROOM, KIB, kept_headers, storable};
use scheme::{Incoming, Proof, Verified};
use store::webhooks::{self, NewWebhook};

use crate::delivery::Queue;
use crate::{Error, Plugins, WebhookDoor};

/// The most webhooks that one transaction writes, and that wait for one.
const BOUNDS: GroupBounds = GroupBounds { batch: 512, waiting: 8192 };

/// How many handlers are called at once while their senders wait.
const REPLYING: usize = 256;

/// For how long a sweep begins to delete more.
const SWEEP_FOR: Duration = Duration::from_secs(20);

/// The bounds of webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many unfinished ones an installation may have, before senders are asked to come again.
    pub most_unfinished: u32,
    /// For how long they are kept.
    pub retention: Duration,
}

/// What [`Webhooks`] are made of.
pub struct Parts {
    /// Where they are kept.
    pub database: Database,
    /// Seals addresses.
    pub sealer: Sealer,
    /// Installed plugins.
    pub plugins: Arc<dyn Plugins>,
    /// Checks tokens that issuers have signed.
    pub tokens: Arc<dyn VerifyBearer>,
    /// Told of what is to be delivered.
    pub wake: Wake,
    /// Where this server is to be reached from outside.
    pub public_url: Url,
    /// The bounds.
    pub settings: Settings,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// Webhooks of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    database: Database,
    plugins: Arc<dyn Plugins>,
    tokens: Arc<dyn VerifyBearer>,
    addresses: Addresses,
    intake: Group<Intake>,
    unfinished: Unfinished,
    room: Arc<Semaphore>,
    replying: Arc<Semaphore>,
    calls: TaskTracker,
    wake: Wake,
    settings: Settings,
    ambient: Ambient,
}

impl Webhooks {
    /// Webhooks on storage that is open. Must be called within a tokio runtime.
    pub fn new(parts: Parts) -> Self {
        let Parts { database, sealer, plugins, tokens, wake, public_url, settings, ambient } = parts;
        let addresses = Addresses::new(database.clone(), sealer, public_url, ambient.clone());
        let intake = Group::new(database.clone(), BOUNDS, Intake { ambient: ambient.clone() });
        let unfinished = Unfinished::new(database.clone(), i64::from(settings.most_unfinished));
        Self(Arc::new(Inner {
            database,
            plugins,
            tokens,
            addresses,
            intake,
            unfinished,
            room: Arc::new(Semaphore::new(ALL_ROOM / KIB)),
            replying: Arc::new(Semaphore::new(REPLYING)),
            calls: TaskTracker::new(),
            wake,
            settings,
            ambient,
        }))
    }

    /// The installation that takes webhooks at `destination`.
    ///
    /// # Errors
    /// [`Error::NoSuchWebhookAddress`] for an address that leads nowhere, [`Error::TakesNoWebhooks`],
    /// [`Error::WebhookUnproven`] at a documented address where nothing is signed.
    pub async fn door(&self, destination: Destination) -> Result<Door, Error> {
        let addresses = &self.0.addresses;
        let (owner, door, token) = match destination {
            Destination::Secret(token) => {
                let owner = addresses.owner(&token).await?;
                let door = self.installed(&owner.tenant, &owner.plugin).await?;
                // The address of an installation that is gone does not become that of the next one.
                let door = door.filter(|door| door.plugin_key == owner.plugin_key);
                (owner, door.ok_or(Error::NoSuchWebhookAddress)?, Some(token))
            }
            Destination::Documented(tenant, plugin) => {
                let door = self.installed(&tenant, &plugin).await?.ok_or(Error::NoSuchWebhookAddress)?;
                let plugin_key = door.plugin_key.clone();
                (Arc::new(Owner { tenant, plugin, plugin_key }), door, None)
            }
        };
        let manifest = manifest(&door)?;
        if token.is_none() && !manifest.scheme.is_proven() {
            return Err(Error::WebhookUnproven);
        }
        let mut audiences = Vec::new();
        if let Proof::Bearer(_) = manifest.scheme.proof {
            audiences.extend(token.map(|token| addresses.url(&token).to_string()));
            let mut documented = addresses.documented(&owner);
            audiences.push(documented.to_string());
            documented.set_query(None);
            audiences.push(documented.to_string());
            audiences.extend(manifest.audience.clone());
        }
        Ok(Door { owner, installed: door, audiences })
    }

    async fn installed(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
    ) -> Result<Option<Arc<WebhookDoor>>, Error> {
        self.0.plugins.webhook_door(tenant, plugin).await.map_err(Error::Plugins)
    }

    /// Memory for a body of so many bytes, to be had before it is read.
    ///
    /// # Errors
    /// [`Error::NoRoomForWebhook`] where those that are being taken have all there is.
    pub fn room(&self, bytes: usize) -> Result<Room, Error> {
        Room::of(&self.0.room, bytes).ok_or(Error::NoRoomForWebhook)
    }

    /// Holds a webhook against the scheme of its plugin, byte for byte.
    ///
    /// # Errors
    /// [`Error::Refused`] where it is not proven, [`Error::WebhooksDisabled`] where it is and the plugin is switched off.
    pub async fn verify(&self, door: Door, request: WebhookRequest) -> Result<Proven, Error> {
        let WebhookRequest { method, path, query, headers, body, .. } = &request;
        let incoming = Incoming { method, path, query, headers, body, audiences: &door.audiences };
        let now = (self.0.ambient.now(), &*self.0.tokens);
        let scheme = &door.manifest()?.scheme;
        let verified = scheme.verify(&incoming, &door.installed.secrets, now).await;
        metrics::counter!(
            "jackfield_webhooks_total",
            "scheme" => scheme.name.clone(),
            "outcome" => if verified.is_ok() { "verified" } else { "refused" }
        )
        .increment(1);
        let verified = verified?;
        if !door.installed.enabled {
            return Err(Error::WebhooksDisabled(door.owner.plugin.to_string()));
        }
        Ok(Proven { door, request, verified })
    }

    /// Keeps a webhook that is its sender's. When this returns, it is durable, or was refused.
    ///
    /// # Errors
    /// [`Error::TooManyWebhooks`], those of the database.
    pub async fn take(&self, proven: Proven) -> Result<Taken, Error> {
        let Proven { door, request, mut verified } = proven;
        if let Some(challenge) = verified.challenge.take() {
            return Ok(Taken::Challenge(challenge));
        }
        let queue = door.owner.queue();
        self.0.unfinished.add(&queue).await?;
        match door.manifest()?.mode {
            Mode::Queue => {
                let due_at = self.0.ambient.now();
                let headers = kept_headers(&request.visible, &door.manifest()?.scheme.proof);
                self.keep((&door.owner, queue), (&request, &headers, verified), due_at).await?;
                Ok(Taken::Kept)
            }
            Mode::Reply => self.reply((&door, queue), request, verified).await,
        }
    }

    /// Makes a webhook durable; gives its number where it is new.
    async fn keep(
        &self,
        (owner, queue): (&Arc<Owner>, Queue),
        (request, headers, verified): (&WebhookRequest, &[(String, String)], Verified),
        due_at: model::Timestamp,
    ) -> Result<Option<i64>, Error> {
        let webhook = NewWebhook {
            owner: Arc::clone(owner),
            dedupe_key: verified
                .dedupe_key
                .map_or_else(|| format!("none:{}", new_id(&self.0.ambient)), storable),
            sender_id: verified.id.map(storable),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            // Texts alone, so that nothing can fail.
            headers: storable(serde_json::to_string(headers).unwrap_or_else(|_| "[]".into())),
            body: request.body.clone(),
            received_at: self.0.ambient.now(),
        };
        let kept = Kept { webhook, queue: queue.clone(), due_at, _room: request.room.clone() };
        let number = self.0.intake.submit(Entry::Kept(Box::new(kept))).await?;
        if number.is_some() {
            (self.0.wake)(&[queue].into());
        }
        Ok(number)
    }

    /// Where `plugin` takes webhooks in `tenant`. The secret address is made at the first question.
    ///
    /// # Errors
    /// [`Error::PluginNotInstalled`], [`Error::TakesNoWebhooks`].
    pub async fn address(&self, tenant: &TenantId, plugin: &PluginId) -> Result<Address, Error> {
        let (owner, door) = self.owner(tenant, plugin).await?;
        let (token, row) = self.0.addresses.of(&owner).await?;
        let former_until = row.former_until.map(model::Timestamp::from_millisecond);
        let former_until = former_until.filter(|until| *until > self.0.ambient.now());
        Ok(self.told(&owner, manifest(&door)?, &token, former_until))
    }

    /// Gives an installation another secret address. The one before is taken for as long as `overlap`, at most
    /// [`LONGEST_OVERLAP`]; other replicas may take it for a second more. `by` is noted in the log.
    ///
    /// # Errors
    /// As for [`Webhooks::address`].
    pub async fn rotate(
        &self,
        (tenant, plugin): (&TenantId, &PluginId),
        overlap: Duration,
        by: &str,
    ) -> Result<Address, Error> {
        let (owner, door) = self.owner(tenant, plugin).await?;
        let (token, row) = self.0.addresses.rotate(&owner, (overlap.min(LONGEST_OVERLAP), by)).await?;
        let former_until = row.former_until.map(model::Timestamp::from_millisecond);
        Ok(self.told(&owner, manifest(&door)?, &token, former_until))
    }

    /// An installation that takes webhooks.
    async fn owner(&self, tenant: &TenantId, plugin: &PluginId) -> Result<(Owner, Arc<WebhookDoor>), Error> {
        let door = self.installed(tenant, plugin).await?;
        let door = door.ok_or_else(|| Error::PluginNotInstalled(plugin.to_string()))?;
        manifest(&door)?;
        let (tenant, plugin) = (tenant.clone(), plugin.clone());
        Ok((Owner { tenant, plugin, plugin_key: door.plugin_key.clone() }, door))
    }

    fn told(
        &self,
        owner: &Owner,
        manifest: &Manifest,
        token: &SecretString,
        former_until: Option<model::Timestamp>,
    ) -> Address {
        let documented = manifest.scheme.is_proven().then(|| self.0.addresses.documented(owner));
        Address {
            url: SecretString::from(self.0.addresses.url(token).as_str()),
            documented,
            former_until,
            scheme: manifest.scheme.name.to_string(),
            mode: manifest.mode,
        }
    }

    /// Deletes webhooks that have been kept for long enough and are to be delivered no more. To be called now and then; gives up
    /// after about 20 s, and the next call goes on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let oldest = self.0.ambient.now().minus(self.0.settings.retention);
        let begun = Instant::now();
        let (mut swept, mut after) = (0, Some(0));
        while let Some(place) = after.filter(|_| begun.elapsed() < SWEEP_FOR) {
            let mut tx = self.0.database.begin().await?;
            let (some, next) = webhooks::sweep(&mut tx, oldest, place).await?;
            tx.commit().await?;
            swept += some;
            after = next;
        }
        Ok(swept)
    }

    /// Drops what this process remembers of addresses, as when a tenant was deleted.
    pub fn forget(&self) {
        self.0.addresses.forget();
    }

    /// Takes nothing more, gives calls whose senders wait until `deadline` to end, and writes what is to be written. Tells
    /// whether all has ended; what was cut off is delivered again.
    pub async fn close(&self, deadline: Duration) -> bool {
        self.0.calls.close();
        let has_ended = tokio::time::timeout(deadline, self.0.calls.wait()).await.is_ok();
        self.0.intake.close().await;
        has_ended
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

fn manifest(door: &WebhookDoor) -> Result<&Manifest, Error> {
    door.manifest.as_ref().ok_or(Error::TakesNoWebhooks)
}
