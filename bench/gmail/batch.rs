//! Doing the same many times: one after the other, or many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Args;
use tokio::task::JoinSet;

use crate::meter::{self, Meter};

/// How many are done before those that count: enough to have all connections that one host is reached over.
const MOST_TO_WARM: usize = 8;

/// How often, and how many at once.
#[derive(Args, Clone, Copy)]
pub(crate) struct Extent {
    /// How often.
    #[arg(long, default_value_t = 1)]
    times: usize,
    /// How many at once.
    #[arg(long, default_value_t = 1)]
    concurrent: usize,
}

/// Does `listing` as often as that, its number given, and before that a few times without counting them. Gives
/// `{"listings", "seconds": […], "wall_seconds", "cpu_seconds", "max_rss_kib"}`: how many were done in all, and of those that
/// count the time of each, of all together, and this process's.
pub(crate) async fn run<L, F>(extent: Extent, listing: L) -> serde_json::Value
where
    L: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let warm = extent.concurrent.min(MOST_TO_WARM);
    at_once(Extent { times: warm, concurrent: warm }, listing.clone()).await;
    let meter = Meter::start();
    let seconds = at_once(extent, listing).await;
    let (wall, cpu) = meter.read();
    serde_json::json!({
        "listings": warm + seconds.len(),
        "seconds": seconds,
        "wall_seconds": wall.as_secs_f64(),
        "cpu_seconds": cpu.as_secs_f64(),
        "max_rss_kib": meter::max_rss_kib(),
    })
}

/// Gives the seconds of each.
async fn at_once<L, F>(extent: Extent, listing: L) -> Vec<f64>
where
    L: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..extent.concurrent {
        let (next, listing) = (Arc::clone(&next), listing.clone());
        callers.spawn(async move {
            let mut seconds = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= extent.times {
                    return seconds;
                }
                let began = Instant::now();
                listing(number).await;
                seconds.push(began.elapsed().as_secs_f64());
            }
        });
    }
    callers.join_all().await.concat()
}
