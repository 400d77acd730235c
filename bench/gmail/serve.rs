//! Gmail's answers, encoded once: after that, one costs a lookup. It waits before each as long as it is told to.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use clap::Args;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::mail;

/// The mailbox, and how quick it is.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How many messages there are.
    #[arg(long)]
    messages: usize,
    /// How long each answer takes.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
}

/// The answers, and how often they were asked for.
struct Mailbox {
    count: usize,
    list: Bytes,
    messages: HashMap<String, Bytes>,
    delay: Duration,
    lists: AtomicUsize,
    details: AtomicUsize,
}

/// Serves until the process is ended.
pub(crate) async fn run(arguments: &Arguments) {
    let encoded = |number| (mail::id(number), Bytes::from(pretty(&mail::message(number))));
    let mailbox = Arc::new(Mailbox {
        count: arguments.messages,
        list: pretty(&mail::list(arguments.messages)).into(),
        messages: (0..arguments.messages).map(encoded).collect(),
        delay: Duration::from_millis(arguments.delay_ms),
        lists: AtomicUsize::new(0),
        details: AtomicUsize::new(0),
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of loopback");
    let port = listener.local_addr().expect("its address").port();
    let sizes: Vec<usize> = mailbox.messages.values().map(Bytes::len).collect();
    println!("{}", serde_json::json!({ "port": port, "message_bytes": sizes }));
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a stream of TCP"));
    let routes = Router::new()
        .route("/gmail/v1/users/me/messages", get(list))
        .route("/gmail/v1/users/me/messages/{id}", get(message))
        .route("/calls", get(calls))
        .with_state(mailbox);
    axum::serve(listener, routes).await.expect("a server of HTTP");
}

/// With two blanks for each level, as Gmail writes where nothing else is asked for.
fn pretty(value: &serde_json::Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("JSON")
}

/// How much is listed.
#[derive(Deserialize)]
struct ListQuery {
    #[serde(rename = "maxResults")]
    max_results: usize,
}

/// How much of a message is told.
#[derive(Deserialize)]
struct MessageQuery {
    format: String,
}

async fn list(
    State(mailbox): State<Arc<Mailbox>>,
    headers: HeaderMap,
    Query(ListQuery { max_results }): Query<ListQuery>,
) -> Result<impl IntoResponse, StatusCode> {
    mailbox.lists.fetch_add(1, Ordering::Relaxed);
    let is_known = max_results == mailbox.count;
    mailbox.answer(&headers, is_known.then_some(&mailbox.list).ok_or(StatusCode::BAD_REQUEST)).await
}

async fn message(
    State(mailbox): State<Arc<Mailbox>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(MessageQuery { format }): Query<MessageQuery>,
) -> Result<impl IntoResponse, StatusCode> {
    mailbox.details.fetch_add(1, Ordering::Relaxed);
    let found = if format == "full" {
        mailbox.messages.get(&id).ok_or(StatusCode::NOT_FOUND)
    } else {
        Err(StatusCode::BAD_REQUEST)
    };
    mailbox.answer(&headers, found).await
}

impl Mailbox {
    async fn answer(
        &self,
        headers: &HeaderMap,
        found: Result<&Bytes, StatusCode>,
    ) -> Result<impl IntoResponse + use<>, StatusCode> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        if !headers.contains_key(AUTHORIZATION) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let said = [
            (CONTENT_TYPE, "application/json; charset=UTF-8"),
            (CACHE_CONTROL, "no-cache, no-store, max-age=0, must-revalidate"),
            (VARY, "Origin, X-Origin, Referer"),
        ];
        Ok((said, found?.clone()))
    }
}

/// `{"lists", "messages"}`: how often each was asked for.
async fn calls(State(mailbox): State<Arc<Mailbox>>) -> String {
    let [lists, messages] = [&mailbox.lists, &mailbox.details].map(|calls| calls.load(Ordering::Relaxed));
    serde_json::json!({ "lists": lists, "messages": messages }).to_string()
}
