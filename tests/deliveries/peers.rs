//! A receiver elsewhere that writes down what it is given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a receiver was given once, whatever it has answered.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) webhook_id: String,
    pub(super) event: Value,
    /// Whether it was taken.
    pub(super) taken: bool,
}

/// How a receiver answers the `n`th that it is given, which it may have been given before.
type Manners = fn(usize, bool) -> StatusCode;

#[derive(Clone)]
struct Seen {
    given: Arc<Mutex<Vec<Given>>>,
    manners: Manners,
}

/// An HTTP server on loopback.
pub(super) struct Receiver {
    pub(super) url: String,
    given: Arc<Mutex<Vec<Given>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(super) async fn start(manners: Manners) -> Self {
        let seen = Seen { given: Arc::default(), manners };
        let given = Arc::clone(&seen.given);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(take)).with_state(seen);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, given, task }
    }

    /// All that it was given so far, in the order of coming.
    pub(super) fn given(&self) -> Vec<Given> {
        self.given.lock().unwrap().clone()
    }

    /// What it has taken, by key, each event once: the first time.
    pub(super) fn taken_by_key(&self) -> BTreeMap<String, Vec<u64>> {
        let mut by_key: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for given in self.given().into_iter().filter(|given| given.taken) {
            let (key, number) = (&given.event["partitionkey"], &given.event["data"]["n"]);
            let numbers = by_key.entry(key.as_str().unwrap_or_default().to_owned()).or_default();
            let number = number.as_u64().unwrap();
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        by_key
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(seen): State<Seen>, headers: HeaderMap, body: String) -> StatusCode {
    let event: Value = serde_json::from_str(&body).unwrap();
    let mut given = seen.given.lock().unwrap();
    let webhook_id = headers["webhook-id"].to_str().unwrap().to_owned();
    let is_known = given.iter().any(|given| given.webhook_id == webhook_id);
    let status = (seen.manners)(given.len(), is_known);
    given.push(Given { webhook_id, event, taken: status.is_success() });
    status
}
