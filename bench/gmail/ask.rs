//! A caller, or many: asks for one address and throws the answers away.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, StatusCode};

use crate::batch::{self, Extent};

/// What to ask for, and as whom.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The address.
    #[arg(long)]
    url: String,
    /// A file with a token on each line. Each request carries the next of them, and after the last the first again.
    #[arg(long)]
    tokens: PathBuf,
    #[command(flatten)]
    extent: Extent,
}

/// Asks, and gives what [`batch::run`] does. Each time is up to the last byte of the answer.
pub(crate) async fn run(arguments: Arguments) -> serde_json::Value {
    let text = std::fs::read_to_string(&arguments.tokens).expect("a file of tokens");
    let tokens: Arc<[String]> = text.lines().map(|token| format!("Bearer {token}")).collect();
    assert!(!tokens.is_empty(), "a token");
    // Longer than Jackfield itself waits, so that it is heard what that says.
    let client = Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().expect("a client");
    let (url, extent) = (Arc::<str>::from(arguments.url), arguments.extent);
    let asked = move |number: usize| {
        let (client, url, tokens) = (client.clone(), Arc::clone(&url), Arc::clone(&tokens));
        async move {
            let token = tokens.get(number % tokens.len()).expect("a token");
            ask(&client, &url, token).await;
        }
    };
    batch::run(extent, asked).await
}

async fn ask(client: &Client, url: &str, authorization: &str) {
    let request = client.get(url).header("authorization", authorization);
    let mut answer = request.send().await.expect("an answer");
    let status = answer.status();
    assert!(status == StatusCode::OK, "{status}: {}", answer.text().await.unwrap_or_default());
    while answer.chunk().await.expect("the whole answer").is_some() {}
}
