//! Tokens in the vault for `bench/run`: makes many connections with real sealed tokens, and measures opening them.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to go on with")]
#![expect(clippy::print_stderr, reason = "there is nobody else to tell")]
#![expect(clippy::print_stdout, reason = "its result is its output")]

mod fill;
mod open;

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use connections::catalog::{ProviderId, Rotation};
use connections::connection::Tokens;
use connections::protocol::CallError;
use connections::vault::{Grant, Redeem, Settings, Vault};
use model::Ambient;
use storage::{Database, MasterKey, Migration, Sealer};

const USAGE: &str = "usage: tokens fill|open DATABASE-URL MASTER-KEY CONNECTIONS";
const MIGRATIONS: &[&[Migration]] = &[storage::MIGRATIONS, connections::MIGRATIONS];
/// How many connections each tenant has.
const PER_TENANT: usize = 100;

/// Refresh tokens are for one use, as the provider of the benchmark has it. Nothing is due while this program runs.
struct NeverAsked;

#[async_trait]
impl Redeem for NeverAsked {
    async fn redeem(&self, _: &Grant) -> Result<Tokens, CallError> {
        Err(CallError::InvalidClient)
    }

    fn rotation(&self, _: &ProviderId) -> Rotation {
        Rotation { rotates: true, ..Rotation::default() }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, url, key, count] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let Ok(count) = count.parse() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match verb.as_str() {
        "fill" => println!("{}", runtime.block_on(filled(url, key, count))),
        "open" => println!("{}", runtime.block_on(opened(url, key, count))),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

async fn filled(url: &str, key: &str, count: usize) -> serde_json::Value {
    let (database, sealer) = storage(url, key).await;
    let keys = fill::run(&database, &sealer, count).await;
    let minutes = fill::due_by_minute(&database).await;
    database.close().await;
    serde_json::json!({ "connections": keys.len(), "due_by_minute": minutes })
}

async fn opened(url: &str, key: &str, count: usize) -> serde_json::Value {
    let (database, sealer) = storage(url, key).await;
    let keys = fill::run(&database, &sealer, count).await;
    open::run(&database, &sealer, &keys).await
}

async fn storage(url: &str, key: &str) -> (Database, Sealer) {
    let url = url.parse().expect("an address of a database");
    let database = Database::open(&url, MIGRATIONS, Ambient::system()).await.expect("the database");
    let master = MasterKey::from_base64(&key.into()).expect("32 bytes in base64");
    let sealer = Sealer::open(&database, master, Ambient::system()).await.expect("the database's own key");
    (database, sealer)
}

/// A vault with nothing in memory.
fn vault(database: &Database, sealer: &Sealer) -> Vault {
    Vault::new(database.clone(), sealer.clone(), Arc::new(NeverAsked), Ambient::system(), Settings::default())
}
