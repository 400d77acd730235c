//! The calls of a listing, made directly: the ids, then each message, with one pooled client.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use clap::Args;
use futures::{StreamExt as _, stream};
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::batch::{self, Extent};

/// How many messages of a listing are fetched at once: as many as the connector does.
const DETAILS_AT_ONCE: usize = 8;

/// How many calls are under way at once, of all listings: Jackfield's limit for one host.
const CALLS_AT_ONCE: usize = 64;

/// How many characters a token of the benchmark's provider has.
const TOKEN_LENGTH: usize = 214;

/// Where the mailbox is, and what is done with its messages.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server: `http://HOST:PORT`.
    #[arg(long)]
    address: String,
    /// How many messages to list.
    #[arg(long)]
    messages: usize,
    /// Make a value of each answer's JSON; otherwise a message's bytes are read and kept until the listing ends.
    #[arg(long)]
    parse: bool,
    #[command(flatten)]
    extent: Extent,
}

/// A page of ids.
#[derive(Deserialize)]
struct Found {
    messages: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

/// A client of the mailbox.
struct Mailbox {
    client: Client,
    root: String,
    messages: usize,
    calls: Semaphore,
    authorization: String,
}

/// Lists, and gives what [`batch::run`] does.
pub(crate) async fn run(arguments: Arguments) -> Value {
    let mailbox = Arc::new(Mailbox {
        client: client(),
        root: format!("{}/gmail/v1/users/me/messages", arguments.address),
        messages: arguments.messages,
        calls: Semaphore::new(CALLS_AT_ONCE),
        authorization: format!("Bearer {}", "t".repeat(TOKEN_LENGTH)),
    });
    let is_parsed = arguments.parse;
    let listing = move |_| {
        let mailbox = Arc::clone(&mailbox);
        async move {
            if is_parsed {
                mailbox.listing(|bytes| json::<Value>(&bytes)).await;
            } else {
                mailbox.listing(|bytes| bytes).await;
            }
        }
    };
    batch::run(arguments.extent, listing).await
}

/// As Jackfield's for a host of this machine.
fn client() -> Client {
    let client = Client::builder()
        .no_proxy()
        .referer(false)
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(CALLS_AT_ONCE)
        .user_agent("jackfield-bench");
    client.build().expect("a client")
}

impl Mailbox {
    /// Has all messages at once in the end, as whatever `kept` makes of them.
    async fn listing<T>(&self, kept: impl Fn(Bytes) -> T) {
        let found: Found = json(&self.get(format!("{}?maxResults={}", self.root, self.messages)).await);
        let fetches = found.messages.into_iter().map(|message| {
            let (url, kept) = (format!("{}/{}?format=full", self.root, message.id), &kept);
            async move { kept(self.get(url).await) }
        });
        let messages: Vec<T> = stream::iter(fetches).buffered(DETAILS_AT_ONCE).collect().await;
        assert_eq!(messages.len(), self.messages, "messages");
        black_box(messages);
    }

    async fn get(&self, url: String) -> Bytes {
        let _call = self.calls.acquire().await.expect("never closed");
        let request = self.client.get(url).header("authorization", &self.authorization);
        let answer = request.header("accept", "application/json").send().await.expect("an answer");
        let answer = answer.error_for_status().expect("status 200");
        answer.bytes().await.expect("the whole answer")
    }
}

fn json<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).expect("JSON as Gmail has it")
}
