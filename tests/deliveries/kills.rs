//! kill -9 at random moments, between store and answer, between delivery and its being written down: every event and every
//! webhook that was accepted is delivered at least once, with the same id, and in order per key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use model::Ambient;
use reqwest::Method;
use serde_json::json;
use testkit::{Backend, Builder, Nats, TestServer};

use super::peers::Receiver;
use super::{address, booked, client, shop_and_ledger, signed, until};
use crate::deployment::{ADMIN, Deployment, POSTGRES};
use crate::server;

/// 32 bytes in base64: replicas seal with one key.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How often a server is killed.
const KILLS: usize = 5;
/// Keys whose events must stay in order.
const KEYS: usize = 6;
/// Longer than the lease of one who was killed, and a few repetitions.
const DEADLINE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn nothing_is_lost_on_sqlite() {
    let backend = Backend::files();
    let builder = configured(&backend);
    run(backend, vec![builder]).await;
}

#[tokio::test]
async fn nothing_is_lost_with_two_replicas_on_postgres() {
    let backend = Backend::servers(&POSTGRES).unwrap();
    let builders = (0..2).map(|_| configured(&backend)).collect();
    run(backend, builders).await;
}

#[tokio::test]
async fn nothing_is_lost_with_two_replicas_and_nats() {
    let nats = Nats::start().unwrap();
    let backend = Backend::servers(&POSTGRES).unwrap();
    let builders = (0..2).map(|_| configured(&backend).set("NATS_URL", nats.url())).collect();
    run(backend, builders).await;
}

fn configured(backend: &Backend) -> Builder {
    backend.configure(server()).set("ENCRYPTION_KEY", KEY).set("OUTBOUND_ALLOW", "127.0.0.1")
}

/// The servers by turns: who finds one gone tries the next.
struct Replicas {
    bases: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Replicas {
    fn base(&self, turn: usize) -> String {
        let bases = self.bases.lock().unwrap();
        bases[turn % bases.len()].clone()
    }
}

async fn run(backend: Backend, builders: Vec<Builder>) {
    let servers: Vec<TestServer> = builders.into_iter().map(|builder| builder.start().unwrap()).collect();
    let mut servers = servers.into_iter();
    let deployment = Deployment { server: servers.next().unwrap(), backend };
    shop_and_ledger(&deployment).await;
    let path = address(&deployment).await;
    // Now and then it refuses what it is given: then the next of the key waits for 5 s, and twice would be for minutes.
    let receiver = Receiver::start(|n, is_known| {
        if !is_known && n % 97 == 96 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    })
    .await;
    let subscription = json!({"types": ["load.*"], "endpoint": {"url": receiver.url}});
    deployment.post(ADMIN, "/subscriptions", &subscription).await.expect(201);

    let mut all = vec![deployment.server];
    all.extend(servers);
    let bases = Mutex::new(all.iter().map(|server| server.base().to_owned()).collect());
    let replicas = Replicas { bases, stop: AtomicBool::new(false) };
    let publishing = futures::future::join_all((0..KEYS).map(|key| publish(&replicas, key)));
    let sending = send(&replicas, &path);
    let (all, published, sent) = tokio::join!(kill(all, &replicas), publishing, sending);
    let mut all = all.into_iter();
    let deployment = Deployment { server: all.next().unwrap(), backend: deployment.backend };

    let published: BTreeMap<String, u64> =
        published.into_iter().enumerate().map(|(key, count)| (format!("k{key}"), count)).collect();
    assert!(published.values().all(|count| *count > 5), "{published:?}");
    let missing = || -> Vec<(String, Vec<u64>)> {
        let taken = receiver.taken_by_key();
        let of_key = |(key, count): (&String, &u64)| {
            let taken = taken.get(key).cloned().unwrap_or_default();
            let missing: Vec<u64> = (0..*count).filter(|number| !taken.contains(number)).collect();
            (!missing.is_empty()).then(|| (key.clone(), missing))
        };
        published.iter().filter_map(of_key).collect()
    };
    let began = Instant::now();
    while !missing().is_empty() {
        if began.elapsed() > DEADLINE {
            let waiting = deployment.get_as(ADMIN, "/events/deliveries?state=pending").await;
            panic!("events are missing: {:?}; {}", missing(), waiting.text);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (key, numbers) in receiver.taken_by_key() {
        assert!(numbers.is_sorted(), "{key} came out of order: {numbers:?}");
    }
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for given in receiver.given() {
        ids.entry(given.event["id"].to_string()).or_default().insert(given.webhook_id);
    }
    assert!(ids.values().all(|ids| ids.len() == 1), "an event keeps its id over repetitions: {ids:?}");

    assert!(sent.len() > 5, "{sent:?}");
    until("webhooks are missing", DEADLINE, async || {
        let booked: BTreeSet<String> = booked(&deployment).await.into_iter().collect();
        Some(sent.is_subset(&booked))
    })
    .await;
}

/// Kills one server after the other at random moments, and starts it again.
async fn kill(mut servers: Vec<TestServer>, replicas: &Replicas) -> Vec<TestServer> {
    for turn in 0..KILLS {
        let random = f64::from(u16::from_be_bytes(Ambient::system().bytes())) / 65_536.0;
        tokio::time::sleep(Duration::from_millis(700) + Duration::from_secs(2).mul_f64(random)).await;
        let which = turn % servers.len();
        let server = servers.remove(which);
        let restarted =
            tokio::task::spawn_blocking(move || server.crash_and_restart().unwrap()).await.unwrap();
        restarted.base().clone_into(&mut replicas.bases.lock().unwrap()[which]);
        servers.insert(which, restarted);
    }
    replicas.stop.store(true, Ordering::SeqCst);
    servers
}

/// Publishes events of one key, each until it is accepted. Gives how many.
async fn publish(replicas: &Replicas, key: usize) -> u64 {
    let client = client();
    let mut turn = key;
    for number in 0.. {
        if replicas.stop.load(Ordering::SeqCst) {
            return number;
        }
        let event = json!({
            "specversion": "1.0", "type": "load.made", "source": "test", "id": format!("{key}-{number}"),
            "partitionkey": format!("k{key}"), "data": {"n": number},
        });
        loop {
            let request = client.request(Method::POST, format!("{}/events", replicas.base(turn)));
            let request = request.bearer_auth(testkit::token(ADMIN.0, ADMIN.1));
            let request =
                request.header("content-type", "application/cloudevents+json").body(event.to_string());
            match request.send().await {
                Ok(answer) if answer.status() == 202 => break,
                Ok(answer) => assert!(answer.status().is_server_error(), "{}", answer.text().await.unwrap()),
                Err(_) => {}
            }
            turn += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    0
}

/// Sends webhooks, each until it is accepted. Gives their ids.
async fn send(replicas: &Replicas, path: &str) -> BTreeSet<String> {
    let client = client();
    let (mut sent, mut turn) = (BTreeSet::new(), 0);
    while !replicas.stop.load(Ordering::SeqCst) {
        let id = format!("p{}", sent.len());
        loop {
            let url = format!("{}{path}", replicas.base(turn));
            match signed(&client, &url, &json!({"id": id})).send().await {
                Ok(answer) if answer.status().is_success() => break,
                Ok(answer) => assert!(answer.status().is_server_error(), "{}", answer.text().await.unwrap()),
                Err(_) => {}
            }
            turn += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sent.insert(id);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sent
}
