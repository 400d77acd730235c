//! Installations as a test says they are, with webhooks over a real database.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use events::delivery::{self, Deliveries};
use events::subscription::Endpoints;
use events::webhook::{
    self, BearerError, Destination, Filter, StoredWebhooks, Taken, VerifyBearer, WebhookRequest, Webhooks,
};
use events::{
    Answer, Cause, Error, FoundHandler, Hook, Plugins, ReceiveError, Refusal, Request, WebhookDoor,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Ambient, PluginId, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use storage::{Database, MasterKey, Sealer};
use testkit::ManualClock;
use tokio::time::Instant;

use crate::place::Place;

pub(crate) const SECRET: &str = "the secret of a webhook in the tests";

/// 32 bytes in base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What a plugin does with a webhook.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    /// Answers this status at once.
    Answers(u16),
    /// Answers 200 after this time.
    Waits(Duration),
    /// Says that it cannot.
    Refuses(Refusal),
    /// Fails with these words.
    Fails(&'static str),
}

/// Installed plugins, as far as a test has installed them.
pub(crate) struct Installed {
    doors: Mutex<HashMap<(TenantId, PluginId), WebhookDoor>>,
    behaviour: Mutex<Behaviour>,
    given: Mutex<Vec<(TenantId, Request)>>,
}

#[async_trait]
impl Plugins for Installed {
    async fn hooks(&self, _: &TenantId) -> Result<Vec<Hook>, ReceiveError> {
        Ok(Vec::new())
    }

    async fn handler(&self, _: &TenantId, _: &PluginId, _: &str) -> Result<FoundHandler, ReceiveError> {
        panic!("nobody subscribes")
    }

    async fn webhook_door(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
    ) -> Result<Option<Arc<WebhookDoor>>, ReceiveError> {
        Ok(self.doors.lock().unwrap().get(&(tenant.clone(), plugin.clone())).cloned().map(Arc::new))
    }

    async fn event(&self, _: &TenantId, _: &Hook, _: &Value, _: Cause) -> Result<(), ReceiveError> {
        panic!("no plugin listens")
    }

    async fn webhook(
        &self,
        tenant: &TenantId,
        (plugin, plugin_key): (&PluginId, &str),
        request: Request,
        _: Cause,
    ) -> Result<Answer, ReceiveError> {
        let error =
            |message: &str, refusal| ReceiveError { message: message.to_owned(), refusal, retry_after: None };
        let door = self.webhook_door(tenant, plugin).await?;
        let door = door.filter(|door| door.plugin_key == plugin_key);
        let door = door.ok_or_else(|| error("it is not installed", Refusal::Gone))?;
        if !door.enabled {
            return Err(error("it is switched off", Refusal::NotNow));
        }
        let behaviour = *self.behaviour.lock().unwrap();
        self.given.lock().unwrap().push((tenant.clone(), request));
        let status = match behaviour {
            Behaviour::Answers(status) => status,
            Behaviour::Waits(time) => {
                tokio::time::sleep(time).await;
                200
            }
            Behaviour::Refuses(refusal) => return Err(error("it cannot", refusal)),
            Behaviour::Fails(words) => return Err(error(words, Refusal::Failed)),
        };
        let headers = BTreeMap::from([("x-plugin".to_owned(), "1".to_owned())]);
        Ok(Answer { status, headers, body: Bytes::from_static(b"heard") })
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(15)
    }
}

/// Tokens of an issuer that are their own claims in JSON; all others are forged.
struct PlainTokens;

#[async_trait]
impl VerifyBearer for PlainTokens {
    async fn claims(&self, token: &SecretString, _: &str) -> Result<Value, BearerError> {
        serde_json::from_str(token.expose_secret()).map_err(|_| BearerError::Signature)
    }
}

/// Webhooks, what delivers them, and the plugins that take them.
pub(crate) struct Bench {
    pub(crate) webhooks: Webhooks,
    pub(crate) deliveries: Deliveries,
    pub(crate) installed: Arc<Installed>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ambient: Ambient,
    pub(crate) database: Database,
}

/// A webhook to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) path: String,
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn plugin() -> PluginId {
    "shop".parse().unwrap()
}

impl Bench {
    pub(crate) async fn new(place: &Place) -> Self {
        Self::with(place, 100).await
    }

    /// A bench on which an installation may have so many unfinished webhooks.
    pub(crate) async fn with(place: &Place, most_unfinished: u32) -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let database = place.open(&ambient).await;
        let master = MasterKey::from_base64(&SecretString::from(KEY)).unwrap();
        let sealer = Sealer::open(&database, master, ambient.clone()).await.unwrap();
        let installed = Arc::new(Installed {
            doors: Mutex::default(),
            behaviour: Mutex::new(Behaviour::Answers(200)),
            given: Mutex::default(),
        });
        let client = outbound::Guard::new(outbound::Allow::default(), Vec::default())
            .unwrap()
            .client(&outbound::Settings::default())
            .unwrap();
        let deliveries = Deliveries::new(delivery::Parts {
            database: database.clone(),
            endpoints: Endpoints::new(client, sealer.clone(), ambient.clone()),
            plugins: Some(Arc::<Installed>::clone(&installed)),
            webhooks: Some(Arc::new(StoredWebhooks::new(database.clone()))),
            ambient: ambient.clone(),
        });
        let woken = deliveries.clone();
        let webhooks = Webhooks::new(webhook::Parts {
            database: database.clone(),
            sealer,
            plugins: Arc::<Installed>::clone(&installed),
            tokens: Arc::new(PlainTokens),
            wake: Arc::new(move |queues| woken.wake(queues)),
            public_url: "https://plugins.example".parse().unwrap(),
            settings: webhook::Settings { most_unfinished, retention: Duration::from_hours(30 * 24) },
            ambient: ambient.clone(),
        });
        Self { webhooks, deliveries, installed, clock, ambient, database }
    }

    /// Installs the plugin in `tenant` with this `webhook` in its manifest.
    #[expect(clippy::needless_pass_by_value, reason = "tests write it down where they pass it")]
    pub(crate) fn install(&self, tenant: &TenantId, webhook: Value) {
        let door = WebhookDoor {
            plugin_key: format!("key-of-{tenant}"),
            enabled: true,
            manifest: Some(webhook::Manifest::from_json(&webhook).unwrap()),
            secrets: vec![SecretString::from(SECRET)],
        };
        self.installed.doors.lock().unwrap().insert((tenant.clone(), plugin()), door);
    }

    /// Changes the installation.
    pub(crate) fn change(&self, tenant: &TenantId, change: impl FnOnce(&mut WebhookDoor)) {
        change(self.installed.doors.lock().unwrap().get_mut(&(tenant.clone(), plugin())).unwrap());
    }

    pub(crate) fn uninstall(&self, tenant: &TenantId) {
        self.installed.doors.lock().unwrap().remove(&(tenant.clone(), plugin()));
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.installed.behaviour.lock().unwrap() = behaviour;
    }

    /// What plugins were given so far.
    pub(crate) fn given(&self) -> Vec<(TenantId, Request)> {
        self.installed.given.lock().unwrap().clone()
    }

    /// The secret end of the installation's address.
    pub(crate) async fn token(&self, tenant: &TenantId) -> SecretString {
        let address = self.webhooks.address(tenant, &plugin()).await.unwrap();
        token_of(address.url.expose_secret())
    }

    /// Sends a webhook to the secret address of the installation.
    pub(crate) async fn send(&self, tenant: &TenantId, sent: Sent) -> Result<Taken, Error> {
        let token = self.token(tenant).await;
        self.send_to(Destination::Secret(token), sent).await
    }

    pub(crate) async fn send_to(&self, destination: Destination, sent: Sent) -> Result<Taken, Error> {
        self.send_begun(Instant::now(), destination, sent).await
    }

    /// Sends a webhook that began to come in at this moment.
    pub(crate) async fn send_begun(
        &self,
        begun: Instant,
        destination: Destination,
        sent: Sent,
    ) -> Result<Taken, Error> {
        let headers: HeaderMap = sent
            .headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        let request = WebhookRequest {
            begun,
            room: self.webhooks.room(sent.body.len())?,
            method: "POST".into(),
            path: sent.path,
            query: String::new(),
            visible: headers.clone(),
            headers,
            body: sent.body,
        };
        let door = self.webhooks.door(destination).await?;
        let proven = self.webhooks.verify(door, request).await?;
        self.webhooks.take(proven).await
    }

    /// The states of the tenant's deliveries, the newest first.
    pub(crate) async fn states(&self, tenant: &TenantId) -> Vec<&'static str> {
        let page = self.webhooks.list(tenant, &Filter::default()).await.unwrap();
        page.deliveries.iter().map(|delivery| delivery.state.as_str()).collect()
    }

    /// Has all delivered that is due.
    pub(crate) async fn deliver(&self) {
        self.deliveries.round().await.unwrap();
        self.deliveries.idle().await;
    }

    /// A webhook as GitHub signs it at this moment, by this id.
    pub(crate) fn signed(id: &str, body: &Value) -> Sent {
        Self::signed_with(SECRET, id, body)
    }

    pub(crate) fn signed_with(secret: &str, id: &str, body: &Value) -> Sent {
        let body = Bytes::from(body.to_string());
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = aws_lc_rs::hmac::sign(&key, &body);
        let headers = vec![
            ("x-hub-signature-256".into(), format!("sha256={}", hex::encode(tag.as_ref()))),
            ("x-github-delivery".into(), id.into()),
            ("content-type".into(), "application/json".into()),
        ];
        Sent { headers, body, path: "/".into() }
    }
}

/// The scheme that [`Bench::signed`] signs by.
pub(crate) fn github() -> Value {
    json!({"scheme": "github", "secret": "webhookSecret"})
}

pub(crate) fn token_of(url: &str) -> SecretString {
    SecretString::from(url.rsplit('/').next().unwrap())
}
