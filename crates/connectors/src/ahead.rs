//! A stream that is one item ahead of its reader.

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

/// Gives what `items` gives, and has the next item made while the one before is used, in a task of its own: whoever reads
/// slowly leaves nothing half read on a connection that others use too. Dropping the stream ends the task; a panic there is one
/// here.
pub(crate) fn one_ahead<T>(items: impl Stream<Item = T> + Send + 'static) -> impl Stream<Item = T> + Send
where
    T: Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let task = async move {
        let mut items = std::pin::pin!(items);
        // The place is had before the item: there is never more than one that waits.
        while let Ok(place) = sender.reserve().await {
            let Some(item) = items.next().await else { break };
            place.send(item);
        }
    };
    let task = AbortOnDropHandle::new(tokio::spawn(task.in_current_span()));
    stream::unfold((receiver, task), |(mut receiver, task)| async move {
        if let Some(item) = receiver.recv().await {
            return Some((item, (receiver, task)));
        }
        // What broke off in the middle must not look like the end.
        match task.await.map_err(tokio::task::JoinError::try_into_panic) {
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_item_and_no_more_waits_for_the_reader() {
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let endless = stream::repeat_with(move || count.fetch_add(1, Ordering::SeqCst));
        let mut items = Box::pin(one_ahead(endless));
        for number in 0..3 {
            assert_eq!(items.next().await, Some(number));
            settle().await;
            assert_eq!(made.load(Ordering::SeqCst), number + 2);
        }
    }

    #[tokio::test]
    async fn all_items_come_in_order_and_then_the_end() {
        let items: Vec<_> = one_ahead(stream::iter(0..100)).collect().await;
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    #[should_panic(expected = "in the middle")]
    async fn what_breaks_off_is_not_the_end() {
        let items = one_ahead(stream::iter(0..3).inspect(|number| assert!(*number < 2, "in the middle")));
        items.collect::<Vec<_>>().await;
    }

    #[tokio::test]
    async fn whoever_stops_reading_ends_what_is_under_way() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let waiting = stream::once(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        let items = one_ahead(waiting);
        settle().await;
        assert_eq!(Arc::strong_count(&alive), 2);
        drop(items);
        settle().await;
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
