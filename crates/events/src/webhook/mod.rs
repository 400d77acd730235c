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
pub(crate) mod schema;
pub mod scheme;
mod store;
mod stored;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use model::{Ambient, PluginId, TenantId};
use secrecy::SecretString;
use storage::{Database, Group, GroupBounds, Sealer};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use url::Url;

pub use address::{Address, LONGEST_OVERLAP};
pub use deliveries::{Filter, Inspected, MAX_PAGE, MAX_RANGE, Page, Range, Replayed, State, WebhookDelivery};
pub use intake::Wake;
pub use manifest::{Manifest, Mode};
pub use scheme::{BearerError, Refused, VerifyBearer};
pub use stored::StoredWebhooks;

use address::{Addresses, Owner};
use intake::{Entry, Intake, Kept, Unfinished};
use scheme::{Incoming, Proof, Verified};
use store::webhooks::{self, NewWebhook};

use crate::delivery::Queue;
use crate::{Answer, Error, Plugins, WebhookDoor};

/// The most webhooks that one transaction writes, and that wait for one.
const BOUNDS: GroupBounds = GroupBounds { batch: 512, waiting: 8192 };

/// How many handlers are called at once while their senders wait.
const REPLYING: usize = 256;

/// The most bytes of the headers of a webhook that are kept.
const MAX_HEADERS: usize = 16 * 1024;

/// How often the sweep deletes some in one go.
const SWEEPS: usize = 20;

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

/// Where a webhook was sent.
#[derive(Debug)]
pub enum Destination {
    /// To the secret address that ends in this.
    Secret(SecretString),
    /// To the documented address of a plugin in a tenant.
    Documented(TenantId, PluginId),
}

/// An installation that takes webhooks.
#[derive(Debug)]
pub struct Door {
    owner: Owner,
    installed: Arc<WebhookDoor>,
    /// The URLs by which it may have been called.
    audiences: Vec<String>,
}

impl Door {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        &self.owner.tenant
    }

    /// Which plugin's.
    pub fn plugin(&self) -> &PluginId {
        &self.owner.plugin
    }
}

/// A webhook as it came.
#[derive(Debug)]
pub struct WebhookRequest {
    /// The HTTP method, in capitals.
    pub method: String,
    /// What follows the address, with a slash before it; `/` where nothing does.
    pub path: String,
    /// The query without its question mark.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// Those that the plugin may see, which are kept.
    pub visible: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// A webhook that was found to be its sender's.
#[derive(Debug)]
pub struct Proven {
    door: Door,
    request: WebhookRequest,
    verified: Verified,
}

/// What a sender is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It asked for this text.
    Challenge(String),
    /// It is kept, and its plugin is given it soon, or was given it before.
    Kept,
    /// The plugin's own answer.
    Answered(Answer),
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
        let (tenant, plugin, mut audiences, known) = match destination {
            Destination::Secret(token) => {
                let owner = addresses.owner(&token).await?;
                let url = addresses.url(&token).to_string();
                (owner.tenant, owner.plugin, vec![url], Some(owner.plugin_key))
            }
            Destination::Documented(tenant, plugin) => (tenant, plugin, Vec::new(), None),
        };
        let door = self.installed(&tenant, &plugin).await?.ok_or(Error::NoSuchWebhookAddress)?;
        // The address of a plugin that is gone does not become that of another of its name.
        if known.as_ref().is_some_and(|key| *key != door.plugin_key) {
            return Err(Error::NoSuchWebhookAddress);
        }
        let manifest = manifest(&door)?;
        if known.is_none() && !manifest.scheme.is_proven() {
            return Err(Error::WebhookUnproven);
        }
        let owner = Owner { tenant, plugin, plugin_key: door.plugin_key.clone() };
        if let Proof::Bearer(_) = manifest.scheme.proof {
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

    /// Holds a webhook against the scheme of its plugin, byte for byte.
    ///
    /// # Errors
    /// [`Error::Refused`] where it is not proven, [`Error::WebhooksDisabled`] where it is and the plugin is switched off.
    pub async fn verify(&self, door: Door, request: WebhookRequest) -> Result<Proven, Error> {
        let incoming =
            Incoming { headers: &request.headers, body: &request.body, audiences: &door.audiences };
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
        let queue = door.queue();
        self.0.unfinished.add(&queue).await?;
        match door.manifest()?.mode {
            Mode::Queue => {
                let due_at = self.0.ambient.now();
                self.keep(&door, (&request, verified), due_at).await?;
                Ok(Taken::Kept)
            }
            Mode::Reply => self.reply(&door, request, verified).await,
        }
    }

    /// Makes a webhook durable; gives its number where it is new.
    async fn keep(
        &self,
        door: &Door,
        (request, verified): (&WebhookRequest, Verified),
        due_at: model::Timestamp,
    ) -> Result<Option<i64>, Error> {
        let queue = door.queue();
        let webhook = NewWebhook {
            tenant: door.owner.tenant.clone(),
            plugin_key: door.owner.plugin_key.clone(),
            plugin_id: door.owner.plugin.to_string(),
            dedupe_key: storable(verified.dedupe_key),
            sender_id: verified.id.map(storable),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: kept_headers(&request.visible, &door.manifest()?.scheme.proof),
            body: request.body.clone(),
            received_at: self.0.ambient.now(),
        };
        let kept = Kept { webhook, queue: queue.clone(), due_at };
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

    /// Deletes webhooks that have been kept for long enough. To be called now and then.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let oldest = self.0.ambient.now().minus(self.0.settings.retention);
        let mut swept = 0;
        for _ in 0..SWEEPS {
            let mut tx = self.0.database.begin().await?;
            let some = webhooks::sweep(&mut tx, oldest).await?;
            tx.commit().await?;
            swept += some;
            if some == 0 {
                break;
            }
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

impl Door {
    fn manifest(&self) -> Result<&Manifest, Error> {
        manifest(&self.installed)
    }

    fn queue(&self) -> Queue {
        let Owner { tenant, plugin, plugin_key } = self.owner.clone();
        Queue::Webhooks { tenant, plugin, plugin_key }
    }
}

fn manifest(door: &WebhookDoor) -> Result<&Manifest, Error> {
    door.manifest.as_ref().ok_or(Error::TakesNoWebhooks)
}

/// A text as both databases keep it: PostgreSQL takes no NUL.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The headers that are kept, as a JSON array of pairs: without the one that is the secret itself.
fn kept_headers(headers: &HeaderMap, proof: &Proof) -> String {
    let secret = match proof {
        Proof::Token { header } => header.as_ref(),
        Proof::Signature(_) | Proof::Bearer(_) | Proof::Address => "",
    };
    let mut bytes = 0;
    let pairs: Vec<(&str, std::borrow::Cow<'_, str>)> = headers
        .iter()
        .filter(|(name, _)| name.as_str() != secret)
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .take_while(|(name, value)| {
            bytes += name.len() + value.len();
            bytes <= MAX_HEADERS
        })
        .collect();
    // Texts alone, so that nothing can fail.
    storable(serde_json::to_string(&pairs).unwrap_or_else(|_| "[]".into()))
}
