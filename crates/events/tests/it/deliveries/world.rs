//! Tenants with subscriptions, and receivers that do what the test says.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use events::delivery::{Bounds, Deliveries, Delivery, Filter, Parts, State};
use events::subscription::{self, Actor, Endpoints, NewSubscription, Scope, Subscription, Subscriptions};
use events::{Answer, Cause, FoundHandler, Hook, Plugins, ReceiveError, Refusal, Request, WebhookDoor};
use futures::StreamExt as _;
use model::{Ambient, PluginId, Published, Sender, TenantId};
use outbound::Guard;
use serde_json::{Value, json};
use storage::{Database, LoggedEvent, MasterKey, Sealer, events_after, on};
use testkit::ManualClock;
use tokio::sync::Notify;

use crate::place::Place;

const MASTER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// How long an endpoint may take in tests.
pub(super) const DEADLINE: Duration = Duration::from_secs(4);

/// What a receiver was given.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) at: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Got {
    pub(super) fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The number that the event was published with.
    pub(super) fn number(&self) -> i64 {
        self.event()["data"]["n"].as_i64().unwrap()
    }
}

/// What a receiver answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Behaviour {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) takes: Duration,
    /// It answers nothing until the test ends.
    pub(super) hangs: bool,
    /// It answers its status and headers, and never ends what it says besides.
    pub(super) trails_off: bool,
    /// What a handler says of its failure.
    pub(super) says: Option<&'static str>,
    /// How often it behaves so, before it answers 204; for ever where there is none.
    pub(super) times: Option<u32>,
    /// It behaves so to the event with this number alone.
    pub(super) only: Option<i64>,
}

#[derive(Default)]
struct Known {
    got: Vec<Got>,
    behaviours: BTreeMap<String, Behaviour>,
    hooks: Vec<(TenantId, Hook)>,
    /// Told when somebody asks for a handler, who waits then until the other is told.
    asking: Option<(Arc<Notify>, Arc<Notify>)>,
    /// Tenants of whom it cannot be told what their plugins want.
    untold: Vec<TenantId>,
}

/// A database, a clock, and receivers.
pub(super) struct World {
    known: Mutex<Known>,
    origin: String,
    pub(super) database: Database,
    pub(super) clock: Arc<ManualClock>,
    pub(super) ambient: Ambient,
    place: Place,
}

pub(super) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(super) fn by(tenant: &TenantId) -> Actor<'_> {
    Actor { tenant, reach: Scope::Tenant, by: "u1" }
}

/// A process: what delivers, and what keeps subscriptions.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) deliveries: Deliveries,
    pub(super) subscriptions: Subscriptions,
}

impl Process {
    /// Does all that is to be done at this time.
    pub(super) async fn settle(&self) {
        for _ in 0..3 {
            self.deliveries.round().await.unwrap();
            self.deliveries.idle().await;
        }
    }
}

impl World {
    pub(super) async fn new(place: Place) -> Arc<Self> {
        let (clock, ambient) = ManualClock::ambient();
        let database = place.open(&ambient).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let known = Mutex::default();
        let world = Arc::new(Self { known, origin, database, clock, ambient, place });
        let routes =
            Router::new().route("/{*at}", axum::routing::any(receive)).with_state(Arc::clone(&world));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        world
    }

    pub(super) async fn process(self: &Arc<Self>) -> Process {
        self.process_with(DEADLINE, Bounds::default()).await
    }

    /// A process that gives endpoints so long to answer, with these bounds.
    pub(super) async fn process_with(self: &Arc<Self>, deadline: Duration, bounds: Bounds) -> Process {
        let database = self.place.open(&self.ambient).await;
        let master = MasterKey::from_base64(&MASTER_KEY.into()).unwrap();
        let sealer = Sealer::open(&database, master, self.ambient.clone()).await.unwrap();
        let guard = Guard::new("127.0.0.0/8".parse().unwrap(), Vec::new()).unwrap();
        let client = guard.client(&outbound::Settings { deadline: None, ..Default::default() }).unwrap();
        let endpoints = Endpoints::new(client, sealer, self.ambient.clone()).with_deadline(deadline);
        let plugins = Some(Arc::clone(self) as Arc<dyn Plugins>);
        let ambient = self.ambient.clone();
        let delivery_parts = Parts {
            database: database.clone(),
            endpoints: endpoints.clone(),
            plugins: plugins.clone(),
            webhooks: None,
            ambient: ambient.clone(),
        };
        let deliveries = Deliveries::with_bounds(delivery_parts, bounds);
        let parts = subscription::Parts {
            database,
            endpoints,
            plugins,
            deliveries: deliveries.clone(),
            most_per_tenant: 100,
            ambient,
        };
        Process { deliveries, subscriptions: Subscriptions::new(parts) }
    }

    pub(super) fn url(&self, at: &str) -> String {
        format!("{}/{at}", self.origin)
    }

    pub(super) fn behave(&self, at: &str, behaviour: Behaviour) {
        self.known.lock().unwrap().behaviours.insert(at.to_owned(), behaviour);
    }

    pub(super) fn fail(&self, at: &str, status: u16, times: Option<u32>) {
        self.behave(at, Behaviour { status, times, ..Behaviour::default() });
    }

    pub(super) fn well(&self, at: &str) {
        self.known.lock().unwrap().behaviours.remove(at);
    }

    pub(super) fn got(&self, at: &str) -> Vec<Got> {
        self.known.lock().unwrap().got.iter().filter(|got| got.at == at).cloned().collect()
    }

    pub(super) fn numbers(&self, at: &str) -> Vec<i64> {
        self.got(at).iter().map(Got::number).collect()
    }

    pub(super) fn hook(&self, at: &TenantId, plugin: &str, pattern: &str) {
        let hook = Hook {
            plugin: plugin.parse().unwrap(),
            plugin_key: format!("key-{plugin}"),
            pattern: pattern.parse().unwrap(),
            handler: "onEvent".into(),
        };
        self.known.lock().unwrap().hooks.push((at.clone(), hook));
    }

    /// Has the next who asks for a handler wait. The first is told once somebody does, the second lets it go on.
    pub(super) fn hold_asking(&self) -> (Arc<Notify>, Arc<Notify>) {
        let held = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        self.known.lock().unwrap().asking = Some(held.clone());
        held
    }

    /// Of which tenants it cannot be told what their plugins want.
    pub(super) fn untold(&self, tenants: &[&TenantId]) {
        self.known.lock().unwrap().untold = tenants.iter().copied().cloned().collect();
    }

    /// Waits until a statement waits for another transaction. For PostgreSQL.
    pub(super) async fn someone_waits(&self) {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let begun = std::time::Instant::now();
        while self.count(waiting).await == 0 {
            assert!(begun.elapsed() < Duration::from_secs(15), "nobody waits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A subscription to `types` whose endpoint is at `at`, and its secret.
    pub(super) async fn subscribe(
        &self,
        process: &Process,
        of: &TenantId,
        (types, at): (&[&str], &str),
    ) -> (Subscription, String) {
        let wanted = NewSubscription {
            types: types.iter().map(ToString::to_string).collect(),
            scope: Scope::Tenant,
            endpoint: Some(self.url(at)),
            handler: None,
            description: None,
        };
        let (subscription, secret) = process.subscriptions.create(by(of), wanted).await.unwrap();
        (subscription, secrecy::ExposeSecret::expose_secret(&secret.unwrap()).to_owned())
    }

    /// Publishes events `from..to` of a type, with the key that `key` says.
    pub(super) async fn publish(
        &self,
        of: &TenantId,
        kind: &str,
        (from, to): (i64, i64),
        key: impl Fn(i64) -> String,
    ) {
        for start in (from..to).step_by(5000) {
            let mut tx = self.database.begin().await.unwrap();
            for number in start..to.min(start + 5000) {
                let key = Some(key(number)).filter(|key| !key.is_empty());
                tx.publish(Published {
                    tenant: of.clone(),
                    kind: kind.parse().unwrap(),
                    source: "tests".into(),
                    id: format!("e{number}"),
                    subject: None,
                    key,
                    sender: Sender::ApiKey("k1".into()),
                    hops: 0,
                    attributes: Value::Null,
                    data: json!({"n": number}),
                });
            }
            tx.commit().await.unwrap();
        }
    }

    pub(super) async fn deliveries(&self, process: &Process, of: &TenantId, filter: Filter) -> Vec<Delivery> {
        let page = process.deliveries.list((of, Scope::Tenant), &filter, None, Some(200)).await.unwrap();
        page.deliveries
    }

    pub(super) async fn states(&self, process: &Process, of: &TenantId) -> Vec<(State, i64)> {
        let all = self.deliveries(process, of, Filter::default()).await;
        all.iter().map(|delivery| (delivery.state, delivery.attempts)).collect()
    }

    pub(super) async fn logged(&self, kind: model::EventKind) -> Vec<LoggedEvent> {
        let mut conn = self.database.read().await.unwrap();
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = events_after(&mut conn, after).await.unwrap();
            let Some(last) = page.last() else { return found };
            after = last.seq;
            found.extend(page.into_iter().filter(|event| event.kind == kind.as_str()));
        }
    }

    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        let mut conn = self.database.read().await.unwrap();
        let (count,): (i64,) = on!(conn, |c| sqlx::query_as(sql).fetch_one(c).await).unwrap();
        count
    }

    pub(super) async fn execute(&self, sql: &'static str) {
        let mut tx = self.database.begin().await.unwrap();
        on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
    }

    /// Notes what came, and says how to answer.
    fn note(&self, got: Got) -> Option<Behaviour> {
        let mut known = self.known.lock().unwrap();
        let (at, number) = (got.at.clone(), got.event()["data"]["n"].as_i64());
        known.got.push(got);
        let behaviour = known.behaviours.get_mut(&at)?;
        if behaviour.only.is_some() && behaviour.only != number {
            return None;
        }
        if let Some(times) = &mut behaviour.times {
            *times = times.checked_sub(1)?;
        }
        Some(behaviour.clone())
    }
}

async fn receive(
    Shared(world): Shared<Arc<World>>,
    Path(at): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let got = Got { at, headers: headers.collect(), body: String::from_utf8(body.to_vec()).unwrap() };
    let Some(behaviour) = world.note(got) else { return StatusCode::NO_CONTENT.into_response() };
    if behaviour.hangs {
        // Who gives up waiting drops this.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(behaviour.takes).await;
    let status = StatusCode::from_u16(behaviour.status.max(200)).unwrap();
    let mut response = if behaviour.trails_off {
        let words = futures::stream::iter([Ok::<_, Infallible>("so")]).chain(futures::stream::pending());
        (status, Body::from_stream(words)).into_response()
    } else {
        status.into_response()
    };
    for (name, value) in behaviour.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

#[async_trait]
impl Plugins for World {
    async fn hooks(&self, tenant: &TenantId) -> Result<Vec<Hook>, ReceiveError> {
        let known = self.known.lock().unwrap();
        if known.untold.contains(tenant) {
            let message = "not at the moment".into();
            return Err(ReceiveError { message, refusal: Refusal::NotNow, retry_after: None });
        }
        Ok(known.hooks.iter().filter(|(of, _)| of == tenant).map(|(_, hook)| hook.clone()).collect())
    }

    async fn handler(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        name: &str,
    ) -> Result<FoundHandler, ReceiveError> {
        let asking = self.known.lock().unwrap().asking.take();
        if let Some((asked, go_on)) = asking {
            asked.notify_one();
            go_on.notified().await;
        }
        let known = self.known.lock().unwrap();
        let hook = known.hooks.iter().find(|(of, hook)| of == tenant && hook.plugin == *plugin);
        Ok(match hook {
            None => FoundHandler::NotInstalled,
            Some(_) if !["onEvent", "onOther"].contains(&name) => FoundHandler::Unknown,
            Some((_, hook)) => FoundHandler::Known { plugin_key: hook.plugin_key.clone() },
        })
    }

    async fn webhook_door(
        &self,
        _: &TenantId,
        _: &PluginId,
    ) -> Result<Option<Arc<WebhookDoor>>, ReceiveError> {
        panic!("these tests have no webhooks")
    }

    async fn event(
        &self,
        _: &TenantId,
        hook: &Hook,
        event: &Value,
        cause: Cause,
    ) -> Result<(), ReceiveError> {
        let headers = BTreeMap::from([
            ("handler".to_owned(), hook.handler.clone()),
            ("hops".to_owned(), cause.hops.to_string()),
        ]);
        let got = Got { at: hook.plugin.to_string(), headers, body: event.to_string() };
        match self.note(got) {
            None => Ok(()),
            Some(behaviour) => Err(ReceiveError {
                message: match behaviour.says {
                    Some(words) => words.to_owned(),
                    None => format!("the handler failed with {}", behaviour.status),
                },
                refusal: match behaviour.status {
                    410 => Refusal::Gone,
                    503 => Refusal::NotNow,
                    _ => Refusal::Failed,
                },
                retry_after: None,
            }),
        }
    }

    async fn webhook(
        &self,
        _: &TenantId,
        _: (&PluginId, &str),
        _: Request,
        _: Cause,
    ) -> Result<Answer, ReceiveError> {
        panic!("these tests have no webhooks")
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(5)
    }
}
