//! Group commit: what is handed in at the same time is written together, and each hears of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use model::{Ambient, Coded as _, ErrorCode};
use storage::{Database, Error, Group, GroupBounds, Tx, WriteTogether, on};
use tokio::sync::{Notify, Semaphore};

use crate::{Place, column, on_both_databases};

on_both_databases!(
    what_is_handed_in_together_commits_together,
    a_batch_that_fails_fails_its_own_submitters,
    a_full_queue_refuses_at_once,
    what_is_heavy_is_written_apart_and_bounded_by_its_weight,
    who_goes_away_disturbs_nobody,
    closing_writes_what_waits,
);

/// A group whose transactions wait for a permit each, and are counted.
struct Bench {
    group: Arc<Group<Titles>>,
    transactions: Arc<AtomicUsize>,
    /// How many transactions may go on.
    gate: Arc<Semaphore>,
    /// Told when a transaction waits for its permit.
    begun: Arc<Notify>,
}

async fn insert(tx: &mut Tx, title: &str) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("INSERT INTO note (title, is_done) VALUES ($1, FALSE)")
        .bind(title)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes titles, each transaction once it has a permit; what becomes of an item is its transaction's number.
struct Titles {
    transactions: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    begun: Arc<Notify>,
}

#[async_trait::async_trait]
impl WriteTogether for Titles {
    type Item = String;
    type Outcome = usize;

    /// As many MiB as the title says before its first space.
    fn weight(title: &String) -> usize {
        title.split_once(' ').map_or(1, |(mib, _)| mib.parse::<usize>().unwrap() << 20)
    }

    async fn write(&self, tx: &mut Tx, titles: &[String]) -> Result<Vec<usize>, Error> {
        self.begun.notify_one();
        self.gate.acquire().await.unwrap().forget();
        let number = self.transactions.fetch_add(1, Ordering::SeqCst) + 1;
        for title in titles {
            insert(tx, title).await?;
        }
        Ok(vec![number; titles.len()])
    }
}

/// Writes titles, but is told once that another transaction goes first.
struct GivesWay(AtomicUsize);

#[async_trait::async_trait]
impl WriteTogether for GivesWay {
    type Item = String;
    type Outcome = ();

    async fn write(&self, tx: &mut Tx, titles: &[String]) -> Result<Vec<()>, Error> {
        for title in titles {
            insert(tx, title).await?;
        }
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            on!(tx, |c| sqlx::query(
                "DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$"
            )
            .execute(c)
            .await
            .map(drop))?;
        }
        Ok(vec![(); titles.len()])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_had_to_give_way_is_written_once_more() {
    let database = Place::postgres().open().await;
    let group = Group::new(database.clone(), BOUNDS, GivesWay(AtomicUsize::new(0)));
    group.submit("a".to_owned()).await.unwrap();
    assert_eq!(titles(&database).await, ["a"]);
}

fn bench(database: &Database, bounds: GroupBounds) -> Bench {
    let (transactions, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let begun = Arc::new(Notify::new());
    let titles = Titles {
        transactions: Arc::clone(&transactions),
        gate: Arc::clone(&gate),
        begun: Arc::clone(&begun),
    };
    let group = Arc::new(Group::new(database.clone(), bounds, titles));
    Bench { group, transactions, gate, begun }
}

const BOUNDS: GroupBounds = GroupBounds { batch: 64, waiting: 64 };

impl Bench {
    /// Hands in one item and waits until its transaction has begun, so that all others come into the next.
    async fn first(&self, title: &str) -> tokio::task::JoinHandle<Result<usize, Error>> {
        let handle = self.submit(title);
        self.begun.notified().await;
        handle
    }

    fn submit(&self, title: &str) -> tokio::task::JoinHandle<Result<usize, Error>> {
        let (group, title) = (Arc::clone(&self.group), title.to_owned());
        tokio::spawn(async move { group.submit(title).await })
    }

    /// Lets tasks that were spawned hand in what they have.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn titles(database: &Database) -> Vec<String> {
    column(database, "SELECT title FROM note ORDER BY title").await
}

async fn what_is_handed_in_together_commits_together(place: Place) {
    let database = place.open().await;
    let bench = bench(&database, BOUNDS);
    let first = bench.first("a").await;
    let others: Vec<_> = (0..20).map(|number| bench.submit(&format!("b{number:02}"))).collect();
    bench.settle().await;
    bench.gate.add_permits(10);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    for other in join_all(others).await {
        assert_eq!(other.unwrap().unwrap(), 2);
    }
    assert_eq!(bench.transactions.load(Ordering::SeqCst), 2);
    assert_eq!(titles(&database).await.len(), 21);
}

async fn a_batch_that_fails_fails_its_own_submitters(place: Place) {
    let database = place.open().await;
    let bench = bench(&database, BOUNDS);
    let first = bench.first("a").await;
    let together = [bench.submit("b"), bench.submit("a"), bench.submit("c")];
    bench.settle().await;
    bench.gate.add_permits(2);
    assert!(first.await.unwrap().is_ok());
    for other in together {
        let error = other.await.unwrap().unwrap_err();
        assert_eq!(error.code(), ErrorCode::AlreadyExists, "{error}");
    }
    assert_eq!(titles(&database).await, ["a"]);
    // Those after them go on as if nothing had been.
    bench.gate.add_permits(1);
    assert!(bench.group.submit("d".into()).await.is_ok());
    assert_eq!(titles(&database).await, ["a", "d"]);
}

async fn a_full_queue_refuses_at_once(place: Place) {
    let database = place.open().await;
    let bench = bench(&database, GroupBounds { batch: 2, waiting: 3 });
    let first = bench.first("a").await;
    let waiting: Vec<_> = (0..3).map(|number| bench.submit(&format!("b{number}"))).collect();
    bench.settle().await;
    let refused = tokio::time::timeout(Duration::from_secs(1), bench.group.submit("c".into())).await;
    let error = refused.unwrap().unwrap_err();
    assert!(matches!(error, Error::GroupFull), "{error}");
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.retry_after(Ambient::system().now()).is_some());
    // There is room again once some were written, two in each transaction at most.
    bench.gate.add_permits(3);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    let numbers: Vec<_> = join_all(waiting).await.into_iter().map(|each| each.unwrap().unwrap()).collect();
    assert_eq!(numbers.iter().filter(|number| **number == 2).count(), 2, "{numbers:?}");
    bench.gate.add_permits(1);
    assert!(bench.group.submit("c".into()).await.is_ok());
}

async fn what_is_heavy_is_written_apart_and_bounded_by_its_weight(place: Place) {
    let database = place.open().await;
    let bench = bench(&database, BOUNDS);
    let first = bench.first("10 a").await;
    let mut others = Vec::new();
    for title in ["5 b", "3 c", "5 d", "40 e", "f"] {
        others.push(bench.submit(title));
        bench.settle().await;
    }
    // What is being written weighs as well: 63 MiB and a little.
    let error = bench.group.submit("1 g".into()).await.unwrap_err();
    assert!(matches!(error, Error::GroupFull), "{error}");
    bench.gate.add_permits(10);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    let numbers: Vec<_> = join_all(others).await.into_iter().map(|each| each.unwrap().unwrap()).collect();
    // Eight MiB fit into one transaction, and what has more goes alone.
    assert_eq!(numbers, [2, 2, 3, 4, 5]);
    // Once all is written, even what is heavier than all that may wait.
    assert_eq!(bench.group.submit("100 h".into()).await.unwrap(), 6);
}

async fn who_goes_away_disturbs_nobody(place: Place) {
    let database = place.open().await;
    let bench = bench(&database, BOUNDS);
    let first = bench.first("a").await;
    let (gone, stays) = (bench.submit("gone"), bench.submit("stays"));
    bench.settle().await;
    gone.abort();
    first.abort();
    bench.settle().await;
    bench.gate.add_permits(2);
    assert_eq!(stays.await.unwrap().unwrap(), 2);
    // Whose transaction had begun is written, whether anybody waits for it or not.
    assert_eq!(titles(&database).await, ["a", "stays"]);
}

async fn closing_writes_what_waits(place: Place) {
    let database = place.open().await;
    let bench = bench(&database, GroupBounds { batch: 2, waiting: 64 });
    let first = bench.first("a").await;
    let waiting: Vec<_> = (0..5).map(|number| bench.submit(&format!("b{number}"))).collect();
    bench.settle().await;
    let group = Arc::clone(&bench.group);
    let closing = tokio::spawn(async move { group.close().await });
    bench.settle().await;
    assert!(matches!(bench.group.submit("late".into()).await, Err(Error::GroupClosed)));
    bench.gate.add_permits(10);
    closing.await.unwrap();
    assert!(first.await.unwrap().is_ok());
    assert!(join_all(waiting).await.into_iter().all(|each| each.unwrap().is_ok()));
    assert_eq!(titles(&database).await, ["a", "b0", "b1", "b2", "b3", "b4"]);
}
