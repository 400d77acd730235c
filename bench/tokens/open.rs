//! How long it takes to get a token that is sealed in the database, and one that is in memory.

use std::time::Instant;

use connections::connection::CredentialKey;
use secrecy::ExposeSecret as _;
use storage::{Database, Sealer};

/// How often each token is asked for again.
const ROUNDS: usize = 100;

/// Asks for each token once, and then for all of them many times over. Times are in microseconds. The first time, the
/// row of the token and that of its tenant's key are read, the key is unwrapped and the token opened.
pub(crate) async fn run(database: &Database, sealer: &Sealer, keys: &[CredentialKey]) -> serde_json::Value {
    let vault = crate::vault(database, sealer);
    let keys = shuffled(keys);
    let mut first = Vec::with_capacity(keys.len());
    for key in &keys {
        let started = Instant::now();
        let token = vault.access_token(key).await.expect("a token");
        first.push(microseconds(started));
        assert!(!token.secret.expose_secret().is_empty());
    }
    let mut again = Vec::with_capacity(keys.len() * ROUNDS);
    let whole = Instant::now();
    for _ in 0..ROUNDS {
        for key in &keys {
            let started = Instant::now();
            let token = vault.access_token(key).await.expect("a token");
            again.push(microseconds(started));
            drop(token);
        }
    }
    let cached_seconds = whole.elapsed().as_secs_f64();
    serde_json::json!({
        "credentials": keys.len(),
        "sealed": summary(&mut first),
        "cached": summary(&mut again),
        "cached_seconds": cached_seconds,
    })
}

/// In an order that neither the database's pages nor the cache's know.
fn shuffled(keys: &[CredentialKey]) -> Vec<&CredentialKey> {
    let mut keys: Vec<&CredentialKey> = keys.iter().collect();
    // The last characters of an id are random.
    keys.sort_by_cached_key(|key| key.connection.chars().rev().collect::<String>());
    keys
}

fn microseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

fn summary(times: &mut [f64]) -> serde_json::Value {
    times.sort_by(f64::total_cmp);
    let at = |thousandths: usize| times.get(times.len().saturating_sub(1) * thousandths / 1000);
    serde_json::json!({ "count": times.len(), "p50": at(500), "p99": at(990), "p999": at(999) })
}
