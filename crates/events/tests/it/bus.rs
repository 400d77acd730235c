//! A log, who publishes into it, and who follows it.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use events::feed::{Audience, Bounds, Feed, Follower, Following, Listens, Readable, Relay, Step, Topic};
use events::publish::{Publisher, structured};
use model::{Ambient, Event, EventKind, EventPattern, Sender, TenantId};
use serde_json::json;
use storage::Database;
use tokio::task::JoinSet;

use crate::place::Place;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What plugins listen to, as the test says, and how often that was asked.
#[derive(Debug, Default)]
pub(crate) struct Listened {
    patterns: Mutex<Vec<EventPattern>>,
    pub(crate) asked: AtomicUsize,
}

#[async_trait]
impl Listens for Listened {
    async fn listens(&self, _: &TenantId) -> Result<Vec<EventPattern>, events::Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.patterns.lock().unwrap().clone())
    }
}

/// One process with its part of the bus.
pub(crate) struct Bus {
    pub(crate) database: Database,
    pub(crate) publisher: Publisher,
    pub(crate) feed: Feed,
    pub(crate) listened: Arc<Listened>,
    _tasks: JoinSet<()>,
}

pub(crate) const BOUNDS: Bounds = Bounds { streams: 2000, streams_per_tenant: 1500 };

impl Bus {
    pub(crate) async fn start(place: &Place) -> Self {
        Self::start_at(place, &Ambient::system()).await
    }

    /// A process that has the NATS server of this URL besides.
    pub(crate) async fn start_with(place: &Place, nats: &str) -> Self {
        Self::start_by(place, &Ambient::system(), Some(nats)).await
    }

    pub(crate) async fn start_at(place: &Place, ambient: &Ambient) -> Self {
        Self::start_by(place, ambient, place.nats()).await
    }

    async fn start_by(place: &Place, ambient: &Ambient, nats: Option<&str>) -> Self {
        let database = place.open(ambient).await;
        let relay = match nats {
            Some(url) => Some(Relay::connect(&url.into(), database.clone(), ambient.clone()).await.unwrap()),
            None => None,
        };
        let listened = Arc::new(Listened::default());
        let listens = Arc::clone(&listened) as Arc<dyn Listens>;
        let feed = Feed::new(database.clone(), listens, relay, BOUNDS, ambient.clone());
        let publisher = Publisher::new(database.clone(), ambient.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(feed.clone().run());
        let listening = database.clone();
        tasks.spawn(async move { listening.listen().await });
        Self { database, publisher, feed, listened, _tasks: tasks }
    }

    pub(crate) fn listens_to(&self, patterns: &[&str]) {
        *self.listened.patterns.lock().unwrap() = types(patterns);
    }

    /// Publishes an event of this type, whose data is `number`.
    pub(crate) async fn say(&self, tenant: &str, kind: &str, number: usize) {
        self.say_all(tenant, kind, number..number + 1).await;
    }

    /// The same of several, a hundred at once.
    pub(crate) async fn say_all(&self, tenant: &str, kind: &str, numbers: Range<usize>) {
        for begin in numbers.clone().step_by(100) {
            let event = |number: usize| {
                let event = json!({
                    "specversion": "1.0", "id": format!("{kind}-{number}"), "source": "/test", "type": kind, "data": number,
                });
                structured(event.to_string().as_bytes()).unwrap()
            };
            let events = (begin..numbers.end.min(begin + 100)).map(event).collect();
            self.publisher.publish(&id(tenant), &Sender::ApiKey("k".into()), events).await.unwrap();
        }
    }

    /// Records what this server itself does.
    pub(crate) async fn record(&self, tenant: Option<&str>, kind: EventKind) {
        let mut tx = self.database.begin().await.unwrap();
        tx.record(Event { tenant: tenant.map(id), kind, subject: "notes".into(), data: json!({}) });
        tx.commit().await.unwrap();
    }

    pub(crate) async fn follow(&self, tenant: &str, after: Option<i64>) -> Follower {
        self.feed.follow(following(Some(tenant), after)).await.unwrap()
    }
}

pub(crate) fn id(tenant: &str) -> TenantId {
    tenant.parse().unwrap()
}

pub(crate) fn types(patterns: &[&str]) -> Vec<EventPattern> {
    patterns.iter().map(|text| text.parse().unwrap()).collect()
}

pub(crate) fn following(tenant: Option<&str>, after: Option<i64>) -> Following {
    Following {
        tenant: tenant.map(id),
        topic: Topic::Events,
        types: Vec::new(),
        readable: Readable::All,
        audience: Audience::Known,
        after,
    }
}

/// The type and the data of the next event.
pub(crate) async fn next(follower: &mut Follower) -> (String, String) {
    match tokio::time::timeout(PATIENCE, follower.next()).await.expect("an event comes").unwrap() {
        Step::Event(told) => (told.event().kind.clone(), told.event().data.clone()),
        other => panic!("{other:?}"),
    }
}

/// The data of the next `count` events.
pub(crate) async fn numbers(follower: &mut Follower, count: usize) -> Vec<usize> {
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        numbers.push(next(follower).await.1.parse().unwrap());
    }
    numbers
}

/// Whether nothing comes for a moment.
pub(crate) async fn is_silent(follower: &mut Follower) -> bool {
    tokio::time::timeout(Duration::from_millis(150), follower.next()).await.is_err()
}
