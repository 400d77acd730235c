//! Committing together what many ask for at the same time.
//!
//! A commit that survives a loss of power costs a write to the disk, whether it holds one row or a hundred. So whoever has
//! something small to write hands it in and waits; what was handed in while the transaction before was being written goes into
//! the next one. Nobody waits for company: who is alone is written at once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::{Database, Error, Tx};

/// How long one transaction may take, from asking for a connection to the commit.
const DEADLINE: Duration = Duration::from_secs(30);

/// The most weight of one transaction's items; what is heavier is written alone. 8 MiB.
const BATCH_WEIGHT: usize = 8 << 20;

/// The most weight of the items that wait or are being written. 64 MiB.
const WAITING_WEIGHT: usize = 64 << 20;

/// When to come again where there is no room.
pub(crate) const COME_AGAIN: Duration = Duration::from_secs(1);

/// Writes what a [`Group`] is handed.
#[async_trait]
pub trait WriteTogether: Send + Sync + 'static {
    /// What is handed in.
    type Item: Send + Sync + 'static;
    /// What becomes of it.
    type Outcome: Send + 'static;

    /// About how many bytes of memory an item takes. A transaction has 8 MiB, and 64 MiB may wait; an item that is heavier is
    /// taken where nothing else waits, and written alone. 1 where items are small, as their number is bounded anyway.
    fn weight(_item: &Self::Item) -> usize {
        1
    }

    /// Writes `items` within a transaction that commits right after, and gives what becomes of each, in their order. It must not
    /// fail for one item's sake: where it fails, nothing of the batch is written.
    ///
    /// # Errors
    /// All submitters of the batch get them, as [`Error::Together`]. Where the database has rolled the transaction back for the sake
    /// of another, the same items are first written once more.
    async fn write(&self, tx: &mut Tx, items: &[Self::Item]) -> Result<Vec<Self::Outcome>, Error>;
}

/// The bounds of a [`Group`], beside the weight of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupBounds {
    /// The most items of one transaction; at least 1.
    pub batch: usize,
    /// The most items that wait; at least 1. Further ones are refused at once.
    pub waiting: usize,
}

struct Waiting<W: WriteTogether> {
    item: W::Item,
    weight: OwnedSemaphorePermit,
    answer: oneshot::Sender<Result<W::Outcome, Error>>,
}

/// Items that are committed together. Dropped, it ends after what was handed in; [`Group::close`] waits for that.
pub struct Group<W: WriteTogether> {
    waiting: Mutex<Option<mpsc::Sender<Waiting<W>>>>,
    /// As much weight as may yet be handed in.
    room: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl<W: WriteTogether> Group<W> {
    /// Has `writer` write into `database`. Must be called within a tokio runtime.
    pub fn new(database: Database, bounds: GroupBounds, writer: W) -> Self {
        let (sender, receiver) = mpsc::channel(bounds.waiting.max(1));
        let writer = tokio::spawn(write(database, bounds.batch.max(1), writer, receiver));
        let room = Arc::new(Semaphore::new(WAITING_WEIGHT));
        Self { waiting: Mutex::new(Some(sender)), room, writer: Mutex::new(Some(writer)) }
    }

    /// Has `item` written, and gives what became of it once that is durable. An item whose submitter has gone before its
    /// transaction begins is not written; after that it is.
    ///
    /// # Errors
    /// [`Error::GroupFull`] at once where too many wait, or too much, [`Error::GroupClosed`] after [`Group::close`], [`Error::Together`] where
    /// the transaction failed.
    pub async fn submit(&self, item: W::Item) -> Result<W::Outcome, Error> {
        let (answer, answered) = oneshot::channel();
        let sender = lock(&self.waiting).clone().ok_or(Error::GroupClosed)?;
        let weight = u32::try_from(W::weight(&item).clamp(1, WAITING_WEIGHT)).unwrap_or(u32::MAX);
        let weight = Arc::clone(&self.room).try_acquire_many_owned(weight).map_err(|_| Error::GroupFull)?;
        sender.try_send(Waiting { item, weight, answer }).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::GroupFull,
            TrySendError::Closed(_) => Error::GroupClosed,
        })?;
        drop(sender);
        answered.await.unwrap_or(Err(Error::GroupClosed))
    }

    /// Takes nothing more, and waits until all that was handed in is written.
    pub async fn close(&self) {
        drop(lock(&self.waiting).take());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "what was to be committed together is left unwritten");
        }
    }
}

impl<W: WriteTogether> fmt::Debug for Group<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes batch after batch until nobody can hand in any more.
async fn write<W: WriteTogether>(
    database: Database,
    most: usize,
    writer: W,
    mut receiver: mpsc::Receiver<Waiting<W>>,
) {
    let mut held = None;
    while let Some(batch) = gather(&mut receiver, &mut held, most).await {
        let (mut items, mut answers, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for Waiting { item, weight, answer } in batch {
            if !answer.is_closed() {
                items.push(item);
                answers.push(answer);
                weights.push(weight);
            }
        }
        if items.is_empty() {
            continue;
        }
        let written = tokio::time::timeout(DEADLINE, commit(&database, &writer, &items)).await;
        drop((items, weights));
        tell(answers, written.unwrap_or(Err(Error::GroupTimeout)));
    }
}

/// What fits into the next transaction; `None` once nobody can hand in any more. What does not fit is `held` for the one after.
async fn gather<W: WriteTogether>(
    receiver: &mut mpsc::Receiver<Waiting<W>>,
    held: &mut Option<Waiting<W>>,
    most: usize,
) -> Option<Vec<Waiting<W>>> {
    let mut next = match held.take() {
        Some(first) => first,
        None => receiver.recv().await?,
    };
    let (mut batch, mut weight) = (Vec::new(), 0);
    loop {
        weight += next.weight.num_permits();
        if weight > BATCH_WEIGHT && !batch.is_empty() {
            *held = Some(next);
            break;
        }
        batch.push(next);
        if batch.len() >= most {
            break;
        }
        let Ok(more) = receiver.try_recv() else { break };
        next = more;
    }
    Some(batch)
}

/// Commits `items`; once more where another transaction was given precedence.
async fn commit<W: WriteTogether>(
    database: &Database,
    writer: &W,
    items: &[W::Item],
) -> Result<Vec<W::Outcome>, Error> {
    match commit_once(database, writer, items).await {
        Err(error) if error.is_rollback() => commit_once(database, writer, items).await,
        committed => committed,
    }
}

async fn commit_once<W: WriteTogether>(
    database: &Database,
    writer: &W,
    items: &[W::Item],
) -> Result<Vec<W::Outcome>, Error> {
    let mut tx = database.begin().await?;
    let outcomes = writer.write(&mut tx, items).await?;
    tx.commit().await?;
    Ok(outcomes)
}

/// Tells each submitter what became of its item. One that has gone meanwhile is told nothing.
fn tell<O>(answers: Vec<oneshot::Sender<Result<O, Error>>>, written: Result<Vec<O>, Error>) {
    match written {
        Ok(outcomes) => {
            // Where the writer gave too few, the rest hear that nothing answered.
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                drop(answer.send(Ok(outcome)));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for answer in answers {
                drop(answer.send(Err(Error::Together(Arc::clone(&error)))));
            }
        }
    }
}
